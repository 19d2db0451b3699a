"""Further values under a case's own key, made after the case was sealed."""

import hashlib
import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from keys.errors import EnvelopeError
from keys.kek import KeyEncryptionKey

_NONCE_BYTES = 12


def seal_supplement(
    plaintext: bytes, wrapped_key: bytes, kek: KeyEncryptionKey, *, kek_id: str, context: bytes
) -> bytes:
    """Returns nonce (12) || AES-256-GCM ciphertext with its tag; `context` is authenticated.

    The key is derived from the case's data key, so that it goes when that goes and no nonce of
    the envelope's fixed two can meet it. Nonces are random: a value may be sealed again.

    Raises:
        EnvelopeError: no known key unwraps the case's key.
    """
    nonce = os.urandom(_NONCE_BYTES)
    cipher = AESGCM(_derived(kek.unwrap(wrapped_key, kek_id)))
    return nonce + cipher.encrypt(nonce, plaintext, context)


def open_supplement(
    sealed: bytes, wrapped_key: bytes, kek: KeyEncryptionKey, *, kek_id: str, context: bytes
) -> bytes:
    """Returns the plaintext.

    Raises:
        EnvelopeError: another case's value, one of an earlier data key, or altered bytes.
    """
    cipher = AESGCM(_derived(kek.unwrap(wrapped_key, kek_id)))
    try:
        return cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], context)
    except (InvalidTag, ValueError) as error:
        raise EnvelopeError("a supplement of a case does not open") from error


def _derived(data_key: bytes) -> bytes:
    # HKDF-Expand (RFC 5869, 2.3) of one block; a data key is random, which makes the extraction
    # before it needless (3.3).
    return hmac.digest(data_key, b"casegate/supplement/v1\x01", hashlib.sha256)
