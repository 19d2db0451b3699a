"""`casegate claim …` and `casegate ledger …`: what vendors say was paid, and what was."""

import csv
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer

from gateway.affairs.ledger import MAX_POSTINGS, Posting
from gateway.cli.console import actor, out
from gateway.cli.desks import on_desk
from gateway.office import Office

claims = typer.Typer(help="What vendors say that debtors have paid.", no_args_is_help=True)
ledger = typer.Typer(help="What the lender's ledger says is paid.", no_args_is_help=True)
_PAGE = 200
_COLUMNS = ("entry_id", "case_no", "posted_at", "amount", "kind", "balance_after")
_KINDS = frozenset({"payment", "adjustment"})
_MOST_MONEY = 10**14
_TAKEN = frozenset({"posted", "duplicate"})


@claims.callback()
def about_claims() -> None:
    """What vendors say that debtors have paid."""


@ledger.callback()
def about_the_ledger() -> None:
    """What the lender's ledger says is paid."""


def _print_claims(items: list[dict[str, Any]]) -> None:
    for one in items:
        out.print(
            f"{one['claim_id']}  {one['state']}  {one['vendor_id']}  {one['case_ref']}"
            f"  {one['amount'] / 100:.2f} on {one['claimed_on']}  account {one['account']}",
            markup=False,
            soft_wrap=True,
        )
    if not items:
        out.print("nothing is open")


@on_desk(claims, "list", tell=_print_claims)
def list_claims(
    office: Office,
    vendor: Annotated[str | None, typer.Option(help="Of this vendor alone.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Those that are over too.")] = False,
) -> list[dict[str, Any]]:
    """Show the newest 200 claims, with what the ledger says of each."""
    page = office.reconciliation().page(
        vendor=vendor, is_open=not everything, cursor=None, limit=_PAGE
    )
    return list(page.items)


@on_desk(
    claims,
    "resolve",
    tell=lambda one: out.print(f"{one['claim_id']} is {one['state']}", soft_wrap=True),
    hint="casegate claim list --all shows which there are",
)
def resolve_claim(
    office: Office,
    claim: Annotated[UUID, typer.Argument(help="From: casegate claim list.")],
    resolution: Annotated[str, typer.Option(help="What became of it, as a code.")],
) -> dict[str, Any]:
    """End a claim that did not match; it marks nothing paid."""
    return office.reconciliation().resolve(claim, resolution, actor=actor())


def _print_postings(results: list[dict[str, Any]]) -> None:
    for outcome in ("posted", "duplicate", "differs", "unknown", "ahead"):
        found = [one["entry_id"] for one in results if one["outcome"] == outcome]
        if found:
            names = "" if outcome in _TAKEN else ": " + ", ".join(found)
            out.print(f"{outcome}  {len(found)}{names}", markup=False, soft_wrap=True)


@on_desk(
    ledger,
    "post",
    tell=_print_postings,
    is_done=lambda results: all(one["outcome"] in _TAKEN for one in results),
)
def post_ledger(
    office: Office,
    file: Annotated[
        Path,
        typer.Argument(
            exists=True,
            dir_okay=False,
            help="CSV: entry_id,case_no,posted_at,amount,kind,balance_after; in minor units.",
        ),
    ],
) -> list[dict[str, Any]]:
    """Post movements; what was posted before does nothing again."""
    with file.open(encoding="utf-8-sig", newline="") as source:
        postings = read_postings(source)
    desk, results = office.ledger(), []
    for start in range(0, len(postings), MAX_POSTINGS):
        results += desk.post(postings[start : start + MAX_POSTINGS], actor=actor())
    return results


@on_desk(ledger, "account", tell=lambda said: out.print(f"{said['label']} is registered"))
def register_account(
    office: Office,
    account: Annotated[str, typer.Argument(help="Its number; a keyed digest is kept.")],
    label: Annotated[str, typer.Option(help="What it is called.")],
) -> dict[str, Any]:
    """Register an account of the company's, to which may be paid."""
    office.ledger().register_account(account, label, actor=actor())
    return {"label": label}


def read_postings(text: Iterable[str]) -> list[Posting]:
    """The movements of a file; typer.BadParameter with the line that is not as it should be."""
    rows = csv.DictReader(text)
    try:
        _verify_columns(rows.fieldnames or ())
        return [_posting(row) for row in rows]
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        raise typer.BadParameter(
            f"line {max(rows.line_num, 1)}: the columns are {','.join(_COLUMNS)}; posted_at has"
            " its zone, amounts are whole minor units, and kind is payment or adjustment"
        ) from error


def _verify_columns(names: Collection[str]) -> None:
    if not set(_COLUMNS).issubset(names):
        raise KeyError("a column is missing")


def _posting(row: Mapping[str, str]) -> Posting:
    posted_at = datetime.fromisoformat(row["posted_at"])
    amount, balance = int(row["amount"]), int(row["balance_after"])
    is_possible = abs(amount) <= _MOST_MONEY and 0 <= balance <= _MOST_MONEY
    if posted_at.tzinfo is None or row["kind"] not in _KINDS or not is_possible:
        raise ValueError("a time without its zone, another kind, or no such amount")
    return Posting(row["entry_id"], row["case_no"], posted_at, amount, row["kind"], balance)
