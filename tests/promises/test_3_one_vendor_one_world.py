"""Promise 3: a vendor sees its own cases alone, under references that no other vendor shares."""

import csv
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from psycopg import sql

from gateway.clock import SystemClock, rfc3339
from gateway.operations.recall import recall_cases
from tests.installation import Installation
from tests.promises.ledger import LoggedEntry, log_size, logged_entries
from tests.promises.others_things import UNKNOWN, betas_things, plain
from tests.promises.wire import Wire, WireAnswer

CASES = 40
RECALLED = 6
VENDORS = ("alpha", "beta")
REFERENCES = ("case_ref", "debtor_ref", "contact_point_ref", "debt_ref")
# What a vendor's worker needs to run; nothing in them is of a case or of a vendor.
OPERATIONAL = {"trust", "worker", "trust_acknowledgement", "loaded"}
# The company's texts for all vendors.
SHARED = {"script"}
# What a vendor can read of its own; of some kinds this world has none.
EMPTY = {
    *("contact", "consent", "special_request", "recording"),
    *("record_batch", "record_batch_part", "call_record"),
    *("payment_claim", "affair", "report", "report_reopening", "report_waiver"),
}
OWN = EMPTY | {
    *("case_record", "case_note", "assignment", "assigned_case", "change"),
    *("agent", "agent_course", "script_acknowledgement", "caller_number"),
}
NOT_REFS = ("A" * 26, "x", "K7Q2M5XWZ4T3BNV6YHJCRD2EF1", "%00", "%E5%BC%A0%E4%B8%89", "a" * 4000)


@dataclass(frozen=True, slots=True)
class World:
    """An installation in which both vendors hold cases of the same people."""

    installation: Installation
    recalled: list[str]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    installation = Installation.make(tmp_path_factory.mktemp("world") / "sandbox", cases=CASES)
    share_people(installation)
    alphas = [c["case_ref"] for c in installation.truth() if c["vendor_id"] == "alpha"]
    office = installation.office()
    with office.connection() as connection:
        recall_cases(
            connection,
            "alpha",
            "alpha-2026",
            case_refs=alphas[:RECALLED],
            actor="test",
            at=SystemClock().now(),
        )
    with installation.serving(workers=1):
        yield World(installation, alphas[:RECALLED])


def share_people(installation: Installation) -> None:
    """Gives beta the people of alpha's file, as cases of its own."""
    with (installation.directory / "portfolio-alpha.csv").open(encoding="utf-8-sig") as file:
        header, *rows = list(csv.reader(file))
    number = header.index("案件编号")
    for row in rows:
        row[number] = f"B{row[number]}"
    shared = installation.directory / "shared.csv"
    with shared.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    report = installation.office().import_file(
        shared,
        "beta",
        "beta-2026",
        actor="test",
        rejects=installation.directory / "shared.rejected.csv",
    )
    assert report.assigned == CASES


def pages(installation: Installation, vendor: str, **query: str) -> Iterator[dict[str, Any]]:
    """All cases of a listing, page by page."""
    cursor: str | None = ""
    with installation.vendor(vendor) as client:
        while cursor is not None:
            page = client.get("/v1/cases", params=query | ({"cursor": cursor} if cursor else {}))
            page.raise_for_status()
            yield from page.json()["items"]
            cursor = page.json()["next_cursor"]


def without_id(answer: WireAnswer) -> tuple[list[str], bytes]:
    """An answer's head and body but for the date and the request id."""
    request_id = answer.headers["casegate-request-id"]
    head = answer.head.replace(request_id, "ID").split("\r\n")
    lines = [line for line in head if not line.lower().startswith("date:")]
    return lines, answer.body.replace(request_id.encode(), b"ID")


