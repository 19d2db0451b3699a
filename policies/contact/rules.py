"""Contact rules compiled: one pure decision of all rules in force, and when it would turn."""

import hashlib
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from zoneinfo import ZoneInfo

from policies.contact.calendar import WorkCalendar
from policies.contact.errors import NoPackError
from policies.contact.excuses import ConsentBound
from policies.contact.inquiry import Inquiry, zone_of
from policies.contact.kinds import DenyRule
from policies.contact.model import (
    ConsentScope,
    ContactDecision,
    ContactRequest,
    DenyCode,
    FiredRule,
    PartyRole,
    Situation,
)
from policies.contact.packs import ContactPack
from policies.contact.parties import Definition, OnceRule, PartyRule
from policies.contact.preferences import PreferenceRule
from policies.contact.standings import MediumRule
from policies.contact.tallies import Cap, Cooldown
from policies.contact.windows import TimeWindow

HORIZON = timedelta(days=40)
_ORDER = {code: number for number, code in enumerate(DenyCode)}
_COUNTING = (Cap, Cooldown)
_TIMED = (TimeWindow, PreferenceRule)
_MOVING = (*_TIMED, MediumRule, OnceRule, *_COUNTING)
_ENGINE = "casegate"
# Every step goes to an edge of a window, a midnight or a consent: some ten a day.
_MOST_STEPS = 500
_NO_ZONE = FiredRule("zone.unknown", _ENGINE, "1", DenyCode.OUTSIDE_WINDOW_RED)
_NO_PACK = FiredRule("pack.none", _ENGINE, "1", DenyCode.PARAMETER_UNSET)


@dataclass(frozen=True, slots=True)
class _InForce:
    """What is in force between two moments at which a pack begins or ends.

    `moving` are the rules that time alone can make or stop fire, `timed` those of them that it can
    make fire where no consent is. `caps` are the caps by their kind.
    """

    rules: tuple[tuple[DenyRule, ContactPack], ...]
    moving: tuple[DenyRule, ...]
    timed: tuple[DenyRule, ...]
    caps: tuple[tuple[str, Cap], ...]
    definitions: tuple[Definition, ...]
    consent_days: MappingProxyType[ConsentScope, int]
    topics: MappingProxyType[PartyRole, tuple[str, ...]]


class ContactRules:
    """Packs compiled. The same request and situation always have the same answer.

    Every rule in force at the moment is asked, and one that says no is enough: no rule can
    permit what another refuses, so a further rule or pack only tightens. Where no pack at all is
    in force nothing is granted (PARAMETER_UNSET), nor where a zone of the debtor is unknown
    (OUTSIDE_WINDOW_RED). `digest` is the SHA-256 over the packs.
    """

    __slots__ = ("_boundaries", "_calendar", "_segments", "digest", "packs")

    def __init__(self, packs: Iterable[ContactPack], calendar: WorkCalendar) -> None:
        self.packs = tuple(sorted(packs, key=lambda pack: (pack.pack_id, pack.version)))
        if not self.packs:
            raise NoPackError
        self._calendar = calendar
        joined = "\n".join(pack.digest for pack in self.packs)
        self.digest = hashlib.sha256(f"casegate/contact-rules/v1\n{joined}".encode()).hexdigest()
        moments = {moment for pack in self.packs for moment in (pack.begins, pack.ends) if moment}
        self._boundaries = sorted(moment.astimezone(UTC) for moment in moments)
        self._segments = [_in_force(())]
        self._segments += [
            _in_force(tuple(pack for pack in self.packs if _is_active(pack, boundary)))
            for boundary in self._boundaries
        ]

    def codes(self, request: ContactRequest, situation: Situation) -> tuple[DenyCode, ...]:
        """Only why not, in the order of DenyCode; empty when the contact may begin."""
        at, zones = request.at.astimezone(UTC), _zones(request)
        if zones is None:
            return (_NO_ZONE.code,)
        segment = self._segment(at)
        if not segment.rules:
            return (_NO_PACK.code,)
        inquiry = self._inquiry(request, situation, at, zones, segment)
        fired = {code for rule, _ in segment.rules if (code := rule.fires(inquiry)) is not None}
        return tuple(sorted(fired, key=_ORDER.__getitem__)) if fired else ()

    def is_open_later(self, request: ContactRequest, situation: Situation, at: datetime) -> bool:
        """Whether a contact that may begin now might begin at a later moment `at` too.

        Asks only the rules that time can turn, and a full answer where packs begin or end between.
        """
        moment, zones = at.astimezone(UTC), _zones(request)
        segment = self._segment(moment)
        if zones is None or segment is not self._segment(request.at.astimezone(UTC)):
            return not self.codes(replace(request, at=at), situation)
        inquiry = self._inquiry(request, situation, moment, zones, segment)
        rules = segment.moving if situation.consents else segment.timed
        return not any(rule.fires(inquiry) is not None for rule in rules)

    def fired(self, request: ContactRequest, situation: Situation) -> tuple[FiredRule, ...]:
        """Only the rules that say no, by pack and then as the file has them: for replays."""
        at, zones = request.at.astimezone(UTC), _zones(request)
        if zones is None:
            return (_NO_ZONE,)
        segment = self._segment(at)
        if not segment.rules:
            return (_NO_PACK,)
        inquiry = self._inquiry(request, situation, at, zones, segment)
        return tuple(
            FiredRule(rule.rule_id, pack.pack_id, pack.version, code)
            for rule, pack in segment.rules
            if (code := rule.fires(inquiry)) is not None
        )

    def decide(self, request: ContactRequest, situation: Situation) -> ContactDecision:
        """The whole answer, with every rule that fired, by pack and then as the file has them."""
        at, zones = request.at.astimezone(UTC), _zones(request)
        if zones is None:
            return ContactDecision((_NO_ZONE.code,), (_NO_ZONE,))
        segment = self._segment(at)
        if not segment.rules:
            return ContactDecision((_NO_PACK.code,), (_NO_PACK,))
        inquiry = self._inquiry(request, situation, at, zones, segment)
        topics = segment.topics.get(request.party, ())
        no: list[tuple[DenyRule, ContactPack, DenyCode]] = []
        for rule, pack in segment.rules:
            code = rule.fires(inquiry)
            if code is not None:
                no.append((rule, pack, code))
        if not no:
            remaining = _remaining(inquiry, segment)
            return ContactDecision((), (), None, tuple(inquiry.used), remaining, topics)
        codes = {code for _, _, code in no}
        return ContactDecision(
            tuple(sorted(codes, key=_ORDER.__getitem__)),
            tuple(
                FiredRule(rule.rule_id, pack.pack_id, pack.version, code)
                for rule, pack, code in no
            ),
            self._allowed_from(inquiry, [rule for rule, _, _ in no]),
            topics=topics,
        )

    def _allowed_from(self, inquiry: Inquiry, fired: list[DenyRule]) -> datetime | None:
        """The first moment without a rule that fires, while nothing but time passes.

        Each rule that fires tells a moment before which it cannot stop; until the latest of them
        there is no grant, so that the search never leaps over the first one.
        """
        request, situation, zones = inquiry.request, inquiry.situation, inquiry.zones
        last = inquiry.at + HORIZON
        before = self._segment(inquiry.at)
        # Past contacts only grow older: what is not full now will not be later.
        moving = [
            rule
            for rule in before.moving
            if not isinstance(rule, _COUNTING) or rule.is_full(inquiry)
        ]
        for _step in range(_MOST_STEPS):
            boundary = self._next_boundary(inquiry.at)
            latest = inquiry.at
            for rule in fired:
                clears = rule.clears(inquiry)
                if boundary is not None and (clears is None or boundary < clears):
                    clears = boundary
                if clears is None or clears > last:
                    return None
                latest = max(latest, clears)
            segment = self._segment(latest)
            tallied = inquiry.tallied
            inquiry = self._inquiry(request, situation, latest, zones, segment)
            inquiry.tallied = tallied  # what was counted has not changed, only its age
            if segment is not before:
                before, moving = segment, [rule for rule, _ in segment.rules]
            fired = [rule for rule in moving if rule.fires(inquiry) is not None]
            if not fired:
                return latest if segment.rules else None
        return None

    def _segment(self, at: datetime) -> _InForce:
        return self._segments[bisect_right(self._boundaries, at)]

    def _next_boundary(self, at: datetime) -> datetime | None:
        number = bisect_right(self._boundaries, at)
        return self._boundaries[number] if number < len(self._boundaries) else None

    def _inquiry(
        self,
        request: ContactRequest,
        situation: Situation,
        at: datetime,
        zones: tuple[ZoneInfo, ...],
        segment: _InForce,
    ) -> Inquiry:
        terms: dict[str, bool] = {}
        if request.party is PartyRole.CONTACT:
            for definition in segment.definitions:
                holds = terms.get(definition.term, True) and definition.holds(situation)
                terms[definition.term] = holds
        return Inquiry(request, situation, at, zones, self._calendar, terms, segment.consent_days)


