"""Signed notes (C2SP signed-note): a text with Ed25519 signatures of named keys under it."""

import base64
import binascii
import re
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from audit.errors import NoteError, SignatureError

ED25519 = 0x01
_KEY_ID_BYTES = 4
PUBLIC_KEY_BYTES = 32
_MAX_SIGNATURES = 100
_MAX_NOTE_CHARACTERS = 1_000_000
# U+2014, written as an escape so that no editor can turn it into another dash.
_SIGNATURE_PREFIX = "\u2014 "
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")
_KEY_NAME = re.compile(r"[^\s+]+")


class NoteSigner(Protocol):
    """What the log needs of a signing key, wherever the key lives.

    Signing must be safe to call from several threads and must raise rather than return a
    wrong signature. The key bytes never pass through this room.
    """

    @property
    def name(self) -> str:
        """The key name, which for a log is its origin."""
        ...

    @property
    def verifier_key(self) -> str:
        """The vkey text that verifies what sign returns."""
        ...

    def sign(self, message: bytes) -> bytes:
        """The raw signature over exactly these bytes (Ed25519: 64 bytes)."""
        ...


class NoteVerifier(Protocol):
    """One known key, of whatever signature type."""

    @property
    def name(self) -> str:
        """The key name as it stands on signature lines."""
        ...

    @property
    def key_id(self) -> bytes:
        """The 4 bytes in front of each of the key's signatures."""
        ...

    def verify_signature(self, body: bytes, signature: bytes) -> None:
        """Return None, or raise SignatureError."""
        ...


@dataclass(frozen=True, slots=True)
class Ed25519Verifier:
    """A verifier key of type 0x01.

    Attributes:
        name: key name, without spaces or a plus sign.
        public_key: the 32 raw bytes of the Ed25519 public key.
    """

    name: str
    public_key: bytes

    def __post_init__(self) -> None:
        require_key_name(self.name)
        if len(self.public_key) != PUBLIC_KEY_BYTES:
            raise NoteError("an Ed25519 public key has 32 bytes")

    @classmethod
    def from_text(cls, vkey: str) -> Self:
        """Parse `name+hex8(key id)+B64(0x01 || public key)`.

        Raises:
            NoteError: another shape, another key type, or a key id that is not this key's.
        """
        return cls(*parse_vkey(vkey, ED25519))

    def to_text(self) -> str:
        """The vkey text."""
        return format_vkey(self.name, ED25519, self.public_key)

    @property
    def key_id(self) -> bytes:
        """SHA-256(name || NL || 0x01 || public key), first 4 bytes."""
        return key_id_of(self.name, ED25519, self.public_key)

    def verify_signature(self, body: bytes, signature: bytes) -> None:
        """Check an Ed25519 signature over body; raises SignatureError (RFC 8032, 5.1.7)."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public_key).verify(signature, body)
        except (InvalidSignature, ValueError) as error:
            raise SignatureError("the signature of a known key is false") from error


class Ed25519Signer:
    """A NoteSigner over a private key held in this process."""

    def __init__(self, name: str, private_key: Ed25519PrivateKey) -> None:
        self._private_key = private_key
        self._verifier = Ed25519Verifier(name, private_key.public_key().public_bytes_raw())

    @property
    def name(self) -> str:
        """The key name."""
        return self._verifier.name

    @property
    def verifier_key(self) -> str:
        """The vkey text."""
        return self._verifier.to_text()

    def sign(self, message: bytes) -> bytes:
        """The 64-byte Ed25519 signature over message."""
        return self._private_key.sign(message)


@dataclass(frozen=True, slots=True)
class SignatureLine:
    """One parsed, unchecked signature: key name, 4-byte key id, and what follows the id."""

    name: str
    key_id: bytes
    signature: bytes

    def to_text(self) -> str:
        """The line, ending in NL."""
        payload = base64.b64encode(self.key_id + self.signature).decode("ascii")
        return f"{_SIGNATURE_PREFIX}{self.name} {payload}\n"


@dataclass(frozen=True, slots=True)
class SignedNote:
    """A parsed note: body with its final NL, and its signature lines, unchecked."""

    body: str
    signatures: tuple[SignatureLine, ...]

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Parse strictly: one blank line, no control characters, 1 to 100 signature lines.

        Raises:
            NoteError: another shape.
        """
        if len(text) > _MAX_NOTE_CHARACTERS or _CONTROL.search(text) is not None:
            raise NoteError("the note is too long or holds a control character")
        body, blank, rest = text.partition("\n\n")
        if not body or not blank or not rest.endswith("\n") or "\n\n" in rest:
            raise NoteError("a note is a text, one blank line, and its signatures")
        # Only NL separates lines: str.splitlines would also cut at U+2028 and the like.
        lines = rest[:-1].split("\n")
        if len(lines) > _MAX_SIGNATURES:
            raise NoteError("the note has too many signatures")
        return cls(body + "\n", tuple(_parse_signature(line) for line in lines))

    def to_text(self) -> str:
        """The note as text, ending in NL."""
        return self.body + "\n" + "".join(line.to_text() for line in self.signatures)

    def verify(self, verifiers: Iterable[NoteVerifier]) -> None:
        """Check every signature of a known key; at least one must be there.

        Signatures of unknown keys are ignored, as the format asks.

        Raises:
            SignatureError: a known key's signature is false, or no known key signed.
        """
        known = {(verifier.name, verifier.key_id): verifier for verifier in verifiers}
        body = self.body.encode()
        checked = 0
        for line in self.signatures:
            verifier = known.get((line.name, line.key_id))
            if verifier is not None:
                verifier.verify_signature(body, line.signature)
                checked += 1
        if checked == 0:
            raise SignatureError("no known key signed the note")


