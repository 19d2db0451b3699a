"""Notes at a release, on a real database: cut, or left out with a reason that the entry tells."""

import asyncio
import re
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID

import orjson
import pytest

from audit.entry import EntryValue, EventType
from audit.log import Receipt
from gateway.cases.notes import PostgresNoteReader
from gateway.cases.reader import PostgresCaseReader
from gateway.identity.principal import StaffRole, VendorPrincipal
from gateway.masking.pseudonyms import PseudonymKey
from gateway.release.cursor import CursorCipher
from gateway.release.note_explanation import (
    RELEASED,
    NoteExplanation,
    explain_notes,
    read_notes,
)
from gateway.release.notes import note_numberer
from gateway.release.profiles import DEFAULT_PURPOSE, ReleaseProfiles
from gateway.release.release import AccessContext, Release
from gateway.store.database import connection_pool
from keys.secret import Secret
from policies.fields import load_field_catalog
from policies.load import LoadedPolicy, bundle_of, load_policy
from tests.gateway.analysis.notes_desk import (
    FIRST,
    SECOND,
    VENDORS,
    WordAnalyser,
    emptied,
    noted,
    ring,
    worker,
)
from tests.gateway.store.lender import START, Lender, SetClock

NUMBERED = "redacted\nplaceholders: numbered"
POLICY = """
policy: alpha-2026
vendor: alpha
contract: alpha-2026
term: {{ from: 2026-01-01, to: 2026-12-31 }}
purposes: [DEBT_COLLECTION_TEL]
free_text: {word}
stages:
  bulk:
    case_ref: pseudonym
    full_name: partial name
"""
ALPHA = VendorPrincipal("alpha", "alpha-2026", bytes(32), START + timedelta(days=1))
CONTEXT = AccessContext("r", "t", "/v1/cases", None, DEFAULT_PURPOSE)


class Heard:
    """Stands in for the log."""

    def __init__(self) -> None:
        self.entry: dict[str, EntryValue] = {}

    async def record(self, event: EventType, **fields: EntryValue) -> Receipt:
        assert event is EventType.ACCESS_RELEASE
        self.entry = fields
        return Receipt(0, bytes(32))


class Pull(NamedTuple):
    """What a vendor received, and what the log heard."""

    notes: list[str | None]
    keys: set[str]
    entry: dict[str, Any]


