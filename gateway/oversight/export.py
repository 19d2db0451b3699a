"""Writes the log as a directory of the public format, for verifiers that need nothing of ours."""

from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import takewhile
from pathlib import Path

import psycopg

from audit.batch import StoredBatch
from audit.checkpoint import Checkpoint
from audit.store import read_batches
from audit.tile_writer import TileWriter

POLICY_FILE = "log.policy"
GUIDE_FILE = "VERIFY.md"

_NEWEST = "SELECT size, note FROM audit.signed_head ORDER BY size DESC LIMIT 1"
_GUIDE = """\
# How to verify this log

    pip install casegate
    casegate-audit verify {directory} --policy {directory}/log.policy

Take `log.policy` from somewhere else than this directory, if you can: it names the key that you
trust. Exit code 0: every entry, tile and signature holds. 1: something was changed; it says which
index and how. 2: it cannot tell. Any other tool that reads C2SP tlog-tiles does as well.

**What it proves.** These entries, in this order, are the log that was signed at size {size};
nothing was changed, inserted or left out since it was signed. With a receipt of yours
(`--receipts DIR`) or a checkpoint that you kept (`--old-checkpoint FILE`): that the log you were
shown then is part of this one.

**What it does not prove.** That the gateway wrote down the truth, or that no data left by another
way.
"""


def extend_directory(
    connection: psycopg.Connection,
    writer: TileWriter,
    *,
    progress: Callable[[int], None] = lambda _entries: None,
) -> Checkpoint | None:
    """Brings a log directory to the newest signed head; None when it is there already.

    Raises:
        TamperedError, LogInconsistentError: the stored log is not what was signed.
        DirectoryError: the disk refused.
    """
    row = connection.execute(_NEWEST).fetchone()
    if row is None or (writer.published is not None and int(row[0]) <= writer.published.size):
        return None
    size, note = int(row[0]), str(row[1])
    with closing(read_batches(connection, writer.size)) as batches:
        writer.extend(_told(takewhile(lambda batch: batch.first_index < size, batches), progress))
    writer.publish(note)
    return writer.published


def export_log(
    connection: psycopg.Connection,
    directory: Path,
    *,
    vkey: str,
    progress: Callable[[int], None] = lambda _entries: None,
) -> Checkpoint | None:
    """Writes (or brings up to date) an export: tiles, bundles, checkpoint, policy, guide.

    Returns the checkpoint that it is at; None when nothing has been signed yet.

    Raises:
        TamperedError, LogInconsistentError, DirectoryError: see extend_directory.
    """
    with TileWriter(directory) as writer:
        extend_directory(connection, writer, progress=progress)
        published = writer.published
    if published is not None:
        (directory / POLICY_FILE).write_text(f"log {vkey}\nquorum none\n")
        guide = _GUIDE.format(directory=directory.name, size=published.size)
        (directory / GUIDE_FILE).write_text(guide)
    return published


def _told(
    batches: Iterator[StoredBatch], progress: Callable[[int], None]
) -> Iterator[StoredBatch]:
    for batch in batches:
        yield batch
        progress(batch.size_after)
