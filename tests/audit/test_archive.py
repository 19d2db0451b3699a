"""The archive: everything that the directory has, nothing that the log did not sign."""

from pathlib import Path

import pytest

from audit.archive import LogArchive
from audit.checkpoint import Checkpoint
from audit.cosignature import CosignatureSigner
from audit.directory import verify_directory
from audit.errors import (
    ArchiveRefusedError,
    ArchiveUnavailableError,
    LogInconsistentError,
    UnverifiableError,
)
from audit.note import Ed25519Signer, Ed25519Verifier, SignedNote
from audit.object_store import ObjectStore
from audit.tile_source import DirectorySource
from audit.timestamp_folder import TimestampFolder
from tests.audit.log_directory import (
    ORIGIN,
    TIME,
    entries_of,
    files_of,
    new_signer,
    new_witness,
    policy_of,
    signed,
    write_log,
)
from tests.fakes.object_store import MemoryObjectStore

LOG = new_signer()
ENTRIES = entries_of(1_500)
COMPLETE = {"checkpoint", "tile/0/000", "tile/entries/000"}


@pytest.fixture
def store() -> MemoryObjectStore:
    return MemoryObjectStore()


def archive_in(store: ObjectStore, signer: Ed25519Signer = LOG) -> LogArchive:
    return LogArchive(store, [Ed25519Verifier.from_text(signer.verifier_key)], ORIGIN)


def follow(store: ObjectStore, directory: Path) -> Checkpoint | None:
    """One step of an archive that has just been started."""
    return archive_in(store).follow(DirectorySource(directory))


def whole(store: MemoryObjectStore) -> dict[str, bytes]:
    """What the archive holds besides the partial tiles and the checkpoints on the way."""
    return {
        path: data
        for path, data in store.objects.items()
        if ".p/" not in path and not path.startswith("checkpoints/")
    }


def test_the_archive_holds_the_files_of_the_directory_and_each_checkpoint_for_good(
    tmp_path: Path, store: MemoryObjectStore
) -> None:
    for size in (1, 255, 256, 257, 700, 1_500):
        write_log(tmp_path, LOG, ENTRIES[:size])
        checkpoint = follow(store, tmp_path)

        assert checkpoint is not None
        assert checkpoint.size == size
        assert files_of(tmp_path).items() <= store.objects.items()
        assert store.objects[f"checkpoints/{size}"] == signed(LOG, ENTRIES[:size]).encode()

    assert verify_directory(store, policy_of(LOG)).entries == 1_500
    assert len(store.versions["checkpoint"]) == 6
    assert {len(store.versions[path]) for path in store.versions if path != "checkpoint"} == {1}


def test_an_archive_that_begins_late_is_the_one_that_followed_from_the_start(
    tmp_path: Path, store: MemoryObjectStore
) -> None:
    for size in (100, 300, 1_500):
        write_log(tmp_path, LOG, ENTRIES[:size])
        follow(store, tmp_path)
    late = MemoryObjectStore()

    follow(late, tmp_path)

    assert whole(late) == whole(store)


def test_nothing_is_put_where_nothing_is_new(tmp_path: Path, store: MemoryObjectStore) -> None:
    write_log(tmp_path, LOG, ENTRIES[:300])
    follow(store, tmp_path)
    before = list(store.puts)

    follow(store, tmp_path)

    assert store.puts == before


@pytest.mark.parametrize("fails_after", [False, True])
def test_an_archive_cut_off_at_any_put_is_sound_and_goes_on(
    tmp_path: Path,
    fails_after: bool,  # noqa: FBT001 - a pytest parameter
) -> None:
    write_log(tmp_path, LOG, ENTRIES[:250])
    early = MemoryObjectStore()
    follow(early, tmp_path)
    write_log(tmp_path, LOG, ENTRIES[:600])
    total = 0
    for number in range(1, 100):
        store = MemoryObjectStore()
        store.versions = {path: list(found) for path, found in early.versions.items()}
        store.fails_at, store.fails_after = number, fails_after
        try:
            follow(store, tmp_path)
        except ArchiveUnavailableError:
            total += 1
            assert verify_directory(store, policy_of(LOG)).entries in (250, 600)
        else:
            break
        follow(store, tmp_path)
        assert verify_directory(store, policy_of(LOG)).entries == 600
        assert {len(found) for path, found in store.versions.items() if path != "checkpoint"} == {
            1
        }
    assert total > 8


def test_the_checkpoint_is_put_after_all_that_it_covers(
    tmp_path: Path, store: MemoryObjectStore
) -> None:
    write_log(tmp_path, LOG, ENTRIES[:600])

    follow(store, tmp_path)

    assert store.puts[-2:] == ["checkpoints/600", "checkpoint"]


def test_an_archive_told_to_stop_goes_on_later(tmp_path: Path, store: MemoryObjectStore) -> None:
    write_log(tmp_path, LOG, ENTRIES[:600])
    source = DirectorySource(tmp_path)

    stopped = archive_in(store).follow(source, is_stopping=lambda: len(store.puts) == 3)

    assert stopped is None
    assert "checkpoint" not in store.objects
    assert follow(store, tmp_path) is not None


