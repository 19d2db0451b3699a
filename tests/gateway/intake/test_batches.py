"""Batches: what is kept, what is refused, and what follows."""

import gzip
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest

from audit.bundle import decode_bundle
from gateway.errors import IdempotencyKeyReusedError, NotFoundError, RequestInvalidError
from gateway.intake.batches_desk import BatchAnswer
from gateway.intake.parsing import Content, Form
from tests.gateway.intake.desk import DUE, MORNING, Intake
from tests.gateway.store.lender import ACTOR


@pytest.fixture(scope="module")
def intake(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Intake]:
    with Intake.open(postgres_url, tmp_path_factory.mktemp("intake"), cases=80) as opened:
        opened.grant(80, each=2)
        yield opened


def outcomes(answer: BatchAnswer) -> list[str]:
    return [row.get("code", row["outcome"]) for row in answer.document["items"]]


def found_of(intake: Intake, record: dict[str, Any]) -> list[str]:
    return [rule for rule, call in intake.findings() if call == record["call_id"]]


def test_a_sound_record_is_kept_and_its_permit_counts_what_the_call_was(intake: Intake) -> None:
    record = intake.record()
    answer = intake.send(record)

    assert outcomes(answer) == ["accepted"]
    assert answer.is_inline
    assert answer.is_done
    assert intake.permit_row(record["permit_id"]) == ("recorded", "RPC_NO_COMMIT", 25)
    assert found_of(intake, record) == []
    kept = intake.lender.query(
        "SELECT case_ref, script, talk_s, result_code, summary_state FROM casegate.call_record"
        " WHERE call_id = %s",
        (record["call_id"],),
    )
    assert kept == [(record["case_ref"], "first-reminder/1", 60, "RPC_NO_COMMIT", "none")]


def test_the_same_record_again_is_a_duplicate_and_another_body_is_refused(intake: Intake) -> None:
    record = intake.record()
    first = intake.send(record)
    shuffled = dict(reversed(record.items()))
    again = intake.send(shuffled)
    other = intake.send({**record, "talk_s": 59})

    assert (outcomes(first), outcomes(again)) == (["accepted"], ["duplicate"])
    assert outcomes(other) == ["CALL_ID_REUSED"]
    assert other.document["items"][0]["field"] == "call_id"


def test_the_same_key_answers_again_what_it_answered_first(intake: Intake) -> None:
    record = intake.record()
    first = intake.send(record, key="k-1")
    again = intake.send(record, key="k-1")

    assert again == first
    with pytest.raises(IdempotencyKeyReusedError):
        intake.send({**record, "talk_s": 61}, key="k-1")


def test_two_requests_with_one_key_at_a_time_are_one(intake: Intake) -> None:
    record = intake.record()
    barrier = threading.Barrier(4)

    def send(_number: int) -> BatchAnswer:
        barrier.wait(10)
        return intake.send(record, key="k-race")

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(send, range(4)))

    assert {answer.batch_id for answer in answers} == {answers[0].batch_id}
    assert outcomes(answers[0]) == ["accepted"]


def test_one_call_sent_at_once_in_four_batches_is_kept_once(intake: Intake) -> None:
    records = [intake.record() for _number in range(50)]
    barrier = threading.Barrier(4)

    def send(number: int) -> list[str]:
        barrier.wait(10)
        return outcomes(intake.send(*(records if number % 2 else reversed(records))))

    with ThreadPoolExecutor(4) as pool:
        found = [one for each in pool.map(send, range(4)) for one in each]

    assert found.count("accepted") == 50
    assert found.count("duplicate") == 150


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"result_code": "MADE_UP"}, ("UNKNOWN_CODE", "result_code")),
        ({"agent": "alpha-002"}, ("PERMIT_MISMATCH", "agent")),
        ({"script_version": 2}, ("PERMIT_MISMATCH", "script_version")),
        ({"contact_point": "home"}, ("PERMIT_MISMATCH", "contact_point")),
        ({"caller_number": "+8657188000002"}, ("PERMIT_MISMATCH", "caller_number")),
        ({"seat_id": "13812345678"}, ("PII_IN_PAYLOAD", "seat_id")),
        ({"seat_id": "张三"}, ("PII_IN_PAYLOAD", "seat_id")),
        ({"customer_name": "张三"}, ("PII_IN_PAYLOAD", "unknown_field")),
        ({"colour": "red"}, ("SCHEMA_INVALID", "unknown_field")),
        ({"talk_s": 30}, ("SCHEMA_INVALID", "talk_s")),
        ({"result_code": "RPC_PTP"}, ("SCHEMA_INVALID", "promise")),
        ({"promise": {"amount": 1, "due_on": "2026-05-08"}}, ("SCHEMA_INVALID", "promise")),
        ({"supersedes_call_id": "never-sent"}, ("NOT_FOUND", "supersedes_call_id")),
    ],
    ids=str,
)
def test_what_contradicts_its_permit_or_itself_is_refused_with_field_and_code(
    intake: Intake, changes: dict[str, Any], expected: tuple[str, str]
) -> None:
    record = intake.record()
    row = intake.send({**record, **changes}).document["items"][0]

    assert (row["code"], row["field"]) == expected
    assert intake.permit_row(record["permit_id"])[0] == "granted"
    intake.permits.append((UUID(record["permit_id"]), record["case_ref"]))


