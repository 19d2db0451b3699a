"""`casegate complaint …`, `casegate notice …`, `casegate ledger …`."""

import csv
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer

from gateway.affairs.ledger import MAX_POSTINGS, Posting
from gateway.cli.console import (
    DEFAULT_CONFIG,
    ConfigOption,
    JSONOption,
    actor,
    open_office,
    out,
    print_json,
)

complaints = typer.Typer(help="Complaints, with their clocks.", no_args_is_help=True)
notices = typer.Typer(help="Rectification notices to vendors.", no_args_is_help=True)
ledger = typer.Typer(help="What the lender's ledger says is paid.", no_args_is_help=True)
_PAGE = 200

VendorOption = Annotated[str | None, typer.Option(help="Of this vendor alone.")]
EverythingOption = Annotated[bool, typer.Option("--all", help="Those that are over too.")]
NoticeArgument = Annotated[UUID, typer.Argument(help="From: casegate notice list.")]


@complaints.callback()
def about_complaints() -> None:
    """Complaints, with their clocks."""


@notices.callback()
def about_notices() -> None:
    """Rectification notices to vendors."""


@ledger.callback()
def about_the_ledger() -> None:
    """What the lender's ledger says is paid."""


@complaints.command("list")
def list_complaints(
    vendor: VendorOption = None,
    everything: EverythingOption = False,
    overdue: Annotated[bool, typer.Option("--overdue", help="Those past their time.")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JSONOption = False,
) -> None:
    """Show the newest 200 complaints, without their texts."""
    page = (
        open_office(config)
        .complaints()
        .page(vendor=vendor, is_open=not everything, is_overdue=overdue, cursor=None, limit=_PAGE)
    )
    _show(page.items, as_json=as_json)


@notices.command("list")
def list_notices(
    vendor: VendorOption = None,
    everything: EverythingOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JSONOption = False,
) -> None:
    """Show the newest 200 notices."""
    desk = open_office(config).rectifications()
    page = desk.page(
        "rectification", vendor=vendor, is_open=not everything, cursor=None, limit=_PAGE
    )
    _show(page.items, as_json=as_json)


@notices.command("issue")
def issue_notice(
    notice: NoticeArgument, config: ConfigOption = DEFAULT_CONFIG, as_json: JSONOption = False
) -> None:
    """Issue a drafted notice; a critical one is proposed, and issued when run again."""
    content = open_office(config).rectifications().issue(notice, actor=actor())
    _tell(content, as_json=as_json)


@notices.command("close")
def close_notice(
    notice: NoticeArgument,
    sample: Annotated[list[str], typer.Option(help="A call that was tested again.")],
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JSONOption = False,
) -> None:
    """Verify and close a notice; not by who issued it."""
    desk = open_office(config).rectifications()
    if desk.read("rectification", notice)["state"] == "evidence_submitted":
        desk.move(notice, "verify", actor=actor())
    _tell(desk.move(notice, "close", actor=actor(), sample=sample), as_json=as_json)


@ledger.command("post")
def post_ledger(
    file: Annotated[
        Path,
        typer.Argument(
            exists=True,
            dir_okay=False,
            help="CSV: entry_id,case_no,posted_at,amount,kind,balance_after; in minor units.",
        ),
    ],
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JSONOption = False,
) -> None:
    """Post movements; what was posted before does nothing again."""
    with file.open(encoding="utf-8-sig", newline="") as source:
        postings = _postings(csv.DictReader(source))
    desk = open_office(config).ledger()
    results = []
    for start in range(0, len(postings), MAX_POSTINGS):
        results += desk.post(postings[start : start + MAX_POSTINGS], actor=actor())
    if as_json:
        print_json(results)
    for outcome in ("posted", "duplicate", "differs", "unknown", "ahead"):
        found = [one["entry_id"] for one in results if one["outcome"] == outcome]
        if found and not as_json:
            names = "" if outcome in {"posted", "duplicate"} else ": " + ", ".join(found)
            out.print(f"{outcome}  {len(found)}{names}", markup=False, soft_wrap=True)
    if any(one["outcome"] not in {"posted", "duplicate"} for one in results):
        raise typer.Exit(1)


@ledger.command("account")
def register_account(
    account: Annotated[str, typer.Argument(help="Its number; a keyed digest is kept.")],
    label: Annotated[str, typer.Option(help="What it is called.")],
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Register an account of the company's, to which may be paid."""
    open_office(config).ledger().register_account(account, label, actor=actor())
    out.print("registered")


def _postings(rows: Iterable[dict[str, str]]) -> list[Posting]:
    try:
        return [
            Posting(
                row["entry_id"],
                row["case_no"],
                datetime.fromisoformat(row["posted_at"]),
                int(row["amount"]),
                row["kind"],
                int(row["balance_after"]),
            )
            for row in rows
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise typer.BadParameter("a row or the header is not as it should be") from error


def _show(items: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print_json(items)
        return
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


def _tell(content: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(content)
    elif "proposal_id" in content:
        out.print(f"proposed: {content['proposal_id']}; run it again once another has approved")
    else:
        out.print(f"{content['affair_id']} is {content['state']}")
