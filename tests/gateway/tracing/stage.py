"""A lender whose vendors have pulled their cases: the log says so as releases write it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import orjson
import psycopg

from audit.entry import EventType
from gateway.evidence import record_with_change
from gateway.installation import kek_keys, release_profiles
from gateway.masking.projection import Projection, compile_projection
from gateway.masking.pseudonyms import PseudonymKey
from gateway.oversight.indexing import catch_up
from gateway.portfolio.sample import write_sample_portfolio
from gateway.tracing.desk import TraceReport
from keys.envelope import open_sealed
from keys.kek import KeyRing
from policies.fields import Stage, load_field_catalog
from policies.load import load_packaged_bundle
from policies.model import DataScope, VendorPolicy
from tests.gateway.store.lender import ACTOR, START, Lender

PAGE = 500
_HELD = """
SELECT a.commitment, r.case_id, r.kek_id, r.wrapped_key, r.sealed
  FROM casegate.assigned_case a JOIN casegate.case_record r USING (case_id)
 WHERE a.vendor_id = %s AND a.contract_id = %s ORDER BY a.sequence
"""


@dataclass
class Pulled:
    """The stage; `lender` has the database."""

    lender: Lender

    def bring(self, vendor: str, cases: int, *, seed: int, contract: str | None = None) -> None:
        """Imports invented cases for a vendor."""
        path = self.lender.database.settings.directory / f"{vendor}-{seed}.ndjson"
        write_sample_portfolio(cases, path, seed=seed)
        assert self.lender.bring(path, vendor, contract).assigned == cases
        path.unlink()

    def policy(self, vendor: str, contract: str | None = None) -> VendorPolicy:
        found = load_packaged_bundle().policy(vendor, contract or f"{vendor}-2026")
        assert found is not None
        return found

    def records(self, vendor: str, contract: str | None = None) -> Iterator[dict[str, Any]]:
        """What a release sees of a vendor's cases, in the order of their assignment."""
        kek = KeyRing(kek_keys(self.lender.database.settings))
        for _commitment, case_id, kek_id, wrapped, sealed in self.lender.query(
            _HELD, (vendor, contract or f"{vendor}-2026")
        ):
            plain = open_sealed(
                bytes(sealed),  # type: ignore[call-overload]
                bytes(wrapped),  # type: ignore[call-overload]
                kek,
                context=case_id.bytes,  # type: ignore[attr-defined]
                kek_id=str(kek_id),
            )
            yield orjson.loads(plain)

    def received(self, vendor: str, stage: Stage = Stage.BULK) -> list[dict[str, Any]]:
        """What a vendor gets of its cases by the packaged policy."""
        projection = self.projection(vendor, stage)
        return [dict(projection.apply(record)) for record in self.records(vendor)]

    def key(self, vendor: str) -> PseudonymKey:
        settings = self.lender.database.settings
        return release_profiles(settings).pseudonym_key(vendor, f"{vendor}-2026")

    def projection(self, vendor: str, stage: Stage) -> Projection:
        scope = self.scope(vendor, stage)
        return compile_projection(scope.rules, load_field_catalog(), self.key(vendor))

    def scope(self, vendor: str, stage: Stage) -> DataScope:
        found = self.policy(vendor).scope(stage)
        assert found is not None
        return found

    def release(
        self,
        vendor: str,
        *,
        at: datetime = START,
        stage: Stage = Stage.BULK,
        first: int = 0,
        wanted: int | None = None,
        contract: str | None = None,
    ) -> None:
        """Writes the entries of pulling a vendor's cases, page by page."""
        scope = self.scope(vendor, stage)
        contract = contract or f"{vendor}-2026"
        commitments = [
            bytes(row[0]).hex()  # type: ignore[call-overload]
            for row in self.lender.query(_HELD, (vendor, contract))
        ]
        commitments = commitments[first : None if wanted is None else first + wanted]
        with self.lender.role() as connection:
            self._load(connection, vendor, contract)
            for begin in range(0, len(commitments), PAGE):
                record_with_change(
                    connection,
                    EventType.ACCESS_RELEASE,
                    at=at + timedelta(seconds=begin),
                    vendor=vendor,
                    contract=contract,
                    stage=stage.value,
                    profile=scope.digest,
                    cases=commitments[begin : begin + PAGE],
                )
        with self.lender.role("publisher") as connection:
            catch_up(connection)

    def trace(self, content: str | bytes) -> TraceReport:
        """Traces a file of this content."""
        data = content if isinstance(content, bytes) else content.encode()
        return (
            self.lender.office()
            .tracing()
            .trace(BytesIO(data), actor=ACTOR, progress=lambda _opened, _whole: None)
        )

    def _load(self, connection: psycopg.Connection, vendor: str, contract: str) -> None:
        policy = self.policy(vendor)
        record_with_change(
            connection,
            EventType.POLICY_LOADED,
            at=START,
            actor=ACTOR,
            vendor=vendor,
            contract=contract,
            profiles={
                scope.digest: {
                    "stage": scope.stage.value,
                    "fields": {rule.field: rule.words for rule in scope.rules},
                }
                for scope in policy.scopes
            },
        )


def pulled(server_url: str, directory: Path, *, cases: int) -> Pulled:
    """Alpha and beta hold so many cases each, and have pulled all of them."""
    stage = Pulled(Lender.fresh(server_url, directory))
    for seed, vendor in enumerate(("alpha", "beta"), start=1):
        stage.bring(vendor, cases, seed=seed)
        stage.release(vendor)
    return stage
