"""What the company API calls; in a module of its own, so that commands load no web framework."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gateway.affairs.complaints import ComplaintDesk
from gateway.affairs.files import FileDesk
from gateway.affairs.ledger import LedgerDesk
from gateway.affairs.reconciling import ReconciliationDesk
from gateway.affairs.rectifications import RectificationDesk
from gateway.contact.dialing import DialDesk
from gateway.contact.own_contacts import OwnContactDesk
from gateway.contact.pack_desk import PackDesk
from gateway.contact.protection import ProtectionDesk
from gateway.findings.desk import FindingDesk
from gateway.identity.principal import StaffRole
from gateway.intake.recordings_desk import RecordingDesk
from gateway.intake.records_desk import SummaryDesk
from gateway.offboarding.desk import OffboardingDesk
from gateway.operations.onboarding import OnboardingDesk
from gateway.operations.shutting_out import ShuttingOutDesk
from gateway.oversight.desk import AuditDesk
from gateway.oversight.search import LogPage, LogQuery
from gateway.people.desk import PeopleDesk
from gateway.portfolio.importing import ImportReport
from gateway.quality.desk import QualityDesk
from gateway.release.explanation import CaseExplanation
from gateway.reports.desk import ReportDesk
from gateway.scopes.desk import ScopeDesk
from policies.fields import Stage
from policies.load import LoadedPolicy


@dataclass(frozen=True, slots=True)
class CompanyUseCases:
    """The use cases behind the routes; they block, so each runs in a thread."""

    import_file: Callable[[Path, str, str, str], ImportReport]
    search: Callable[[LogQuery, str], LogPage]
    checkpoint: Callable[[str], str | None]
    desk: AuditDesk
    onboarding: OnboardingDesk
    offboarding: OffboardingDesk
    shutting_out: ShuttingOutDesk
    scopes: ScopeDesk
    findings: FindingDesk
    explain: Callable[[LoadedPolicy, str, Stage, StaffRole, str], CaseExplanation]
    people: PeopleDesk
    dialing: DialDesk
    own_contacts: OwnContactDesk
    protection: ProtectionDesk
    recordings: RecordingDesk
    summaries: SummaryDesk
    packs: PackDesk
    reports: ReportDesk
    quality: QualityDesk
    complaints: ComplaintDesk
    affair_files: FileDesk
    ledger: LedgerDesk
    reconciliation: ReconciliationDesk
    rectifications: RectificationDesk
