"""Kills everything that works on a log, for minutes: `python -m tests.soak [--minutes 3]`."""

import argparse
import shutil
import sys
import tempfile
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import psycopg
from rich.console import Console

from tests.soak.checker import Faults
from tests.soak.observer import Observer
from tests.soak.stage import Stage
from tests.soak.storm import Storm
from tests.soak.verdict import Verdict, await_cosigned, await_published, judge

ROOT = Path(__file__).parents[2]
_WEAKER = ("IN ('off', 'local', 'remote_write')", "IN ('never')")


def main() -> int:
    """Runs one soak; 0 when every promise was kept, 1 when not."""
    options = _parse()
    err = Console(stderr=True, highlight=False)
    directory = Path(tempfile.mkdtemp(prefix="casegate-soak-", dir=options.directory))
    directory.chmod(0o755)  # started by root, the embedded server runs as another user
    seconds = options.minutes * 60
    err.print(f"seed {options.seed}, {seconds:.0f} s, {options.writers} writers, in {directory}")
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, directory, ignore_errors=True)
        stage = Stage.make(directory, writers=options.writers, in_flight=options.in_flight)
        stack.callback(stage.server.close)
        stack.callback(stage.end, "writer", "publisher", "witness")
        if options.without_flush:
            _weaken(stage)
        observer = Observer(stage.exports)
        observer.start()
        stack.callback(observer.stop)
        storm = Storm(stage, options.seed, options.per_second)
        for member in stage.members:
            stage.start(member)
        _rage(storm, observer, seconds, err)
        verdict = _finish(stage, observer, err)
    _print(verdict, storm, Console(highlight=False))
    path = _write(options, verdict, storm)
    Console(highlight=False).print(f"raw figures: {path}", soft_wrap=True)
    return 1 if verdict.faults.counts else 0


def _rage(storm: Storm, observer: Observer, seconds: float, err: Console) -> None:
    began = time.monotonic()

    def tell(what: str) -> None:
        acknowledged = sum(path.stat().st_size for path in storm.stage.ledgers) // 100
        published = observer.newest_size(storm.stage.exports[0])
        err.print(
            f"{time.monotonic() - began:6.1f} s  {what:<27} blows {storm.counts.total():>4}"
            f"  acknowledged about {acknowledged:>8,}  published {published:>8,}",
            soft_wrap=True,
        )

    storm.rage(seconds, tell)


def _finish(stage: Stage, observer: Observer, err: Console) -> Verdict:
    """Lets the log come to rest and judges it."""
    faults = Faults()
    stage.server.heal()
    # A witness that was away is asked again after a while, and only when the log has grown.
    await_cosigned(stage, observer, faults)
    failed = stage.end("writer")
    err.print("writers have ended; waiting for the publishers")
    await_published(stage, observer, faults)
    failed += stage.end("publisher", "witness")
    for name in failed:
        faults.add("process that did not end well", name)
    observer.stop()
    err.print("verifying")
    return judge(stage, observer, faults)


def _weaken(stage: Stage) -> None:
    """Lets appends answer before they are on disk, to see that a soak finds it."""
    database = stage.database
    with psycopg.connect(database.owner_url, autocommit=True) as connection:
        row = connection.execute(
            "SELECT pg_get_functiondef('audit.append_batch(uuid, bytea, bytea)'::regprocedure)"
        ).fetchone()
        assert row is not None
        assert _WEAKER[0] in row[0]
        connection.execute(row[0].replace(*_WEAKER).encode())
        connection.execute(f'ALTER ROLE "{database.roles.vendor}" SET synchronous_commit = off')


def _print(verdict: Verdict, storm: Storm, out: Console) -> None:
    wrong: dict[str, Any] = {**verdict.faults.counts} or {"nothing": ""}
    parts = (
        ("was done", dict(storm.counts)),
        ("came of it", verdict.figures),
        ("is wrong", wrong),
    )
    for title, rows in parts:
        out.print(f"\nwhat {title}")
        for name, value in rows.items():
            shown = f"{value:,}" if isinstance(value, int | float) else value
            out.print(f"  {name:<42}{shown:>12}")
    for example in verdict.faults.examples:
        out.print(f"  {example}", soft_wrap=True)


def _write(options: argparse.Namespace, verdict: Verdict, storm: Storm) -> Path:
    folder = Path(options.out)
    folder.mkdir(parents=True, exist_ok=True)
    at = datetime.now(tz=UTC)
    document: dict[str, Any] = {
        "at": at.isoformat(),
        "settings": {key: value for key, value in vars(options).items() if key != "out"},
        "blows": dict(storm.counts),
        "figures": verdict.figures,
        "faults": verdict.faults.counts,
        "examples": verdict.faults.examples,
    }
    path = folder / f"{at:%Y%m%dT%H%M%SZ}.json"
    path.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2))
    return path


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=3.0, help="of killing (3)")
    parser.add_argument("--seed", type=int, default=1, help="of what is done when (1)")
    parser.add_argument("--writers", type=int, default=4, help="writer processes (4)")
    parser.add_argument("--in-flight", type=int, default=32, help="entries of each (32)")
    parser.add_argument("--per-second", type=float, default=1.0, help="blows a second (1)")
    parser.add_argument("--out", default=str(ROOT / "var" / "soak"), help="for the raw figures")
    parser.add_argument("--directory", help="where to put the database, to choose its disk")
    parser.add_argument(
        "--without-flush",
        action="store_true",
        help="let appends answer before they are on disk: this soak has to fail",
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
