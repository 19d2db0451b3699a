"""What is put on record when a permit is granted, and what is asked of it later."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from audit.entry import EntryValue
from gateway.cases.record import CaseRecord
from gateway.contact.situation import NOBODY_CALLS
from gateway.contact.store import AskedCase
from gateway.contact.view import NumberView
from gateway.contact.wish import PermitWish
from gateway.errors import PermitStateError
from gateway.identity.principal import VendorPrincipal
from gateway.release.profiles import ReleaseProfile
from gateway.release.release import AccessContext
from policies.contact.model import (
    Channel,
    ContactDecision,
    ContactRequest,
    PartyRole,
    Situation,
)
from policies.contact.results import possible_measures
from policies.limits import NumberHandling

_STATE_CODES = {
    "used": "PERMIT_USED",
    "recorded": "PERMIT_USED",
    "unused": "PERMIT_USED",
    "voided": "PERMIT_VOIDED",
    "expired": "PERMIT_EXPIRED",
}
_VOICE = frozenset({Channel.VOICE_HUMAN, Channel.VOICE_ROBOT})


@dataclass(frozen=True, slots=True)
class Asked:
    """One wish with all that the decision stands on."""

    wish: PermitWish
    case: AskedCase
    record: CaseRecord
    profile: ReleaseProfile
    number: NumberView
    request: ContactRequest
    purpose: str
    situation: Situation


def permit_row(
    principal: VendorPrincipal,
    asked: Asked,
    decision: ContactDecision,
    permit_id: UUID,
    ends: datetime,
    *,
    rulebook: str,
) -> dict[str, Any]:
    """A row of casegate.contact as JSON, byte strings in PostgreSQL's hex form."""
    wish, case, request = asked.wish, asked.case, asked.request
    return {
        "contact_id": permit_id,
        "vendor_id": principal.vendor_id,
        "contract_id": principal.contract_id,
        "thumbprint": _hex(principal.thumbprint),
        "case_id": case.stored.case_id,
        "case_ref": wish.case_ref,
        "person_mac": _hex(case.person),
        "point_mac": f"\\x{request.point}",
        "point_kind": wish.point.value,
        "party": request.party.value,
        "debt": request.debt,
        "direction": "outbound",
        "channel": wish.channel.value,
        "call_kind": wish.call_kind.value,
        "agent_ref": wish.agent_ref,
        "script_id": wish.script_id,
        "script_version": wish.script_version,
        "caller_number": wish.caller_number,
        "reason": wish.reason,
        "requested_at": request.at,
        "expires_at": ends,
        "state": "granted",
        "handling": handling_of(asked).word,
        # All that it may turn out to be, until somebody says how it went.
        "counts": possible_measures(wish.call_kind),
        "is_failed": False,
        "is_exempt": False,
        "policy": asked.profile.policy_digest,
        "rulebook": rulebook,
        "consents": list(decision.consents),
        "repeat_key": wish.repeat_key,
        # No column: whether the number has still to be on the list when the permit is put down.
        "is_caller_registered": asked.situation.is_caller_registered,
        # By the key alone anybody asks what was wished for.
        "request_sha256": None if wish.repeat_key is None else _hex(wish.digest()),
    }


def handling_of(asked: Asked) -> NumberHandling:
    """In clear only where the contract says so, and never a third person's number."""
    is_shown = asked.wish.channel in _VOICE and asked.request.party is not PartyRole.CONTACT
    if is_shown and asked.wish.point.field in asked.profile.in_clear:
        return asked.profile.limits.numbers
    return NumberHandling.DIAL_TOKEN


def verify_open(row: dict[str, Any], now: datetime) -> None:
    """Raises PermitStateError (PERMIT_USED, PERMIT_EXPIRED, PERMIT_VOIDED) unless it is usable."""
    code = _STATE_CODES.get(row["state"])
    if code is None and row["expires_at"] <= now:
        code = "PERMIT_EXPIRED"
    if code is not None:
        raise PermitStateError(code)


def who(principal: VendorPrincipal, context: AccessContext) -> dict[str, EntryValue]:
    """Who asks, as entries of the log say it."""
    return {
        "vendor": principal.vendor_id,
        "contract": principal.contract_id,
        "certificate": principal.thumbprint.hex(),
        "token": context.token_id,
        "request": context.request_id,
        "route": context.route,
        "source": context.source,
    }


def what(asked: Asked) -> dict[str, EntryValue]:
    """What is asked for, as entries of the log say it.

    References that are not in a register are left out: whatever a caller typed, a debtor's number
    perhaps, does not come into the log.
    """
    wish, known = asked.wish, asked.situation
    script = f"{wish.script_id}/{wish.script_version}"
    return {
        "purpose": asked.purpose,
        "stage": "permit",
        "cases": [asked.case.stored.commitment.hex()],
        "agent": known_agent(asked),
        "script": script if known.script.status is not None else None,
        "channel": wish.channel.value,
        "kind": wish.call_kind.value,
        "point": wish.point.value,
        "caller": wish.caller_number if known.is_caller_registered else None,
    }


def known_agent(asked: Asked) -> str | None:
    """The agent's reference, if it is one of the vendor's register."""
    is_known = asked.situation.agent.status != NOBODY_CALLS.status
    return asked.wish.agent_ref if is_known else None


def _hex(data: bytes) -> str:
    return f"\\x{data.hex()}"
