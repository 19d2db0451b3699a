"""The ends of contracts as use cases: for the company API, the command line and the clockwork."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

from audit.entry import EventType
from audit.errors import AuditError
from gateway.clock import rfc3339
from gateway.errors import AlreadyExistsError, GatewayError, NotFoundError, RequestInvalidError
from gateway.evidence import record_with_change
from gateway.logs import logger
from gateway.offboarding.certificate import certificates_of, read_document
from gateway.offboarding.closing import (
    accept_certificate,
    certificate_document,
    contest_certificate,
)
from gateway.offboarding.ending import cut_term, end_contract, running_contracts
from gateway.offboarding.missing import missing_of
from gateway.offboarding.notices import REMINDER, list_notices, notices_of, remind
from gateway.offboarding.procedure import Means, carry_on, unfinished
from gateway.offboarding.record import Offboarding, list_offboardings, read_offboarding
from gateway.offboarding.report import Report, newest_report
from gateway.operations.approval import ProposalKind
from keys.errors import KeyManagementError

_OVER = """
SELECT vendor_id, contract_id FROM casegate.contract
 WHERE status = 'active' AND ends_at <= %s ORDER BY ends_at, contract_id
"""
_NEXT = "SELECT min(ends_at) FROM casegate.contract WHERE status = 'active'"
_ADD_SUB_PROCESSOR = """
INSERT INTO casegate.sub_processor (contract_id, vendor_id, sub_processor_id, name, added_at)
VALUES (%s, %s, %s, %s, %s)
"""
_HAS_CLOSING = """
SELECT count(*) FROM casegate.credential
 WHERE contract_id = %s AND scope = 'closing' AND status = 'active'
