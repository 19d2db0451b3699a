"""Every way of altering an export, its unsigned files made to fit, before both verifiers."""

import hashlib
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from audit.checkpoint import Checkpoint
from audit.encoding import canonical
from audit.errors import AuditError, TamperedError
from audit.export.filters import EntryFilter
from audit.export.lines import ShownEntry
from audit.merkle import leaf_hash, root_of
from audit.note import SignedNote
from tests.audit.export.export_stand import Stand, entry, log_of, run_alone, stamp
from tests.audit.log_directory import files_of, new_signer, new_witness, signed

STAND = Stand(new_signer(), new_witness(), log_of(1_300))
FILTER = EntryFilter("alpha", stamp(300), stamp(900))
KINDS = {"whole": EntryFilter(), "filtered": FILTER}
SHOWN = 400  # an index that both kinds show
Alteration = Callable[[Path], None]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """An export of each kind."""
    folder = tmp_path_factory.mktemp("exports")
    for kind, filters in KINDS.items():
        STAND.export(folder / kind, filters)
    return {kind: folder / kind for kind in KINDS}


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("trust") / "my.policy"
    path.write_text(STAND.policy)
    return path


def verdict(place: Path) -> int:
    """Exit status that casegate-audit would have."""
    try:
        STAND.verify(place)
    except TamperedError:
        return 1
    except AuditError:
        return 2
    return 0


def verdicts(place: Path, policy: Path) -> tuple[int, int]:
    return verdict(place), run_alone(place, "--policy", str(policy))[0]


def reseal(place: Path, **statements: Any) -> None:
    """What a careful forger does: the hashes of the files, and the manifest, fit again."""
    sums = place / "files.sha256"
    paths = [line[66:] for line in sums.read_text().splitlines()]
    sums.write_text(
        "".join(
            f"{hashlib.sha256((place / path).read_bytes()).hexdigest()}  {path}\n"
            for path in paths
            if (place / path).exists()
        )
    )
    manifest = orjson.loads((place / "manifest.json").read_bytes())
    manifest |= {"files": hashlib.sha256(sums.read_bytes()).hexdigest()}
    (place / "manifest.json").write_bytes(canonical(manifest | statements) + b"\n")


def says(place: Path) -> dict[str, Any]:
    manifest: dict[str, Any] = orjson.loads((place / "manifest.json").read_bytes())
    return manifest


def change_lines(place: Path, change: Callable[[dict[int, bytes]], object], **more: Any) -> None:
    path = place / "entries.jsonl"
    lines = {
        shown.index: shown.entry
        for shown in map(ShownEntry.from_line, path.read_bytes().splitlines(keepends=True))
    }
    change(lines)
    path.write_bytes(b"".join(ShownEntry(*item).to_line() for item in sorted(lines.items())))
    reseal(place, **more)


def edit_an_entry(place: Path) -> None:
    change_lines(place, lambda lines: lines.update({SHOWN: entry(SHOWN + 2, "alpha")}))


def omit_an_entry(place: Path) -> None:
    change_lines(place, lambda lines: lines.pop(SHOWN))


def omit_an_entry_and_count_it_as_withheld(place: Path) -> None:
    more = {"shown": says(place)["shown"] - 1, "withheld": says(place)["withheld"] + 1}
    change_lines(place, lambda lines: lines.pop(SHOWN), **more)


def insert_an_entry(place: Path) -> None:
    more = {"shown": says(place)["shown"] + 1, "withheld": says(place)["withheld"] - 1}
    change_lines(place, lambda lines: lines.update({SHOWN + 1: entry(7, "alpha")}), **more)


def show_an_entry_twice(place: Path) -> None:
    path = place / "entries.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:9], lines[8], *lines[9:]]))
    reseal(place, shown=says(place)["shown"] + 1, withheld=says(place)["withheld"] - 1)


def spell_an_entry_twice_in_its_line(place: Path) -> None:
    path = place / "entries.jsonl"
    path.write_bytes(path.read_bytes().replace(b'{"entry":', b'{"entry":"harmless","entry":', 1))
    reseal(place)


