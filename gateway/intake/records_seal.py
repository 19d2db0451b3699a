"""Seals what comes in as free text, and what of a batch waits, under keys of the installation."""

import hashlib
import hmac
import os
import re
from unicodedata import normalize

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.errors import NotFoundError
from keys.secret import Secret

_NONCE_BYTES = 12
_MAC_BYTES = 16
_SUMMARY = b"casegate/call-summary/v1"
_PART = b"casegate/record-batch-part/v1"
_LIKENESS = b"casegate/call-summary-likeness/v1"
_BETWEEN = re.compile(r"[\s\W_]+")


class RecordSeal:
    """Keys by HKDF-SHA256 (RFC 5869) from the index key and a salt.

    A summary's salt is its case's, and goes when the person is erased: then no key opens it, in
    no backup.
    """

    def __init__(self, index_key: Secret) -> None:
        self._index = index_key
        self._likeness = self._key(b"", _LIKENESS)

    def seal_summary(self, summary: str, salt: bytes, call_id: str) -> bytes:
        """Nonce (12 bytes) || AES-256-GCM ciphertext with its tag."""
        return self._seal(summary.encode(), salt, _SUMMARY, call_id.encode())

    def open_summary(self, sealed: bytes, salt: bytes, call_id: str) -> str:
        """The summary.

        Raises:
            NotFoundError: it is another call's, or altered.
        """
        return self._open(sealed, salt, _SUMMARY, call_id.encode()).decode()

    def seal_part(self, content: bytes, batch: bytes, number: int) -> bytes:
        """A part of a batch that waits, bound to its place."""
        return self._seal(content, batch, _PART, number.to_bytes(4, "big"))

    def open_part(self, sealed: bytes, batch: bytes, number: int) -> bytes:
        """The part.

        Raises:
            NotFoundError: it is not that part, or altered.
        """
        return self._open(sealed, batch, _PART, number.to_bytes(4, "big"))

    def likeness(self, summary: str) -> bytes:
        """16 bytes, the same for summaries that differ in spaces and marks only."""
        plain = _BETWEEN.sub("", normalize("NFKC", summary)).casefold()
        return hmac.digest(self._likeness, plain.encode(), hashlib.sha256)[:_MAC_BYTES]

    def _seal(self, content: bytes, salt: bytes, label: bytes, bound: bytes) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + AESGCM(self._key(salt, label)).encrypt(nonce, content, bound)

    def _open(self, sealed: bytes, salt: bytes, label: bytes, bound: bytes) -> bytes:
        nonce, ciphertext = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        try:
            return AESGCM(self._key(salt, label)).decrypt(nonce, ciphertext, bound)
        except (InvalidTag, ValueError) as error:
            raise NotFoundError("what was sealed does not open") from error

    def _key(self, salt: bytes, label: bytes) -> bytes:
        extracted = hmac.digest(salt or bytes(32), self._index.reveal(), hashlib.sha256)
        return hmac.digest(extracted, label + b"\x01", hashlib.sha256)
