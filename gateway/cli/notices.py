"""`casegate notice …`: rectification notices to vendors, over the company's desk."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer

from gateway.affairs.rectifications import SEVERITIES, SOURCES, Notice
from gateway.cli.console import actor, print_json
from gateway.cli.desks import moment_of, moves_on_desk, on_desk, print_affairs, print_move
from gateway.office import Office

app = typer.Typer(help="Rectification notices to vendors.", no_args_is_help=True)
_PAGE = 200
_KIND = "rectification"
_HINT = "casegate notice list --all shows which there are"
_MOVES = {
    "accept_plan": "Accept a vendor's plan.",
    "refuse_plan": "Refuse a vendor's plan: it hands in another.",
    "verify": "Begin to verify what was handed in; not by who issued the notice.",
    "reopen": "Say that it is not enough: the vendor has a new deadline.",
    "withdraw": "Withdraw a notice, once another person approves.",
}

NoticeArgument = Annotated[UUID, typer.Argument(help="From: casegate notice list.")]
ReasonOption = Annotated[str, typer.Option(help="Why, as a code.")]
MaybeReasonOption = Annotated[str | None, typer.Option("--reason", help="Why, as a code.")]


@app.callback()
def notices() -> None:
    """Rectification notices to vendors."""


@on_desk(app, "draft", tell=print_move)
def draft(
    office: Office,
    vendor: Annotated[str, typer.Option(help="To whom.")],
    contract: Annotated[str, typer.Option(help="Under which contract.")],
    severity: Annotated[str, typer.Option(help=f"One of {', '.join(SEVERITIES)}.")],
    source: Annotated[str, typer.Option(help=f"One of {', '.join(sorted(SOURCES))}.")],
    clause: Annotated[list[str], typer.Option(help="The clause that is broken; repeatable.")],
    text: Annotated[
        Path,
        typer.Option(exists=True, dir_okay=False, help="A file that says what was found."),
    ],
    action: Annotated[list[str], typer.Option(help="What has to be done; repeatable.")],
    evidence: Annotated[
        list[str] | None, typer.Option(help="Id of a call, permit or finding; repeatable.")
    ] = None,
) -> dict[str, Any]:
    """Draft a notice; where its clause recurs within six months it is one severity higher."""
    notice = Notice(
        *(vendor, contract, severity, source, tuple(clause)),
        *(text.read_text(encoding="utf-8-sig").strip(), tuple(action), tuple(evidence or ())),
    )
    return office.rectifications().draft(notice, actor=actor(), repeat=(None, None))


@on_desk(app, "list", tell=print_affairs)
def list_(
    office: Office,
    vendor: Annotated[str | None, typer.Option(help="Of this vendor alone.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Those that are over too.")] = False,
) -> list[dict[str, Any]]:
    """Show the newest 200 notices."""
    page = office.rectifications().page(
        _KIND, vendor=vendor, is_open=not everything, cursor=None, limit=_PAGE
    )
    return list(page.items)


@on_desk(app, "show", tell=print_json, hint=_HINT)
def show(
    office: Office, notice: NoticeArgument, reason: MaybeReasonOption = None
) -> dict[str, Any]:
    """Print a notice with its steps, as JSON; for a reason, which is logged, what was written."""
    desk = office.rectifications()
    found = desk.read(_KIND, notice)
    if reason is not None:
        found["papers"] = desk.read_papers(_KIND, notice, reason=reason, actor=actor())
    return found


@on_desk(app, "issue", tell=print_move, hint=_HINT)
def issue(office: Office, notice: NoticeArgument) -> dict[str, Any]:
    """Issue a drafted notice; a critical one is proposed, and issued when run again."""
    return office.rectifications().issue(notice, actor=actor())


@on_desk(app, "extend", tell=print_move, hint=_HINT)
def extend(
    office: Office,
    notice: NoticeArgument,
    until: Annotated[datetime, typer.Option(parser=moment_of, help="Until when, with the zone.")],
    reason: ReasonOption,
) -> dict[str, Any]:
    """Move a notice's deadline: once, before it has passed."""
    return office.rectifications().extend(notice, until, actor=actor(), reason=reason)


@on_desk(app, "close", tell=print_move, hint=_HINT)
def close(
    office: Office,
    notice: NoticeArgument,
    sample: Annotated[list[str], typer.Option(help="A call that was tested again; repeatable.")],
) -> dict[str, Any]:
    """Verify and close a notice by a re-test of calls; not by who issued it."""
    desk = office.rectifications()
    if desk.read(_KIND, notice)["state"] == "evidence_submitted":
        desk.move(notice, "verify", actor=actor())
    return desk.move(notice, "close", actor=actor(), sample=sample)


def _move(
    office: Office, name: str, notice: NoticeArgument, reason: MaybeReasonOption = None
) -> dict[str, Any]:
    return office.rectifications().move(notice, name, actor=actor(), reason=reason)


moves_on_desk(app, _move, _MOVES, tell=print_move, hint=_HINT)
