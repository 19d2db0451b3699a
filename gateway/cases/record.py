"""A case as the lender gave it, sealed under its own key."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import orjson

from keys.envelope import Sealed, open_sealed, seal
from keys.kek import KeyEncryptionKey

JsonValue = bool | int | float | str | list["JsonValue"] | dict[str, "JsonValue"] | None
CaseRecord = dict[str, JsonValue]

FREE_TEXT = "past_notes"


@dataclass(frozen=True, slots=True)
class StoredCase:
    """One row as a vendor's query returns it: still sealed.

    `commitment` (16 bytes) stands for the case in the log; `sequence` is the keyset cursor;
    `has_notes` says that it came with free text, which is not among these bytes; `is_held` that
    a hold is on it now, whatever the lender's file said.
    """

    sequence: int
    case_id: UUID
    assignment_id: str
    status: str
    assigned_at: datetime
    commitment: bytes
    kek_id: str
    wrapped_key: bytes
    sealed: bytes
    has_notes: bool = False
    is_held: bool = False


def seal_record(record: Mapping[str, JsonValue], case_id: UUID, kek: KeyEncryptionKey) -> Sealed:
    """Encrypts a record under a fresh key, bound to its case id.

    Free text is sealed apart, so that a release that carries none need not open it.
    """
    fields = dict(record)
    notes = fields.pop(FREE_TEXT, None)
    return seal(
        orjson.dumps(fields),
        kek,
        context=case_id.bytes,
        attachment=str(notes).encode() if notes is not None else None,
    )


def open_record(case: StoredCase, kek: KeyEncryptionKey) -> CaseRecord:
    """Decrypts a stored case.

    Raises:
        EnvelopeError: wrong key, a row moved to another case, or altered bytes.
    """
    plain = open_sealed(
        case.sealed, case.wrapped_key, kek, context=case.case_id.bytes, kek_id=case.kek_id
    )
    record: CaseRecord = orjson.loads(plain)
    return record
