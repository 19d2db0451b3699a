"""Row: one contact decided by five packs, against a bare function that counts the contacts."""

import importlib.resources
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from time import process_time
from zoneinfo import ZoneInfo

from policies.contact.calendar import china_calendar
from policies.contact.model import (
    AgentStanding,
    CallKind,
    Channel,
    ContactRequest,
    Measure,
    PartyRole,
    PastContact,
    ScriptStanding,
    Situation,
)
from policies.contact.packs import load_contact_packs
from policies.contact.rules import compile_contact_rules
from tests.bench.harness import Sample, Target, middle
from tests.bench.stand import Stand

_ZONE = "Asia/Shanghai"
_PAST = 20
_COUNT = 4_000
_COURSES = frozenset({"law", "script", "data-protection", "complaint", "vulnerable-customers"})


class Decisions:
    """All packs on a debtor with twenty past contacts; microseconds of processor time each."""

    name = "decisions"
    unit = "µs"
    target = Target(100.0, at_most=True)
    has_warmup = True

    @contextmanager
    def open(self, stand: Stand) -> Iterator[None]:
        self._count = _COUNT // 10 if stand.quick else _COUNT
        packs = load_contact_packs(importlib.resources.files("policies"))
        self._rules = compile_contact_rules(packs, china_calendar())
        self._packs = len(packs)
        self._request = _wish(datetime(2026, 11, 23, 15, 0, tzinfo=ZoneInfo(_ZONE)))
        self._late = _wish(datetime(2026, 11, 23, 22, 0, tzinfo=ZoneInfo(_ZONE)))
        self._known = _situation(self._request.at)
        assert self._rules.decide(self._request, self._known).is_granted
        assert self._rules.decide(self._late, self._known).allowed_from is not None
        yield

    def ours(self) -> Sample:
        return self._time(lambda: self._rules.decide(self._request, self._known))

    def peer(self) -> Sample:
        zone = ZoneInfo(_ZONE)
        at, history = self._request.at, self._known.history

        def count() -> int:
            midnight = at.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
            return sum(contact.at >= midnight and bool(contact.counts & 8) for contact in history)

        return self._time(count)

    def figure(self, samples: Sequence[Sample]) -> float:
        return middle(samples)

    def note(self, ours: Sequence[Sample]) -> str:
        del ours
        codes = self._time(lambda: self._rules.codes(self._request, self._known)).value
        late = self._time(lambda: self._rules.decide(self._late, self._known)).value
        return (
            f"{self._packs} packs, {_PAST} past contacts, granted; the codes alone {codes:.0f} µs,"
            f" a refusal with the moment from which it is allowed {late:.0f} µs; the peer counts"
            " one cap and knows no rule"
        )

    def _time(self, act: Callable[[], object]) -> Sample:
        begin = process_time()
        for _ in range(self._count):
            act()
        return Sample(1e6 * (process_time() - begin) / self._count)


def _wish(at: datetime) -> ContactRequest:
    return ContactRequest(
        at,
        Channel.VOICE_HUMAN,
        CallKind.INTERACTIVE,
        PartyRole.DEBTOR,
        "point-0",
        "debt-0",
        (_ZONE,),
    )


def _situation(at: datetime) -> Situation:
    tried = int(Measure.ATTEMPT | Measure.UNANSWERED)
    history = tuple(
        PastContact(
            (at - timedelta(hours=19 * number + 1)).astimezone(UTC),
            f"point-{number % 3}",
            f"debt-{number % 4}",
            Channel.VOICE_HUMAN,
            int(Measure.ATTEMPT | Measure.EFFECTIVE) if number % 4 == 1 else tried,
        )
        for number in reversed(range(_PAST))
    )
    agent = AgentStanding(
        "qualified", _COURSES, has_signed_secrecy=True, has_acknowledged_script=True
    )
    script = ScriptStanding("active", Channel.VOICE_HUMAN, is_in_term=True)
    return Situation(history, agent, script, is_caller_registered=True)
