"""Every way of tampering with a published log, held against the directory verifier."""

import shutil
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from audit.bundle import decode_bundle, encode_bundle
from audit.directory import DirectoryReport, verify_directory
from audit.errors import QuorumError, TamperedError, TrustPolicyError, UnverifiableError
from audit.merkle import leaf_hash
from audit.note import SignedNote
from audit.tile_source import DirectorySource
from audit.tile_tree import TileTree
from audit.tlog_proof import TlogProof
from audit.zip_source import ZipSource
from tests.audit.log_directory import (
    entries_of,
    files_of,
    new_signer,
    new_witness,
    policy_of,
    signed,
    write_log,
)

LOG = new_signer()
WITNESS = new_witness()
POLICY = policy_of(LOG, WITNESS)
SIZE = 1_300
ENTRIES = entries_of(SIZE)
OLD = signed(LOG, ENTRIES[:700])


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("sound")
    write_log(directory, LOG, ENTRIES, WITNESS)
    return directory


@pytest.fixture
def log(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound, tmp_path / "log"))


def verify(
    directory: Path,
    *,
    old: Mapping[str, str] | None = None,
    receipts: Mapping[str, str] | None = None,
) -> DirectoryReport:
    return verify_directory(
        DirectorySource(directory), POLICY, old_checkpoints=old, receipts=receipts
    )


def receipt(directory: Path, index: int, *, extra: bytes | None = None) -> str:
    source = DirectorySource(directory)
    note = (directory / "checkpoint").read_text(encoding="utf-8")
    size = int(note.split("\n")[1])
    return TlogProof(
        index, tuple(TileTree(source, size).inclusion_proof(index)), note, extra
    ).to_text()


def rewrite(directory: Path, entries: list[bytes]) -> None:
    """What a thief of the log's key can do: everything anew, sound in itself."""
    shutil.rmtree(directory)
    write_log(directory, LOG, entries, WITNESS)


def test_a_sound_log_is_verified_with_all_that_was_asked(log: Path) -> None:
    seen: list[tuple[int, int]] = []

    report = verify_directory(
        DirectorySource(log),
        POLICY,
        old_checkpoints={"old": OLD, "first": signed(LOG, [])},
        receipts={
            "bare": receipt(log, 3),
            "leaf": receipt(log, 1_299, extra=leaf_hash(ENTRIES[1_299])),
            "entry": receipt(log, 700, extra=ENTRIES[700]),
        },
        progress=lambda done, total: seen.append((done, total)),
    )

    assert report.entries == SIZE
    assert report.trusted.witnesses == ("w1",)
    assert (report.bundles, report.tiles) == (6, 7)
    assert (report.receipts, report.old_checkpoints) == (3, 2)
    assert seen[-1] == (SIZE, SIZE)


@pytest.mark.parametrize("size", [0, 1, 255, 256, 512])
def test_logs_of_every_shape_are_verified(tmp_path: Path, size: int) -> None:
    write_log(tmp_path, LOG, ENTRIES[:size], WITNESS)

    assert verify(tmp_path).entries == size


def test_a_log_that_grew_past_its_checkpoint_is_verified_up_to_it(log: Path) -> None:
    write_log(log, LOG, entries_of(2_000), WITNESS)
    (log / "checkpoint").write_text(signed(LOG, ENTRIES, WITNESS), encoding="utf-8", newline="")
    assert not (log / "tile/0/005.p").exists()

    assert verify(log).entries == SIZE


def change_bundle(
    directory: Path, change: Callable[[list[bytes]], list[bytes]], *, fit: bool
) -> None:
    bundle = directory / "tile/entries/001"
    entries = change(decode_bundle(bundle.read_bytes()))
    bundle.write_bytes(encode_bundle(entries))
    if fit:
        leaves = b"".join(leaf_hash(entry) for entry in entries)
        (directory / "tile/0/001").write_bytes(leaves)


