"""Times that others vouch for: what an RFC 3161 token is over, and where it is kept."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from audit.checkpoint import Checkpoint
from audit.errors import UnverifiableError
from audit.note import SignedNote
from audit.tile_source import MAX_NOTE_BYTES, TileSource

CHECKPOINTS = "checkpoints"
TIMESTAMPS = "timestamps"
TOKEN_SUFFIX = ".tsr"  # noqa: S105 - the name of a file, not a secret
INDEX = f"{TIMESTAMPS}/index"
MAX_TOKEN_BYTES = 65_536
MAX_INDEX_BYTES = 64_000_000
_SIZE = re.compile(r"[1-9][0-9]{0,18}")


class TimestampVerifier(Protocol):
    """Knows one time-stamping authority."""

    def verify(self, token: bytes, message: bytes) -> datetime:
        """Check a token and return the latest moment at which it was made, in UTC.

        Raises:
            TimestampMismatchError: the authority's token, but over other bytes.
            TimestampError: no token, or not one of this authority.
        """
        ...


@dataclass(frozen=True, slots=True)
class Stamp:
    """A token and the bytes that it should be over, both unchecked; size names their files."""

    size: int
    note: bytes
    token: bytes


@dataclass(frozen=True, slots=True)
class TimeBound:
    """The first `size` entries existed at the latest at this time, says an authority."""

    size: int
    at: datetime


def own_note(note: str) -> str:
    """A checkpoint's note with the log's own signatures and no cosignature.

    These are the bytes that are kept under checkpoints/<size> and that a token is over:
    cosignatures may still come, while this text is final for its size.

    Raises:
        NoteError: not a checkpoint.
    """
    signed = SignedNote.from_text(note)
    origin = Checkpoint.from_body(signed.body).origin
    own = tuple(line for line in signed.signatures if line.name == origin)
    return SignedNote(signed.body, own).to_text()


def note_path(size: int) -> str:
    """Where the checkpoint of that size is kept for good."""
    return f"{CHECKPOINTS}/{size}"


def token_path(size: int) -> str:
    """Where the token over it is kept, a DER TimeStampResp (RFC 3161, 2.4.2)."""
    return f"{TIMESTAMPS}/{size}{TOKEN_SUFFIX}"


def format_index(sizes: Iterable[int]) -> str:
    """The sizes that have a token, ascending, one a line."""
    return "".join(f"{size}\n" for size in sorted(set(sizes)))


def read_index(source: TileSource) -> list[int]:
    """The sizes that the source says it has tokens for, ascending; none without an index.

    Raises:
        UnverifiableError: the index is not such a list.
    """
    data = source.read(INDEX, MAX_INDEX_BYTES)
    if data is None:
        return []
    lines = data.decode("ascii", errors="replace").split("\n")
    if lines.pop() or any(_SIZE.fullmatch(line) is None for line in lines):
        raise UnverifiableError(f"{INDEX} is not a list of sizes")
    return sorted({int(line) for line in lines})


def read_stamp(source: TileSource, size: int) -> Stamp:
    """The token over the checkpoint of one size, with that checkpoint's note.

    Raises:
        UnverifiableError: one of the two files is missing or too long.
    """
    note = source.read(note_path(size), MAX_NOTE_BYTES)
    token = source.read(token_path(size), MAX_TOKEN_BYTES)
    if note is None or token is None:
        raise UnverifiableError(
            f"missing: {note_path(size) if note is None else token_path(size)}"
        )
    return Stamp(size, note, token)