def test_another_vendors_permit_is_as_if_there_were_none(intake: Intake) -> None:
    record = intake.record()
    foreign = intake.send(record, vendor="beta")
    unknown = intake.send({**record, "permit_id": str(uuid4())})

    assert outcomes(foreign) == outcomes(unknown) == ["PERMIT_MISSING"]
    assert intake.permit_row(record["permit_id"])[0] == "granted"


def test_a_call_that_began_when_its_permit_was_over_is_refused(intake: Intake) -> None:
    begun = MORNING + timedelta(minutes=10)
    times = {
        "started_at": begun.isoformat(),
        "answered_at": begun.isoformat(),
        "ended_at": (begun + timedelta(seconds=60)).isoformat(),
        "ring_s": 0,
    }
    intake.lender.clock.at = begun + timedelta(minutes=5)
    late = intake.send({**intake.record(), **times})
    just = {**times, "started_at": (begun - timedelta(milliseconds=1)).isoformat()}
    in_time = intake.send({**intake.record(), **just})

    assert outcomes(late) == ["PERMIT_EXPIRED"]
    assert outcomes(in_time) == ["accepted"]


def test_a_record_without_a_permit_is_kept_and_is_a_finding(intake: Intake) -> None:
    case_ref = intake.permits[0][1]
    record = intake.record(permit_id=None, case_ref=case_ref)
    answer = intake.send(record)
    nowhere = intake.send(intake.record(permit_id=None, case_ref="A" * 26))
    inbound = intake.record(
        permit_id=None, case_ref=case_ref, direction="inbound", result_code="INBOUND"
    )

    assert outcomes(answer) == ["accepted"]
    assert found_of(intake, record) == ["CALL_WITHOUT_PERMIT"]
    assert outcomes(nowhere) == ["NOT_FOUND"]
    assert outcomes(intake.send(inbound)) == ["accepted"]
    assert found_of(intake, inbound) == []


def test_a_permit_has_one_record_and_a_correction_supersedes_it(intake: Intake) -> None:
    record = intake.record()
    other = {**record, "call_id": "other-call"}
    correction = {**other, "call_id": "better", "supersedes_call_id": record["call_id"]}
    twice = {**correction, "call_id": "better-still"}

    assert outcomes(intake.send(record, other, correction, twice)) == [
        *("accepted", "PERMIT_USED", "accepted", "ILLEGAL_TRANSITION")
    ]
    chain = intake.lender.query(
        "SELECT call_id, superseded_by FROM casegate.call_record WHERE permit_id = %s ORDER BY 1",
        (record["permit_id"],),
    )
    assert chain == [("better", None), (record["call_id"], "better")]


def test_a_correction_never_takes_back_what_a_call_counted(intake: Intake) -> None:
    record = intake.record()
    silent = {
        "call_id": f"{record['call_id']}-b",
        "supersedes_call_id": record["call_id"],
        "result_code": "NO_ANSWER",
        "party_reached": "none",
    }
    intake.send(record)
    intake.send({**record, **silent})

    assert intake.permit_row(record["permit_id"]) == ("recorded", "NO_ANSWER", 27)


