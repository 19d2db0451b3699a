"""Hands the log, or a filtered part of it, to somebody who will verify it without us."""

import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile
from pathlib import Path

import psycopg

from audit.checkpoint import Checkpoint
from audit.entry import EventType
from audit.errors import LogInconsistentError, NoteError, TamperedError, UnverifiableError
from audit.export.filters import EntryFilter
from audit.export.manifest import ExportRequest, Manifest
from audit.export.selection import Selection, select
from audit.export.sink import open_sink
from audit.export.writer import ExportWriter
from audit.policy import TrustPolicy
from audit.store import read_batches
from audit.tile_source import DirectorySource, read_note
from audit.timestamp import Stamp, read_index, read_stamp
from gateway.clock import Clock, rfc3339
from gateway.errors import NotFoundError
from gateway.evidence import record_with_change

AWAIT_SECONDS = 5.0
MAX_STAMPS = 1_000
_POLL_SECONDS = 0.1
_NEWEST = "SELECT note FROM audit.signed_head ORDER BY size DESC LIMIT 1"
_ROOT = "SELECT root FROM audit.signed_head WHERE size = %s"

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Trust:
    """What an export is to be held to.

    Attributes:
        policy: text of the trust policy, with the log's key and the witnesses.
        published: the directory to which the publisher exports, where cosignatures and time
            stamps are; None where it has none.
    """

    policy: str
    published: Path | None


@dataclass(frozen=True, slots=True)
class Handover:
    """What was written.

    Attributes:
        manifest: what the export says of itself.
        is_told: whether the export can prove who took it, and when.
        is_cosigned: whether the quorum of witnesses is under its checkpoint.
    """

    manifest: Manifest
    is_told: bool
    is_cosigned: bool


@dataclass(frozen=True, slots=True)
class _Head:
    """A checkpoint that may be exported: its note, and whether enough witnesses cosigned it."""

    note: str
    checkpoint: Checkpoint
    is_cosigned: bool


def policy_text(vkeys: Sequence[str], witnesses: Sequence[str]) -> str:
    """A trust policy: the log's keys and, where there are witnesses, more than half of them.

    Args:
        vkeys: the log's verifier keys, one of which has to be under a checkpoint.
        witnesses: verifier keys of the witnesses.
    """
    lines = [f"log {vkey}" for vkey in vkeys]
    names = [f"w{number}" for number in range(1, len(witnesses) + 1)]
    lines += [f"witness {name} {key}" for name, key in zip(names, witnesses, strict=True)]
    if names:
        lines.append(f"group witnesses {len(names) // 2 + 1} {' '.join(names)}")
    lines.append("quorum witnesses" if names else "quorum none")
    return "\n".join(lines) + "\n"


def hand_over(
    reader: psycopg.Connection,
    recorder: psycopg.Connection,
    target: Path,
    trust: Trust,
    *,
    filters: EntryFilter,
    actor: str,
    clock: Clock,
    progress: Progress = lambda _what, _done, _total: None,
) -> Handover:
    """Writes an export into a new directory or zip, after noting in the log who takes it.

    With filters the log is read twice: once to find and count what is asked for, so that the
    entry about the export can say it, and once to write. The checkpoint is the newest one that
    covers that entry and bears the witnesses' cosignatures; when there is none within 5 s (no
    publisher, silent witnesses), the newest there is.

    Args:
        reader: a connection that may read the log.
        recorder: a connection that may append to it.
        target: where to write; a zip if it ends in .zip. Must not exist.
        trust: keys, and where cosignatures and time stamps are found.
        filters: what to show; empty for the whole log.
        actor: who takes it.
        clock: the time of the entry.
        progress: called with what is being done, entries done and entries in all.

    Raises:
        NotFoundError: nothing is signed yet, or no entry lies in the time asked for.
        UnverifiableError: a time stamp of the published log is not there or cannot be read.
        DirectoryError: the target is there already, or the disk refused.
        TamperedError, LogInconsistentError: the stored log is not what was signed.
    """
    policy = TrustPolicy.from_text(trust.policy)
    at = clock.now()
    with open_sink(target, at=at) as sink:
        size = _newest(reader, policy).checkpoint.size
        selection = _select(reader, filters, size, progress)
        index = _record(recorder, selection, actor=actor, at=at)
        request = ExportRequest(index, actor, rfc3339(at))
        head = _await_head(reader, policy, trust.published, lowest=selection.end, index=index)
        total = head.checkpoint.size
        writer = ExportWriter(sink, head.note, selection, request)
        with closing(read_batches(reader)) as batches:
            manifest = writer.run(
                batches,
                policy=trust.policy,
                stamps=_stamps(trust.published, total, selection),
                progress=lambda done: progress("writing", done, total),
            )
    return Handover(manifest, index < total, head.is_cosigned)


