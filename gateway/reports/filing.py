"""The vendor's side: what we count, and reports that are taken when they say the same."""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID, uuid4

import orjson
import psycopg
from psycopg.types.json import Jsonb

from audit.entry import EventType
from gateway.clock import Clock, rfc3339
from gateway.contact.refusals import refusals
from gateway.errors import (
    ContentMismatchError,
    IdempotencyKeyReusedError,
    IllegalTransitionError,
    NotFoundError,
    PeriodNotEndedError,
    PersonalDataError,
    ReportMismatchError,
)
from gateway.evidence import record_with_change
from gateway.findings.record import Fault, Severity, entry_fields
from gateway.identity.principal import VendorPrincipal
from gateway.redaction.spans import Span
from gateway.release.cursor import CursorCipher
from gateway.reports.metrics import SCHEMA_VERSION, Difference, differences
from gateway.reports.periods import DueTimes, Period, parse_period
from gateway.reports.punctuality import count_punctual
from gateway.reports.store import (
    Report,
    count_period,
    newest_reports,
    repeated_report,
    report_page,
)
from policies.contact.results import ResultCodes

# A month of a million calls takes seconds: longer than what a listener gives a statement.
_COUNTING = "SET LOCAL statement_timeout = '60s'"
_CASE_REF = re.compile(r"(?<![A-Z2-7])[A-Z2-7]{26}(?![A-Z2-7])")
_INSERT = """
INSERT INTO casegate.report
       (report_id, vendor_id, contract_id, kind, period, period_from, period_to, revision,
        schema_version, state, due_at, submitted_at, is_late, prepared_by, metrics, texts,
        differences, totals_sha256, thumbprint, repeat_key, repeat_sha256)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""


class PersonFinder(Protocol):
    """Finds personal data in a text."""

    def find(self, text: str) -> list[Span]:
        """Spans of what is personal."""
        ...


@dataclass(frozen=True, slots=True)
class Filing:
    """A report as it is sent; `texts` are progress, problems, solutions and so on."""

    period: str
    revision: int
    prepared_by: str
    metrics: Mapping[str, Any]
    texts: Mapping[str, Any]
    totals_sha256: str | None = None
    repeat_key: str | None = None
    repeat_sha256: bytes | None = None


@dataclass(frozen=True, slots=True)
class ReportRules:
    """How numbers are counted and until when they are owed."""

    results: ResultCodes
    due: DueTimes
    grace: timedelta


@dataclass(frozen=True, slots=True)
class FilingDesk:
    """Each call runs in a thread on a connection of its own."""

    connect: Callable[[], AbstractContextManager[psycopg.Connection]]
    clock: Clock
    rules: ReportRules
    finder: PersonFinder
    cursors: CursorCipher

    def preview(self, principal: VendorPrincipal, text: str) -> dict[str, Any]:
        """What is counted of a period as of now; nothing is kept.

        Raises:
            RequestInvalidError, NotFoundError: there is no such period, or none in this contract.
        """
        period = parse_period(text)
        now = self.clock.now()
        with refusals(), self.connect() as connection, self._own(connection, principal):
            metrics = self._count(
                connection, principal, period, self._term_of(connection, principal, period)
            )
        return {
            "period": period.text,
            "kind": period.kind.value,
            "due_at": rfc3339(self.rules.due.due_at(period)),
            "has_ended": now >= period.ends,
            "counted_at": rfc3339(now),
            "metrics": metrics,
            "totals_sha256": totals_digest(metrics).hex(),
        }

    def submit(self, principal: VendorPrincipal, filing: Filing) -> dict[str, Any]:
        """Takes a report if every number of it is what is counted; a rejected one is kept, too.

        Raises:
            RequestInvalidError, NotFoundError: there is no such period, or none in this contract.
            PeriodNotEndedError: it is not over.
            PersonalDataError: a text names a person, a number or a case.
            ContentMismatchError: totals_sha256 is of other numbers.
            IllegalTransitionError: a report stands already and this is not its next revision.
            IdempotencyKeyReusedError: the key was used for another report.
            ReportMismatchError: numbers are not what was counted; it says which.
        """
        period = parse_period(filing.period)
        self._verify_texts(filing.texts)
        digest = totals_digest(filing.metrics)
        if filing.totals_sha256 is not None and filing.totals_sha256 != digest.hex():
            raise ContentMismatchError("totals_sha256 is of other numbers")
        with refusals(), self.connect() as connection, self._own(connection, principal):
            known = self._repeated(connection, principal, filing)
            report = known or self._file(connection, principal, filing, period, digest)
        if report.state == "rejected":
            raise ReportMismatchError(report.differences)
        return report.document()

    def one(self, principal: VendorPrincipal, text: str) -> dict[str, Any]:
        """The newest report of a period with those before it; NotFoundError without any."""
        period = parse_period(text).text
        with refusals(), self.connect() as connection, self._own(connection, principal):
            found = newest_reports(connection, principal.vendor_id, principal.contract_id, period)
        if not found:
            raise NotFoundError("there is no report of this period")
        return {**found[0].document(), "earlier": [one.document() for one in found[1:]]}

    def page(
        self, principal: VendorPrincipal, *, cursor: str | None, limit: int
    ) -> dict[str, Any]:
        """A page of the vendor's reports, newest first.

        Raises:
            RequestInvalidError: the cursor is not one of this listing.
        """
        named = (principal.vendor_id, principal.contract_id)
        listing = f"reports/{'/'.join(named)}"
        before = int(self.cursors.open(cursor, listing=listing)) if cursor else None
        with refusals(), self.connect() as connection, self._own(connection, principal):
            found = report_page(
                connection,
                vendor_id=named[0],
                contract_id=named[1],
                before=before,
                limit=limit + 1,
            )
        following = None
        if len(found) > limit:
            found = found[:limit]
            following = self.cursors.seal(str(found[-1].sequence), listing=listing)
        return {"items": [one.document() for one in found], "next_cursor": following}

    @contextmanager
    def _own(self, connection: psycopg.Connection, principal: VendorPrincipal) -> Iterator[None]:
        """A transaction under the row-level security of one vendor."""
        with connection.transaction():
            connection.execute(
                "SELECT set_config('casegate.vendor_id', %s, true)", (principal.vendor_id,)
            )
            yield

    def _term_of(
        self, connection: psycopg.Connection, principal: VendorPrincipal, period: Period
    ) -> tuple[datetime, datetime]:
        """When the contract runs; NotFoundError if a report of the period is not owed."""
        row = connection.execute(
            "SELECT starts_at, ends_at FROM casegate.contract_term(%s, %s)",
            (principal.vendor_id, principal.contract_id),
        ).fetchone()
        if row is None or not (period.begins < row[1] and row[0] < period.ends):
            raise NotFoundError("the contract did not run in this period")
        return row[0], row[1]

    def _verify_texts(self, texts: Mapping[str, Any]) -> None:
        for name, value in texts.items():
            for text in value if isinstance(value, list) else [value]:
                if text and (_CASE_REF.search(text) or self.finder.find(text)):
                    raise PersonalDataError(
                        f"{name}: sums only; leave cases, persons and their numbers out"
                    )

    def _repeated(
        self, connection: psycopg.Connection, principal: VendorPrincipal, filing: Filing
    ) -> Report | None:
        if filing.repeat_key is None:
            return None
        named = (principal.vendor_id, principal.contract_id)
        connection.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))",
            ("casegate.report/" + "/".join((*named, filing.repeat_key)),),
        )
        known = repeated_report(connection, *named, filing.repeat_key)
        if known is None:
            return None
        if known[1] != filing.repeat_sha256:
            raise IdempotencyKeyReusedError("the key was used for another report")
        return known[0]

    def _count(
        self,
        connection: psycopg.Connection,
        principal: VendorPrincipal,
        period: Period,
        term: tuple[datetime, datetime],
    ) -> dict[str, Any]:
        connection.execute(_COUNTING)
        named = (principal.vendor_id, principal.contract_id)
        return count_period(
            connection,
            *named,
            period,
            results=self.rules.results,
            grace=self.rules.grace,
            punctual=count_punctual(connection, named, term, period, self.rules.due),
        )

    def _file(
        self,
        connection: psycopg.Connection,
        principal: VendorPrincipal,
        filing: Filing,
        period: Period,
        digest: bytes,
    ) -> Report:
        now = self.clock.now()
        if now < period.ends:
            raise PeriodNotEndedError("the period is not over")
        term = self._term_of(connection, principal, period)
        named = (principal.vendor_id, principal.contract_id)
        # One at a time for a period: two that are sent together are two revisions or one refusal.
        connection.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))",
            ("casegate.report/" + "/".join((*named, period.text)),),
        )
        _verify_revision(newest_reports(connection, *named, period.text), filing.revision)
        counted = self._count(connection, principal, period, term)
        found = differences(filing.metrics, counted)
        report_id = uuid4()
        due = self.rules.due.due_at(period)
        connection.execute(
            _INSERT,
            (
                *(report_id, *named, period.kind.value, period.text, period.first, period.last),
                *(filing.revision, SCHEMA_VERSION, "rejected" if found else "accepted"),
                *(due, now, now > due, filing.prepared_by, Jsonb(dict(filing.metrics))),
                *(Jsonb(dict(filing.texts)), Jsonb([one.document() for one in found])),
                *(digest, principal.thumbprint, filing.repeat_key, filing.repeat_sha256),
            ),
        )
        copied = self._fault_copy(connection, principal, filing, period, digest)
        self._log(connection, principal, filing, (report_id, found, copied), now)
        return newest_reports(connection, *named, period.text)[0]

    def _fault_copy(
        self,
        connection: psycopg.Connection,
        principal: VendorPrincipal,
        filing: Filing,
        period: Period,
        digest: bytes,
    ) -> UUID | None:
        """Totals of a worked period that are those of the period before: copied, most likely."""
        named = (principal.vendor_id, principal.contract_id)
        earlier = newest_reports(connection, *named, period.before().text)
        if not filing.metrics.get("dial_attempts") or all(
            bytes(one.totals_sha256) != digest for one in earlier
        ):
            return None
        row = connection.execute(
            "SELECT casegate.fault_report('REPORT_COPIED', 'major', %s, %s, %s, %s)",
            (*named, Jsonb({"period": period.text}), self.clock.now()),
        ).fetchone()
        assert row is not None
        return None if row[0] is None else UUID(str(row[0]))

    def _log(
        self,
        connection: psycopg.Connection,
        principal: VendorPrincipal,
        filing: Filing,
        outcome: tuple[UUID, list[Difference], UUID | None],
        now: datetime,
    ) -> None:
        report_id, found, copied = outcome
        record_with_change(
            connection,
            EventType.REPORT_REJECTED if found else EventType.REPORT_ACCEPTED,
            at=now,
            vendor=principal.vendor_id,
            contract=principal.contract_id,
            certificate=principal.thumbprint.hex(),
            report=str(report_id),
            period=filing.period,
            revision=filing.revision,
            differs=[one.metric for one in found],
        )
        if copied is not None:
            fault = Fault(
                "REPORT_COPIED", Severity.MAJOR, principal.vendor_id, {}, principal.contract_id
            )
            record_with_change(
                connection, EventType.FINDING_RAISED, at=now, **entry_fields(copied, fault)
            )


def totals_digest(metrics: Mapping[str, Any]) -> bytes:
    """SHA-256 of the numbers as JSON with sorted keys and no spaces."""
    return hashlib.sha256(orjson.dumps(dict(metrics), option=orjson.OPT_SORT_KEYS)).digest()


def _verify_revision(known: list[Report], revision: int) -> None:
    standing = max((one.revision for one in known if one.state == "accepted"), default=0)
    if revision != standing + 1:
        raise IllegalTransitionError(
            f"revision {standing} of this report is accepted; the next is {standing + 1}"
            if standing
            else "no report of this period is accepted yet; the first is revision 1"
        )
