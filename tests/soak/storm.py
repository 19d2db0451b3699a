"""Kills, stops and holds at random, the same ones for the same seed."""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import psycopg

from tests.soak.stage import Member, Stage

_WEIGHTS = {
    "writer killed": 5,
    "writer held": 1,
    "publisher killed": 3,
    "witness killed": 1,
    "backend killed": 2,
    "backend held": 1,
    "postgres killed": 1,
    "postgres stopped immediate": 1,
    "postgres stopped fast": 1,
}
_LONGEST_HOLD = 2.5
_LONGEST_OUTAGE = 2.0


@dataclass(slots=True)
class Storm:
    """What goes wrong, one thing after another, about `per_second` of them."""

    stage: Stage
    seed: int
    per_second: float
    counts: Counter[str] = field(default_factory=Counter)
    _held: list[tuple[float, int]] = field(default_factory=list)

    def rage(self, seconds: float, tell: Callable[[str], None]) -> None:
        """Goes on for so long; `tell` hears of each blow."""
        rng = random.Random(self.seed)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(rng.uniform(0.3, 1.7) / self.per_second)
            what = rng.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0]
            self._strike(what, rng)
            self.counts[what] += 1
            self._release()
            self._raise_the_dead()
            tell(what)
        self._release(everybody=True)

    def _strike(self, what: str, rng: random.Random) -> None:
        whom, _, how = what.partition(" ")
        place = rng.random()
        pause = rng.uniform(0.1, _LONGEST_HOLD)
        if whom == "postgres":
            self._fell_postgres(how, rng.uniform(0, _LONGEST_OUTAGE))
        elif whom == "backend":
            self._strike_backend(how, place, pause)
        else:
            members = self.stage.of_kind(whom)
            member = members[int(place * len(members))]
            if how == "held":
                self._hold(member.pid, pause)
            else:
                self.stage.kill(member)

    def _fell_postgres(self, how: str, outage: float) -> None:
        server = self.stage.server
        self._release(everybody=True)
        if how == "killed":
            server.kill()
        else:
            server.stop(how.removeprefix("stopped "))
        time.sleep(outage)
        server.start()

    def _strike_backend(self, how: str, place: float, pause: float) -> None:
        try:
            backends = self.stage.server.backends()
        except psycopg.OperationalError:
            return  # in recovery from the last blow
        if not backends:
            return
        pid = backends[int(place * len(backends))]
        if how == "held":
            self._hold(pid, pause)
        else:
            _signal(pid, signal.SIGKILL)

    def _hold(self, pid: int, seconds: float) -> None:
        _signal(pid, signal.SIGSTOP)
        self._held.append((time.monotonic() + seconds, pid))

    def _release(self, *, everybody: bool = False) -> None:
        now = time.monotonic()
        for until, pid in list(self._held):
            if everybody or until <= now:
                _signal(pid, signal.SIGCONT)
                self._held.remove((until, pid))

    def _raise_the_dead(self) -> None:
        for member in self.stage.members:
            if _has_ended(member):
                self.stage.start(member)


def _has_ended(member: Member) -> bool:
    return member.process is not None and member.process.poll() is not None


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
