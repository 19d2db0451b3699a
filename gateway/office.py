"""The company's use cases, for its API and the command line."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from cryptography.x509 import ReasonFlags

from audit.entry import EventType
from gateway.clock import Clock
from gateway.evidence import record_with_change
from gateway.http.company import CompanyUseCases
from gateway.identity.principal import StaffRole
from gateway.installation import (
    kek_keys,
    offboarding_means,
    policies_directory,
    read_key,
    release_profiles,
)
from gateway.offboarding.desk import OffboardingDesk
from gateway.operations.effect import RevocationEffect
from gateway.operations.onboarding import OnboardingDesk
from gateway.operations.shutting_out import ShuttingOutDesk
from gateway.oversight.desk import AuditDesk
from gateway.oversight.search import LogPage, LogQuery, search_log
from gateway.oversight.verification import read_checkpoint
from gateway.portfolio.erasure import Erasure, ErasureReason, count_cases, erase_person
from gateway.portfolio.finding import commitments_of_person
from gateway.portfolio.importing import ImportKeys, ImportReport, PortfolioImport, Progress
from gateway.release.explanation import (
    FieldExplanation,
    explain_record,
    read_assigned,
    whole_record,
)
from gateway.scopes.desk import ScopeDesk
from gateway.store.database import Database, connect
from keys.kek import KeyRing, LocalKeyEncryptionKey
from policies.fields import Stage, load_field_catalog
from policies.load import LoadedPolicy


@dataclass(frozen=True, slots=True)
class Office:
    """The company's use cases on connections of their own: for its API and the command line."""

    database: Database
    clock: Clock

    @contextmanager
    def connection(self, purpose: str = "company") -> Iterator[psycopg.Connection]:
        """A connection as a role.

        Raises:
            DatabaseUnavailableError: PostgreSQL does not answer.
        """
        connection = connect(self.database.conninfo(purpose, bounded=False))
        try:
            yield connection
        finally:
            connection.close()

    def use_cases(self) -> CompanyUseCases:
        """What the company API calls."""
        return CompanyUseCases(
            import_file=lambda path, vendor, contract, actor: self.import_file(
                path, vendor, contract, actor=actor, rejects=path.with_suffix(".rejected.csv")
            ),
            search=lambda query, actor: self.search(query, actor=actor),
            checkpoint=lambda actor: self.checkpoint(actor=actor),
            desk=self.desk(),
            onboarding=self.onboarding(),
            offboarding=self.offboarding(),
            shutting_out=self.shutting_out(),
        )

    def import_file(
        self,
        path: Path,
        vendor_id: str,
        contract_id: str,
        *,
        actor: str,
        rejects: Path,
        progress: Progress = lambda _read, _size, _rows: None,
    ) -> ImportReport:
        """Imports a case file; see PortfolioImport.run."""
        settings = self.database.settings
        pseudonyms = release_profiles(settings).pseudonym_key(vendor_id, contract_id)
        keys = ImportKeys(
            kek=LocalKeyEncryptionKey(read_key(settings, settings.keys.kek)),
            index=read_key(settings, settings.keys.index),
            pseudonyms=pseudonyms,
        )
        with self.connection() as connection:
            return PortfolioImport(
                connection,
                vendor_id=vendor_id,
                contract_id=contract_id,
                keys=keys,
                clock=self.clock,
                actor=actor,
            ).run(path, rejects=rejects, progress=progress)

    def shutting_out(self) -> ShuttingOutDesk:
        """Revocation and suspension; see operations.shutting_out."""
        return ShuttingOutDesk(self.connection, self.clock, self.database.settings)

    def revoke_vendor(self, vendor: str, reason: ReasonFlags, *, actor: str) -> RevocationEffect:
        """Shuts a vendor out; see operations.revocation."""
        return self.shutting_out().revoke_vendor(vendor, reason, actor=actor)

    def revoke_certificate(
        self, thumbprint: bytes, reason: ReasonFlags, *, actor: str
    ) -> RevocationEffect:
        """Revokes one certificate; see operations.revocation."""
        return self.shutting_out().revoke_certificate(thumbprint, reason, actor=actor)

    def search(self, query: LogQuery, *, actor: str) -> LogPage:
        """Searches the log; see oversight.search."""
        with self.connection() as connection:
            return search_log(connection, query, actor=actor, at=self.clock.now())

    def onboarding(self) -> OnboardingDesk:
        """Invitations, enrolments, proposals; see operations.onboarding."""
        return OnboardingDesk(self.connection, self.clock)

    def scopes(self) -> ScopeDesk:
        """Policies: proposed, in force, compared, replayed; see scopes.desk."""
        directory = policies_directory(self.database.settings)
        return ScopeDesk(self.connection, self.clock, directory)

    def explain_case(
        self, loaded: LoadedPolicy, case_ref: str, stage: Stage, *, role: StaffRole, actor: str
    ) -> list[FieldExplanation]:
        """Why the policy's vendor sees what it sees of one of its cases; noted in the log.

        Raises:
            NotFoundError: the vendor holds no case of this reference.
        """
        settings, policy = self.database.settings, loaded.policy
        with self.connection() as connection:
            case = read_assigned(connection, policy.vendor, policy.contract, case_ref)
            with connection.transaction():
                record_with_change(
                    connection,
                    EventType.POLICY_EXPLAINED,
                    at=self.clock.now(),
                    actor=actor,
                    vendor=policy.vendor,
                    contract=policy.contract,
                    policy=policy.digest,
                    stage=stage.value,
                    role=role.value,
                    cases=[case.commitment.hex()],
                )
        profiles = release_profiles(settings)
        return explain_record(
            whole_record(case, KeyRing(kek_keys(settings))),
            loaded,
            stage,
            catalog=load_field_catalog(),
            pseudonyms=profiles.pseudonym_key(policy.vendor, policy.contract),
            role=role,
        )

    def desk(self) -> AuditDesk:
        """The auditor's views of the log; see oversight.desk."""
        return AuditDesk(self.connection, self.clock, self.commitments_of)

    def offboarding(self) -> OffboardingDesk:
        """The ends of contracts; see offboarding.desk."""
        return OffboardingDesk(
            self.connection, lambda: offboarding_means(self.database.settings, self.clock)
        )

    def commitments_of(self, identifier: str) -> tuple[str, ...]:
        """The commitments in hex of all cases, past ones too, of a person by ID or mobile."""
        index_key = read_key(self.database.settings, self.database.settings.keys.index)
        with self.connection() as connection:
            return commitments_of_person(connection, identifier, index_key)

    def count_cases(self, identifier: str, *, actor: str) -> int:
        """How many cases of a person an erasure would take; see portfolio.erasure."""
        index_key = read_key(self.database.settings, self.database.settings.keys.index)
        with self.connection() as connection:
            return count_cases(connection, identifier, index_key, actor=actor, at=self.clock.now())

    def erase_person(
        self, identifier: str, *, expected: int, reason: ErasureReason, actor: str
    ) -> Erasure:
        """Erases all cases of a person; see portfolio.erasure."""
        index_key = read_key(self.database.settings, self.database.settings.keys.index)
        with self.connection() as connection:
            return erase_person(
                connection,
                identifier,
                index_key,
                expected=expected,
                reason=reason,
                actor=actor,
                at=self.clock.now(),
            )

    def checkpoint(self, *, actor: str) -> str | None:
        """The newest signed checkpoint, after noting who read it."""
        with self.connection() as connection:
            return read_checkpoint(connection, actor=actor, at=self.clock.now())
