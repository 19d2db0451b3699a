"""Turns a sound row into what the database keeps: macs to recognise it, ciphertext to hold it."""

import hashlib
import hmac
import os
from dataclasses import dataclass
from typing import cast
from uuid import UUID, uuid4

import orjson

from gateway.cases.record import CaseRecord, seal_record
from gateway.masking.projection import MADE_PSEUDONYMS, pseudonym_maker
from gateway.masking.pseudonyms import PseudonymKey
from gateway.portfolio.identifiers import canonical_document, canonical_phone
from gateway.portfolio.rows import CaseRow
from keys.envelope import Sealed
from keys.kek import KeyEncryptionKey
from keys.secret import Secret
from policies.limits import SQL_KEYS

_SALT_BYTES = 16
COMMITMENT_BYTES = 16
_REFERENCES = ("case_ref", "debtor_ref", "contact_point_ref", "debt_ref")


@dataclass(frozen=True, slots=True)
class RowMacs:
    """Keyed digests (32 bytes each): the case's number, its content, the person, the numbers.

    `home` and `related` are None where the case has no such number.
    """

    source: bytes
    content: bytes
    person: bytes
    contact: bytes
    home: bytes | None = None
    related: bytes | None = None


@dataclass(frozen=True, slots=True)
class CaseKind:
    """What sort of case it is, in words of classes K0 and K1; None where the file does not say."""

    project: str | None
    portfolio: str | None
    product: str | None
    stage: str | None

    @classmethod
    def of(cls, row: CaseRow) -> "CaseKind":
        """The kind of a row."""
        words = (row.record.get(key.field) for key in SQL_KEYS)
        return cls(*(word if isinstance(word, str) else None for word in words))

    def columns(self) -> tuple[str | None, str | None, str | None, str | None]:
        """The values of `assigned_case` in the order of SQL_KEYS."""
        return self.project, self.portfolio, self.product, self.stage


@dataclass(frozen=True, slots=True)
class CaseIdentity:
    """What a case keeps for as long as it is known: its id and the salt of its commitments."""

    case_id: UUID
    log_salt: bytes

    @classmethod
    def fresh(cls) -> "CaseIdentity":
        """The identity of a case met for the first time."""
        return cls(uuid4(), os.urandom(_SALT_BYTES))


@dataclass(frozen=True, slots=True)
class SealedRow:
    """A case ready to be stored.

    `case_ref` is what the vendor knows it by; `commitment` (16 bytes) stands for it in the log;
    `kind` stays in clear, for the row conditions of policies, and so does `due` (fen), by which
    recovery is measured.
    """

    case_id: UUID
    case_ref: str
    log_salt: bytes
    sealed: Sealed
    commitment: bytes
    kind: CaseKind
    due: int | None


class RowSealer:
    """Seals rows for one contract."""

    def __init__(
        self,
        index_key: Secret,
        kek: KeyEncryptionKey,
        pseudonyms: PseudonymKey,
        contract_id: str,
    ) -> None:
        self._index = index_key
        self._make_pseudonyms = pseudonym_maker(pseudonyms, _REFERENCES)
        self._kek = kek
        self._contract = contract_id.encode()

    def macs(self, row: CaseRow) -> RowMacs:
        """The digests that tell whether a case is known and whether it has changed."""
        record = row.record
        return RowMacs(
            source_mac(self._index, str(record["source_case_no"])),
            _mac(self._index, b"content", orjson.dumps(record, option=orjson.OPT_SORT_KEYS)),
            person_mac(self._index, str(record["id_number"])),
            contact_mac(self._index, str(record["mobile_phone"])),
            self._optional_mac(record.get("home_phone")),
            self._optional_mac(record.get("related_phone")),
        )

    def _optional_mac(self, number: object) -> bytes | None:
        return contact_mac(self._index, number) if isinstance(number, str) and number else None

    def seal(self, row: CaseRow, macs: RowMacs, known: CaseIdentity | None) -> SealedRow:
        """Seals a row under a new key; a known case keeps its id and its commitments.

        The vendor's references and the internal keys they are made of are sealed with it. The log
        names a case by a commitment under its salt: destroying the salt destroys the link between
        the debtor and the log's entries.
        """
        identity = known or CaseIdentity.fresh()
        account = _text(row, "core_account_no") or _text(row, "source_case_no")
        internal = {
            "case_ref": identity.case_id.hex,
            "debtor_ref": macs.person.hex(),
            "contact_point_ref": macs.contact.hex(),
            "debt_ref": _mac(self._index, b"debt", account).hex(),
        }
        made = self._make_pseudonyms(internal)
        record = cast("CaseRecord", dict(row.record))
        record |= internal
        record[MADE_PSEUDONYMS] = made
        return SealedRow(
            identity.case_id,
            str(made["case_ref"]),
            identity.log_salt,
            seal_record(record, identity.case_id, self._kek),
            case_commitment(identity.log_salt, self._contract, identity.case_id),
            CaseKind.of(row),
            total if isinstance(total := row.record.get("total_due"), int) else None,
        )


def person_mac(index_key: Secret, id_number: str) -> bytes:
    """Stands for a person, however the number of the document is written."""
    return _mac(index_key, b"person", canonical_document(id_number).encode())


def contact_mac(index_key: Secret, number: str) -> bytes:
    """Stands for a telephone number, however it is written."""
    return _mac(index_key, b"contact", canonical_phone(number).encode())


def source_mac(index_key: Secret, source_case_no: str) -> bytes:
    """Stands for a case by its number at the lender."""
    return _mac(index_key, b"source", source_case_no.encode())


def case_commitment(salt: bytes, contract: bytes, case_id: UUID) -> bytes:
    """HMAC-SHA256(salt, contract || 0x00 || case id), 16 bytes: differs from vendor to vendor."""
    return hmac.digest(salt, contract + b"\x00" + case_id.bytes, hashlib.sha256)[:COMMITMENT_BYTES]


def _text(row: CaseRow, field: str) -> bytes:
    return str(row.record.get(field) or "").encode()


def _mac(index_key: Secret, kind: bytes, value: bytes) -> bytes:
    return hmac.digest(index_key.reveal(), kind + b"\x00" + value, hashlib.sha256)
