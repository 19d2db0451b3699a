import hashlib
import hmac
import itertools
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import orjson
import psycopg
import pytest
from psycopg import sql

from audit.bundle import decode_bundle
from gateway.errors import RequestInvalidError
from gateway.installation import read_key, release_profiles
from gateway.operations.recall import recall_cases
from gateway.oversight.indexing import catch_up
from gateway.oversight.search import LogHit, LogQuery
from gateway.oversight.verification import verify_log
from gateway.portfolio.erasure import ErasedAssignment, Erasure, ErasureReason
from gateway.portfolio.identifiers import check_character
from gateway.portfolio.reader import open_portfolio
from gateway.portfolio.rows import CaseRow, RowParser
from gateway.portfolio.sealing import RowSealer, case_commitment
from gateway.portfolio.storing import IMPORT_LOCK
from keys.kek import LocalKeyEncryptionKey
from policies.fields import load_field_catalog
from tests.gateway.store.lender import ACTOR, HEADER, START, Lender, case_row

ID_NUMBER = "11010519491231002X"
OLD_ID_NUMBER = "110105491231002"
OTHER_ID = "11010519800307123" + check_character("11010519800307123")
UNKNOWN_ID = "11010519700101456" + check_character("11010519700101456")
MOBILE = "13800000001"
OTHER_MOBILE = "13900000002"
CONTRACTS = ("alpha-2026", "beta-2026")
HIS_ALPHA = (
    case_row(1, id_number=ID_NUMBER, mobile_phone=MOBILE),
    case_row(2, id_number=ID_NUMBER, mobile_phone=OTHER_MOBILE),
)
HIS_BETA = case_row(3, id_number=ID_NUMBER, mobile_phone=MOBILE)
ANOTHERS = case_row(4, id_number=OTHER_ID)


@pytest.fixture
def lender(postgres_url: str, tmp_path: Path) -> Lender:
    """One person with two cases at alpha, one of them recalled, and one at beta; and another."""
    return _with_cases(Lender.fresh(postgres_url, tmp_path / "lender"))


