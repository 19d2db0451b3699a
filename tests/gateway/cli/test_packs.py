from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pytest
from typer.testing import CliRunner, Result

from gateway.cli.main import app
from gateway.identity.principal import StaffRole
from gateway.office import Office
from tests.gateway.store.lender import Lender


@pytest.fixture(scope="module")
def lender(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Lender:
    directory: Path = tmp_path_factory.mktemp("lender")
    return Lender.fresh(postgres_url, directory)


@pytest.fixture(autouse=True)
def office(lender: Lender, monkeypatch: pytest.MonkeyPatch) -> Office:
    made = lender.office()
    for module in ("packs", "pack_simulation"):
        monkeypatch.setattr(f"gateway.cli.{module}.open_office", lambda _config: made)
    return made


def _run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def _json(*words: object) -> Any:
    result = _run(*words, "--json")
    assert result.exit_code == 0, result.output
    return orjson.loads(result.stdout_bytes)


def _approve(office: Office, proposal: str) -> None:
    office.scopes().approve(UUID(proposal), role=StaffRole.COMPLIANCE, actor="staff:second-person")


def test_a_pack_comes_into_force_by_two_persons_and_ends_by_two(office: Office) -> None:
    assert "cn-cba-2026  not in force" in _run("pack", "list").output
    proposed = _json("pack", "propose", "cn-cba-2026")["proposal"]
    assert _run("pack", "activate", "cn-cba-2026").exit_code == 1
    _approve(office, proposed)
    activated = _json("pack", "activate", "cn-cba-2026")
    assert activated["previous"] == []
    assert "cn-cba-2026  0.9.0 from" in _run("pack", "list").output

    assert _run("pack", "end", "cn-cba-2026").exit_code == 1
    _approve(office, _json("pack", "propose", "cn-cba-2026", "--end")["proposal"])
    assert "no longer in force: cn-cba-2026" in _run("pack", "end", "cn-cba-2026").output
    (version,) = _json("pack", "history")
    assert (version["digest"], version["approved_by"]) == (
        activated["digest"],
        "staff:second-person",
    )
    assert "approved by staff:second-person" in _run("pack", "history").output


def test_what_was_approved_for_one_date_is_not_activated_at_another(
    office: Office, lender: Lender
) -> None:
    begins = (lender.clock.at + timedelta(days=10)).astimezone().strftime("%Y-%m-%dT%H:%M:%S")
    proposed = _run("pack", "propose", "uk-conc7", "--effective", begins)
    assert "casegate pack approve" in proposed.output
    _approve(office, proposed.output.split("approve ")[1].split()[0])

    assert _run("pack", "activate", "uk-conc7").exit_code == 1
    assert "in force" in _run("pack", "activate", "uk-conc7", "--effective", begins).output
    standing = {one["pack"]: one for one in _json("pack", "list")}
    assert standing["uk-conc7"]["in_force"]
    assert not standing["uk-conc7"]["is_changed"]


def test_a_pack_is_shown_as_its_file_is_written() -> None:
    shown = _json("pack", "show", "us-regf")

    assert shown["document"] == _run("pack", "show", "us-regf").output
    assert all(rule in shown["document"] for rule in shown["rules"])


def test_a_simulation_says_when_nothing_is_there_and_keeps_the_name_under_policy() -> None:
    direct = _json("pack", "simulate", "cn-cba-2026", "--last", "7d")
    by_policy = _json("policy", "simulate", "cn-cba-2026", "--last", "7d")

    assert direct["permits"] == by_policy["permits"] == 0
    assert direct["percent"] == 0
    told = _run("pack", "simulate", "cn-cba-2026", "--at-most", "0").output
    assert "on 0 permits: 0 would have been refused" in told


@pytest.mark.parametrize(
    "words",
    [
        ("pack", "simulate", "cn-cba-2026", "--last", "a-month"),
        ("pack", "simulate", "cn-cba-2026", "--last", "9999d"),
        ("policy", "simulate"),
        ("policy", "simulate", "--vendor", "alpha", "--last", "3d"),
        ("policy", "simulate", "cn-cba-2026", "--vendor", "alpha"),
        ("pack", "propose", "cn-cba-2026", "--end", "--effective", "2027-01-01T00:00:00"),
    ],
)
def test_words_that_do_not_go_together_are_a_usage_error(words: tuple[str, ...]) -> None:
    assert _run(*words).exit_code == 2
