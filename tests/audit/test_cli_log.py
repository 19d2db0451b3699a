"""The auditor's commands on a published log: what they print and how they exit."""

import subprocess
import sys
import zipfile
from base64 import b64encode
from pathlib import Path

import pytest
from typer.testing import CliRunner

from audit.cli import application
from audit.merkle import consistency_proof, leaf_hash
from audit.tlog_proof import TlogProof
from tests.audit.log_directory import (
    entries_of,
    files_of,
    new_signer,
    new_witness,
    policy_of,
    policy_text,
    signed,
    write_log,
)

LOG = new_signer()
WITNESS = new_witness()
ENTRIES = entries_of(600)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    write_log(tmp_path / "log", LOG, ENTRIES, WITNESS)
    return tmp_path / "log"


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "policy.txt"
    path.write_text(policy_text(LOG, WITNESS), encoding="utf-8")
    return path


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(application, [*map(str, arguments)])
    return result.exit_code, result.output


def test_a_sound_log_exits_with_0_and_says_what_was_checked(
    log: Path, policy: Path, tmp_path: Path
) -> None:
    (tmp_path / "old").write_text(signed(LOG, ENTRIES[:300]), encoding="utf-8", newline="")
    (tmp_path / "receipts").mkdir()
    (tmp_path / "receipts/a.tlog-proof").write_text(
        run("prove", 7, "--log", log)[1], encoding="utf-8", newline=""
    )

    status, output = run(
        "verify",
        log,
        "--policy",
        policy,
        "--old-checkpoint",
        tmp_path / "old",
        "--receipts",
        tmp_path / "receipts",
    )

    assert status == 0, output
    assert "verified: 600 entries" in output
    assert "w1" in output
    assert "1 old checkpoints, 1 receipts" in output


def test_a_tampered_log_exits_with_1_and_names_the_entry(log: Path, policy: Path) -> None:
    bundle = log / "tile/entries/001"
    bundle.write_bytes(bundle.read_bytes().replace(b"entry 300", b"entry 30X"))

    status, output = run("verify", log, "--policy", policy)

    assert status == 1
    assert "TAMPERED: entry 300:" in output


def test_what_cannot_be_told_exits_with_2(log: Path, policy: Path, tmp_path: Path) -> None:
    assert run("verify", log)[0] == 2
    assert run("verify", tmp_path / "nowhere", "--policy", policy)[0] == 2
    assert run("verify", log, "--policy", tmp_path / "nowhere")[0] == 2
    assert run("verify", log, "--policy", policy, "--receipts", tmp_path / "nowhere")[0] == 2
    assert run("verify", log, "--policy", policy, "--receipts", tmp_path)[0] == 2
    (tmp_path / "bad").write_bytes(b"\xff")
    assert run("verify", log, "--policy", tmp_path / "bad")[0] == 2
    assert run("verify", tmp_path / "bad", "--policy", policy)[0] == 2

    (log / "tile/0/001").unlink()
    status, output = run("verify", log, "--policy", policy)
    assert status == 2
    assert "CANNOT TELL: missing: tile/0/001" in output


def test_the_module_runs_as_a_command_on_a_zip(log: Path, policy: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "log.zip", "w") as archive:
        for name, data in files_of(log).items():
            archive.writestr(f"export/{name}", data)

    ended = subprocess.run(
        [sys.executable, "-m", "audit", "verify", tmp_path / "log.zip", "--policy", policy],
        check=False,
        capture_output=True,
        text=True,
    )

    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("verified: 600 entries")


def test_a_receipt_from_the_command_line_is_verifiable_alone(log: Path) -> None:
    status, output = run("prove", 599, "--log", log)

    assert status == 0
    TlogProof.from_text(output).verify(leaf_hash(ENTRIES[599]), policy_of(LOG, WITNESS))
    assert run("prove", 600, "--log", log)[0] == 2


def test_growth_is_proven_on_the_command_line(log: Path) -> None:
    leaves = [leaf_hash(entry) for entry in ENTRIES]

    status, output = run("consistency", 300, 600, "--log", log)

    assert status == 0
    assert output.split() == [
        b64encode(value).decode() for value in consistency_proof(leaves, 300)
    ]
    assert run("consistency", 300, 601, "--log", log)[0] == 2
    assert run("consistency", 301, 300, "--log", log)[0] == 2


def test_a_receipt_is_inspected_with_or_without_a_policy(
    log: Path, policy: Path, tmp_path: Path
) -> None:
    path = tmp_path / "a.tlog-proof"
    proof = TlogProof.from_text(run("prove", 7, "--log", log)[1])
    for extra, said in ((None, "not in the receipt"), (ENTRIES[7], "leads to the root")):
        kept = TlogProof(proof.index, proof.hashes, proof.note, extra)
        path.write_text(kept.to_text(), encoding="utf-8", newline="")

        status, output = run("inspect", path, "--policy", policy)

        assert status == 0, output
        assert said in output
        assert "index       7" in output
        assert "cosigned by w1" in output
        assert "not checked: no --vkey" in run("inspect", path)[1]

    other = TlogProof(proof.index, proof.hashes, proof.note, ENTRIES[8])
    path.write_text(other.to_text(), encoding="utf-8", newline="")
    assert run("inspect", path, "--policy", policy)[0] == 1
