from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from audit.batch import StoredBatch
from audit.bundle import decode_bundle, encode_bundle
from audit.checkpoint import Checkpoint
from audit.errors import NoteError, TamperedError
from audit.merkle import Frontier, leaf_hash
from audit.note import Ed25519Signer
from audit.verify import VerificationReport, verify_batches

ORIGIN = "audit.example.com/gw/test"


def build(*counts: int, word: bytes = b"entry") -> list[StoredBatch]:
    """A sound log with a batch of each given size."""
    batches = []
    frontier = Frontier()
    for count in counts:
        first = frontier.size
        entries = [b"%s %d" % (word, first + number) for number in range(count)]
        leaves = [leaf_hash(entry) for entry in entries]
        frontier = frontier.extend(leaves)
        bundle, hashes = encode_bundle(entries), b"".join(leaves)
        batches.append(StoredBatch(first, count, bundle, hashes, frontier.size, frontier.root))
    return batches


def rebuilt(batches: list[StoredBatch]) -> list[StoredBatch]:
    """What a forger with the whole database can do: make everything fit its bundles again."""
    result = []
    frontier = Frontier()
    for batch in batches:
        first = frontier.size
        leaves = [leaf_hash(entry) for entry in decode_bundle(batch.bundle)]
        frontier = frontier.extend(leaves)
        hashes = b"".join(leaves)
        result.append(
            StoredBatch(first, len(leaves), batch.bundle, hashes, frontier.size, frontier.root)
        )
    return result


LOG = build(3, 5, 1, 7)


def head(signer: Ed25519Signer, size: int, batches: list[StoredBatch] = LOG) -> str:
    leaves = [leaf_hash(entry) for batch in batches for entry in decode_bundle(batch.bundle)]
    return Checkpoint(ORIGIN, size, Frontier().extend(leaves[:size]).root).sign(signer)


def verify(
    signer: Ed25519Signer, batches: Iterable[StoredBatch], heads: Iterable[str]
) -> VerificationReport:
    return verify_batches(batches, heads, signer.verifier_key, origin=ORIGIN)


def test_a_sound_log_is_reported_with_what_is_signed_and_what_is_not(
    signer: Ed25519Signer,
) -> None:
    seen: list[int] = []

    report = verify_batches(
        LOG,
        [head(signer, 3), head(signer, 9)],
        signer.verifier_key,
        origin=ORIGIN,
        progress=seen.append,
    )

    assert report == VerificationReport(
        entries=16,
        batches=4,
        heads=2,
        signed_size=9,
        signed_root=LOG[2].root or b"",
        unsigned_tail=7,
    )
    assert seen == [3, 8, 9, 16]


def test_heads_may_lie_anywhere_in_a_batch_and_twice_at_one_size(signer: Ed25519Signer) -> None:
    sizes = [0, 0, 1, 2, 3, 3, 5, 8, 12, 15, 16, 16]

    report = verify(signer, LOG, [head(signer, size) for size in sizes])

    assert (report.heads, report.signed_size, report.unsigned_tail) == (12, 16, 0)


def test_an_empty_log_verifies(signer: Ed25519Signer) -> None:
    assert verify(signer, [], []).entries == 0


def test_a_source_without_batch_roots_is_held_to_its_heads(signer: Ed25519Signer) -> None:
    bare = [replace(batch, root=None) for batch in LOG]

    assert verify(signer, bare, [head(signer, 16)]).signed_size == 16


def test_heads_of_a_former_key_are_believed_when_it_is_named(signer: Ed25519Signer) -> None:
    newer = Ed25519Signer(ORIGIN, Ed25519PrivateKey.generate())
    heads = [head(signer, 3), head(newer, 16)]

    report = verify_batches(
        LOG, heads, newer.verifier_key, origin=ORIGIN, former_keys=[signer.verifier_key]
    )

    assert report.heads == 2
    with pytest.raises(TamperedError):
        verify(newer, LOG, heads)


def test_an_edited_entry_is_named_by_its_index(signer: Ed25519Signer) -> None:
    edited = [*LOG]
    edited[1] = replace(LOG[1], bundle=LOG[1].bundle.replace(b"entry 5", b"entry X"))

    with pytest.raises(TamperedError) as found:
        verify(signer, edited, [])

    assert found.value.index == 5
    assert "leaf hash" in found.value.how