def test_later_cosignatures_reach_the_archive_and_fewer_never_replace_them(
    tmp_path: Path, store: MemoryObjectStore
) -> None:
    witness: CosignatureSigner = new_witness()
    bare = write_log(tmp_path, LOG, ENTRIES[:300])
    follow(store, tmp_path)
    note = SignedNote.from_text(bare)
    cosigned = SignedNote(note.body, (*note.signatures, witness.cosign(note.body, TIME)))
    (tmp_path / "checkpoint").write_bytes(cosigned.to_text().encode())

    follow(store, tmp_path)
    (tmp_path / "checkpoint").write_bytes(bare.encode())
    follow(store, tmp_path)

    assert store.versions["checkpoint"] == [bare.encode(), cosigned.to_text().encode()]
    assert store.versions["checkpoints/300"] == [bare.encode()]


def test_the_own_note_of_a_cosigned_checkpoint_is_what_is_kept(
    tmp_path: Path, store: MemoryObjectStore
) -> None:
    write_log(tmp_path, LOG, ENTRIES[:300], new_witness())

    follow(store, tmp_path)

    assert store.objects["checkpoints/300"] == signed(LOG, ENTRIES[:300]).encode()


@pytest.mark.parametrize("path", ["tile/entries/001", "tile/0/001", "tile/1/000.p/2"])
def test_an_object_that_holds_something_else_is_found_and_not_replaced(
    tmp_path: Path, store: MemoryObjectStore, path: str
) -> None:
    write_log(tmp_path, LOG, ENTRIES[:300])
    follow(store, tmp_path)
    store.versions[path] = [b"planted"]
    write_log(tmp_path, LOG, ENTRIES[:600])

    with pytest.raises(LogInconsistentError, match=path):
        follow(store, tmp_path)

    assert store.versions[path] == [b"planted"]
    assert len(store.versions["checkpoint"]) == 1


def test_a_checkpoint_that_another_tree_was_signed_under_is_found(
    tmp_path: Path, store: MemoryObjectStore
) -> None:
    fork = entries_of(300, "fork")
    write_log(tmp_path / "fork", LOG, fork)
    follow(store, tmp_path / "fork")
    for size in (300, 600):
        write_log(tmp_path / "log", LOG, ENTRIES[:size])

        with pytest.raises(LogInconsistentError):
            follow(store, tmp_path / "log")

    assert store.objects["checkpoint"] == signed(LOG, fork).encode()


def test_an_archive_of_another_log_is_not_continued(
    tmp_path: Path, store: MemoryObjectStore
) -> None:
    write_log(tmp_path, LOG, ENTRIES[:300])
    for planted in (signed(new_signer(), ENTRIES[:10]).encode(), b"\xff", b"x" * 2_000_000):
        store.versions["checkpoint"] = [planted]

        with pytest.raises(LogInconsistentError):
            follow(store, tmp_path)

    assert set(store.objects) == {"checkpoint"}


def test_a_log_that_stays_behind_its_archive_was_cut(
    tmp_path: Path, store: MemoryObjectStore
) -> None:
    write_log(tmp_path / "log", LOG, ENTRIES[:600])
    follow(store, tmp_path / "log")
    write_log(tmp_path / "restored", LOG, ENTRIES[:300])
    archive = archive_in(store)

    # Once is no proof: another publisher of the same log may be a moment ahead.
    assert archive.follow(DirectorySource(tmp_path / "restored")) is not None
    with pytest.raises(LogInconsistentError, match="more entries"):
        archive.follow(DirectorySource(tmp_path / "restored"))


@pytest.mark.parametrize("path", ["tile/entries/000", "tile/entries/002.p/88"])
def test_a_directory_that_was_altered_is_not_archived(
    tmp_path: Path, store: MemoryObjectStore, path: str
) -> None:
    write_log(tmp_path, LOG, ENTRIES[:600])
    data = bytearray((tmp_path / path).read_bytes())
    data[-1] ^= 1
    (tmp_path / path).write_bytes(data)

    with pytest.raises(LogInconsistentError):
        follow(store, tmp_path)

    assert store.puts == []


def test_a_checkpoint_that_the_log_did_not_sign_is_not_archived(
    tmp_path: Path, store: MemoryObjectStore
) -> None:
    write_log(tmp_path, new_signer(), ENTRIES[:300])

    with pytest.raises(LogInconsistentError):
        follow(store, tmp_path)

    assert store.puts == []


def test_a_directory_without_a_checkpoint_is_waited_for(
    tmp_path: Path, store: MemoryObjectStore
) -> None:
    with pytest.raises(UnverifiableError):
        follow(store, tmp_path)


def test_a_store_that_locks_nothing_gets_nothing(tmp_path: Path, store: MemoryObjectStore) -> None:
    write_log(tmp_path, LOG, ENTRIES[:300])
    store.is_locked = False

    with pytest.raises(ArchiveRefusedError):
        follow(store, tmp_path)

    assert store.puts == []


def test_tokens_are_archived_with_the_checkpoints_that_they_are_over(
    tmp_path: Path, store: MemoryObjectStore
) -> None:
    folder = TimestampFolder(tmp_path)
    for size in (200, 300):
        write_log(tmp_path, LOG, ENTRIES[:size])
        folder.keep(size, signed(LOG, ENTRIES[:size]), b"token")
        follow(store, tmp_path)

    assert store.objects["timestamps/200.tsr"] == b"token"
    assert store.objects["checkpoints/200"] == signed(LOG, ENTRIES[:200]).encode()
    assert store.objects["timestamps/index"] == b"200\n300\n"
    assert files_of(tmp_path).items() <= store.objects.items()