def test_foreign_recalled_and_unknown_cases_are_one_answer_and_one_entry(world: World) -> None:
    installation = world.installation
    foreign = [c["case_ref"] for c in installation.truth() if c["vendor_id"] == "beta"]
    refs = {"foreign": foreign[0], "recalled": world.recalled[0], "unknown": NOT_REFS[0]}
    with installation.vendor("alpha") as client:
        token = client.headers["Authorization"].removeprefix("Bearer ")
    answers: dict[str, WireAnswer] = {}
    entries: dict[str, list[LoggedEntry]] = {}
    took: dict[str, list[float]] = {kind: [] for kind in refs}
    with Wire(installation.settings.vendor.port, installation.tls("vendors/alpha")) as wire:
        for kind, ref in refs.items():
            before = log_size(installation)
            answers[kind] = wire.ask(f"/v1/cases/{ref}", token=token)
            entries[kind] = logged_entries(installation, since=before)
        for _round in range(40):
            for kind, ref in refs.items():
                began = time.perf_counter()
                wire.ask(f"/v1/cases/{ref}", token=token)
                took[kind].append(time.perf_counter() - began)

    print({kind: f"median {statistics.median(t) * 1000:.2f} ms" for kind, t in took.items()})
    assert {answer.status for answer in answers.values()} == {404}
    assert without_id(answers["foreign"]) == without_id(answers["unknown"])
    assert without_id(answers["recalled"]) == without_id(answers["unknown"])
    assert {len(found) for found in entries.values()} == {1}
    told = [found[0].fields for found in entries.values()]
    assert len({frozenset(fields) for fields in told}) == 1
    for kind, fields in zip(refs, told, strict=True):
        assert (fields["type"], fields["code"]) == ("access.denied", "NOT_FOUND")
        assert refs[kind] not in str(fields)


@pytest.mark.parametrize("ref", NOT_REFS, ids=lambda ref: ref[:12])
def test_what_cannot_be_a_reference_gets_the_same_answer(world: World, ref: str) -> None:
    installation = world.installation
    with installation.vendor("alpha") as client:
        token = client.headers["Authorization"].removeprefix("Bearer ")
    with Wire(installation.settings.vendor.port, installation.tls("vendors/alpha")) as wire:
        usual = wire.ask(f"/v1/cases/{'B' * 26}", token=token)
        answer = wire.ask(f"/v1/cases/{ref}", token=token)

    assert without_id(answer) == without_id(usual)


def test_a_query_that_no_text_can_match_finds_nothing(world: World) -> None:
    with world.installation.vendor("alpha") as client:
        answer = client.get("/v1/cases?assignment=%00")

    assert (answer.status_code, answer.json()) == (200, {"items": [], "next_cursor": None})


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("limit", [1, 2, 7, 33, 34, 35, 500])
def test_a_listing_is_complete_without_doubles_at_any_page_size(
    world: World, vendor: str, limit: int
) -> None:
    held = CASES - RECALLED if vendor == "alpha" else 2 * CASES
    own = {c["case_ref"] for c in world.installation.truth() if c["vendor_id"] == vendor}
    foreign = {c["case_ref"] for c in world.installation.truth() if c["vendor_id"] != vendor}

    refs = [item["case_ref"] for item in pages(world.installation, vendor, limit=str(limit))]

    assert len(refs) == len(set(refs)) == held
    assert own - set(world.recalled) <= set(refs)
    assert not set(refs) & (foreign | set(world.recalled))


def test_an_assignment_of_another_vendor_is_an_empty_listing(world: World) -> None:
    with world.installation.vendor("beta") as client:
        assignments = client.get("/v1/assignments", params={"limit": 1}).json()
        rest = client.get("/v1/assignments", params={"cursor": assignments["next_cursor"]}).json()
    theirs = [item["assignment_id"] for item in assignments["items"] + rest["items"]]

    assert len(set(theirs)) == 2
    for assignment in theirs:
        assert len(list(pages(world.installation, "beta", assignment=assignment))) == CASES
        assert not list(pages(world.installation, "alpha", assignment=assignment))


