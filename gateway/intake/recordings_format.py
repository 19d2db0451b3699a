"""What the first bytes of a recording say: whether they are of its codec, and how long it is."""

import struct
from decimal import Decimal
from enum import StrEnum

from gateway.errors import UploadRefusedError

HEAD_BYTES = 64 * 1024
# The longest of the beginnings below: with fewer bytes nothing can be said yet.
MAGIC_BYTES = 12

_RIFF_HEAD = 12
_CHUNK_HEAD = 8
_FORMAT_BYTES = 16
_MPEG_SYNC = 0xE0
_MPEG_FREE = 0xF0
_MPEG_RATE = 0x0C
# A length that a writer leaves when it does not know its end yet.
_UNKNOWN_LENGTHS = frozenset({0, 0xFFFFFFFF, 0x7FFFFFFF, 0x80000000})


class Codec(StrEnum):
    """How a recording is coded."""

    WAV = "wav"
    MP3 = "mp3"
    OGG = "ogg"
    OPUS = "opus"
    AMR = "amr"

    @property
    def media_type(self) -> str:
        """Of its content."""
        return _MEDIA_TYPES[self]


_MEDIA_TYPES = {
    Codec.WAV: "audio/wav",
    Codec.MP3: "audio/mpeg",
    Codec.OGG: "audio/ogg",
    Codec.OPUS: "audio/ogg",
    Codec.AMR: "audio/AMR",
}


def verify_beginning(codec: Codec, head: bytes) -> None:
    """Compares the first bytes (at least MAGIC_BYTES, unless there are no more) with the codec.

    Raises:
        UploadRefusedError: RECORDING_TYPE: they are of something else.
    """
    if not _IS_BEGUN[codec](head):
        raise UploadRefusedError("RECORDING_TYPE")


def wav_seconds(head: bytes, size: int) -> Decimal | None:
    """How long a WAV file of `size` bytes lasts, by its own header (RIFF, chunks fmt and data).

    None when the header is broken off or names no byte rate; the caller then has only what it
    was told. A data chunk without a length lasts to the end of the file.
    """
    place, rate = _RIFF_HEAD, 0
    while place + _CHUNK_HEAD <= len(head):
        name, length = struct.unpack_from("<4sI", head, place)
        place += _CHUNK_HEAD
        if name == b"fmt " and place + _FORMAT_BYTES <= len(head):
            rate = struct.unpack_from("<I", head, place + 8)[0]
        if name == b"data":
            there = size - place
            lasting = there if length in _UNKNOWN_LENGTHS else min(length, there)
            return None if rate == 0 else Decimal(lasting * 1000 // rate) / 1000
        place += length + length % 2
    return None


def _is_wav(head: bytes) -> bool:
    return head[:4] in {b"RIFF", b"RF64"} and head[8:12] == b"WAVE"


def _is_mpeg(head: bytes) -> bool:
    """An ID3 tag, or the header of a frame of layer III (ISO/IEC 11172-3, 2.4.1.3)."""
    if head[:3] == b"ID3":
        return True
    if len(head) < 4 or head[0] != 0xFF or head[1] & _MPEG_SYNC != _MPEG_SYNC:  # noqa: PLR2004
        return False
    is_third_layer = head[1] & 0x06 == 0x02  # noqa: PLR2004
    return is_third_layer and head[2] & _MPEG_FREE != _MPEG_FREE and head[2] & _MPEG_RATE != 12  # noqa: PLR2004


def _is_ogg(head: bytes) -> bool:
    return head[:4] == b"OggS"


def _is_amr(head: bytes) -> bool:
    """RFC 4867, 5.1: narrow band or wide band."""
    return head.startswith((b"#!AMR\n", b"#!AMR-WB\n"))


_IS_BEGUN = {
    Codec.WAV: _is_wav,
    Codec.MP3: _is_mpeg,
    Codec.OGG: _is_ogg,
    Codec.OPUS: _is_ogg,
    Codec.AMR: _is_amr,
}
