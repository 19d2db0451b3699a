"""Receipts (C2SP tlog-proof): one entry's place in the log, verifiable with nothing else."""

import base64
import re
from dataclasses import dataclass
from typing import Self

from audit.checkpoint import Checkpoint
from audit.errors import NoteError
from audit.merkle import HASH_BYTES, leaf_hash, verify_inclusion
from audit.note import SignedNote, decode_base64
from audit.policy import TrustPolicy

SUFFIX = ".tlog-proof"
MAX_PROOF_BYTES = 1_500_000
HEADER = "c2sp.org/tlog-proof@v1"
_MAX_HASHES = 63
_EXTRA = "extra "
_INDEX = re.compile(r"index (0|[1-9][0-9]{0,18})")


@dataclass(frozen=True, slots=True)
class TlogProof:
    """An inclusion proof together with the signed checkpoint that it leads to.

    Attributes:
        index: the entry's index in the log.
        hashes: inclusion proof, leaf's sibling first, 32 bytes each.
        note: the checkpoint's note text, with all its signatures.
        extra: bytes that travel along and that nothing here authenticates, or None.
    """

    index: int
    hashes: tuple[bytes, ...]
    note: str
    extra: bytes | None = None

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Parse a .tlog-proof file.

        Raises:
            NoteError: another shape. Nothing is verified yet.
        """
        head, blank, note = text.partition("\n\n")
        lines = head.split("\n")
        if not blank or lines.pop(0) != HEADER:
            raise NoteError("the text is not a tlog-proof")
        extra = None
        if lines and lines[0].startswith(_EXTRA):
            extra = decode_base64(lines.pop(0).removeprefix(_EXTRA))
        match = _INDEX.fullmatch(lines.pop(0)) if lines else None
        if match is None or len(lines) > _MAX_HASHES:
            raise NoteError("a tlog-proof has an index and at most 63 hashes")
        hashes = tuple(decode_base64(line) for line in lines)
        if any(len(value) != HASH_BYTES for value in hashes):
            raise NoteError("a hash of the tlog-proof is not 32 bytes long")
        Checkpoint.from_body(SignedNote.from_text(note).body)
        return cls(int(match[1]), hashes, note, extra)

    def to_text(self) -> str:
        """The text of a .tlog-proof file, ending in NL."""
        lines = [HEADER]
        if self.extra is not None:
            lines.append(_EXTRA + base64.b64encode(self.extra).decode("ascii"))
        lines.append(f"index {self.index}")
        lines.extend(base64.b64encode(value).decode("ascii") for value in self.hashes)
        return "\n".join([*lines, "", self.note])

    def verify(self, leaf: bytes, policy: TrustPolicy) -> None:
        """Check that the entry of this leaf hash is in a log that the policy accepts.

        Raises:
            ProofError: the hashes do not lead from the leaf to the checkpoint's root.
            SignatureError: a false signature of a known key, or none by the log.
            QuorumError: too few witnesses cosigned.
            TrustPolicyError: the policy does not know the log.
        """
        policy.open(self.note)
        self.verify_root(leaf)

    def verify_root(self, leaf: bytes) -> None:
        """Check that the hashes lead from a leaf hash to the checkpoint's root, not who signed.

        Raises:
            ProofError: they do not.
        """
        checkpoint = Checkpoint.from_body(SignedNote.from_text(self.note).body)
        verify_inclusion(
            leaf,
            index=self.index,
            size=checkpoint.size,
            root=checkpoint.root,
            proof=self.hashes,
        )


def kept_leaf(proof: TlogProof) -> bytes | None:
    """The leaf hash that a receipt's holder kept in `extra`, if any.

    By our convention an extra of 32 bytes is the leaf hash, and any other is the entry.
    """
    if proof.extra is None or len(proof.extra) == HASH_BYTES:
        return proof.extra
    return leaf_hash(proof.extra)
