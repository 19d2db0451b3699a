import copy
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256, Hash
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509 import ReasonFlags, load_der_x509_crl

from keys.crl import RevokedCertificate, build_crl, verify_crl
from keys.device_key import DeviceKey
from keys.errors import DeviceError
from keys.hierarchy import HierarchyFiles, make_issuer, make_root, revocation_points
from keys.issuing_key import join_authority
from keys.secret import Secret
from tests.keys.outside import certificate_findings, crl_findings, verdict
from tests.keys.softhsm import MODULE, PIN, soft_device
from tests.keys.trials import DAY, HOST, NOW, ROOT_PASSPHRASE, URL, Trial

ECDSA = ec.ECDSA(SHA256())

pytestmark = pytest.mark.skipif(
    MODULE is None, reason="SoftHSM is not installed: apt-get install softhsm2"
)


@pytest.fixture(scope="module")
def module() -> Path:
    return soft_device().module


@pytest.fixture
def key(module: Path) -> Iterator[DeviceKey]:
    key = DeviceKey(module, token="casegate", label="issuing", pin=PIN)
    yield key
    key.close()


@pytest.fixture
def trial(key: DeviceKey, tmp_path: Path) -> Trial:
    """A hierarchy whose issuing key is in the device."""
    files = HierarchyFiles(tmp_path / "hierarchy")
    root = make_root(files, passphrase=ROOT_PASSPHRASE, at=NOW)
    made = make_issuer(files, root, host=HOST, public_url=URL, key=key.public_key(), at=NOW)
    points = revocation_points(URL, root.issuer_id)
    return Trial(files, root, join_authority(made, key, points))


def test_a_signature_of_the_device_verifies(key: DeviceKey) -> None:
    for data in (b"", b"data", b"x" * 100_000):
        key.public_key().verify(key.sign(data, ECDSA), data, ECDSA)
    state = Hash(SHA256())
    state.update(b"data")
    ready = key.sign(state.finalize(), ec.ECDSA(Prehashed(SHA256())))
    key.public_key().verify(ready, b"data", ECDSA)


def test_certificates_signed_in_the_device_pass_openssl_and_pkilint(
    trial: Trial, tmp_path: Path
) -> None:
    leaf = trial.vendor()

    assert verdict(tmp_path, leaf, trusted=trial.trusted, at=NOW, purpose="sslclient") == "OK"
    assert certificate_findings(tmp_path, leaf) == ""


def test_lists_signed_in_the_device_pass_openssl_and_pkilint(trial: Trial, tmp_path: Path) -> None:
    leaf = trial.vendor()
    entry = RevokedCertificate(leaf.serial_number, NOW, ReasonFlags.key_compromise)
    crl = build_crl(trial.issuer, [entry], number=1, this_update=NOW, next_update=NOW + DAY)
    root = load_der_x509_crl(trial.files.root_crl.read_bytes())

    verify_crl(crl, trial.issuer.certificate, NOW)
    assert crl_findings(tmp_path, crl, "CRL") == ""
    found = verdict(tmp_path, leaf, trusted=trial.trusted, at=NOW, crls=[crl, root])
    assert "revoked" in found


def test_threads_share_the_key(key: DeviceKey) -> None:
    messages = [str(number).encode() for number in range(200)]

    with ThreadPoolExecutor(8) as pool:
        signatures = list(pool.map(lambda data: key.sign(data, ECDSA), messages))

    for data, signature in zip(messages, signatures, strict=True):
        key.public_key().verify(signature, data, ECDSA)


def test_sessions_lost_in_the_middle_cost_no_signature(key: DeviceKey) -> None:
    def sign(number: int) -> bytes:
        if number % 7 == 0:
            key.close()
        return key.sign(str(number).encode(), ECDSA)

    with ThreadPoolExecutor(8) as pool:
        signatures = list(pool.map(sign, range(300)))

    for number, signature in enumerate(signatures):
        key.public_key().verify(signature, str(number).encode(), ECDSA)


def test_a_lost_session_is_opened_anew(key: DeviceKey) -> None:
    key.sign(b"before", ECDSA)
    key._session.close()

    key.public_key().verify(key.sign(b"after", ECDSA), b"after", ECDSA)

    key.close()
    key.public_key().verify(key.sign(b"closed", ECDSA), b"closed", ECDSA)


def test_a_device_that_stays_away_is_told_and_works_again_when_it_is_back(
    key: DeviceKey,
) -> None:
    right, key._token = key._token, "elsewhere"
    key.close()

    with pytest.raises(DeviceError, match="elsewhere cannot be used"):
        key.sign(b"data", ECDSA)

    key._token = right
    key.public_key().verify(key.sign(b"data", ECDSA), b"data", ECDSA)


def test_two_keys_of_one_token_live_beside_each_other(module: Path, key: DeviceKey) -> None:
    other = DeviceKey(module, token="casegate", label="next", pin=PIN)

    assert other.public_key() != key.public_key()
    other.public_key().verify(other.sign(b"data", ECDSA), b"data", ECDSA)
    other.close()
    key.public_key().verify(key.sign(b"data", ECDSA), b"data", ECDSA)


@pytest.mark.parametrize(
    ("token", "label", "pin"),
    [
        ("elsewhere", "issuing", PIN),
        ("casegate", "absent", PIN),
        ("casegate", "issuing", Secret(b"000000")),
    ],
    ids=["token", "key", "PIN"],
)
def test_what_the_device_does_not_have_is_refused(
    module: Path, token: str, label: str, pin: Secret
) -> None:
    with pytest.raises(DeviceError) as caught:
        DeviceKey(module, token=token, label=label, pin=pin)

    assert pin.reveal().decode() not in str(caught.value)


def test_a_module_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DeviceError):
        DeviceKey(tmp_path / "absent.so", token="casegate", label="issuing", pin=PIN)


def test_the_key_does_nothing_but_sign(key: DeviceKey) -> None:
    other = ec.generate_private_key(ec.SECP256R1()).public_key()

    with pytest.raises(DeviceError):
        key.private_numbers()
    with pytest.raises(DeviceError):
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(DeviceError):
        key.exchange(ec.ECDH(), other)
    with pytest.raises(UnsupportedAlgorithm):
        key.sign(b"data", object())  # type: ignore[arg-type]
    assert copy.copy(key) is copy.deepcopy(key) is key
    assert (key.key_size, key.curve.name) == (256, "secp256r1")
    assert repr(key) == "DeviceKey(casegate/issuing)"
