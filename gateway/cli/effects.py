"""How commands tell what a revocation, a suspension or its lifting did."""

from typing import Annotated
from uuid import UUID

import typer
from cryptography.x509 import ReasonFlags
from rich.table import Table

from gateway.cli.console import out, print_json
from gateway.operations.effect import RevocationEffect

EXIT_FAILED = 1

ReasonOption = Annotated[
    ReasonFlags,
    typer.Option("--reason", help="A reason of RFC 5280, 5.3.1, but not one to be taken back."),
]


def tell_effect(effect: RevocationEffect, what: str, *, as_json: bool) -> None:
    """Prints what was done, say `vendor alpha revoked`; exit code 1 when a worker is silent."""
    show_effect(effect, what, as_json=as_json)
    raise typer.Exit(0 if effect.is_complete else EXIT_FAILED)


def show_effect(effect: RevocationEffect, what: str, *, as_json: bool) -> None:
    """Prints what was done, for a command that has more to do."""
    if as_json:
        print_json(effect.document())
    else:
        _tell(effect, what)


def tell_resumption(outcome: RevocationEffect | UUID, what: str, *, as_json: bool) -> None:
    """Prints the effect, or the proposal that waits for a second person."""
    if isinstance(outcome, RevocationEffect):
        tell_effect(outcome, f"{what} resumed", as_json=as_json)
    elif as_json:
        print_json({"proposal_id": outcome})
    else:
        out.print(
            f"{what} is to be resumed: another person approves it with\n"
            f"  casegate proposals approve {outcome}\n"
            "Then run this command again.",
            soft_wrap=True,
        )


def _tell(effect: RevocationEffect, what: str) -> None:
    took = "" if effect.seconds is None else f" after {effect.seconds * 1000:.0f} ms"
    tokens = "an unknown number of" if effect.tokens is None else str(effect.tokens)
    out.print(
        f"{what}: {effect.credentials} certificates, {effect.connections_closed} connections"
        f" closed, {tokens} live tokens, {effect.acknowledged} of {effect.workers} workers"
        f" acknowledged{took}, log entry {effect.log_index}",
        soft_wrap=True,
    )
    if effect.by_worker:
        table = Table("worker", "host", "pid", "closed", "acknowledged", box=None)
        for worker in effect.by_worker:
            acknowledged = (
                "NOT YET" if worker.seconds is None else f"{worker.seconds * 1000:.0f} ms"
            )
            table.add_row(
                worker.listener,
                worker.host,
                str(worker.pid),
                str(worker.connections_closed),
                acknowledged,
            )
        out.print(table)
    for each in effect.lists:
        number = each.reason if each.number is None else f"number {each.number} is out"
        out.print(f"revocation list of issuer {each.issuer[:16]}: {number}", soft_wrap=True)
    if effect.others:
        out.print(
            f"{effect.others} other certificates of the same credential are still trusted; to"
            " shut them out too: casegate credential revoke",
            soft_wrap=True,
        )
    if not effect.is_complete:
        out.print("A worker that has not heard refuses everybody 5 s after it last heard.")
