"""The part of the office that has to do with calls: permits, agents, intake, affairs, reports."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg

from gateway.affairs.complaints import ComplaintDesk
from gateway.affairs.consequences import Consequences
from gateway.affairs.files import FileDesk
from gateway.affairs.finder import PersonalFinder
from gateway.affairs.ledger import LedgerDesk
from gateway.affairs.reconciling import ReconciliationDesk
from gateway.affairs.rectifications import RectificationDesk
from gateway.affairs.seal import AffairSeal
from gateway.affairs.timekeeping import AffairKeeper
from gateway.clock import Clock
from gateway.contact.active_rules import IN_FORCE, packs_of
from gateway.contact.dial_token import DialTokens
from gateway.contact.dialing import DialDesk
from gateway.contact.expiry import PermitExpiry
from gateway.contact.note_seal import NoteSeal
from gateway.contact.own_contacts import OwnContactDesk
from gateway.contact.pack_desk import PackDesk
from gateway.contact.protection import ProtectionDesk
from gateway.findings.detection import Detection
from gateway.findings.detection_rules import read_detection_rules
from gateway.installation import (
    kek_keys,
    policies_directory,
    read_key,
)
from gateway.intake.batches_sweep import AnswerSweep
from gateway.intake.batches_worker import IntakeWorker
from gateway.intake.recordings_desk import RecordingDesk
from gateway.intake.recordings_place import (
    recording_store,
    recordings_directory,
    retention_years,
)
from gateway.intake.recordings_sweep import RecordingSweep
from gateway.intake.records_desk import SummaryDesk
from gateway.intake.records_rules import intake_rules
from gateway.intake.records_seal import RecordSeal
from gateway.intake.records_summaries import SummaryAnalysis
from gateway.people.courses import required_courses
from gateway.people.desk import PeopleDesk
from gateway.quality.desk import QualityDesk
from gateway.release.cursor import CursorCipher
from gateway.reports.desk import ReportDesk
from gateway.reports.periods import DueTimes, due_times
from gateway.reports.sweep import ReportSweep
from gateway.store.database import Database, connect
from keys.kek import KeyRing
from policies.contact.results import load_results
from policies.parameters import read_parameters
from policies.requests import load_request_catalog


@dataclass(frozen=True, slots=True)
class CompanyArchive:
    """Where the processes of a replay read; see contact.simulation."""

    database: Database

    def connection(self) -> psycopg.Connection:
        """A connection of the company's role."""
        return connect(self.database.conninfo("company", bounded=False))

    def kek(self) -> KeyRing:
        """The key-encryption keys, read where they are needed."""
        return KeyRing(kek_keys(self.database.settings))


