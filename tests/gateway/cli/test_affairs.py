from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest
import typer
from typer.testing import CliRunner, Result

from gateway.affairs.claims import PaymentClaim
from gateway.affairs.files_format import MediaType
from gateway.affairs.vendor_desk import Paper
from gateway.cli.desks import moment_of
from gateway.cli.main import app
from gateway.errors import GatewayError
from gateway.trial.call_centre import agent_refs, open_call_centre
from tests.gateway.affairs.settling import PARAMETERS, Settling
from tests.gateway.affairs.test_files import digest_of
from tests.gateway.contact.debtors import Debtors
from tests.gateway.store.lender import START, Lender

DAY = START.astimezone(UTC).date()


@pytest.fixture(scope="module")
def settling(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Settling:
    directory = tmp_path_factory.mktemp("lender")
    lender = Lender.fresh(postgres_url, directory)
    open_call_centre(lender.office(), [("alpha", "alpha-2026")])
    return Settling(Debtors.appear(lender, directory))


@pytest.fixture(autouse=True)
def _an_installation_that_knows_its_departments(
    settling: Settling, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.cli.desks.open_office", lambda _config: settling.lender.office())
    monkeypatch.setattr("gateway.call_office.read_parameters", lambda _directory: PARAMETERS)
    settling.lender.clock.at = START


def _run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def _json(*words: object) -> Any:
    result = _run(*words, "--json")
    assert result.exit_code == 0, result.output
    return orjson.loads(result.stdout_bytes)


def _refused(*words: object) -> str:
    """The sentence that a refusal is told in."""
    result = _run(*words)
    assert result.exit_code != 0, result.output
    assert isinstance(result.exception, GatewayError | SystemExit)
    return result.output if isinstance(result.exception, SystemExit) else str(result.exception)


@pytest.fixture
def words(tmp_path: Path) -> Path:
    path = tmp_path / "words.txt"
    path.write_text("坐席态度恶劣", encoding="utf-8")
    return path


def _register(settling: Settling, words: Path, **changes: str) -> tuple[str, ...]:
    given = {
        "vendor": "alpha",
        "contract": "alpha-2026",
        "case": settling.debtors.refs[0],
        "received": START.isoformat(),
        "channel": "hotline",
        "source": "regulator",
        "category": "frequency",
        "allegation": "five_calls_a_day",
        "text": str(words),
        **changes,
    }
    pairs = ((f"--{name.replace('_', '-')}", value) for name, value in given.items())
    return ("complaint", "register", *(word for pair in pairs for word in pair))


def test_a_complaint_goes_its_whole_way_from_the_command_line(
    settling: Settling, words: Path, tmp_path: Path
) -> None:
    registered = _json(*_register(settling, words, key="K1"))
    assert _json(*_register(settling, words, key="K1"))["affair_id"] == registered["affair_id"]
    number = registered["affair_id"]
    assert number in _run("complaint", "list").output
    assert _json("complaint", "assign", number, "--department", "法务部")["department"] == "法务部"
    asked = _json("complaint", "request-evidence", number, "--call", "call-1", "--hours", 4)
    assert (asked["state"], asked["call_ids"]) == ("evidence_requested", ["call-1"])
    content, target = b"%PDF-1.7\n", tmp_path / "evidence.pdf"
    filed = settling.filing.file(
        settling.debtors.principal(),
        "complaint",
        UUID(number),
        sha256=digest_of(content),
        media_type=MediaType.PDF,
        content=content,
    )
    _run("complaint", "file", number, filed.file_id, "--reason", "decision", "--out", target)
    assert target.read_bytes() == content
    _run("complaint", "investigate", number)
    assert _json("complaint", "extend", number, "--reason", "complex")["state"] == "extended_30"
    longest = ("complaint", "extend", number, "--reason", "complex")
    assert "the customer is told" in _refused(*longest)
    proposed = _run(*longest, "--notice", "letter")
    assert "casegate proposals approve" in proposed.output
    decision = ("--finding", "founded", "--cause", "script", "--measure", "apology")
    assert "is decided" in _run("complaint", "decide", number, *decision).output
    replied = ("--channel", "letter", "--at", START.isoformat())
    assert "is replied" in _run("complaint", "reply", number, *replied).output
    assert "is closed" in _run("complaint", "close", number).output

    shown = _json("complaint", "show", number, "--reason", "review")
    assert (shown["text"], shown["facts"]["measures"]) == ("坐席态度恶劣", ["apology"])
    assert [step["after"] for step in shown["steps"]][-3:] == ["decided", "replied", "closed"]
    assert number not in _run("complaint", "list").output
    assert number in _run("complaint", "list", "--all").output


def test_a_refusal_is_one_sentence_with_a_way_out(settling: Settling, words: Path) -> None:
    number = _json(*_register(settling, words, category="fee"))["affair_id"]

    assert "casegate complaint list --all" in _refused("complaint", "close", uuid4())
    nobodys = _refused(*_register(settling, words, case="A" * 26))
    assert "the reference that the vendor has" in nobodys
    assert "from here: " in _refused("complaint", "close", number)
    assert "investigate" in _refused("complaint", "close", number)
    assert "category: one of" in _refused(*_register(settling, words, category="weather"))
    assert "reason: a code, as late_call" in _refused(
        "complaint", "show", number, "--reason", "张三要求"
    )
    assert "with its zone" in _refused(*_register(settling, words, received="2026-05-01T08:00:00"))
    sentence = _refused(
        *("complaint", "decide", number, "--finding", "maybe", "--cause", "script")
    )
    assert "finding: one of" in sentence


def test_without_a_department_nothing_is_registered(
    settling: Settling, words: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unset = {**PARAMETERS, "routing.complaint": None}
    monkeypatch.setattr("gateway.call_office.read_parameters", lambda _directory: unset)

    assert "name a department" in _refused(*_register(settling, words))


def test_a_notice_is_drafted_issued_shown_verified_and_closed(
    settling: Settling, words: Path
) -> None:
    clause = f"c-{uuid4().hex[:8]}"
    draft = (
        *("notice", "draft", "--vendor", "alpha", "--contract", "alpha-2026"),
        *("--severity", "minor", "--source", "inspection", "--clause", clause),
        *("--text", words, "--action", "补齐资料"),
    )
    number = _json(*draft)["affair_id"]
    assert "is issued" in _run("notice", "issue", number).output
    affairs, principal = settling.vendor_side[0], settling.debtors.principal()
    for move in ("acknowledge", "submit_plan"):
        affairs.move(principal, "rectification", UUID(number), move, Paper())
    assert "is plan_accepted" in _run("notice", "accept-plan", number).output
    affairs.move(principal, "rectification", UUID(number), "submit_evidence", Paper("已补齐"))
    assert "text" not in _json("notice", "show", number)["papers"][-1]
    shown = _json("notice", "show", number, "--reason", "re_test")
    assert shown["papers"][-1]["text"] == "已补齐"
    assert settling.debtors.entries("paper.read")[0]["reason"] == "re_test"

    verified = _refused("notice", "verify", number)  # by who issued it
    assert "ask another person" in verified
    assert "sample" in _run("notice", "close", number).output
    assert number in _run("notice", "list", "--vendor", "alpha").output


def test_claims_are_listed_and_resolved(settling: Settling) -> None:
    claims, principal = settling.vendor_side[1], settling.debtors.principal()
    wish = PaymentClaim(settling.debtors.refs[0], agent_refs("alpha")[0], 150000, DAY)
    claim = claims.submit(principal, wish, (None, None))["claim_id"]

    assert f"{claim}  claimed  alpha" in _run("claim", "list").output
    assert "1500.00" in _run("claim", "list").output
    resolve = ("claim", "resolve", claim, "--resolution", "told_twice")
    assert "nothing can be done with it now" in _refused(*resolve)
    settling.lender.clock.at = datetime(2026, 5, 9, tzinfo=UTC)
    settling.keeper.keep_time()
    assert f"{claim} is resolved" in _run(*resolve).output
    assert str(claim) not in _run("claim", "list").output


def test_postings_that_are_not_taken_make_the_command_fail(
    settling: Settling, tmp_path: Path
) -> None:
    header = "entry_id,case_no,posted_at,amount,kind,balance_after"
    path = tmp_path / "ledger.csv"
    row = f"E-1,ZX2026{settling.debtors.number:06d},{START.isoformat()},100,payment,512245"
    path.write_text(f"{header}\n{row}\n")

    assert "posted  1" in _run("ledger", "post", path).output
    assert "duplicate  1" in _run("ledger", "post", path).output
    path.write_text(f"{header}\n{row}\nE-2,nobody,{START.isoformat()},1,payment,0\n")
    failed = _run("ledger", "post", path)
    assert (failed.exit_code, "unknown  1: E-2" in failed.output) == (1, True)
    path.write_text("entry_id,case_no\nE-3,x\n")
    assert "whole minor units" in _refused("ledger", "post", path)


def test_a_time_needs_its_zone() -> None:
    assert moment_of("2026-11-24T10:00:00+08:00").utcoffset() is not None
    for wrong in ("2026-11-24T10:00:00", "yesterday", "0001-01-01T00:00:00+14:00"):
        with pytest.raises(typer.BadParameter):
            moment_of(wrong)