def sign_note(body: str, signers: Iterable[NoteSigner]) -> str:
    """The note text over a body that ends in NL and holds no blank line.

    Raises:
        NoteError: the body is not such a text, or there is no signer.
    """
    if not body.endswith("\n"):
        raise NoteError("the body of a note ends in a newline")
    lines = []
    for signer in signers:
        verifier = Ed25519Verifier.from_text(signer.verifier_key)
        signature = signer.sign(body.encode())
        lines.append(SignatureLine(verifier.name, verifier.key_id, signature))
    text = SignedNote(body, tuple(lines)).to_text()
    SignedNote.from_text(text)
    return text


def key_id_of(name: str, kind: int, public_key: bytes) -> bytes:
    """SHA-256(name || NL || kind || public key), first 4 bytes; kind is the signature type."""
    return sha256(name.encode() + b"\n" + bytes([kind]) + public_key).digest()[:_KEY_ID_BYTES]


def parse_vkey(vkey: str, kind: int) -> tuple[str, bytes]:
    """Name and public key of a vkey of one signature type.

    Raises:
        NoteError: another shape, another type, or a key id that is not this key's.
    """
    name, plus, rest = vkey.partition("+")
    key_id, second_plus, encoded = rest.partition("+")
    if not plus or not second_plus:
        raise NoteError("a verifier key has three parts joined by plus signs")
    key = decode_base64(encoded)
    if not key or key[0] != kind:
        raise NoteError(f"the verifier key is not of type 0x{kind:02x}")
    require_key_name(name)
    if key_id_of(name, kind, key[1:]).hex() != key_id:
        raise NoteError("the key id does not belong to the verifier key")
    return name, key[1:]


def format_vkey(name: str, kind: int, public_key: bytes) -> str:
    """The vkey text `name+hex8(key id)+B64(kind || public key)`."""
    key = base64.b64encode(bytes([kind]) + public_key).decode("ascii")
    return f"{name}+{key_id_of(name, kind, public_key).hex()}+{key}"


def require_key_name(name: str) -> None:
    """Raises NoteError unless the text can stand as a key name on a signature line."""
    if _KEY_NAME.fullmatch(name) is None:
        raise NoteError("a key name is empty or holds a space or a plus sign")


def decode_base64(text: str) -> bytes:
    """Standard base64 with padding, accepted in its one exact spelling only.

    Raises:
        NoteError: other characters, wrong padding, or stray low bits.
    """
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise NoteError("a field is not standard base64") from error
    if base64.b64encode(data).decode("ascii") != text:
        raise NoteError("a base64 field is not spelled canonically")
    return data


def _parse_signature(line: str) -> SignatureLine:
    name, space, payload = line.removeprefix(_SIGNATURE_PREFIX).partition(" ")
    if not line.startswith(_SIGNATURE_PREFIX) or not space or _KEY_NAME.fullmatch(name) is None:
        raise NoteError("a signature line is not dash, key name, signature")
    data = decode_base64(payload)
    if len(data) <= _KEY_ID_BYTES:
        raise NoteError("a signature line holds no signature")
    return SignatureLine(name, data[:_KEY_ID_BYTES], data[_KEY_ID_BYTES:])
