"""What tus headers say of a recording: Upload-Metadata and Upload-Checksum."""

import base64
import binascii
from decimal import Decimal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.errors import PersonalDataError, RequestInvalidError
from gateway.intake.checks_personal import is_personal
from gateway.intake.moments import Moment
from gateway.intake.recordings import RecordingWish
from gateway.intake.recordings_format import Codec
from gateway.intake.uploads_part import CHECKSUMS, PartChecksum

MAX_METADATA = 4096
CALL_ID = r"^[0-9A-Za-z][0-9A-Za-z._:-]{0,63}$"


class RecordingMetadata(BaseModel):
    """What Upload-Metadata says, decoded."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    call_id: str = Field(pattern=CALL_ID)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    bytes: int = Field(ge=1, le=2**50)
    codec: Codec
    duration_s: Decimal = Field(ge=0, le=86_400, decimal_places=3)
    started_at: Moment
    ended_at: Moment
    notice_given: bool

    def wish(self) -> RecordingWish:
        """The same as the use case takes it."""
        return RecordingWish(
            self.call_id,
            bytes.fromhex(self.sha256),
            self.bytes,
            self.codec,
            self.duration_s,
            self.started_at,
            self.ended_at,
            self.notice_given,
        )


def metadata_of(text: str, length: int) -> RecordingMetadata:
    """The recording that Upload-Metadata (tus 1.0, creation) describes.

    Raises:
        RequestInvalidError: it is malformed, or a key is missing or wrong.
        PersonalDataError: call_id looks like an identity or mobile number.
    """
    if len(text) > MAX_METADATA:
        raise RequestInvalidError("Upload-Metadata is too long")
    pairs: dict[str, str] = {}
    for pair in text.split(","):
        name, _, value = pair.strip().partition(" ")
        try:
            pairs[name] = base64.b64decode(value, validate=True).decode()
        except (binascii.Error, ValueError) as error:
            raise RequestInvalidError(
                "Upload-Metadata: keys, each with the base64 of its value, between commas"
            ) from error
    try:
        metadata = RecordingMetadata.model_validate(pairs)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise RequestInvalidError(f"Upload-Metadata: {where}: {first['type']}") from error
    if metadata.bytes != length:
        raise RequestInvalidError("Upload-Metadata: bytes is not Upload-Length")
    if is_personal(metadata.call_id):
        raise PersonalDataError("call_id looks like an identity or mobile number")
    return metadata


def checksum_of(text: str) -> PartChecksum:
    """What Upload-Checksum says (tus 1.0, checksum); RequestInvalidError when it is malformed."""
    algorithm, _, value = text.partition(" ")
    if algorithm not in CHECKSUMS:
        raise RequestInvalidError(f"Upload-Checksum: one of {', '.join(CHECKSUMS)}")
    try:
        return PartChecksum(algorithm, base64.b64decode(value, validate=True))
    except (binascii.Error, ValueError) as error:
        raise RequestInvalidError("Upload-Checksum: the hash is not base64") from error
