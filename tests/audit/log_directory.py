"""Logs in directories for tests: built from words, signed with keys made on the spot."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit.batch import StoredBatch
from audit.bundle import encode_bundle
from audit.checkpoint import Checkpoint
from audit.cosignature import CosignatureSigner
from audit.merkle import Frontier, leaf_hash, root_of
from audit.note import Ed25519Signer, SignedNote
from audit.policy import TrustPolicy
from audit.tile_writer import TileWriter

ORIGIN = "audit.example.com/gw/test"
WITNESS = "witness.example/w1"
TIME = 1_700_000_000


def new_signer(origin: str = ORIGIN) -> Ed25519Signer:
    return Ed25519Signer(origin, Ed25519PrivateKey.generate())


def new_witness(name: str = WITNESS) -> CosignatureSigner:
    return CosignatureSigner(name, Ed25519PrivateKey.generate())


def entries_of(count: int, word: str = "entry") -> list[bytes]:
    return [f"{word} {number}".encode() for number in range(count)]


def batches_of(entries: Sequence[bytes], *, step: int = 300, start: int = 0) -> list[StoredBatch]:
    """Batches of the entries from `start` on, as a store would keep them."""
    batches = []
    frontier = Frontier().extend(leaf_hash(entry) for entry in entries[:start])
    for first in range(start, len(entries), step):
        part = entries[first : first + step]
        leaves = [leaf_hash(entry) for entry in part]
        frontier = frontier.extend(leaves)
        batches.append(
            StoredBatch(
                first,
                len(part),
                encode_bundle(part),
                b"".join(leaves),
                frontier.size,
                frontier.root,
            )
        )
    return batches


def signed(signer: Ed25519Signer, entries: Sequence[bytes], *witnesses: CosignatureSigner) -> str:
    """The checkpoint over exactly these entries, cosigned."""
    root = root_of(leaf_hash(entry) for entry in entries)
    note = SignedNote.from_text(Checkpoint(signer.name, len(entries), root).sign(signer))
    lines = [witness.cosign(note.body, TIME) for witness in witnesses]
    return SignedNote(note.body, (*note.signatures, *lines)).to_text()


def write_log(
    directory: Path,
    signer: Ed25519Signer,
    entries: Sequence[bytes],
    *witnesses: CosignatureSigner,
    stops: Iterable[int] = (),
) -> str:
    """Write or continue a log, with checkpoints at the stops and the end; returns the last."""
    note = ""
    with TileWriter(directory) as writer:
        for stop in [*stops, len(entries)]:
            writer.extend(batches_of(entries[:stop], start=writer.size))
            note = signed(signer, entries[:stop], *witnesses)
            writer.publish(note)
    return note


def policy_text(signer: Ed25519Signer, *witnesses: CosignatureSigner) -> str:
    """A policy that asks for the log's key and all of the witnesses."""
    names = [f"w{number}" for number in range(1, len(witnesses) + 1)]
    lines = [f"log {signer.verifier_key}"]
    lines += [
        f"witness {name} {witness.verifier.to_text()}"
        for name, witness in zip(names, witnesses, strict=True)
    ]
    lines += [f"group all-of-them all {' '.join(names)}", "quorum all-of-them"] if names else []
    return "\n".join(lines if names else [*lines, "quorum none"]) + "\n"


def policy_of(signer: Ed25519Signer, *witnesses: CosignatureSigner) -> TrustPolicy:
    return TrustPolicy.from_text(policy_text(signer, *witnesses))


def files_of(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }
