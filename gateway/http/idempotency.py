"""The idempotency key of requests that would double something when they are sent twice."""

import hashlib
from typing import Annotated

from fastapi import Header
from pydantic import BaseModel

RepeatKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=r"^[!-~]{1,64}$",
        description="The same key with the same body answers again what it answered first.",
    ),
]


def digest_of(body: BaseModel) -> bytes:
    """SHA-256 of what was asked: a repeated key has to ask for the same."""
    return hashlib.sha256(body.model_dump_json().encode()).digest()
