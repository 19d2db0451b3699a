"""Turns a sound row into what the database keeps: macs to recognise it, ciphertext to hold it."""

import hashlib
import hmac
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast
from uuid import UUID, uuid4

import orjson

from gateway.cases.record import CaseRecord, seal_record
from gateway.portfolio.rows import CaseRow
from keys.envelope import Sealed
from keys.kek import KeyEncryptionKey
from keys.secret import Secret

_SALT_BYTES = 16
COMMITMENT_BYTES = 16

CaseToken = Callable[[str], str]
"""Makes the vendor's reference of a case id in hex."""


@dataclass(frozen=True, slots=True)
class RowMacs:
    """Keyed digests (32 bytes each): the case's number, its content, and the person."""

    source: bytes
    content: bytes
    person: bytes


@dataclass(frozen=True, slots=True)
class SealedRow:
    """A case ready to be stored; `commitment` (16 bytes) stands for it in the log."""

    case_id: UUID
    sealed: Sealed
    commitment: bytes


class RowSealer:
    """Seals rows for one contract."""

    def __init__(self, index_key: Secret, kek: KeyEncryptionKey, contract_id: str) -> None:
        self._index = index_key.reveal()
        self._kek = kek
        self._contract = contract_id.encode()

    def macs(self, row: CaseRow) -> RowMacs:
        """The digests that tell whether a case is known and whether it has changed."""
        record = row.record
        return RowMacs(
            self._mac(b"source", str(record["source_case_no"]).encode()),
            self._mac(b"content", orjson.dumps(record, option=orjson.OPT_SORT_KEYS)),
            self._mac(b"person", str(record["id_number"]).encode()),
        )

    def seal(self, row: CaseRow, macs: RowMacs, case_id: UUID | None) -> SealedRow:
        """Seals a row under a new key; a known case keeps its id.

        The internal keys that a vendor's pseudonyms are made of are sealed with it. The salt of
        the log's commitment exists nowhere else: destroying the case's key destroys the link
        between the debtor and the log's entries.
        """
        case_id = case_id or uuid4()
        salt = os.urandom(_SALT_BYTES)
        record = cast("CaseRecord", dict(row.record))
        record |= {
            "debtor_ref": macs.person.hex(),
            "contact_point_ref": self._mac(b"contact", _text(row, "mobile_phone")).hex(),
            "debt_ref": self._mac(
                b"debt", _text(row, "core_account_no") or _text(row, "source_case_no")
            ).hex(),
            "log_salt": salt.hex(),
        }
        return SealedRow(
            case_id,
            seal_record(record, case_id, self._kek),
            case_commitment(salt, self._contract, case_id),
        )

    def _mac(self, kind: bytes, value: bytes) -> bytes:
        return hmac.digest(self._index, kind + b"\x00" + value, hashlib.sha256)


def case_commitment(salt: bytes, contract: bytes, case_id: UUID) -> bytes:
    """HMAC-SHA256(salt, contract || 0x00 || case id), 16 bytes: differs from vendor to vendor."""
    return hmac.digest(salt, contract + b"\x00" + case_id.bytes, hashlib.sha256)[:COMMITMENT_BYTES]


def _text(row: CaseRow, field: str) -> bytes:
    return str(row.record.get(field) or "").encode()
