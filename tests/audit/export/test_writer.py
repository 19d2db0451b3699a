"""What an export holds, whatever the log is like, and who can read it."""

import os
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import pytest

from audit.directory import verify_directory
from audit.errors import DirectoryError, LogInconsistentError, TamperedError
from audit.export import writer as export_writer
from audit.export.filters import EntryFilter
from audit.export.lines import ShownEntry
from audit.export.manifest import ExportRequest
from audit.export.selection import Selection
from audit.export.sink import open_sink
from audit.export.writer import ExportWriter
from audit.merkle import leaf_hash
from audit.policy import TrustPolicy
from audit.tile_source import DirectorySource
from audit.timestamp import Stamp, own_note
from audit.tlog_proof import TlogProof
from tests.audit.export.export_stand import START, Stand, entry, log_of, run_alone, stamp
from tests.audit.log_directory import batches_of, files_of, new_signer, new_witness, signed
from tests.audit.test_independent import check_with_scales, read_with_scales, their

SIGNER = new_signer()
WITNESS = new_witness()


def stand(count: int = 1_300) -> Stand:
    return Stand(SIGNER, WITNESS, log_of(count))


def indexes(place: Path) -> list[int]:
    lines = (place / "entries.jsonl").read_bytes().splitlines(keepends=True)
    return [ShownEntry.from_line(line).index for line in lines]


@pytest.mark.parametrize("count", [6, 255, 256, 257, 511, 512, 1_300])
@pytest.mark.parametrize("told", [True, False])
def test_whole_and_filtered_exports_of_any_size_are_accepted_by_both_verifiers(
    count: int, *, told: bool, tmp_path: Path
) -> None:
    log = stand(count)
    filters = [
        EntryFilter(),
        EntryFilter("alpha"),
        EntryFilter("beta", stamp(3), stamp(count - 1)),
    ]
    for number, asked in enumerate(filters):
        for name in (f"{number}", f"{number}.zip"):
            manifest = log.export(tmp_path / name, asked, told=told)

            report = log.verify(tmp_path / name)
            status, said = run_alone(tmp_path / name, "--vkey", SIGNER.verifier_key)

            assert report.is_request_proven == told
            assert status == 0, said
            assert ("NOT PROVEN" in said) != told
            assert manifest.shown == len(log.entries) + told if not number else manifest.shown > 0


def test_the_range_is_the_smallest_with_all_that_lies_in_time(tmp_path: Path) -> None:
    """Times that go back do not narrow it: order is the index."""
    entries = log_of(600)
    entries[450] = entry(301, "alpha")
    manifest = Stand(SIGNER, WITNESS, entries).export(
        tmp_path / "e", EntryFilter(None, stamp(300), stamp(310))
    )

    assert (manifest.first, manifest.end) == (300, 451)
    assert indexes(tmp_path / "e") == [*range(300, 310), 450]
    assert manifest.withheld == 140


def test_a_filtered_export_ships_the_leaf_tiles_of_its_range_and_no_bundle(tmp_path: Path) -> None:
    stand().export(tmp_path / "e", EntryFilter("alpha", stamp(300), stamp(500)))

    tiles = [name for name in files_of(tmp_path / "e") if name.startswith("tile/")]

    # The last leaves, a partial tile, belong to every root.
    assert sorted(tiles) == ["tile/0/001", "tile/0/005.p/21", "tile/1/000.p/5"]


def test_each_receipt_of_a_filtered_export_stands_alone(tmp_path: Path) -> None:
    log = stand()
    log.export(tmp_path / "e", EntryFilter("beta", stamp(300), stamp(400)))

    for index in indexes(tmp_path / "e"):
        text = (tmp_path / f"e/proofs/{index}.tlog-proof").read_text(encoding="utf-8")
        TlogProof.from_text(text).verify(
            leaf_hash(log.entries[index]), TrustPolicy.from_text(log.policy)
        )


def test_above_the_limit_the_tiles_alone_prove_the_entries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_writer, "MAX_PROOFS", 99)
    log = stand()
    manifest = log.export(tmp_path / "e", EntryFilter("beta", stamp(300), stamp(500)))

    assert (manifest.shown, manifest.has_proofs) == (100, False)
    assert not (tmp_path / "e/proofs").exists()
    assert log.verify(tmp_path / "e").proofs == 0
    assert run_alone(tmp_path / "e", "--vkey", SIGNER.verifier_key)[0] == 0


