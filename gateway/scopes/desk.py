"""The desk at which staff propose, activate, compare and look back at policies."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from importlib.resources.abc import Traversable
from uuid import UUID

import psycopg

from audit.entry import EntryValue, EventType
from gateway.clock import Clock
from gateway.errors import AlreadyExistsError, NotFoundError
from gateway.evidence import record_with_change
from gateway.identity.principal import StaffRole
from gateway.operations.approval import Proposal, decide, read_proposal, verify_approver
from gateway.release.replay import Kek, OpenCases
from gateway.scopes.simulation import Simulation, simulate
from gateway.scopes.versions import (
    PolicyText,
    PolicyVersion,
    activate_policy,
    policies_in_force,
    policy_history,
    policy_text,
    propose_policy,
    withdraw_policy,
)
from policies.fields import FieldCatalog, load_field_catalog
from policies.load import LoadedPolicy, load_folder, reread_policy
from policies.model import PolicyBundle, VendorPolicy
from policies.parameters import read_parameters, unset_parameters, verify_decided


@dataclass(frozen=True, slots=True)
class ScopeDesk:
    """Use cases on connections of their own; `directory` holds the files of policies.

    `kek` opens cases for a replay; it is read only when one is asked for.
    """

    connection: Callable[[], AbstractContextManager[psycopg.Connection]]
    clock: Clock
    directory: Traversable
    kek: Kek

    @property
    def catalog(self) -> FieldCatalog:
        """The field catalogue."""
        return load_field_catalog()

    def files(self) -> tuple[LoadedPolicy, ...]:
        """The policies as the files say them now.

        Raises:
            PolicyError: a file is wrong.
        """
        return load_folder(self.directory, self.catalog)

    def file_of(self, vendor: str, contract: str | None = None) -> LoadedPolicy:
        """The one policy that the files hold for a vendor (and contract).

        Raises:
            NotFoundError: there is none, or more than one where no contract is named.
            PolicyError: a file is wrong.
        """
        found = [
            loaded
            for loaded in self.files()
            if loaded.policy.vendor == vendor and contract in {None, loaded.policy.contract}
        ]
        if len(found) != 1:
            raise NotFoundError(
                f"the files hold {len(found)} policies for vendor {vendor}; name the contract"
                if found
                else f"no file holds a policy for vendor {vendor} under this contract"
            )
        return found[0]

    def unset(self) -> tuple[str, ...]:
        """The parameters that the company has not decided: while there are any, none activates.

        Raises:
            PolicyError: the file of parameters is wrong.
        """
        return unset_parameters(read_parameters(self.directory))

    def in_force(self) -> PolicyBundle:
        """What the workers decide by."""
        with self.connection() as connection:
            return policies_in_force(connection, self.catalog)

    def in_force_of(self, vendor: str, contract: str | None = None) -> LoadedPolicy:
        """The one policy in force of a vendor (and contract), as it was proposed.

        Raises:
            NotFoundError: there is none, or more than one where no contract is named.
        """
        found = [
            policy
            for policy in self.in_force()
            if policy.vendor == vendor and contract in {None, policy.contract}
        ]
        if len(found) != 1:
            raise NotFoundError(f"{len(found)} policies are in force for this vendor and contract")
        return self.loaded(found[0].digest)

    def propose(self, loaded: LoadedPolicy, *, actor: str) -> UUID:
        """Proposes a policy for activation; see scopes.versions.

        Raises:
            ParametersUnsetError: the company has not decided all parameters.
            AlreadyExistsError: it is proposed, or in force, already.
        """
        verify_decided(read_parameters(self.directory))
        policy = loaded.policy
        now = self.in_force().policy(policy.vendor, policy.contract)
        if now is not None and now.digest == policy.digest:
            raise AlreadyExistsError("this policy is in force already")
        with self.connection() as connection:
            return propose_policy(connection, loaded, actor=actor, at=self.clock.now())

    def approve(self, proposal_id: UUID, *, role: StaffRole, actor: str) -> Proposal:
        """Approves a proposal as the second person; see operations.approval.

        Raises:
            RoleNotAllowedError: policies are approved by compliance alone.
        """
        now = self.clock.now()
        with self.connection() as connection:
            verify_approver(read_proposal(connection, proposal_id, at=now).kind, role)
            return decide(connection, proposal_id, is_approved=True, actor=actor, at=now)

    def activate(self, loaded: LoadedPolicy, *, actor: str) -> str | None:
        """Puts an approved policy in force; the digest of the one before, None for the first.

        Raises:
            ParametersUnsetError: the company has not decided all parameters.
            ApprovalRefusedError: no second person has approved exactly this.
        """
        verify_decided(read_parameters(self.directory))
        with self.connection() as connection:
            return activate_policy(
                connection, loaded, self.catalog, actor=actor, at=self.clock.now()
            )

    def withdraw(self, vendor: str, contract: str, *, actor: str) -> str:
        """Ends a policy, so that the vendor gets nothing; see scopes.versions."""
        with self.connection() as connection:
            return withdraw_policy(
                connection, vendor, contract, self.catalog, actor=actor, at=self.clock.now()
            )

    def history(self, vendor: str | None, *, limit: int = 100) -> list[PolicyVersion]:
        """When which policy was in force, newest first."""
        with self.connection() as connection:
            return policy_history(connection, vendor, limit=limit)

    def text(self, digest: str) -> PolicyText:
        """A policy that was ever proposed; NotFoundError when there is none."""
        with self.connection() as connection:
            return policy_text(connection, digest)

    def loaded(self, digest: str) -> LoadedPolicy:
        """A policy that was ever proposed, read again.

        Raises:
            NotFoundError: there is none.
            PolicyError: this version of the gateway cannot accept it any more.
        """
        text = self.text(digest)
        return reread_policy(text.document, text.file, text.sources, self.catalog)

    def simulate(
        self,
        policy: VendorPolicy,
        *,
        since: datetime | None,
        until: datetime | None,
        actor: str,
    ) -> Simulation:
        """Replays the vendor's releases under a policy; the log says who looked."""
        asked: dict[str, EntryValue] = {
            "view": "simulation",
            "vendor": policy.vendor,
            "contract": policy.contract,
            "policy": policy.digest,
        }
        with self.connection() as connection:
            with connection.transaction():
                record_with_change(
                    connection,
                    EventType.LOG_SEARCHED,
                    at=self.clock.now(),
                    actor=actor,
                    query=asked,
                )
            left_out = OpenCases(connection, self.kek).left_out
            return simulate(connection, policy, left_out, since=since, until=until)
