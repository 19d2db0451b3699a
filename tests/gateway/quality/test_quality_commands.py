"""`casegate quality`, `incident`, `review` and the end of a month, as an operator types them."""

import re
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner, Result

from gateway.cli.main import app
from gateway.errors import GatewayError
from tests.gateway.reports.month import NOW, Month

ALPHA = ("alpha", "alpha-2026")


@pytest.fixture(autouse=True)
def _an_installation_in_may(month: Month, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.cli.desks.open_office", lambda _config: month.lender.office())
    month.lender.clock.at = NOW


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def said(*words: object) -> str:
    result = run(*words)
    assert result.exit_code == 0, result.output
    return result.output


def told(*words: object) -> Any:
    return orjson.loads(said(*words, "--json"))


def refused(*words: object) -> str:
    """The sentence that a refusal is told in."""
    result = run(*words)
    assert result.exit_code != 0, result.output
    assert isinstance(result.exception, GatewayError | SystemExit)
    return result.output if isinstance(result.exception, SystemExit) else str(result.exception)


def test_calls_are_drawn_listed_and_settled(tmp_path: Path) -> None:
    drawn = told("quality", "draw", *ALPHA, "2026-04-20", "--calls", 2)
    listed = told("quality", "list", "--draw", drawn["draw_id"])
    assert [one["call_id"] for one in listed] == drawn["calls"][::-1]

    first, second = (one["check_id"] for one in listed)
    assert "pass" in said("quality", "result", first, "--pass")
    failure = ("--fail", "--rule", "QUALITY_RECORD_WRONG", "--clause", "3.3.1")
    assert "QUALITY_RECORD_WRONG (3.3.1)" in said("quality", "result", second, *failure)
    assert "has its result already" in refused("quality", "result", first, "--pass")
    assert "names both" in refused("quality", "result", first, "--fail")
    target = tmp_path / "checks.csv"
    assert said("quality", "list", "--draw", drawn["draw_id"], "--csv", target).count("call-") == 2
    assert target.read_bytes().startswith(b"\xef\xbb\xbf")
    assert "nothing was drawn" in said("quality", "list", "--draw", drawn["draw_id"], "--open")
    seed = re.search(r"seed ([0-9a-f]{64})", said("quality", "draw", *ALPHA, "2026-04-21"))
    assert seed is not None
    assert "used for this period" in refused(
        "quality", "draw", *ALPHA, "2026-04-21", "--seed", seed[1]
    )


def test_a_check_that_is_not_there_is_told_with_the_command_that_shows_them() -> None:
    nobody = "00000000-0000-0000-0000-000000000000"

    assert "casegate quality list" in refused("quality", "result", nobody, "--pass")
    assert "casegate incident list" in refused("incident", "contain", nobody)


def test_an_incident_is_opened_contained_and_closed(tmp_path: Path) -> None:
    opened = told("incident", "open", *ALPHA, "--kind", "malware", "--level", "major")
    incident = opened["incident_id"]

    assert "it is contained first" in refused("incident", "close", incident)
    assert "contained" in said("incident", "contain", incident)
    assert incident in said("incident", "list", "--open")
    assert "closed" in said("incident", "close", incident)
    assert incident not in said("incident", "list", "--open")
    target = tmp_path / "incidents.csv"
    said("incident", "list", "--csv", target)
    assert incident in target.read_text(encoding="utf-8-sig")
    assert "cannot be written" in refused("incident", "list", "--csv", tmp_path / "no" / "file")
    assert "malware" in refused("incident", "open", *ALPHA, "--kind", "mood", "--level", "major")


def test_a_review_is_recorded_once() -> None:
    made = said("review", "record", *ALPHA, "--period", "2026-02")

    assert made.startswith("2026-02  alpha / alpha-2026  credentials 1, agents ")
    assert "on record" in refused("review", "record", *ALPHA, "--period", "2026-02")
    assert "2026-02" in said("review", "list", "--vendor", "alpha")
    assert "no review" in said("review", "list", "--vendor", "beta")


def test_a_month_is_not_closed_before_its_meeting_and_its_report(
    month: Month, tmp_path: Path
) -> None:
    minutes = tmp_path / "minutes.pdf"
    minutes.write_bytes(b"%PDF-1.7 what was agreed on")
    assert "0 of 1 meetings" in refused("report", "close", *ALPHA, "2026-02")

    held = ("report", "meeting", *ALPHA, "2026-02", minutes, "--held", "2026-03-03")
    assert "on record" in said(*held, "--actions", 3)
    assert "neither accepted nor waived" in refused("report", "close", *ALPHA, "2026-02")
    month.submit(month.filing("2026-02"))
    assert "2026-02 of alpha is closed" in said("report", "close", *ALPHA, "2026-02")
    assert "closed, 1 meetings, 3 actions" in said("report", "months", "--vendor", "alpha")
    assert "no meeting" in said("report", "months", "--vendor", "beta")
