"""Conditions that only an open case answers, asked of all cases of a contract for a replay."""

from collections.abc import Callable
from dataclasses import dataclass

import orjson
import psycopg

from gateway.release.profiles import covering
from keys.envelope import open_sealed
from keys.kek import KeyEncryptionKey
from policies.limits import RowConditions

_FETCH = 1_000
_CASES = """
SELECT a.commitment, r.case_id, r.kek_id, r.wrapped_key, r.sealed
  FROM casegate.assigned_case a JOIN casegate.case_record r USING (case_id)
 WHERE a.vendor_id = %s AND a.contract_id = %s
"""
Kek = Callable[[], KeyEncryptionKey]


@dataclass(frozen=True, slots=True)
class OpenCases:
    """Looks into a contract's cases, recalled ones too; what is in them does not leave."""

    connection: psycopg.Connection
    kek: Kek

    def left_out(self, vendor: str, contract: str, rows: RowConditions) -> set[str]:
        """Commitments (hex) of the cases that the conditions on region and hold leave out.

        They are judged as they are now: what a case was on an earlier day is kept nowhere. None is
        opened where there are no such conditions.

        Raises:
            EnvelopeError: a case does not open.
        """
        covers = covering(rows)
        if covers is None:
            return set()
        kek = self.kek()
        found: set[str] = set()
        connection = self.connection
        with connection.transaction(), connection.cursor(name="replayed_cases") as cursor:
            cursor.itersize = _FETCH
            cursor.execute(_CASES, (vendor, contract), binary=True)
            for commitment, case_id, kek_id, wrapped, sealed in cursor:
                plain = open_sealed(sealed, wrapped, kek, context=case_id.bytes, kek_id=kek_id)
                if not covers(orjson.loads(plain)):
                    found.add(commitment.hex())
        return found
