"""The exported log: whole or in part, verifiable without us, and itself an entry."""

import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.installation import Installation
from tests.promises.processes import wait_until

# Everything served, more than once: left to `make test-long`.
pytestmark = pytest.mark.long


def _key(gateway: Installation) -> str:
    return (gateway.directory / "log.vkey").read_text().strip()


def _pull(gateway: Installation, vendor: str = "alpha") -> None:
    with gateway.vendor(vendor) as client:
        client.get("/v1/cases?limit=5").raise_for_status()


def _export(gateway: Installation, target: Path, *options: str) -> str:
    done = gateway.run("audit", "export", "--out", str(target), *options)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def _verify(gateway: Installation, place: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Casegate's verifier, held to a policy that did not come with the export."""
    policy = folder / "own.policy"
    policy.write_text(f"log {_key(gateway)}\nquorum none\n")
    command = [sys.executable, "-m", "audit", "verify", str(place), "--policy", str(policy)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def _verify_alone(gateway: Installation, export: Path) -> subprocess.CompletedProcess[str]:
    """The verifier in the export, with an empty environment."""
    command = ["/usr/bin/env", "-i", sys.executable, "-I", str(export / "verify.py"), str(export)]
    command += ["--vkey", _key(gateway)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def _entries(export: Path) -> dict[int, dict[str, Any]]:
    lines = map(orjson.loads, (export / "entries.jsonl").read_bytes().splitlines())
    return {line["index"]: orjson.loads(line["entry"]) for line in lines}


def test_a_whole_export_verifies_with_nothing_but_its_files(
    gateway: Installation, tmp_path: Path
) -> None:
    _pull(gateway)
    said = _export(gateway, tmp_path / "export")

    ours = _verify(gateway, tmp_path / "export", tmp_path)
    alone = _verify_alone(gateway, tmp_path / "export")

    assert "the whole log" in said
    assert (ours.returncode, alone.returncode) == (0, 0), ours.stderr + alone.stderr
    assert "verified: the whole log" in alone.stdout
    assert "What no export proves" in (tmp_path / "export" / "VERIFY.md").read_text()
    assert (tmp_path / "export" / "log.policy").read_text().startswith(f"log {_key(gateway)}\n")


def test_a_zip_holds_the_same_as_a_directory_and_unpacks_into_one_folder(
    gateway: Installation, tmp_path: Path
) -> None:
    _pull(gateway)
    _export(gateway, tmp_path / "export.zip")

    ours = _verify(gateway, tmp_path / "export.zip", tmp_path)
    with zipfile.ZipFile(tmp_path / "export.zip") as archive:
        archive.extractall(tmp_path / "unpacked")
    alone = _verify_alone(gateway, tmp_path / "unpacked" / "export")

    assert (ours.returncode, alone.returncode) == (0, 0), ours.stderr + alone.stderr
    assert [path.name for path in (tmp_path / "unpacked").iterdir()] == ["export"]


def test_the_export_is_an_entry_that_names_who_took_what(
    gateway: Installation, tmp_path: Path
) -> None:
    _pull(gateway)
    _export(gateway, tmp_path / "export", "--vendor", "alpha", "--since", "2026-01-31")

    found = gateway.run("audit", "search", "--event", "log.exported", "--limit", "1", "--json")
    entry = orjson.loads(found.stdout)["items"][0]["entry"]
    manifest = orjson.loads((tmp_path / "export" / "manifest.json").read_bytes())

    assert entry["filters"] == {"vendor": "alpha", "since": "2026-01-30T16:00:00.000Z"}
    assert entry["actor"].startswith("cli:")
    assert entry["shown"] == manifest["shown"] == len(_entries(tmp_path / "export"))
    assert manifest["asked"]["by"] == entry["actor"]
    assert f"exported by: {entry['actor']}" in _verify_alone(gateway, tmp_path / "export").stdout


def test_a_filtered_export_holds_nothing_of_another_vendor(
    gateway: Installation, tmp_path: Path
) -> None:
    _pull(gateway, "alpha")
    _pull(gateway, "beta")
    _export(gateway, tmp_path / "whole")
    _export(gateway, tmp_path / "export", "--vendor", "alpha")
    foreign = {
        str(value)
        for entry in _entries(tmp_path / "whole").values()
        if entry.get("vendor") == "beta"
        for value in (entry.get("request"), entry.get("certificate"), *entry.get("cases", []))
        if value
    }
    shipped = b"".join(
        path.read_bytes() for path in (tmp_path / "export").rglob("*") if path.is_file()
    )

    assert len(foreign) > 3
    assert not [value for value in foreign if value.encode() in shipped]
    assert {entry["vendor"] for entry in _entries(tmp_path / "export").values()} == {"alpha"}
    said = _verify(gateway, tmp_path / "export", tmp_path)
    assert said.returncode == 0, said.stderr
    assert "verified: filtered: " in said.stdout
    assert "NOT proven" in said.stdout


def test_an_entry_left_out_of_a_filtered_export_is_found(
    gateway: Installation, tmp_path: Path
) -> None:
    _pull(gateway)
    _export(gateway, tmp_path / "export", "--vendor", "alpha")
    path = tmp_path / "export" / "entries.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))

    assert _verify(gateway, tmp_path / "export", tmp_path).returncode == 1
    assert _verify_alone(gateway, tmp_path / "export").returncode == 1


def test_what_is_there_already_is_not_written_over(gateway: Installation, tmp_path: Path) -> None:
    (tmp_path / "export.zip").write_text("mine")

    done = gateway.run("audit", "export", "--out", str(tmp_path / "export.zip"))

    assert done.returncode == 1
    assert "is there already" in done.stderr
    assert (tmp_path / "export.zip").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["export.zip"]


@pytest.mark.parametrize("time", ["yesterday", "2026-01-31T08:00:00", "2026-02-30"])
def test_a_time_without_zone_or_sense_is_wrong_use(
    gateway: Installation, tmp_path: Path, time: str
) -> None:
    done = gateway.run("audit", "export", "--out", str(tmp_path / "export"), "--since", time)

    assert done.returncode == 2
    assert not (tmp_path / "export").exists()


def test_a_time_in_which_nothing_happened_is_said(gateway: Installation, tmp_path: Path) -> None:
    done = gateway.run(
        "audit", "export", "--out", str(tmp_path / "export"), "--until", "2001-01-01"
    )

    assert done.returncode == 1
    assert "no signed entry lies in the time" in done.stderr
    assert not (tmp_path / "export").exists()


def test_without_a_publisher_the_export_says_that_its_taker_is_not_proven(
    own_installation: Installation, tmp_path: Path
) -> None:
    with own_installation.serving(workers=1):
        _pull(own_installation)
        checkpoint = own_installation.directory / "var" / "log" / "checkpoint"
        assert wait_until(checkpoint.exists, seconds=30)

    said = _export(own_installation, tmp_path / "export")

    assert "who took it is not proven" in said
    alone = _verify_alone(own_installation, tmp_path / "export")
    assert alone.returncode == 0, alone.stderr
    assert "exported by: NOT PROVEN" in alone.stdout


def test_who_saw_a_debtor_is_found_by_the_id_number_and_by_the_mobile(
    gateway: Installation,
) -> None:
    truth = next(line for line in gateway.truth() if line["vendor_id"] == "alpha")
    with gateway.vendor("alpha") as client:
        answer = client.get(f"/v1/cases/{truth['case_ref']}")
        index = answer.headers["casegate-receipt"].partition("/")[0]

    for identifier in (truth["id_number"], truth["mobile_phone"]):
        found = gateway.run("audit", "search", "--debtor", identifier, "--limit", "5")
        assert found.returncode == 0, found.stderr
        assert any(line.split()[0] == index for line in found.stdout.splitlines())


def test_a_debtor_nobody_knows_is_seen_by_nobody(gateway: Installation) -> None:
    found = gateway.run("audit", "search", "--debtor", "11010519491231002X")

    assert found.returncode == 0
    assert found.stdout.strip() == ""


def test_text_that_is_no_identifier_is_refused_with_a_sentence(gateway: Installation) -> None:
    found = gateway.run("audit", "search", "--debtor", "张三")

    assert found.returncode == 1
    assert "neither an ID number nor a mobile" in found.stderr


def test_the_index_is_built_anew_from_the_log(gateway: Installation) -> None:
    done = gateway.run("audit", "reindex", "--json")

    assert done.returncode == 0, done.stderr
    assert '"indexed"' in done.stdout