EDITS: dict[str, Callable[[list[StoredBatch]], list[StoredBatch]]] = {
    "an entry edited": lambda log: [
        replace(log[0], bundle=log[0].bundle.replace(b"entry 1", b"entry X")),
        *log[1:],
    ],
    "an entry removed": lambda log: [
        replace(log[0], bundle=encode_bundle(decode_bundle(log[0].bundle)[1:])),
        *log[1:],
    ],
    "an entry inserted": lambda log: [
        replace(log[0], bundle=encode_bundle([*decode_bundle(log[0].bundle), b"new"])),
        *log[1:],
    ],
    "two entries swapped": lambda log: [
        replace(log[0], bundle=encode_bundle(decode_bundle(log[0].bundle)[::-1])),
        *log[1:],
    ],
    "a batch removed": lambda log: [log[0], *log[2:]],
    "a batch twice": lambda log: [log[0], *log],
    "two batches swapped": lambda log: [log[1], log[0], *log[2:]],
    "the tail cut": lambda log: log[:-1],
    "everything removed": lambda _log: [],
}


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("is_made_to_fit", [False, True])
def test_every_rewriting_of_a_signed_log_is_found(
    signer: Ed25519Signer, edit: str, *, is_made_to_fit: bool
) -> None:
    heads = [head(signer, 3), head(signer, 16)]
    forged = EDITS[edit](LOG)

    with pytest.raises(TamperedError):
        verify(signer, rebuilt(forged) if is_made_to_fit else forged, heads)


def test_without_a_head_a_tail_made_to_fit_counts_as_unsigned(signer: Ed25519Signer) -> None:
    forged = rebuilt(EDITS["an entry edited"](LOG))

    assert verify(signer, forged, []).unsigned_tail == 16


@pytest.mark.parametrize(
    "change",
    [
        {"first_index": 4},
        {"first_index": 2},
        {"entry_count": 4},
        {"entry_count": 6},
        {"size_after": 9},
        {"root": bytes(32)},
        {"leaf_hashes": b""},
        {"leaf_hashes": LOG[1].leaf_hashes + bytes(32)},
        {"bundle": b""},
        {"bundle": LOG[1].bundle[:-1]},
    ],
)
def test_a_batch_that_contradicts_itself_is_found(
    signer: Ed25519Signer, change: dict[str, object]
) -> None:
    changed = [LOG[0], replace(LOG[1], **change), *LOG[2:]]  # type: ignore[arg-type]

    with pytest.raises(TamperedError) as found:
        verify(signer, changed, [])

    assert 2 <= found.value.index <= 8


@given(st.integers(0, 3), st.data())
def test_any_flipped_byte_of_a_stored_batch_is_found(number: int, data: st.DataObject) -> None:
    part = data.draw(st.sampled_from(["bundle", "leaf_hashes", "root"]))
    value = bytearray(getattr(LOG[number], part))
    value[data.draw(st.integers(0, len(value) - 1))] ^= data.draw(st.integers(1, 255))
    changed = [*LOG]
    changed[number] = replace(LOG[number], **{part: bytes(value)})  # type: ignore[arg-type]

    with pytest.raises(TamperedError):
        verify_batches(
            changed,
            [],
            "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
            origin=ORIGIN,
        )


def test_a_head_of_another_tree_is_found_between_two_sound_ones(signer: Ed25519Signer) -> None:
    fork = build(16, word=b"fork")
    heads = [head(signer, 3), head(signer, 9, fork), head(signer, 16)]

    with pytest.raises(TamperedError) as found:
        verify(signer, LOG, heads)

    assert found.value.index == 3
    assert "to 9" in found.value.how


def test_a_log_shorter_than_its_newest_head_is_found(signer: Ed25519Signer) -> None:
    with pytest.raises(TamperedError) as found:
        verify(signer, LOG[:-1], [head(signer, 3), head(signer, 16)])

    assert found.value.index == 9
    assert "covers 16" in found.value.how


def test_heads_that_shrink_are_found(signer: Ed25519Signer) -> None:
    with pytest.raises(TamperedError, match="smaller"):
        verify(signer, LOG, [head(signer, 9), head(signer, 3)])


def test_a_head_with_a_false_signature_is_found(signer: Ed25519Signer) -> None:
    forged = head(signer, 3).replace("\n3\n", "\n4\n")

    with pytest.raises(TamperedError, match="signature"):
        verify(signer, LOG, [forged])


def test_a_head_of_another_log_is_found(signer: Ed25519Signer) -> None:
    with pytest.raises(TamperedError, match="another log"):
        verify_batches(LOG, [head(signer, 3)], signer.verifier_key, origin="other.example.com")


def test_a_malformed_verifier_key_is_the_callers_error(signer: Ed25519Signer) -> None:
    with pytest.raises(NoteError):
        verify_batches(LOG, [head(signer, 3)], "no key", origin=ORIGIN)
