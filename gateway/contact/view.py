"""What one permit shows of its case: what the agent needs in this one call, by policy."""

import re
from dataclasses import dataclass

from gateway.cases.record import CaseRecord, JsonValue
from gateway.clock import rfc3339
from gateway.contact.store import AskedCase
from gateway.contact.wish import PointKind
from gateway.masking.projection import Projection
from gateway.masking.transforms import phone_cn
from policies.contact.model import PartyRole

# A permit is for one number: the others of the case stay out, whatever the policy's lines say.
_NUMBERS = frozenset({"mobile_phone", "home_phone", "related_phone", "work_phone"})
# With a third person nothing of the debt may be spoken of (GB/T 45251-2025), so nothing is shown.
_FOR_THIRD_PERSONS = frozenset(
    {
        *("case_ref", "full_name", "salutation", "related_name", "relation"),
        *("treatment_codes", "preferred_language", "timezone"),
    }
)
_SEPARATORS = re.compile(r"[^0-9+]")
_MOBILE_DIGITS = 11


@dataclass(frozen=True, slots=True)
class NumberView:
    """The number of a permit: `e164` for who may have it in clear, `masked` for everybody."""

    e164: str
    extension: str | None
    masked: str | None


def case_view(
    case: AskedCase, record: CaseRecord, projection: Projection, party: PartyRole
) -> dict[str, JsonValue]:
    """The released fields, without any number; for a third person without the debt."""
    stored = case.stored
    seen = dict(record)
    seen["case_ref"] = stored.case_id.hex
    seen["assignment_id"] = stored.assignment_id
    seen["case_status"] = stored.status
    seen["assigned_at"] = rfc3339(stored.assigned_at)
    released = projection.apply(seen)
    is_third = party is PartyRole.CONTACT
    return {
        name: value
        for name, value in released.items()
        if name not in _NUMBERS and (not is_third or name in _FOR_THIRD_PERSONS)
    }


def number_view(record: CaseRecord, point: PointKind) -> NumberView | None:
    """The number of a contact point; None when the case has none of the kind."""
    value = record.get(point.field)
    if not isinstance(value, str) or not value:
        return None
    number, _hyphen, extension = value.partition("-")
    digits = _SEPARATORS.sub("", number)
    if digits.startswith("+"):
        e164 = digits
    elif len(digits) == _MOBILE_DIGITS and digits.startswith("1"):
        e164 = f"+86{digits}"
    else:
        e164 = f"+86{digits.removeprefix('0')}"
    # Of a third person's number no part is released (field catalogue).
    masked = None if point.party is PartyRole.CONTACT else phone_cn(value)
    return NumberView(e164, extension or None, masked if isinstance(masked, str) else None)
