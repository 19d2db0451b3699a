"""From what the database knows of a debtor to the values that the engine decides by."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from policies.contact.model import (
    AgentStanding,
    Channel,
    Consent,
    ConsentScope,
    PartyRole,
    PastContact,
    PointValidity,
    ScriptStanding,
    Situation,
)

DEFAULT_ZONE = "Asia/Shanghai"
FACTS_OF_RESULTS = {"DECEASED": "debtor_deceased", "INCAPACITY": "debtor_incapacity"}
NOBODY_CALLS = AgentStanding(
    "unknown", frozenset(), has_signed_secrecy=False, has_acknowledged_script=False
)


@dataclass(frozen=True, slots=True)
class Picture:
    """One debtor at one moment; `version` tells at the grant whether it still holds.

    `repeat` is the permit that was made under the same idempotency key, with what was asked.
    """

    version: int
    situation: Situation
    repeat: tuple[UUID, bytes] | None


def picture_of(content: dict[str, Any], *, case_status: str) -> Picture:
    """Reads casegate.contact_situation()."""
    validity, is_opted_out = content["point"] or ("unknown", False)
    history = tuple(_past(item) for item in content["history"])
    facts = {FACTS_OF_RESULTS[item.result] for item in history if item.result in FACTS_OF_RESULTS}
    if content["own_number_invalid"]:
        facts.add("own_number_invalid")
    repeat = content["repeat"]
    return Picture(
        int(content["version"]),
        Situation(
            history,
            _agent(content["agent"]),
            _script(content["script"]),
            bool(content["caller"]),
            case_status,
            tuple(_consent(item) for item in content["consents"]),
            frozenset(content["holds"]),
            frozenset(facts),
            PointValidity(validity),
            is_opted_out,
            frozenset(Channel(channel) for channel in content["refused_channels"]),
        ),
        None if repeat is None else (UUID(repeat[0]), bytes.fromhex(repeat[1])),
    )


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
    status, channel, is_in_term = item
    return ScriptStanding(status, Channel(channel), bool(is_in_term))


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, tz=UTC)
