"""The company's use cases, for its API and the command line."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.x509 import ReasonFlags

from audit.entry import EventType
from gateway.call_office import CallOffice
from gateway.evidence import record_with_change
from gateway.findings.desk import FindingDesk
from gateway.http.company_use_cases import CompanyUseCases
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
from gateway.portfolio.canaries import PlantedCanary, list_canaries
from gateway.portfolio.erasure import Erasure, ErasureReason, count_cases, erase_person
from gateway.portfolio.finding import commitments_of_person
from gateway.portfolio.importing import ImportKeys, ImportReport, PortfolioImport, Progress
from gateway.portfolio.matching import MatchingKeys
from gateway.portfolio.planting import Planting, plant_canaries
from gateway.release.explanation import (
    CaseExplanation,
    explain_record,
    read_assigned,
    whole_record,
)
from gateway.release.note_explanation import explain_notes, read_notes
from gateway.scopes.desk import ScopeDesk
from gateway.tracing.desk import TraceDesk
from keys.kek import KeyRing, LocalKeyEncryptionKey
from policies.fields import Stage, load_field_catalog
from policies.load import LoadedPolicy


@dataclass(frozen=True, slots=True)
class Office(CallOffice):
    """The company's use cases on connections of their own: for its API and the command line."""

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
            scopes=self.scopes(),
            findings=self.findings(),
            explain=lambda loaded, ref, stage, role, actor: self.explain_case(
                loaded, ref, stage, role=role, actor=actor
            ),
            people=self.people(),
            dialing=self.dialing(),
            own_contacts=self.own_contacts(),
            protection=self.protection(),
            recordings=self.recordings(),
            summaries=self.summaries(),
            packs=self.packs(),
            complaints=self.complaints(),
            affair_files=self.affair_files(),
            ledger=self.ledger(),
            reconciliation=self.reconciliation(),
            rectifications=self.rectifications(),
            reports=self.reports(),
            quality=self.quality(),
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
        settings = self.database.settings
        return ScopeDesk(
            self.connection, self.clock, directory, lambda: KeyRing(kek_keys(settings))
        )

    def findings(self) -> FindingDesk:
        """What somebody has to look into; see findings.desk."""
        return FindingDesk(self.connection, self.clock)

    def tracing(self) -> TraceDesk:
        """Leaked rows and who was given them; see tracing.desk."""
        settings = self.database.settings
        return TraceDesk(
            self.connection,
            self.clock,
            lambda: MatchingKeys(
                index=read_key(settings, settings.keys.index),
                kek=KeyRing(kek_keys(settings)),
                pseudonyms=release_profiles(settings).pseudonym_key,
            ),
        )

    def plant_canaries(
        self, vendor_id: str, contract_id: str, *, count: int, numbers: Sequence[str], actor: str
    ) -> Planting:
        """Puts invented cases among a contract's real ones; see portfolio.planting."""
        settings = self.database.settings
        keys = ImportKeys(
            kek=KeyRing(kek_keys(settings)),
            index=read_key(settings, settings.keys.index),
            pseudonyms=release_profiles(settings).pseudonym_key(vendor_id, contract_id),
        )
        with self.connection() as connection:
            return plant_canaries(
                connection,
                vendor_id=vendor_id,
                contract_id=contract_id,
                count=count,
                numbers=numbers,
                keys=keys,
                clock=self.clock,
                actor=actor,
            )

    def canaries(
        self, vendor: str | None, *, offset: int, limit: int, actor: str
    ) -> list[PlantedCanary]:
        """A page of canaries, noted in the log: who knows them can spare them."""
        with self.connection() as connection:
            with connection.transaction():
                record_with_change(
                    connection,
                    EventType.LOG_SEARCHED,
                    at=self.clock.now(),
                    actor=actor,
                    query={"view": "canaries", "offset": offset, "limit": limit},
                )
            return list_canaries(connection, vendor=vendor, offset=offset, limit=limit)

    def explain_case(
        self, loaded: LoadedPolicy, case_ref: str, stage: Stage, *, role: StaffRole, actor: str
    ) -> CaseExplanation:
        """Why the policy's vendor sees what it sees of one of its cases; noted in the log.

        Raises:
            NotFoundError: the vendor holds no case of this reference.
        """
        settings, policy = self.database.settings, loaded.policy
        with self.connection() as connection:
            case = read_assigned(connection, policy.vendor, policy.contract, case_ref)
            notes = read_notes(connection, case.case_id)
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
        pseudonyms = release_profiles(settings).pseudonym_key(policy.vendor, policy.contract)
        kek = KeyRing(kek_keys(settings))
        return CaseExplanation(
            explain_record(
                whole_record(case, kek),
                loaded,
                stage,
                catalog=load_field_catalog(),
                pseudonyms=pseudonyms,
                role=role,
            ),
            None
            if notes is None
            else explain_notes(notes, loaded, kek=kek, pseudonyms=pseudonyms, role=role),
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