def _select(
    reader: psycopg.Connection, filters: EntryFilter, size: int, progress: Progress
) -> Selection:
    if filters.is_empty:
        return Selection(filters, 0, size, size)
    with closing(read_batches(reader)) as batches:
        selection = select(
            takewhile(lambda batch: batch.first_index < size, batches),
            filters,
            progress=lambda done: progress("looking", done, size),
        )
    if selection is None:
        raise NotFoundError("no signed entry lies in the time that was asked for")
    return selection


def _record(
    recorder: psycopg.Connection, selection: Selection, *, actor: str, at: datetime
) -> int:
    """Notes who takes what; returns the index of the entry."""
    counts = (
        {}
        if selection.filters.is_empty
        else {"first": selection.first, "end": selection.end, "shown": selection.shown}
    )
    with recorder.transaction():
        return record_with_change(
            recorder,
            EventType.LOG_EXPORTED,
            at=at,
            actor=actor,
            filters=selection.filters.to_document(),
            **counts,
        )


def _await_head(
    reader: psycopg.Connection,
    policy: TrustPolicy,
    published: Path | None,
    *,
    lowest: int,
    index: int,
) -> _Head:
    """A cosigned checkpoint over the entry `index`, or the best there is after a while."""
    waiting = threading.Event()
    for _ in range(round(AWAIT_SECONDS / _POLL_SECONDS)):
        head = _best(reader, policy, published, lowest=lowest)
        if head.checkpoint.size > index and head.is_cosigned:
            return head
        waiting.wait(_POLL_SECONDS)
    return _best(reader, policy, published, lowest=lowest)


def _best(
    reader: psycopg.Connection, policy: TrustPolicy, published: Path | None, *, lowest: int
) -> _Head:
    """The published checkpoint where it is cosigned and reaches far enough, or the newest."""
    newest = _newest(reader, policy)
    if newest.is_cosigned or published is None:
        return newest
    try:
        head = _opened(policy, read_note(DirectorySource(published)))
    except UnverifiableError:
        return newest
    if not head.is_cosigned or not lowest <= head.checkpoint.size <= newest.checkpoint.size:
        return newest
    row = reader.execute(_ROOT, (head.checkpoint.size,)).fetchone()
    if row is None or bytes(row[0]) != head.checkpoint.root:
        raise LogInconsistentError("the published checkpoint is not one of the signed heads")
    return head


def _newest(reader: psycopg.Connection, policy: TrustPolicy) -> _Head:
    row = reader.execute(_NEWEST).fetchone()
    if row is None:
        raise NotFoundError("nothing has been signed yet; is the publisher running?")
    return _opened(policy, str(row[0]))


def _opened(policy: TrustPolicy, note: str) -> _Head:
    try:
        checkpoint = policy.open_signed(note)
        is_cosigned = policy.is_quorum(policy.cosigners(note))
    except NoteError as error:
        raise TamperedError(0, f"the checkpoint over it and all others: {error}") from error
    return _Head(note, checkpoint, is_cosigned)


def _stamps(published: Path | None, size: int, selection: Selection) -> list[Stamp]:
    """Time stamps to ship: of a whole log the newest thousand; else those around the range.

    For a range these are the first stamp over all of it, which tells when it was complete at
    the latest, and the newest.
    """
    if published is None:
        return []
    source = DirectorySource(published)
    sizes = [stamped for stamped in read_index(source) if stamped <= size]
    if selection.filters.is_empty:
        sizes = sizes[-MAX_STAMPS:]
    else:
        sizes = [stamped for stamped in sizes if stamped >= selection.end]
        sizes = [*sizes[:1], *sizes[1:][-1:]]
    return [read_stamp(source, stamped) for stamped in sizes]