def test_two_vendors_share_no_reference_of_the_same_people(world: World) -> None:
    seen = {
        vendor: {item[field] for item in pages(world.installation, vendor) for field in REFERENCES}
        for vendor in VENDORS
    }

    assert len(seen["alpha"]) > 2 * CASES
    assert not seen["alpha"] & seen["beta"]


def test_one_vendor_knows_the_same_person_by_one_reference(world: World) -> None:
    # Beta's own file and alpha's were made from different seeds; alpha's people came twice.
    with world.installation.office().connection() as connection:
        rows = connection.execute(
            "SELECT count(DISTINCT person_mac) FROM casegate.case_record"
            " WHERE holder_vendor_id = 'beta'"
        ).fetchone()
    assert rows is not None
    people = {item["debtor_ref"] for item in pages(world.installation, "beta")}

    assert len(people) == rows[0]


def test_a_cursor_continues_its_own_listing_alone(world: World) -> None:
    installation = world.installation
    with installation.vendor("alpha") as client:
        page = client.get("/v1/cases", params={"limit": 2}).json()
        cursor = page["next_cursor"]
        assignment = page["items"][0]["assignment_id"]
        altered = cursor[:-2] + ("AA" if cursor[-2:] != "AA" else "BB")
        refused = [
            client.get("/v1/cases", params={"cursor": cursor, "assignment": assignment}),
            client.get("/v1/cases", params={"cursor": altered}),
            client.get("/v1/cases", params={"cursor": "2"}),
            client.get("/v1/assignments", params={"cursor": cursor}),
        ]
        assert client.get("/v1/cases", params={"cursor": cursor}).status_code == 200
    with installation.vendor("beta") as client:
        refused.append(client.get("/v1/cases", params={"cursor": cursor}))

    assert {answer.status_code for answer in refused} == {422}
    assert {answer.json()["code"] for answer in refused} == {"SCHEMA_INVALID"}
    assert len({answer.json()["title"] for answer in refused}) == 1


def test_no_route_tells_what_is_another_vendors_from_what_does_not_exist(world: World) -> None:
    things = betas_things(world.installation)
    with world.installation.vendor("alpha") as alpha:
        for method, path, thing, along in things:
            unknown = {"receipts": str(2**40), "agents": "beta-099"}.get(
                path.split("/")[2], UNKNOWN
            )
            foreign = plain(alpha.request(method, path.format(thing), **along))
            nothing = plain(alpha.request(method, path.format(unknown), **along))
            assert foreign == nothing, (method, path)
            assert foreign[0] == 404, (method, path)


def test_no_route_that_takes_a_case_tells_why_there_is_none(world: World) -> None:
    foreign = next(c["case_ref"] for c in world.installation.truth() if c["vendor_id"] == "beta")
    now = SystemClock().now()
    moments = {
        name: rfc3339(now + timedelta(days=days))
        for name, days in (("captured_at", 0), ("begins", 1), ("ends", 2))
    }
    wishes: dict[str, dict[str, Any]] = {
        "/v1/permits": {
            "contact_point": "mobile",
            "agent": "alpha-001",
            "script": "first-reminder",
            "script_version": 1,
            "caller_number": "+8657188000001",
        },
        "/v1/channel-refusals": {"channel": "sms"},
        "/v1/consents": {
            **moments,
            "scope": "amber_time",
            "evidence_recording_id": "r-1",
            "permit_id": UNKNOWN,
            "given_by": "debtor",
        },
        "/v1/special-requests": {"type": "hardship", "agent": "alpha-001"},
        "/v1/payment-claims": {
            "agent": "alpha-001",
            "amount": 100,
            "claimed_on": rfc3339(now)[:10],
        },
    }
    with world.installation.vendor("alpha") as alpha:
        for path, wish in wishes.items():
            answers = [
                plain(alpha.post(path, json={**wish, "case_ref": ref}))
                for ref in (foreign, world.recalled[0], NOT_REFS[0])
            ]
            assert answers[0][0] == 404, (path, answers[0])
            assert answers[0] == answers[1] == answers[2], path


