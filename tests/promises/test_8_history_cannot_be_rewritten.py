"""Promise 8: what was signed and seen cannot be rewritten unseen, not even with every right."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit.checkpoint import Checkpoint
from audit.cosignature import CosignatureSigner
from audit.errors import WitnessRefusedError
from audit.merkle import leaf_hash
from audit.note import Ed25519Signer, SignedNote
from audit.policy import TrustPolicy
from audit.tile_source import DirectorySource
from audit.tile_tree import TileTree
from audit.tlog_proof import TlogProof
from gateway.installation import log_signer
from tests.audit.witness_process import WitnessProcess
from tests.installation import Installation
from tests.promises.insider import MUTATIONS, Insider, Mutate, duplicated, edited, tail_cut
from tests.promises.processes import wait_until

SOUND, EARLY = "sound", "early"
_TAMPERED = re.compile(r"TAMPERED: entry (\d+): ")


@dataclass(frozen=True)
class History:
    """An installation after a working day, and what others kept of it.

    Attributes:
        kept: a directory out of the insider's reach: policy, verifier key, checkpoints that a
            witness cosigned, the vendor's receipts, a copy of the exported log.
        receipt_index: the entry of the vendor's first receipt.
        early_size: entries of the log when the older snapshot was taken.
    """

    installation: Installation
    witness: WitnessProcess
    insider: Insider
    kept: Path
    receipt_index: int
    early_size: int

    @property
    def origin(self) -> str:
        return self.installation.settings.audit.origin

    def verify_database(self, *, vkey: Path | None = None) -> subprocess.CompletedProcess[str]:
        """`casegate audit verify` with the key that was kept elsewhere."""
        key = str(vkey or self.kept / "log.vkey")
        return self.installation.run("audit", "verify", "--vkey", key)

    def verify_directory(
        self, directory: Path, *, is_held_to_memory: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """`casegate-audit verify` with the kept policy, and with what vendor and witness kept."""
        command = [sys.executable, "-m", "audit", "verify", str(directory)]
        command += ["--policy", str(self.kept / "policy")]
        if is_held_to_memory:
            command += ["--receipts", str(self.kept / "receipts")]
            for number in (1, 2):
                command += ["--old-checkpoint", str(self.kept / f"checkpoint-{number}")]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def _work(installation: Installation, kept: Path, number: int) -> int:
    """Pulls as both vendors; the first keeps a receipt and somebody a cosigned checkpoint."""
    policy = TrustPolicy.from_text((kept / "policy").read_text())
    with installation.serving(workers=1), installation.vendor("alpha") as client:
        answer = client.get("/v1/cases", params={"limit": 3})
        index = int(answer.headers["casegate-receipt"].split("/")[0])
        with installation.vendor("beta") as other:
            for limit in (1, 2, 3):
                assert other.get("/v1/cases", params={"limit": limit}).status_code == 200

        receipts: list[TlogProof] = []

        def has_cosigned_receipt() -> bool:
            found = client.get(f"/v1/receipts/{index}")
            if found.status_code == 200:
                receipts.append(TlogProof.from_text(found.text))
            return bool(receipts) and bool(policy.cosigners(receipts[-1].note))

        assert wait_until(has_cosigned_receipt, seconds=40)
        (kept / "receipts").mkdir(exist_ok=True)
        (kept / "receipts" / f"{number}.tlog-proof").write_text(receipts[-1].to_text())
        (kept / f"checkpoint-{number}").write_text(receipts[-1].note)
    return index


@pytest.fixture(scope="module")
def history(open_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[History]:
    installation = Installation.make(open_directory / "history", cases=20)
    kept = tmp_path_factory.mktemp("kept")
    log = (installation.directory / "log.vkey").read_text().strip()
    with WitnessProcess(tmp_path_factory.mktemp("witness"), log) as witness:
        vkey = witness.verifier.to_text()
        config = installation.config.read_text()
        entry = f'[audit]\nwitnesses = [{{ url = "{witness.url}", vkey = "{vkey}" }}]\n'
        installation.config.write_text(config.replace("[audit]\n", entry))
        (kept / "policy").write_text(f"log {log}\nwitness w {vkey}\nquorum w\n")
        (kept / "log.vkey").write_text(log)
        insider = Insider(installation.database().owner_url)
        index = _work(installation, kept, 1)
        insider.keep(EARLY)
        early_size = len(insider.entries())
        _work(installation, kept, 2)
        insider.keep(SOUND)
        shutil.copytree(installation.directory / "var" / "log", kept / "log")
        yield History(installation, witness, insider, kept, index, early_size)


@pytest.fixture(autouse=True)
def _sound_again(history: History) -> None:
    history.insider.restore(SOUND)


def verify_found(ended: subprocess.CompletedProcess[str], *, last: int, first: int = 0) -> None:
    """Exit status 1, and an index that is at or before the first entry that was changed."""
    assert ended.returncode == 1, ended.stdout + ended.stderr
    told = _TAMPERED.search(ended.stderr)
    assert told is not None, ended.stderr
    assert first <= int(told[1]) <= last


def cosign(history: History, note: str, directory: Path) -> str:
    """Asks the witness, which has seen the true log, to cosign this one."""
    tree = TileTree(
        DirectorySource(directory), Checkpoint.from_body(SignedNote.from_text(note).body).size
    )
    return history.witness.client().cosign(note, old_size=0, prove=tree.consistency_proof)


def test_before_any_attack_everything_verifies(history: History) -> None:
    database = history.verify_database()
    directory = history.verify_directory(history.kept / "log")

    assert database.returncode == 0, database.stderr
    assert directory.returncode == 0, directory.stderr
    assert "held to     2 old checkpoints, 2 receipts" in directory.stdout


@pytest.mark.parametrize("mutate", MUTATIONS)
def test_a_log_rewritten_by_the_databases_owner_does_not_reach_its_signed_heads(
    history: History, mutate: Mutate
) -> None:
    at = history.receipt_index
    history.insider.rewrite(mutate(history.insider.entries(), at))

    verify_found(history.verify_database(), last=at)


def test_an_entry_edited_in_its_place_is_named(history: History) -> None:
    at = history.receipt_index
    with history.insider.database() as connection:
        changed = connection.execute(
            "UPDATE audit.batch SET bundle = overlay(bundle placing 'X'::bytea"
            " from octet_length(bundle) - 9) WHERE size_after = %s",
            (at + 1,),
        ).rowcount
    assert changed == 1

    verify_found(history.verify_database(), first=at, last=at)


@pytest.mark.parametrize("mutate", MUTATIONS)
def test_a_log_rewritten_and_signed_with_the_stolen_key_contradicts_what_others_kept(
    history: History, mutate: Mutate, tmp_path: Path
) -> None:
    insider, at = history.insider, history.receipt_index
    insider.rewrite(mutate(insider.entries(), at))
    note = insider.sign(log_signer(history.installation.settings), history.origin)
    directory = insider.publish(tmp_path / "log")

    unheld = history.verify_directory(directory, is_held_to_memory=False)
    assert unheld.returncode == 2  # no quorum: the witness has not cosigned this
    with pytest.raises(WitnessRefusedError):
        cosign(history, note, directory)
    verify_found(history.verify_directory(directory), last=at)


def test_the_database_alone_cannot_tell_when_the_key_is_stolen(history: History) -> None:
    insider = history.insider
    insider.rewrite(edited(insider.entries(), history.receipt_index))
    insider.sign(log_signer(history.installation.settings), history.origin)

    # The honest limit: this is what receipts, old checkpoints and witnesses are for.
    assert history.verify_database().returncode == 0


def test_a_rollback_to_an_older_snapshot_is_found_by_what_was_signed_since(
    history: History, tmp_path: Path
) -> None:
    history.insider.restore(EARLY)
    note = history.insider.newest_note()
    directory = history.insider.publish(tmp_path / "log")

    assert history.verify_database().returncode == 0  # a sound log, but an old one
    with pytest.raises(WitnessRefusedError):
        cosign(history, note, directory)
    verify_found(history.verify_directory(directory), last=history.early_size)


def test_a_swapped_signing_key_is_not_the_kept_one(history: History, tmp_path: Path) -> None:
    insider, at = history.insider, history.receipt_index
    thief = Ed25519Signer(history.origin, Ed25519PrivateKey.generate())
    insider.rewrite(duplicated(insider.entries(), at))
    insider.sign(thief, history.origin)
    directory = insider.publish(tmp_path / "log")
    swapped = tmp_path / "log.vkey"
    swapped.write_text(thief.verifier_key)

    assert history.verify_database(vkey=swapped).returncode == 0
    verify_found(history.verify_database(), last=at)
    assert history.verify_directory(directory).returncode == 1


def test_a_forged_cosignature_is_found(history: History, tmp_path: Path) -> None:
    insider, at = history.insider, history.receipt_index
    insider.rewrite(tail_cut(insider.entries(), at))
    note = SignedNote.from_text(
        insider.sign(log_signer(history.installation.settings), history.origin)
    )
    forger = CosignatureSigner(history.witness.verifier.name, Ed25519PrivateKey.generate())
    line = forger.cosign(note.body, 1_900_000_000)
    claimed = type(line)(line.name, history.witness.verifier.key_id, line.signature)
    directory = insider.publish(tmp_path / "log")
    forged = SignedNote(note.body, (*note.signatures, claimed)).to_text()
    (directory / "checkpoint").write_bytes(forged.encode())

    ended = history.verify_directory(directory, is_held_to_memory=False)

    assert ended.returncode == 1
    assert "TAMPERED" in ended.stderr


@pytest.mark.parametrize("folder", ["tile/0", "tile/entries"])
def test_an_altered_file_of_the_exported_log_is_found(
    history: History, tmp_path: Path, folder: str
) -> None:
    directory = tmp_path / "log"
    shutil.copytree(history.kept / "log", directory)
    at = history.receipt_index
    tile, within = divmod(at, 256)
    path = directory / folder / f"{tile:03d}"
    if not path.exists():
        partial = path.with_name(f"{path.name}.p").iterdir()
        path = max(partial, key=lambda found: int(found.name))
    data = bytearray(path.read_bytes())
    entries = history.insider.entries()[256 * tile :]
    place = 32 * within if folder == "tile/0" else _offset(entries, within)
    data[place + 3] ^= 1
    path.write_bytes(data)

    verify_found(history.verify_directory(directory), first=at, last=at)


def test_a_receipt_proves_its_entry_even_when_the_whole_log_is_gone(history: History) -> None:
    policy = TrustPolicy.from_text((history.kept / "policy").read_text())
    proof = TlogProof.from_text((history.kept / "receipts" / "1.tlog-proof").read_text())

    assert proof.index == history.receipt_index
    assert proof.extra == history.insider.entries()[proof.index]
    with history.insider.database() as connection:
        connection.execute("TRUNCATE audit.batch, audit.signed_head")
    proof.verify(leaf_hash(proof.extra), policy)


def test_an_altered_row_of_the_search_index_is_named(history: History) -> None:
    at = history.receipt_index
    asked = ("audit", "search", "--vendor", "beta")
    assert history.installation.run(*asked).returncode == 0
    entries = [orjson.loads(entry) for entry in history.insider.entries()]
    other = next(index for index, entry in enumerate(entries) if entry.get("vendor") == "beta")
    with history.insider.database() as connection:
        changed = connection.execute(
            "UPDATE oversight.entry SET vendor = (SELECT vendor FROM oversight.entry"
            " WHERE index = %s) WHERE index = %s",
            (other, at),
        ).rowcount
    assert changed == 1

    verify_found(history.installation.run(*asked), first=at, last=at)


def _offset(entries: list[bytes], index: int) -> int:
    """Where an entry's length stands in the first bundle."""
    return sum(2 + len(entry) for entry in entries[:index])