BUNDLE_CHANGES: dict[str, tuple[int, Callable[[list[bytes]], list[bytes]]]] = {
    "edited": (266, lambda entries: [*entries[:10], b"X", *entries[11:]]),
    "deleted": (511, lambda entries: [*entries[:10], *entries[11:]]),
    "inserted": (512, lambda entries: [*entries[:10], b"X", *entries[10:]]),
    "reordered": (266, lambda e: [*e[:10], e[11], e[10], *e[12:]]),
    "duplicated": (267, lambda e: [*e[:10], e[10], e[10], *e[12:]]),
}


@pytest.mark.parametrize("how", BUNDLE_CHANGES)
def test_a_changed_entry_is_found_and_its_index_named(log: Path, how: str) -> None:
    index, change = BUNDLE_CHANGES[how]
    change_bundle(log, change, fit=False)

    with pytest.raises(TamperedError) as found:
        verify(log)

    assert found.value.index == index


@pytest.mark.parametrize("how", BUNDLE_CHANGES)
def test_a_change_that_the_leaf_hashes_were_made_to_fit_is_found(log: Path, how: str) -> None:
    change_bundle(log, BUNDLE_CHANGES[how][1], fit=True)

    with pytest.raises(TamperedError) as found:
        verify(log)

    assert 256 <= found.value.index <= 512


def test_two_tiles_swapped_with_their_bundles_are_found(log: Path) -> None:
    for folder in ("tile/0", "tile/entries"):
        one, two, aside = (log / folder / name for name in ("001", "002", "aside"))
        one.rename(aside)
        two.rename(one)
        aside.rename(two)

    with pytest.raises(TamperedError) as found:
        verify(log)

    assert found.value.index == 256


@pytest.mark.parametrize("how", BUNDLE_CHANGES)
def test_a_change_that_every_tile_was_made_to_fit_breaks_the_signed_root(
    log: Path, how: str
) -> None:
    note = (log / "checkpoint").read_bytes()
    changed = [*ENTRIES[:256], *BUNDLE_CHANGES[how][1](ENTRIES[256:512]), *ENTRIES[512:]]
    rewrite(log, [*changed, b"filling"][:SIZE])
    (log / "checkpoint").write_bytes(note)

    with pytest.raises(TamperedError, match="not the one that was signed"):
        verify(log)


@pytest.mark.parametrize("path", ["tile/0/002", "tile/0/005.p/20", "tile/1/000.p/5"])
def test_an_altered_tile_is_found(log: Path, path: str) -> None:
    data = bytearray((log / path).read_bytes())
    data[70] ^= 1
    (log / path).write_bytes(data)

    with pytest.raises(TamperedError, match=path.replace(".", r"\.")):
        verify(log)


@pytest.mark.parametrize(
    "path", ["tile/0/002", "tile/entries/002", "tile/0/005.p/20", "tile/entries/005.p/20"]
)
def test_a_file_that_was_cut_or_made_longer_is_found(log: Path, path: str) -> None:
    whole = (log / path).read_bytes()
    for data in (whole[:-1], b"", whole + b"\0" * 3):
        (log / path).write_bytes(data)
        # Longer than a tile can be is refused unread, and so no proof of tampering.
        with pytest.raises((TamperedError, UnverifiableError)):
            verify(log)


def every_path(sound: Path) -> Iterator[str]:
    yield from files_of(sound)


def test_no_file_can_be_missing(sound: Path, log: Path) -> None:
    for path in every_path(sound):
        (log / path).rename(log / "aside")
        with pytest.raises(UnverifiableError, match=f"missing: {path}".replace(".", r"\.")):
            verify(log)
        (log / "aside").rename(log / path)
    verify(log)


