"""Dial tokens: what a vendor's agent system hands to the bridge instead of a number."""

import base64
import binascii
import hashlib
import hmac
from datetime import UTC, datetime
from uuid import UUID

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gateway.errors import PermitStateError
from keys.secret import Secret

_MAC_BYTES = 16
_ID_BYTES = 16
_TIME_BYTES = 8
_TOKEN_BYTES = _ID_BYTES + _TIME_BYTES + _MAC_BYTES
_LABEL = b"casegate/dial-token/v1"


class DialTokens:
    """Makes and reads tokens: permit || expiry (ms, big-endian) || HMAC-SHA256, 16 bytes of it.

    A token names its permit, and through it the one contact point; whether it was used or has
    been voided is the permit's state, which the bridge's question asks.
    """

    def __init__(self, key: Secret) -> None:
        """Derives the key from the installation's index key."""
        self._key = HKDF(SHA256(), length=32, salt=None, info=_LABEL).derive(key.reveal())

    def issue(self, permit_id: UUID, expires_at: datetime) -> str:
        """The token of a permit: the same each time, so that an answer can be given again."""
        head = permit_id.bytes + _milliseconds(expires_at).to_bytes(_TIME_BYTES)
        return base64.urlsafe_b64encode(head + self._mac(head)).rstrip(b"=").decode()

    def verify(self, token: str, now: datetime) -> UUID:
        """The permit of a token.

        Raises:
            PermitStateError: PERMIT_MISSING for what is no token of this gateway,
                PERMIT_EXPIRED when its time is over.
        """
        try:
            raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except (ValueError, binascii.Error):
            raw = b""
        head, mac = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
        is_genuine = hmac.compare_digest(mac.ljust(_MAC_BYTES, b"\x00"), self._mac(head))
        if len(raw) != _TOKEN_BYTES or not is_genuine:
            raise PermitStateError("PERMIT_MISSING")
        if int.from_bytes(head[_ID_BYTES:]) <= _milliseconds(now):
            raise PermitStateError("PERMIT_EXPIRED")
        return UUID(bytes=head[:_ID_BYTES])

    def _mac(self, head: bytes) -> bytes:
        return hmac.digest(self._key, head, hashlib.sha256)[:_MAC_BYTES]


def _milliseconds(moment: datetime) -> int:
    return int(moment.astimezone(UTC).timestamp() * 1000)