@pytest.fixture
def as_vendor(world: World) -> Iterator[psycopg.Connection]:
    """Raw SQL with the rights of the vendor listener."""
    conninfo = world.installation.database().conninfo("vendor")
    with psycopg.connect(conninfo, autocommit=True) as connection:
        yield connection


def tables_of(world: World) -> dict[tuple[str, str], list[str]]:
    """All tables of the two schemas with their columns."""
    with psycopg.connect(world.installation.database().owner_url) as connection:
        rows = connection.execute(
            "SELECT table_schema, table_name,"
            " array_agg(column_name::text ORDER BY ordinal_position)"
            " FROM information_schema.columns JOIN information_schema.tables"
            " USING (table_schema, table_name)"
            " WHERE table_schema IN ('casegate', 'audit') AND table_type = 'BASE TABLE'"
            " GROUP BY 1, 2"
        ).fetchall()
    return {(schema, table): columns for schema, table, columns in rows}


def test_the_database_shows_a_vendor_its_own_rows_and_nothing_else(
    world: World, as_vendor: psycopg.Connection
) -> None:
    readable: set[str] = set()
    for (schema, table), columns in tables_of(world).items():
        owner = next((c for c in columns if c in {"vendor_id", "holder_vendor_id"}), None)
        name = sql.Identifier(schema, table)
        as_vendor.execute("RESET casegate.vendor_id")
        try:
            row = as_vendor.execute(sql.SQL("SELECT count(*) FROM {}").format(name)).fetchone()
        except psycopg.errors.InsufficientPrivilege:
            continue
        if table in OPERATIONAL | SHARED:
            continue
        readable.add(table)
        assert owner is not None, table
        assert row == (0,)
        as_vendor.execute("SELECT set_config('casegate.vendor_id', 'alpha', false)")
        owners = as_vendor.execute(
            sql.SQL("SELECT DISTINCT {} FROM {}").format(sql.Identifier(owner), name)
        ).fetchall()
        assert owners == ([] if table in EMPTY else [("alpha",)]), table

    assert readable == OWN


def test_a_recalled_case_is_invisible_in_the_database_too(as_vendor: psycopg.Connection) -> None:
    as_vendor.execute("SELECT set_config('casegate.vendor_id', 'alpha', false)")

    for table in ("assigned_case", "case_record"):
        query = sql.SQL("SELECT count(*) FROM casegate.{}").format(sql.Identifier(table))
        assert as_vendor.execute(query).fetchone() == (CASES - RECALLED,)


def test_the_vendor_role_can_change_nothing(world: World, as_vendor: psycopg.Connection) -> None:
    as_vendor.execute("SELECT set_config('casegate.vendor_id', 'alpha', false)")
    for (schema, table), columns in tables_of(world).items():
        if table in OPERATIONAL - {"trust"}:
            continue
        name, column = sql.Identifier(schema, table), sql.Identifier(columns[0])
        for statement in (
            sql.SQL("UPDATE {} SET {} = DEFAULT").format(name, column),
            sql.SQL("DELETE FROM {}").format(name),
            sql.SQL("INSERT INTO {} DEFAULT VALUES").format(name),
            sql.SQL("TRUNCATE {}").format(name),
            sql.SQL("ALTER TABLE {} DISABLE ROW LEVEL SECURITY").format(name),
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                as_vendor.execute(statement)


def test_the_vendor_role_is_nobody_special(as_vendor: psycopg.Connection) -> None:
    row = as_vendor.execute(
        "SELECT rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication,"
        " (SELECT count(*) FROM pg_auth_members WHERE member = r.oid),"
        " (SELECT count(*) FROM pg_class WHERE relowner = r.oid)"
        " FROM pg_roles r WHERE rolname = current_user"
    ).fetchone()

    assert row == (False, False, False, False, False, 0, 0)
