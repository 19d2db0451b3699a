"""At the end: everything is recomputed, and held to what was promised and published."""

import time
from contextlib import closing
from dataclasses import asdict, dataclass, field
from typing import Any

from audit.bundle import decode_bundle
from audit.directory import verify_directory
from audit.errors import AuditError
from audit.policy import TrustPolicy
from audit.store import read_batches
from audit.tile_source import DirectorySource
from gateway.oversight.verification import verify_log
from tests.soak.checker import Faults, check_promises
from tests.soak.ledger import Promises, read_ledgers
from tests.soak.observer import Observer
from tests.soak.stage import Stage

_CATCH_UP_SECONDS = 60.0


@dataclass(slots=True)
class Verdict:
    """Figures for the table, and what is wrong."""

    figures: dict[str, Any] = field(default_factory=dict)
    faults: Faults = field(default_factory=Faults)


def await_cosigned(stage: Stage, observer: Observer, faults: Faults) -> None:
    """Waits, with writers at work, until the witness has cosigned what was published since."""
    directory = stage.exports[0]
    size = observer.newest_size(directory)
    deadline = time.monotonic() + _CATCH_UP_SECONDS
    while observer.newest_size(directory, cosigned=True) <= size:
        if time.monotonic() > deadline:
            faults.add("witness that was not asked again")
            return
        time.sleep(0.1)


def await_published(stage: Stage, observer: Observer, faults: Faults) -> None:
    """Waits until every directory stands at the log's end."""
    with stage.installation.office().connection("auditor") as connection:
        row = connection.execute("SELECT size FROM audit.tail").fetchone()
    assert row is not None
    deadline = time.monotonic() + _CATCH_UP_SECONDS
    for directory in stage.exports:
        # The index catches up in the same process; the heads may grow by its alarms meanwhile.
        while observer.newest_size(directory) < int(row[0]):
            if time.monotonic() > deadline:
                faults.add("directory that did not catch up", directory.name)
                break
            time.sleep(0.1)


def judge(stage: Stage, observer: Observer, faults: Faults) -> Verdict:
    """Verifies log, directories, published checkpoints and promises."""
    verdict = Verdict(faults=faults)
    began = time.monotonic()
    promises = read_ledgers(stage.ledgers)
    _judge_database(stage, promises, verdict)
    _judge_directories(stage, observer, verdict)
    observer.check_order(faults)
    faults.add("publisher that stopped for good", count=stage.stops())
    verdict.figures["acknowledged"] = len(promises.acknowledged)
    verdict.figures["refused"] = len(promises.refused)
    verdict.figures["checkpoints seen"] = sum(map(len, observer.seen.values()))
    verdict.figures["seconds of verifying"] = round(time.monotonic() - began, 1)
    return verdict


def _judge_database(stage: Stage, promises: Promises, verdict: Verdict) -> None:
    vkey = (stage.directory / "log.vkey").read_text().strip()
    origin = stage.installation.settings.audit.origin
    with stage.installation.office().connection("auditor") as connection:
        try:
            report = verify_log(connection, vkey=vkey, origin=origin)
        except AuditError as error:
            verdict.faults.add("log that does not verify", str(error))
        else:
            verdict.figures["batches"] = report.batches
            verdict.figures["signed heads"] = report.heads
        with closing(read_batches(connection)) as batches:
            entries = (entry for batch in batches for entry in decode_bundle(batch.bundle))
            tally = check_promises(promises, entries, verdict.faults)
    verdict.figures |= asdict(tally)


def _judge_directories(stage: Stage, observer: Observer, verdict: Verdict) -> None:
    vkey = (stage.directory / "log.vkey").read_text().strip()
    bare = f"log {vkey}\nquorum none\n"
    witnessed = f"log {vkey}\nwitness w {stage.witness_vkey}\nquorum w\n"
    old = {
        f"{directory.name} {number}": note
        for directory, notes in observer.seen.items()
        for number, note in enumerate(notes)
    }
    for directory, policy in zip(stage.exports, (witnessed, bare), strict=True):
        try:
            report = verify_directory(
                DirectorySource(directory), TrustPolicy.from_text(policy), old_checkpoints=old
            )
        except AuditError as error:
            verdict.faults.add("directory that does not verify", f"{directory.name}: {error}")
        else:
            verdict.figures[f"entries in {directory.name}"] = report.entries
