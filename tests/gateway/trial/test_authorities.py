import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.trial.authorities import (
    PUBLIC_URL,
    TRUST_HOST,
    TrialAuthorities,
    write_authorities,
    write_client,
)
from keys.hierarchy import HierarchyFiles, open_root
from keys.issuing_key import load_certificates, read_passphrase
from keys.profiles import Profile
from keys.vendor_certificate import VendorSubject, staff_uri
from tests.keys.outside import certificate_findings, openssl, verdict

NOW = datetime(2026, 5, 1, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def authorities(tmp_path: Path) -> TrialAuthorities:
    return write_authorities(tmp_path, NOW, PUBLIC_URL)


def test_the_root_lies_apart_and_says_that_it_is_for_trials(
    authorities: TrialAuthorities, tmp_path: Path
) -> None:
    files = HierarchyFiles(tmp_path)
    passphrase = read_passphrase("file:offline/root.passphrase", tmp_path, {})

    root = open_root(files, passphrase)

    authorities.vendor.certificate.verify_directly_issued_by(root.certificate)
    assert stat.S_IMODE((tmp_path / "offline").stat().st_mode) == 0o700
    assert "FOR TRIALS ONLY" in (tmp_path / "offline" / "FOR-TRIALS-ONLY.txt").read_text()
    assert load_certificates(files.bundle) == [authorities.vendor.certificate, root.certificate]


def test_a_client_file_has_the_certificate_and_then_its_issuer(
    authorities: TrialAuthorities, tmp_path: Path
) -> None:
    subject = VendorSubject("alpha", "alpha-2026", "1f")
    issued = authorities.vendor.issue(
        Profile.VENDOR_CLIENT,
        common_name=subject.common_name,
        not_before=NOW,
        not_after=NOW + DAY,
        uris=[subject.uri(TRUST_HOST)],
    )

    write_client(tmp_path / "alpha", issued, authorities.server, authorities.vendor)

    pem = tmp_path / "alpha" / "client.pem"
    assert load_certificates(pem) == [issued.certificate, authorities.vendor.certificate]
    assert stat.S_IMODE((tmp_path / "alpha" / "client.key").stat().st_mode) == 0o600
    trusted = load_certificates(HierarchyFiles(tmp_path).bundle)
    assert verdict(tmp_path, issued.certificate, trusted=trusted, at=NOW) == "OK"
    # What a listener trusts is enough with the root alone, because clients send the issuer.
    (tmp_path / "root.pem").write_bytes((tmp_path / "offline" / "root.pem").read_bytes())
    at = str(int(NOW.timestamp()))
    chain = openssl(
        tmp_path,
        *["verify", "-x509_strict", "-attime", at, "-CAfile", "root.pem"],
        *["-untrusted", str(pem), str(pem)],
    )
    assert chain.returncode == 0, chain.stderr


def test_staff_certificates_carry_the_role_and_pass_pkilint(
    authorities: TrialAuthorities, tmp_path: Path
) -> None:
    issued = authorities.staff.issue(
        Profile.STAFF_CLIENT,
        common_name="sandbox auditor",
        not_before=NOW,
        not_after=NOW + 90 * DAY,
        uris=[staff_uri(TRUST_HOST, "auditor", "sandbox-auditor")],
    )

    assert certificate_findings(tmp_path, issued.certificate) == ""
