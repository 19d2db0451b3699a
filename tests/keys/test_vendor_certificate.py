from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from keys.authority import new_authority
from keys.errors import CertificateError
from keys.profiles import Profile
from keys.vendor_certificate import VendorSubject, certify_vendor, staff_uri
from tests.keys.outside import certificate_findings, verdict
from tests.keys.trials import ALPHA, DAY, HOST, NOW, URL, Trial

KEY = ec.generate_private_key(ec.SECP256R1()).public_key()


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Trial:
    return Trial.make(tmp_path_factory.mktemp("hierarchy"))


def test_the_names_of_a_vendor_come_from_the_record(trial: Trial) -> None:
    certificate = trial.vendor()

    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert list(names) == [
        x509.UniformResourceIdentifier(
            "https://casegate.example/vendor/alpha/contract/alpha-2026/credential/9f2c1d"
        )
    ]
    common = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    assert [name.value for name in common] == ["vendor alpha 9f2c1d"]


def test_a_certificate_says_where_its_revocation_is_told(trial: Trial) -> None:
    extensions = trial.vendor().extensions
    points = extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    access = extensions.get_extension_for_class(x509.AuthorityInformationAccess).value

    assert points[0].full_name == [
        x509.UniformResourceIdentifier(f"{URL}/crl/{trial.issuer.issuer_id.hex()}.crl")
    ]
    assert [one.access_location.value for one in access] == [f"{URL}/ocsp"]


def test_odd_ids_cannot_leave_their_place_in_the_uri() -> None:
    subject = VendorSubject("a/b", "c?d#e", "f@g")

    assert subject.uri(HOST) == (
        "https://casegate.example/vendor/a%2Fb/contract/c%3Fd%23e/credential/f%40g"
    )


@settings(max_examples=60, deadline=None)
@given(
    contract=st.timedeltas(min_value=timedelta(seconds=1), max_value=timedelta(days=2000)),
    begins=st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=1000)),
)
def test_a_life_is_never_longer_than_90_days_nor_past_contract_or_issuer(
    trial: Trial, contract: timedelta, begins: timedelta
) -> None:
    at = NOW + begins
    contract_ends = at + contract

    certificate = certify_vendor(
        trial.issuer, KEY, ALPHA, trust_host=HOST, at=at, contract_ends=contract_ends
    )

    ends = certificate.not_valid_after_utc
    assert ends <= contract_ends
    assert ends <= at + 90 * DAY
    assert ends <= trial.issuer.certificate.not_valid_after_utc
    assert certificate.not_valid_before_utc >= at.replace(microsecond=0) - timedelta(minutes=5)


@pytest.mark.parametrize("over", [timedelta(0), timedelta(seconds=1), timedelta(days=400)])
def test_nothing_is_issued_after_the_contract(trial: Trial, over: timedelta) -> None:
    with pytest.raises(CertificateError, match="end after it begins"):
        trial.vendor(NOW, NOW - over)


@pytest.mark.parametrize(
    "key",
    [
        ec.generate_private_key(ec.SECP384R1()).public_key(),
        rsa.generate_private_key(65537, 3072).public_key(),
        ed25519.Ed25519PrivateKey.generate().public_key(),
    ],
    ids=["P-384", "RSA-3072", "Ed25519"],
)
def test_keys_of_every_kind_that_is_taken_pass_openssl_and_pkilint(
    trial: Trial,
    tmp_path: Path,
    key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey,
) -> None:
    leaf = certify_vendor(
        trial.issuer, key, ALPHA, trust_host=HOST, at=NOW, contract_ends=NOW + DAY
    )

    assert certificate_findings(tmp_path, leaf) == ""
    assert verdict(tmp_path, leaf, trusted=trial.trusted, at=NOW) == "OK"


@pytest.mark.parametrize("profile", list(Profile))
def test_every_profile_passes_pkilint_and_openssl_strictly(
    trial: Trial, tmp_path: Path, profile: Profile
) -> None:
    other = new_authority("Casegate staff", not_before=NOW, not_after=NOW + 3650 * DAY)
    issuer, trusted = trial.issuer, trial.trusted
    if profile in {Profile.STAFF_CLIENT, Profile.GATEWAY_SERVER}:
        issuer, trusted = other, [other.certificate]
    uris = {
        Profile.VENDOR_CLIENT: [ALPHA.uri(HOST)],
        Profile.STAFF_CLIENT: [staff_uri(HOST, "auditor", "qian")],
    }
    is_server = profile is Profile.GATEWAY_SERVER
    leaf = issuer.issue(
        profile,
        common_name="a name with spaces",
        not_before=NOW,
        not_after=NOW + DAY,
        uris=uris.get(profile, []),
        dns_names=["gateway.casegate.example"] if is_server else [],
        addresses=["127.0.0.1", "::1"] if is_server else [],
    ).certificate
    purpose = {
        Profile.GATEWAY_SERVER: "sslserver",
        Profile.OCSP_SIGNER: "ocsphelper",
    }.get(profile, "sslclient")

    assert certificate_findings(tmp_path, leaf) == ""
    assert verdict(tmp_path, leaf, trusted=trusted, at=NOW, purpose=purpose) == "OK"


def test_the_authorities_pass_pkilint(trial: Trial, tmp_path: Path) -> None:
    assert [certificate_findings(tmp_path, one) for one in trial.trusted] == ["", ""]


def test_pkilint_is_not_blind(trial: Trial, tmp_path: Path) -> None:
    leaf = trial.issuer.issue(
        Profile.VENDOR_CLIENT,
        common_name="x",
        not_before=NOW,
        not_after=NOW + DAY,
        uris=["no scheme at all"],
    ).certificate

    assert certificate_findings(tmp_path, leaf) != ""
