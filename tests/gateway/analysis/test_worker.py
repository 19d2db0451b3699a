"""The queue and its worker on a real database: nothing lost, nothing doubled, nothing shown."""

import psycopg
import pytest
from typing_extensions import override

from gateway.analysis.queue import (
    MAX_ATTEMPTS,
    adopt,
    is_work,
    retry_failed,
)
from gateway.analysis.status import read_status
from gateway.analysis.worker import AnalysisRun
from gateway.operations.recall import recall_cases
from gateway.portfolio.erasure import ErasureReason
from gateway.redaction.known import KnownValues
from gateway.redaction.redactor import Redaction
from tests.gateway.analysis.notes_desk import (
    FIRST,
    SECOND,
    SECRET,
    VENDORS,
    WordAnalyser,
    analyse,
    noted,
    packed_spans,
    rows,
    worker,
)
from tests.gateway.store.lender import ACTOR, START, Lender


def test_an_import_queues_the_notes_that_it_brings_and_no_others(lender: Lender) -> None:
    noted(lender, ["已拨打", "", "称秘密来电"])

    assert rows(lender, "state, vendor_id, rendered_by") == [("pending", "alpha", None)] * 2


def test_what_was_found_is_kept_under_the_cases_key_and_the_text_nowhere(lender: Lender) -> None:
    noted(lender, ["称秘密来电，秘密勿扰", "不可示人", "无人接听"])

    run = analyse(lender, WordAnalyser())

    assert run == AnalysisRun(ready=2, withheld=1)
    assert rows(lender, "state, is_withheld, rendered_by") == [
        ("done", False, FIRST),
        ("done", True, FIRST),
        ("done", False, FIRST),
    ]
    first, second = packed_spans(lender)
    assert b'[1,3,"PERSON"],[6,8,"PERSON"]' in first
    assert b"PERSON" not in second
    assert not any(b"PERSON" in bytes(row[0] or b"") for row in rows(lender, "sealed_spans"))


def test_the_analyser_is_told_the_cases_own_values(lender: Lender) -> None:
    noted(lender, ["张三丰来电"])
    analyser = WordAnalyser()

    analyse(lender, analyser)

    ((text, known),) = analyser.seen
    assert text == "张三丰来电"
    assert known is not None
    assert known.names == ("张三丰",)
    assert known.phones == ("13800000000",)
    assert known.addresses == ("浙江省杭州市西湖区文三路90号",)


def test_a_note_that_fails_is_tried_again_and_then_given_up_by_a_word(lender: Lender) -> None:
    noted(lender, ["秘密甲", "出错：张三丰", "秘密乙"])

    run = analyse(lender, WordAnalyser())

    assert (run.ready, run.failed_attempts) == (2, MAX_ATTEMPTS)
    with lender.role() as connection:
        status = read_status(connection, FIRST, VENDORS)
    assert (status.ready, status.failed, status.pending) == (2, 1, 0)
    assert status.reasons == {"ArithmeticError": 1}
    assert rows(lender, "reason")[-1] == ("ArithmeticError",)


def test_failed_notes_are_tried_again_when_asked_for(lender: Lender) -> None:
    noted(lender, ["出错", "秘密"])
    analyse(lender, WordAnalyser())

    with lender.role() as connection:
        assert retry_failed(connection) == 1
        assert read_status(connection, FIRST, VENDORS).pending == 1
    analyse(lender, WordAnalyser())

    assert [row[0] for row in rows(lender, "state")] == ["done", "failed"]


def test_new_recognizers_see_every_note_again_while_the_old_renditions_serve(
    lender: Lender,
) -> None:
    noted(lender, ["秘密与别的", "秘密"])
    analyse(lender, WordAnalyser())
    with lender.role() as connection:
        assert not is_work(connection, FIRST, VENDORS)
        assert is_work(connection, SECOND, VENDORS)
    noticed: list[list[tuple[object, ...]]] = []

    class Watching(WordAnalyser):
        @override
        def redact(self, text: str, known: KnownValues | None = None) -> Redaction:
            noticed.append(rows(lender, "state, rendered_by, sealed_spans IS NOT NULL"))
            return super().redact(text, known)

    run = analyse(lender, Watching("别的"), SECOND)

    assert noticed[0] == [("pending", FIRST, True)] * 2
    assert run.ready == 2
    assert [row[0] for row in rows(lender, "rendered_by")] == [SECOND, SECOND]
    assert [b"PERSON" in packed for packed in packed_spans(lender)] == [True, False]


