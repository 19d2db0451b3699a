"""Checkpoints (C2SP tlog-checkpoint): origin, size and root of the tree as a signed note."""

import base64
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from audit.errors import NoteError
from audit.merkle import EMPTY_ROOT, HASH_BYTES
from audit.note import NoteSigner, NoteVerifier, SignedNote, decode_base64, sign_note

_ORIGIN = re.compile(r"[^\s+]+")
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")
_MAX_SIZE = 2**63 - 1
_LINES = 3


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state of a log at one size.

    Attributes:
        origin: the log's name, a URL without scheme, spaces or plus signs.
        size: number of entries, 0 to 2**63 - 1.
        root: 32-byte Merkle root over them.
    """

    origin: str
    size: int
    root: bytes

    def __post_init__(self) -> None:
        if _ORIGIN.fullmatch(self.origin) is None:
            raise NoteError("an origin is empty or holds a space or a plus sign")
        if not 0 <= self.size <= _MAX_SIZE or len(self.root) != HASH_BYTES:
            raise NoteError("a checkpoint has a size below 2**63 and a root of 32 bytes")
        if self.size == 0 and self.root != EMPTY_ROOT:
            raise NoteError("an empty log has the root of the empty tree")

    @classmethod
    def from_body(cls, body: str) -> Self:
        """Parse the three lines of a note's body.

        Extension lines are refused: our logs never write one, and accepting what nobody
        reads would let a signed text say more than its reader sees.

        Raises:
            NoteError: another shape.
        """
        lines = body.split("\n")
        if len(lines) != _LINES + 1 or lines[_LINES]:
            raise NoteError("a checkpoint has exactly three lines")
        if _SIZE.fullmatch(lines[1]) is None:
            raise NoteError("the size is not a plain decimal number")
        return cls(lines[0], int(lines[1]), decode_base64(lines[2]))

    def to_body(self) -> str:
        """Origin, decimal size and base64 root, each line ending in NL."""
        root = base64.b64encode(self.root).decode("ascii")
        return f"{self.origin}\n{self.size}\n{root}\n"

    def sign(self, *signers: NoteSigner) -> str:
        """The checkpoint as signed note text, a line for each key: several while keys change.

        Raises:
            NoteError: a key is named otherwise than the log, or there is none.
        """
        if any(signer.name != self.origin for signer in signers):
            raise NoteError("a log signs only with a key named like its origin")
        return sign_note(self.to_body(), signers)


def open_checkpoint(text: str, verifiers: Iterable[NoteVerifier], *, origin: str) -> Checkpoint:
    """Parse a checkpoint note and check that one of the log's own keys signed it.

    Raises:
        SignatureError: a false signature, or none by a known key.
        NoteError: not a checkpoint, or one of another log.
    """
    note = SignedNote.from_text(text)
    note.verify(verifiers)
    checkpoint = Checkpoint.from_body(note.body)
    if checkpoint.origin != origin:
        raise NoteError("the checkpoint belongs to another log")
    return checkpoint
