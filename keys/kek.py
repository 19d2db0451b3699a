"""The key-encryption key: wraps the random key of each case, behind one Protocol."""

import base64
import binascii
import contextlib
import os
from collections.abc import Iterable, Mapping
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

    def unwrap(self, wrapped: bytes, kek_id: str | None = None) -> bytes:
        """Decrypts a wrapped data key; `kek_id` says which key wrapped it, where that is known.

        Raises:
            EnvelopeError: another key wrapped it, or it was altered.
        """
        ...


class LocalKeyEncryptionKey:
    """AES-256-GCM wrapping (NIST SP 800-38D) with a key held by this process."""

    def __init__(self, key: Secret) -> None:
        if len(key) != _KEY_BYTES:
            raise KeyFileError(f"a key-encryption key has 32 bytes, this one {len(key)}")
        digest = Hash(SHA256())
        digest.update(b"casegate kek id\x00" + key.reveal())
        self._kek_id = digest.finalize()[:8].hex()
        self._cipher = AESGCM(key.reveal())
        self._associated = self._kek_id.encode()

    @property
    def kek_id(self) -> str:
        """Eight bytes of a hash of the key, in hex."""
        return self._kek_id

    def wrap(self, data_key: bytes) -> bytes:
        """Returns nonce (12) || ciphertext (32) || tag (16)."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, data_key, self._associated)

    def unwrap(self, wrapped: bytes, kek_id: str | None = None) -> bytes:
        """Opens what `wrap` made.

        Raises:
            EnvelopeError: another key wrapped it, or it was altered.
        """
        if kek_id is not None and kek_id != self._kek_id:
            raise EnvelopeError("a case key is wrapped by a key that is not loaded")
        try:
            return self._cipher.decrypt(
                wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], self._associated
            )
        except (InvalidTag, ValueError) as error:
            raise EnvelopeError("a case key does not unwrap under this key") from error


class KeyRing:
    """Several key-encryption keys as one: the first wraps, each unwraps what it wrapped."""

    def __init__(self, keys: Iterable[KeyEncryptionKey]) -> None:
        self.use(keys)

    def use(self, keys: Iterable[KeyEncryptionKey]) -> None:
        """Goes on with other keys, the one that wraps first; calls under way keep the old ones.

        Raises:
            KeyFileError: there is none.
        """
        known: dict[str, KeyEncryptionKey] = {}
        for key in keys:
            known.setdefault(key.kek_id, key)
        if not known:
            raise KeyFileError("a ring needs a key-encryption key")
        self._known = known

    @property
    def kek_id(self) -> str:
        """Names the key that wraps."""
        return next(iter(self._known))

    @property
    def kek_ids(self) -> tuple[str, ...]:
        """Names all keys, the one that wraps first."""
        return tuple(self._known)

    def wrap(self, data_key: bytes) -> bytes:
        """See KeyEncryptionKey."""
        known = self._known
        return known[next(iter(known))].wrap(data_key)

    def unwrap(self, wrapped: bytes, kek_id: str | None = None) -> bytes:
        """See KeyEncryptionKey; without `kek_id` each key is tried."""
        known = self._known
        if kek_id is not None:
            if kek_id not in known:
                raise EnvelopeError("a case key is wrapped by a key that is not loaded")
            return known[kek_id].unwrap(wrapped, kek_id)
        for key in known.values():
            with contextlib.suppress(EnvelopeError):
                return key.unwrap(wrapped)
        raise EnvelopeError("a case key does not unwrap under any key of the ring")


def read_secret_key(reference: str, directory: Path, environment: Mapping[str, str]) -> Secret:
    """Reads 32 bytes, written as base64, from `file:PATH` or `env:NAME`.

    A relative path starts at `directory`.

    Raises:
        KeyFileError: the reference is malformed, or what it names is not a 32-byte key.
    """
    kind, _, name = reference.partition(":")
    if kind == "file" and name:
        text = read_private_file(directory / name)
    elif kind == "env" and name:
        text = Secret(environment.get(name, "").encode())
        if not text:
            raise KeyFileError(f"the environment variable {name} holds no key")
    else:
        raise KeyFileError("a key reference is written file:PATH or env:NAME")
    # No frame between here and the caller names a raw value: a traceback may print its locals.
    key = _decoded(text)
    if key is None:
        raise KeyFileError(f"the key of {kind}:{name} is not base64")
    if len(key) != _KEY_BYTES:
        raise KeyFileError(f"the key of {kind}:{name} has {len(key)} bytes, not 32")
    return key


def _decoded(text: Secret) -> Secret | None:
    try:
        return Secret(base64.b64decode(text.reveal().strip(), validate=True))
    except binascii.Error:
        return None  # the error's own traceback holds the text


def new_secret_key() -> bytes:
    """Returns a fresh 32-byte key as a line of base64, ready to be written to a file."""
    return base64.b64encode(os.urandom(_KEY_BYTES)) + b"\n"
