from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pytest
from typer.testing import CliRunner, Result

from gateway.cli.main import app
from gateway.contact.note_seal import NoteSeal
from gateway.contact.requests import RequestDesk, RequestWish
from gateway.office import Office
from gateway.redaction.identifiers import IdentifierFinder
from policies.requests import load_request_catalog
from tests.gateway.contact.debtors import Debtors
from tests.gateway.store.lender import Lender

PARAMETERS = {"special.answer_days": "3", "routing.special": None}


@pytest.fixture(scope="module")
def debtors(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Debtors:
    directory: Path = tmp_path_factory.mktemp("lender")
    return Debtors.appear(Lender.fresh(postgres_url, directory), directory)


@pytest.fixture(autouse=True)
def office(debtors: Debtors, monkeypatch: pytest.MonkeyPatch) -> Office:
    made = debtors.lender.office()
    monkeypatch.setattr("gateway.cli.holds.open_office", lambda _config: made)
    return made


def _run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def _json(*words: object) -> Any:
    result = _run(*words, "--json")
    assert result.exit_code == 0, result.output
    return orjson.loads(result.stdout_bytes)


def test_a_hold_is_placed_listed_and_lifted_by_two(debtors: Debtors) -> None:
    place = ("hold", "place", "--vendor", "alpha", "--contract", "alpha-2026")
    held = _json(*place, "--case", debtors.refs[0], "--code", "complaint")

    assert len(held["cases"]) == 3
    assert "complaint on all cases of a debtor" in _run("hold", "list").output
    proposed = _run("hold", "lift", held["hold_id"])
    assert "casegate proposals approve" in proposed.output

    open_one = debtors.lender.query("SELECT proposal_id FROM casegate.proposal")
    debtors.approve(UUID(str(open_one[0][0])))
    assert "lifted" in _run("hold", "lift", held["hold_id"]).output
    assert "There is no hold." in _run("hold", "list").output
    assert _json("hold", "list", "--all")[0]["lifted_by"]


def test_a_request_is_listed_shown_answered_and_closed(debtors: Debtors) -> None:
    desk = RequestDesk(
        lambda: debtors.lender.role("vendor"),
        debtors.lender.clock,
        load_request_catalog(),
        PARAMETERS,
        NoteSeal(debtors.index_key),
        IdentifierFinder(),
        debtors.cursors,
    )
    wish = RequestWish(debtors.refs[1], "hardship", "a-1", note="失业")
    request_id = desk.submit(debtors.principal(), wish)["request_id"]

    assert f"{request_id}  hardship routed: alpha" in _run("request", "list").output
    assert orjson.loads(_run("request", "show", request_id).stdout_bytes)["note"] == "失业"
    answered = _run(
        "request", "answer", request_id, "--decision", "granted", "--until", "2026-12-31"
    )
    assert answered.output == f"request {request_id} is answered\n"
    assert _json("request", "close", request_id)["state"] == "closed"
    assert "There is no special request." in _run("request", "list", "--overdue").output
