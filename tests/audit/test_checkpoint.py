from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.checkpoint import Checkpoint, open_checkpoint
from audit.errors import NoteError, SignatureError
from audit.merkle import EMPTY_ROOT, leaf_hash
from audit.note import Ed25519Signer, Ed25519Verifier, sign_note

ORIGIN = "audit.example.com/gw/test"
ROOT = leaf_hash(b"entry")
ROOT_TEXT = b64encode(ROOT).decode()


def test_the_body_is_origin_size_and_root_each_on_its_line() -> None:
    assert Checkpoint(ORIGIN, 12, ROOT).to_body() == f"{ORIGIN}\n12\n{ROOT_TEXT}\n"


@given(st.integers(1, 2**63 - 1), st.binary(min_size=32, max_size=32))
def test_every_body_is_read_back_as_it_was(size: int, root: bytes) -> None:
    checkpoint = Checkpoint(ORIGIN, size, root)

    assert Checkpoint.from_body(checkpoint.to_body()) == checkpoint


def test_a_signed_checkpoint_opens_with_the_logs_key(signer: Ed25519Signer) -> None:
    checkpoint = Checkpoint(ORIGIN, 12, ROOT)
    verifier = Ed25519Verifier.from_text(signer.verifier_key)

    assert open_checkpoint(checkpoint.sign(signer), [verifier], origin=ORIGIN) == checkpoint


def test_a_checkpoint_of_another_log_is_refused(signer: Ed25519Signer) -> None:
    verifier = Ed25519Verifier.from_text(signer.verifier_key)
    note = sign_note(Checkpoint("other.example.com", 12, ROOT).to_body(), [signer])

    with pytest.raises(NoteError):
        open_checkpoint(note, [verifier], origin=ORIGIN)


def test_a_checkpoint_whose_size_was_edited_is_refused(signer: Ed25519Signer) -> None:
    verifier = Ed25519Verifier.from_text(signer.verifier_key)
    note = Checkpoint(ORIGIN, 12, ROOT).sign(signer).replace("\n12\n", "\n11\n")

    with pytest.raises(SignatureError):
        open_checkpoint(note, [verifier], origin=ORIGIN)


def test_a_log_signs_only_under_its_own_name(signer: Ed25519Signer) -> None:
    with pytest.raises(NoteError):
        Checkpoint("other.example.com", 12, ROOT).sign(signer)


@pytest.mark.parametrize(
    "body",
    [
        "",
        f"{ORIGIN}\n12\n{ROOT_TEXT}",
        f"{ORIGIN}\n12\n{ROOT_TEXT}\nextension\n",
        f"{ORIGIN}\n12\n",
        f"\n12\n{ROOT_TEXT}\n",
        f"two words\n12\n{ROOT_TEXT}\n",
        f"{ORIGIN}\n012\n{ROOT_TEXT}\n",
        f"{ORIGIN}\n-1\n{ROOT_TEXT}\n",
        f"{ORIGIN}\n+1\n{ROOT_TEXT}\n",
        f"{ORIGIN}\n1_0\n{ROOT_TEXT}\n",
        f"{ORIGIN}\n٣\n{ROOT_TEXT}\n",
        f"{ORIGIN}\n9223372036854775808\n{ROOT_TEXT}\n",
        f"{ORIGIN}\n12\n{ROOT_TEXT[:-1]}\n",
        f"{ORIGIN}\n12\n{ROOT_TEXT[:-4]}\n",
        f"{ORIGIN}\n0\n{ROOT_TEXT}\n",
    ],
)
def test_a_body_that_is_not_exactly_a_checkpoint_is_refused(body: str) -> None:
    with pytest.raises(NoteError):
        Checkpoint.from_body(body)


def test_the_empty_log_has_a_checkpoint() -> None:
    body = Checkpoint(ORIGIN, 0, EMPTY_ROOT).to_body()

    assert body.endswith("\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n")
