"""Measures the product beside plain peers: `python -m tests.bench [--full] [--only NAME]`."""

import argparse
import atexit
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from tests.bench.appends import Appends, AppendsAgainstRows
from tests.bench.bulk import Bulk
from tests.bench.decisions import Decisions
from tests.bench.flush import measure_flush
from tests.bench.growth import Growth
from tests.bench.harness import Row, measure
from tests.bench.importing import Importing
from tests.bench.intake import Intake
from tests.bench.pack_simulation import SimulatingPack
from tests.bench.permits import AskingPermits
from tests.bench.proving import Proving
from tests.bench.pull import Pull
from tests.bench.recomputation import Recomputation
from tests.bench.redaction import Redacting, RedactingAll, RedactingOwn, Scanning
from tests.bench.rendering import Rendering
from tests.bench.report import print_table, write_figures
from tests.bench.revocation import Revocation
from tests.bench.search import Search
from tests.bench.stand import ROOT, Stand
from tests.bench.tokens import Handshakes, Identifying, Tokens
from tests.bench.tracing import Tracing
from tests.bench.upload import Uploading
from tests.bench.verifying import Verifying

_ROWS: tuple[Row, ...] = (
    Pull(),
    Bulk(),
    Appends(),
    AppendsAgainstRows(),
    Growth(),
    Verifying(),
    Proving(),
    Revocation(),
    Tokens(),
    Handshakes(),
    Identifying(),
    Importing(),
    # Before a row that leaves permits and records behind.
    SimulatingPack(),
    Recomputation(),
    Intake(),
    Redacting(),
    Scanning(),
    RedactingAll(),
    RedactingOwn(),
    Rendering(),
    Search(),
    Decisions(),
    Uploading(),
    AskingPermits(),
    Tracing(),
)
_TABLE_WIDTH = 110


def main() -> None:
    """Runs the rows and prints the table; a missed target is a result, not a failure."""
    options = _parse()
    # Ended from outside, too, a run stops its server and removes its directory.
    signal.signal(signal.SIGTERM, lambda _signal, _frame: sys.exit(1))
    named = [row for row in _ROWS if not options.only or row.name in options.only]
    skipped = {row.name: why for row in named if (why := getattr(row, "skipped", None))}
    chosen = [row for row in named if row.name not in skipped]
    err = Console(stderr=True)
    out = Console(width=max(_TABLE_WIDTH, err.width))  # whole figures, in a narrow log as well
    directory = Path(tempfile.mkdtemp(prefix="casegate-bench-", dir=options.directory))
    directory.chmod(0o755)  # started by root, the embedded server runs as another user
    stand = Stand(
        directory,
        cases=1_000 if options.quick else 5_000,
        seconds=1.0 if options.quick else options.seconds,
        connections=options.connections,
        workers=options.workers,
        import_rows=2_000 if options.quick else options.import_rows,
        quick=options.quick,
        full=options.full,
    )
    # Exit handlers run in reverse: the embedded server's own, registered later, stops it first.
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    err.print(f"making an installation with {stand.cases:,} cases in {directory}")
    flushes = [measure_flush(directory)]
    results = [
        measure(row, stand, rounds=options.rounds, hear=lambda line: err.print(f"· {line}"))
        for row in chosen
    ]
    flushes.append(measure_flush(directory))
    print_table(out, results, flushes)
    for name, why in skipped.items():
        out.print(f"{name}: skipped, {why}", soft_wrap=True)
    settings = {key: value for key, value in vars(options).items() if key != "directory"}
    settings["processors"] = os.cpu_count()
    path = write_figures(ROOT / "var" / "bench", stand.now(), results, flushes, settings)
    out.print(f"raw figures: {path.relative_to(ROOT)}", soft_wrap=True)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    names = [row.name for row in _ROWS]
    parser.add_argument(
        "--only", action="append", choices=names, metavar="NAME", help=", ".join(names)
    )
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds a row (5)")
    parser.add_argument("--seconds", type=float, default=4.0, help="length of a round (4)")
    parser.add_argument("--workers", type=int, default=2, help="server processes a side (2)")
    parser.add_argument("--connections", type=int, default=32, help="closed loops of `pull` (32)")
    parser.add_argument("--import-rows", type=int, default=20_000, help="rows a file (20,000)")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="short rounds: does it run at all?")
    size.add_argument("--full", action="store_true", help="sizes that take minutes to build, too")
    parser.add_argument("--directory", help="where to put the trial database, to choose its disk")
    return parser.parse_args()


if __name__ == "__main__":
    main()
