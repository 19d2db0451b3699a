"""Issuing authorities on record, their revocation lists, and the status of what they issued."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import psycopg
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ReasonFlags
from psycopg.rows import args_row

from audit.entry import EventType
from gateway.errors import AlreadyExistsError, NotFoundError
from gateway.evidence import record_with_change
from keys.authority import CertificateAuthority
from keys.crl import RevokedCertificate, build_crl, revoked_in
from keys.ocsp import Status
from keys.thumbprint import spki_digest

CRL_LIFE = timedelta(hours=24)
CRL_RENEWAL = timedelta(hours=6)
# A list begins so much early: a reader whose clock is behind ours would refuse everybody.
CLOCK_SKEW = timedelta(minutes=5)
LISTER = "service:crl"
# Taken for one transaction: list numbers, and which issuer is the active one.
_LOCK = 0x63617365

_STANDING = """
SELECT c.serial_number, c.not_after, c.revoked_at, c.revocation_reason,
       CASE WHEN c.retires_at <= %(at)s AND c.retires_at < c.not_after THEN c.retires_at END,
       c.status = 'suspended' OR v.status = 'suspended'
  FROM casegate.credential c LEFT JOIN casegate.vendor v ON v.vendor_id = c.vendor_id
 WHERE c.issuer_id = %(issuer)s
"""
_SHUT_OUT = """
   AND (c.status <> 'active' OR v.status = 'suspended'
        OR c.retires_at <= %(at)s AND c.retires_at < c.not_after)
"""
_OF_SERIAL = " AND c.serial_number = %(serial)s"
_NEWEST = """
SELECT number, this_update, next_update, crl FROM casegate.crl
 WHERE issuer_id = %s ORDER BY number DESC LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class Issuer:
    """An issuing authority on record; `live` counts its certificates that have not ended."""

    issuer_id: bytes
    certificate: x509.Certificate
    status: str
    added_at: datetime
    live: int


@dataclass(frozen=True, slots=True)
class PublishedCRL:
    """A stored revocation list; `der` is what is served."""

    number: int
    this_update: datetime
    next_update: datetime
    der: bytes


def add_issuer(
    connection: psycopg.Connection, certificate: x509.Certificate, *, actor: str, at: datetime
) -> bytes:
    """Makes this the active issuer and the one before a retiring one; returns its id.

    Certificates of both stay trusted. Doing it twice changes nothing.

    Raises:
        AlreadyExistsError: the issuer is on record as retiring or revoked; there is no way back.
    """
    issuer_id = spki_digest(certificate)
    with connection.transaction():
        _lock(connection, None)
        row = connection.execute(
            "SELECT status FROM casegate.issuer WHERE issuer_id = %s", (issuer_id,)
        ).fetchone()
        if row is not None:
            if row[0] == "active":
                return issuer_id
            raise AlreadyExistsError(f"the issuer is on record as {row[0]}; make a new one")
        retired = connection.execute(
            "UPDATE casegate.issuer SET status = 'retiring' WHERE status = 'active'"
            " RETURNING issuer_id"
        ).fetchone()
        connection.execute(
            "INSERT INTO casegate.issuer (issuer_id, certificate, added_at) VALUES (%s, %s, %s)",
            (issuer_id, certificate.public_bytes(Encoding.DER), at),
        )
        record_with_change(
            connection,
            EventType.ISSUER_ADDED,
            at=at,
            actor=actor,
            issuer=issuer_id.hex(),
            retires=None if retired is None else bytes(retired[0]).hex(),
            ends=certificate.not_valid_after_utc.isoformat(),
        )
    return issuer_id


def list_issuers(connection: psycopg.Connection, at: datetime) -> list[Issuer]:
    """All issuers on record, the newest first."""
    rows = connection.execute(
        "SELECT i.issuer_id, i.certificate, i.status, i.added_at,"
        " (SELECT count(*) FROM casegate.credential c WHERE c.issuer_id = i.issuer_id"
        "   AND c.status = 'active' AND c.not_after > %s)"
        " FROM casegate.issuer i ORDER BY i.added_at DESC, i.issuer_id",
        (at,),
    )
    return [
        Issuer(bytes(issuer_id), x509.load_der_x509_certificate(der), status, added_at, live)
        for issuer_id, der, status, added_at, live in rows
    ]


