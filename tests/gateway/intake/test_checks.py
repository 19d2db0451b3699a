"""The rules on one record, without a database."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.intake.checks import (
    RULES,
    Circumstances,
    PermitFacts,
    balance_at,
    check_record,
)
from gateway.intake.records import RecordRefusedError
from gateway.intake.records_reading import read_record
from policies.contact.results import load_results

ASKED = datetime(2026, 5, 7, 2, 0, tzinfo=UTC)
BEGUN = ASKED + timedelta(minutes=1)
PERMIT_ID = UUID(int=7)
PERMIT = PermitFacts(
    permit_id=str(PERMIT_ID),
    case_id=str(UUID(int=1)),
    case_ref="A" * 26,
    point_kind="mobile",
    agent_ref="alpha-001",
    script_id="first",
    script_version=1,
    caller_number="+8657188000001",
    call_kind="interactive",
    party="debtor",
    requested_at=ASKED,
    expires_at=ASKED + timedelta(minutes=10),
    closed_at=None,
    state="granted",
    void_reason=None,
    result=None,
    log_salt=bytes(16),
)
KNOWN = Circumstances(ASKED + timedelta(minutes=5), promise_minutes=30)
RECORD: Mapping[str, Any] = {
    "call_id": "c-1",
    "permit_id": str(PERMIT_ID),
    "case_ref": "A" * 26,
    "agent": "alpha-001",
    "started_at": BEGUN.isoformat(),
    "answered_at": (BEGUN + timedelta(seconds=5)).isoformat(),
    "ended_at": (BEGUN + timedelta(seconds=65)).isoformat(),
    "talk_s": 60,
    "result_code": "RPC_NO_COMMIT",
}


def check(
    changes: Mapping[str, Any] | None = None,
    *,
    permit: PermitFacts | None = PERMIT,
    known: Circumstances = KNOWN,
) -> list[str]:
    """The rules that a record breaks; RecordRefusedError when it is not kept."""
    content = {name: value for name, value in {**RECORD, **(changes or {})}.items() if value}
    record = read_record(orjson.dumps(content)).record
    code = load_results().get(record.result_code)
    return list(check_record(record, code, permit, known).faults)


def refusal(changes: Mapping[str, Any], permit: PermitFacts | None = PERMIT) -> tuple[str, str]:
    with pytest.raises(RecordRefusedError) as refused:
        check(changes, permit=permit)
    return refused.value.code, refused.value.field


def test_a_sound_record_breaks_no_rule() -> None:
    assert check() == []


@pytest.mark.parametrize(
    ("offset", "is_inside"),
    [(-6, False), (-5, True), (0, True), (599.999, True), (600, False), (601, False)],
)
def test_a_call_begins_while_its_permit_is_open(offset: float, is_inside: bool) -> None:  # noqa: FBT001
    begun = ASKED + timedelta(seconds=offset)
    times = {
        "started_at": begun.isoformat(),
        "answered_at": None,
        "talk_s": 0,
        "ended_at": (ASKED + timedelta(minutes=11)).isoformat(),
        "result_code": "NO_ANSWER",
    }
    known = KNOWN._replace(received_at=ASKED + timedelta(minutes=12))
    if is_inside:
        assert check(times, known=known) == []
        return
    with pytest.raises(RecordRefusedError) as refused:
        check(times, known=known)
    assert refused.value.field == "started_at"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"ended_at": (BEGUN - timedelta(seconds=1)).isoformat()}, "ended_at"),
        ({"ended_at": (ASKED + timedelta(minutes=7)).isoformat()}, "ended_at"),
        ({"answered_at": (BEGUN - timedelta(seconds=1)).isoformat()}, "answered_at"),
        ({"answered_at": None}, "answered_at"),
        ({"talk_s": 57}, "talk_s"),
        ({"ring_s": 8}, "ring_s"),
        ({"party_reached": "contact"}, "party_reached"),
        ({"started_at": "2026-05-07T10:01:00"}, "started_at"),
        ({"talk_s": "60"}, "talk_s"),
        ({"talk_s": 60.5}, "talk_s"),
        ({"case_ref": "a" * 26}, "case_ref"),
        ({"disclosures": ["X"] * 21}, "disclosures"),
        ({"summary": "字" * 501}, "summary"),
        ({"promise": {"amount": 1, "due_on": "2026-05-08", "how": "cash"}}, "unknown_field"),
    ],
    ids=lambda value: value if isinstance(value, str) else repr(value)[:40],
)
def test_times_amounts_and_forms_have_to_be_possible(changes: dict[str, Any], field: str) -> None:
    assert refusal(changes) == ("SCHEMA_INVALID", field)


@pytest.mark.parametrize(("days", "is_taken"), [(-1, False), (0, True), (15, True), (16, False)])
def test_a_promise_is_due_within_fifteen_days(days: int, is_taken: bool) -> None:  # noqa: FBT001
    due = (BEGUN + timedelta(days=days)).date().isoformat()
    changes = {"result_code": "RPC_PTP", "promise": {"amount": 100, "due_on": due}}
    if is_taken:
        assert check(changes) == []
    else:
        assert refusal(changes) == ("SCHEMA_INVALID", "promise.due_on")


def test_a_promise_told_half_an_hour_later_is_a_fault_and_not_before() -> None:
    changes = {"result_code": "RPC_PTP", "promise": {"amount": 100, "due_on": "2026-05-08"}}
    ended = BEGUN + timedelta(seconds=65)
    just = KNOWN._replace(received_at=ended + timedelta(minutes=30))
    late = KNOWN._replace(received_at=ended + timedelta(minutes=30, milliseconds=1))

    assert check(changes, known=just) == []
    assert check(changes, known=late) == ["CALL_LATE_PROMISE"]


def test_only_a_permit_of_a_contact_person_ends_as_one() -> None:
    contact = PERMIT._replace(party="contact", point_kind="related")
    changes = {"result_code": "THIRD_PARTY_RELAY", "party_reached": "contact"}

    assert refusal(changes) == ("UNKNOWN_CODE", "result_code")
    assert check(changes, permit=contact) == []
    assert check({**changes, "quoted_amount": 100}, permit=contact) == [
        "CALL_DEBT_TO_THIRD_PERSON"
    ]


@pytest.mark.parametrize(
    ("state", "result", "faults"),
    [
        ("granted", None, []),
        ("expired", None, []),
        ("used", "RPC_NO_COMMIT", []),
        ("used", "NO_ANSWER", ["CALL_CHANGED_RESULT"]),
        ("unused", None, ["CALL_ON_RETURNED_PERMIT"]),
        ("voided", None, ["CALL_AFTER_VOID"]),
    ],
)
def test_how_a_permit_ended_before_its_record_tells(
    state: str, result: str | None, faults: list[str]
) -> None:
    permit = PERMIT._replace(state=state, result=result, closed_at=BEGUN)
    assert check(permit=permit) == faults


def test_a_hold_that_came_in_the_middle_of_a_call_is_no_fault_of_it() -> None:
    permit = PERMIT._replace(state="voided", closed_at=BEGUN + timedelta(seconds=1))
    assert check(permit=permit) == []


def test_a_recorded_permit_takes_no_second_record() -> None:
    assert refusal({}, PERMIT._replace(state="recorded")) == ("PERMIT_USED", "permit_id")


def test_a_forbidden_term_is_a_fault() -> None:
    known = KNOWN._replace(terms=("坐牢",))
    assert check({"summary": "告知其不还将坐牢"}, known=known) == ["CALL_FORBIDDEN_TERM"]


@given(st.integers(0, 10**9), st.lists(st.integers(0, 10**9), max_size=5), st.integers(-1, 6))
def test_the_balance_is_the_last_posting_before_the_call(
    due: int, balances: list[int], at: int
) -> None:
    ledger = [[BEGUN.timestamp() + place, balance] for place, balance in enumerate(balances)]
    known = balance_at(due, ledger, BEGUN + timedelta(seconds=at))
    assert known == [due, *balances][max(0, min(at + 1, len(balances)))]


@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_any_bytes_are_a_record_or_one_refusal(line: bytes) -> None:
    with pytest.raises(RecordRefusedError):
        read_record(line)


@given(
    st.dictionaries(
        st.sampled_from([*RECORD, "seat_id", "summary", "promise", "talk_s", "phone"]),
        st.none() | st.integers() | st.text(max_size=20) | st.lists(st.text(max_size=3)),
    )
)
def test_no_refusal_repeats_what_was_sent(changes: dict[str, Any]) -> None:
    try:
        line = orjson.dumps({**RECORD, **changes})
    except TypeError:
        return  # a number or a text that no JSON has
    with pytest.raises(RecordRefusedError) as refused:
        check_record(read_record(line).record, None, PERMIT, KNOWN)
    own = {"unknown_field", "record", *RECORD, "seat_id", "summary", "promise", "disclosures"}
    assert refused.value.field.partition(".")[0] in own


def test_every_rule_has_a_name_that_findings_take() -> None:
    assert all(rule.startswith("CALL_") and rule.isupper() for rule in RULES)
