"""The add-checkpoint call of C2SP tlog-witness as a decision: no clock, no disk, no network."""

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from audit.checkpoint import Checkpoint
from audit.cosignature import CosignatureSigner, cosigned_at
from audit.errors import NoteError, ProofError, SignatureError
from audit.merkle import EMPTY_ROOT, HASH_BYTES, verify_consistency
from audit.note import Ed25519Verifier, SignedNote, decode_base64

MAX_REQUEST_BYTES = 262_144
TEXT = "text/plain; charset=utf-8"
SIZE = "text/x.tlog.size"
_MAX_HASHES = 63
_OLD_SIZE = re.compile(r"old (0|[1-9][0-9]{0,18})")


@dataclass(frozen=True, slots=True)
class AddCheckpoint:
    """A request: the size that the witness is thought to be at, a proof, and a checkpoint.

    Attributes:
        old_size: number of entries.
        proof: consistency proof from old_size, 32 bytes each.
        note: the signed checkpoint.
    """

    old_size: int
    proof: tuple[bytes, ...]
    note: str

    @classmethod
    def from_body(cls, body: bytes) -> Self:
        """Parse the body of a request; raises NoteError where it has another shape."""
        try:
            text = body.decode()
        except UnicodeDecodeError as error:
            raise NoteError("the request is not UTF-8 text") from error
        head, blank, note = text.partition("\n\n")
        first, *lines = head.split("\n")
        match = _OLD_SIZE.fullmatch(first)
        if not blank or match is None or len(lines) > _MAX_HASHES:
            raise NoteError("a request is an old size, at most 63 hashes and a checkpoint")
        proof = tuple(decode_base64(line) for line in lines)
        if any(len(value) != HASH_BYTES for value in proof):
            raise NoteError("a hash of the proof is not 32 bytes long")
        return cls(int(match[1]), proof, note)

    def to_body(self) -> bytes:
        """The body of the request."""
        lines = [f"old {self.old_size}"]
        lines.extend(base64.b64encode(value).decode("ascii") for value in self.proof)
        return "\n".join([*lines, "", self.note]).encode()


@dataclass(frozen=True, slots=True)
class Answer:
    """A response to send, once what it says to record is on the disk.

    Attributes:
        status: HTTP status.
        body: text of the response.
        content_type: its media type.
        origin: the log that was spoken of, where it is one of the witness's.
        record: the cosigned note that must be durable before the answer goes out, or None.
        is_evidence: whether the request, signed by the log, contradicts what it signed before.
    """

    status: int
    body: str
    content_type: str = TEXT
    origin: str = ""
    record: str | None = None
    is_evidence: bool = False


@dataclass(frozen=True, slots=True)
class Head:
    """What the witness cosigned last for a log: a checkpoint and the Unix time of doing so."""

    checkpoint: Checkpoint
    time: int

    @classmethod
    def from_note(cls, note: str, signer: CosignatureSigner) -> Self:
        """Read a note that the witness recorded; raises NoteError."""
        parsed = SignedNote.from_text(note)
        parsed.verify([signer.verifier])
        own = [line for line in parsed.signatures if line.key_id == signer.verifier.key_id]
        return cls(Checkpoint.from_body(parsed.body), max(cosigned_at(line) for line in own))


def parse_request(
    body: bytes, logs: Mapping[str, Sequence[Ed25519Verifier]]
) -> tuple[AddCheckpoint, Checkpoint] | Answer:
    """The request and its checkpoint, signed by a known log, or the answer 400, 403 or 404."""
    try:
        request = AddCheckpoint.from_body(body)
        note = SignedNote.from_text(request.note)
        checkpoint = Checkpoint.from_body(note.body)
    except NoteError as error:
        return Answer(400, f"{error}\n")
    keys = logs.get(checkpoint.origin)
    if keys is None:
        return Answer(404, "the log is not known here\n")
    try:
        note.verify(keys)
    except SignatureError as error:
        return Answer(403, f"{error}\n", origin=checkpoint.origin)
    if request.old_size > checkpoint.size:
        return Answer(400, "the old size exceeds the checkpoint's\n", origin=checkpoint.origin)
    return request, checkpoint


def decide(
    request: AddCheckpoint,
    checkpoint: Checkpoint,
    known: Head | None,
    signer: CosignatureSigner,
    now: int,
) -> Answer:
    """Cosign a log's checkpoint if it extends the one that was cosigned last.

    Args:
        request: the request, parsed.
        checkpoint: its checkpoint, whose signature was checked.
        known: what was cosigned last for this origin; None for nothing yet.
        signer: the witness's key.
        now: Unix time in seconds.

    Returns:
        200 with the cosignature and the note to record; 409 with the known size; 422 where
        the log did not only grow; 503 where the clock is behind the last cosignature.
    """
    origin = checkpoint.origin
    size = 0 if known is None else known.checkpoint.size
    root = EMPTY_ROOT if known is None else known.checkpoint.root
    if request.old_size != size:
        is_fork = checkpoint.size == size and checkpoint.root != root
        return Answer(409, f"{size}\n", SIZE, origin, is_evidence=is_fork)
    try:
        verify_consistency(
            old_size=size,
            old_root=root,
            new_size=checkpoint.size,
            new_root=checkpoint.root,
            proof=request.proof,
        )
    except ProofError as error:
        return Answer(422, f"{error}\n", origin=origin, is_evidence=True)
    if known is not None and now < known.time:
        # A time that the clock does not show is never signed, nor one before the last.
        return Answer(503, "the clock is behind the last cosignature\n", origin=origin)
    note = SignedNote.from_text(request.note)
    line = signer.cosign(note.body, now)
    return Answer(
        200,
        line.to_text(),
        origin=origin,
        record=SignedNote(note.body, (*note.signatures, line)).to_text(),
    )
