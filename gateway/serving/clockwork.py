"""The clockwork process: what happens by itself at its time, the end of contracts first of all.

Reads stop at the instant in every worker, from the term in its view of trust. What this process
adds is the rest of the end, within seconds of it. Each host runs one; two do no harm.
"""

import os
import signal
import threading
from datetime import datetime
from pathlib import Path
from typing import Protocol

import psycopg

from gateway.clock import Clock
from gateway.errors import GatewayError
from gateway.logs import configure_logs, logger
from gateway.office import Office
from gateway.serving.intake import has_ended, start_keeper
from gateway.settings import load_settings
from gateway.store.database import Database

ROUND_SECONDS = 15.0
# Past the end and not before it, and no busy loop where clocks differ a little.
_AFTER_SECONDS = 0.05
_AGAIN_SECONDS = 1.0


class TimeKeeper(Protocol):
    """What a round asks: offboarding.desk.OffboardingDesk fits."""

    def keep_time(self) -> int:
        """Does what is due; returns how much that was.

        Raises:
            GatewayError, psycopg.Error: what is due stays due; call again.
        """
        ...

    def next_end(self) -> datetime | None:
        """When the next running contract's term is over; raises like keep_time."""
        ...


def run_clockwork(config: Path, owner_url: str) -> None:
    """Makes a round every 15 s, and one at each end of a contract, until SIGTERM.

    The processes of the intake are its children; without them it ends, to be started anew.
    """
    configure_logs()
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda _signal, _frame: stopping.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    settings = load_settings(config)
    clock = settings.make_clock()
    office = Office(Database(owner_url, settings), clock)
    intake = start_keeper(office.intake_worker, clock, stopping, settings.intake.workers)
    keepers: tuple[TimeKeeper, ...] = (
        office.offboarding(),
        office.permit_expiry(),
        office.recording_sweep(),
        office.answer_sweep(),
        office.affair_keeper(),
        office.report_sweep(),
        office.detection(),
    )
    while not (stopping.is_set() or has_ended(intake)):
        stopping.wait(min(make_round(keeper, clock) for keeper in keepers))
    if stopping.is_set() and not has_ended(intake):
        os.kill(intake, signal.SIGTERM)
        os.waitpid(intake, 0)


def make_round(desk: TimeKeeper, clock: Clock) -> float:
    """Does what is due and returns for how many seconds nothing else will be."""
    try:
        done = desk.keep_time()
        following = desk.next_end()
    except (GatewayError, psycopg.Error) as error:
        logger().error("clockwork.stuck", error_type=type(error).__name__)
        return _AGAIN_SECONDS
    if done:
        logger().info("clockwork.done", count=done)
    if following is None:
        return ROUND_SECONDS
    left = (following - clock.now()).total_seconds()
    # An end that stays due was tried in vain: not again at once.
    return _AGAIN_SECONDS if left <= 0 else min(ROUND_SECONDS, left + _AFTER_SECONDS)
