"""The destruction certificate: what the vendor says, its filing, and the company's decision."""

import hashlib
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg.rows import args_row
from psycopg.types.json import Jsonb

from audit.encoding import canonical
from audit.entry import EventType
from gateway.errors import AlreadyExistsError, NotFoundError, RequestInvalidError
from gateway.evidence import record_with_change
from gateway.identity.principal import CredentialScope, VendorPrincipal
from gateway.working_days import CHINA

MAX_DOCUMENT_BYTES = 10 * 1024 * 1024
_FILE = "SELECT casegate.file_destruction(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
_FILED = """
SELECT certificate_id, content, content_sha256, document_sha256, media_type, thumbprint, filed_at,
       status, decided_by, decided_at, reason
  FROM casegate.destruction_certificate WHERE contract_id = %s ORDER BY filed_at, certificate_id
"""
_NOT_ASKED, _THERE = "CG032", "CG033"


@dataclass(frozen=True, slots=True)
class RetainedData:
    """Something not destroyed, and the law that says so."""

    what: str
    law: str


@dataclass(frozen=True, slots=True)
class DestructionCertificate:
    """What a vendor's officer certifies (domain rules 3.17); `sub_processors` are ids."""

    scope: str
    systems: tuple[str, ...]
    backups: tuple[str, ...]
    method: str
    destroyed_on: date
    signer_name: str
    signer_title: str
    sub_processors: tuple[str, ...]
    exceptions: tuple[RetainedData, ...]

    def verify(self, sub_processors: list[str], today: date) -> None:
        """Checks it against the record.

        Raises:
            RequestInvalidError: backups or a sub-processor are missing, a sub-processor is not on
                record, the day is to come, or data is kept without a law.
        """
        if not self.systems or not self.backups:
            raise RequestInvalidError(
                "name the systems and the backups; where there is no backup, say so as one"
            )
        missing = sorted(set(sub_processors) - set(self.sub_processors))
        if missing:
            raise RequestInvalidError(
                f"sub-processors on record are missing: {', '.join(missing)}"
            )
        if not set(self.sub_processors) <= set(sub_processors):
            raise RequestInvalidError(
                "a sub-processor is named that is not on record; have the company record it first"
            )
        if self.destroyed_on > today:
            raise RequestInvalidError("destroyed_on is a day to come")
        if any(not kept.law.strip() for kept in self.exceptions):
            raise RequestInvalidError("an exception names the law that keeps the data")

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "scope": self.scope,
            "systems": list(self.systems),
            "backups": list(self.backups),
            "method": self.method,
            "destroyed_on": self.destroyed_on.isoformat(),
            "signer": {"name": self.signer_name, "title": self.signer_title},
            "sub_processors": sorted(self.sub_processors),
            "exceptions": [{"what": kept.what, "law": kept.law} for kept in self.exceptions],
        }


@dataclass(frozen=True, slots=True)
class FiledCertificate:
    """A certificate as it was filed, and what became of it."""

    certificate_id: UUID
    content: dict[str, Any]
    content_sha256: bytes
    document_sha256: bytes
    media_type: str
    thumbprint: bytes
    filed_at: datetime
    status: str
    decided_by: str | None
    decided_at: datetime | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Filing:
    """The answer to a vendor: the digests of what was filed, and the place of its log entry."""

    certificate_id: UUID
    content_sha256: str
    document_sha256: str
    log_index: int


def file_certificate(
    connection: psycopg.Connection,
    principal: VendorPrincipal,
    certificate: DestructionCertificate,
    *,
    paper: bytes,
    media_type: str,
    at: datetime,
) -> Filing:
    """Files a certificate with its document, as the vendor's own database role.

    Raises:
        NotFoundError: the credential is not for the closing, or nothing is asked for.
        AlreadyExistsError: one is filed and not contested.
        RequestInvalidError: it is incomplete, or the document is empty or over 10 MiB.
    """
    if principal.scope is not CredentialScope.CLOSING:
        raise NotFoundError("no certificate is asked for")
    if not 0 < len(paper) <= MAX_DOCUMENT_BYTES:
        raise RequestInvalidError("the document has 1 byte to 10 MiB")
    named = (principal.contract_id, principal.vendor_id)
    known = connection.execute("SELECT casegate.sub_processors(%s, %s)", named).fetchall()
    certificate.verify([str(row[0]) for row in known], at.astimezone(CHINA).date())
    content = certificate.document()
    certificate_id = uuid4()
    said, written = hashlib.sha256(canonical(content)), hashlib.sha256(paper)
    try:
        with connection.transaction():
            connection.execute(
                _FILE,
                (
                    *(certificate_id, *named, Jsonb(content), said.digest()),
                    *(paper, written.digest(), media_type, principal.thumbprint, at),
                ),
            )
            index = record_with_change(
                connection,
                EventType.DESTRUCTION_CERTIFIED,
                at=at,
                vendor=principal.vendor_id,
                contract=principal.contract_id,
                certificate=principal.thumbprint.hex(),
                destruction=str(certificate_id),
                content_sha256=said.hexdigest(),
                document_sha256=written.hexdigest(),
            )
    except psycopg.Error as error:
        if error.sqlstate == _NOT_ASKED:
            raise NotFoundError("no certificate is asked for") from error
        if error.sqlstate == _THERE:
            raise AlreadyExistsError("a certificate is filed already") from error
        raise
    return Filing(certificate_id, said.hexdigest(), written.hexdigest(), index)


def certificates_of(connection: psycopg.Connection, contract_id: str) -> list[FiledCertificate]:
    """All certificates filed for a contract, the oldest first; without their documents."""
    with connection.cursor(row_factory=args_row(FiledCertificate)) as cursor:
        return cursor.execute(_FILED, (contract_id,)).fetchall()


def read_document(connection: psycopg.Connection, certificate_id: UUID) -> tuple[str, bytes]:
    """The attached document with its media type.

    Raises:
        NotFoundError: there is no such certificate.
    """
    row = connection.execute(
        "SELECT media_type, document FROM casegate.destruction_certificate"
        " WHERE certificate_id = %s",
        (certificate_id,),
    ).fetchone()
    if row is None:
        raise NotFoundError("there is no such certificate")
    return str(row[0]), bytes(row[1])
