"""The processes of the intake alone, as the clockwork starts them: `tests.bench.taker CONFIG`."""

import os
import signal
import sys
import threading
from pathlib import Path

from gateway.office import Office
from gateway.serving.intake import start_keeper
from gateway.settings import load_settings
from gateway.store.database import Database


def main() -> None:
    """Says a line when they are forked, and ends with them on SIGTERM."""
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda _signal, _frame: stopping.set())
    settings = load_settings(Path(sys.argv[1]))
    clock = settings.make_clock()
    office = Office(Database(os.environ["CASEGATE_OWNER_URL"], settings), clock)
    keeper = start_keeper(office.intake_worker, clock, stopping, settings.intake.workers)
    sys.stdout.write("{}\n")
    sys.stdout.flush()
    stopping.wait()
    os.kill(keeper, signal.SIGTERM)
    os.waitpid(keeper, 0)


if __name__ == "__main__":
    main()
