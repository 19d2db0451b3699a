from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import ExtendedKeyUsageOID

from gateway.clock import SystemClock
from gateway.errors import ProxyRefusedError
from gateway.identity.chain import ClientChain
from keys.authority import CertificateAuthority, RevocationPoints, new_authority
from keys.profiles import Profile

NOW = SystemClock().now()
DAY = timedelta(days=1)
HOST = "casegate.example"
ROOT = new_authority("Root", not_before=NOW - 9 * DAY, not_after=NOW + 900 * DAY, path_length=1)


def issuer_of(root: CertificateAuthority, host: str, *, days: int = 90) -> CertificateAuthority:
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = root.new_issuer(
        f"Issuer for {host}",
        public_key=key.public_key(),
        uri_host=host,
        not_before=NOW - 5 * DAY,
        not_after=NOW + days * DAY,
    )
    points = RevocationPoints("https://casegate.example/crl", "https://casegate.example/ocsp")
    return CertificateAuthority(certificate, key, points)


ISSUER = issuer_of(ROOT, HOST)


def leaf_of(
    issuer: CertificateAuthority,
    *,
    uri: str = f"https://{HOST}/vendor/alpha",
    profile: Profile = Profile.VENDOR_CLIENT,
    begin: int = -1,
    end: int = 30,
) -> x509.Certificate:
    return issuer.issue(
        profile,
        common_name="vendor alpha",
        not_before=NOW + begin * DAY,
        not_after=NOW + end * DAY,
        uris=[uri],
    ).certificate


def reason_of(
    chain: ClientChain, leaf: x509.Certificate, offered: tuple[x509.Certificate, ...] = ()
) -> str:
    with pytest.raises(ProxyRefusedError) as refused:
        chain.verify(leaf, offered, NOW)
    assert refused.value.code == "PROXY_CERTIFICATE_REFUSED"
    return refused.value.reason


def test_a_path_is_found_with_the_issuer_from_the_bundle_or_from_the_request() -> None:
    leaf = leaf_of(ISSUER)
    complete = ClientChain([ISSUER.certificate, ROOT.certificate], max_issuers=3)
    bare = ClientChain([ROOT.certificate], max_issuers=3)

    assert complete.verify(leaf, (), NOW) == leaf.not_valid_after_utc
    assert bare.verify(leaf, [ISSUER.certificate], NOW) == leaf.not_valid_after_utc
    assert reason_of(bare, leaf) == "chain"


def test_the_answer_stands_until_the_first_certificate_of_the_path_ends() -> None:
    short = issuer_of(ROOT, HOST, days=10)
    leaf = leaf_of(short, end=10)
    ending = ClientChain([short.certificate, ROOT.certificate], max_issuers=3)

    assert ending.verify(leaf, (), NOW) == short.certificate.not_valid_after_utc


@pytest.mark.parametrize(
    "uri",
    [
        "https://elsewhere.example/vendor/alpha",
        f"https://sub.{HOST}/vendor/alpha",
        f"https://{HOST}.evil.example/vendor/alpha",
        f"https://{HOST}@evil.example/vendor/alpha",
        "urn:casegate:vendor:alpha",
    ],
)
def test_a_name_outside_the_issuers_constraints_is_refused(uri: str) -> None:
    chain = ClientChain([ISSUER.certificate, ROOT.certificate], max_issuers=3)

    assert reason_of(chain, leaf_of(ISSUER, uri=uri)) == "chain"


def test_time_and_purpose_are_checked() -> None:
    chain = ClientChain([ISSUER.certificate, ROOT.certificate], max_issuers=3)
    server = ROOT.issue(
        Profile.GATEWAY_SERVER,
        common_name="localhost",
        not_before=NOW - DAY,
        not_after=NOW + DAY,
        dns_names=["localhost"],
    ).certificate

    assert reason_of(chain, leaf_of(ISSUER, begin=-3, end=-1)) == "time"
    assert reason_of(chain, leaf_of(ISSUER, begin=2)) == "time"
    assert reason_of(chain, server) == "purpose"
    assert reason_of(chain, ISSUER.certificate) == "purpose"


def test_a_leaf_cannot_issue_and_an_issuer_cannot_make_another() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    signed = ROOT.certify(
        Profile.VENDOR_CLIENT,
        key.public_key(),
        common_name="vendor alpha",
        names=[x509.UniformResourceIdentifier(f"https://{HOST}/vendor/alpha")],
        not_before=NOW - DAY,
        not_after=NOW + 30 * DAY,
    )
    as_authority = leaf_of(_pretender(signed, key))
    below = issuer_of(ISSUER, HOST)
    chain = ClientChain([ISSUER.certificate, ROOT.certificate], max_issuers=4)

    assert reason_of(chain, as_authority, (signed,)) == "chain"
    assert reason_of(chain, leaf_of(below), (below.certificate,)) == "chain"


def _pretender(
    certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey
) -> CertificateAuthority:
    """A client certificate used as if it were an authority's."""
    with_key_id = (
        x509.CertificateBuilder()
        .subject_name(certificate.subject)
        .issuer_name(certificate.subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW - 2 * DAY)
        .not_valid_after(NOW + 60 * DAY)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, SHA256())
    )
    return CertificateAuthority(with_key_id, key)


def test_a_path_is_not_longer_than_allowed() -> None:
    leaf = leaf_of(ISSUER)

    assert (
        reason_of(ClientChain([ISSUER.certificate, ROOT.certificate], max_issuers=1), leaf)
        == "chain"
    )


def test_an_authority_of_the_same_name_with_another_key_vouches_for_nothing() -> None:
    other = new_authority(
        "Root", not_before=NOW - 9 * DAY, not_after=NOW + 900 * DAY, path_length=1
    )
    chain = ClientChain([other.certificate], max_issuers=3)

    assert reason_of(chain, leaf_of(ISSUER), (ISSUER.certificate, ROOT.certificate)) == "chain"


def test_an_unknown_critical_extension_is_refused() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00")
    leaf = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(ISSUER.certificate.subject)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(NOW - DAY)
        .not_valid_after(NOW + DAY)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(unknown, critical=True)
        .sign(ISSUER.key, SHA256())
    )

    chain = ClientChain([ISSUER.certificate, ROOT.certificate], max_issuers=3)

    assert reason_of(chain, leaf) == "purpose"