def compile_contact_rules(packs: Iterable[ContactPack], calendar: WorkCalendar) -> ContactRules:
    """Compile the packs that are activated, in any order; NoPackError when there is none."""
    return ContactRules(packs, calendar)


def _is_active(pack: ContactPack, at: datetime) -> bool:
    return pack.begins <= at and (pack.ends is None or at < pack.ends)


def _in_force(packs: tuple[ContactPack, ...]) -> _InForce:
    rules: list[tuple[DenyRule, ContactPack]] = []
    definitions: list[Definition] = []
    days: dict[ConsentScope, int] = {}
    topics: dict[PartyRole, frozenset[str]] = {}
    for pack in packs:
        for rule in pack.rules:
            if isinstance(rule, Definition):
                definitions.append(rule)
            elif isinstance(rule, ConsentBound):
                for scope in rule.scopes:
                    days[scope] = min(days.get(scope, rule.days), rule.days)
            else:
                rules.append((rule, pack))
            if isinstance(rule, PartyRule) and rule.topics is not None:
                for party in rule.parties:
                    known = topics.get(party, frozenset(rule.topics))
                    topics[party] = known & frozenset(rule.topics)
                    if not topics[party]:
                        # Nothing is left that could be said: then nobody is called.
                        rules.append((PartyRule(rule.rule_id, (party,)), pack))
    return _InForce(
        tuple(rules),
        tuple(rule for rule, _ in rules if isinstance(rule, _MOVING)),
        tuple(rule for rule, _ in rules if isinstance(rule, _TIMED)),
        tuple((rule.kind, rule) for rule, _ in rules if isinstance(rule, Cap)),
        tuple(definitions),
        MappingProxyType(days),
        MappingProxyType({party: tuple(sorted(words)) for party, words in topics.items()}),
    )


def _zones(request: ContactRequest) -> tuple[ZoneInfo, ...] | None:
    zones = tuple(zone for name in request.zones if (zone := zone_of(name)) is not None)
    return zones if zones and len(zones) == len(request.zones) else None


def _remaining(inquiry: Inquiry, segment: _InForce) -> MappingProxyType[str, int]:
    remaining: dict[str, int] = {}
    for kind, cap in segment.caps:
        left = cap.left(inquiry)
        if left is not None:
            remaining[kind] = min(left, remaining.get(kind, left))
    return MappingProxyType(remaining)
