"""Files that vendors hand in for complaints and notices: kept sealed, opened by the company."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from hmac import compare_digest
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg.rows import dict_row

from audit.entry import EventType
from gateway.affairs.affair import read_affair
from gateway.affairs.codes import verify_codes
from gateway.affairs.files_format import MediaType, verify_content
from gateway.affairs.refusals import refusals
from gateway.affairs.seal import AffairSeal
from gateway.clock import Clock, rfc3339
from gateway.errors import ContentMismatchError, NotFoundError, RequestInvalidError
from gateway.evidence import record_with_change
from gateway.identity.principal import VendorPrincipal

MAX_BYTES = 10 * 1024 * 1024
MAX_FILES = 20
MAX_ALL_BYTES = 100 * 1024 * 1024
_FILE = "SELECT * FROM casegate.file_for_affair(%s, %s, %s, %s, %s, %s, %s, %s, %b, %s, %s, %s)"
_FILES = """
SELECT file_id, encode(sha256, 'hex') AS sha256, bytes, media_type, filed_at, erased_at
  FROM casegate.affair_file WHERE affair_id = %s ORDER BY filed_at, file_id
"""
_CONTENT = """
SELECT media_type, sealed FROM casegate.affair_file
 WHERE file_id = %s AND affair_id = %s AND sealed IS NOT NULL
"""
_ERASE = """
UPDATE casegate.affair_file k SET sealed = NULL, erased_at = %(at)s
 WHERE k.file_id IN (
   SELECT d.file_id FROM casegate.affair_file d JOIN casegate.affair f USING (affair_id)
    WHERE d.sealed IS NOT NULL AND f.state IN ('closed', 'withdrawn')
      AND d.filed_at + make_interval(years => %(years)s) <= %(at)s
    ORDER BY d.filed_at LIMIT %(limit)s FOR UPDATE OF d SKIP LOCKED)
RETURNING k.file_id, k.affair_id, k.vendor_id, k.contract_id
"""


@dataclass(frozen=True, slots=True)
class FiledFile:
    """The answer to a vendor; a file that was there before is not new."""

    file_id: UUID
    sha256: str
    is_new: bool


@dataclass(frozen=True, slots=True)
class FilingDesk:
    """The vendor's side; each call runs in a thread on a connection of its own."""

    connection: Callable[[], AbstractContextManager[psycopg.Connection]]
    clock: Clock
    seal: AffairSeal

    def file(
        self,
        principal: VendorPrincipal,
        kind: str,
        affair_id: UUID,
        *,
        sha256: str,
        media_type: MediaType,
        content: bytes,
    ) -> FiledFile:
        """Keeps a file for one of the vendor's affairs, once: its hash is its name.

        Raises:
            ContentMismatchError: the content has another hash; nothing was kept.
            RequestInvalidError: it is empty, too large, or not of its media type.
            NotFoundError: the vendor has no such affair.
            IllegalTransitionError: the affair takes no file any more, or no more of them.
        """
        digest = hashlib.sha256(content)
        if not compare_digest(digest.hexdigest(), sha256):
            raise ContentMismatchError("the content has another SHA-256 than its name says")
        if not 0 < len(content) <= MAX_BYTES:
            raise RequestInvalidError("a file has 1 byte to 10 MiB")
        verify_content(media_type, content)
        file_id, at = uuid4(), self.clock.now()
        named = (principal.vendor_id, principal.contract_id)
        with refusals(), self.connection() as connection, connection.transaction():
            row = connection.execute(
                _FILE,
                (
                    *(*named, kind, affair_id, file_id, digest.digest(), len(content)),
                    *(media_type.value, self.seal.seal_file(content, file_id)),
                    *(MAX_FILES, MAX_ALL_BYTES, at),
                ),
            ).fetchone()
            assert row is not None
            kept, is_new = row
            if is_new:
                record_with_change(
                    connection,
                    EventType.FILE_RECEIVED,
                    at=at,
                    vendor=named[0],
                    contract=named[1],
                    certificate=principal.thumbprint.hex(),
                    affair=str(affair_id),
                    file=str(kept),
                    sha256=sha256,
                    bytes=len(content),
                )
        return FiledFile(UUID(str(kept)), sha256, is_new=bool(is_new))


@dataclass(frozen=True, slots=True)
class FileDesk:
    """The company's side."""

    connection: Callable[[], AbstractContextManager[psycopg.Connection]]
    clock: Clock
    seal: AffairSeal

    def read(
        self, kind: str, affair_id: UUID, file_id: UUID, *, reason: str, actor: str
    ) -> tuple[str, bytes]:
        """A file's media type and content, after the log says who reads it and why.

        Raises:
            NotFoundError: the affair has no such file, or it is erased.
            RequestInvalidError: the reason is no code.
        """
        verify_codes(reason=reason)
        with self.connection() as connection, connection.transaction():
            affair = read_affair(connection, kind, affair_id)
            row = connection.execute(_CONTENT, (file_id, affair_id), binary=True).fetchone()
            if row is None:
                raise NotFoundError("there is no such file")
            record_with_change(
                connection,
                EventType.FILE_READ,
                at=self.clock.now(),
                actor=actor,
                affair=str(affair_id),
                file=str(file_id),
                vendor=affair.vendor_id,
                reason=reason,
            )
        return str(row[0]), self.seal.open_file(bytes(row[1]), file_id)


def files_of(connection: psycopg.Connection, affair_id: UUID) -> list[dict[str, Any]]:
    """What is on record of an affair's files, without their content."""
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(_FILES, (affair_id,)).fetchall()
    return [
        {
            name: rfc3339(value) if isinstance(value, datetime) else value
            for name, value in row.items()
        }
        for row in rows
    ]


def missing_files(
    papers: Sequence[Mapping[str, Any]], files: Sequence[Mapping[str, Any]]
) -> list[str]:
    """What a vendor's papers name, by SHA-256 in hex, and it has not handed in."""
    there = {each["sha256"] for each in files}
    named = dict.fromkeys(digest for paper in papers for digest in paper["files"])
    return [digest for digest in named if digest not in there]


def erase_files(connection: psycopg.Connection, *, years: int, at: datetime, limit: int) -> int:
    """Erases files of affairs that are over, so many years after they came; returns how many."""
    with connection.transaction():
        rows = connection.execute(_ERASE, {"at": at, "years": years, "limit": limit}).fetchall()
        for file_id, affair_id, vendor_id, contract_id in rows:
            record_with_change(
                connection,
                EventType.FILE_ERASED,
                at=at,
                vendor=vendor_id,
                contract=contract_id,
                affair=str(affair_id),
                file=str(file_id),
            )
    return len(rows)