def publish_crl(
    connection: psycopg.Connection,
    authority: CertificateAuthority,
    at: datetime,
    *,
    actor: str = LISTER,
) -> PublishedCRL:
    """Signs and stores the issuer's next list: everything shut out now, with the next number.

    A suspended certificate is in it with the reason certificateHold, and leaves it again when the
    suspension is lifted; one that was replaced, as superseded once its overlap is over. An ended
    certificate leaves with the second list after its end (RFC 5280, 3.3). Two callers at once get
    two numbers.

    Raises:
        NotFoundError: the issuer is not on record; add_issuer comes first.
        DeviceError: a device holds the key and does not answer.
    """
    issuer_id = authority.issuer_id
    with connection.transaction():
        _lock(connection, issuer_id)
        last = newest_crl(connection, issuer_id)
        number = 1 if last is None else last.number + 1
        until = at + CRL_LIFE
        entries = _to_tell(_shut_out(connection, issuer_id, at), last, at)
        crl = build_crl(
            authority,
            entries.values(),
            number=number,
            this_update=at - CLOCK_SKEW,
            next_update=until,
        )
        published = PublishedCRL(number, at, until, crl.public_bytes(Encoding.DER))
        try:
            connection.execute(
                "INSERT INTO casegate.crl (issuer_id, number, this_update, next_update, crl)"
                " VALUES (%s, %s, %s, %s, %s)",
                (issuer_id, number, at, until, published.der),
            )
        except psycopg.errors.ForeignKeyViolation as error:
            raise NotFoundError(
                "the issuing authority is not on record; run: casegate ca adopt"
            ) from error
        record_with_change(
            connection,
            EventType.CRL_ISSUED,
            at=at,
            actor=actor,
            issuer=issuer_id.hex(),
            number=number,
            entries=len(entries),
        )
    return published


def newest_crl(connection: psycopg.Connection, issuer_id: bytes) -> PublishedCRL | None:
    """The issuer's newest list; None before the first."""
    with connection.cursor(row_factory=args_row(PublishedCRL)) as cursor:
        return cursor.execute(_NEWEST, (issuer_id,)).fetchone()


def due_crl(connection: psycopg.Connection, issuer_id: bytes, at: datetime) -> bool:
    """Whether a list must be made now: none yet, six hours old, or not what is shut out now."""
    last = newest_crl(connection, issuer_id)
    if last is None or at >= last.this_update + CRL_RENEWAL:
        return True
    told = _told(last)
    standings = _shut_out(connection, issuer_id, at)
    is_lifted = not set(told) <= {row.serial for row in standings}
    return is_lifted or any(
        serial not in told or told[serial].reason is not entry.reason
        for serial, entry in _to_tell(standings, last, at).items()
    )


def status_of(
    connection: psycopg.Connection, issuer_id: bytes, serial: int, at: datetime
) -> Status:
    """For status answers: True in good standing, the revocation, or None when never issued.

    A suspension is told as certificateHold from `at`; since when it lasts is in the log alone.
    """
    with connection.cursor(row_factory=args_row(_Standing)) as cursor:
        row = cursor.execute(
            _STANDING + _OF_SERIAL, {"issuer": issuer_id, "serial": f"{serial:x}", "at": at}
        ).fetchone()
    if row is None:
        return None
    return row.entry(at) if row.is_shut_out else True


@dataclass(frozen=True, slots=True)
class _Standing:
    serial_number: str
    not_after: datetime
    revoked_at: datetime | None
    reason: str | None
    replaced_at: datetime | None
    is_held: bool | None

    @property
    def serial(self) -> int:
        return int(self.serial_number, 16)

    @property
    def is_shut_out(self) -> bool:
        return self.revoked_at is not None or self.replaced_at is not None or bool(self.is_held)

    def entry(self, at: datetime) -> RevokedCertificate:
        if self.revoked_at is None:
            if self.replaced_at is not None:
                return RevokedCertificate(self.serial, self.replaced_at, ReasonFlags.superseded)
            return RevokedCertificate(self.serial, at, ReasonFlags.certificate_hold)
        reason = ReasonFlags(self.reason) if self.reason else ReasonFlags.unspecified
        return RevokedCertificate(self.serial, self.revoked_at, reason)


def _shut_out(connection: psycopg.Connection, issuer_id: bytes, at: datetime) -> list[_Standing]:
    with connection.cursor(row_factory=args_row(_Standing)) as cursor:
        named = {"issuer": issuer_id, "at": at}
        return cursor.execute(_STANDING + _SHUT_OUT, named).fetchall()


def _to_tell(
    standings: list[_Standing], last: PublishedCRL | None, at: datetime
) -> dict[int, RevokedCertificate]:
    """What the next list says: an ended certificate once more, so that its end is no gap."""
    told = {} if last is None else _told(last)
    entries = {}
    for row in standings:
        if last is not None and row.not_after < last.this_update:
            continue
        entry = row.entry(at)
        before = told.get(entry.serial)
        # A suspension keeps the date under which it was first told.
        is_same = before is not None and before.reason is entry.reason
        entries[entry.serial] = before if before is not None and is_same else entry
    return entries


def _told(crl: PublishedCRL) -> dict[int, RevokedCertificate]:
    return revoked_in(x509.load_der_x509_crl(crl.der))


def _lock(connection: psycopg.Connection, issuer_id: bytes | None) -> None:
    """Waits for whoever else is at this issuer's list, or at the record of issuers."""
    part = 0 if issuer_id is None else int.from_bytes(issuer_id[:4], "big", signed=True)
    connection.execute("SELECT pg_advisory_xact_lock(%s, %s)", (_LOCK, part))
