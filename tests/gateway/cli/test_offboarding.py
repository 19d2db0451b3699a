from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner, Result

from gateway.cli.main import app
from gateway.clock import SystemClock
from gateway.identity.principal import CredentialScope, VendorPrincipal
from gateway.offboarding.certificate import file_certificate
from tests.gateway.offboarding.stage import certificate
from tests.installation import Installation

CLOCK = SystemClock()
CONTRACT = "alpha-2026"


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    return Installation.make(tmp_path_factory.mktemp("offboarding") / "sandbox", cases=3)


def _run(sandbox: Installation, *arguments: str | Path) -> Result:
    words = [*map(str, arguments), "--config", str(sandbox.config)]
    return CliRunner().invoke(app, words)


def _file(sandbox: Installation) -> None:
    """As the vendor would with a closing credential."""
    now = CLOCK.now()
    principal = VendorPrincipal("alpha", CONTRACT, bytes(32), now, None, CredentialScope.CLOSING)
    with sandbox.office().connection("vendor") as connection:
        file_certificate(
            connection, principal, certificate(now), paper=b"%PDF", media_type="x/y", at=now
        )


def test_the_whole_way_of_an_end_by_commands(sandbox: Installation, tmp_path: Path) -> None:
    assert "no contract has been ended" in _run(sandbox, "vendor", "offboarding").stdout

    ended = _run(sandbox, "vendor", "offboard", "alpha", "--contract", CONTRACT)
    assert (ended.exit_code, "3 cases recalled" in ended.stdout) == (0, True)
    assert "Now invite its closing credential" in ended.stdout
    assert "asked" in _run(sandbox, "vendor", "offboarding", "alpha").stdout

    _file(sandbox)
    shown = _run(sandbox, "vendor", "certificate", CONTRACT)
    assert ": filed," in shown.stdout
    contested = _run(sandbox, "vendor", "certificate", CONTRACT, "--contest", "no stamp", "--json")
    assert orjson.loads(contested.stdout)["certificates"][0]["status"] == "contested"
    _file(sandbox)
    both = _run(sandbox, "vendor", "certificate", CONTRACT, "--accept", "--contest", "no stamp")
    assert both.exit_code == 2
    accepted = _run(sandbox, "vendor", "certificate", CONTRACT, "--accept")
    assert "closed, contract purged" in accepted.stdout

    assert _run(sandbox, "vendor", "report", CONTRACT, "--out", tmp_path).exit_code == 0
    assert orjson.loads((tmp_path / "report.json").read_bytes())["kind"] == "closed"
    key = sandbox.directory / "report.pem"
    verified = CliRunner().invoke(
        app, ["report", "verify", str(tmp_path / "report.pdf"), "--key", str(key)]
    )
    assert (verified.exit_code, "unchanged" in verified.stdout) == (0, True)


def test_a_vendor_without_a_running_contract_has_nothing_to_end(sandbox: Installation) -> None:
    sandbox.office().onboarding().add_vendor("gamma", "伽马", actor="cli:test")

    assert "has no contract to end" in _run(sandbox, "vendor", "offboard", "gamma").stdout


def test_a_report_key_is_made_once(sandbox: Installation) -> None:
    assert _run(sandbox, "report", "init").exit_code == 1
    path = sandbox.directory / "secrets" / "report-signing.pem"
    old = (sandbox.directory / "report.pem").read_bytes()
    path.unlink()

    assert _run(sandbox, "report", "init").exit_code == 0

    assert path.stat().st_mode & 0o777 == 0o600
    assert (sandbox.directory / "report.pem").read_bytes() != old