class Authority:
    """Vouches for every token, and notes what for."""

    def verify(self, token: bytes, message: bytes) -> datetime:
        assert token == b"token over " + message[:30]
        return START


def stamp_of(entries: Sequence[bytes]) -> Stamp:
    note = own_note(signed(SIGNER, entries)).encode()
    return Stamp(len(entries), note, b"token over " + note[:30])


@pytest.mark.parametrize("asked", [EntryFilter(), EntryFilter("alpha", stamp(300), stamp(400))])
def test_time_stamps_travel_along_with_the_tiles_that_bind_them(
    asked: EntryFilter, tmp_path: Path
) -> None:
    log = stand()
    stamps = [stamp_of(log.entries[:700]), stamp_of(log.entries)]
    log.export(tmp_path / "e", asked, stamps=stamps)

    report = log.verify(tmp_path / "e", timestamps=Authority())

    assert [time.size for time in report.times] == [700, 1_300]
    assert run_alone(tmp_path / "e", "--vkey", SIGNER.verifier_key)[0] == 0


def test_a_stamp_over_a_fork_is_found_even_with_a_tile_made_for_it(tmp_path: Path) -> None:
    log = stand()
    fork = [*log.entries[:690], b"another", *log.entries[691:700]]
    log.export(
        tmp_path / "e", EntryFilter("alpha", stamp(300), stamp(400)), stamps=[stamp_of(fork)]
    )
    with pytest.raises(TamperedError, match="from here to 700"):
        log.verify(tmp_path / "e", timestamps=Authority())

    tile = tmp_path / "e/tile/0/002"
    data = bytearray(tile.read_bytes())
    data[178 * 32 : 179 * 32] = leaf_hash(b"another")
    tile.write_bytes(data)
    with pytest.raises(TamperedError, match="from here on tile/0/002"):
        log.verify(tmp_path / "e", timestamps=Authority())


def test_a_whole_export_is_a_log_directory_for_other_peoples_tools(tmp_path: Path) -> None:
    log = stand()
    log.export(tmp_path / "e", EntryFilter())

    check_with_scales(tmp_path / "e")
    _, checkpoint = read_with_scales(tmp_path / "e")
    checkpoint.verify(their("signing").Vkey.from_string(SIGNER.verifier_key))
    policy = TrustPolicy.from_text(log.policy)
    assert verify_directory(DirectorySource(tmp_path / "e"), policy).entries == 1_301


def test_sha256sum_reads_the_list_of_files(tmp_path: Path) -> None:
    stand().export(tmp_path / "e", EntryFilter("alpha"))

    done = subprocess.run(
        ["sha256sum", "--quiet", "--strict", "-c", "files.sha256"],
        cwd=tmp_path / "e",
        capture_output=True,
        check=False,
    )

    assert (done.returncode, done.stdout) == (0, b"")


def test_the_guide_says_in_both_languages_what_a_filter_cannot_prove(tmp_path: Path) -> None:
    stand().export(tmp_path / "e", EntryFilter("alpha"))
    stand().export(tmp_path / "w", EntryFilter())

    filtered = (tmp_path / "e/VERIFY.md").read_text(encoding="utf-8")
    whole = (tmp_path / "w/VERIFY.md").read_text(encoding="utf-8")

    assert "This is a filtered export, not the whole log" in filtered
    assert "筛选导出不能证明未出示的记录都不符合筛选条件" in filtered
    assert "Shown: 650. Withheld: 650." in filtered
    assert "tlog-tiles gen-proof" in whole
    assert "filtered" not in whole


def test_an_unfinished_export_leaves_nothing_behind(tmp_path: Path) -> None:
    log = stand(300)
    note = signed(SIGNER, log.entries)
    request = ExportRequest(300, "cli:auditor", stamp(0))
    other = [*log.entries[:-1], b"another"]
    for name, error, entries in (
        ("e", LogInconsistentError, other),
        ("e.zip", LogInconsistentError, log.entries[:299]),
        ("f", TamperedError, log.entries),
    ):
        batches = batches_of(entries)[1 if error is TamperedError else 0 :]
        with pytest.raises(error), open_sink(tmp_path / name, at=START) as sink:
            ExportWriter(sink, note, Selection(EntryFilter(), 0, 300, 300), request).run(
                batches or batches_of(entries, start=5), policy=log.policy
            )

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["e", "e.zip"])
def test_a_target_that_is_there_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / name).symlink_to(tmp_path / "nowhere")

    with pytest.raises(DirectoryError, match="is there already"):
        stand(10).export(tmp_path / name, EntryFilter())


