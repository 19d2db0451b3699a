"""The desk at which staff invite, look at enrolments and decide proposals."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import psycopg

from gateway.clock import Clock
from gateway.errors import ApprovalRefusedError
from gateway.identity.principal import CredentialScope, StaffRole
from gateway.operations.approval import (
    Proposal,
    decide,
    list_proposals,
    read_proposal,
    verify_approver,
)
from gateway.operations.enrolment import Enrolment, list_enrolments
from gateway.operations.invitation import Invitation, invite, propose_closing
from gateway.operations.registration import register_contract, register_vendor


@dataclass(frozen=True, slots=True)
class OnboardingDesk:
    """Use cases on connections of their own, for the company API and the commands."""

    connection: Callable[[], AbstractContextManager[psycopg.Connection]]
    clock: Clock

    def add_vendor(self, vendor_id: str, name: str, *, actor: str) -> None:
        """Registers a vendor; see operations.registration."""
        with self.connection() as connection:
            register_vendor(connection, vendor_id, name=name, actor=actor, at=self.clock.now())

    def add_contract(
        self,
        contract_id: str,
        vendor_id: str,
        *,
        starts_at: datetime,
        ends_at: datetime,
        actor: str,
    ) -> None:
        """Registers a contract; see operations.registration."""
        with self.connection() as connection:
            register_contract(
                connection,
                contract_id,
                vendor_id=vendor_id,
                starts_at=starts_at,
                ends_at=ends_at,
                actor=actor,
                at=self.clock.now(),
            )

    def invite(
        self,
        vendor_id: str,
        contract_id: str,
        *,
        system: str,
        scope: CredentialScope,
        hours: int,
        actor: str,
    ) -> Invitation:
        """Invites one system of a vendor; see operations.invitation.

        Where the approval of a closing invitation is missing, it is proposed, if it was not.
        """
        now = self.clock.now()
        with self.connection() as connection:
            try:
                return invite(
                    connection,
                    vendor_id=vendor_id,
                    contract_id=contract_id,
                    system=system,
                    scope=scope,
                    hours=hours,
                    actor=actor,
                    at=now,
                )
            except ApprovalRefusedError as error:
                if error.code == "APPROVAL_MISSING":
                    propose_closing(connection, vendor_id, contract_id, actor=actor, at=now)
                raise

    def proposals(self, *, only_open: bool, after: UUID | None, limit: int) -> list[Proposal]:
        """A page of proposals; see operations.approval."""
        with self.connection() as connection:
            return list_proposals(
                connection, at=self.clock.now(), only_open=only_open, after=after, limit=limit
            )

    def decide(
        self, proposal_id: UUID, *, is_approved: bool, role: StaffRole, actor: str
    ) -> Proposal:
        """Approves or rejects, where the role may; see operations.approval.

        Raises:
            RoleNotAllowedError: proposals of this kind are decided by another role.
        """
        now = self.clock.now()
        with self.connection() as connection:
            verify_approver(read_proposal(connection, proposal_id, at=now).kind, role)
            return decide(connection, proposal_id, is_approved=is_approved, actor=actor, at=now)

    def enrolments(self, *, after: UUID | None, limit: int) -> list[Enrolment]:
        """A page of enrolments; see operations.enrolment."""
        with self.connection() as connection:
            return list_enrolments(connection, after=after, limit=limit)
