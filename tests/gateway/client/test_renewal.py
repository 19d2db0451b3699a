import base64
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs7,
)
from cryptography.x509.oid import NameOID
from typing_extensions import override

from gateway.client.configuration import ClientSettings
from gateway.client.connection import Answer, Connection
from gateway.client.errors import SetupError, UnreachableError
from gateway.client.renewal import finish_renewal, renew, standing

NOW = datetime(2026, 5, 1, tzinfo=UTC)


class Issuer:
    """Signs whatever key it is shown."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = self.issue(self.key.public_key(), "issuer", 1)

    def issue(self, key: ec.EllipticCurvePublicKey, name: str, serial: int) -> x509.Certificate:
        named = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = x509.CertificateBuilder().subject_name(named).issuer_name(named)
        builder = builder.public_key(key).serial_number(serial).not_valid_before(NOW)
        return builder.not_valid_after(NOW + timedelta(days=90)).sign(self.key, SHA256())


class Gateway(Connection):
    """Answers a renewal: pending so often, then with a certificate for `key` or the one asked."""

    def __init__(self, settings: ClientSettings, issuer: Issuer, *, pending: int = 0) -> None:
        super().__init__(settings)
        self.issuer, self.pending = issuer, pending
        self.key: ec.EllipticCurvePublicKey | None = None
        self.asked: list[bytes] = []

    @override
    def ask(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        is_repeatable: bool = True,
        with_token: bool = True,
    ) -> Answer:
        assert (method, path, with_token) == ("POST", "/.well-known/est/simplereenroll", False)
        assert body is not None
        request = x509.load_der_x509_csr(base64.b64decode(body))
        assert request.is_signature_valid
        self.asked.append(body)
        if len(self.asked) <= self.pending:
            return Answer(202, {}, b"")
        key = request.public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        issued = self.issuer.issue(self.key or key, "alpha", 7)
        der = pkcs7.serialize_certificates([issued], Encoding.DER)
        return Answer(200, {}, base64.encodebytes(der))


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture
def settings(issuer: Issuer, tmp_path: Path) -> ClientSettings:
    key = ec.generate_private_key(ec.SECP256R1())
    own = issuer.issue(key.public_key(), "alpha", 3)
    chain = own.public_bytes(Encoding.PEM) + issuer.certificate.public_bytes(Encoding.PEM)
    (tmp_path / "client.pem").write_bytes(chain)
    (tmp_path / "client.key").write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    (tmp_path / "ca.pem").write_bytes(issuer.certificate.public_bytes(Encoding.PEM))
    ca, certificate, own_key = (tmp_path / name for name in ("ca.pem", "client.pem", "client.key"))
    return ClientSettings("localhost", 1, ca, certificate, own_key)


def _no_pause(_seconds: float) -> None:
    return None


def test_key_and_certificate_change_together_and_the_chain_stays(
    settings: ClientSettings, issuer: Issuer
) -> None:
    assert standing(settings).serial == "3"

    found = renew(Gateway(settings, issuer), pause=_no_pause)

    assert (found.serial, found.days_left(NOW)) == ("7", 90)
    chain = x509.load_pem_x509_certificates(settings.certificate.read_bytes())
    assert chain[1] == issuer.certificate
    settings.tls()
    assert settings.key.stat().st_mode & 0o077 == 0
    names = {path.name for path in settings.key.parent.iterdir()}
    assert names == {"ca.pem", "client.pem", "client.key"}


def test_while_it_is_pending_the_same_key_is_asked_for_and_also_by_the_next_run(
    settings: ClientSettings, issuer: Issuer
) -> None:
    gateway = Gateway(settings, issuer, pending=7)

    with pytest.raises(UnreachableError, match="run the renewal again"):
        renew(gateway, pause=_no_pause)
    settings.tls()  # the present pair is as it was
    renew(gateway, pause=_no_pause)

    keys = {_spki(body) for body in gateway.asked}
    assert len(keys) == 1


def _spki(body: bytes) -> bytes:
    request = x509.load_der_x509_csr(base64.b64decode(body))
    key = request.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    return key.public_numbers().x.to_bytes(32, "big")


def test_a_certificate_for_another_key_is_not_taken(
    settings: ClientSettings, issuer: Issuer
) -> None:
    gateway = Gateway(settings, issuer)
    gateway.key = ec.generate_private_key(ec.SECP256R1()).public_key()

    with pytest.raises(SetupError, match="not for the key"):
        renew(gateway, pause=_no_pause)
    assert standing(settings).serial == "3"
    settings.tls()


def test_a_renewal_that_was_killed_between_its_renames_is_finished_at_the_next_start(
    settings: ClientSettings, issuer: Issuer
) -> None:
    renew(Gateway(settings, issuer), pause=_no_pause)
    ready = settings.certificate.read_bytes()
    settings.certificate.with_name("client.pem.next").write_bytes(ready)
    settings.certificate.write_bytes(b"the old one")

    finish_renewal(settings)

    assert settings.certificate.read_bytes() == ready
    settings.tls()
