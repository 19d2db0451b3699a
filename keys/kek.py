"""The key-encryption key: wraps the random key of each case, behind one Protocol."""

import base64
import binascii
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256, Hash

from keys.errors import EnvelopeError, KeyFileError
from keys.secret import Secret, read_private_file

_KEY_BYTES = 32
_NONCE_BYTES = 12


class KeyEncryptionKey(Protocol):
    """Wraps and unwraps data keys. A PKCS#11 token or a cloud KMS fits behind it.

    Both calls may block on a device; they are safe to call from several threads.
    """

    @property
    def kek_id(self) -> str:
        """Names the key; stored beside each wrapped key so that keys can rotate."""
        ...

    def wrap(self, data_key: bytes) -> bytes:
        """Encrypts a 32-byte data key."""
        ...

    def unwrap(self, wrapped: bytes) -> bytes:
        """Decrypts a wrapped data key.

        Raises:
            EnvelopeError: another key wrapped it, or it was altered.
        """
        ...


class LocalKeyEncryptionKey:
    """AES-256-GCM wrapping (NIST SP 800-38D) with a key held by this process."""

    def __init__(self, key: Secret) -> None:
        material = key.reveal()
        if len(material) != _KEY_BYTES:
            raise KeyFileError(f"a key-encryption key has 32 bytes, this one {len(material)}")
        digest = Hash(SHA256())
        digest.update(b"casegate kek id\x00" + material)
        self._kek_id = digest.finalize()[:8].hex()
        self._cipher = AESGCM(material)
        self._associated = self._kek_id.encode()

    @property
    def kek_id(self) -> str:
        """Eight bytes of a hash of the key, in hex."""
        return self._kek_id

    def wrap(self, data_key: bytes) -> bytes:
        """Returns nonce (12) || ciphertext (32) || tag (16)."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, data_key, self._associated)

    def unwrap(self, wrapped: bytes) -> bytes:
        """Opens what `wrap` made.

        Raises:
            EnvelopeError: another key wrapped it, or it was altered.
        """
        try:
            return self._cipher.decrypt(
                wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], self._associated
            )
        except (InvalidTag, ValueError) as error:
            raise EnvelopeError("a case key does not unwrap under this key") from error


def read_secret_key(reference: str, directory: Path, environment: Mapping[str, str]) -> Secret:
    """Reads 32 bytes, written as base64, from `file:PATH` or `env:NAME`.

    A relative path starts at `directory`.

    Raises:
        KeyFileError: the reference is malformed, or what it names is not a 32-byte key.
    """
    kind, _, name = reference.partition(":")
    if kind == "file" and name:
        text = read_private_file(directory / name).reveal()
    elif kind == "env" and name:
        text = environment.get(name, "").encode()
        if not text:
            raise KeyFileError(f"the environment variable {name} holds no key")
    else:
        raise KeyFileError("a key reference is written file:PATH or env:NAME")
    try:
        material = base64.b64decode(text.strip(), validate=True)
    except binascii.Error as error:
        raise KeyFileError(f"the key of {kind}:{name} is not base64") from error
    if len(material) != _KEY_BYTES:
        raise KeyFileError(f"the key of {kind}:{name} has {len(material)} bytes, not 32")
    return Secret(material)


def new_secret_key() -> bytes:
    """Returns a fresh 32-byte key as a line of base64, ready to be written to a file."""
    return base64.b64encode(os.urandom(_KEY_BYTES)) + b"\n"
