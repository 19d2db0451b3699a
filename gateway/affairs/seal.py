"""Seals what is written in affairs, and keys the accounts that claims name."""

import hashlib
import hmac
import os
from unicodedata import normalize
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.errors import NotFoundError, RequestInvalidError
from keys.secret import Secret

_NONCE_BYTES = 12
_TEXT = b"casegate/affair-text/v1"
_FILE = b"casegate/affair-file/v1"
_ACCOUNT = b"casegate/company-account/v1"
_LEAST_DIGITS = 5
_MOST = 34


class AffairSeal:
    """Keys by HKDF-SHA256 (RFC 5869) of the index key: for texts, for files, for accounts."""

    def __init__(self, index_key: Secret) -> None:
        extracted = hmac.digest(bytes(32), index_key.reveal(), hashlib.sha256)
        self._texts = AESGCM(hmac.digest(extracted, _TEXT + b"\x01", hashlib.sha256))
        self._files = AESGCM(hmac.digest(extracted, _FILE + b"\x01", hashlib.sha256))
        self._accounts = hmac.digest(extracted, _ACCOUNT + b"\x01", hashlib.sha256)

    def seal(self, text: str, owner: UUID) -> bytes:
        """Nonce (12 bytes) || AES-256-GCM ciphertext with its tag, bound to its owner's id."""
        return _seal(self._texts, text.encode(), owner)

    def open(self, sealed: bytes, owner: UUID) -> str:
        """The text.

        Raises:
            NotFoundError: it is another owner's, or altered.
        """
        return _open(self._texts, sealed, owner).decode()

    def seal_file(self, content: bytes, owner: UUID) -> bytes:
        """A file in the same form, under a key of its own kind."""
        return _seal(self._files, content, owner)

    def open_file(self, sealed: bytes, owner: UUID) -> bytes:
        """Its content; raises as open does."""
        return _open(self._files, sealed, owner)

    def account_mac(self, account: str) -> bytes:
        """32 bytes that stand for an account, however it was spaced.

        Raises:
            RequestInvalidError: it is no account number.
        """
        plain = "".join(sign for sign in normalize("NFKC", account).upper() if sign.isalnum())
        if not (plain.isascii() and sum(sign.isdigit() for sign in plain) >= _LEAST_DIGITS):
            raise RequestInvalidError("account: this is no account number")
        if len(plain) > _MOST:
            raise RequestInvalidError("account: this is no account number")
        return hmac.digest(self._accounts, plain.encode(), hashlib.sha256)


def _seal(cipher: AESGCM, content: bytes, owner: UUID) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + cipher.encrypt(nonce, content, owner.bytes)


def _open(cipher: AESGCM, sealed: bytes, owner: UUID) -> bytes:
    try:
        return cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], owner.bytes)
    except (InvalidTag, ValueError) as error:
        raise NotFoundError("what was sealed does not open") from error