@pytest.mark.parametrize(
    ("changes", "rules"),
    [
        ({"quoted_amount": DUE}, []),
        ({"quoted_amount": DUE + 1}, ["CALL_WRONG_AMOUNT"]),
        ({"quoted_amount": DUE, "identity_check": "refused"}, ["CALL_UNPROVED_IDENTITY"]),
        (
            {"result_code": "RPC_PTP", "promise": {"amount": DUE, "due_on": "2026-05-08"}},
            ["CALL_LATE_PROMISE"],
        ),
        (
            {"talk_s": 0, "answered_at": MORNING + timedelta(seconds=128)},
            ["CALL_NO_TALK"],
        ),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, list) else "",
)
def test_what_a_call_shows_is_a_finding_and_the_record_stays(
    intake: Intake, changes: dict[str, Any], rules: list[str]
) -> None:
    record = {**intake.record(), **changes}
    record.pop("ring_s")
    intake.lender.clock.at = MORNING + timedelta(minutes=60)

    assert outcomes(intake.send(record)) == ["accepted"]
    assert found_of(intake, record) == rules


def test_a_call_after_a_recall_is_found(intake: Intake) -> None:
    record = intake.record()
    intake.lender.query(
        "UPDATE casegate.contact SET state = 'voided', closed_at = %s, void_reason = 'RECALLED'"
        " WHERE contact_id = %s RETURNING 1",
        (MORNING + timedelta(seconds=30), record["permit_id"]),
    )

    assert outcomes(intake.send(record)) == ["accepted"]
    assert found_of(intake, record) == ["CALL_AFTER_VOID"]


def test_what_a_result_sets_takes_effect_with_the_record(intake: Intake) -> None:
    record = intake.record(result_code="RPC_DISPUTE")
    invalid = intake.record(result_code="INVALID_NUMBER", party_reached="none")
    for name in ("answered_at", "ring_s", "talk_s", "identity_check"):
        invalid.pop(name)
    answer = intake.send(record, invalid)

    assert outcomes(answer) == ["accepted", "accepted"]
    holds = intake.lender.query(
        "SELECT h.code, h.source FROM casegate.hold h JOIN casegate.contact c USING (person_mac)"
        " WHERE c.contact_id = %s",
        (record["permit_id"],),
    )
    points = intake.lender.query(
        "SELECT p.validity FROM casegate.point_state p JOIN casegate.contact c USING (point_mac)"
        " WHERE c.contact_id = %s",
        (invalid["permit_id"],),
    )
    assert holds == [("dispute_amount", "call_result")]
    assert points == [("invalid",)]


def test_a_large_batch_is_durable_at_once_and_done_in_parts(intake: Intake) -> None:
    sound = [intake.record() for _number in range(4)]
    bad = {"call_id": "nothing"}
    rows = [*sound[:2], *[bad] * 1998, *sound[2:], bad]
    answer = intake.send(*rows, key="large")

    assert not answer.is_inline
    assert (answer.document["state"], answer.document["rows"]) == ("processing", 2003)
    intake.drain()
    done = intake.send(*rows, key="large")
    pages = [
        intake.desk.status(intake.principal(), done.batch_id, page=page).document["items"]
        for page in range(3)
    ]
    assert done.batch_id == answer.batch_id
    assert done.receipt == answer.receipt
    assert done.document["state"] == "done"
    assert (done.document["accepted"], done.document["rejected"]) == (4, 1999)
    assert [row["index"] for page in pages for row in page] == list(range(2003))
    assert [row["outcome"] for row in pages[2]] == ["accepted", "accepted", "rejected"]
    with pytest.raises(NotFoundError):
        intake.desk.status(intake.principal("beta"), done.batch_id, page=0)


def test_the_same_rows_mean_the_same_in_every_form(intake: Intake) -> None:
    record = intake.record()
    header = ",".join([*record, "promise_amount", "备注"])
    cells = [";".join(v) if isinstance(v, list) else str(v) for v in record.values()]
    table = "\r\n".join([header.removesuffix(",备注"), ",".join([*cells, ""])])
    bodies = [
        (Content(Form.NDJSON), orjson.dumps(record)),
        (Content(Form.JSON), orjson.dumps(record)),
        (Content(Form.JSON), orjson.dumps([record])),
        (Content(Form.JSON, is_packed=True), gzip.compress(orjson.dumps([record]))),
        (Content(Form.CSV), b"\xef\xbb\xbf" + table.encode()),
        (Content(Form.CSV, charset="gbk"), table.encode("gbk")),
    ]
    found = [outcomes(intake.send(content=content, body=body)) for content, body in bodies]

    assert found == [["accepted"], *[["duplicate"]] * 5]
    with pytest.raises(RequestInvalidError, match="not whole gzip"):
        intake.send(content=Content(Form.JSON, is_packed=True), body=bodies[3][1][:-9])


