from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from keys.authority import new_authority
from keys.errors import CertificateError, KeyFileError
from keys.issuing_key import (
    join_authority,
    load_certificates,
    load_issuing_key,
    read_passphrase,
)
from keys.profiles import Profile
from keys.secret import Secret, write_private_file
from tests.keys.trials import DAY, NOW

PASSPHRASE = Secret(b"correct horse battery")
KEY = ec.generate_private_key(ec.SECP256R1())
ENCRYPTION = BestAvailableEncryption(PASSPHRASE.reveal())


def _pkcs8(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey = KEY) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, ENCRYPTION)


def test_an_encrypted_key_opens_with_its_passphrase(tmp_path: Path) -> None:
    write_private_file(tmp_path / "issuing.key", _pkcs8())

    key = load_issuing_key(tmp_path / "issuing.key", PASSPHRASE)

    assert key.public_key() == KEY.public_key()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), "not encrypted"),
        (_pkcs8(ed25519.Ed25519PrivateKey.generate()), "not an elliptic-curve key"),
        (_pkcs8(ec.generate_private_key(ec.SECP192R1())), "at least 256 bits"),
        (b"-----BEGIN %b-----\nAAAA\n" % b"ENCRYPTED PRIVATE KEY", "does not open"),
        (b"nothing", "does not open"),
    ],
)
def test_a_key_that_is_not_fit_is_refused(tmp_path: Path, content: bytes, why: str) -> None:
    write_private_file(tmp_path / "issuing.key", content)

    with pytest.raises(KeyFileError, match=why) as caught:
        load_issuing_key(tmp_path / "issuing.key", PASSPHRASE)
    assert "horse" not in str(caught.value)


def test_another_passphrase_and_open_permissions_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "issuing.key"
    write_private_file(path, _pkcs8())

    with pytest.raises(KeyFileError, match="another passphrase"):
        load_issuing_key(path, Secret(b"wrong"))
    path.chmod(0o640)
    with pytest.raises(KeyFileError, match="chmod 600"):
        load_issuing_key(path, PASSPHRASE)


def test_a_passphrase_is_the_first_line_of_a_file_or_a_variable(tmp_path: Path) -> None:
    write_private_file(tmp_path / "phrase", b"first line \r\nsecond")

    assert read_passphrase("file:phrase", tmp_path, {}).reveal() == b"first line "
    assert read_passphrase("env:PHRASE", tmp_path, {"PHRASE": "of it"}).reveal() == b"of it"


@pytest.mark.parametrize(
    "reference", ["", "file:", "env:", "env:ABSENT", "plain words", "vault:x"]
)
def test_a_reference_to_nothing_is_refused(tmp_path: Path, reference: str) -> None:
    with pytest.raises(KeyFileError):
        read_passphrase(reference, tmp_path, {})


def test_an_empty_passphrase_is_refused(tmp_path: Path) -> None:
    write_private_file(tmp_path / "phrase", b"\nnot this one")

    with pytest.raises(KeyFileError, match="empty line"):
        read_passphrase("file:phrase", tmp_path, {})


def test_an_authority_has_its_own_key_and_is_one() -> None:
    authority = new_authority("test", not_before=NOW, not_after=NOW + DAY)
    server = authority.issue(
        Profile.GATEWAY_SERVER,
        common_name="x",
        not_before=NOW,
        not_after=NOW + DAY,
        dns_names=["gateway.example"],
    )

    assert join_authority(authority.certificate, authority.key).issuer_id == authority.issuer_id
    with pytest.raises(CertificateError, match="does not belong"):
        join_authority(authority.certificate, KEY)
    with pytest.raises(CertificateError, match="does not belong"):
        join_authority(server.certificate, authority.key)


def test_a_leaf_is_no_authority() -> None:
    authority = new_authority("test", not_before=NOW, not_after=NOW + DAY)
    leaf = authority.certify(
        Profile.OCSP_SIGNER,
        KEY.public_key(),
        common_name="x",
        names=[],
        not_before=NOW,
        not_after=NOW + DAY,
    )

    with pytest.raises(CertificateError, match="not an authority's"):
        join_authority(leaf, KEY)


@pytest.mark.parametrize("content", [None, b"", b"nothing"])
def test_a_file_without_certificates_is_refused(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "ca.pem").write_bytes(content)

    with pytest.raises(CertificateError, match="cannot be read"):
        load_certificates(tmp_path / "ca.pem")
