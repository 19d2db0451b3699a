"""A case's notes as the database holds them: sealed, with what was found in them sealed beside."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

import psycopg
from psycopg.rows import args_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout, TooManyRequests

from gateway.errors import DatabaseUnavailableError
from keys.envelope import open_attachment
from keys.kek import KeyEncryptionKey
from keys.supplement import open_supplement, seal_supplement

_NOTES = (
    "SELECT case_id, kek_id, wrapped_key, sealed_notes, state, rendered_by, is_withheld,"
    " sealed_spans FROM casegate.vendor_notes(%s, %s, %s)"
)


@dataclass(frozen=True, slots=True)
class StoredNotes:
    """One case's notes as a vendor's query returns them.

    `state` is pending, done or failed; `rendered_by` (64 hex digits) names the recognizers whose
    findings are in `sealed_spans`, None before the first. Withheld notes have no spans.
    """

    case_id: UUID
    kek_id: str
    wrapped_key: bytes
    sealed_notes: bytes
    state: str
    rendered_by: str | None
    is_withheld: bool | None
    sealed_spans: bytes | None


class VendorNoteReader(Protocol):
    """What the release needs of the store, beside the cases."""

    async def notes(
        self, vendor_id: str, contract_id: str, case_ids: Sequence[UUID]
    ) -> list[StoredNotes]:
        """Notes of those of the cases that the vendor holds now and that came with some.

        Raises:
            DatabaseUnavailableError: PostgreSQL does not answer.
        """
        ...


class PostgresNoteReader:
    """The reader of the vendor listener, under row-level security."""

    def __init__(self, pool: AsyncConnectionPool) -> None:
        self._pool = pool

    async def notes(
        self, vendor_id: str, contract_id: str, case_ids: Sequence[UUID]
    ) -> list[StoredNotes]:
        """See VendorNoteReader."""
        try:
            async with self._pool.connection() as connection:
                cursor = connection.cursor(row_factory=args_row(StoredNotes), binary=True)
                await cursor.execute(_NOTES, (vendor_id, contract_id, list(case_ids)))
                return await cursor.fetchall()
        except (psycopg.Error, PoolTimeout, TooManyRequests) as error:
            raise DatabaseUnavailableError("notes cannot be read") from error


@dataclass(frozen=True, slots=True)
class NoteKey:
    """Opens and seals what belongs to one case's notes."""

    case_id: UUID
    kek_id: str
    wrapped_key: bytes

    def open_text(self, sealed_notes: bytes, kek: KeyEncryptionKey) -> str:
        """The notes as the lender wrote them.

        Raises:
            EnvelopeError: wrong key, another case's notes, or altered bytes.
        """
        return open_attachment(
            sealed_notes, self.wrapped_key, kek, context=self.case_id.bytes, kek_id=self.kek_id
        ).decode()

    def open_spans(self, sealed_spans: bytes, kek: KeyEncryptionKey) -> bytes:
        """What seal_spans sealed; EnvelopeError too for spans of an earlier text of the case."""
        return open_supplement(
            sealed_spans, self.wrapped_key, kek, context=self.case_id.bytes, kek_id=self.kek_id
        )

    def seal_spans(self, packed: bytes, kek: KeyEncryptionKey) -> bytes:
        """Seals what was found.

        Raises:
            EnvelopeError: no known key unwraps the case's key.
        """
        return seal_supplement(
            packed, self.wrapped_key, kek, context=self.case_id.bytes, kek_id=self.kek_id
        )
