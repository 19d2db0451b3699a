import base64
import hashlib
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding

from keys.authority import new_authority
from keys.profiles import Profile
from keys.thumbprint import base64url, certificate_thumbprint, ed25519_jwk, spki_digest

NOW = datetime(2026, 5, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def test_the_thumbprint_of_a_key_is_that_of_rfc_8037_appendix_a_3() -> None:
    x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
    key = Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(x + "="))

    assert ed25519_jwk(key) == {
        "kty": "OKP",
        "crv": "Ed25519",
        "x": x,
        "alg": "EdDSA",
        "use": "sig",
        "kid": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
    }


def test_base64url_has_no_padding_and_the_url_alphabet() -> None:
    assert base64url(b"\xfb\xff\xfe\x00") == "-__-AA"


def test_two_certificates_of_one_key_differ_in_thumbprint_but_not_in_key_digest() -> None:
    authority = new_authority("test", not_before=NOW, not_after=NOW + 10 * DAY)
    issued = [
        authority.issue(
            Profile.VENDOR_CLIENT,
            common_name=name,
            not_before=NOW,
            not_after=NOW + DAY,
            uris=["https://casegate.example/vendor/alpha"],
        )
        for name in ("one", "two")
    ]
    thumbprints = {
        certificate_thumbprint(item.certificate.public_bytes(Encoding.DER)) for item in issued
    }
    keys = {spki_digest(item.certificate) for item in issued}

    assert len(thumbprints) == len(keys) == 2
    assert all(len(value) == hashlib.sha256().digest_size for value in thumbprints | keys)
    assert spki_digest(authority.certificate) == spki_digest(authority.certificate)
