"""The exported log: whole, verifiable without us, and refused once altered."""

from pathlib import Path

import pytest

from audit.directory import verify_directory
from audit.errors import AuditError
from audit.policy import TrustPolicy
from audit.tile_source import DirectorySource
from tests.installation import Installation
from tests.promises.processes import wait_until


def _exported(gateway: Installation, directory: Path) -> TrustPolicy:
    with gateway.vendor("alpha") as client:
        client.get("/v1/cases?limit=5").raise_for_status()
    done = gateway.run("audit", "export", "--out", str(directory))
    assert done.returncode == 0, done.stderr
    return TrustPolicy.from_text((directory / "log.policy").read_text())


def test_an_export_verifies_with_nothing_but_its_files(
    gateway: Installation, tmp_path: Path
) -> None:
    policy = _exported(gateway, tmp_path / "export")

    report = verify_directory(DirectorySource(tmp_path / "export"), policy)

    assert report.entries > 10
    assert "What it does not prove" in (tmp_path / "export" / "VERIFY.md").read_text()


def test_an_altered_export_is_refused(gateway: Installation, tmp_path: Path) -> None:
    policy = _exported(gateway, tmp_path / "export")
    bundle = next((tmp_path / "export" / "tile" / "entries").rglob("[0-9]*"))
    while bundle.is_dir():
        bundle = next(bundle.iterdir())
    bundle.write_bytes(bundle.read_bytes().replace(b"alpha", b"gamma", 1))

    with pytest.raises(AuditError):
        verify_directory(DirectorySource(tmp_path / "export"), policy)


def test_an_export_is_brought_up_to_date_by_running_it_again(
    gateway: Installation, tmp_path: Path
) -> None:
    policy = _exported(gateway, tmp_path / "export")
    before = verify_directory(DirectorySource(tmp_path / "export"), policy).entries

    def has_grown() -> bool:
        _exported(gateway, tmp_path / "export")
        return verify_directory(DirectorySource(tmp_path / "export"), policy).entries > before

    assert wait_until(has_grown, seconds=20)


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
