import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from audit.errors import NoteError, SignatureError
from audit.note import Ed25519Signer, Ed25519Verifier, SignedNote, sign_note

BODY = "audit.example.com/gw\nline two\n"
SIGNER = Ed25519Signer("audit.example.com/gw", Ed25519PrivateKey.generate())
OTHER = Ed25519Signer("other.example.com", Ed25519PrivateKey.generate())
VERIFIER = Ed25519Verifier.from_text(SIGNER.verifier_key)
OTHER_VERIFIER = Ed25519Verifier.from_text(OTHER.verifier_key)
LINE = sign_note(BODY, [SIGNER]).removeprefix(BODY + "\n")


@pytest.mark.parametrize(
    "vkey",
    [
        "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx",
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
    ],
)
def test_published_verifier_keys_are_read_and_written_back(vkey: str) -> None:
    assert Ed25519Verifier.from_text(vkey).to_text() == vkey


@pytest.mark.parametrize(
    "vkey",
    [
        "",
        "name",
        "name+00000000",
        "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+C74F20A3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "witness.example/w1+e75f6532+BAOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4",
        "name+00000000+AQ==",
        "name+00000000+",
        "two words+00000000+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
    ],
)
def test_a_verifier_key_that_is_not_quite_one_is_refused(vkey: str) -> None:
    with pytest.raises(NoteError):
        Ed25519Verifier.from_text(vkey)


def test_a_signed_note_is_read_back_and_verified() -> None:
    note = SignedNote.from_text(sign_note(BODY, [SIGNER, OTHER]))

    note.verify([VERIFIER, OTHER_VERIFIER])

    assert note.body == BODY
    assert [line.name for line in note.signatures] == [SIGNER.name, OTHER.name]
    assert note.to_text() == sign_note(BODY, [SIGNER, OTHER])


def test_signatures_of_unknown_keys_are_ignored() -> None:
    SignedNote.from_text(sign_note(BODY, [OTHER, SIGNER])).verify([VERIFIER])


def test_a_note_that_no_known_key_signed_is_refused() -> None:
    with pytest.raises(SignatureError):
        SignedNote.from_text(sign_note(BODY, [OTHER])).verify([VERIFIER])


def test_a_false_signature_of_a_known_key_fails_even_beside_a_true_one() -> None:
    forged = sign_note("something else\n", [OTHER]).removeprefix("something else\n\n")
    note = SignedNote.from_text(sign_note(BODY, [SIGNER]) + forged)

    note.verify([VERIFIER])
    with pytest.raises(SignatureError):
        note.verify([VERIFIER, OTHER_VERIFIER])


@given(st.integers(0, len(BODY) - 2), st.characters(min_codepoint=33, max_codepoint=0x9FFF))
def test_a_note_with_any_changed_character_fails(at: int, character: str) -> None:
    changed = BODY[:at] + character + BODY[at + 1 :]
    if changed == BODY:
        return

    with pytest.raises(NoteError):
        SignedNote.from_text(changed + "\n" + LINE).verify([VERIFIER])


@pytest.mark.parametrize(
    "text",
    [
        "",
        BODY,
        BODY + "\n",
        BODY + LINE,
        BODY + "\n\n" + LINE,
        BODY + "\n" + LINE[:-1],
        BODY + "\n" + LINE + "\n",
        BODY + "\n" + LINE + "\n" + LINE,
        "\n\n" + LINE,
        BODY + "\n" + LINE.replace("—", "-"),
        BODY + "\n" + LINE.replace("— ", "—"),
        BODY + "\n" + LINE.replace(" audit", " au+dit"),
        BODY + "\n" + LINE.replace("=\n", "\n"),
        BODY + "\n" + "— name AAAAAA==\n",
        BODY + "\n" + "— name AAAAAB==\n",
        BODY + "\n" + "— name\n",
        BODY + "\n" + LINE.replace("\n", "\r\n"),
        BODY.replace("line", "li\tne") + "\n" + LINE,
        BODY + "\n" + LINE * 101,
        "x" * 1_000_001 + "\n\n" + LINE,
    ],
)
def test_a_text_that_is_not_exactly_a_note_is_refused(text: str) -> None:
    with pytest.raises(NoteError):
        SignedNote.from_text(text)


@pytest.mark.parametrize("body", ["no newline", "blank\n\nline\n", "tab\t\n"])
def test_a_body_that_a_note_cannot_hold_is_not_signed(body: str) -> None:
    with pytest.raises(NoteError):
        sign_note(body, [SIGNER])


def test_a_note_without_a_signer_is_not_made() -> None:
    with pytest.raises(NoteError):
        sign_note(BODY, [])
