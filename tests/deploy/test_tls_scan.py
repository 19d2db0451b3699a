"""What a scanner from outside says of the listeners' TLS: sslyze, in an environment of its own."""

import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from keys.authority import new_authority
from keys.profiles import Profile
from tests.deploy.proxied import CLOCK
from tests.installation import Installation

pytestmark = pytest.mark.long

# Its `cryptography` is older than ours, so that it cannot be a dependency of the project.
SCANNER = ("sslyze==6.3.1", "nassl==5.4.0")
PROTOCOLS = ("ssl_2_0", "ssl_3_0", "tls_1_0", "tls_1_1", "tls_1_2", "tls_1_3")
# Mozilla's "modern" leaves out two curves that OpenSSL offers, too; neither is weak.
CURVES = r".*tls_curves: TLS curves \{('X448'|'secp521r1')(, ('X448'|'secp521r1'))?\}.*"


@pytest.fixture(scope="module")
def scanner(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python of a virtual environment with the scanner."""
    folder = tmp_path_factory.mktemp("scanner") / "venv"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True, timeout=120)
    python = folder / "bin" / "python"
    install = [str(python), "-m", "pip", "install", "--quiet", *SCANNER]
    try:
        done = subprocess.run(install, capture_output=True, timeout=240, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip("the package index does not answer: no scanner")
    if done.returncode:
        pytest.skip("the package index cannot be reached: no scanner")
    return python


@pytest.fixture(scope="module")
def listening(open_directory: Path) -> Iterator[Installation]:
    """Three listeners with a certificate of 80 days, as an operator would have it renewed."""
    installation = Installation.make(open_directory / "scanned", cases=20, enrols=True)
    now = CLOCK.now()
    authority = new_authority("Test CA", not_before=now, not_after=now + timedelta(days=300))
    server = authority.issue(
        Profile.GATEWAY_SERVER,
        common_name="localhost",
        not_before=now,
        not_after=now + timedelta(days=80),
        dns_names=["localhost"],
    )
    folder = installation.directory
    (folder / "ca" / "server-ca.pem").write_bytes(authority.certificate_pem)
    (folder / "ca" / "server.pem").write_bytes(server.certificate_pem)
    (folder / "secrets" / "server.key").write_bytes(server.private_key_pem)
    with installation.serving(workers=1):
        yield installation


def scan(
    scanner: Path, installation: Installation, port: int, client: str | None
) -> tuple[dict[str, Any], str]:
    """The scanner's results of one listener, and what it says of Mozilla's configuration."""
    folder = installation.directory
    result = folder / f"scan-{port}.json"
    command = [str(scanner), "-W", "ignore", "-m", "sslyze", f"--json_out={result}"]
    command += [f"--certinfo_ca_file={folder}/ca/server-ca.pem"]
    if client is not None:
        # The scanner's oldest TLS library cannot read a file with a chain.
        leaf = folder / f"leaf-{port}.pem"
        end = "-----END CERTIFICATE-----\n"
        leaf.write_text((folder / client / "client.pem").read_text().partition(end)[0] + end)
        command += ["--cert", str(leaf), "--key", str(folder / client / "client.key")]
    target = f"localhost:{port}"
    modern = subprocess.run(
        [*command, "--mozilla_config=modern", target],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    found = _results(result)
    others = ["--mozilla_config=disable", "--early_data", "--resum", target]
    subprocess.run([*command, *others], capture_output=True, timeout=120, check=False)
    later = _results(result)
    for name in ("tls_1_3_early_data", "session_resumption"):
        found[name] = later[name]
    return found, modern.stdout.partition("COMPLIANCE AGAINST")[2]


def _results(path: Path) -> dict[str, Any]:
    [server] = orjson.loads(path.read_bytes())["server_scan_results"]
    assert server["scan_status"] == "COMPLETED", server["connectivity_error_trace"]
    results: dict[str, Any] = server["scan_result"]
    return results


@pytest.mark.parametrize(
    ("listener", "client"),
    [("vendor", "vendors/alpha"), ("company", "staff/auditor"), ("enrolment", None)],
)
def test_a_scanner_finds_nothing_but_the_best_tls(
    scanner: Path, listening: Installation, listener: str, client: str | None
) -> None:
    address = dict(listening.settings.listeners())[listener]
    results, compliance = scan(scanner, listening, address.port, client)
    for name in ("http_headers",):
        results.pop(name)
    failed = {name for name, one in results.items() if one["status"] != "COMPLETED"}
    found = {name: one["result"] for name, one in results.items()}
    accepted = {
        name: [
            one["cipher_suite"] for one in found[f"{name}_cipher_suites"]["accepted_cipher_suites"]
        ]
        for name in PROTOCOLS
    }
    findings = re.findall(r"^\s+\* (.+)$", compliance, re.MULTILINE)
    suites = sorted(one["name"] for one in accepted["tls_1_3"])
    curves = [one["name"] for one in found["elliptic_curves"]["supported_curves"]]
    print(f"\n{listener}: {', '.join(suites)}; {', '.join(curves)}; {findings or 'modern'}")

    assert failed == set()
    assert [name for name, suites in accepted.items() if suites] == ["tls_1_3"]
    assert all(one["key_size"] >= 128 and not one["is_anonymous"] for one in accepted["tls_1_3"])
    assert not found["tls_compression"]["supports_compression"]
    assert not found["tls_1_3_early_data"]["supports_early_data"]
    assert not found["heartbleed"]["is_vulnerable_to_heartbleed"]
    assert not found["openssl_ccs_injection"]["is_vulnerable_to_ccs_injection"]
    assert found["robot"]["robot_result"] == "NOT_VULNERABLE_RSA_NOT_SUPPORTED"
    renegotiation = found["session_renegotiation"]
    assert not renegotiation["is_vulnerable_to_client_renegotiation_dos"]
    assert renegotiation["client_renegotiations_success_count"] == 0
    resumption = found["session_resumption"]
    assert resumption["session_id_successful_resumptions_count"] == 0
    assert resumption["tls_ticket_resumption_result"] != "FULLY_SUPPORTED"
    [deployment] = found["certificate_info"]["certificate_deployments"]
    assert deployment["received_chain_has_valid_order"]
    assert not deployment["verified_chain_has_sha1_signature"]
    own = deployment["path_validation_results"][-1]
    assert any(
        one["was_validation_successful"] for one in deployment["path_validation_results"]
    ), own
    assert [finding for finding in findings if not re.fullmatch(CURVES, f"* {finding}")] == []
