"""Releases masked cases to a vendor: decide, fetch, mask, log, hand over, in that order."""

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

import orjson
from typing_extensions import override

from audit.entry import EntryValue, EventType
from audit.log import Receipt
from gateway.cases.notes import VendorNoteReader
from gateway.cases.reader import VendorCaseReader
from gateway.cases.record import JsonValue, StoredCase, open_record
from gateway.clock import Clock, rfc3339
from gateway.errors import NotFoundError, QuotaUsedError
from gateway.evidence import Evidence
from gateway.identity.principal import VendorPrincipal
from gateway.release.cursor import CursorCipher
from gateway.release.notes import REDACTED_NOTES, ReleasedNotes, cut_notes, kept_in
from gateway.release.profiles import ReleaseProfile, ReleaseProfiles
from keys.kek import KeyEncryptionKey
from policies.elements import SHANGHAI
from policies.fields import Stage
from policies.limits import FreeText

MAX_PAGE = 500
_CASES_AT_ONCE = 25  # a millisecond or two
NEWLINE = b"\n"


@dataclass(frozen=True, slots=True)
class AccessContext:
    """What is known of one request beside its principal; all of it may stand in the log."""

    request_id: str
    token_id: str
    route: str
    source: str | None
    purpose: str


@dataclass(frozen=True, slots=True)
class Released:
    """Bytes that may leave, because their entry is durable."""

    body: bytes
    receipt: Receipt
    next_cursor: str | None = None

    @override
    def __repr__(self) -> str:
        return f"Released(bytes={len(self.body)}, index={self.receipt.index})"