def test_a_summary_is_sealed_looked_through_and_opened_for_a_reason(intake: Intake) -> None:
    clean = intake.record(summary="本人称月底前处理，语气平和。")
    leaky = intake.record(summary="本人称换了号码，新号 139-1234-5678，请改打。")
    assert outcomes(intake.send(clean, leaky)) == ["accepted", "accepted"]
    intake.drain()
    states = intake.lender.query(
        "SELECT summary_state, position('本人'::bytea in sealed_summary) FROM casegate.call_record"
        " WHERE call_id = ANY (%s) ORDER BY call_id = %s",
        ([clean["call_id"], leaky["call_id"]], leaky["call_id"]),
    )
    desk = intake.lender.office().summaries()
    shown = desk.read(
        *("alpha", "alpha-2026", leaky["call_id"]), reason="QUALITY_CHECK", actor=ACTOR
    )

    assert states == [("clean", 0), ("held", 0)]
    assert shown["summary"] == leaky["summary"]
    assert found_of(intake, leaky) == ["CALL_PERSONAL_DATA"]
    with pytest.raises(NotFoundError):
        desk.read("beta", "beta-2026", leaky["call_id"], reason="QUALITY_CHECK", actor=ACTOR)


def test_the_same_words_about_three_debtors_are_a_finding(intake: Intake) -> None:
    records = [intake.record(summary="客户表示下周发工资以后再处理这笔款项") for _ in range(6)]
    intake.send(*records)
    intake.drain()

    rules = [rule for record in records for rule in found_of(intake, record)]
    assert rules.count("CALL_COPIED_SUMMARY") >= 1


def test_of_an_erased_person_stays_that_there_was_a_call(intake: Intake) -> None:
    record = intake.record(summary="本人称下周处理。", quoted_amount=DUE)
    assert outcomes(intake.send(record)) == ["accepted"]
    intake.permits = [one for one in intake.permits if one[1] != record["case_ref"]]
    intake.lender.query(
        "SELECT casegate.erase_people(ARRAY[person_mac]) FROM casegate.contact"
        " WHERE contact_id = %s",
        (record["permit_id"],),
    )
    kept = intake.lender.query(
        "SELECT result_code, talk_s, case_ref, quoted_amount, sealed_summary, summary_state"
        " FROM casegate.call_record WHERE call_id = %s",
        (record["call_id"],),
    )

    assert kept == [("RPC_NO_COMMIT", 60, None, None, None, "none")]


def test_a_part_that_cannot_be_opened_holds_up_nothing(intake: Intake) -> None:
    rows = [{"call_id": "nothing"}] * 1_001
    broken = intake.send(*rows)
    intake.lender.query(
        "UPDATE casegate.record_batch_part SET sealed = 'x' WHERE batch_id = %s RETURNING 1",
        (broken.batch_id,),
    )
    sound = intake.send(*rows)
    with intake.lender.office().connection("company") as connection:
        for number in range(1, 5):
            intake.worker._round(connection, number)

    assert intake.desk.status(intake.principal(), sound.batch_id, page=0).is_done
    assert not intake.desk.status(intake.principal(), broken.batch_id, page=0).is_done


def test_every_batch_is_one_entry_of_the_log_that_names_no_person(intake: Intake) -> None:
    record = intake.record(summary="本人称，请打 13812345678。")
    before = intake.lender.query("SELECT size FROM audit.tail")[0][0]
    answer = intake.send(record)
    bundles = intake.lender.query(
        "SELECT bundle FROM audit.batch WHERE first_index >= %s ORDER BY first_index", (before,)
    )
    (entry,) = [
        orjson.loads(one)
        for (bundle,) in bundles
        for one in decode_bundle(bytes(bundle))  # type: ignore[call-overload]
    ]

    assert answer.receipt.index == before
    assert (entry["type"], entry["accepted"], entry["batch"]) == (
        *("record.received", 1),
        str(answer.batch_id),
    )
    for value in (record["case_ref"], record["call_id"], "13812345678"):
        assert value not in str(entry)
