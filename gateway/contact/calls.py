"""What becomes of a permit: looked at, given back, closed with a result, an identity compared."""

import hmac
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from audit.entry import EntryValue, EventType
from gateway.cases.reader import VendorCaseReader
from gateway.cases.record import open_record
from gateway.clock import Clock, rfc3339
from gateway.contact.grant import verify_open, who
from gateway.contact.store import Closing, PermitStore
from gateway.errors import NotFoundError, PermitStateError
from gateway.evidence import Evidence
from gateway.identity.principal import VendorPrincipal
from gateway.release.release import AccessContext
from keys.kek import KeyEncryptionKey
from policies.contact.model import CallKind, Channel, Measure
from policies.contact.results import ResultCodes
from policies.elements import SHANGHAI

MAX_TRIES = 3
# So long after its permit a call may still go on, and the customer be asked who they are.
CALL_LIFE = timedelta(hours=1)
_LAST = 4
_ENDED = {"voided": "PERMIT_VOIDED", "expired": "PERMIT_EXPIRED"}


class Calls:
    """The use cases around one permit of a vendor."""

    def __init__(
        self,
        *,
        store: PermitStore,
        reader: VendorCaseReader,
        results: ResultCodes,
        kek: KeyEncryptionKey,
        evidence: Evidence,
        clock: Clock,
    ) -> None:
        self._store = store
        self._reader = reader
        self._results = results
        self._kek = kek
        self._evidence = evidence
        self._clock = clock

    async def show(self, principal: VendorPrincipal, permit_id: UUID) -> dict[str, Any]:
        """How a permit stands; nothing of the case in it.

        Raises:
            NotFoundError: the vendor has no such permit.
            DatabaseUnavailableError: the store does not answer.
        """
        row = await self._find(principal, permit_id)
        state = row["state"]
        if state == "granted" and row["expires_at"] <= self._clock.now():
            state = "expired"  # what the sweep has not got to yet
        return {
            "permit_id": str(permit_id),
            "case_ref": row["case_ref"],
            "contact_point": row["point_kind"],
            "agent": row["agent_ref"],
            "state": state,
            "requested_at": rfc3339(row["requested_at"]),
            "expires_at": rfc3339(row["expires_at"]),
            "dialed_at": _stamp(row["dialed_at"]),
            "closed_at": _stamp(row["closed_at"]),
            "result_code": row["result"],
            "identity": row["identity"],
        }

    async def give_back(
        self, principal: VendorPrincipal, permit_id: UUID, context: AccessContext
    ) -> None:
        """Ends an unused permit.

        One whose number was shown goes on counting as a try: that no call was made cannot be seen
        from here.

        Raises:
            NotFoundError: the vendor has no such permit.
            PermitStateError: PERMIT_USED, PERMIT_EXPIRED, PERMIT_VOIDED.
            AuditUnavailableError, DatabaseUnavailableError: it is not known whether it has ended.
        """
        row = await self._find(principal, permit_id)
        now = self._clock.now()
        verify_open(row, now)
        counts = 0 if row["handling"] == "dial_token" else int(Measure.ATTEMPT)
        await self._end(principal, permit_id, Closing("unused", None, counts), now)
        await self._note(principal, permit_id, context, row, result="unused")

    async def close(
        self, principal: VendorPrincipal, permit_id: UUID, result: str, context: AccessContext
    ) -> dict[str, Any]:
        """Says how the call went, with what follows from it for the number and the debtor.

        Raises:
            NotFoundError: the vendor has no such permit.
            PermitStateError: UNKNOWN_CODE; PERMIT_USED when it was closed before.
            AuditUnavailableError, DatabaseUnavailableError: it is not known whether it has ended.
        """
        row = await self._find(principal, permit_id)
        code = self._results.get(result)
        if code is None:
            raise PermitStateError("UNKNOWN_CODE")
        if code.needs_contact_person and row["party"] != "contact":
            raise PermitStateError("UNKNOWN_CODE")
        now = self._clock.now()
        closing = Closing(
            "used",
            result,
            code.measures(CallKind(row["call_kind"])),
            code.is_failed,
            None if code.validity is None else code.validity.value,
            code.opts_out,
            code.hold,
        )
        placed = await self._end(principal, permit_id, closing, now)
        await self._note(principal, permit_id, context, row, result=result, hold=code.hold)
        if placed:
            await self._note_hold(principal, placed, code.hold)
        return await self.show(principal, permit_id)

    async def refuse_channel(
        self,
        principal: VendorPrincipal,
        case_ref: str,
        channel: Channel,
        context: AccessContext,
    ) -> None:
        """Keeps that a debtor does not want to be reached by a channel, by any vendor, for good.

        Said again it changes nothing.

        Raises:
            NotFoundError: the case is not this vendor's.
            AuditUnavailableError, DatabaseUnavailableError: it is not known whether it is kept.
        """
        outcome = await self._store.refuse_channel(
            principal.vendor_id,
            principal.contract_id,
            case_ref,
            channel.value,
            self._clock.now(),
        )
        if outcome is None:
            raise NotFoundError("no such case for this vendor")
        await self._evidence.record(
            EventType.CHANNEL_REFUSED,
            **who(principal, context),
            channel=channel.value,
            known=outcome == "known",
        )

    async def check_identity(
        self, principal: VendorPrincipal, permit_id: UUID, last4: str, context: AccessContext
    ) -> dict[str, Any]:
        """Whether the ID number ends so. The digits are neither kept nor logged.

        Raises:
            NotFoundError: the vendor has no such permit, or no longer its case.
            PermitStateError: the permit is over or voided; IDENTITY_TRIES_USED after three tries
                at the case on one day in Asia/Shanghai.
            AuditUnavailableError, DatabaseUnavailableError: nothing was compared.
        """
        row = await self._find(principal, permit_id)
        now = self._clock.now()
        if row["state"] not in {"granted", "used", "expired"}:
            raise PermitStateError(_ENDED.get(row["state"], "PERMIT_USED"))
        if now - row["requested_at"] > CALL_LIFE:
            raise PermitStateError("PERMIT_EXPIRED")
        case = await self._reader.find(principal.vendor_id, principal.contract_id, row["case_ref"])
        if case is None:
            raise NotFoundError("no such permit for this vendor")
        day = now.astimezone(SHANGHAI).date()
        tried = await self._store.take_try(
            principal.vendor_id, principal.contract_id, case.case_id, day, MAX_TRIES
        )
        if tried is None:
            raise PermitStateError("IDENTITY_TRIES_USED")
        held = str(open_record(case, self._kek).get("id_number") or "")[-_LAST:].upper()
        is_match = hmac.compare_digest(held.encode(), last4.upper().encode())
        outcome = "match" if is_match else "no_match"
        await self._store.note_identity(
            principal.vendor_id, principal.contract_id, permit_id, outcome
        )
        await self._evidence.record(
            EventType.IDENTITY_CHECKED,
            **who(principal, context),
            permit=str(permit_id),
            agent=row["agent_ref"],
            cases=[case.commitment.hex()],
            result=outcome,
            attempt=tried,
        )
        return {"match": is_match, "tries_left": MAX_TRIES - tried}

    async def _find(self, principal: VendorPrincipal, permit_id: UUID) -> dict[str, Any]:
        row = await self._store.find(principal.vendor_id, principal.contract_id, permit_id)
        if row is None:
            raise NotFoundError("no such permit for this vendor")
        return row

    async def _end(
        self, principal: VendorPrincipal, permit_id: UUID, closing: Closing, now: datetime
    ) -> str:
        """Ends a permit; returns the hold that came of it with the commitments, or nothing."""
        ended = await self._store.close(
            principal.vendor_id, principal.contract_id, permit_id, closing, now
        )
        if ended is None:
            raise NotFoundError("no such permit for this vendor")
        outcome, _space, placed = ended.partition(" ")
        if outcome != "closed":
            raise PermitStateError(_ENDED.get(outcome, "PERMIT_USED"))
        return placed

    async def _note_hold(
        self, principal: VendorPrincipal, placed: str, ground: str | None
    ) -> None:
        """The same entry that a hold of the company's gets; see contact.holds."""
        hold_id, _space, commitments = placed.partition(" ")
        await self._evidence.record(
            EventType.HOLD_PLACED,
            actor=f"vendor:{principal.vendor_id}",
            hold=hold_id,
            ground=ground,
            source="call_result",
            scope="debtor",
            cases=commitments.split(",") if commitments else [],
        )

    async def _note(
        self,
        principal: VendorPrincipal,
        permit_id: UUID,
        context: AccessContext,
        row: dict[str, Any],
        **fields: EntryValue,
    ) -> None:
        await self._evidence.record(
            EventType.PERMIT_CLOSED,
            **who(principal, context),
            permit=str(permit_id),
            agent=row["agent_ref"],
            **fields,
        )


def _stamp(moment: datetime | None) -> str | None:
    return None if moment is None else rfc3339(moment)