@pytest.fixture(scope="module")
def shared(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Lender:
    return Lender.fresh(postgres_url, tmp_path_factory.mktemp("lender"))


@pytest.fixture
def lender(shared: Lender) -> Lender:
    return emptied(shared)


def pull(lender: Lender, word: str = "redacted", *, ref: str | None = None) -> Pull:
    """Alpha's page, or one case, under a policy with this rule for free text."""
    policy = load_policy(POLICY.format(word=word).encode(), "alpha.yaml")
    heard = Heard()

    async def story() -> bytes:
        pool = connection_pool(lender.database.conninfo("vendor"), size=1)
        await pool.open(wait=True)
        try:
            release = Release(
                reader=PostgresCaseReader(pool),
                notes=PostgresNoteReader(pool),
                profiles=ReleaseProfiles(
                    bundle_of([("alpha.yaml", policy)]), load_field_catalog(), Secret(bytes(32))
                ),
                kek=ring(lender),
                cursors=CursorCipher(Secret(bytes(32))),
                evidence=heard,
                clock=SetClock(),
            )
            if ref is not None:
                return (await release.one(ALPHA, ref, CONTEXT)).body
            page = await release.page(
                ALPHA, CONTEXT, assignment=None, cursor=None, limit=50, as_lines=False
            )
            return page.body
        finally:
            await pool.close()

    body = orjson.loads(asyncio.run(story()))
    items = [body] if ref is not None else body["items"]
    return Pull(
        [item.get("redacted_notes") for item in items],
        {key for item in items for key in item},
        heard.entry,
    )


def analyse(lender: Lender, word: str = "秘密", digest: str = FIRST) -> None:
    with worker(lender, WordAnalyser(word), digest) as one:
        one.run(VENDORS)


def test_notes_leave_with_what_was_found_cut_out(lender: Lender) -> None:
    noted(lender, ["称秘密来电，秘密勿扰", "", "无人接听"])
    analyse(lender)

    got = pull(lender)

    assert got.notes == ["称〔姓名〕来电，〔姓名〕勿扰", None, "无人接听"]
    assert got.entry["notes"] == 2
    assert got.entry["recognizers"] == [FIRST]
    assert "notes_dropped" not in got.entry


def test_a_single_case_comes_with_its_notes_too(lender: Lender) -> None:
    noted(lender, ["秘密来电"])
    analyse(lender)
    ((ref,),) = lender.query("SELECT case_ref FROM casegate.assigned_case")

    got = pull(lender, ref=str(ref))

    assert got.notes == ["〔姓名〕来电"]
    assert got.entry["notes"] == 1


@pytest.mark.parametrize("word", ["none", "codes"])
def test_a_policy_without_redacted_notes_releases_none_and_the_entry_says_why(
    lender: Lender, word: str
) -> None:
    noted(lender, ["秘密", "", "别的"])
    analyse(lender)

    got = pull(lender, word)

    assert "redacted_notes" not in got.keys
    assert got.entry["notes_dropped"] == {"not_in_scope": 2}


def test_each_reason_to_leave_notes_out_is_counted(lender: Lender) -> None:
    noted(lender, ["秘密", "不可示人", "出错"])
    analyse(lender)
    noted(lender, ["还没有看过", "也没有"], first=30)

    got = pull(lender)

    assert got.notes == ["〔姓名〕", None, None, None, None]
    assert got.entry["notes"] == 1
    assert got.entry["notes_dropped"] == {"failed": 1, "not_analysed": 2, "withheld": 1}


def test_with_the_analyser_down_cases_go_on_without_their_notes(lender: Lender) -> None:
    noted(lender, ["秘密一", "秘密二"])

    got = pull(lender)

    assert got.notes == [None, None]
    assert got.keys == {"case_ref", "full_name"}
    assert got.entry["notes_dropped"] == {"not_analysed": 2}


def test_cases_without_notes_leave_no_word_of_notes_in_the_entry(lender: Lender) -> None:
    noted(lender, ["", ""])

    for word in ("redacted", "none"):
        entry = pull(lender, word).entry
        assert not {"notes", "notes_dropped", "recognizers"} & set(entry)


def test_an_older_rendition_serves_until_the_newer_one_is_there(lender: Lender) -> None:
    noted(lender, ["秘密与别的"])
    analyse(lender)
    lender.query("UPDATE casegate.case_note SET state = 'pending' RETURNING 1")

    during = pull(lender)
    analyse(lender, "别的", SECOND)
    after = pull(lender)

    assert during.notes == ["〔姓名〕与别的"]
    assert during.entry["recognizers"] == [FIRST]
    assert after.notes == ["秘密与〔姓名〕"]
    assert after.entry["recognizers"] == [SECOND]


def test_a_changed_note_is_never_cut_by_the_spans_of_its_former_text(lender: Lender) -> None:
    noted(lender, ["称秘密来电"])
    analyse(lender)
    former = lender.query("SELECT rendered_by, sealed_spans FROM casegate.case_note")[0]

    noted(lender, ["秘密来电了"])
    dropped = pull(lender)
    lender.query(
        "UPDATE casegate.case_note SET rendered_by = %s, is_withheld = false, sealed_spans = %s"
        " RETURNING 1",
        former,
    )
    forged = pull(lender)

    assert dropped.entry["notes_dropped"] == {"not_analysed": 1}
    assert forged.notes == [None]
    assert forged.entry["notes_dropped"] == {"withheld": 1}


def test_spans_of_another_case_are_of_no_use(lender: Lender) -> None:
    noted(lender, ["秘密甲", "秘密乙"])
    analyse(lender)
    lender.query(
        "UPDATE casegate.case_note n SET sealed_spans = o.sealed_spans FROM casegate.case_note o"
        " WHERE o.case_id <> n.case_id RETURNING 1"
    )

    got = pull(lender)

    assert got.notes == [None, None]
    assert got.entry["notes_dropped"] == {"withheld": 2}


def test_numbered_placeholders_are_stable_in_a_case_and_others_in_the_next(
    lender: Lender,
) -> None:
    noted(lender, ["秘密来电，秘密勿扰", "秘密来电"])
    analyse(lender)

    first, second = pull(lender, NUMBERED).notes
    again, _second = pull(lender, NUMBERED).notes

    assert first is not None
    assert second is not None
    numbers = re.findall("〔姓名([0-9]+)〕", first)
    assert len(numbers) == 2
    assert len(set(numbers)) == 1
    assert first == again
    assert second != f"〔姓名{numbers[0]}〕来电"


def test_another_contract_has_other_numbers() -> None:
    numberers = [
        note_numberer(PseudonymKey.derive(bytes(range(32)), vendor=vendor, contract=contract))
        for vendor, contract in (("alpha", "a-1"), ("alpha", "a-2"), ("beta", "b-1"))
    ]

    told = [
        [numberer(UUID(int=1).hex)(f"PERSON{name}") for name in ("王芳", "王强", "李丽")]
        for numberer in numberers
    ]

    assert len(set(map(tuple, told))) == 3
    assert all(1 <= number <= 999 for numbers in told for number in numbers)


def explained(lender: Lender, word: str, role: StaffRole) -> list[NoteExplanation]:
    """What staff of a role are told of each case's notes under a policy with this rule."""
    text = POLICY.format(word=word)
    loaded = LoadedPolicy(load_policy(text.encode(), "alpha.yaml"), {}, "alpha.yaml", text, {})
    pseudonyms = PseudonymKey.derive(bytes(32), vendor="alpha", contract="alpha-2026")
    with lender.role() as connection:
        stored = [
            read_notes(connection, row[0])
            for row in connection.execute("SELECT case_id FROM casegate.case_note ORDER BY place")
        ]
    return [
        explain_notes(notes, loaded, kek=ring(lender), pseudonyms=pseudonyms, role=role)
        for notes in stored
        if notes is not None
    ]


def test_staff_who_decide_on_scopes_see_what_the_vendor_receives_and_others_its_shape(
    lender: Lender,
) -> None:
    noted(lender, ["称秘密来电，秘密勿扰", "无人接听"])
    analyse(lender)

    whole, plain = explained(lender, "redacted", StaffRole.COMPLIANCE)
    shape, _plain = explained(lender, "redacted", StaffRole.AUDITOR)
    (numbered, _), (received, _) = (
        explained(lender, NUMBERED, StaffRole.COMPLIANCE),
        pull(lender, NUMBERED).notes,
    )

    assert whole == NoteExplanation(
        "free_text redacted",
        "alpha.yaml, line 7",
        RELEASED,
        FIRST,
        {"PERSON": 2},
        "称〔姓名〕来电，〔姓名〕勿扰",
    )
    assert (plain.found, plain.result) == ({}, "无人接听")
    assert shape.result == "***〔姓名〕***〔姓名〕***"
    assert numbered.rule == "free_text redacted, numbered placeholders"
    assert numbered.result == received


def test_staff_are_told_why_notes_stay_in(lender: Lender) -> None:
    noted(lender, ["秘密", "不可示人", "出错"])
    analyse(lender)
    noted(lender, ["还没有看过"], first=30)

    redacted = explained(lender, "redacted", StaffRole.COMPLIANCE)
    kept_in = explained(lender, "none", StaffRole.COMPLIANCE)

    assert sorted(one.outcome for one in redacted) == [
        *("failed", "not_analysed", "released", "withheld"),
    ]
    assert [one.result for one in redacted].count(None) == 3
    assert {(one.outcome, one.result) for one in kept_in} == {("not_in_scope", None)}
    assert {"PERSON": 1} in [one.found for one in kept_in]


def test_a_case_without_notes_has_none_to_explain(lender: Lender) -> None:
    with lender.role() as connection:
        assert read_notes(connection, UUID(int=0)) is None