@pytest.fixture(scope="module")
def idle_lender(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Lender:
    """The same, for tests in which nothing may be erased."""
    return _with_cases(Lender.fresh(postgres_url, tmp_path_factory.mktemp("lender")))


def _with_cases(made: Lender) -> Lender:
    directory = made.database.settings.directory
    made.put(directory / "alpha.csv", "\n".join((HEADER, *HIS_ALPHA, ANOTHERS, "")))
    made.put(directory / "beta.csv", f"{HEADER}\n{HIS_BETA}\n", vendor="beta")
    (second,) = made.query(
        "SELECT case_ref FROM casegate.assigned_case WHERE vendor_id = 'alpha'"
        " ORDER BY sequence OFFSET 1 LIMIT 1"
    )
    with made.role() as connection:
        recall_cases(
            connection, "alpha", "alpha-2026", case_refs=[str(second[0])], actor=ACTOR, at=START
        )
    with made.role("publisher") as connection:
        catch_up(connection)
    return made


def _erase(lender: Lender, identifier: str = ID_NUMBER, expected: int = 3) -> Erasure:
    return lender.office().erase_person(
        identifier, expected=expected, reason=ErasureReason.CONSENT_WITHDRAWN, actor=ACTOR
    )


def _found(lender: Lender, identifier: str = ID_NUMBER) -> list[LogHit]:
    office = lender.office()
    query = LogQuery(cases=office.commitments_of(identifier), limit=500)
    return office.search(query, actor=ACTOR).hits


def _cases(lender: Lender) -> set[object]:
    return {case for (case,) in lender.query("SELECT case_id FROM casegate.case_record")}


def _cells(lender: Lender) -> Iterator[tuple[str, str, bytes]]:
    """Every cell of the database with its table and column, binary ones as they are."""
    tables = lender.query(
        "SELECT schemaname, tablename FROM pg_tables"
        " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
    )
    with lender.owner() as connection:
        for schema, table in tables:
            name = sql.Identifier(str(schema), str(table))
            cursor = connection.execute(sql.SQL("SELECT * FROM {}").format(name))
            columns = [column.name for column in cursor.description or ()]
            for row in cursor:
                for column, cell in zip(columns, row, strict=True):
                    data = bytes(cell) if isinstance(cell, bytes) else str(cell).encode()
                    yield f"{schema}.{table}", column, data


def _holding(lender: Lender, needles: set[bytes]) -> set[str]:
    """The tables in which a value stands, as bytes or in hex."""
    return {
        table
        for table, _column, data in _cells(lender)
        if any(needle in data or needle.hex().encode() in data for needle in needles)
    }


def _his_rows(lender: Lender) -> tuple[set[bytes], set[bytes]]:
    """What stands in his rows that could be recognised again, and his commitments."""
    rows = lender.query(
        "SELECT r.case_id, r.source_mac, r.content_mac, r.person_mac, r.contact_mac, r.log_salt,"
        " r.wrapped_key, r.sealed, a.case_ref, a.commitment FROM casegate.case_record r"
        " JOIN casegate.assigned_case a USING (case_id) WHERE r.source_mac <> %s",
        (_sealer(lender, "alpha-2026").macs(_parsed(lender, ANOTHERS)).source,),
    )
    values: set[bytes] = set()
    for case_id, *cells, case_ref, _commitment in rows:
        values |= {str(case_id).encode(), str(case_ref).encode()}
        values |= {cell for cell in cells if isinstance(cell, bytes)}
    return values, {row[-1] for row in rows if isinstance(row[-1], bytes)}


def _parsed(lender: Lender, row: str) -> CaseRow:
    path = lender.database.settings.directory / "one.csv"
    path.write_text(f"{HEADER}\n{row}\n")
    with open_portfolio(path, load_field_catalog()) as file:
        (parsed,) = map(RowParser(file.columns).parse, file.rows())
    assert isinstance(parsed, CaseRow)
    return parsed


def _sealer(lender: Lender, contract: str) -> RowSealer:
    settings = lender.database.settings
    return RowSealer(
        read_key(settings, settings.keys.index),
        LocalKeyEncryptionKey(read_key(settings, settings.keys.kek)),
        release_profiles(settings).pseudonym_key(contract.partition("-")[0], contract),
        contract,
    )


def _derived(lender: Lender, case_ids: set[bytes]) -> set[bytes]:
    """All that an attacker makes who has every key, every column of the person's rows, and even
    the ids that his cases once had, and takes each short value of the database for a salt."""
    settings = lender.database.settings
    rows = [_parsed(lender, row) for row in (*HIS_ALPHA, HIS_BETA)]
    made: set[bytes] = set()
    for contract, row in itertools.product(CONTRACTS, rows):
        macs = _sealer(lender, contract).macs(row)
        made |= {macs.source, macs.content, macs.person, macs.contact}
        pseudonyms = release_profiles(settings).pseudonym_key(contract.partition("-")[0], contract)
        for kind in ("case_ref", "debtor_ref", "contact_point_ref", "debt_ref"):
            for internal in (macs.person, macs.contact, macs.source):
                made.add(pseudonyms.token(kind, internal.hex()).encode())
    keys = [b""] + [
        read_key(settings, reference).reveal()
        for reference in (settings.keys.index, settings.keys.pseudonym, settings.keys.kek)
    ]
    values = {str(value).encode() for row in rows for value in row.record.values()}
    for cells in (*HIS_ALPHA, HIS_BETA):
        values |= {cell.encode() for cell in cells.split(",")}
    labels = (b"", b"source\0", b"person\0", b"contact\0", b"debt\0", b"asked\0", b"case\0")
    for key, label, text in itertools.product(keys, labels, values):
        digest = hmac.digest(key, label + text, hashlib.sha256)
        made |= {digest, digest[:16], hashlib.sha256(label + text).digest()}
    salts = {data for _table, _column, data in _cells(lender) if len(data) <= 64}
    for salt, contract, case_id in itertools.product(salts, CONTRACTS, case_ids):
        made.add(hmac.digest(salt, contract.encode() + b"\0" + case_id, hashlib.sha256)[:16])
    return made


def _his_case_ids(lender: Lender) -> set[bytes]:
    rows = lender.query(
        "SELECT uuid_send(case_id) FROM casegate.case_record WHERE source_mac <> %s",
        (_sealer(lender, "alpha-2026").macs(_parsed(lender, ANOTHERS)).source,),
    )
    return {case for (case,) in rows if isinstance(case, bytes)}


def test_all_cases_of_the_person_go_and_no_others(lender: Lender) -> None:
    kept = lender.query(
        "SELECT case_ref FROM casegate.assigned_case WHERE vendor_id = 'alpha'"
        " ORDER BY sequence DESC LIMIT 1"
    )
    held = lender.query("SELECT vendor_id, contract_id, case_ref FROM casegate.assigned_case")

    assert lender.office().count_cases(ID_NUMBER, actor=ACTOR) == 3
    erasure = _erase(lender)

    assert erasure.cases == 3
    assert lender.query("SELECT case_ref FROM casegate.assigned_case") == kept
    assert len(_cases(lender)) == 1
    gone = {ErasedAssignment(*map(str, row)) for row in held if (row[2],) not in kept}
    assert set(erasure.assignments) == gone


def test_with_every_key_his_values_lead_to_no_stored_value_any_more(lender: Lender) -> None:
    case_ids = _his_case_ids(lender)
    his, commitments = _his_rows(lender)
    assert len(commitments) == 3
    linked = _holding(lender, _derived(lender, case_ids))
    assert {"casegate.case_record", "casegate.assigned_case", "audit.batch"} <= linked

    _erase(lender)

    assert _holding(lender, _derived(lender, case_ids)) == set()
    assert _holding(lender, his) == set()
    # The log keeps the commitments, and what is built from it: to everybody they are random now.
    still = _holding(lender, commitments)
    assert "audit.batch" in still
    assert {table.partition(".")[0] for table in still} == {"audit", "oversight"}


def test_a_salt_that_was_kept_would_have_been_found(lender: Lender) -> None:
    case_ids = _his_case_ids(lender)
    ((salt,),) = lender.query("SELECT log_salt FROM casegate.case_record LIMIT 1")
    _erase(lender)
    lender.query("UPDATE casegate.assignment SET file_sha256 = %s RETURNING 1", (salt,))

    assert "audit.batch" in _holding(lender, _derived(lender, case_ids))


def test_a_search_for_him_finds_what_a_search_for_a_stranger_finds(lender: Lender) -> None:
    assert len(_found(lender)) >= 3

    _erase(lender)

    for identifier in (ID_NUMBER, OLD_ID_NUMBER, MOBILE, OTHER_MOBILE, UNKNOWN_ID):
        assert lender.office().commitments_of(identifier) == ()
        assert _found(lender, identifier) == []
    assert _found(lender, OTHER_ID)


def test_the_log_stays_as_it_was_and_says_that_somebody_was_erased(lender: Lender) -> None:
    before = lender.query("SELECT first_index, bundle FROM audit.batch ORDER BY first_index")
    lender.sign()

    erasure = _erase(lender)

    after = lender.query("SELECT first_index, bundle FROM audit.batch ORDER BY first_index")
    assert after[: len(before)] == before
    ((entry,),) = [
        decode_bundle(bundle)
        for index, bundle in after
        if index == erasure.log_index and isinstance(bundle, bytes)
    ]
    content = orjson.loads(entry)
    assert content.pop("time")
    assert content == {
        "v": 1,
        "type": "subject.erased",
        "actor": ACTOR,
        "reason": "consent-withdrawn",
        "erased": 3,
        "assignments": 3,
    }
    vkey = lender.sign()
    with lender.role("auditor") as connection:
        report = verify_log(connection, vkey=vkey, origin=lender.origin)
    assert (report.entries, report.unsigned_tail) == (erasure.log_index + 1, 0)
    with lender.role("publisher") as connection:
        assert catch_up(connection) == report.entries


def test_doing_it_again_changes_nothing_and_is_on_record(lender: Lender) -> None:
    _erase(lender)
    left = _cases(lender)

    again = _erase(lender, expected=lender.office().count_cases(ID_NUMBER, actor=ACTOR))

    assert (again.cases, again.assignments) == (0, ())
    assert _cases(lender) == left


@pytest.mark.parametrize("expected", [0, 2, 4])
def test_another_number_than_was_confirmed_erases_nothing(
    idle_lender: Lender, expected: int
) -> None:
    before = (_cases(idle_lender), idle_lender.query("SELECT size FROM audit.tail"))

    with pytest.raises(RequestInvalidError, match="nothing was erased"):
        _erase(idle_lender, expected=expected)
    assert (_cases(idle_lender), idle_lender.query("SELECT size FROM audit.tail")) == before


@pytest.mark.parametrize("identifier", [ID_NUMBER, OLD_ID_NUMBER, MOBILE, OTHER_MOBILE])
def test_each_of_his_identifiers_leads_to_all_his_cases(lender: Lender, identifier: str) -> None:
    assert _erase(lender, identifier).cases == 3


def test_who_was_imported_under_the_old_number_goes_too(lender: Lender, tmp_path: Path) -> None:
    old = case_row(9, id_number=OLD_ID_NUMBER)
    lender.put(tmp_path / "old.csv", f"{HEADER}\n{old}\n")

    assert _erase(lender, expected=4).cases == 4


def test_who_shows_a_passport_can_be_found_and_erased(lender: Lender, tmp_path: Path) -> None:
    row = case_row(9, id_number="G12345678") + ",护照"
    assert lender.put(tmp_path / "p.csv", f"{HEADER},证件类型\n{row}\n").assigned == 1

    assert len(lender.office().commitments_of("g1234 5678")) == 1
    assert _erase(lender, "G12345678", expected=1).cases == 1


def test_a_number_that_two_people_share_erases_neither(lender: Lender, tmp_path: Path) -> None:
    shared = case_row(9, id_number=OTHER_ID, mobile_phone=MOBILE)
    lender.put(tmp_path / "shared.csv", f"{HEADER}\n{shared}\n")
    before = _cases(lender)

    for attempt in (
        lambda: lender.office().count_cases(MOBILE, actor=ACTOR),
        lambda: _erase(lender, MOBILE),
    ):
        with pytest.raises(RequestInvalidError, match="several people"):
            attempt()
    assert _cases(lender) == before
    assert _erase(lender, ID_NUMBER).cases == 3


@pytest.mark.parametrize("text", ["", "张三丰", "110105194912310021", "12345", "1.1E+17"])
def test_what_is_no_identifier_is_refused_without_being_repeated(
    idle_lender: Lender, text: str
) -> None:
    with pytest.raises(RequestInvalidError, match="neither an ID number") as caught:
        _erase(idle_lender, text)
    assert not text or text not in str(caught.value)


def test_the_same_person_imported_again_begins_a_new_life(lender: Lender, tmp_path: Path) -> None:
    old = (_his_case_ids(lender), *_his_rows(lender))
    old_entries = {hit.index for hit in _found(lender)}
    _erase(lender)

    report = lender.put(tmp_path / "again.csv", "\n".join((HEADER, *HIS_ALPHA, "")))

    assert (report.assigned, report.changed, report.unchanged) == (2, 0, 0)
    his, commitments = _his_rows(lender)
    assert not commitments & old[2]
    # What is made of the person's values alone is as before; all that is random is new.
    sealer = _sealer(lender, "alpha-2026")
    macs = [sealer.macs(_parsed(lender, row)) for row in HIS_ALPHA]
    assert his & old[1] == {
        digest for mac in macs for digest in (mac.source, mac.content, mac.person, mac.contact)
    }
    entries = {hit.index for hit in _found(lender)}
    assert entries
    assert not entries & old_entries
    assert not old[2] & _derived(lender, old[0] | _his_case_ids(lender))


def test_an_erasure_waits_for_a_running_import(
    idle_lender: Lender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.portfolio.erasure.LOCK_WAIT", "100ms")
    with idle_lender.owner() as importing:
        importing.execute("SELECT pg_advisory_lock(%s)", (IMPORT_LOCK,))
        with pytest.raises(RequestInvalidError, match="an import is running"):
            _erase(idle_lender)
    assert len(_cases(idle_lender)) == 4


def test_no_table_that_an_erasure_does_not_empty_points_to_a_case(idle_lender: Lender) -> None:
    """Whoever adds one makes casegate.erase_people empty it, and adds it here."""
    tables = idle_lender.query(
        "SELECT DISTINCT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0"
        " WHERE n.nspname = 'casegate' AND c.relkind = 'r'"
        " AND (a.attname IN ('case_id', 'case_ref', 'debtor_ref') OR a.attname LIKE '%%\\_mac')"
    )

    assert {str(name) for (name,) in tables} == {
        *("case_record", "assigned_case", "case_note", "canary"),
        *("debtor", "hold", "consent", "special_request", "change"),
        *(
            "contact",
            "permit_refusal",
            "identity_try",
            "point_state",
            "channel_refusal",
            "call_record",
        ),
        *("ledger_entry", "case_standing", "promise", "payment_claim", "affair"),
        "company_account",  # the company's own, and nobody's case
    }


@pytest.mark.parametrize("purpose", ["vendor", "auditor", "publisher"])
def test_no_other_role_can_erase(idle_lender: Lender, purpose: str) -> None:
    with (
        idle_lender.role(purpose) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute("SELECT casegate.erase_people('{}')")


def test_nobody_can_delete_a_case_past_the_erasure(idle_lender: Lender) -> None:
    with closing(psycopg.connect(idle_lender.database.conninfo("company"))) as connection:
        for table in ("case_record", "assigned_case"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(
                    sql.SQL("DELETE FROM casegate.{}").format(sql.Identifier(table))
                )
            connection.rollback()


def test_the_commitment_depends_on_the_salt_alone(idle_lender: Lender) -> None:
    ((case_id, salt, commitment),) = idle_lender.query(
        "SELECT case_id, log_salt, commitment FROM casegate.case_record"
        " JOIN casegate.assigned_case USING (case_id) WHERE vendor_id = 'beta'"
    )
    assert isinstance(salt, bytes)

    assert case_commitment(salt, b"beta-2026", case_id) == commitment  # type: ignore[arg-type]
    assert case_commitment(bytes(16), b"beta-2026", case_id) != commitment  # type: ignore[arg-type]
