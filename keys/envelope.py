"""Envelope encryption: one random AES-256-GCM key a case, wrapped by the key-encryption key.

Destroying a case's wrapped key erases the case in every backup that holds only the ciphertext.
"""

import os
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from keys.errors import EnvelopeError
from keys.kek import KeyEncryptionKey

# A data key encrypts one message and one attachment, so no nonce meets the same key twice
# (NIST SP 800-38D, 8.2.1); re-sealing a changed case takes a new data key.
_NONCE = bytes(12)
_ATTACHMENT_NONCE = bytes(11) + b"\x01"


@dataclass(frozen=True, slots=True)
class Sealed:
    """A value at rest: its wrapped key (60 bytes), the wrapping key's name, the ciphertext.

    `attachment` is a second ciphertext under the same key, for what is rarely read.
    """

    kek_id: str
    wrapped_key: bytes
    ciphertext: bytes
    attachment: bytes | None = None


def seal(
    plaintext: bytes,
    kek: KeyEncryptionKey,
    *,
    context: bytes,
    attachment: bytes | None = None,
) -> Sealed:
    """Encrypts under a new random key; `context` (the case id) is authenticated with it."""
    data_key = os.urandom(32)
    cipher = AESGCM(data_key)
    return Sealed(
        kek_id=kek.kek_id,
        wrapped_key=kek.wrap(data_key),
        ciphertext=cipher.encrypt(_NONCE, plaintext, context),
        attachment=(
            None if attachment is None else cipher.encrypt(_ATTACHMENT_NONCE, attachment, context)
        ),
    )


def open_sealed(
    ciphertext: bytes,
    wrapped_key: bytes,
    kek: KeyEncryptionKey,
    *,
    context: bytes,
    kek_id: str | None = None,
) -> bytes:
    """Returns the plaintext; `kek_id` is the wrapping key's name, as it is stored beside.

    Raises:
        EnvelopeError: wrong key, wrong context (a row moved to another case), or altered bytes.
    """
    return _opened(_NONCE, ciphertext, AESGCM(kek.unwrap(wrapped_key, kek_id)), context)


def open_attachment(
    attachment: bytes,
    wrapped_key: bytes,
    kek: KeyEncryptionKey,
    *,
    context: bytes,
    kek_id: str | None = None,
) -> bytes:
    """Returns the attachment's plaintext.

    Raises:
        EnvelopeError: as for open_sealed; neither stands in for the other.
    """
    cipher = AESGCM(kek.unwrap(wrapped_key, kek_id))
    return _opened(_ATTACHMENT_NONCE, attachment, cipher, context)


def rewrap(wrapped_key: bytes, kek: KeyEncryptionKey, *, kek_id: str) -> bytes:
    """Wraps a data key, which `kek_id` wrapped, by the key that wraps now; no value is opened.

    Raises:
        EnvelopeError: no known key unwraps it.
    """
    return kek.wrap(kek.unwrap(wrapped_key, kek_id))


def _opened(nonce: bytes, ciphertext: bytes, cipher: AESGCM, context: bytes) -> bytes:
    try:
        return cipher.decrypt(nonce, ciphertext, context)
    except InvalidTag as error:
        raise EnvelopeError("a sealed value does not open") from error
