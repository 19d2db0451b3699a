import os
import subprocess
import sys
from base64 import b64decode
from pathlib import Path

import pytest

from audit.bundle import encode_bundle
from audit.errors import DirectoryError, LogInconsistentError, NoteError, TamperedError
from audit.merkle import leaf_hash
from audit.note import Ed25519Signer
from audit.tile_source import DirectorySource, read_entries, read_hashes
from audit.tile_writer import TileWriter
from audit.tiles import tiles_of
from tests.audit.log_directory import (
    ORIGIN,
    batches_of,
    entries_of,
    files_of,
    new_signer,
    signed,
    write_log,
)

ENTRIES = entries_of(70_000)
WORDS = b"one two three four five six seven eit nain ten ileven twelf threeten fourten fivten"
TESSERA_15 = (
    "example.com/log/testdata\n15\nrKbDipCvhuX1GZ7g5BBe8sA6BbJ7ja/1nk427v383cs=\n\n"
    "\u2014 example.com/log/testdata M9e0luh4jTG+UMBqOUo9/q+yAEvx1ilBEniMvjf1zfcBOhg+CKubMt53Mv"
    "It/uEWP6zdkdIQzd/fmwlM/dlPWF74ewI=\n"
)


def complete(directory: Path) -> dict[str, bytes]:
    """The files whose content can never grow, and the checkpoint."""
    return {path: data for path, data in files_of(directory).items() if ".p/" not in path}


def test_the_log_published_with_tessera_is_reproduced_byte_for_byte(tmp_path: Path) -> None:
    with TileWriter(tmp_path / "log") as writer:
        for number in range(15):
            writer.extend(batches_of(WORDS.split()[: number + 1], start=number))
        writer.publish(TESSERA_15)

    assert files_of(tmp_path / "log") == {
        "checkpoint": TESSERA_15.encode(),
        "tile/0/000.p/15": b"".join(leaf_hash(word) for word in WORDS.split()),
        "tile/entries/000.p/15": encode_bundle(WORDS.split()),
    }
    leaf = b64decode("HTl9PRkCsBHBJiDsgnbxPM+BP5oV3HsHfbLi8MoJB30=")
    assert files_of(tmp_path / "log")["tile/0/000.p/15"][9 * 32 : 10 * 32] == leaf


@pytest.mark.parametrize("size", [1, 255, 256, 257, 512, 70_000])
def test_a_directory_holds_exactly_the_files_of_its_checkpoint(
    tmp_path: Path, signer: Ed25519Signer, size: int
) -> None:
    note = write_log(tmp_path, signer, ENTRIES[:size])

    source = DirectorySource(tmp_path)
    expected = {name.to_path() for name in tiles_of(size)} | {"checkpoint"}
    assert set(files_of(tmp_path)) == expected
    assert (tmp_path / "checkpoint").read_text(encoding="utf-8") == note
    for name in tiles_of(size):
        first = name.first_leaf
        if name.level is None:
            assert read_entries(source, name) == ENTRIES[first : min(first + 256, size)]
        elif name.level == 0:
            leaves = [leaf_hash(entry) for entry in ENTRIES[first : min(first + 256, size)]]
            assert read_hashes(source, name) == b"".join(leaves)


def test_a_log_written_in_steps_by_several_processes_is_the_one_written_at_once(
    tmp_path: Path, signer: Ed25519Signer
) -> None:
    for size in (0, 1, 200, 256, 257, 700, 1_500):
        write_log(tmp_path / "steps", signer, ENTRIES[:size])

    write_log(tmp_path / "once", signer, ENTRIES[:1_500])

    assert complete(tmp_path / "steps") == complete(tmp_path / "once")


def test_partial_tiles_of_older_checkpoints_stay_until_the_tile_is_full(
    tmp_path: Path, signer: Ed25519Signer
) -> None:
    write_log(tmp_path, signer, ENTRIES[:200], stops=[100])
    assert {"tile/0/000.p/100", "tile/0/000.p/200"} <= set(files_of(tmp_path))

    write_log(tmp_path, signer, ENTRIES[:256])

    assert not [path for path in files_of(tmp_path) if path.startswith("tile/0/000.p")]


def test_more_signatures_may_be_put_under_the_same_checkpoint(
    tmp_path: Path, signer: Ed25519Signer
) -> None:
    note = write_log(tmp_path, signer, ENTRIES[:300])
    longer = note + "— witness.example/w1 519lMgAAAABlU/EA8Ksa\n"

    with TileWriter(tmp_path) as writer:
        writer.publish(longer)

    assert (tmp_path / "checkpoint").read_text(encoding="utf-8") == longer


