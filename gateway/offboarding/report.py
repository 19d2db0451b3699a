"""The signed report of a contract's end: JSON and PDF, made once from what the steps found.

There are two: `end`, when the company has done its part, and `closed`, when the destruction
certificate has been accepted.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import psycopg
from psycopg.rows import args_row

from audit.encoding import canonical
from audit.entry import EventType
from gateway.clock import rfc3339
from gateway.errors import NotFoundError
from gateway.evidence import record_with_change
from gateway.offboarding.record import Offboarding

FORMAT = "casegate-offboarding-report/1"
_READ = """
SELECT document, signature, pdf, pdf_signature FROM casegate.offboarding_report
 WHERE contract_id = %s AND kind = %s
"""
_KEEP = """
INSERT INTO casegate.offboarding_report
       (contract_id, kind, document, signature, pdf, pdf_signature)
VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING
"""


class ReportKind(StrEnum):
    """Which of the two reports."""

    END = "end"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Report:
    """A report as it is kept: canonical JSON and PDF, each with its detached JWS."""

    document: bytes
    signature: str
    pdf: bytes
    pdf_signature: str

    @property
    def sha256(self) -> str:
        """Of the JSON, in hex; the PDF shows it."""
        return hashlib.sha256(self.document).hexdigest()

    def files(self) -> dict[str, bytes]:
        """What is handed over, by name; the signature of a file stands beside it."""
        return {
            "report.json": self.document,
            "report.json.jws": self.signature.encode() + b"\n",
            "report.pdf": self.pdf,
            "report.pdf.jws": self.pdf_signature.encode() + b"\n",
        }


def make_report(
    connection: psycopg.Connection,
    offboarding: Offboarding,
    kind: ReportKind,
    *,
    origin: str,
    sign: Callable[[bytes], str],
    at: datetime,
) -> Report:
    """Makes a report, signs it and keeps it, with an entry in the log; later calls return it.

    `origin` is the log's name. The content depends on the kept facts alone, so that a report made
    anew after a crash is the same.
    """
    with connection.transaction():
        # One maker at a time: the other waits here and then finds what was made.
        connection.execute(
            "SELECT 1 FROM casegate.offboarding WHERE contract_id = %s FOR UPDATE",
            (offboarding.contract_id,),
        )
        kept = find_report(connection, offboarding.contract_id, kind)
        if kept is not None:
            return kept
        document = canonical(report_content(offboarding, kind, origin))
        digest = hashlib.sha256(document).hexdigest()
        # Only who makes a report loads reportlab: a tenth of a second of every command's start.
        from gateway.offboarding.printing import print_report  # noqa: PLC0415

        pdf = print_report(report_content(offboarding, kind, origin), digest)
        report = Report(document, sign(document), pdf, sign(pdf))
        connection.execute(
            _KEEP,
            (
                *(offboarding.contract_id, kind.value, report.document),
                *(report.signature, report.pdf, report.pdf_signature),
            ),
        )
        record_with_change(
            connection,
            EventType.OFFBOARDING_ADVANCED,
            at=at,
            actor=offboarding.started_by,
            vendor=offboarding.vendor_id,
            contract=offboarding.contract_id,
            report=kind.value,
            sha256=digest,
            pdf_sha256=hashlib.sha256(pdf).hexdigest(),
        )
    return report


def find_report(
    connection: psycopg.Connection, contract_id: str, kind: ReportKind
) -> Report | None:
    """A report that was made; None before."""
    with connection.cursor(row_factory=args_row(Report)) as cursor:
        return cursor.execute(_READ, (contract_id, kind.value)).fetchone()


def newest_report(connection: psycopg.Connection, contract_id: str) -> Report:
    """The last report of a contract's end.

    Raises:
        NotFoundError: none has been made.
    """
    for kind in (ReportKind.CLOSED, ReportKind.END):
        report = find_report(connection, contract_id, kind)
        if report is not None:
            return report
    raise NotFoundError("no report of this contract's end has been made")


def report_content(offboarding: Offboarding, kind: ReportKind, origin: str) -> dict[str, Any]:
    """The report as JSON has it."""
    facts = dict(offboarding.facts)
    if kind is ReportKind.END:
        facts.pop("destruction", None)
    return {
        "format": FORMAT,
        "kind": kind.value,
        "vendor": offboarding.vendor_id,
        "contract": offboarding.contract_id,
        "cause": offboarding.cause,
        "started_by": offboarding.started_by,
        "started_at": rfc3339(offboarding.started_at),
        "ended_at": rfc3339(offboarding.ended_at),
        "log_origin": origin,
        **facts,
    }