@pytest.mark.parametrize("name", ["e", "e.zip"])
def test_an_export_is_readable_by_its_owner_alone(name: str, tmp_path: Path) -> None:
    stand(10).export(tmp_path / name, EntryFilter())

    assert (tmp_path / name).stat().st_mode & 0o077 == 0


def test_a_zip_bears_the_time_of_the_export_and_one_folder(tmp_path: Path) -> None:
    stand(10).export(tmp_path / "march.zip", EntryFilter())

    with zipfile.ZipFile(tmp_path / "march.zip") as archive:
        assert {name.split("/")[0] for name in archive.namelist()} == {"march"}
        assert {member.date_time for member in archive.infolist()} == {(2027, 4, 5, 0, 0, 0)}


# The stand-alone verifier


def test_the_exported_verifier_is_short_and_needs_the_standard_library_alone(
    tmp_path: Path,
) -> None:
    stand(10).export(tmp_path / "e", EntryFilter())
    text = (tmp_path / "e/verify.py").read_text(encoding="utf-8")

    assert len(text.splitlines()) < 300
    modules = {line.split()[1].split(".")[0] for line in text.splitlines() if _is_import(line)}
    assert modules - set(sys.stdlib_module_names) == {"cryptography"}


def _is_import(line: str) -> bool:
    return line.lstrip().startswith(("import ", "from "))


def without_packages(*options: str) -> tuple[str, ...]:
    return (sys.executable, "-I", "-S", *options)


@pytest.mark.parametrize("filters", [EntryFilter(), EntryFilter("alpha")])
def test_without_cryptography_openssl_checks_the_signatures(
    filters: EntryFilter, tmp_path: Path
) -> None:
    log = stand()
    log.export(tmp_path / "e", filters)
    key = ("--vkey", SIGNER.verifier_key)
    checked = run_alone(tmp_path / "e", *key, python=without_packages())
    forged = signed(new_signer(SIGNER.name), log.entries).split("\n\n")[1]
    checkpoint = tmp_path / "e/checkpoint"
    genuine = checkpoint.read_text(encoding="utf-8")
    body, lines = genuine.split("\n\n")
    swapped = lines.replace(lines.split(" ")[2][10:40], forged.split(" ")[2][10:40])
    checkpoint.write_text(f"{body}\n\n{swapped}", encoding="utf-8", newline="")

    assert checked[0] == 0, checked[1]
    assert run_alone(tmp_path / "e", *key, python=without_packages())[0] == 1


def test_without_any_means_a_signature_is_said_to_be_unchecked(tmp_path: Path) -> None:
    stand(10).export(tmp_path / "e", EntryFilter())

    status, said = run_alone(
        tmp_path / "e",
        "--vkey",
        SIGNER.verifier_key,
        python=without_packages(),
        path=str(tmp_path),
    )

    assert status == 2
    assert "SIGNATURE NOT CHECKED" in said


def test_the_included_key_is_used_only_when_asked_for_and_loudly(tmp_path: Path) -> None:
    stand(10).export(tmp_path / "e", EntryFilter())

    assert run_alone(tmp_path / "e")[0] == 2
    status, said = run_alone(tmp_path / "e", "--trust-included-key")
    assert status == 0
    assert "WARNING: THE KEY CAME WITH THE EXPORT" in said


def test_a_key_of_another_log_or_none_cannot_tell(tmp_path: Path) -> None:
    stand(10).export(tmp_path / "e", EntryFilter())

    assert run_alone(tmp_path / "e", "--vkey", new_signer("other.example").verifier_key)[0] == 2
    assert run_alone(tmp_path / "e", "--vkey", "nonsense")[0] == 2
    assert run_alone(tmp_path / "nowhere", "--vkey", SIGNER.verifier_key)[0] == 2


def other_pythons() -> list[str]:
    found = [
        next(iter(sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))), None)
        for version in ("3.9", "3.10", "3.12", "3.13")
    ]
    return [str(python) for python in found if python is not None and os.access(python, os.X_OK)]


@pytest.mark.parametrize("python", other_pythons())
def test_the_verifier_runs_on_older_and_newer_pythons(python: str, tmp_path: Path) -> None:
    log = stand()
    for name, filters in (("e", EntryFilter()), ("f.zip", EntryFilter("alpha"))):
        log.export(tmp_path / name, filters)

        status, said = run_alone(
            tmp_path / name, "--vkey", SIGNER.verifier_key, python=(python, "-I", "-S")
        )

        assert status == 0, said
