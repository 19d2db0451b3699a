"""Verifiers and a witness that other people wrote, held against what this room writes."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from audit.cosignature import CosignatureVerifier
from audit.errors import WitnessRefusedError
from audit.merkle import consistency_proof, leaf_hash
from audit.note import SignedNote
from audit.tile_source import DirectorySource
from audit.tile_tree import TileTree
from audit.tlog_proof import TlogProof
from audit.witness_client import WitnessClient
from tests.audit.log_directory import (
    entries_of,
    new_signer,
    new_witness,
    policy_of,
    signed,
    write_log,
)

LOG = new_signer()
WITNESS = new_witness()
ENTRIES = entries_of(1_300)
FORK = [*ENTRIES[:10], b"another", *ENTRIES[11:]]
PLACES = (0, 255, 256, 700, 1_299)
PACKAGES = ("aics-tlog==0.2.1", "aics-witness==0.1.0")
AUDIT = """
import sys
from aics_tlog import FileSystemTileReader, audit_tiles, parse_checkpoint, parse_note
reader = FileSystemTileReader(sys.argv[1])
with open(sys.argv[1] + "/checkpoint", encoding="utf-8", newline="") as file:
    checkpoint = parse_checkpoint(parse_note(file.read()).text)
print(audit_tiles(reader, checkpoint.size, checkpoint.root))
"""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    write_log(tmp_path / "log", LOG, ENTRIES, WITNESS, stops=[300])
    return tmp_path / "log"


def alter(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


# tlog-scales: on the Python that runs these tests


def their(module: str) -> Any:
    return pytest.importorskip(f"tlog_scales.{module}", reason="tlog-scales is not installed")


def read_with_scales(directory: Path) -> tuple[Any, Any]:
    reader = their("reader").TilesReader(their("backend").LocalBackend(directory))
    return reader, reader.get_checkpoint()


def check_with_scales(directory: Path) -> None:
    """Hash every entry and lead it to the checkpoint's root, with their code alone."""
    reader, checkpoint = read_with_scales(directory)
    if reader.calculate_root_hash() != checkpoint.root_hash:
        raise ValueError("another root")
    for index in range(checkpoint.size):
        proof = reader.get_inclusion_proof(index, checkpoint.size)
        leaf = their("tiles").leaf_hash(reader.get_entry(index))
        proof.check(leaf, checkpoint.root_hash)


def test_tlog_scales_accepts_a_log_of_ours_entry_by_entry(log: Path) -> None:
    check_with_scales(log)


@pytest.mark.parametrize(
    "path", ["tile/entries/002", "tile/entries/005.p/20", "tile/0/001", "tile/1/000.p/5"]
)
def test_tlog_scales_refuses_a_log_of_ours_that_was_altered(log: Path, path: str) -> None:
    alter(log / path)

    with pytest.raises(Exception):  # noqa: B017, PT011 - whatever their code raises
        check_with_scales(log)


def test_tlog_scales_verifies_our_signatures_and_refuses_others(log: Path) -> None:
    _, checkpoint = read_with_scales(log)

    checkpoint.verify(their("signing").Vkey.from_string(LOG.verifier_key))
    checkpoint.verify(their("signing").Vkey.from_string(WITNESS.verifier.to_text()))
    with pytest.raises(RuntimeError):
        checkpoint.verify(their("signing").Vkey.from_string(new_signer().verifier_key))


def test_tlog_scales_gives_the_receipts_and_the_growth_that_we_give(log: Path) -> None:
    reader, checkpoint = read_with_scales(log)
    tree = TileTree(DirectorySource(log), 1_300)
    for index in PLACES:
        given = subprocess.run(
            [sys.executable, "-m", "tlog_scales.cli", "gen-proof", log, str(index)],
            check=True,
            capture_output=True,
        )
        proof = TlogProof.from_text(given.stdout.decode())
        note = (log / "checkpoint").read_text(encoding="utf-8")
        assert proof == TlogProof(index, tuple(tree.inclusion_proof(index)), note)
        proof.verify(leaf_hash(ENTRIES[index]), policy_of(LOG, WITNESS))
    for old in (1, 255, 256, 300, 1_299):
        theirs = reader.get_consistency_proof(old, checkpoint.size)
        assert theirs.node_hashes == tree.consistency_proof(old)
        theirs.check(tree.root(old), checkpoint.root_hash)


# aics-tlog and aics-witness: need Python 3.12, and an environment of their own


def find_python() -> str | None:
    versions = sorted(Path.home().glob(".pyenv/versions/3.12*/bin/python"))
    for candidate in [shutil.which("python3.12"), *map(str, versions)]:
        if candidate is not None:
            question = "import sys, venv; print(sys.version_info[:2] == (3, 12))"
            asked = run_aics(candidate, "-c", question)
            if asked.stdout.strip() == "True":
                return candidate
    return None


