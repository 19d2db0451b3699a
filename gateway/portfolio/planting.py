"""Plants canaries: invented cases that go the way of an import, known to one table alone."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from uuid import UUID

import orjson
import psycopg

from audit.entry import EventType
from gateway.cases.record import CaseRecord
from gateway.clock import Clock
from gateway.errors import RequestInvalidError
from gateway.evidence import record_with_change
from gateway.portfolio.errors import CellError
from gateway.portfolio.identifiers import parse_mobile
from gateway.portfolio.importing import ImportKeys, verify_running_contract
from gateway.portfolio.invention import Inventor
from gateway.portfolio.rows import CaseRow
from gateway.portfolio.sample_cases import sample_records
from gateway.portfolio.sealing import RowSealer
from gateway.portfolio.storing import ChunkPlan, ChunkStore
from keys.envelope import open_sealed
from keys.kek import KeyEncryptionKey
from policies.fields import load_field_catalog

MAX_CANARIES = 500
_MODELS = 300
_READ_MODELS = """
SELECT r.case_id, r.kek_id, r.wrapped_key, r.sealed, r.sealed_notes IS NOT NULL
  FROM casegate.assigned_case a JOIN casegate.case_record r USING (case_id)
 WHERE a.vendor_id = %s AND a.contract_id = %s AND a.status = 'assigned'
   AND NOT EXISTS (SELECT FROM casegate.canary c WHERE c.case_id = a.case_id)
 ORDER BY random() LIMIT %s
"""
_PLANT = """
INSERT INTO casegate.canary (case_id, vendor_id, contract_id, planted_at, planted_by)
VALUES (%s, %s, %s, %s, %s)
"""


@dataclass(frozen=True, slots=True)
class Planting:
    """What was planted: references as the vendor will know them, and the entry's index.

    `made_up_numbers` counts mobile numbers that are not the company's own.
    """

    case_refs: tuple[str, ...]
    made_up_numbers: int
    log_index: int


def plant_canaries(
    connection: psycopg.Connection,
    *,
    vendor_id: str,
    contract_id: str,
    count: int,
    numbers: Sequence[str],
    keys: ImportKeys,
    clock: Clock,
    actor: str,
) -> Planting:
    """Invents cases after the contract's own, assigns them as an import does, and notes which.

    The log has the entries of any import and one of the planting that names no vendor, so that an
    export for one says nothing; its digest over the case ids proves later which were planted.

    Raises:
        NotFoundError: no such running contract of an active vendor.
        RequestInvalidError: a count out of bounds, or `numbers` holds what is no mobile number.
    """
    if not 1 <= count <= MAX_CANARIES:
        raise RequestInvalidError(f"plant between 1 and {MAX_CANARIES} at a time")
    own = _own_numbers(numbers)
    verify_running_contract(connection, vendor_id, contract_id, at=clock.now())
    records = list(islice(_invented(connection, vendor_id, contract_id, keys.kek, own), count))
    digest = hashlib.sha256(b"".join(map(orjson.dumps, records))).digest()
    store = ChunkStore(
        connection,
        connection,
        vendor_id=vendor_id,
        contract_id=contract_id,
        sealer=RowSealer(keys.index, keys.kek, keys.pseudonyms, contract_id),
        file_sha256=digest,
        clock=clock,
        actor=actor,
    )
    store.hold()
    with connection.transaction():
        plan = _fresh(store, records)
        store.write(plan)
        now = clock.now()
        cases = [row.case_id for _macs, row in plan.fresh]
        with connection.cursor() as cursor:
            cursor.executemany(
                _PLANT, [(case_id, vendor_id, contract_id, now, actor) for case_id in cases]
            )
        record_with_change(
            connection,
            EventType.CASE_IMPORTED,
            at=now,
            actor=actor,
            vendor=vendor_id,
            contract=contract_id,
            assignment=store.assignment_id,
            file_sha256=digest.hex(),
            rows=count,
            assigned=count,
            changed=0,
            unchanged=0,
            rejected=0,
            forbidden_columns=0,
        )
        index = record_with_change(
            connection,
            EventType.CANARY_PLANTED,
            at=now,
            actor=actor,
            canaries=count,
            cases_sha256=digest_of(cases),
        )
    refs = tuple(row.case_ref for _macs, row in plan.fresh)
    return Planting(refs, max(0, count - len(own)), index)


def digest_of(cases: Sequence[UUID]) -> str:
    """SHA-256 in hex over the sorted case ids (16 bytes each), as `canary.planted` has it."""
    return hashlib.sha256(b"".join(sorted(case_id.bytes for case_id in cases))).hexdigest()


def _fresh(store: ChunkStore, records: Sequence[CaseRecord]) -> ChunkPlan:
    plan = store.plan([CaseRow(line, record) for line, record in enumerate(records, start=1)])
    if len(plan.fresh) != len(records):
        raise RequestInvalidError("an invented case has the number of a real one; try again")
    return plan


def _invented(
    connection: psycopg.Connection,
    vendor_id: str,
    contract_id: str,
    kek: KeyEncryptionKey,
    numbers: Sequence[str],
) -> Iterator[CaseRecord]:
    rows = connection.execute(_READ_MODELS, (vendor_id, contract_id, _MODELS)).fetchall()
    models: list[CaseRecord] = [
        orjson.loads(open_sealed(sealed, wrapped, kek, context=case_id.bytes, kek_id=kek_id))
        for case_id, kek_id, wrapped, sealed, _has_notes in rows
    ]
    noted = sum(bool(row[4]) for row in rows) / len(rows) if rows else 0.0
    inventor = Inventor(
        models or list(sample_records(_MODELS)), load_field_catalog(), numbers=iter(numbers)
    )
    for number in range(MAX_CANARIES):
        # As many with notes as there are among the real ones.
        yield inventor.record(with_notes=int((number + 1) * noted) > int(number * noted))


def _own_numbers(numbers: Sequence[str]) -> list[str]:
    try:
        return [parse_mobile(number) for number in numbers]
    except CellError as error:
        raise RequestInvalidError("one of the numbers is no mobile number") from error
