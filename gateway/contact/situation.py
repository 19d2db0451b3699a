"""From what the database knows of a debtor to the values that the engine decides by."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from operator import attrgetter
from typing import Any
from uuid import UUID

from policies.contact.hours import hours_of
from policies.contact.model import (
    AgentStanding,
    CallKind,
    Channel,
    Consent,
    ConsentScope,
    Measure,
    PartyRole,
    PastContact,
    PointValidity,
    Preference,
    ScriptStanding,
    Situation,
)
from policies.contact.results import load_results, possible_measures

DEFAULT_ZONE = "Asia/Shanghai"
FACTS_OF_RESULTS = {"DECEASED": "debtor_deceased", "INCAPACITY": "debtor_incapacity"}
NOBODY_CALLS = AgentStanding(
    "unknown", frozenset(), has_signed_secrecy=False, has_acknowledged_script=False
)
_BY = attrgetter("at")
# What a call that nobody has told of cannot be, if it has reached nobody.
_REACHED = Measure.CONNECTED_NOTIFY | Measure.EFFECTIVE | Measure.CONVERSATION


@dataclass(frozen=True, slots=True)
class Picture:
    """One debtor at one moment; `version` tells at the grant whether it still holds.

    `repeat` is the permit that was made under the same idempotency key, with what was asked.
    `script_ends` is when the version of the script that was named may be used no longer.
    """

    version: int
    situation: Situation
    repeat: tuple[UUID, bytes] | None
    script_ends: datetime | None = None


def picture_of(content: dict[str, Any], *, case_status: str) -> Picture:
    """Reads casegate.contact_situation()."""
    validity, is_opted_out = content["point"] or ("unknown", False)
    history = tuple(_past(item) for item in content["history"])
    facts = {FACTS_OF_RESULTS[item.result] for item in history if item.result in FACTS_OF_RESULTS}
    if content["own_number_invalid"]:
        facts.add("own_number_invalid")
    if content["unpermitted"]:
        # After the facts: what forbidden calls have shown opens no way to a third person.
        calls = (unpermitted_contact(*item) for item in content["unpermitted"])
        history = tuple(sorted((*history, *calls), key=_BY))
    repeat, script = content["repeat"], content["script"]
    return Picture(
        int(content["version"]),
        Situation(
            history,
            _agent(content["agent"]),
            _script(script),
            bool(content["caller"]),
            case_status,
            tuple(_consent(item) for item in content["consents"]),
            frozenset(content["holds"]),
            frozenset(facts),
            PointValidity(validity),
            is_opted_out,
            frozenset(Channel(channel) for channel in content["refused_channels"]),
            _preference(content["preferred"]),
            any(is_reached(result, counts) for result, counts in content["asked"] or ()),
        ),
        None if repeat is None else (UUID(repeat[0]), bytes.fromhex(repeat[1])),
        None if script is None or script[3] is None else _moment(script[3]),
    )


def unpermitted_contact(
    at: float,
    kind_of_point: str | None,
    point: str | None,
    debt: str | None,
    call_kind: str,
    direction: str,
    result: str,
    later: str | None,
) -> PastContact:
    """A call of which a vendor told without a permit, `at` seconds of the epoch.

    It counts as what it was and proves nothing: tries without permits are no loss of contact. Of a
    record that was corrected (`later` is the result by the correction) that part counts which the
    correction would take back.
    """
    counts = _measures(result, call_kind, direction)
    if later is not None:
        counts &= ~_measures(later, call_kind, direction)
    return PastContact(
        _moment(at),
        point,
        debt,
        Channel.VOICE_HUMAN,
        counts,
        result,
        PartyRole.CONTACT if kind_of_point == "related" else PartyRole.DEBTOR,
    )


def is_reached(result: str | None, counts: int) -> bool:
    """Whether somebody was talked to, or may have been while nobody has said how it went."""
    if result is None:
        return bool(counts & _REACHED)
    code = load_results().get(result)
    return code is None or code.reaches


def preference_of(
    hours: list[str], given_at: datetime, last_day: date | None
) -> Preference | None:
    """The hours that a debtor asked for; None when what was named before has been taken back."""
    found = tuple(read for text in hours if (read := hours_of(text)) is not None)
    return Preference(found, given_at, last_day) if found else None


def zones_of(record: dict[str, Any]) -> tuple[str, ...]:
    """Where the debtor may be: IANA names, several of them divided by semicolons."""
    zones = str(record.get("timezone") or DEFAULT_ZONE)
    return tuple(zone.strip() for zone in zones.split(";") if zone.strip()) or (DEFAULT_ZONE,)


def _past(item: list[Any]) -> PastContact:
    at, point, debt, channel, counts, result, party, is_failed, is_exempt = item
    return PastContact(
        _moment(at),
        point,
        debt,
        Channel(channel),
        counts,
        result,
        PartyRole(party),
        is_failed,
        is_exempt,
    )


def _consent(item: list[Any]) -> Consent:
    consent_id, scope, captured_at, begins, ends, point, debt, channel = item
    return Consent(
        consent_id,
        ConsentScope(scope),
        _moment(captured_at),
        _moment(begins),
        _moment(ends),
        point,
        debt,
        None if channel is None else Channel(channel),
    )


def _agent(item: list[Any] | None) -> AgentStanding:
    if item is None:
        return NOBODY_CALLS
    status, has_signed, courses, has_acknowledged = item
    return AgentStanding(status, frozenset(courses), has_signed, has_acknowledged)


def _script(item: list[Any] | None) -> ScriptStanding:
    if item is None:
        return ScriptStanding(None)
    status, channel, is_in_term, _ends = item
    return ScriptStanding(status, Channel(channel), bool(is_in_term))


def _preference(item: list[Any] | None) -> Preference | None:
    if item is None:
        return None
    hours, given_at, last_day = item
    return preference_of(
        hours, _moment(given_at), None if last_day is None else date.fromisoformat(last_day)
    )


def _measures(result: str, call_kind: str, direction: str) -> int:
    code, kind = load_results().get(result), CallKind(call_kind)
    if code is None:
        return possible_measures(kind)
    return code.measures_inbound() if direction == "inbound" else code.measures(kind)


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, tz=UTC)