@dataclass(frozen=True, slots=True)
class CallOffice:
    """Desks around calls, each on connections of its own; office.Office adds the rest."""

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

    def dialing(self) -> DialDesk:
        """The bridge's side of permits; see contact.dialing."""
        settings = self.database.settings
        tokens = DialTokens(read_key(settings, settings.keys.index))
        return DialDesk(self.connection, self.clock, tokens, lambda: KeyRing(kek_keys(settings)))

    def own_contacts(self) -> OwnContactDesk:
        """The lender's own calls; see contact.own_contacts."""
        settings = self.database.settings
        return OwnContactDesk(
            self.connection,
            self.clock,
            lambda: KeyRing(kek_keys(settings)),
            read_key(settings, settings.keys.index),
            load_results(),
        )

    def protection(self) -> ProtectionDesk:
        """Holds, special requests, the end of consents; see contact.protection."""
        index = read_key(self.database.settings, self.database.settings.keys.index)
        return ProtectionDesk(
            self.connection,
            self.clock,
            load_request_catalog(),
            NoteSeal(index),
            CursorCipher(index),
        )

    def recordings(self) -> RecordingDesk:
        """Recordings: heard, held, freed; see intake.recordings_desk."""
        settings = self.database.settings
        return RecordingDesk(
            self.connection,
            self.clock,
            lambda: KeyRing(kek_keys(settings)),
            lambda: recording_store(settings),
            CursorCipher(read_key(settings, settings.keys.index)),
        )

    def summaries(self) -> SummaryDesk:
        """What agents wrote of calls; see intake.records_desk."""
        index = read_key(self.database.settings, self.database.settings.keys.index)
        return SummaryDesk(self.connection, self.clock, RecordSeal(index))

    def intake_worker(self) -> IntakeWorker:
        """What works through large batches and summaries; see intake.batches_worker."""
        settings = self.database.settings
        directory = policies_directory(settings)
        rules = intake_rules(
            directory,
            read_parameters(directory),
            kek=lambda: KeyRing(kek_keys(settings)),
            index_key=read_key(settings, settings.keys.index),
        )
        summaries = SummaryAnalysis(rules.seal, _identifier_finder)
        return IntakeWorker(self.connection, self.clock, rules, summaries)

    def answer_sweep(self) -> AnswerSweep:
        """The clockwork's part of batches; see intake.batches_sweep."""
        days = self.database.settings.intake.answer_days
        return AnswerSweep(self.connection, self.clock, days)

    def recording_sweep(self) -> RecordingSweep:
        """The clockwork's part of recordings; see intake.recordings_sweep."""
        settings = self.database.settings
        return RecordingSweep(
            self.connection,
            self.clock,
            lambda: recording_store(settings),
            recordings_directory(settings),
            retention_years(read_parameters(policies_directory(settings))),
        )

    def complaints(self) -> ComplaintDesk:
        """Complaints; see affairs.complaints."""
        index = read_key(self.database.settings, self.database.settings.keys.index)
        return ComplaintDesk(
            self.connection,
            self.clock,
            read_parameters(policies_directory(self.database.settings)),
            AffairSeal(index),
            CursorCipher(index),
        )

    def affair_files(self) -> FileDesk:
        """What vendors handed in for complaints and notices; see affairs.files."""
        index = read_key(self.database.settings, self.database.settings.keys.index)
        return FileDesk(self.connection, self.clock, AffairSeal(index))

    def ledger(self) -> LedgerDesk:
        """The lender's ledger and accounts; see affairs.ledger."""
        index = read_key(self.database.settings, self.database.settings.keys.index)
        return LedgerDesk(self.connection, self.clock, index)

    def reconciliation(self) -> ReconciliationDesk:
        """Claims held against the ledger; see affairs.reconciling."""
        index = read_key(self.database.settings, self.database.settings.keys.index)
        return ReconciliationDesk(self.connection, self.clock, CursorCipher(index))

    def rectifications(self) -> RectificationDesk:
        """Notices and feedback; see affairs.rectifications."""
        index = read_key(self.database.settings, self.database.settings.keys.index)
        return RectificationDesk(
            self.connection,
            self.clock,
            read_parameters(policies_directory(self.database.settings)),
            AffairSeal(index),
            _identifier_finder,
            CursorCipher(index),
        )

    def affair_keeper(self) -> AffairKeeper:
        """The clockwork's part of affairs; see affairs.timekeeping."""
        index = read_key(self.database.settings, self.database.settings.keys.index)
        parameters = read_parameters(policies_directory(self.database.settings))
        consequences = Consequences(
            parameters, AffairSeal(index), RecordSeal(index), _identifier_finder
        )
        return AffairKeeper(self.connection, self.clock, parameters, consequences)

    def permit_expiry(self) -> PermitExpiry:
        """The clockwork's part of permits; see contact.expiry."""
        return PermitExpiry(self.connection, self.clock)

    def packs(self) -> PackDesk:
        """Law packs: proposed, in force, ended; see contact.pack_desk."""
        directory = policies_directory(self.database.settings)
        archive = CompanyArchive(self.database)
        return PackDesk(self.connection, self.clock, directory, archive)

    def people(self) -> PeopleDesk:
        """Agents, scripts and caller numbers; see people.desk."""
        settings = self.database.settings
        cursors = CursorCipher(read_key(settings, settings.keys.index))
        return PeopleDesk(self.connection, self.clock, cursors, self.required_courses)

    def required_courses(self) -> frozenset[str]:
        """What an agent has to have passed, by the law packs in force now."""
        at = self.clock.now()
        with self.connection() as connection:
            found = packs_of(connection.execute(IN_FORCE).fetchall())
        return required_courses(each.pack for each in found if each.is_in_force(at))

    def reports(self) -> ReportDesk:
        """Reports of vendors: the grid, what was sent, waiving; see reports.desk."""
        cursors = CursorCipher(read_key(self.database.settings, self.database.settings.keys.index))
        parameters = read_parameters(policies_directory(self.database.settings))
        meetings = int(parameters["meeting.min_per_month"] or 1)
        return ReportDesk(self.connection, self.clock, due_times(parameters), cursors, meetings)

    def quality(self) -> QualityDesk:
        """Samples of calls, incidents, access reviews; see quality.desk."""
        cursors = CursorCipher(read_key(self.database.settings, self.database.settings.keys.index))
        return QualityDesk(self.connection, self.clock, cursors)

    def report_sweep(self) -> ReportSweep:
        """The clockwork's part of reports; see reports.sweep."""
        return ReportSweep(self.connection, self.clock, self._due_times())

    def detection(self) -> Detection:
        """What looks for breaches in what is new; see findings.detection."""
        directory = policies_directory(self.database.settings)
        return Detection(self.connection, self.clock, lambda: read_detection_rules(directory))

    def _due_times(self) -> DueTimes:
        return due_times(read_parameters(policies_directory(self.database.settings)))


def _identifier_finder() -> PersonalFinder:
    """Half a second of loading: not before there is something to look through."""
    from gateway.redaction.identifiers import IdentifierFinder  # noqa: PLC0415

    return IdentifierFinder()