def test_an_old_version_beside_a_newer_one_does_not_undo_its_work(lender: Lender) -> None:
    noted(lender, ["秘密"])
    analyse(lender, WordAnalyser(), FIRST)
    analyse(lender, WordAnalyser(), SECOND)

    with lender.role() as connection:
        assert not is_work(connection, FIRST, VENDORS)
        assert not adopt(connection, FIRST, START)
        assert adopt(connection, SECOND, START)
    assert analyse(lender, WordAnalyser(), FIRST).seen == 0
    noted(lender, ["秘密丙"], first=50)
    assert analyse(lender, WordAnalyser(), FIRST).ready == 1
    assert [row[0] for row in rows(lender, "rendered_by")] == [SECOND, FIRST]


def test_a_note_that_changes_while_it_is_analysed_is_analysed_again(lender: Lender) -> None:
    noted(lender, ["秘密一"])

    class Interrupted(WordAnalyser):
        @override
        def redact(self, text: str, known: KnownValues | None = None) -> Redaction:
            if text == "秘密一":
                noted(lender, ["改了，秘密二"])
            return super().redact(text, known)

    run = analyse(lender, Interrupted())

    assert (run.ready, run.void) == (1, 1)
    assert rows(lender, "state") == [("done",)]
    (packed,) = packed_spans(lender)
    assert b"[3,5," in packed


def test_a_changed_note_loses_its_rendition_in_the_same_moment(lender: Lender) -> None:
    noted(lender, ["秘密一"])
    analyse(lender, WordAnalyser())

    noted(lender, ["别的秘密"])

    assert rows(lender, "state, rendered_by, sealed_spans") == [("pending", None, None)]


def test_notes_of_other_vendors_and_recalled_cases_are_not_opened(lender: Lender) -> None:
    noted(lender, ["秘密甲"])
    noted(lender, ["秘密乙"], vendor="beta", first=10)
    noted(lender, ["秘密丙"], first=20)
    refs = lender.query(
        "SELECT case_ref FROM casegate.assigned_case WHERE vendor_id = 'alpha' ORDER BY sequence"
    )
    with lender.role() as connection:
        recall_cases(
            connection, "alpha", "alpha-2026", case_refs=[str(refs[1][0])], actor=ACTOR, at=START
        )
    analyser = WordAnalyser()

    with worker(lender, analyser) as one:
        one.run({"alpha"})

    assert [text for text, _known in analyser.seen] == ["秘密甲"]
    with lender.role() as connection:
        assert read_status(connection, FIRST, {"alpha"}).resting == 2


def test_erasing_a_person_takes_queue_and_renditions_along(lender: Lender) -> None:
    noted(lender, ["秘密甲", "秘密乙"])
    analyse(lender, WordAnalyser())

    lender.office().erase_person(
        "11010519491231002X", expected=2, reason=ErasureReason.ORDERED, actor=ACTOR
    )

    assert rows(lender, "case_id") == []


def test_a_vendor_sees_its_own_renditions_only_and_changes_none(lender: Lender) -> None:
    noted(lender, ["秘密甲"])
    noted(lender, ["秘密乙"], vendor="beta", first=10)
    analyse(lender, WordAnalyser())
    cases = [row[0] for row in lender.query("SELECT case_id FROM casegate.case_note")]

    with lender.role("vendor") as connection:
        found = connection.execute(
            "SELECT count(*) FROM casegate.vendor_notes('alpha', 'alpha-2026', %s)", (cases,)
        ).fetchone()
        crossed = connection.execute(
            "SELECT count(*) FROM casegate.vendor_notes('alpha', 'beta-2026', %s)", (cases,)
        ).fetchone()
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("UPDATE casegate.case_note SET state = 'done'")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT reason FROM casegate.case_note")

    assert found == (1,)
    assert crossed == (0,)


def test_the_table_itself_shows_a_vendor_its_own_rows_until_they_are_recalled(
    lender: Lender,
) -> None:
    noted(lender, ["秘密甲"])
    noted(lender, ["秘密乙"], vendor="beta", first=10)
    analyse(lender, WordAnalyser())
    question = b"SELECT vendor_id FROM casegate.case_note"

    with lender.role("vendor") as connection:
        unnamed = connection.execute(question).fetchall()
        connection.execute("SELECT set_config('casegate.vendor_id', 'alpha', false)")
        own = connection.execute(question).fetchall()
        with lender.role() as company:
            recall_cases(company, "alpha", "alpha-2026", case_refs=None, actor=ACTOR, at=START)
        recalled = connection.execute(question).fetchall()

    assert (unnamed, own, recalled) == ([], [("alpha",)], [])


def test_no_word_of_a_note_is_in_the_queue(lender: Lender) -> None:
    noted(lender, [f"{SECRET}出错", f"{SECRET}好"])
    analyse(lender, WordAnalyser())

    assert SECRET not in str(rows(lender, "n::text"))
