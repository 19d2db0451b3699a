"""Keyset cursors that tell a vendor nothing and cannot be made up."""

import base64
import binascii
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gateway.errors import RequestInvalidError
from keys.secret import Secret

_MAX_CURSOR_CHARACTERS = 512
_NONCE_BYTES = 12


class CursorCipher:
    """Seals a position so that only the same listing of the same contract can continue it.

    A bare sequence number would tell each vendor how many cases the others are given.
    """

    def __init__(self, key: Secret) -> None:
        kdf = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"casegate/cursor/v1")
        self._cipher = AESGCM(kdf.derive(key.reveal()))

    def seal(self, position: str, *, listing: str) -> str:
        """Returns an opaque cursor for a position of a listing."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = nonce + self._cipher.encrypt(nonce, position.encode(), listing.encode())
        return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()

    def open(self, cursor: str, *, listing: str) -> str:
        """Returns the position.

        Raises:
            RequestInvalidError: it is not a cursor of this listing.
        """
        try:
            bounded = cursor[:_MAX_CURSOR_CHARACTERS]
            sealed = base64.urlsafe_b64decode(bounded + "=" * (-len(bounded) % 4))
            return self._cipher.decrypt(
                sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], listing.encode()
            ).decode()
        except (ValueError, binascii.Error, InvalidTag) as error:
            raise RequestInvalidError(
                "cursor is not one of this listing; leave it out to begin again"
            ) from error