class Release:
    """The release use case of one worker."""

    def __init__(
        self,
        *,
        reader: VendorCaseReader,
        notes: VendorNoteReader,
        profiles: ReleaseProfiles,
        kek: KeyEncryptionKey,
        cursors: CursorCipher,
        evidence: Evidence,
        clock: Clock,
    ) -> None:
        self._reader = reader
        self._note_reader = notes
        self._profiles = profiles
        self._kek = kek
        self._cursors = cursors
        self._evidence = evidence
        self._clock = clock

    async def one(
        self, principal: VendorPrincipal, case_ref: str, context: AccessContext
    ) -> Released:
        """One case at the bulk stage.

        Raises:
            NotFoundError: not this vendor's, recalled, or unknown: one answer for all three.
            ReleaseDeniedError: the policy says no, or its quota would be passed.
            AuditUnavailableError, DatabaseUnavailableError: nothing was released.
        """
        profile = self._decide(principal, context)
        case = await self._reader.find(principal.vendor_id, principal.contract_id, case_ref)
        if case is None:
            raise NotFoundError("no such case for this vendor")
        item = self._project(case, profile)
        if item is None:
            raise NotFoundError("no such case for this vendor")
        notes = await self._add_notes(principal, profile, [case], [item])
        body = orjson.dumps(item)
        await self._take(principal, profile, 1)
        receipt = await self._log(principal, context, profile, [case], notes, body)
        return Released(body, receipt)

    async def page(
        self,
        principal: VendorPrincipal,
        context: AccessContext,
        *,
        assignment: str | None,
        cursor: str | None,
        limit: int,
        as_lines: bool,
        readmit: Callable[[], None] = lambda: None,
    ) -> Released:
        """A page of cases in the order of their assignment, as JSON or as NDJSON lines.

        A page is shorter than asked for where the policy's conditions leave cases out that only
        an open record shows. `readmit` is asked again and again while the page is made; what
        it raises for a caller who has been shut out meanwhile ends the work.

        Raises:
            RequestInvalidError: the cursor is not one of this listing.
            ReleaseDeniedError: the policy says no, or its quota would be passed.
            AuditUnavailableError, DatabaseUnavailableError: nothing was released.
        """
        profile = self._decide(principal, context)
        listing = f"cases/{principal.vendor_id}/{principal.contract_id}/{assignment or ''}"
        after = int(self._cursors.open(cursor, listing=listing)) if cursor else 0
        cases = await self._reader.page(
            principal.vendor_id,
            principal.contract_id,
            assignment=assignment,
            after=after,
            limit=limit + 1,
        )
        following = None
        if len(cases) > limit:
            cases = cases[:limit]
            following = self._cursors.seal(str(cases[-1].sequence), listing=listing)
        projected: list[tuple[StoredCase, dict[str, JsonValue] | None]] = []
        for at in range(0, len(cases), _CASES_AT_ONCE):
            readmit()
            some = cases[at : at + _CASES_AT_ONCE]
            projected += [(case, self._project(case, profile)) for case in some]
            await asyncio.sleep(0)  # what must not wait for a whole page, a revocation, comes in
        cases = [case for case, item in projected if item is not None]
        items = [item for _case, item in projected if item is not None]
        notes = await self._add_notes(principal, profile, cases, items)
        await self._take(principal, profile, len(items))
        if as_lines:
            body = b"".join(orjson.dumps(item) + NEWLINE for item in items)
        else:
            body = orjson.dumps({"items": items, "next_cursor": following})
        receipt = await self._log(principal, context, profile, cases, notes, body)
        return Released(body, receipt, following)

    async def assignments(
        self, principal: VendorPrincipal, *, cursor: str | None, limit: int
    ) -> bytes:
        """A page of the vendor's assignments: ids, dates and counts, nothing of a case.

        Raises:
            RequestInvalidError: the cursor is not one of this listing.
            DatabaseUnavailableError: the store does not answer.
        """
        listing = f"assignments/{principal.vendor_id}/{principal.contract_id}"
        after = self._cursors.open(cursor, listing=listing) if cursor else ""
        found = await self._reader.assignments(
            principal.vendor_id, principal.contract_id, after=after, limit=limit + 1
        )
        following = None
        if len(found) > limit:
            found = found[:limit]
            following = self._cursors.seal(found[-1].assignment_id, listing=listing)
        items = [
            {
                "assignment_id": item.assignment_id,
                "created_at": rfc3339(item.created_at),
                "cases": item.cases,
            }
            for item in found
        ]
        return orjson.dumps({"items": items, "next_cursor": following})

    def _decide(self, principal: VendorPrincipal, context: AccessContext) -> ReleaseProfile:
        return self._profiles.decide(
            principal,
            purpose=context.purpose,
            stage=Stage.BULK,
            at=self._clock.now(),
            source=context.source,
        )

    async def _take(self, principal: VendorPrincipal, profile: ReleaseProfile, cases: int) -> None:
        """Takes cases off the day's quota, before the log: what is refused is never released."""
        if profile.pull_cases is None:
            return
        is_taken = await self._reader.take(
            principal.vendor_id,
            principal.contract_id,
            day=self._clock.now().astimezone(SHANGHAI).date(),
            cases=cases,
            most=profile.pull_cases,
        )
        if not is_taken:
            raise QuotaUsedError(profile.policy_digest)

    def _project(self, case: StoredCase, profile: ReleaseProfile) -> dict[str, JsonValue] | None:
        """What leaves of a case; None where the policy's conditions do not cover it."""
        record = open_record(case, self._kek)
        if case.is_held:
            record["hold_flags"] = record.get("hold_flags") or ["HOLD"]
        if profile.covers is not None and not profile.covers(record):
            return None
        # What the gateway knows of the case itself; a column of the file cannot stand in for it.
        record["case_ref"] = case.case_id.hex
        record["assignment_id"] = case.assignment_id
        record["case_status"] = case.status
        record["assigned_at"] = _stamp(case.assigned_at)
        return profile.projection.apply(record)

    async def _add_notes(
        self,
        principal: VendorPrincipal,
        profile: ReleaseProfile,
        cases: list[StoredCase],
        items: list[dict[str, JsonValue]],
    ) -> ReleasedNotes:
        """Puts the cases' redacted notes into their items, where the policy releases notes."""
        if profile.free_text is not FreeText.REDACTED:
            return kept_in(cases)
        wanted = [case.case_id for case in cases if case.has_notes]
        if not wanted:
            return ReleasedNotes()
        stored = await self._note_reader.notes(principal.vendor_id, principal.contract_id, wanted)
        notes = cut_notes(cases, stored, self._kek, numberer=profile.numberer)
        for case, item in zip(cases, items, strict=True):
            text = notes.texts.get(case.case_id)
            if text is not None:
                item[REDACTED_NOTES] = text
        return notes

    async def _log(
        self,
        principal: VendorPrincipal,
        context: AccessContext,
        profile: ReleaseProfile,
        cases: list[StoredCase],
        notes: ReleasedNotes,
        body: bytes,
    ) -> Receipt:
        fields: dict[str, EntryValue] = {
            "vendor": principal.vendor_id,
            "contract": principal.contract_id,
            "certificate": principal.thumbprint.hex(),
            "token": context.token_id,
            "request": context.request_id,
            "route": context.route,
            "source": context.source,
            "purpose": context.purpose,
            "stage": Stage.BULK.value,
            "policy": profile.policy_digest,
            "profile": profile.profile_digest,
            "cases": [case.commitment.hex() for case in cases],
            "bytes": len(body),
            "sha256": hashlib.sha256(body).hexdigest(),
            **notes.entry_fields(),
        }
        return await self._evidence.record(EventType.ACCESS_RELEASE, **fields)


@lru_cache(maxsize=256)
def _stamp(moment: datetime) -> str:
    """Cases of one assignment share their moment."""
    return rfc3339(moment)
