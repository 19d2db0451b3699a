"""Which files are taken as evidence: by their media type, and by their first bytes."""

from enum import StrEnum

from gateway.errors import RequestInvalidError, UploadRefusedError
from gateway.intake.recordings_format import Codec, verify_beginning


class MediaType(StrEnum):
    """What a file may be; the names as RFC 2046 and IANA have them."""

    PDF = "application/pdf"
    JPEG = "image/jpeg"
    PNG = "image/png"
    WAV = "audio/wav"
    MPEG = "audio/mpeg"
    OGG = "audio/ogg"
    AMR = "audio/AMR"


_BEGINNINGS = {
    MediaType.PDF: b"%PDF-",
    MediaType.JPEG: b"\xff\xd8\xff",
    MediaType.PNG: b"\x89PNG\r\n\x1a\n",
}
_CODECS = {
    MediaType.WAV: Codec.WAV,
    MediaType.MPEG: Codec.MP3,
    MediaType.OGG: Codec.OGG,
    MediaType.AMR: Codec.AMR,
}
_BY_NAME = {kind.value.lower(): kind for kind in MediaType}


def media_type_of(header: str) -> MediaType:
    """The media type that a Content-Type names; its parameters say nothing here.

    Raises:
        RequestInvalidError: it is none of those that are taken.
    """
    found = _BY_NAME.get(header.partition(";")[0].strip().lower())
    if found is None:
        raise RequestInvalidError(f"Content-Type: one of {', '.join(MediaType)}")
    return found


def verify_content(kind: MediaType, content: bytes) -> None:
    """Compares a file's first bytes with what it is said to be.

    Raises:
        RequestInvalidError: they are of something else.
    """
    if not _is_begun(kind, content):
        raise RequestInvalidError(f"the first bytes are not those of {kind.value}")


def _is_begun(kind: MediaType, content: bytes) -> bool:
    if kind in _BEGINNINGS:
        return content.startswith(_BEGINNINGS[kind])
    try:
        verify_beginning(_CODECS[kind], content)
    except UploadRefusedError:
        return False
    return True
