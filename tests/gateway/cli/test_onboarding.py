import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
import pytest

from gateway import cli
from gateway.operations.invitation import code_digest
from tests.installation import Installation


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str

    def json(self) -> Any:
        return orjson.loads(self.out)


Casegate = Callable[..., Outcome]


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    return Installation.make(tmp_path_factory.mktemp("onboarding") / "sandbox", cases=3)


@pytest.fixture
def casegate(
    sandbox: Installation, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Casegate:
    """Runs a command in this process."""
    monkeypatch.setattr(import_module("gateway.cli.main"), "configure_logs", lambda: None)

    def run(*arguments: str) -> Outcome:
        where = ["--config", str(sandbox.config)]
        monkeypatch.setattr(sys, "argv", ["casegate", *arguments, *where])
        capsys.readouterr()
        with pytest.raises(SystemExit) as caught:
            cli.main()
        captured = capsys.readouterr()
        code = caught.value.code
        return Outcome(code if isinstance(code, int) else 1, captured.out, captured.err)

    return run


def _newcomer(casegate: Casegate) -> tuple[str, str]:
    vendor = f"v-{uuid4().hex[:8]}"
    assert casegate("vendor", "add", vendor, "--name", "丁公司").code == 0
    return vendor, f"{vendor}-2026"


def test_a_contract_ends_after_its_last_day_at_the_vendors_midnight(casegate: Casegate) -> None:
    vendor, contract = _newcomer(casegate)
    days = ("--from", "2026-01-01", "--to", "2026-12-31")

    added = casegate("contract", "add", contract, "--vendor", vendor, *days, "--json")

    assert added.json()["starts"] == "2025-12-31T16:00:00.000Z"
    assert added.json()["ends"] == "2026-12-31T16:00:00.000Z"


@pytest.mark.parametrize(
    "wrong",
    [
        (),
        ("--from", "2026-01-01"),
        ("--from", "2026-12-31", "--to", "2026-01-01"),
        ("--from", "2026-01-01", "--to", "2026-12-31", "--offset", "Mars"),
    ],
)
def test_a_contract_needs_a_term(casegate: Casegate, wrong: tuple[str, ...]) -> None:
    vendor, contract = _newcomer(casegate)

    assert casegate("contract", "add", contract, "--vendor", vendor, *wrong).code in {1, 2}


def test_the_code_is_printed_once_and_nowhere_else(
    casegate: Casegate, sandbox: Installation
) -> None:
    invited = casegate("vendor", "invite", "alpha", "--contract", "alpha-2026")

    code = invited.out.splitlines()[0]
    assert re.fullmatch(r"([0-9A-Z]{5}-){4}[0-9A-Z]{6}", code)
    with sandbox.office().connection() as connection:
        found = connection.execute(
            "SELECT 1 FROM casegate.invitation WHERE code_sha256 = %s", (code_digest(code),)
        ).fetchone()
    assert found == (1,)


@pytest.mark.parametrize(
    "arguments",
    [
        ("alpha", "--contract", "beta-2026"),
        ("alpha", "--contract", "alpha-2026", "--scope", "closing"),
        ("alpha", "--contract", "alpha-2026", "--system", "主系统"),
    ],
)
def test_an_invitation_that_cannot_be_is_one_sentence_and_exit_1(
    casegate: Casegate, arguments: tuple[str, ...]
) -> None:
    refused = casegate("vendor", "invite", *arguments)

    assert refused.code == 1
    assert refused.err.startswith("casegate: ")
    assert "Traceback" not in refused.err


def test_with_nothing_proposed_the_list_says_so(casegate: Casegate) -> None:
    assert "Nothing waits" in casegate("proposals", "list").out
    assert casegate("proposals", "list", "--json").json() == []


def test_deciding_says_which_file_or_which_address_does_not_do(
    casegate: Casegate, sandbox: Installation, tmp_path: Path
) -> None:
    folder = sandbox.directory / "staff" / "security"
    own = ("--cert", str(folder / "client.pem"), "--key", str(folder / "client.key"))
    proposal = str(uuid4())

    missing = casegate("proposals", "approve", proposal, *own, "--ca", str(tmp_path / "no.pem"))
    silent = casegate("proposals", "reject", proposal, *own, "--ca", str(folder / "ca.pem"))
    plain = casegate(
        *("proposals", "approve", proposal, *own, "--ca", str(folder / "ca.pem")),
        *("--url", "http://localhost:1"),
    )

    assert (missing.code, "no.pem" in missing.err) == (1, True)
    assert (silent.code, "did not answer" in silent.err) == (1, True)
    assert plain.code == 2
