from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.cosignature import CosignatureSigner
from audit.errors import DirectoryError, NoteError
from audit.merkle import consistency_proof, leaf_hash
from audit.note import Ed25519Verifier, SignedNote
from audit.witness.cosigner import Cosigner
from audit.witness.protocol import SIZE, AddCheckpoint, Answer, Head
from audit.witness.state import WitnessState, origin_hash
from tests.audit.log_directory import ORIGIN, TIME, entries_of, new_signer, new_witness, signed

LOG = new_signer()
ENTRIES = entries_of(40)
FORK = [*ENTRIES[:10], b"another", *ENTRIES[11:]]


class Bench:
    """A witness with a fresh state and a clock that the test turns."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.signer: CosignatureSigner = new_witness()
        WitnessState.create(directory, self.signer.verifier)
        self.state = WitnessState(directory, self.signer.verifier)
        self.cosigner = Cosigner(
            self.signer, self.state, [Ed25519Verifier.from_text(LOG.verifier_key)]
        )
        self.now = TIME

    def ask(self, old: int, entries: list[bytes], proof: list[bytes] | None = None) -> Answer:
        leaves = [leaf_hash(entry) for entry in entries]
        if proof is None:
            proof = consistency_proof(leaves, min(old, len(leaves)))
        request = AddCheckpoint(old, tuple(proof), signed(LOG, entries))
        return self.cosigner.add_checkpoint(request.to_body(), self.now)

    def size(self) -> int:
        note = self.state.newest(origin_hash(ORIGIN))
        return 0 if note is None else Head.from_note(note, self.signer).checkpoint.size


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "state")


def test_a_growing_log_is_cosigned_and_remembered(bench: Bench) -> None:
    old = 0
    for size in (0, 1, 7, 8, 8, 40):
        answer = bench.ask(old, ENTRIES[:size])

        assert answer.status == 200
        text = f"{SignedNote.from_text(signed(LOG, ENTRIES[:size])).body}\n{answer.body}"
        SignedNote.from_text(text).verify([bench.signer.verifier])
        assert bench.size() == size
        old = size


def test_the_newest_checkpoint_is_served_under_the_hash_of_its_origin(bench: Bench) -> None:
    assert bench.cosigner.newest(origin_hash(ORIGIN)).status == 404
    bench.ask(0, ENTRIES[:7])

    answer = bench.cosigner.newest(origin_hash(ORIGIN))

    assert answer.status == 200
    note = SignedNote.from_text(answer.body)
    note.verify([bench.signer.verifier])
    note.verify([Ed25519Verifier.from_text(LOG.verifier_key)])
    assert bench.cosigner.newest("../identity").status == 404


@pytest.mark.parametrize("old", [0, 6, 8, 39])
def test_another_old_size_is_answered_with_the_known_one(bench: Bench, old: int) -> None:
    bench.ask(0, ENTRIES[:7])

    answer = bench.ask(old, ENTRIES)

    assert (answer.status, answer.body, answer.content_type) == (409, "7\n", SIZE)


def test_a_fork_a_rollback_and_a_false_proof_are_refused_and_change_nothing(
    bench: Bench,
) -> None:
    bench.ask(0, ENTRIES[:20])
    leaves = [leaf_hash(entry) for entry in ENTRIES]
    refusals = [
        (422, bench.ask(20, FORK)),
        (422, bench.ask(20, FORK[:20])),
        (422, bench.ask(20, ENTRIES, consistency_proof(leaves, 19))),
        (422, bench.ask(20, ENTRIES, [])),
        (422, bench.ask(20, ENTRIES[:20], [bytes(32)])),
        (400, bench.ask(20, ENTRIES[:19])),
        (409, bench.ask(19, ENTRIES[:19])),
        (409, bench.ask(0, FORK[:20])),
    ]

    for status, answer in refusals:
        assert answer.status == status
        assert answer.record is None
    assert bench.size() == 20
    assert bench.ask(20, ENTRIES).status == 200


def test_the_first_proof_of_a_fork_is_kept(bench: Bench) -> None:
    bench.ask(0, ENTRIES[:20])

    bench.ask(20, FORK)
    bench.ask(20, FORK[:30])

    kept = (bench.directory / f"{origin_hash(ORIGIN)}.refused").read_bytes()
    assert AddCheckpoint.from_body(kept).note == signed(LOG, FORK)


def test_a_first_checkpoint_comes_without_a_proof(bench: Bench) -> None:
    assert bench.ask(0, ENTRIES[:7], [bytes(32)]).status == 422
    assert bench.ask(0, ENTRIES[:7]).status == 200


def test_logs_and_keys_that_are_not_known_are_turned_away(bench: Bench) -> None:
    other = AddCheckpoint(0, (), signed(new_signer("other.example.com"), ENTRIES))
    forged = AddCheckpoint(0, (), signed(new_signer(ORIGIN), ENTRIES))

    assert bench.cosigner.add_checkpoint(other.to_body(), TIME).status == 404
    assert bench.cosigner.add_checkpoint(forged.to_body(), TIME).status == 403


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"old 0\n",
        b"old 0\n\n",
        b"old 0\n\nno note\n",
        b"old -1\n\nbody\n",
        b"old 00\n\nbody\n",
        b"new 0\n\nbody\n",
        b"\xff",
        b"old 0\nYQ==\n\nbody\n",
        b"old 0\n!\n\nbody\n",
        b"old 0\n" + b"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n" * 64 + b"\nbody\n",
    ],
)
def test_what_is_not_a_request_is_told_so(bench: Bench, body: bytes) -> None:
    assert bench.cosigner.add_checkpoint(body, TIME).status == 400


@given(
    st.integers(0, 2**62),
    st.lists(st.binary(min_size=32, max_size=32), max_size=63).map(tuple),
)
def test_every_request_is_read_back(old: int, proof: tuple[bytes, ...]) -> None:
    request = AddCheckpoint(old, proof, "body\n\nsignatures\n")

    assert AddCheckpoint.from_body(request.to_body()) == request


def test_a_clock_behind_the_last_cosignature_signs_nothing(bench: Bench) -> None:
    bench.ask(0, ENTRIES[:7])

    bench.now -= 1
    assert bench.ask(7, ENTRIES).status == 503
    bench.now += 1
    assert bench.ask(7, ENTRIES).status == 200


def test_a_disk_that_refuses_once_silences_the_witness(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object, **_options: object) -> None:
        raise OSError

    with monkeypatch.context() as patch:
        patch.setattr("audit.witness.state.replace_file", refuse)
        assert bench.ask(0, ENTRIES[:7]).status == 503

    assert bench.ask(0, ENTRIES[:7]).status == 503
    assert bench.size() == 0


def test_a_state_belongs_to_one_key_and_one_process(bench: Bench) -> None:
    with pytest.raises(DirectoryError, match="another process"):
        WitnessState(bench.directory, bench.signer.verifier)
    bench.state.close()
    with pytest.raises(DirectoryError, match="another witness key"):
        WitnessState(bench.directory, new_witness().verifier)
    with pytest.raises(DirectoryError):
        WitnessState.create(bench.directory, bench.signer.verifier)
    WitnessState(bench.directory, bench.signer.verifier).close()


def test_a_state_that_was_lost_or_changed_is_not_served(bench: Bench, tmp_path: Path) -> None:
    bench.ask(0, ENTRIES[:7])
    bench.state.close()
    path = bench.directory / f"{origin_hash(ORIGIN)}.checkpoint"
    note = path.read_text(encoding="utf-8")

    path.write_text(note.replace("\n7\n", "\n6\n"), encoding="utf-8", newline="")
    with pytest.raises(DirectoryError, match="changed"):
        WitnessState(bench.directory, bench.signer.verifier)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DirectoryError, match="no state"):
        WitnessState(tmp_path / "empty", bench.signer.verifier)


def test_a_note_without_the_witnesss_own_signature_is_no_memory() -> None:
    with pytest.raises(NoteError):
        Head.from_note(signed(LOG, ENTRIES), new_witness())
