"""`casegate quality …`, `casegate incident …`, `casegate review …`: looking into vendors."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import typer

from gateway.cli.console import actor, out
from gateway.cli.desks import moment_of, on_desk
from gateway.cli.tables import CSVOption, also_as_csv
from gateway.office import Office
from gateway.quality.checks import Verdict
from gateway.quality.incidents import KINDS, Incident
from gateway.quality.rules import QUALITY_RULES

app = typer.Typer(help="Samples of calls, listened to.", no_args_is_help=True)
incidents = typer.Typer(help="Incidents at vendors.", no_args_is_help=True)
reviews = typer.Typer(help="Who of a vendor has access, gone through.", no_args_is_help=True)
_PAGE = 200

VendorOption = Annotated[str | None, typer.Option(help="Of this vendor alone.")]
VendorArgument = Annotated[str, typer.Argument(help="Vendor id.")]
ContractArgument = Annotated[str, typer.Argument(help="Contract id.")]
IncidentArgument = Annotated[UUID, typer.Argument(help="From: casegate incident list.")]


def _tell(line: Callable[[dict[str, Any]], str], nothing: str) -> Callable[[Any], None]:
    """Prints one line an item, or that there is none; of one thing its line."""

    def tell(content: Any) -> None:  # noqa: ANN401 - what a desk answers
        for one in content if isinstance(content, list) else [content]:
            out.print(line(one), markup=False, soft_wrap=True)
        if content == []:
            out.print(nothing)

    return tell


def _check_line(one: dict[str, Any]) -> str:
    why = f" {one['rule']} ({one['clause']})" if one["rule"] else ""
    heard = "" if one.get("has_recording", True) else "  no recording yet"
    about = f"  {one['vendor_id']}  call {one['call_id']}" if "call_id" in one else ""
    return f"{one['check_id']}  {one['state']}{why}{about}{heard}"


def _incident_line(one: dict[str, Any]) -> str:
    about = f"{one['vendor_id']} / {one['contract_id']}"
    return f"{one['incident_id']}  {one['state']}  {one['level']}  {one['kind']}  {about}"


def _review_line(one: dict[str, Any]) -> str:
    counted = f"credentials {one['credentials']}, agents {one['agents']}"
    return f"{one['period']}  {one['vendor_id']} / {one['contract_id']}  {counted}"


def _print_draw(drawn: dict[str, Any]) -> None:
    """The calls in the order in which they were drawn, and by what they can be drawn again."""
    for place, call in enumerate(drawn["calls"], start=1):
        out.print(f"{place:>4}  {call}", markup=False)
    out.print(
        f"{len(drawn['calls'])} of {drawn['found']} calls of {drawn['period']}, draw"
        f" {drawn['draw_id']}\nseed {drawn['seed']}: the vendor is told it with the calls",
        soft_wrap=True,
    )


@on_desk(app, "draw", tell=_print_draw)
def draw(
    office: Office,
    vendor: VendorArgument,
    contract: ContractArgument,
    period: Annotated[str, typer.Argument(help="2026-05-07, 2026-W19 or 2026-05; it is over.")],
    calls: Annotated[int, typer.Option(min=1, max=1000, help="How many are drawn.")] = 30,
    seed: Annotated[
        str | None, typer.Option(help="32 to 128 hexadecimal digits; one is made without.")
    ] = None,
) -> dict[str, Any]:
    """Draw calls in which somebody was spoken to, by a seed that fixes which."""
    desk = office.quality()
    return desk.draw((vendor, contract), period, calls=calls, seed=seed, actor=actor()).document()


@on_desk(app, "result", tell=_tell(_check_line, ""), hint="see: casegate quality list")
def result(
    office: Office,
    check: Annotated[UUID, typer.Argument(help="From: casegate quality list.")],
    passed: Annotated[bool, typer.Option("--pass/--fail", help="What was heard.")],
    rule: Annotated[
        str | None, typer.Option(help=f"Of a failure: one of {', '.join(QUALITY_RULES)}.")
    ] = None,
    clause: Annotated[str | None, typer.Option(help="Of a failure: the clause behind it.")] = None,
) -> dict[str, Any]:
    """Note what was heard in a call, for good; a failure is a finding."""
    return office.quality().settle(check, Verdict(passed, rule, clause), actor=actor())


@on_desk(app, "list", tell=_tell(_check_line, "nothing was drawn"))
def list_checks(
    office: Office,
    vendor: VendorOption = None,
    drawn: Annotated[UUID | None, typer.Option("--draw", help="Of this draw alone.")] = None,
    is_open: Annotated[bool, typer.Option("--open", help="Without a result alone.")] = False,
    csv: CSVOption = None,
) -> list[dict[str, object]]:
    """Show the newest 200 calls that were drawn, and what was heard in them."""
    page = office.quality().checks(vendor=vendor, draw=drawn, only_open=is_open, limit=_PAGE)
    return also_as_csv(csv, page.items)


@on_desk(incidents, "open", tell=_tell(_incident_line, ""))
def open_(
    office: Office,
    vendor: VendorArgument,
    contract: ContractArgument,
    kind: Annotated[str, typer.Option(help=f"One of {', '.join(KINDS)}.")],
    level: Annotated[str, typer.Option(help="critical, major or minor.")],
    detected: Annotated[
        datetime | None,
        typer.Option(parser=moment_of, metavar="TIME", help="With its zone; default: now."),
    ] = None,
) -> dict[str, object]:
    """Put an incident at a vendor on record; nothing about anybody."""
    since = detected or office.clock.now()
    incident = Incident(vendor, contract, kind, level, since)
    return office.quality().open_incident(incident, actor=actor())


@on_desk(incidents, "contain", tell=_tell(_incident_line, ""), hint="see: casegate incident list")
def contain(office: Office, incident: IncidentArgument) -> dict[str, object]:
    """Say that an incident spreads no further."""
    return office.quality().move_incident(incident, "contained", actor=actor())


@on_desk(incidents, "close", tell=_tell(_incident_line, ""), hint="see: casegate incident list")
def close(office: Office, incident: IncidentArgument) -> dict[str, object]:
    """Close an incident that is contained."""
    return office.quality().move_incident(incident, "closed", actor=actor())


@on_desk(incidents, "list", tell=_tell(_incident_line, "no incident is on record"))
def list_incidents(
    office: Office,
    vendor: VendorOption = None,
    is_open: Annotated[
        bool, typer.Option("--open", help="Without those that are closed.")
    ] = False,
    csv: CSVOption = None,
) -> list[dict[str, object]]:
    """Show the newest 200 incidents."""
    page = office.quality().incidents(vendor=vendor, only_open=is_open, limit=_PAGE)
    return also_as_csv(csv, page.items)


@on_desk(reviews, "record", tell=_tell(_review_line, ""))
def record(
    office: Office,
    vendor: VendorArgument,
    contract: ContractArgument,
    period: Annotated[str, typer.Option(help="The month, as 2026-05.")],
) -> dict[str, object]:
    """Put on record that you went through a vendor's credentials and agents."""
    return office.quality().review((vendor, contract), period, actor=actor())


@on_desk(reviews, "list", tell=_tell(_review_line, "no review is on record"))
def list_reviews(
    office: Office, vendor: VendorOption = None, csv: CSVOption = None
) -> list[dict[str, object]]:
    """Show the newest 200 reviews."""
    return also_as_csv(csv, office.quality().reviews(vendor=vendor, limit=_PAGE).items)