def test_no_byte_of_any_file_can_change(sound: Path, log: Path) -> None:
    for path, data in files_of(sound).items():
        for at in {0, len(data) // 3, len(data) - 1}:
            changed = bytearray(data)
            changed[at] ^= 4
            (log / path).write_bytes(changed)
            with pytest.raises((TamperedError, UnverifiableError)):
                verify(log)
        (log / path).write_bytes(data)


def test_a_tail_cut_off_under_the_same_checkpoint_is_found(log: Path) -> None:
    shutil.rmtree(log / "tile/entries/005.p")
    shutil.rmtree(log / "tile/0/005.p")

    with pytest.raises(UnverifiableError, match="missing"):
        verify(log)


def test_a_rollback_to_an_older_sound_log_is_found_by_what_was_signed_since(
    log: Path, tmp_path: Path
) -> None:
    newer = (log / "checkpoint").read_text(encoding="utf-8")
    kept = receipt(log, 1_200, extra=ENTRIES[1_200])
    write_log(tmp_path / "older", LOG, ENTRIES[:1_000], WITNESS)
    assert verify(tmp_path / "older").entries == 1_000

    for evidence in ({"old": {"kept.txt": newer}}, {"receipts": {"kept.tlog-proof": kept}}):
        with pytest.raises(TamperedError, match="signed over 1300") as found:
            verify(tmp_path / "older", **evidence)
        assert found.value.index == 1_000


def test_a_fork_is_found_by_a_receipt_an_old_checkpoint_or_the_missing_witness(
    log: Path, tmp_path: Path
) -> None:
    kept = receipt(log, 400, extra=ENTRIES[400])
    bare = receipt(log, 400)
    fork = [*ENTRIES[:400], b"another", *ENTRIES[401:]]
    write_log(tmp_path / "fork", LOG, fork, WITNESS)

    verify(tmp_path / "fork")
    with pytest.raises(TamperedError, match="given for") as found:
        verify(tmp_path / "fork", receipts={"kept": kept})
    assert found.value.index == 400
    with pytest.raises(TamperedError, match="signed in bare"):
        verify(tmp_path / "fork", receipts={"bare": bare})
    with pytest.raises(TamperedError, match="to 700"):
        verify(tmp_path / "fork", old={"old": OLD})
    write_log(tmp_path / "alone", LOG, fork)
    with pytest.raises(QuorumError):
        verify(tmp_path / "alone")


def test_what_was_changed_is_told_before_what_cannot_be(log: Path, tmp_path: Path) -> None:
    write_log(tmp_path / "alone", LOG, [b"another", *ENTRIES[1:]])

    with pytest.raises(TamperedError):
        verify(
            tmp_path / "alone",
            receipts={"a": "nonsense", "b": receipt(log, 0, extra=ENTRIES[0])},
        )


def test_a_log_signed_with_another_key_is_found(tmp_path: Path) -> None:
    write_log(tmp_path, new_signer(LOG.name), ENTRIES, WITNESS)

    with pytest.raises(TamperedError, match="no known key"):
        verify(tmp_path)


def test_a_log_of_another_name_is_not_the_policys(tmp_path: Path) -> None:
    write_log(tmp_path, new_signer("other.example.com"), ENTRIES, WITNESS)

    with pytest.raises(TrustPolicyError):
        verify(tmp_path)


def test_a_forged_cosignature_is_found(log: Path) -> None:
    own = SignedNote.from_text((log / "checkpoint").read_text(encoding="utf-8"))
    other = SignedNote.from_text(signed(LOG, ENTRIES[:5], WITNESS))
    forged = SignedNote(own.body, (own.signatures[0], other.signatures[1])).to_text()
    (log / "checkpoint").write_text(forged, encoding="utf-8", newline="")

    with pytest.raises(TamperedError, match="w1"):
        verify(log)


def test_a_cosignature_by_another_key_of_the_same_name_does_not_count(tmp_path: Path) -> None:
    write_log(tmp_path, LOG, ENTRIES, new_witness(WITNESS.verifier.name))

    with pytest.raises(QuorumError):
        verify(tmp_path)


@pytest.mark.parametrize("kind", ["nonsense", "another log", "another entry", "unsigned", "index"])
def test_evidence_that_is_none_is_said_to_be_so(log: Path, kind: str) -> None:
    good = receipt(log, 5, extra=ENTRIES[5])
    text = {
        "nonsense": "nonsense",
        "another log": TlogProof(0, (), signed(new_signer("other.example"), [b"x"])).to_text(),
        "another entry": receipt(log, 5, extra=ENTRIES[6]),
        "unsigned": good.replace("\n1300\n", "\n1299\n"),
        "index": receipt(log, 5).replace("index 5", "index 6"),
    }[kind]

    with pytest.raises(UnverifiableError, match="the-file"):
        verify(log, receipts={"the-file": text})


def test_a_changed_old_checkpoint_is_no_evidence(log: Path) -> None:
    with pytest.raises(UnverifiableError, match="the-file"):
        verify(log, old={"the-file": OLD.replace("\n700\n", "\n701\n")})
    with pytest.raises(UnverifiableError, match="the-file"):
        verify(log, old={"the-file": signed(new_signer("other.example"), [])})


def zip_log(log: Path, path: Path, prefix: str = "", *more: tuple[str, bytes]) -> ZipSource:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in [*((prefix + n, d) for n, d in files_of(log).items()), *more]:
            archive.writestr(name, data)
    return ZipSource(path)


@pytest.mark.parametrize("prefix", ["", "export/", "a/b/"])
def test_a_log_in_a_zip_is_verified_in_place(log: Path, tmp_path: Path, prefix: str) -> None:
    source = zip_log(log, tmp_path / "log.zip", prefix, ("../../outside", b"never written"))

    assert verify_directory(source, POLICY).entries == SIZE
    assert not (tmp_path.parent / "outside").exists()


def test_a_bomb_in_a_zip_is_not_inflated(log: Path, tmp_path: Path) -> None:
    (log / "tile/entries/002").write_bytes(bytes(30_000_000))
    source = zip_log(log, tmp_path / "log.zip")

    with pytest.raises(UnverifiableError, match="longer"):
        verify_directory(source, POLICY)


def test_a_zip_that_two_readers_could_read_in_two_ways_is_refused(
    log: Path, tmp_path: Path
) -> None:
    with pytest.warns(UserWarning, match="Duplicate"), pytest.raises(UnverifiableError):
        zip_log(log, tmp_path / "twice.zip", "", ("tile/0/000", b"second"))
    with pytest.raises(UnverifiableError, match="2 checkpoints"):
        zip_log(log, tmp_path / "two.zip", "", ("b/checkpoint", b"second"))
    (tmp_path / "no.zip").write_bytes(b"no zip")
    with pytest.raises(UnverifiableError):
        ZipSource(tmp_path / "no.zip")


def test_a_damaged_zip_is_not_believed(log: Path, tmp_path: Path) -> None:
    zip_log(log, tmp_path / "log.zip")
    data = bytearray((tmp_path / "log.zip").read_bytes())
    data[5_000] ^= 1
    (tmp_path / "log.zip").write_bytes(data)

    with pytest.raises((UnverifiableError, TamperedError)):
        verify_directory(ZipSource(tmp_path / "log.zip"), POLICY)


@pytest.mark.parametrize("is_zip", [False, True])
def test_worker_processes_find_what_one_process_finds(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_zip: bool
) -> None:
    monkeypatch.setattr("audit.segment._WORTH_WORKERS", 0)
    monkeypatch.setattr("audit.segment._TILES", 1)

    def check() -> DirectoryReport:
        source = zip_log(log, tmp_path / "log.zip") if is_zip else DirectorySource(log)
        return verify_directory(source, POLICY, workers=2)

    assert check() == verify(log)
    change_bundle(log, BUNDLE_CHANGES["edited"][1], fit=False)
    with pytest.raises(TamperedError) as found:
        check()
    assert found.value.index == 266
    (log / "tile/0/000").unlink()
    with pytest.raises(UnverifiableError, match="missing: tile/0/000"):
        check()
