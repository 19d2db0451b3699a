"""A checkpoint or a receipt in words, with what could be checked of it."""

from collections.abc import Iterator, Sequence

from audit.checkpoint import Checkpoint
from audit.errors import NoteError
from audit.note import Ed25519Verifier, SignedNote
from audit.policy import TrustPolicy
from audit.tlog_proof import HEADER, TlogProof, kept_leaf


def describe(text: str, vkeys: Sequence[str], policy: TrustPolicy | None) -> Iterator[str]:
    """Lines about the text; what is said to be valid was checked before.

    Args:
        text: a checkpoint's note or a .tlog-proof.
        vkeys: verifier keys of logs.
        policy: a trust policy, which also asks for a quorum.

    Raises:
        NoteError: neither of the two, or no given key is named like the origin.
        SignatureError: a false signature of a known key, or none by the log.
        ProofError: a receipt's hashes do not lead to its checkpoint's root.
        UnverifiableError: the policy does not know the log, or too few witnesses cosigned.
    """
    proof = TlogProof.from_text(text) if text.startswith(HEADER) else None
    note = SignedNote.from_text(text if proof is None else proof.note)
    checkpoint = Checkpoint.from_body(note.body)
    if proof is not None:
        yield f"index       {proof.index}"
        yield f"hashes      {len(proof.hashes)}"
        yield from _describe_leaf(proof)
    yield f"origin      {checkpoint.origin}"
    yield f"size        {checkpoint.size}"
    yield f"root hash   {checkpoint.root.hex()}"
    verifiers = [Ed25519Verifier.from_text(vkey) for vkey in vkeys]
    known = {(verifier.name, verifier.key_id) for verifier in verifiers}
    if policy is not None:
        known.update((key.name, key.key_id) for key in policy.logs)
        known.update((key.name, key.key_id) for key in policy.witnesses.values())
    for line in note.signatures:
        mark = "known key" if (line.name, line.key_id) in known else "unknown key, not checked"
        yield f"signature   {line.name} {line.key_id.hex()} ({mark})"
    if policy is not None:
        witnesses = policy.open(note.to_text()).witnesses
        yield f"valid: signed by its log, cosigned by {', '.join(witnesses) or 'nobody'}"
    if verifiers:
        if all(verifier.name != checkpoint.origin for verifier in verifiers):
            raise NoteError("no given key is named like the checkpoint's origin")
        note.verify(verifiers)
        yield "valid: signed by a given key"
    if policy is None and not verifiers:
        yield "not checked: no --vkey was given"


def _describe_leaf(proof: TlogProof) -> Iterator[str]:
    leaf = kept_leaf(proof)
    if leaf is None:
        yield "leaf hash   not in the receipt"
        return
    proof.verify_root(leaf)
    yield f"leaf hash   {leaf.hex()} (leads to the root)"