def run_aics(*command: str | Path, timeout: int = 60) -> subprocess.CompletedProcess[str]:
    """Run what is in their environment, without the search path of this one."""
    return subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=timeout, env=bare()
    )


def bare() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


@pytest.fixture(scope="module")
def aics(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The commands of aics-tlog and aics-witness."""
    python = find_python()
    if python is None:
        pytest.skip("aics-tlog was not run: there is no Python 3.12")
    folder = tmp_path_factory.mktemp("aics")
    run_aics(python, "-m", "venv", folder)
    pip = (folder / "bin/python", "-m", "pip", "install", "--quiet")
    installed = run_aics(*pip, *PACKAGES, timeout=180)
    if installed.returncode != 0:
        pytest.skip(f"aics-tlog was not run: {' and '.join(PACKAGES)} cannot be installed")
    return folder / "bin"


def aics_tlog(aics: Path, command: str, log: Path, *options: str) -> int:
    keys = ("--log-key", LOG.verifier_key, "--witness-key", WITNESS.verifier.to_text())
    return run_aics(
        aics / "aics-tlog", command, "--tiles", log, *keys, "--quorum", "1", *options
    ).returncode


def audit_with(aics: Path, log: Path) -> int:
    return run_aics(aics / "python", "-c", AUDIT, str(log)).returncode


def test_aics_tlog_accepts_a_log_of_ours_and_what_it_says_of_itself(
    aics: Path, log: Path, tmp_path: Path
) -> None:
    (tmp_path / "entry").write_bytes(ENTRIES[700])
    index = ["--index", "700", "--leaf", str(tmp_path / "entry")]
    old = tmp_path / "old"
    growth = ["--old-checkpoint", str(old)]

    assert audit_with(aics, log) == 0
    assert aics_tlog(aics, "verify-checkpoint", log) == 0
    assert aics_tlog(aics, "verify-inclusion", log, *index) == 0
    old.write_text(signed(LOG, ENTRIES[:300]), encoding="utf-8", newline="")
    assert aics_tlog(aics, "verify-consistency", log, *growth) == 0
    old.write_text(signed(LOG, FORK[:300]), encoding="utf-8", newline="")
    assert aics_tlog(aics, "verify-consistency", log, *growth) == 1


@pytest.mark.parametrize("path", ["tile/entries/002", "tile/0/001", "tile/1/000.p/5"])
def test_aics_tlog_refuses_a_log_of_ours_that_was_altered(
    aics: Path, log: Path, path: str
) -> None:
    alter(log / path)

    assert audit_with(aics, log) == 1


def test_aics_tlog_refuses_a_log_signed_by_another(aics: Path, tmp_path: Path) -> None:
    write_log(tmp_path, new_signer(LOG.name), ENTRIES[:20], WITNESS)

    assert aics_tlog(aics, "verify-checkpoint", tmp_path) == 1


@contextmanager
def aics_witness(aics: Path, folder: Path) -> Iterator[WitnessClient]:
    """Their witness on a free port of loopback, following our log."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    config = ["--config", str(folder / "witness.json")]
    listen = ["--listen", f"127.0.0.1:{port}"]

    def run(*arguments: str) -> str:
        ended = run_aics(aics / "aics-witness", *arguments)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    vkey = run("init", *config, "--name", "witness.example/other", *listen).strip()
    run("add-log", *config, "--origin", LOG.name, "--vkey", LOG.verifier_key)
    process = subprocess.Popen(
        [aics / "aics-witness", "serve", *config],
        stderr=subprocess.DEVNULL,
        env=bare(),
    )
    try:
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.05)
        yield WitnessClient(f"http://127.0.0.1:{port}", CosignatureVerifier.from_text(vkey))
    finally:
        process.terminate()
        process.wait(10)


def cosign(client: WitnessClient, entries: list[bytes], old: int) -> str:
    leaves = [leaf_hash(entry) for entry in entries]
    return client.cosign(
        signed(LOG, entries), old_size=old, prove=lambda size: consistency_proof(leaves, size)
    )


def test_a_witness_of_others_cosigns_our_growth_and_refuses_our_fork(
    aics: Path, tmp_path: Path
) -> None:
    with aics_witness(aics, tmp_path) as client:
        first = cosign(client, ENTRIES[:20], 0)
        assert len(SignedNote.from_text(first).signatures) == 2
        # From a size that it is not at: their 409 leads to a second, accepted request.
        cosign(client, ENTRIES[:300], 0)
        with pytest.raises(WitnessRefusedError, match="another log"):
            cosign(client, FORK[:400], 300)
        with pytest.raises(WitnessRefusedError, match="300 entries, the log has 20"):
            cosign(client, ENTRIES[:20], 20)
        cosign(client, ENTRIES, 300)
