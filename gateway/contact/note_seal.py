"""Seals the notes of special requests, which nobody but the company's staff ever opens."""

import os
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gateway.errors import NotFoundError
from keys.secret import Secret

_NONCE_BYTES = 12
_LABEL = b"casegate/special-request-note/v1"


class NoteSeal:
    """Seals notes under keys of the installation's index key and the case's salt.

    A case's own key changes when the case is imported anew; its salt stays, and goes when the
    person is erased: then no key opens the note, in no backup.
    """

    def __init__(self, index_key: Secret) -> None:
        self._index = index_key

    def seal(self, note: str, salt: bytes, request_id: UUID) -> bytes:
        """Nonce (12 bytes) || AES-256-GCM ciphertext with its tag."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher(salt).encrypt(nonce, note.encode(), request_id.bytes)

    def open(self, sealed: bytes, salt: bytes, request_id: UUID) -> str:
        """The note.

        Raises:
            NotFoundError: it is another request's, or altered.
        """
        nonce, ciphertext = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        try:
            return self._cipher(salt).decrypt(nonce, ciphertext, request_id.bytes).decode()
        except (InvalidTag, ValueError) as error:
            raise NotFoundError("the note of this request does not open") from error

    def _cipher(self, salt: bytes) -> AESGCM:
        kdf = HKDF(algorithm=SHA256(), length=32, salt=salt, info=_LABEL)
        return AESGCM(kdf.derive(self._index.reveal()))
