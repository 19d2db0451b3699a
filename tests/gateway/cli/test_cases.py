import io
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway import cli
from gateway.portfolio.identifiers import check_character
from tests.gateway.store.lender import HEADER, case_row
from tests.installation import Installation

ID_NUMBER = "11010519750404123" + check_character("11010519750404123")
MOBILE = "13712340001"


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str

    def json(self) -> dict[str, Any]:
        content: dict[str, Any] = orjson.loads(self.out)
        return content


Erase = Callable[..., Outcome]


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    return Installation.make(tmp_path_factory.mktemp("cases") / "sandbox", cases=3)


@pytest.fixture
def erase(
    sandbox: Installation, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Erase:
    """Runs `casegate cases erase` in this process, with a number on standard input."""
    monkeypatch.setattr(import_module("gateway.cli.main"), "configure_logs", lambda: None)

    def run(typed: str, *more: str, debtor: str = "-") -> Outcome:
        arguments = ["cases", "erase", "--debtor", debtor, "--reason", "purpose-reached", *more]
        where = ["--config", str(sandbox.config)]
        monkeypatch.setattr(sys, "argv", ["casegate", *arguments, *where])
        monkeypatch.setattr(sys, "stdin", io.StringIO(f"{typed}\n"))
        capsys.readouterr()
        with pytest.raises(SystemExit) as caught:
            cli.main()
        captured = capsys.readouterr()
        code = caught.value.code
        return Outcome(code if isinstance(code, int) else 1, captured.out, captured.err)

    return run


@pytest.fixture
def person(sandbox: Installation, tmp_path: Path) -> None:
    """One person with two cases at alpha."""
    rows = [case_row(n, id_number=ID_NUMBER, mobile_phone=MOBILE) for n in (71, 72)]
    path = tmp_path / "cases.csv"
    path.write_text("\n".join((HEADER, *rows, "")))
    done = sandbox.run(
        "cases", "import", str(path), "--vendor", "alpha", "--contract", "alpha-2026"
    )
    assert done.returncode == 0


@pytest.mark.usefixtures("person")
def test_an_erasure_takes_two_steps_and_names_what_vendors_must_destroy(erase: Erase) -> None:
    counted = erase(MOBILE)
    erased = erase(ID_NUMBER, "--confirm", "2", "--json")
    again = erase(ID_NUMBER, "--json")

    assert counted.code == 1
    assert "2 cases; nothing was erased. To erase: --confirm 2" in counted.out
    assert erased.code == 0
    content = erased.json()
    assert (content["cases"], content["erased"]) == (2, True)
    assert {held["vendor"] for held in content["assignments"]} == {"alpha"}
    assert len({held["case_ref"] for held in content["assignments"]}) == 2
    assert (again.code, again.json()) == (1, {"cases": 0, "erased": False})
    for outcome in (counted, erased, again):
        assert ID_NUMBER not in outcome.out + outcome.err
        assert MOBILE not in outcome.out + outcome.err


@pytest.mark.usefixtures("person")
def test_a_wrong_confirmation_erases_nothing(erase: Erase) -> None:
    refused = erase(ID_NUMBER, "--confirm", "3")

    assert refused.code == 1
    assert "nothing was erased" in refused.err
    told = erase(ID_NUMBER, "--confirm", "2")
    assert told.code == 0
    assert told.out.count("to be destroyed by alpha (alpha-2026): ") == 2


def test_a_number_among_the_arguments_is_wrong_use(erase: Erase) -> None:
    refused = erase("", debtor=ID_NUMBER)

    assert refused.code == 2
    assert "standard input" in refused.err
    assert ID_NUMBER not in refused.out + refused.err


@pytest.mark.parametrize("typed", ["", "张三丰", "11010519491231002Y", "138\x00"])
def test_what_is_no_identifier_is_one_sentence_that_does_not_repeat_it(
    erase: Erase, typed: str
) -> None:
    refused = erase(typed)

    assert refused.code == 1
    assert refused.err == "casegate: this is neither an ID number nor a mobile number\n"


def test_a_reason_is_one_of_a_list(sandbox: Installation) -> None:
    done = sandbox.run("cases", "erase", "--debtor", "-", "--reason", "because")

    assert done.returncode == 2
    assert "consent-withdrawn" in done.stderr
