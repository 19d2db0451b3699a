"""Reading one record: its one spelling, its digest, and what is told twice."""

import hashlib
from collections.abc import Mapping
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.intake.records import RecordRefusedError
from gateway.intake.records_reading import read_record

RECORD: Mapping[str, Any] = {
    "call_id": "c-1",
    "permit_id": "7B0C8A52-6D0E-4A55-9A6B-0C3F4F1F2A77",
    "case_ref": "A" * 26,
    "agent": "alpha-001",
    "started_at": "2026-05-07T02:01:00.5+00:00",
    "answered_at": None,
    "ended_at": "2026-05-07T10:02:00+08:00",
    "result_code": "RPC_PTP",
    "promise": {"due_on": "2026-05-08", "amount": 100},
    "summary": 'he said "name": nothing',
}
SPELLED = (
    '{"call_id":"c-1","permit_id":"7b0c8a52-6d0e-4a55-9a6b-0c3f4f1f2a77",'
    '"case_ref":"AAAAAAAAAAAAAAAAAAAAAAAAAA","direction":"outbound","call_kind":"interactive",'
    '"agent":"alpha-001","started_at":"2026-05-07T02:01:00.500000Z",'
    '"ended_at":"2026-05-07T10:02:00+08:00","talk_s":0,"result_code":"RPC_PTP","disclosures":[],'
    '"promise":{"amount":100,"due_on":"2026-05-08"},"summary":"he said \\"name\\": nothing"}'
)


@given(st.permutations(list(RECORD)), st.booleans())
def test_a_record_has_one_spelling_and_one_digest_in_whatever_order_it_comes(
    names: list[str],
    is_apart: bool,  # noqa: FBT001
) -> None:
    line = orjson.dumps(
        {name: RECORD[name] for name in names}, option=orjson.OPT_INDENT_2 if is_apart else 0
    )
    call = read_record(line)

    # What was kept under an earlier version stays a duplicate when it is sent again.
    assert orjson.dumps(call.spelled).decode() == SPELLED
    assert call.sha256 == hashlib.sha256(SPELLED.encode()).digest()


def written(members: list[tuple[str, Any]], after: str = ":") -> bytes:
    pairs = [orjson.dumps(name) + after.encode() + orjson.dumps(value) for name, value in members]
    return b"{" + b",".join(pairs) + b"}"


@given(st.sampled_from(sorted(RECORD)), st.sampled_from([":", " :", "\t: ", " \r\n :"]))
def test_a_field_that_is_told_twice_is_refused_by_its_name(name: str, after: str) -> None:
    # With the same value both times, too: nobody knows what else the sender does twice.
    with pytest.raises(RecordRefusedError) as refused:
        read_record(written([*RECORD.items(), (name, RECORD[name])], after))

    assert (refused.value.code, refused.value.field) == ("SCHEMA_INVALID", name)
    assert refused.value.call_id == (None if name == "call_id" else "c-1")


def test_an_amount_that_is_told_twice_is_refused() -> None:
    line = written(list(RECORD.items())).replace(b'"amount":100', b'"amount":100,"amount":900')
    with pytest.raises(RecordRefusedError) as refused:
        read_record(line)

    assert (refused.value.code, refused.value.field) == ("SCHEMA_INVALID", "promise.amount")


def test_an_unknown_field_that_is_told_twice_is_refused_as_an_unknown_one() -> None:
    for name, code in (("colour", "SCHEMA_INVALID"), ("customer_name", "PII_IN_PAYLOAD")):
        with pytest.raises(RecordRefusedError) as refused:
            read_record(written([*RECORD.items(), (name, 1), (name, 2)]))

        assert (refused.value.code, refused.value.field) == (code, "unknown_field")


def test_what_looks_like_a_member_inside_a_text_is_no_member() -> None:
    said = '":":" :"agent":' * 5

    assert read_record(orjson.dumps({**RECORD, "summary": said})).record.summary == said


@pytest.mark.parametrize("name", ["started_at", "answered_at", "ended_at", "next_action_at"])
@pytest.mark.parametrize(
    "when", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "2026-05-07T10:02:00"]
)
def test_a_time_that_no_clock_tells_or_without_its_zone_is_refused(name: str, when: str) -> None:
    with pytest.raises(RecordRefusedError) as refused:
        read_record(orjson.dumps({**RECORD, name: when}))

    assert (refused.value.code, refused.value.field) == ("SCHEMA_INVALID", name)