@pytest.mark.parametrize(
    ("path", "size"),
    [
        ("tile/0/001", 512),
        ("tile/entries/001", 512),
        ("tile/0/001.p/44", 300),
        ("tile/entries/001.p/44", 300),
    ],
)
def test_a_tile_that_holds_something_else_is_never_overwritten(
    tmp_path: Path, signer: Ed25519Signer, path: str, size: int
) -> None:
    write_log(tmp_path, signer, ENTRIES[:256])
    foreign = tmp_path / path
    foreign.parent.mkdir(exist_ok=True)
    foreign.write_bytes(b"else")

    with pytest.raises(LogInconsistentError):
        write_log(tmp_path, signer, ENTRIES[:size])

    assert foreign.read_bytes() == b"else"


@pytest.mark.parametrize(
    "path", ["tile/0/001.p/44", "tile/1/000.p/1", "tile/entries/001.p/44", "checkpoint"]
)
def test_a_directory_that_was_changed_is_not_continued(
    tmp_path: Path, signer: Ed25519Signer, path: str
) -> None:
    write_log(tmp_path, signer, ENTRIES[:300])
    data = bytearray((tmp_path / path).read_bytes())
    data[31] ^= 1
    (tmp_path / path).write_bytes(data)

    with pytest.raises(LogInconsistentError):
        TileWriter(tmp_path)


def test_a_directory_that_lacks_a_tile_is_not_continued(
    tmp_path: Path, signer: Ed25519Signer
) -> None:
    write_log(tmp_path, signer, ENTRIES[:300])
    (tmp_path / "tile/0/001.p/44").unlink()

    with pytest.raises(LogInconsistentError):
        TileWriter(tmp_path)


@pytest.mark.parametrize("size", [299, 301])
def test_a_checkpoint_of_another_size_is_not_published(
    tmp_path: Path, signer: Ed25519Signer, size: int
) -> None:
    with TileWriter(tmp_path) as writer:
        writer.extend(batches_of(ENTRIES[:300]))
        with pytest.raises(LogInconsistentError):
            writer.publish(signed(signer, ENTRIES[:size]))
        with pytest.raises(LogInconsistentError):
            writer.publish(signed(signer, entries_of(300, "fork")))
        with pytest.raises(NoteError):
            writer.publish("no note")
        assert writer.published is None

    assert not (tmp_path / "checkpoint").exists()


def test_a_directory_keeps_to_one_origin(tmp_path: Path, signer: Ed25519Signer) -> None:
    write_log(tmp_path, signer, ENTRIES[:300])

    with pytest.raises(LogInconsistentError):
        write_log(tmp_path, new_signer("other.example.com"), ENTRIES[:310])


def test_a_batch_that_does_not_follow_is_refused(tmp_path: Path) -> None:
    with TileWriter(tmp_path) as writer, pytest.raises(TamperedError):
        writer.extend(batches_of(ENTRIES[:600])[1:])


def test_only_one_process_writes_a_directory(tmp_path: Path) -> None:
    with TileWriter(tmp_path), pytest.raises(DirectoryError):
        TileWriter(tmp_path)

    TileWriter(tmp_path).close()


CRASHING = """
import os, signal, sys
from pathlib import Path
left = int(sys.argv[2])
def dying(call):
    def wrapped(*arguments, **options):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*arguments, **options)
    return wrapped
os.fsync = dying(os.fsync)
Path.replace = dying(Path.replace)
Path.mkdir = dying(Path.mkdir)
from audit.tile_writer import TileWriter
from tests.audit.log_directory import batches_of, entries_of
with TileWriter(Path(sys.argv[1])) as writer:
    writer.extend(batches_of(entries_of(600), start=writer.size))
    writer.publish(sys.stdin.buffer.read().decode())
"""


def test_a_writer_killed_at_any_step_leaves_a_sound_log_that_is_continued(tmp_path: Path) -> None:
    signer = new_signer(ORIGIN)
    write_log(tmp_path / "log", signer, ENTRIES[:250])
    write_log(tmp_path / "whole", signer, ENTRIES[:600], stops=[250])
    final = signed(signer, ENTRIES[:600])
    deaths = 0
    # Every step of a first run is a place to die; later runs find ever more already written.
    for step in range(100):
        ended = subprocess.run(
            [sys.executable, "-c", CRASHING, str(tmp_path / "log"), str(step)],
            input=final.encode(),
            env={**os.environ, "PYTHONPATH": str(Path.cwd())},
            check=False,
        )
        with TileWriter(tmp_path / "log") as writer:
            assert writer.size in (250, 600)
        if ended.returncode == 0:
            break
        deaths += 1

    with TileWriter(tmp_path / "log") as writer:
        assert writer.size == 600
    assert deaths > 10
    assert complete(tmp_path / "log") == complete(tmp_path / "whole")
