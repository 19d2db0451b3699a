"""A call centre without listeners: a lender's database, packs, agents, and permits in-process."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from psycopg_pool import AsyncConnectionPool

from audit.entry import EntryValue, EventType
from audit.errors import AuditUnavailableError
from audit.log import Receipt
from gateway.cases.reader import PostgresCaseReader
from gateway.contact.active_rules import ActiveRules
from gateway.contact.calls import Calls
from gateway.contact.dial_token import DialTokens
from gateway.contact.permits import Granted, Permits, Refused
from gateway.contact.store import PostgresPermitStore
from gateway.contact.wish import PermitWish, PointKind
from gateway.identity.principal import VendorPrincipal
from gateway.installation import kek_keys, load_policies, read_key, release_profiles
from gateway.release.profiles import ReleaseProfiles
from gateway.release.release import AccessContext
from gateway.store.database import connection_pool
from gateway.trial.call_centre import SCRIPT, agent_refs, caller_number, open_call_centre
from keys.kek import KeyRing
from policies.contact.calendar import china_calendar
from policies.contact.model import CallKind, Channel
from policies.contact.results import load_results
from tests.gateway.store.lender import HEADER, Lender, case_row

# A Thursday, at 10:00 in Shanghai.
MORNING = datetime(2026, 5, 7, 2, 0, tzinfo=UTC)
CONTEXT = AccessContext("r" * 24, "t" * 16, "/v1/permits", None, "DEBT_COLLECTION_TEL")
Given = TypeVar("Given")


class KeptEvidence:
    """Keeps entries in memory; fails while `is_down`."""

    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []
        self.is_down = False

    async def record(self, event: EventType, **fields: EntryValue) -> Receipt:
        if self.is_down:
            raise AuditUnavailableError("the log is down")
        self.entries.append({"type": event.value, **fields})
        return Receipt(len(self.entries), bytes(32))


@dataclass
class Desks:
    """What a worker would hold, over a pool of its own."""

    permits: Permits
    calls: Calls
    evidence: KeptEvidence


@dataclass
class CallCentre:
    """Two vendors with agents; each test takes cases that no other has called."""

    lender: Lender
    profiles: ReleaseProfiles
    next_case: int = 0
    refs: list[str] = field(default_factory=list)

    @classmethod
    def make(cls, url: str, directory: Path, *, cases: int) -> "CallCentre":
        lender = Lender.fresh(url, directory)
        lender.clock.at = MORNING
        rows = [
            case_row(number, id_number=id_number(number), related_phone=f"139{number:08d}")
            for number in range(cases)
        ]
        lender.put(directory / "cases.csv", "\n".join([f"{HEADER},联系人电话", *rows]))
        vendors = [(vendor, f"{vendor}-2026") for vendor in ("alpha", "beta")]
        open_call_centre(lender.office(), vendors)
        refs = lender.query(
            "SELECT case_ref FROM casegate.assigned_case WHERE vendor_id = 'alpha'"
            " ORDER BY sequence"
        )
        profiles = release_profiles(lender.database.settings)
        profiles.use(load_policies(lender.database.settings))
        return cls(lender, profiles, 0, [str(row[0]) for row in refs])

    def case(self) -> str:
        self.next_case += 1
        return self.refs[self.next_case - 1]

    def principal(self) -> VendorPrincipal:
        until = datetime(2026, 8, 1, tzinfo=UTC)
        return VendorPrincipal("alpha", "alpha-2026", self.lender.thumbprints["alpha"], until)

    def run(self, use: Callable[[Desks], Awaitable[Given]]) -> Given:
        """Runs with the desks of one worker."""

        async def running() -> Given:
            settings = self.lender.database.settings
            pool = connection_pool(self.lender.database.conninfo("vendor"), size=8)
            await pool.open()
            try:
                return await use(await self._desks(pool, KeyRing(kek_keys(settings))))
            finally:
                await pool.close()

        return asyncio.run(running())

    async def _desks(self, pool: AsyncConnectionPool, kek: KeyRing) -> Desks:
        clock, evidence = self.lender.clock, KeptEvidence()
        rules = ActiveRules(pool, china_calendar(), clock)
        await rules.start()
        await rules.close()  # what it has read stays; nothing changes meanwhile
        store = PostgresPermitStore(pool)
        index = read_key(self.lender.database.settings, "file:secrets/index.key")
        permits = Permits(
            store=store,
            rulebook=rules,
            profiles=self.profiles,
            kek=kek,
            tokens=DialTokens(index),
            evidence=evidence,
            clock=clock,
        )
        calls = Calls(
            store=store,
            reader=PostgresCaseReader(pool),
            results=load_results(),
            kek=kek,
            evidence=evidence,
            clock=clock,
        )
        return Desks(permits, calls, evidence)

    def wish(self, case_ref: str, **changes: Any) -> PermitWish:
        return PermitWish(
            **{
                "case_ref": case_ref,
                "point": PointKind.MOBILE,
                "agent_ref": agent_refs("alpha")[0],
                "script_id": SCRIPT,
                "script_version": 1,
                "channel": Channel.VOICE_HUMAN,
                "call_kind": CallKind.INTERACTIVE,
                "caller_number": caller_number(1),
                **changes,
            }
        )

    def ask(self, case_ref: str, **changes: Any) -> Granted | Refused:
        """One wish in a run of its own."""
        wish = self.wish(case_ref, **changes)
        return self.run(lambda desks: desks.permits.ask(self.principal(), wish, CONTEXT))

    def row(self, answer: Granted | Refused) -> dict[str, Any]:
        """What is on record of a granted permit."""
        assert isinstance(answer, Granted), answer
        columns = "state, counts, expires_at, void_reason, dialed_at, result"
        found = self.lender.query(
            f"SELECT {columns} FROM casegate.contact WHERE contact_id = %s",  # noqa: S608
            (answer.permit_id,),
        )
        return dict(zip(columns.split(", "), found[0], strict=True))


def id_number(serial: int) -> str:
    """A made-up number that passes the check (GB 11643-1999), one for each serial."""
    body = f"110105194912{1 + serial % 28:02d}{serial // 28:03d}"
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    rest = sum(int(digit) * weight for digit, weight in zip(body, weights, strict=True)) % 11
    return body + "10X98765432"[rest]
