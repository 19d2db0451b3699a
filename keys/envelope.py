"""Envelope encryption: one random AES-256-GCM key a case, wrapped by the key-encryption key.

Destroying a case's wrapped key erases the case in every backup that holds only the ciphertext.
"""

import os
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from keys.errors import EnvelopeError
from keys.kek import KeyEncryptionKey

# A data key encrypts exactly one message, so a fixed nonce never meets the same key twice
# (NIST SP 800-38D, 8.2.1); re-sealing a changed case takes a new data key.
_NONCE = bytes(12)


@dataclass(frozen=True, slots=True)
class Sealed:
    """A value at rest: its wrapped key (60 bytes), the wrapping key's name, the ciphertext."""

    kek_id: str
    wrapped_key: bytes
    ciphertext: bytes


def seal(plaintext: bytes, kek: KeyEncryptionKey, *, context: bytes) -> Sealed:
    """Encrypts under a new random key; `context` (the case id) is authenticated with it."""
    data_key = os.urandom(32)
    return Sealed(
        kek_id=kek.kek_id,
        wrapped_key=kek.wrap(data_key),
        ciphertext=AESGCM(data_key).encrypt(_NONCE, plaintext, context),
    )


def open_sealed(
    ciphertext: bytes, wrapped_key: bytes, kek: KeyEncryptionKey, *, context: bytes
) -> bytes:
    """Returns the plaintext.

    Raises:
        EnvelopeError: wrong key, wrong context (a row moved to another case), or altered bytes.
    """
    try:
        return AESGCM(kek.unwrap(wrapped_key)).decrypt(_NONCE, ciphertext, context)
    except InvalidTag as error:
        raise EnvelopeError("a sealed value does not open") from error
