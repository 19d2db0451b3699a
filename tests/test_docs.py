"""Every name that a person can meet stands in a README: settings, events, codes, commands."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from pydantic import BaseModel

from audit.entry import EventType
from gateway.cli.main import app
from gateway.http import problems
from gateway.oversight.explanations import explain
from gateway.settings import Settings
from policies.decide import DenyReason

ROOT = Path(__file__).parent.parent
DOCUMENTS = [
    ROOT / "README.md",
    *(ROOT / room / "README.md" for room in ("gateway", "policies", "keys", "audit")),
]
TEXT = "\n".join(path.read_text() for path in DOCUMENTS if path.exists())
# What carries a code of its own when it is raised.
_CARRIERS = {
    "CredentialRefusedError",
    "TokenRefusedError",
    "ClientRefusedError",
    "ReleaseDeniedError",
    "ApprovalRefusedError",
    "RequestRefusedError",
    "ScriptRefusedError",
    "Problem",
}


def _settings(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _settings(kind, f"{prefix}{name}.")
        elif not field.exclude:
            yield prefix + name


def _codes() -> set[str]:
    """Codes of the classes, and those given where an error is raised (read from the source)."""
    found = {*problems.CODES, *(code for code, _title in problems._ROUTING.values()), *DenyReason}
    for path in (ROOT / "gateway").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in _CARRIERS:
                found |= {
                    str(part.value)
                    for argument in node.args
                    for part in ast.walk(argument)
                    if isinstance(part, ast.Constant)
                    and isinstance(part.value, str)
                    and part.value.isupper()
                }
    return found | {"HEADERS_TOO_LARGE"}


def _commands() -> list[str]:
    def walk(group: typer.core.TyperGroup, prefix: str) -> Iterator[str]:
        for name, command in group.commands.items():
            if isinstance(command, typer.core.TyperGroup):
                yield from walk(command, f"{prefix} {name}")
            else:
                yield f"{prefix} {name}"

    root = typer.main.get_command(app)
    assert isinstance(root, typer.core.TyperGroup)
    return sorted(walk(root, "casegate"))


@pytest.mark.parametrize("name", sorted(set(_settings(Settings))))
def test_every_setting_is_described(name: str) -> None:
    # Both listeners have the same keys, which are described once.
    other = name.replace("company.", "vendor.")
    is_shared = name != other and "the same keys under `company`" in TEXT

    assert f"`{name}`" in TEXT or (is_shared and f"`{other}`" in TEXT)


@pytest.mark.parametrize("event", [event.value for event in EventType])
def test_every_event_of_the_log_is_described(event: str) -> None:
    assert event in TEXT


@pytest.mark.parametrize("code", sorted(_codes()))
def test_every_problem_code_is_described(code: str) -> None:
    assert code in TEXT


@pytest.mark.parametrize("code", sorted(_codes()))
def test_every_problem_code_has_a_sentence_for_auditors(code: str) -> None:
    """What `casegate audit denials` says of it; a policy's codes have theirs by the policy."""
    told = {explain(code, status=status).sentence for status in (None, 403)}

    assert any("no sentence" not in sentence for sentence in told)


def _named_commands() -> Iterator[tuple[str, str]]:
    """Every `casegate …` line of every document, with the document's name."""
    pages = sorted({*ROOT.glob("*.md"), *ROOT.glob("*/*.md"), *ROOT.glob("gateway/*/*.md")})
    for path in (*pages, *sorted((ROOT / "deploy").glob("*/*.md"))):
        found = re.finditer(
            r"`[^`\n]*?\b(casegate [a-z][^`\n]*)`|^[ $]*(casegate [a-z].*)$",
            path.read_text(),
            re.MULTILINE,
        )
        for one in found:
            yield path.relative_to(ROOT).as_posix(), (one[1] or one[2]).strip()


def test_every_command_and_option_that_a_document_names_exists() -> None:
    root = typer.main.get_command(app)
    named, wrong = list(_named_commands()), []
    for document, line in named:
        command: Any = root
        words = [word.strip(",.;)") for word in line.split()[1:]]
        while isinstance(command, typer.core.TyperGroup) and words:
            command = command.commands.get(words.pop(0))
        options = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", line)) - {"--help"}
        if command is None or isinstance(command, typer.core.TyperGroup):
            wrong.append((document, line, "no such command"))
        else:
            known = {name for each in command.params for name in each.opts + each.secondary_opts}
            wrong += [(document, line, option) for option in sorted(options - known)]

    assert len(named) > 150
    assert not wrong


@pytest.mark.parametrize("command", _commands())
def test_every_command_is_described(command: str) -> None:
    assert command in TEXT
