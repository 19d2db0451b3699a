"""What is on record of a range of debtors, as it was known at each moment of the past."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
from psycopg.rows import args_row

from gateway.cases.record import StoredCase
from gateway.contact.situation import preference_of, unpermitted_contact
from policies.contact.model import (
    Channel,
    Consent,
    ConsentScope,
    PastContact,
    PointValidity,
    Preference,
)

# As far back as a decision looks.
MEMORY = timedelta(days=32)
# What an erased debtor's contacts keep in place of the debtor: of nobody, and not replayed.
NOBODY = bytes(32)
_DEAD = frozenset({PointValidity.INVALID, PointValidity.WRONG})
_CONTACTS = """
SELECT contact_id, vendor_id, contract_id, case_id, person_mac, encode(point_mac, 'hex'), party,
       debt, direction, channel, call_kind, agent_ref, script_id, script_version, caller_number,
       reason, requested_at, result, counts, is_failed, is_exempt, '{}'::text[]
  FROM casegate.contact
 WHERE person_mac >= %(first)s AND person_mac < %(last)s AND person_mac <> %(nobody)s
   AND requested_at >= %(from)s AND requested_at < %(until)s
"""
# The number is the case's own of that kind: a refusal keeps no key of it.
_REFUSALS = """
SELECT NULL::uuid, f.vendor_id, f.contract_id, f.case_id, r.person_mac,
       encode(CASE f.point_kind WHEN 'mobile' THEN r.contact_mac WHEN 'home' THEN r.home_mac
                                ELSE r.related_mac END, 'hex'),
       CASE f.point_kind WHEN 'related' THEN 'contact' ELSE 'debtor' END, NULL::text, 'outbound',
       f.channel, f.call_kind, f.agent_ref, f.script_id, f.script_version, f.caller_number,
       f.reason, f.requested_at, NULL::text, 0, false, false, f.codes
  FROM casegate.case_record r JOIN casegate.permit_refusal f USING (case_id)
 WHERE r.person_mac >= %(first)s AND r.person_mac < %(last)s
   AND f.requested_at >= %(since)s AND f.requested_at < %(until)s
"""
_IN_ORDER = " ORDER BY 5, 17"
_UNPERMITTED = """
SELECT r.person_mac, r.case_id, extract(epoch FROM u.started_at)::float8, u.contact_point,
       encode(CASE u.contact_point WHEN 'mobile' THEN r.contact_mac WHEN 'home' THEN r.home_mac
                                   WHEN 'related' THEN r.related_mac END, 'hex'),
       NULL::text, u.call_kind, u.direction, u.result_code,
       (SELECT n.result_code FROM casegate.call_record n WHERE n.call_id = u.superseded_by
           AND n.vendor_id = u.vendor_id AND n.contract_id = u.contract_id)
  FROM casegate.case_record r JOIN casegate.call_record u USING (case_id)
 WHERE r.person_mac >= %(first)s AND r.person_mac < %(last)s AND u.permit_id IS NULL
   AND u.started_at >= %(from)s AND u.started_at < %(until)s
"""
_PREFERRED = """
SELECT person_mac, preferred_hours, answered_at, decision_valid_to FROM casegate.special_request
 WHERE person_mac >= %(first)s AND person_mac < %(last)s AND preferred_hours IS NOT NULL
   AND answered_at < %(until)s
 ORDER BY answered_at, sequence
"""
_CASES = """
SELECT case_id, encode(contact_mac, 'hex'), imported_at, kek_id, wrapped_key, sealed
  FROM casegate.case_record WHERE person_mac >= %(first)s AND person_mac < %(last)s
"""
_HOLDS = """
SELECT person_mac, case_id, code, placed_at, lifted_at FROM casegate.hold
 WHERE person_mac >= %(first)s AND person_mac < %(last)s AND placed_at < %(until)s
   AND (lifted_at IS NULL OR lifted_at > %(since)s)
"""
_CONSENTS = """
SELECT person_mac, case_id, revoked_at, consent_id::text, scope, captured_at, begins, ends,
       encode(point_mac, 'hex'), debt, channel
  FROM casegate.consent
 WHERE person_mac >= %(first)s AND person_mac < %(last)s AND captured_at < %(until)s
   AND ends > %(since)s
"""
_POINTS = """
SELECT encode(p.point_mac, 'hex'), p.validity, p.changed_at, p.opted_out_at
  FROM casegate.point_state p
 WHERE p.point_mac IN (SELECT c.point_mac FROM casegate.contact c
                        WHERE c.person_mac >= %(first)s AND c.person_mac < %(last)s)
"""


class PastRow(NamedTuple):
    """A contact, or a refused wish (`contact_id` and `debt` None, its codes in `refused`).

    A call without a permit is a contact without an id and without a vendor.
    """

    contact_id: UUID | None
    vendor_id: str | None
    contract_id: str | None
    case_id: UUID
    person: bytes
    point: str | None
    party: str
    debt: str | None
    direction: str
    channel: str
    call_kind: str
    agent_ref: str | None
    script_id: str | None
    script_version: int | None
    caller_number: str | None
    reason: str | None
    at: datetime
    result: str | None
    counts: int
    is_failed: bool
    is_exempt: bool
    refused: list[str]

    @property
    def is_unpermitted(self) -> bool:
        """Whether it is a call that had no permit."""
        return self.contact_id is None and self.vendor_id is None


@dataclass(frozen=True, slots=True)
class Span:
    """Debtors by their keys from `first` up to, not with, `last`; time from since till until."""

    first: bytes
    last: bytes
    since: datetime
    until: datetime


class PastCase(NamedTuple):
    """A case as it is now, still sealed, with the key of the debtor's own number in hex."""

    mobile: str
    stored: StoredCase


