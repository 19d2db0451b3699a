"""Whether what came in an upload is what was announced: codec, hash, and how long it is."""

import hashlib
from collections.abc import Callable
from decimal import Decimal

from gateway.errors import UploadRefusedError
from gateway.intake.recordings_cipher import ByteStream, RecordingCipher
from gateway.intake.recordings_format import HEAD_BYTES, Codec, verify_beginning, wav_seconds
from gateway.intake.uploads_part import UploadPart
from keys.errors import EnvelopeError


def judge(part: UploadPart, source: Callable[[], ByteStream]) -> tuple[str | None, Decimal | None]:
    """Why a whole upload is not sound (None: it is), and its measured seconds if it tells them.

    `source` opens the sealed bytes; they are read through unless all came in this part, whose
    hash went along. The reasons: `codec`, `sha256`, `sealed` (the file was altered behind us).
    """
    upload, measured = part.upload, None
    try:
        head = _head(part.cipher, source(), upload.size)
        verify_beginning(Codec(upload.codec), head)
        digest = part.digest() or _digest(part.cipher, source(), upload.size)
        if upload.codec == Codec.WAV:
            measured = wav_seconds(head, upload.size)
    except UploadRefusedError:
        return "codec", None
    except EnvelopeError:
        return "sealed", None
    return (None if digest == bytes(upload.sha256) else "sha256"), measured


def _head(cipher: RecordingCipher, stream: ByteStream, size: int) -> bytes:
    try:
        return b"".join(cipher.open(stream, begin=0, end=min(size, HEAD_BYTES)))
    finally:
        stream.close()


def _digest(cipher: RecordingCipher, stream: ByteStream, size: int) -> bytes:
    whole = hashlib.sha256()
    try:
        for content in cipher.open(stream, begin=0, end=size):
            whole.update(content)
    finally:
        stream.close()
    return whole.digest()
