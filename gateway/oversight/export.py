"""Keeps a directory of the public format at the newest signed head of the stored log."""

from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import takewhile

import psycopg

from audit.batch import StoredBatch
from audit.checkpoint import Checkpoint
from audit.errors import LogInconsistentError
from audit.note import SignedNote
from audit.store import read_batches
from audit.tile_writer import TileWriter

_NEWEST = "SELECT size, note FROM audit.signed_head ORDER BY size DESC LIMIT 1"


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
    published = writer.published
    if row is None:
        if published is not None:
            raise LogInconsistentError("no head is signed, but the directory has a checkpoint")
        return None
    size, note = int(row[0]), str(row[1])
    if published is not None and size <= published.size:
        newest = Checkpoint.from_body(SignedNote.from_text(note).body)
        if (newest.size, newest.root) != (published.size, published.root):
            raise LogInconsistentError("the newest signed head is not past the directory's")
        return None
    with closing(read_batches(connection, writer.size)) as batches:
        writer.extend(_told(takewhile(lambda batch: batch.first_index < size, batches), progress))
    writer.publish(note)
    return writer.published


def _told(
    batches: Iterator[StoredBatch], progress: Callable[[int], None]
) -> Iterator[StoredBatch]:
    for batch in batches:
        yield batch
        progress(batch.size_after)
