"""`casegate complaint …`: registered, looked into, decided, answered, over the company's desk."""

import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer

from gateway.affairs.complaints import FINDINGS
from gateway.affairs.grievance import CATEGORIES, SOURCES, Grievance
from gateway.cli.console import actor, out, print_json
from gateway.cli.desks import moment_of, moves_on_desk, on_desk, print_affairs, print_move
from gateway.office import Office

app = typer.Typer(help="Complaints, with their clocks.", no_args_is_help=True)
_PAGE = 200
_HINT = "casegate complaint list --all shows which there are"
_MOVES = {
    "investigate": "Begin to look into a complaint.",
    "request_review": "Note that the customer asks for a second look.",
    "review": "End the second look.",
    "close": "Close an answered complaint.",
    "reopen": "Reopen a closed complaint, for new facts.",
    "withdraw": "Note that the customer withdraws it.",
}

ComplaintArgument = Annotated[UUID, typer.Argument(help="From: casegate complaint list.")]
ReasonOption = Annotated[str, typer.Option(help="Why, as a code.")]
MaybeReasonOption = Annotated[str | None, typer.Option("--reason", help="Why, as a code.")]


@app.callback()
def complaints() -> None:
    """Complaints, with their clocks."""


@on_desk(
    app,
    "register",
    tell=print_move,
    hint="name vendor and contract, and the case by the reference that the vendor has",
)
def register(
    office: Office,
    vendor: Annotated[str, typer.Option(help="Whose calls it is about.")],
    contract: Annotated[str, typer.Option(help="Under which contract.")],
    case: Annotated[str, typer.Option(help="The vendor's reference of the case.")],
    received: Annotated[
        datetime, typer.Option(parser=moment_of, help="When it came in, with the zone.")
    ],
    channel: Annotated[str, typer.Option(help="As hotline, letter.")],
    source: Annotated[str, typer.Option(help=f"One of {', '.join(sorted(SOURCES))}.")],
    category: Annotated[str, typer.Option(help=f"One of {', '.join(sorted(CATEGORIES))}.")],
    allegation: Annotated[list[str], typer.Option(help="A code; repeatable.")],
    text: Annotated[
        Path,
        typer.Option(
            allow_dash=True, exists=True, dir_okay=False, help="A file with its words, or -."
        ),
    ],
    about_staff: Annotated[
        str | None, typer.Option(help="Of whom of the company it is, by id.")
    ] = None,
    key: Annotated[
        str | None, typer.Option(help="The same key registers the same complaint once.")
    ] = None,
) -> dict[str, Any]:
    """Register a complaint; some categories stop all contact with the debtor at once."""
    words = sys.stdin.read() if str(text) == "-" else text.read_text(encoding="utf-8-sig")
    grievance = Grievance(
        *(vendor, contract, case, received, channel, source, category),
        *(tuple(allegation), words.strip(), about_staff),
    )
    repeat = (key, None if key is None else grievance.digest())
    return office.complaints().register(grievance, actor=actor(), repeat=repeat)


@on_desk(app, "list", tell=print_affairs)
def list_(
    office: Office,
    vendor: Annotated[str | None, typer.Option(help="Of this vendor alone.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Those that are over too.")] = False,
    overdue: Annotated[bool, typer.Option("--overdue", help="Those past their time.")] = False,
) -> list[dict[str, Any]]:
    """Show the newest 200 complaints, without their texts."""
    page = office.complaints().page(
        vendor=vendor, is_open=not everything, is_overdue=overdue, cursor=None, limit=_PAGE
    )
    return list(page.items)


@on_desk(app, "show", tell=print_json, hint=_HINT)
def show(office: Office, complaint: ComplaintArgument, reason: ReasonOption) -> dict[str, Any]:
    """Print a complaint with its texts, as JSON; the log says who read it and why."""
    return office.complaints().read(complaint, reason=reason, actor=actor())


@on_desk(app, "assign", tell=print_move, hint=_HINT)
def assign(
    office: Office,
    complaint: ComplaintArgument,
    department: Annotated[str, typer.Option(help="Which looks into it from now on.")],
) -> dict[str, Any]:
    """Give a complaint to another department than routing.complaint says."""
    return office.complaints().assign(complaint, department, actor=actor())


@on_desk(app, "request-evidence", tell=print_move, hint=_HINT)
def request_evidence(
    office: Office,
    complaint: ComplaintArgument,
    call: Annotated[list[str], typer.Option(help="The vendor's id of a call; repeatable.")],
    hours: Annotated[int, typer.Option(min=1, max=240, help="How long the vendor has.")] = 4,
) -> dict[str, Any]:
    """Ask the vendor for calls; from here on it knows of the matter, and not who complained."""
    return office.complaints().request_evidence(complaint, call, hours, actor=actor())


@on_desk(app, "extend", tell=print_move, hint=_HINT)
def extend(
    office: Office,
    complaint: ComplaintArgument,
    reason: ReasonOption,
    notice: Annotated[
        str | None, typer.Option(help="For 60 days: the channel by which the customer was told.")
    ] = None,
) -> dict[str, Any]:
    """Give more time: to 30 days in all, and to 60 once another person approves."""
    return office.complaints().extend(complaint, actor=actor(), reason=reason, notice=notice)


@on_desk(app, "decide", tell=print_move, hint=_HINT)
def decide(
    office: Office,
    complaint: ComplaintArgument,
    finding: Annotated[str, typer.Option(help=f"One of {', '.join(sorted(FINDINGS))}.")],
    cause: Annotated[str, typer.Option(help="Where it came from, as a code.")],
    measure: Annotated[
        list[str] | None, typer.Option(help="What is done about it, as a code; repeatable.")
    ] = None,
) -> dict[str, Any]:
    """Say whether a complaint is founded; the vendor hears that, and not why."""
    return office.complaints().decide(complaint, finding, measure or [], cause, actor=actor())


@on_desk(app, "reply", tell=print_move, hint=_HINT)
def reply(
    office: Office,
    complaint: ComplaintArgument,
    channel: Annotated[str, typer.Option(help="As letter, hotline.")],
    at: Annotated[datetime, typer.Option(parser=moment_of, help="When, with the zone.")],
) -> dict[str, Any]:
    """Note how and when the customer was answered."""
    return office.complaints().reply(complaint, channel, at, actor=actor())


@on_desk(app, "file", tell=lambda said: out.print(f"written: {said['path']}"), hint=_HINT)
def file(
    office: Office,
    complaint: ComplaintArgument,
    number: Annotated[UUID, typer.Argument(help="The file's id, from: casegate complaint show.")],
    reason: ReasonOption,
    path: Annotated[Path, typer.Option("--out", help="A new file that takes the content.")],
) -> dict[str, Any]:
    """Write a file that the vendor handed in; the log says who opened it and why."""
    if path.exists():
        raise typer.BadParameter(f"{path} is there already; name a new file")
    media_type, content = office.affair_files().read(
        "complaint", complaint, number, reason=reason, actor=actor()
    )
    with path.open("xb") as target:
        target.write(content)
    return {"path": str(path), "media_type": media_type, "bytes": len(content)}


def _move(
    office: Office, name: str, complaint: ComplaintArgument, reason: MaybeReasonOption = None
) -> dict[str, Any]:
    return office.complaints().move(complaint, name, actor=actor(), reason=reason)


moves_on_desk(app, _move, _MOVES, tell=print_move, hint=_HINT)
