"""Commands over a desk of the office: each is what it asks of the desk, the rest is the same."""

from collections.abc import Callable, Mapping
from datetime import datetime
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import Any

import typer

from gateway.cli.console import (
    DEFAULT_CONFIG,
    ConfigOption,
    JSONOption,
    complain,
    open_office,
    out,
    print_json,
)
from gateway.errors import NotFoundError
from gateway.intake.moments import EARLIEST, LATEST
from gateway.office import Office

Tell = Callable[[Any], None]
"""Prints what a desk answered, for a person."""


def on_desk(
    group: typer.Typer,
    name: str,
    *,
    tell: Tell,
    hint: str = "",
    is_done: Callable[[Any], bool] = lambda _content: True,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Makes a command of a function that takes the office and the command's own parameters.

    What it returns is printed as JSON with --json, else by `tell`; the exit code is 1 unless it
    `is_done`. Where something is not there, the `hint` says how to go on.
    """

    def register(ask: Callable[..., Any]) -> Callable[..., Any]:
        def command(config: Path, as_json: bool, **given: Any) -> None:  # noqa: ANN401
            try:
                content = ask(open_office(config), **given)
            except NotFoundError as error:
                complain(f"{error}; {hint}" if hint else str(error))
                raise typer.Exit(1) from None
            if as_json:
                print_json(content)
            else:
                tell(content)
            if not is_done(content):
                raise typer.Exit(1)

        own = list(signature(ask).parameters.values())[1:]
        shared = (("config", ConfigOption, DEFAULT_CONFIG), ("as_json", JSONOption, False))
        parameters = [
            *(each.replace(kind=Parameter.KEYWORD_ONLY) for each in own),
            *(
                Parameter(word, Parameter.KEYWORD_ONLY, annotation=kind, default=default)
                for word, kind, default in shared
            ),
        ]
        command.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
        command.__annotations__ = {each.name: each.annotation for each in parameters}
        group.command(name, help=ask.__doc__)(command)
        return ask

    return register


def moves_on_desk(
    group: typer.Typer,
    ask: Callable[..., Any],
    words: Mapping[str, str],
    *,
    tell: Tell,
    hint: str = "",
) -> None:
    """Makes one command a move of `words`, each with its help.

    `ask` takes the office, the move, and the parameters of each command; a move of two words has a
    hyphen in its command.
    """
    office, _name, *own = signature(ask).parameters.values()
    for name, words_of_help in words.items():
        one = _bound(ask, name)
        one.__signature__ = Signature([office, *own])  # type: ignore[attr-defined]
        one.__doc__ = words_of_help
        on_desk(group, name.replace("_", "-"), tell=tell, hint=hint)(one)


def _bound(ask: Callable[..., Any], name: str) -> Callable[..., Any]:
    def one(office: Office, **given: Any) -> Any:  # noqa: ANN401 - what a desk answers
        return ask(office, name, **given)

    return one


def print_affairs(items: list[dict[str, Any]]) -> None:
    """One line each: id, state, severity, vendor, codes, when it is due."""
    for one in items:
        late = "  OVERDUE" if one["is_overdue"] else ""
        out.print(
            f"{one['affair_id']}  {one['state']}  {one['severity'] or '-'}  {one['vendor_id']}"
            f"  {', '.join(one['codes'])}  due {one['due_at']}{late}",
            markup=False,
            soft_wrap=True,
        )
    if not items:
        out.print("nothing is open")


def print_move(content: dict[str, Any]) -> None:
    """What became of an affair, or the proposal that waits for a second person."""
    if "proposal_id" in content:
        out.print(
            "Another person approves it with\n"
            f"  casegate proposals approve {content['proposal_id']}\n"
            "Then run this command again.",
            soft_wrap=True,
        )
    else:
        out.print(f"{content['affair_id']} is {content['state']}", soft_wrap=True)


def moment_of(text: str) -> datetime:
    """A time with its zone, as 2026-11-24T10:00:00+08:00; BadParameter where it is none."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter("a time, as 2026-11-24T10:00:00+08:00") from error
    if moment.tzinfo is None:
        raise typer.BadParameter("a time with its zone, as 2026-11-24T10:00:00+08:00")
    if not EARLIEST <= moment < LATEST:
        raise typer.BadParameter("a time of this century or the next")
    return moment
