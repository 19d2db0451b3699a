"""`casegate hold …` and `casegate request …`."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import typer

from gateway.cli.console import (
    DEFAULT_CONFIG,
    ConfigOption,
    JSONOption,
    actor,
    open_office,
    out,
    print_json,
)
from gateway.contact.answers import Answer

app = typer.Typer(help="Holds: what stops all contact with a debtor.", no_args_is_help=True)
requests = typer.Typer(
    help="Special requests: what debtors ask for and claim.", no_args_is_help=True
)
_PAGE = 200

VendorOption = Annotated[str, typer.Option(help="Vendor id.")]
ContractOption = Annotated[str, typer.Option(help="Contract id.")]
HoldArgument = Annotated[UUID, typer.Argument(help="From: casegate hold list.")]
RequestArgument = Annotated[UUID, typer.Argument(help="From: casegate request list.")]
EverythingOption = Annotated[bool, typer.Option("--all", help="Those that are over too.")]


@app.callback()
def holds() -> None:
    """Holds: what stops all contact with a debtor."""


@requests.callback()
def special_requests() -> None:
    """Special requests: what debtors ask for and claim."""


@app.command("place")
def place(
    vendor: VendorOption,
    contract: ContractOption,
    case: Annotated[str, typer.Option(help="The reference by which the vendor knows a case.")],
    code: Annotated[str, typer.Option(help="The ground, as complaint; no vendor hears it.")],
    only_case: Annotated[
        bool, typer.Option("--only-case", help="On this case alone, not on the debtor's others.")
    ] = False,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JSONOption = False,
) -> None:
    """Stop contact with a debtor at once, at every vendor."""
    hold = (
        open_office(config)
        .protection()
        .place(vendor, contract, case, code=code, is_on_all_cases=not only_case, actor=actor())
    )
    if as_json:
        print_json(hold.document())
        return
    out.print(f"hold {hold.hold_id} on {len(hold.cases)} cases at vendors", soft_wrap=True)


@app.command("lift")
def lift(
    hold: HoldArgument,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JSONOption = False,
) -> None:
    """Propose to lift a hold, or lift it when a second person has approved."""
    lifted, proposal = open_office(config).protection().lift(hold, actor=actor())
    if as_json:
        print_json(lifted.document() if proposal is None else {"proposal_id": proposal})
    elif proposal is None:
        out.print(f"hold {hold} lifted", soft_wrap=True)
    else:
        out.print(
            f"hold {hold} is to be lifted: another person approves it with\n"
            f"  casegate proposals approve {proposal}\n"
            "Then run this command again.",
            soft_wrap=True,
        )


@app.command("list")
def list_holds(
    everything: EverythingOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JSONOption = False,
) -> None:
    """Show the newest 200 holds."""
    desk = open_office(config).protection()
    found = desk.holds(only_open=not everything, cursor=None, limit=_PAGE)["items"]
    if as_json:
        print_json(found)
        return
    for one in found:
        where = "all cases of a debtor" if one["is_on_all_cases"] else "one case"
        end = "open" if one["lifted_at"] is None else f"lifted {one['lifted_at']}"
        out.print(
            f"{one['hold_id']}  {one['code']} on {where}, {len(one['cases'])} at vendors;"
            f" {one['placed_at']} by {one['placed_by']}; {end}",
            soft_wrap=True,
        )
    if not found:
        out.print("There is no hold.")


@requests.command("list")
def list_requests(
    vendor: Annotated[str | None, typer.Option(help="Of one vendor alone.")] = None,
    overdue: Annotated[bool, typer.Option("--overdue", help="Those past their time.")] = False,
    everything: EverythingOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JSONOption = False,
) -> None:
    """Show the newest 200 special requests, without their notes."""
    office = open_office(config)
    found = office.protection().requests(
        only_open=not everything,
        only_overdue=overdue,
        vendor_id=vendor,
        cursor=None,
        limit=_PAGE,
    )["items"]
    if as_json:
        print_json(found)
        return
    for one in found:
        late = ", OVERDUE" if one["is_overdue"] else ""
        out.print(
            f"{one['request_id']}  {one['type']} {one['state']}: {one['vendor_id']}"
            f" {one['case_ref']}, {one['owner_department']}, due {one['due_at']}{late}",
            soft_wrap=True,
        )
    if not found:
        out.print("There is no special request.")


@requests.command("show")
def show(request: RequestArgument, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Print a special request with its note, as JSON; the log says who read it."""
    print_json(open_office(config).protection().request(request, actor=actor()))


@requests.command("answer")
def answer(
    request: RequestArgument,
    decision: Annotated[str, typer.Option(help="As granted, declined.")],
    instruction: Annotated[
        str | None, typer.Option(help="What the vendor is to do, as resume_with_plan.")
    ] = None,
    until: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Last day of the decision.")
    ] = None,
    hours: Annotated[
        list[str] | None,
        typer.Option(
            "--hours", help='The only hours of contact, as "every day 18:00-20:00"; repeatable.'
        ),
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JSONOption = False,
) -> None:
    """Answer a special request and tell the vendor what to do."""
    last_day = None if until is None else until.date()
    given = Answer(decision, last_day, instruction, tuple(hours or ()))
    answered = open_office(config).protection().answer(request, given, actor=actor())
    _tell(answered, as_json=as_json)


@requests.command("close")
def close(
    request: RequestArgument,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JSONOption = False,
) -> None:
    """Close an answered special request."""
    _tell(open_office(config).protection().close(request, actor=actor()), as_json=as_json)


def _tell(request: dict[str, object], *, as_json: bool) -> None:
    if as_json:
        print_json(request)
    else:
        out.print(f"request {request['request_id']} is {request['state']}", soft_wrap=True)
