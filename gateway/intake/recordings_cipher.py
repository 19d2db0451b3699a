"""Recordings at rest: frames of AES-256-GCM under one random key a recording.

A frame is `length of its plaintext (4 bytes, big-endian) || nonce (12 bytes, random) ||
ciphertext || tag (16 bytes)`. What is authenticated with it binds it to its recording and to its
place in it, so that no frame can be moved, repeated or taken from another. Frames are only ever
appended: an upload that stops in between and goes on encrypts nothing twice. With random nonces a
key is good for 2^32 frames (NIST SP 800-38D, 8.3); a recording has some thousands.
"""

import os
import struct
from collections.abc import Iterator
from typing import Protocol
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from keys.errors import EnvelopeError

FRAME_BYTES = 256 * 1024
KEY_BYTES = 32
_NONCE_BYTES = 12
_TAG_BYTES = 16
_LENGTH = struct.Struct(">I")
_HEAD_BYTES = _LENGTH.size + _NONCE_BYTES
_LABEL = b"casegate/recording/v1\x00"


class ByteStream(Protocol):
    """What frames are read from: an open file, or the body of an object."""

    def read(self, size: int = -1, /) -> bytes:
        """At most so many bytes; none at the end."""
        ...

    def close(self) -> None:
        """Lets go of it."""
        ...


class RecordingCipher:
    """Seals and opens the frames of one recording."""

    def __init__(self, key: bytes, recording_id: UUID) -> None:
        self._cipher = AESGCM(key)
        self._label = _LABEL + recording_id.bytes

    def seal(self, content: bytes, place: int) -> bytes:
        """The frames of what begins at `place` of the recording."""
        frames = bytearray()
        for begin in range(0, len(content), FRAME_BYTES):
            part = content[begin : begin + FRAME_BYTES]
            nonce = os.urandom(_NONCE_BYTES)
            sealed = self._cipher.encrypt(nonce, part, self._bound(place + begin))
            frames += _LENGTH.pack(len(part)) + nonce + sealed
        return bytes(frames)

    def open(self, stream: ByteStream, *, begin: int, end: int) -> Iterator[bytes]:
        """The content from `begin` until before `end`, frame by frame; memory stays at one frame.

        Frames before `begin` are passed over unopened. What is given out was authenticated.

        Raises:
            EnvelopeError: a frame is altered, is not in its place, or is missing.
        """
        place = 0
        while place < end:
            head = _exactly(stream, _HEAD_BYTES)
            length = _LENGTH.unpack_from(head)[0]
            if not 0 < length <= FRAME_BYTES:
                raise EnvelopeError("a frame of a recording is damaged")
            sealed = _exactly(stream, length + _TAG_BYTES)
            if place + length > begin:
                yield self._opened(head[_LENGTH.size :], sealed, place)[
                    max(0, begin - place) : end - place
                ]
            place += length

    def _opened(self, nonce: bytes, sealed: bytes, place: int) -> bytes:
        try:
            return self._cipher.decrypt(nonce, sealed, self._bound(place))
        except InvalidTag as error:
            raise EnvelopeError("a frame of a recording does not open") from error

    def _bound(self, place: int) -> bytes:
        return self._label + place.to_bytes(8, "big")


def _exactly(stream: ByteStream, size: int) -> bytes:
    found = stream.read(size)
    if len(found) == size:
        return found
    parts = bytearray(found)
    while len(parts) < size:
        more = stream.read(size - len(parts))
        if not more:
            raise EnvelopeError("a recording ends too early")
        parts += more
    return bytes(parts)