"""


_INVITATION = """
SELECT p.proposal_id, p.status, i.invited_at, i.expires_at, i.used_at
  FROM casegate.proposal p LEFT JOIN casegate.invitation i ON i.proposal_id = p.proposal_id
 WHERE p.kind = %s AND p.subject = jsonb_build_object('vendor', %s::text, 'contract', %s::text)
 ORDER BY p.proposed_at DESC LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class OffboardingDesk:
    """Each call opens a connection of its own as the company's role."""

    connect: Callable[[], AbstractContextManager[psycopg.Connection]]
    means: Callable[[], Means]

    def offboard(
        self, vendor_id: str, contract_id: str | None = None, *, actor: str
    ) -> list[Offboarding]:
        """Ends a contract, or all of a vendor's, and does all that can be done without it.

        Of ends that were begun before, what is left is done. First the terms are cut, so that
        nothing is readable any more, then the legal core of all contracts follows.

        Raises:
            NotFoundError: no such vendor, or none of its contracts has this id.
            RequestInvalidError: the contract has not begun.
        """
        means = self.means()
        with self.connect() as connection:
            contracts = [contract_id] if contract_id else running_contracts(connection, vendor_id)
            now = means.clock.now()
            for contract in contracts:
                cut_term(connection, vendor_id, contract, actor=actor, at=now)
            for contract in contracts:
                end_contract(
                    connection,
                    vendor_id,
                    contract,
                    terms=means.terms,
                    actor=actor,
                    at=means.clock.now(),
                )
            return [
                carry_on(connection, known.contract_id, means)
                for known in list_offboardings(connection, vendor_id)
                if contract_id in {None, known.contract_id}
            ]

    def keep_time(self) -> int:
        """Ends what is over, goes on with what was left, reminds; returns how much was done.

        What fails for one contract is logged and does not hold up another.
        """
        done, means = 0, self.means()
        with self.connect() as connection:
            now = means.clock.now()
            over = connection.execute(_OVER, (now,)).fetchall()
            for vendor, contract in over:
                try:
                    end_contract(
                        connection, vendor, contract, terms=means.terms, actor=REMINDER, at=now
                    )
                    done += 1
                except (GatewayError, psycopg.Error) as error:
                    _complain(contract, error)
            for contract in unfinished(connection):
                try:
                    carry_on(connection, contract, means)
                    done += 1
                except (
                    *(GatewayError, KeyManagementError, AuditError),
                    *(psycopg.Error, OSError),
                ) as error:
                    _complain(contract, error)
            return done + remind(connection, now)

    def next_end(self) -> datetime | None:
        """When the next running contract's term is over; None when there is none."""
        with self.connect() as connection:
            row = connection.execute(_NEXT).fetchone()
        return None if row is None else row[0]

    def listing(self, vendor_id: str | None = None) -> list[dict[str, Any]]:
        """All ends of contracts, or a vendor's, the newest first, as JSON without their facts."""
        with self.connect() as connection:
            return [
                _document(connection, found) for found in list_offboardings(connection, vendor_id)
            ]

    def notices(self, *, after: int | None = None, limit: int = 50) -> list[dict[str, Any]]:
        """A page of what was told about deadlines, of all contracts, the newest first.

        `after` is the last id of the page before. Nothing here sends mail: whoever does reads
        these pages, and one that he has seen has a smaller id than one that he has not.

        Raises:
            RequestInvalidError: the page is too large.
        """
        with self.connect() as connection:
            return [
                {
                    "id": told.notice_id,
                    "contract": told.contract_id,
                    "vendor": told.vendor_id,
                    "kind": told.kind,
                    "day": told.day.isoformat(),
                    "due_at": rfc3339(told.due_at),
                    "noted_at": rfc3339(told.noted_at),
                }
                for told in list_notices(connection, after=after, limit=limit)
            ]

    def one(self, contract_id: str) -> dict[str, Any]:
        """One contract's end with all its facts, notices, certificates, and what is missing.

        Raises:
            NotFoundError: it has not been ended.
        """
        with self.connect() as connection:
            found = read_offboarding(connection, contract_id)
            return {
                **_document(connection, found),
                "facts": found.facts,
                "missing": missing_of(connection, found.vendor_id, contract_id),
                "certificates": [
                    certificate_document(filed)
                    for filed in certificates_of(connection, contract_id)
                ],
            }

    def accept(self, contract_id: str, *, actor: str) -> Offboarding:
        """Accepts the filed destruction certificate and makes the closing report.

        Raises:
            NotFoundError, RequestInvalidError: see closing.accept_certificate.
        """
        means = self.means()
        with self.connect() as connection:
            accept_certificate(connection, contract_id, actor=actor, at=means.clock.now())
            return carry_on(connection, contract_id, means)

    def contest(self, contract_id: str, *, reason: str, actor: str) -> Offboarding:
        """Turns the filed certificate down; see closing.contest_certificate."""
        with self.connect() as connection:
            return contest_certificate(
                connection, contract_id, reason=reason, actor=actor, at=self.means().clock.now()
            )

    def report(self, contract_id: str) -> Report:
        """The last report; see report.newest_report."""
        with self.connect() as connection:
            return newest_report(connection, contract_id)

    def paper(self, contract_id: str, certificate_id: UUID) -> tuple[str, bytes]:
        """The document of a certificate of this contract, with its media type.

        Raises:
            NotFoundError: there is no such certificate of this contract.
        """
        with self.connect() as connection:
            filed = certificates_of(connection, contract_id)
            if certificate_id not in {one.certificate_id for one in filed}:
                raise NotFoundError("there is no such certificate of this contract")
            return read_document(connection, certificate_id)

    def add_sub_processor(
        self, vendor_id: str, contract_id: str, sub_processor_id: str, *, name: str, actor: str
    ) -> None:
        """Puts a sub-processor of a contract on record; the log has its id, not its name.

        Raises:
            AlreadyExistsError: the id is taken under this contract.
            NotFoundError: the vendor has no such contract.
            RequestInvalidError: the id or the name is malformed.
        """
        at = self.means().clock.now()
        row = (contract_id, vendor_id, sub_processor_id, name, at)
        try:
            with self.connect() as connection, connection.transaction():
                connection.execute(_ADD_SUB_PROCESSOR, row)
                record_with_change(
                    connection,
                    EventType.CONTRACT_AMENDED,
                    at=at,
                    actor=actor,
                    vendor=vendor_id,
                    contract=contract_id,
                    sub_processor=sub_processor_id,
                )
        except psycopg.errors.UniqueViolation as error:
            raise AlreadyExistsError("the sub-processor is on record already") from error
        except psycopg.errors.ForeignKeyViolation as error:
            raise NotFoundError(f"vendor {vendor_id} has no contract {contract_id}") from error
        except psycopg.errors.CheckViolation as error:
            raise RequestInvalidError(
                "a sub-processor has an id of [a-z0-9-] and a name of 1 to 200 characters"
            ) from error


def _document(connection: psycopg.Connection, found: Offboarding) -> dict[str, Any]:
    held = connection.execute(_HAS_CLOSING, (found.contract_id,)).fetchone()
    assert held is not None
    return {
        "vendor": found.vendor_id,
        "contract": found.contract_id,
        "cause": found.cause,
        "step": found.step.value,
        "contract_status": found.contract_status,
        "ended_at": rfc3339(found.ended_at),
        "due_at": rfc3339(found.due_at),
        "closing_until": rfc3339(found.closing_until),
        "closing_credentials": int(held[0]),
        "closing_invitation": _invitation(connection, found),
        "notices": [
            {"kind": made.kind, "day": made.day.isoformat(), "noted_at": rfc3339(made.noted_at)}
            for made in notices_of(connection, found.contract_id)
        ],
    }


def _invitation(connection: psycopg.Connection, found: Offboarding) -> dict[str, Any] | None:
    """The newest proposal of a closing invitation, and the code that was made under it."""
    with connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(
            _INVITATION, (ProposalKind.CLOSING_INVITATION, found.vendor_id, found.contract_id)
        ).fetchone()
    if row is None:
        return None
    told = ("invited_at", "expires_at", "used_at")
    return {
        "proposal": str(row["proposal_id"]),
        "status": row["status"],
        **{name: None if row[name] is None else rfc3339(row[name]) for name in told},
    }


def _complain(contract_id: str, error: Exception) -> None:
    logger().error("offboarding.stuck", contract=contract_id, error_type=type(error).__name__)
