from base64 import b64decode

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from audit.cosignature import CosignatureSigner, CosignatureVerifier, cosigned_at
from audit.errors import NoteError, SignatureError
from audit.note import Ed25519Verifier, SignatureLine, SignedNote
from tests.audit.log_directory import TIME, new_witness

BODY = "example.com/log/testdata\n15\nrKbDipCvhuX1GZ7g5BBe8sA6BbJ7ja/1nk427v383cs=\n"
VKEY = "witness.example/w1+e75f6532+BAOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4"
LINE = (
    "\u2014 witness.example/w1 519lMgAAAABlU/EA8Ksalh7kTmlIFPRO/50jC8JyWktgWjbjpb8ZCaY7/1Pyo/Js5"
    "iv0m/SL/Pgn8ExkAr34GAbhHPwm6x2I0VpoBA==\n"
)
WITNESS = new_witness()


def counting_seed_witness() -> CosignatureSigner:
    """The published vector's key: its seed is the bytes 00 to 1f."""
    key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    return CosignatureSigner("witness.example/w1", key)


def test_the_published_cosignature_is_made_and_verified() -> None:
    signer = counting_seed_witness()

    line = signer.cosign(BODY, TIME)

    assert signer.verifier.to_text() == VKEY
    assert line.to_text() == LINE
    assert cosigned_at(line) == TIME
    SignedNote(BODY, (line,)).verify([CosignatureVerifier.from_text(VKEY)])


@given(st.integers(0, 71), st.integers(1, 255))
def test_no_byte_of_a_cosignature_can_change(at: int, flip: int) -> None:
    line = WITNESS.cosign(BODY, TIME)
    data = bytearray(line.signature)
    data[at] ^= flip

    with pytest.raises(SignatureError):
        WITNESS.verifier.verify_signature(BODY.encode(), bytes(data))


@pytest.mark.parametrize("signature", [b"", b"short", bytes(72), bytes(73)])
def test_what_is_not_a_cosignature_is_refused(signature: bytes) -> None:
    with pytest.raises(SignatureError):
        WITNESS.verifier.verify_signature(BODY.encode(), signature)


@pytest.mark.parametrize("signature", [b"x", bytes(71), b"\xff" + bytes(71)])
def test_a_line_without_a_time_has_none(signature: bytes) -> None:
    with pytest.raises(NoteError):
        cosigned_at(SignatureLine("w", b"0000", signature))


def test_keys_of_logs_and_witnesses_are_not_taken_for_each_other() -> None:
    with pytest.raises(NoteError):
        Ed25519Verifier.from_text(VKEY)
    with pytest.raises(NoteError):
        CosignatureVerifier.from_text(
            Ed25519Verifier("witness.example/w1", WITNESS.verifier.public_key).to_text()
        )
    with pytest.raises(NoteError):
        CosignatureVerifier("witness.example/w1", b"short")


def test_a_private_key_is_read_back_from_its_text() -> None:
    read = CosignatureSigner.from_private_text(WITNESS.to_private_text())

    assert read.verifier == WITNESS.verifier
    assert read.cosign(BODY, TIME) == WITNESS.cosign(BODY, TIME)


def test_a_private_key_text_that_is_not_quite_one_is_refused() -> None:
    text = WITNESS.to_private_text()
    name, key_id, seed = text.removeprefix("PRIVATE+KEY+").split("+", 2)
    assert b64decode(seed)[0] == 4

    for wrong in (
        "",
        text.removeprefix("PRIVATE+KEY+"),
        f"PRIVATE+KEY+{name}+{key_id}",
        f"PRIVATE+KEY+other+{key_id}+{seed}",
        f"PRIVATE+KEY+{name}+{key_id}+{seed[:-4]}",
        f"PRIVATE+KEY+{name}+{key_id}+AA==",
    ):
        with pytest.raises(NoteError):
            CosignatureSigner.from_private_text(wrong)
