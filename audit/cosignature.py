"""Cosignatures of witnesses (C2SP tlog-cosignature, cosignature/v1): Ed25519 with a time."""

import base64
from dataclasses import dataclass
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from audit.errors import NoteError, SignatureError
from audit.note import (
    PUBLIC_KEY_BYTES,
    SignatureLine,
    decode_base64,
    format_vkey,
    key_id_of,
    parse_vkey,
    require_key_name,
)

COSIGNATURE = 0x04
_TIME_BYTES = 8
_SIGNATURE_BYTES = 64
_SEED_BYTES = 32
_MAX_TIME = 2**63 - 1
_PRIVATE_PREFIX = "PRIVATE+KEY+"


@dataclass(frozen=True, slots=True)
class CosignatureVerifier:
    """A witness's verifier key of type 0x04; fits NoteVerifier.

    Attributes:
        name: key name of the witness.
        public_key: the 32 raw bytes of its Ed25519 public key.
    """

    name: str
    public_key: bytes

    def __post_init__(self) -> None:
        require_key_name(self.name)
        if len(self.public_key) != PUBLIC_KEY_BYTES:
            raise NoteError("an Ed25519 public key has 32 bytes")

    @classmethod
    def from_text(cls, vkey: str) -> Self:
        """Parse a vkey of type 0x04; raises NoteError."""
        return cls(*parse_vkey(vkey, COSIGNATURE))

    def to_text(self) -> str:
        """The vkey text."""
        return format_vkey(self.name, COSIGNATURE, self.public_key)

    @property
    def key_id(self) -> bytes:
        """SHA-256(name || NL || 0x04 || public key), first 4 bytes."""
        return key_id_of(self.name, COSIGNATURE, self.public_key)

    def verify_signature(self, body: bytes, signature: bytes) -> None:
        """Check what follows the key id: 8 bytes of time, then 64 of signature.

        Raises:
            SignatureError: the cosignature is false or has another length.
        """
        stamp, raw = signature[:_TIME_BYTES], signature[_TIME_BYTES:]
        message = _message(body, int.from_bytes(stamp, "big"))
        try:
            Ed25519PublicKey.from_public_bytes(self.public_key).verify(raw, message)
        except (InvalidSignature, ValueError) as error:
            raise SignatureError("the cosignature of a known witness is false") from error


class CosignatureSigner:
    """A witness's own key, held in this process."""

    def __init__(self, name: str, private_key: Ed25519PrivateKey) -> None:
        self._private_key = private_key
        self.verifier = CosignatureVerifier(name, private_key.public_key().public_bytes_raw())

    @classmethod
    def from_private_text(cls, text: str) -> Self:
        """Parse `PRIVATE+KEY+name+hex8(key id)+B64(0x04 || 32-byte seed)`.

        Raises:
            NoteError: another shape, another key type, or a key id that is not this key's.
        """
        name, _, rest = text.removeprefix(_PRIVATE_PREFIX).partition("+")
        key_id, _, encoded = rest.partition("+")
        seed = decode_base64(encoded)
        is_seed = len(seed) == 1 + _SEED_BYTES and seed[0] == COSIGNATURE
        if not text.startswith(_PRIVATE_PREFIX) or not is_seed:
            raise NoteError("the text is not the private key of a witness")
        signer = cls(name, Ed25519PrivateKey.from_private_bytes(seed[1:]))
        if signer.verifier.key_id.hex() != key_id:
            raise NoteError("the key id does not belong to the private key")
        return signer

    def to_private_text(self) -> str:
        """The private key as text. It belongs into a file that only the witness can read."""
        seed = base64.b64encode(bytes([COSIGNATURE]) + self._private_key.private_bytes_raw())
        verifier = self.verifier
        return f"{_PRIVATE_PREFIX}{verifier.name}+{verifier.key_id.hex()}+{seed.decode('ascii')}"

    def cosign(self, body: str, time: int) -> SignatureLine:
        """The signature line over a checkpoint's body, at `time` in Unix seconds."""
        signature = self._private_key.sign(_message(body.encode(), time))
        stamp = time.to_bytes(_TIME_BYTES, "big")
        return SignatureLine(self.verifier.name, self.verifier.key_id, stamp + signature)


def cosigned_at(line: SignatureLine) -> int:
    """The Unix time, in seconds, that a cosignature line of type 0x04 states.

    Raises:
        NoteError: the line is not of that shape.
    """
    time = int.from_bytes(line.signature[:_TIME_BYTES], "big")
    if len(line.signature) != _TIME_BYTES + _SIGNATURE_BYTES or time > _MAX_TIME:
        raise NoteError("the line is not a cosignature")
    return time


def _message(body: bytes, time: int) -> bytes:
    return b"cosignature/v1\ntime %d\n" % time + body
