import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from keys.authority import CertificateAuthority, Issued, new_authority
from keys.errors import CertificateError
from keys.profiles import Profile

NOW = datetime(2026, 5, 1, tzinfo=UTC)
YEAR = timedelta(days=365)
CLIENTS = [Profile.VENDOR_CLIENT, Profile.STAFF_CLIENT]


@pytest.fixture(scope="module")
def authority() -> CertificateAuthority:
    return new_authority("test CA", not_before=NOW, not_after=NOW + 10 * YEAR)


def _issue(
    authority: CertificateAuthority, profile: Profile, lifetime: timedelta = YEAR
) -> Issued:
    is_server = profile is Profile.GATEWAY_SERVER
    return authority.issue(
        profile,
        common_name="subject",
        not_before=NOW,
        not_after=NOW + lifetime,
        uris=[] if is_server else ["urn:casegate:vendor:alpha:alpha-2026"],
        dns_names=["localhost"] if is_server else [],
        addresses=["127.0.0.1", "::1"] if is_server else [],
    )


@pytest.mark.parametrize(
    ("profile", "usage"),
    [
        (Profile.VENDOR_CLIENT, ExtendedKeyUsageOID.CLIENT_AUTH),
        (Profile.STAFF_CLIENT, ExtendedKeyUsageOID.CLIENT_AUTH),
        (Profile.GATEWAY_SERVER, ExtendedKeyUsageOID.SERVER_AUTH),
    ],
)
def test_each_profile_has_exactly_its_usage(
    authority: CertificateAuthority, profile: Profile, usage: x509.ObjectIdentifier
) -> None:
    extensions = _issue(authority, profile).certificate.extensions

    assert list(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [usage]
    assert not extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    key_usage = extensions.get_extension_for_class(x509.KeyUsage).value
    assert key_usage.digital_signature
    assert not key_usage.key_cert_sign


@pytest.mark.parametrize("profile", CLIENTS)
def test_a_client_certificate_lives_at_most_90_days(
    authority: CertificateAuthority, profile: Profile
) -> None:
    certificate = _issue(authority, profile).certificate

    assert certificate.not_valid_after_utc == NOW + timedelta(days=90)


def test_a_shorter_life_is_kept_and_a_server_may_live_longer(
    authority: CertificateAuthority,
) -> None:
    short = _issue(authority, Profile.VENDOR_CLIENT, timedelta(days=7)).certificate
    server = _issue(authority, Profile.GATEWAY_SERVER).certificate

    assert short.not_valid_after_utc == NOW + timedelta(days=7)
    assert server.not_valid_after_utc == NOW + YEAR


def test_nothing_outlives_its_authority() -> None:
    brief = new_authority("brief", not_before=NOW, not_after=NOW + timedelta(days=3))

    certificate = _issue(brief, Profile.GATEWAY_SERVER).certificate

    assert certificate.not_valid_after_utc == NOW + timedelta(days=3)


@pytest.mark.parametrize("lifetime", [timedelta(0), timedelta(days=-1)])
def test_an_empty_life_is_refused(authority: CertificateAuthority, lifetime: timedelta) -> None:
    with pytest.raises(CertificateError, match="end after it begins"):
        _issue(authority, Profile.VENDOR_CLIENT, lifetime)


@pytest.mark.parametrize(
    ("profile", "purpose", "wrong"),
    [
        (Profile.VENDOR_CLIENT, "sslclient", "sslserver"),
        (Profile.STAFF_CLIENT, "sslclient", "sslserver"),
        (Profile.GATEWAY_SERVER, "sslserver", "sslclient"),
    ],
)
def test_openssl_accepts_the_chain_strictly_for_its_purpose_and_for_no_other(
    authority: CertificateAuthority, profile: Profile, purpose: str, wrong: str, tmp_path: Path
) -> None:
    (tmp_path / "ca.pem").write_bytes(authority.certificate_pem)
    (tmp_path / "leaf.pem").write_bytes(_issue(authority, profile).certificate_pem)

    def verdict(wanted: str) -> int:
        command = ["openssl", "verify", "-x509_strict", "-purpose", wanted, "-CAfile", "ca.pem"]
        at = str(int((NOW + timedelta(days=1)).timestamp()))
        return subprocess.run(
            [*command, "-attime", at, "leaf.pem"], cwd=tmp_path, capture_output=True, check=False
        ).returncode

    assert verdict(purpose) == 0
    assert verdict(wrong) != 0


@pytest.mark.parametrize("profile", CLIENTS)
def test_an_independent_verifier_accepts_clients_until_they_end(
    authority: CertificateAuthority, profile: Profile
) -> None:
    leaf = _issue(authority, profile).certificate
    builder = PolicyBuilder().store(Store([authority.certificate]))

    builder.time(NOW).build_client_verifier().verify(leaf, [])
    with pytest.raises(VerificationError):
        builder.time(NOW + timedelta(days=91)).build_client_verifier().verify(leaf, [])


def test_an_independent_verifier_accepts_the_server_by_name_and_not_as_a_client(
    authority: CertificateAuthority,
) -> None:
    leaf = _issue(authority, Profile.GATEWAY_SERVER).certificate
    builder = PolicyBuilder().store(Store([authority.certificate])).time(NOW)

    builder.build_server_verifier(x509.DNSName("localhost")).verify(leaf, [])
    with pytest.raises(VerificationError):
        builder.build_server_verifier(x509.DNSName("elsewhere.example")).verify(leaf, [])
    with pytest.raises(VerificationError):
        builder.build_client_verifier().verify(leaf, [])


def test_another_authority_of_the_same_name_is_not_accepted(
    authority: CertificateAuthority,
) -> None:
    impostor = new_authority("test CA", not_before=NOW, not_after=NOW + YEAR)
    leaf = _issue(impostor, Profile.VENDOR_CLIENT).certificate
    verifier = PolicyBuilder().store(Store([authority.certificate])).time(NOW)

    with pytest.raises(VerificationError):
        verifier.build_client_verifier().verify(leaf, [])


def test_an_authority_may_not_sign_further_authorities(authority: CertificateAuthority) -> None:
    extensions = authority.certificate.extensions
    constraints = extensions.get_extension_for_class(x509.BasicConstraints)

    assert constraints.critical
    assert constraints.value == x509.BasicConstraints(ca=True, path_length=0)


def test_serial_numbers_are_random_and_the_key_fits_its_certificate(
    authority: CertificateAuthority,
) -> None:
    first, second = (_issue(authority, Profile.VENDOR_CLIENT) for _ in range(2))
    key = load_pem_private_key(first.private_key_pem, password=None)

    assert first.certificate.serial_number != second.certificate.serial_number
    assert key.public_key() == first.certificate.public_key()
    assert key.public_key() != second.certificate.public_key()


def test_printing_an_issued_certificate_or_an_authority_shows_no_key(
    authority: CertificateAuthority,
) -> None:
    issued = _issue(authority, Profile.VENDOR_CLIENT)

    assert "PRIVATE" not in repr(issued)
    assert repr(authority) == "CertificateAuthority(CN=test CA,O=Casegate)"