def flip(path: str) -> Alteration:
    def alter(place: Path) -> None:
        data = bytearray((place / path).read_bytes())
        data[len(data) // 2] ^= 1
        (place / path).write_bytes(data)
        reseal(place)

    alter.__name__ = f"alter {path}"
    return alter


def state(name: str, value: Any) -> Alteration:
    def alter(place: Path) -> None:
        reseal(place, **{name: value})

    alter.__name__ = f"state another {name}"
    return alter


def sign_with_another_key(place: Path) -> None:
    forger = Stand(new_signer(STAND.signer.name), STAND.witness, STAND.entries)
    swap_checkpoint(place, signed(forger.signer, STAND.entries))


def swap_for_an_older_checkpoint(place: Path) -> None:
    swap_checkpoint(place, signed(STAND.signer, STAND.entries[:700], STAND.witness))


def swap_for_that_of_a_fork(place: Path) -> None:
    fork = [*STAND.entries, b"another"]
    swap_checkpoint(place, signed(STAND.signer, fork, STAND.witness))
    reseal(place, root=root_of(leaf_hash(each) for each in fork).hex())


def swap_for_another_logs_checkpoint(place: Path) -> None:
    swap_checkpoint(place, signed(new_signer("other.example/log"), STAND.entries, STAND.witness))


def swap_for_another_log_as_a_whole(place: Path) -> None:
    shutil.rmtree(place)
    other = Stand(new_signer(STAND.signer.name), new_witness(), log_of(1_300))
    other.export(place, FILTER)


def swap_checkpoint(place: Path, note: str) -> None:
    (place / "checkpoint").write_text(note, encoding="utf-8", newline="")
    reseal(place)


def forge_a_cosignature(place: Path) -> None:
    note = SignedNote.from_text((place / "checkpoint").read_text(encoding="utf-8"))
    line = STAND.witness.cosign(Checkpoint("x", 1, b"\x01" * 32).to_body(), 1_700_000_000)
    swap_checkpoint(place, SignedNote(note.body, (note.signatures[0], line)).to_text())


def take_the_cosignature_away(place: Path) -> None:
    note = SignedNote.from_text((place / "checkpoint").read_text(encoding="utf-8"))
    swap_checkpoint(place, SignedNote(note.body, note.signatures[:1]).to_text())


def use_the_request_of_another_export(place: Path) -> None:
    beside = place.with_name("beside")
    STAND.export(beside, EntryFilter("beta"))
    shutil.copy(beside / "request.tlog-proof", place)
    shutil.copy(beside / "checkpoint", place)
    reseal(place)


def alter_a_file_without_resealing(place: Path) -> None:
    (place / "VERIFY.md").write_text("all is well")


def alter_the_list_of_files(place: Path) -> None:
    sums = place / "files.sha256"
    sums.write_text("".join(sums.read_text().splitlines(keepends=True)[1:]))


BOTH = [
    edit_an_entry,
    omit_an_entry,
    omit_an_entry_and_count_it_as_withheld,
    insert_an_entry,
    show_an_entry_twice,
    spell_an_entry_twice_in_its_line,
    flip("tile/0/001"),
    flip("tile/0/003"),
    flip("tile/1/000.p/5"),
    flip("tile/0/005.p/21"),
    flip("request.tlog-proof"),
    state("size", 1_302),
    state("root", "11" * 32),
    state("origin", "other.example/log"),
    state("asked", {"at": stamp(0), "by": "cli:somebody", "index": 1_300}),
    state("filters", {"vendor": "beta"}),
    state("format", "casegate-export/2"),
    state("remark", "also complete"),
    sign_with_another_key,
    swap_for_an_older_checkpoint,
    swap_for_that_of_a_fork,
    swap_for_another_log_as_a_whole,
    forge_a_cosignature,
    use_the_request_of_another_export,
    alter_a_file_without_resealing,
    alter_the_list_of_files,
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("alteration", BOTH, ids=lambda alteration: alteration.__name__)
def test_both_verifiers_find_an_export_altered(
    alteration: Alteration, kind: str, sound: dict[str, Path], policy: Path, tmp_path: Path
) -> None:
    place = Path(shutil.copytree(sound[kind], tmp_path / "export"))
    alteration(place)

    assert verdicts(place, policy) == (1, 1)


def widen_the_range(place: Path) -> None:
    reseal(place, range={"first": 256, "end": 899}, withheld=says(place)["withheld"] + 44)


def narrow_the_range(place: Path) -> None:
    reseal(place, range={"first": 300, "end": 890}, withheld=0)


def show_what_does_not_pass_the_filters(place: Path) -> None:
    more = {"shown": says(place)["shown"] + 1, "withheld": says(place)["withheld"] - 1}
    real = STAND.entries[SHOWN + 1]
    change_lines(place, lambda lines: lines.update({SHOWN + 1: real}), **more)


def swap_two_receipts(place: Path) -> None:
    shutil.copy(place / f"proofs/{SHOWN}.tlog-proof", place / f"proofs/{SHOWN + 2}.tlog-proof")
    reseal(place)


def alter_the_leaf_of_a_withheld_entry(place: Path) -> None:
    tile = place / "tile/0/001"
    data = bytearray(tile.read_bytes())
    data[(SHOWN + 1 - 256) * 32] ^= 1
    tile.write_bytes(data)
    reseal(place)


FILTERED = [
    alter_the_leaf_of_a_withheld_entry,
    widen_the_range,
    narrow_the_range,
    show_what_does_not_pass_the_filters,
    swap_two_receipts,
    flip(f"proofs/{SHOWN}.tlog-proof"),
]


@pytest.mark.parametrize("alteration", FILTERED, ids=lambda alteration: alteration.__name__)
def test_both_verifiers_find_a_filtered_export_altered(
    alteration: Alteration, sound: dict[str, Path], policy: Path, tmp_path: Path
) -> None:
    place = Path(shutil.copytree(sound["filtered"], tmp_path / "export"))
    alteration(place)

    assert verdicts(place, policy) == (1, 1)


def test_both_verifiers_find_a_bundle_altered(
    sound: dict[str, Path], policy: Path, tmp_path: Path
) -> None:
    place = Path(shutil.copytree(sound["whole"], tmp_path / "export"))
    flip("tile/entries/002")(place)

    assert verdicts(place, policy) == (1, 1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "path", ["manifest.json", "tile/0/002", "tile/1/000.p/5", "files.sha256", "request.tlog-proof"]
)
def test_both_verifiers_say_what_is_missing(
    kind: str, path: str, sound: dict[str, Path], policy: Path, tmp_path: Path
) -> None:
    place = Path(shutil.copytree(sound[kind], tmp_path / "export"))
    (place / path).unlink()

    assert verdict_of_command(place) == 2
    status, said = run_alone(place, "--policy", str(policy))
    assert (status, "CANNOT TELL" in said) == (2, True)


def verdict_of_command(place: Path) -> int:
    from typer.testing import CliRunner

    from audit.cli import application

    trust = place.with_name("trust.policy")
    trust.write_text(STAND.policy)
    return (
        CliRunner().invoke(application, ["verify", str(place), "--policy", str(trust)]).exit_code
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "alteration", [take_the_cosignature_away, swap_for_another_logs_checkpoint]
)
def test_neither_verifier_accepts_a_checkpoint_that_the_policy_does_not(
    alteration: Alteration, kind: str, sound: dict[str, Path], policy: Path, tmp_path: Path
) -> None:
    place = Path(shutil.copytree(sound[kind], tmp_path / "export"))
    alteration(place)

    assert 0 not in verdicts(place, policy)


@pytest.mark.parametrize("kind", KINDS)
def test_an_altered_zip_is_found_and_a_broken_one_is_said(
    kind: str, sound: dict[str, Path], policy: Path, tmp_path: Path
) -> None:
    place = Path(shutil.copytree(sound[kind], tmp_path / "export"))
    edit_an_entry(place)
    altered = tmp_path / "altered.zip"
    with zipfile.ZipFile(altered, "w") as archive:
        for name, data in files_of(place).items():
            archive.writestr(f"export/{name}", data)
    broken = tmp_path / "broken.zip"
    broken.write_bytes(altered.read_bytes()[:-2_000])

    assert verdicts(altered, policy) == (1, 1)
    assert verdicts_of_broken(broken, policy) == (2, 2)


def verdicts_of_broken(place: Path, policy: Path) -> tuple[int, int]:
    return verdict_of_command(place), run_alone(place, "--policy", str(policy))[0]