class _PastHold(NamedTuple):
    case_id: UUID | None
    code: str
    placed_at: datetime
    lifted_at: datetime | None


class _PastConsent(NamedTuple):
    case_id: UUID
    revoked_at: datetime | None
    consent: Consent


@dataclass(frozen=True, slots=True)
class Past:
    """Everything of one span; `rows` by debtor and then by time, holds and consents by debtor."""

    rows: list[PastRow]
    cases: Mapping[UUID, PastCase]
    held: Mapping[bytes, list[_PastHold]]
    agreed: Mapping[bytes, list[_PastConsent]]
    points: Mapping[str, tuple[PointValidity, datetime, datetime | None]]
    preferred: Mapping[bytes, list[tuple[datetime, Preference | None]]]

    def holds(self, row: PastRow) -> frozenset[str]:
        """The codes of the holds that were on the row's case then."""
        found = self.held.get(row.person)
        if found is None:
            return frozenset()
        return frozenset(
            hold.code
            for hold in found
            if hold.placed_at <= row.at
            and (hold.lifted_at is None or hold.lifted_at > row.at)
            and hold.case_id in {None, row.case_id}
        )

    def consents(self, row: PastRow) -> tuple[Consent, ...]:
        """The consents that there were then."""
        return tuple(
            consent
            for case_id, revoked_at, consent in self.agreed.get(row.person, ())
            if case_id == row.case_id
            and consent.captured_at <= row.at < consent.ends
            and (revoked_at is None or revoked_at > row.at)
        )

    def preference(self, row: PastRow) -> Preference | None:
        """The hours that stood then: those that were named last."""
        named = [hours for at, hours in self.preferred.get(row.person, ()) if at <= row.at]
        return named[-1] if named else None

    def is_own_number_invalid(self, row: PastRow) -> bool:
        """Whether the debtor's own number was known to be nobody's, or somebody else's."""
        case = self.cases.get(row.case_id)
        return case is not None and self.point(case.mobile, row.at)[0] in _DEAD

    def point(self, point: str | None, at: datetime) -> tuple[PointValidity, bool]:
        """What was known of a number then, and whether its holder had opted out.

        Only the newest state of a number is kept: what it was before that is unknown.
        """
        found = None if point is None else self.points.get(point)
        if found is None:
            return PointValidity.UNKNOWN, False
        validity, changed_at, opted_out_at = found
        return (
            validity if changed_at < at else PointValidity.UNKNOWN,
            opted_out_at is not None and opted_out_at < at,
        )


def read_past(connection: psycopg.Connection, span: Span) -> Past:
    """Reads one span, on a connection of the company's role."""
    known: Mapping[str, object] = {
        "first": span.first,
        "last": span.last,
        "since": span.since,
        "until": span.until,
        "from": span.since - MEMORY,
        "nobody": NOBODY,
    }
    with connection.cursor(row_factory=args_row(PastRow), binary=True) as cursor:
        query = f"{_CONTACTS} UNION ALL {_REFUSALS}{_IN_ORDER}"
        rows = cursor.execute(query.encode(), known).fetchall()
    unpermitted = [_unpermitted(*row) for row in connection.execute(_UNPERMITTED, known)]
    if unpermitted:
        rows = sorted((*rows, *unpermitted), key=attrgetter("person", "at"))
    with connection.cursor(binary=True) as cursor:
        cases = {
            case_id: PastCase(mobile, StoredCase(0, case_id, "", "", moment, b"", *sealed))
            for case_id, mobile, moment, *sealed in cursor.execute(_CASES, known)
        }
    held: dict[bytes, list[_PastHold]] = defaultdict(list)
    for person, *hold in connection.execute(_HOLDS, known):
        held[person].append(_PastHold(*hold))
    agreed: dict[bytes, list[_PastConsent]] = defaultdict(list)
    for person, case_id, revoked_at, *consent in connection.execute(_CONSENTS, known):
        agreed[person].append(_PastConsent(case_id, revoked_at, _consent(*consent)))
    points = {
        point: (PointValidity(validity), changed_at, opted_out_at)
        for point, validity, changed_at, opted_out_at in connection.execute(_POINTS, known)
    }
    preferred: dict[bytes, list[tuple[datetime, Preference | None]]] = defaultdict(list)
    for person, hours, given_at, last_day in connection.execute(_PREFERRED, known):
        preferred[person].append((given_at, preference_of(hours, given_at, last_day)))
    return Past(rows, cases, held, agreed, points, preferred)


def _unpermitted(person: bytes, case_id: UUID, *call: Any) -> PastRow:  # noqa: ANN401  # columns
    contact: PastContact = unpermitted_contact(*call)
    return PastRow(
        contact_id=None,
        vendor_id=None,
        contract_id=None,
        case_id=case_id,
        person=person,
        point=contact.point,
        party=contact.party.value,
        debt=contact.debt,
        direction="outbound",
        channel=contact.channel.value,
        call_kind="interactive",
        agent_ref=None,
        script_id=None,
        script_version=None,
        caller_number=None,
        reason=None,
        at=contact.at,
        result=contact.result,
        counts=contact.counts,
        is_failed=contact.is_failed,
        is_exempt=contact.is_exempt,
        refused=[],
    )


def _consent(
    consent_id: str,
    scope: str,
    captured_at: datetime,
    begins: datetime,
    ends: datetime,
    point: str | None,
    debt: str | None,
    channel: str | None,
) -> Consent:
    return Consent(
        consent_id,
        ConsentScope(scope),
        captured_at,
        begins,
        ends,
        point,
        debt,
        None if channel is None else Channel(channel),
    )
