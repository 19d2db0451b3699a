from pathlib import Path

import pytest
from typer.testing import CliRunner

from audit.checkpoint import Checkpoint
from audit.cli import application
from audit.merkle import leaf_hash
from audit.note import Ed25519Signer, sign_note

ORIGIN = "audit.example.com/gw/test"
OTHER = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
CHECKPOINT = Checkpoint(ORIGIN, 12, leaf_hash(b"entry"))


@pytest.fixture
def note(tmp_path: Path, signer: Ed25519Signer) -> Path:
    path = tmp_path / "checkpoint"
    path.write_text(CHECKPOINT.sign(signer), encoding="utf-8", newline="")
    return path


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(application, ["inspect", *map(str, arguments)])
    return result.exit_code, result.output


def test_a_checkpoint_is_printed_and_said_to_be_unchecked_without_a_key(note: Path) -> None:
    status, output = run(note)

    assert status == 0
    assert ORIGIN in output
    assert CHECKPOINT.root.hex() in output
    assert "not checked" in output


def test_a_checkpoint_is_valid_under_its_key(note: Path, signer: Ed25519Signer) -> None:
    status, output = run(note, "--vkey", OTHER, "--vkey", signer.verifier_key)

    assert status == 0
    assert "known key" in output
    assert "valid: signed by a given key" in output


def test_an_edited_checkpoint_is_not_valid(note: Path, signer: Ed25519Signer) -> None:
    note.write_bytes(note.read_bytes().replace(b"\n12\n", b"\n13\n"))

    status, output = run(note, "--vkey", signer.verifier_key)

    assert status == 1
    assert "NOT VALID" in output


def test_a_key_of_another_name_does_not_vouch_for_a_log(note: Path) -> None:
    assert run(note, "--vkey", OTHER)[0] == 1


def test_a_checkpoint_signed_under_another_name_is_not_valid(
    tmp_path: Path, signer: Ed25519Signer
) -> None:
    path = tmp_path / "checkpoint"
    body = Checkpoint("other.example.com", 12, leaf_hash(b"entry")).to_body()
    path.write_text(sign_note(body, [signer]), encoding="utf-8", newline="")

    assert run(path, "--vkey", signer.verifier_key)[0] == 1


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"text\n"])
def test_a_file_that_is_no_checkpoint_is_not_valid(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "checkpoint"
    path.write_bytes(content)

    assert run(path)[0] == 1
