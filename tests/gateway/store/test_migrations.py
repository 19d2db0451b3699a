from pathlib import Path

import psycopg
import pytest

from gateway.errors import ConfigurationError, DatabaseUnavailableError
from gateway.store.database import Database, connect
from gateway.store.migrate import _MIGRATIONS, _is_current, migrate
from gateway.store.roles import PURPOSES, DatabaseRoles
from keys.secret import write_private_file
from tests.gateway.store.lender import HEADER, Lender, case_row

_FILES = sorted((_MIGRATIONS / "versions").glob("[0-9]*.py"))


@pytest.fixture(scope="module")
def lender(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Lender:
    return Lender.migrated(postgres_url, tmp_path_factory.mktemp("lender"))


def _shape(lender: Lender) -> list[tuple[object, ...]]:
    return lender.query(
        "SELECT table_schema, table_name, column_name, data_type FROM information_schema.columns"
        " WHERE table_schema IN ('casegate', 'audit') ORDER BY 1, 2, 3"
    )


def test_migrating_twice_changes_neither_tables_nor_data_nor_passwords(lender: Lender) -> None:
    passwords = lender.database.settings.resolve(Path("secrets/database.json"))
    before = (_shape(lender), lender.query("SELECT * FROM audit.tail"), passwords.read_bytes())

    migrate(lender.database)

    assert (
        _shape(lender),
        lender.query("SELECT * FROM audit.tail"),
        passwords.read_bytes(),
    ) == before
    assert len({row[1] for row in before[0]}) >= 12


def test_a_database_is_current_after_the_newest_migration_and_not_before(lender: Lender) -> None:
    assert {_revision(path) for path in _FILES} == {path.name.partition("_")[0] for path in _FILES}

    with psycopg.connect(lender.database.owner_url) as connection:
        assert _is_current(connection)
        connection.execute("UPDATE casegate.alembic_version SET version_num = '0001'")
        assert not _is_current(connection)
        connection.rollback()


def _revision(path: Path) -> str:
    return path.read_text().partition('revision = "')[2].partition('"')[0]


def test_another_host_keeps_the_passwords_that_the_roles_have(
    lender: Lender, tmp_path: Path
) -> None:
    settings = lender.database.settings.model_copy(update={"directory": tmp_path})
    own = lender.database.settings.resolve(Path("secrets/database.json"))

    with pytest.raises(ConfigurationError, match=r"copy its database\.json to"):
        migrate(Database(lender.database.owner_url, settings))
    assert not (tmp_path / "secrets").exists()

    write_private_file(tmp_path / "secrets" / "database.json", own.read_bytes())
    migrate(Database(lender.database.owner_url, settings))
    for purpose in PURPOSES:
        connect(lender.database.conninfo(purpose)).close()


def test_an_unreachable_server_is_told_in_one_sentence(lender: Lender) -> None:
    nowhere = "postgresql://x@127.0.0.1:1/x?connect_timeout=1"

    with pytest.raises(DatabaseUnavailableError, match="nothing was changed"):
        migrate(Database(nowhere, lender.database.settings))
    with pytest.raises(DatabaseUnavailableError, match="check the database URL"):
        connect(nowhere)


def test_every_table_that_names_a_vendor_is_under_row_level_security(lender: Lender) -> None:
    tables = lender.query(
        "SELECT DISTINCT c.relname, c.relrowsecurity FROM pg_class c"
        " JOIN pg_namespace n ON n.oid = c.relnamespace"
        " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0"
        " WHERE n.nspname = 'casegate' AND c.relkind = 'r'"
        " AND a.attname IN ('vendor_id', 'holder_vendor_id')"
    )

    assert {str(name) for name, _on in tables} == {
        "vendor",
        "contract",
        "credential",
        "case_record",
        "case_note",
        "feed",
        "change",
        "consent",
        "recording",
        "record_batch",
        "record_batch_part",
        "report",
        "report_reopening",
        "report_waiver",
        *("quality_draw", "quality_check", "incident"),
        *("access_review", "vendor_meeting", "closed_month"),
        "call_record",
        "special_request",
        "agent",
        "agent_course",
        "script_acknowledgement",
        "caller_number",
        "promise",
        "payment_claim",
        "affair",
        "affair_step",
        "affair_paper",
        "affair_file",
        "vendor_stop",
        "finding_consequence",
        "contact",
        "permit_refusal",
        "reveal_use",
        "assignment",
        "assigned_case",
        "invitation",
        "enrolment",
        "revoked_token",
        "policy_text",
        "policy_version",
        "row_scope",
        "pull_use",
        "canary",
        "finding",
        "pseudonym_key",
        "offboarding",
        "sub_processor",
        "destruction_certificate",
    }
    assert all(is_on for _name, is_on in tables)


# What takes call records in: a vendor's worker small batches, the company's clockwork large ones.
RECORDS = (
    "record_permits",
    "record_cases",
    "record_balances",
    "record_calls",
    "record_effect",
    "supersede_calls",
    "raise_call_findings",
)
AFFAIRS = (
    *("claim_payment", "vendor_claims", "vendor_affairs", "move_own_affair"),
    *("is_stopped", "is_paid", "file_for_affair"),
)
REPORTS = ("report_calls", "report_counts", "report_quality")
RIGHTS = {
    "vendor": {
        "casegate.trust": "r",
        "casegate.loaded": "arw",
        "casegate.worker": "arwd",
        "casegate.trust_acknowledgement": "ar",
        "casegate.assigned_case": "r",
        "casegate.case_record": "r",  # and of case_note the columns of the rendition
        "casegate.change": "r",  # and of consents and special requests some columns
        "casegate.assignment": "r",
        "casegate.agent": "r",
        "casegate.agent_course": "r",
        "casegate.script": "r",
        "casegate.script_acknowledgement": "r",
        "casegate.caller_number": "r",
        "casegate.contact": "r",
        "casegate.record_batch": "ar",
        "casegate.record_batch_part": "ar",
        "casegate.call_record": "ar",
        "casegate.report": "ar",
        "casegate.report_reopening": "r",
        "casegate.report_waiver": "r",
    },
    "company": {
        "casegate.trust": "r",
        "casegate.loaded": "arw",
        "casegate.worker": "arwd",
        "casegate.trust_acknowledgement": "ar",
        "casegate.vendor": "arw",
        "casegate.contract": "arw",
        "casegate.credential": "arw",
        "casegate.case_record": "arw",
        "casegate.case_note": "rw",
        "casegate.recognizers": "ar",
        "casegate.feed": "r",
        "casegate.change": "r",
        "casegate.hold": "r",
        "casegate.consent": "r",
        "casegate.special_request": "r",  # and the columns of the answer
        "casegate.recording": "r",  # and the columns of hold, erasure and its key
        "casegate.agent_person": "rw",
        "casegate.agent": "rw",
        "casegate.agent_course": "r",
        "casegate.script": "arw",
        "casegate.script_acknowledgement": "r",
        "casegate.caller_number": "arw",
        "casegate.contact": "arw",
        "casegate.record_batch": "ar",
        "casegate.record_batch_part": "ar",  # and the columns of what became of it
        "casegate.call_record": "ar",  # and the state of its summary
        "casegate.point_state": "arw",
        "casegate.permit_refusal": "r",
        "casegate.reveal_use": "r",
        "casegate.identity_try": "r",
        "casegate.pack_text": "ar",
        "casegate.pack_activation": "ar",  # and the columns that say when and by whom it ended
        "casegate.ledger_entry": "r",
        "casegate.case_standing": "r",
        "casegate.promise": "rw",
        "casegate.payment_claim": "rw",
        "casegate.company_account": "arw",
        "casegate.affair": "arw",
        "casegate.affair_step": "ar",
        "casegate.affair_paper": "r",  # and whether its text was looked through
        "casegate.affair_file": "r",  # and its erasure
        "casegate.vendor_stop": "r",  # and when it ended
        "casegate.finding_consequence": "r",  # and when it was settled
        "casegate.assignment": "arw",
        "casegate.assigned_case": "arw",
        "casegate.proposal": "arw",
        "casegate.invitation": "arw",
        "casegate.enrolment": "arw",
        "casegate.issuer": "arw",
        "casegate.crl": "ar",
        "casegate.revoked_token": "arw",
        "casegate.key_age": "arw",
        "casegate.policy_text": "ar",
        "casegate.policy_version": "ar",  # and the columns that say when and by whom it ended
        "casegate.row_scope": "arwd",
        "casegate.pull_use": "r",
        "casegate.canary": "ar",
        "casegate.report": "r",
        "casegate.report_reopening": "ar",
        "casegate.report_waiver": "ar",
        "casegate.quality_draw": "ar",
        "casegate.quality_check": "ar",  # and the columns of the result
        "casegate.incident": "ar",  # and when it was contained and closed
        "casegate.access_review": "ar",
        "casegate.vendor_meeting": "ar",
        "casegate.closed_month": "ar",
        "casegate.detection_mark": "ar",  # and how far was looked
        "casegate.detected": "ar",
        "casegate.finding": "ar",  # and the columns that say when, by whom and why it was closed
        "casegate.pseudonym_key": "ar",
        "casegate.offboarding": "arw",
        "casegate.offboarding_item": "arw",
        "casegate.offboarding_notice": "ar",
        "casegate.offboarding_report": "ar",
        "casegate.sub_processor": "ar",
        "casegate.destruction_certificate": "r",  # and the columns of the decision
        "audit.tail": "r",
        "audit.batch": "r",
        "audit.signed_head": "r",
    },
    "auditor": {"audit.tail": "r", "audit.batch": "r", "audit.signed_head": "r"},
    "publisher": {"audit.tail": "r", "audit.batch": "r", "audit.signed_head": "r"},
    "enrolment": {
        "casegate.trust": "r",
        "casegate.loaded": "arw",
        "casegate.worker": "arwd",
        "casegate.trust_acknowledgement": "ar",
        "casegate.vendor": "r",
        "casegate.contract": "r",
        "casegate.credential": "ar",
        "casegate.proposal": "ar",  # and the column that says an approval was used up
        "casegate.invitation": "r",  # and the one column that says it was used
        "casegate.enrolment": "arw",
        "casegate.issuer": "r",
        "casegate.crl": "ar",
    },
}
_LETTERS = {"INSERT": "a", "SELECT": "r", "UPDATE": "w", "DELETE": "d"}


@pytest.mark.parametrize("purpose", PURPOSES)
def test_each_role_has_exactly_these_rights_on_tables(lender: Lender, purpose: str) -> None:
    found: dict[str, set[str]] = {}
    for schema, table, right in lender.query(
        "SELECT n.nspname, c.relname, r.name FROM pg_class c"
        " JOIN pg_namespace n ON n.oid = c.relnamespace"
        " CROSS JOIN (VALUES ('SELECT'), ('INSERT'), ('UPDATE'), ('DELETE'), ('TRUNCATE'),"
        " ('REFERENCES'), ('TRIGGER')) AS r (name)"
        " WHERE n.nspname IN ('casegate', 'audit') AND c.relkind = 'r'"
        " AND has_table_privilege(%s, c.oid, r.name)",
        (lender.database.roles.name(purpose),),
    ):
        letter = _LETTERS.get(str(right), str(right))
        found.setdefault(f"{schema}.{table}", set()).add(letter)

    assert found == {table: set(letters) for table, letters in RIGHTS[purpose].items()}


FUNCTIONS = {
    "vendor": {
        "trust_view",
        "revoked_tokens",
        "revoke_token",
        "request_renewal",
        "vendor_case",
        "vendor_cases",
        "vendor_notes",
        "vendor_assignments",
        "policies_in_force",
        "take_pull",
        "is_any_held",
        "is_held",
        "vendor_feed",
        "vendor_changes",
        "is_ref_covered",
        "publish_changes",
        "own_case",
        "is_captured_in_permit",
        "record_consent",
        "revoke_own_consent",
        "raise_request",
        "vendor_consents",
        "vendor_requests",
        *RECORDS,
        "open_recording",
        "vendor_upload",
        "note_received",
        "settle_recording",
        "drop_upload",
        "vendor_recordings",
        *AFFAIRS,
        *REPORTS,
        "fault_report",
        "vendor_findings",
        "vendor_quality_checks",
        "contract_term",
        "note_canary_use",
        "pseudonym_keys",
        "is_unconditional",
        "is_covered",
        "sub_processors",
        "file_destruction",
        "append_batch",
        "find_batch",
        "packs_in_force",
        "permit_case",
        "contact_situation",
        "grant_permit",
        "refuse_permit",
        "vendor_permit",
        "close_permit",
        "refuse_channel",
        "take_identity_try",
        "note_identity",
        "register_agent",
        "record_course",
        "acknowledge_script",
        "leave_agent",
        "vendor_agent",
        "vendor_agents",
        "vendor_scripts",
        "vendor_caller_numbers",
    },
    "company": {
        "trust_view",
        "revoked_tokens",
        "append_batch",
        "find_batch",
        "erase_people",
        *RECORDS,
        *REPORTS,
        "post_ledger",
        "stop_vendor",
        "touch_debtor",
        "publish_changes",
        "publish_assigned",
        "place_hold",
        "lift_hold",
        "revoke_consent",
        "compare_recording",
        "is_taken",
        "policies_in_force",
        "note_canary_use",
        "pseudonym_keys",
        "packs_in_force",
        "take_dial",
        "expire_permits",
        "leave_agent",
        "tell_workers",
    },
    "auditor": set(),
    "publisher": {"sign_head", "append_batch", "find_batch"},  # it appends its own alarms
    "enrolment": {
        "trust_view",
        "revoked_tokens",
        "retire_credential",
        "append_batch",
        "find_batch",
    },
}


@pytest.mark.parametrize("purpose", PURPOSES)
def test_each_role_may_call_exactly_these_functions(lender: Lender, purpose: str) -> None:
    found = lender.query(
        "SELECT p.proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace"
        " WHERE n.nspname IN ('casegate', 'audit') AND has_function_privilege(%s, p.oid,"
        " 'EXECUTE') AND p.prorettype <> 'trigger'::regtype",
        (lender.database.roles.name(purpose),),
    )

    assert {str(name) for (name,) in found} == FUNCTIONS[purpose]


@pytest.mark.parametrize("purpose", PURPOSES)
def test_no_role_is_more_than_its_rights(lender: Lender, purpose: str) -> None:
    role = lender.query(
        "SELECT rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication, rolinherit"
        " FROM pg_roles WHERE rolname = %s",
        (lender.database.roles.name(purpose),),
    )

    assert role == [(False,) * 6]


def test_the_vendor_role_sees_no_case_before_it_names_a_vendor(
    lender: Lender, tmp_path: Path
) -> None:
    lender.put(tmp_path / "cases.csv", f"{HEADER}\n{case_row(1)}\n")

    with lender.role("vendor") as connection:
        for table in ("case_record", "assigned_case", "assignment"):
            rows = connection.execute(f"SELECT 1 FROM casegate.{table}".encode()).fetchall()  # noqa: S608  # names above
            assert rows == []
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT 1 FROM casegate.credential")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT 1 FROM audit.batch")


def test_roles_of_two_databases_do_not_share_names() -> None:
    first, second = DatabaseRoles.of("one"), DatabaseRoles.of("two")

    assert not {first.name(p) for p in PURPOSES} & {second.name(p) for p in PURPOSES}
