"""Notes that hang or kill their analyser, and the queue behind them."""

import sys
from collections.abc import Iterator
from time import monotonic

import pytest

from gateway.analysis.errors import NoteFailedError, NoteFatalError
from gateway.analysis.isolation import DIED, TIMED_OUT, IsolatedAnalyser
from gateway.analysis.queue import retry_failed
from gateway.analysis.status import read_status
from gateway.errors import ConfigurationError
from gateway.redaction.known import KnownValues
from tests.gateway.analysis.notes_desk import FIRST, SECOND, VENDORS, noted, rows, worker
from tests.gateway.analysis.planted import COMMAND
from tests.gateway.store.lender import Lender

SECONDS = 1.0


@pytest.fixture(scope="module")
def analyser() -> Iterator[IsolatedAnalyser]:
    one = IsolatedAnalyser(COMMAND, seconds=SECONDS)
    yield one
    one.close()


def test_a_note_comes_back_as_the_engine_made_it(analyser: IsolatedAnalyser) -> None:
    redaction = analyser.redact("称秘密来电，13800138000是张三的", KnownValues(names=("张三",)))

    assert redaction.text == "称〔姓名〕来电，〔电话〕是〔姓名〕的"
    assert [(span.start, span.end) for span in redaction.spans] == [(1, 3), (6, 17), (18, 20)]
    assert not redaction.withheld


def test_of_an_error_only_the_name_comes_over(analyser: IsolatedAnalyser) -> None:
    with pytest.raises(NoteFailedError, match="ArithmeticError") as raised:
        analyser.redact("出错，13800138000")

    assert raised.value.reason == "ArithmeticError"
    assert analyser.redact("无人接听").text == "无人接听"


@pytest.mark.parametrize(("text", "reason"), [("挂起", TIMED_OUT), ("崩溃", DIED)])
def test_a_note_that_hangs_or_kills_ends_its_process_and_no_more(
    analyser: IsolatedAnalyser, text: str, reason: str
) -> None:
    with pytest.raises(NoteFatalError) as raised:
        analyser.redact(text)

    assert raised.value.reason == reason
    begin = monotonic()
    assert analyser.redact("称秘密来电").text == "称〔姓名〕来电"
    assert monotonic() - begin < 30 * SECONDS


def test_the_process_that_reads_notes_has_no_key_from_the_environment(
    analyser: IsolatedAnalyser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CASEGATE_TEST_SECRET", "x")
    analyser.close()

    assert analyser.redact("看环境").text == "看环境"


def test_a_process_that_does_not_start_is_nobodys_note() -> None:
    analyser = IsolatedAnalyser([sys.executable, "-c", "raise SystemExit(3)"], seconds=SECONDS)

    with pytest.raises(ConfigurationError, match="does not start"):
        analyser.redact("无人接听")


def test_a_note_that_hangs_twice_is_withheld_and_the_others_are_ready(
    lender: Lender, analyser: IsolatedAnalyser
) -> None:
    noted(lender, ["秘密甲", "挂起", "秘密乙", "崩溃"])

    with worker(lender, analyser) as one:
        run = one.run(VENDORS)

    assert (run.ready, run.withheld, run.failed_attempts) == (2, 2, 2)
    found = rows(lender, "state, is_withheld, reason, rendered_by")
    assert sorted(found, key=str) == sorted(
        [
            ("done", False, None, FIRST),
            ("done", False, None, FIRST),
            ("done", True, TIMED_OUT, FIRST),
            ("done", True, DIED, FIRST),
        ],
        key=str,
    )
    with lender.role() as connection:
        status = read_status(connection, FIRST, VENDORS)
        assert (status.pending, status.failed, status.withheld) == (0, 0, 2)
        assert status.unread == {TIMED_OUT: 1, DIED: 1}
        assert retry_failed(connection) == 2


def test_other_recognizers_try_a_withheld_note_anew(
    lender: Lender, analyser: IsolatedAnalyser
) -> None:
    noted(lender, ["崩溃"])
    with worker(lender, analyser) as one:
        one.run(VENDORS)

    with worker(lender, analyser, SECOND) as one:
        run = one.run(VENDORS)

    assert (run.withheld, run.failed_attempts) == (1, 1)
    assert rows(lender, "rendered_by, reason") == [(SECOND, DIED)]
