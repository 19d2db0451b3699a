"""`casegate agent …` and `casegate caller …`: who may call, and from which number."""

from pathlib import Path
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
from gateway.people.agents import Agent, AgentKey
from gateway.people.desk import PeopleDesk
from gateway.people.paging import MAX_PAGE, Page

app = typer.Typer(help="Vendors' agents: qualified, suspended, banned.", no_args_is_help=True)
callers = typer.Typer(help="The numbers that vendors call from.", no_args_is_help=True)

VendorArgument = Annotated[str, typer.Argument(help="Vendor id.")]
ContractArgument = Annotated[str, typer.Argument(help="Contract id.")]
AgentArgument = Annotated[str, typer.Argument(help="The vendor's reference of the agent.")]
NumberArgument = Annotated[str, typer.Argument(help="As +862112345678 (E.164).")]
VendorOption = Annotated[str | None, typer.Option("--vendor", help="Of this vendor alone.")]
CursorOption = Annotated[
    str | None, typer.Option("--cursor", help="Where the list before left off.")
]
LimitOption = Annotated[int, typer.Option("--limit", min=1, max=MAX_PAGE)]


@app.callback()
def agents() -> None:
    """Vendors' agents."""


@callers.callback()
def numbers() -> None:
    """The numbers that vendors call from."""


@app.command("list")
def list_(
    vendor: VendorOption = None,
    contract: Annotated[str | None, typer.Option("--contract")] = None,
    status: Annotated[str | None, typer.Option("--status", help="As qualified.")] = None,
    cursor: CursorOption = None,
    limit: LimitOption = 100,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JSONOption = False,
) -> None:
    """Show agents; `person` is the same wherever the same person was registered."""
    page = _desk(config).agents(
        vendor=vendor, contract=contract, status=status, cursor=cursor, limit=limit
    )
    if as_json:
        print_json(page.document())
        return
    for one in page.items:
        out.print(
            f"{one['vendor']}  {one['contract']}  {one['agent_ref']}  {one['status']}"
            f"  person {str(one['person'])[:12]}",
            soft_wrap=True,
        )
    tell_rest(page)


@app.command("show")
def show(
    vendor: VendorArgument,
    contract: ContractArgument,
    agent: AgentArgument,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JSONOption = False,
) -> None:
    """Show one agent with courses and acknowledged scripts."""
    _tell(_desk(config).agent(AgentKey(vendor, contract, agent)), as_json=as_json)


@app.command("qualify")
def qualify(
    vendor: VendorArgument,
    contract: ContractArgument,
    agent: AgentArgument,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JSONOption = False,
) -> None:
    """Let an agent call who has signed secrecy and passed the mandatory courses."""
    key = AgentKey(vendor, contract, agent)
    _tell(_desk(config).qualify(key, actor=actor()), as_json=as_json)


@app.command("suspend")
def suspend(
    vendor: VendorArgument,
    contract: ContractArgument,
    agent: AgentArgument,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JSONOption = False,
) -> None:
    """Stop a person at once, with his open permits."""
    key = AgentKey(vendor, contract, agent)
    _tell(_desk(config).suspend(key, actor=actor()), as_json=as_json)


@app.command("resume")
def resume(
    vendor: VendorArgument,
    contract: ContractArgument,
    agent: AgentArgument,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JSONOption = False,
) -> None:
    """Propose to lift a suspension, or lift it when a second person has approved."""
    key = AgentKey(vendor, contract, agent)
    _tell(_desk(config).resume(key, actor=actor()), as_json=as_json)


@app.command("ban")
def ban(
    vendor: VendorArgument,
    contract: ContractArgument,
    agent: AgentArgument,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JSONOption = False,
) -> None:
    """Take a person out, at this vendor and every other."""
    key = AgentKey(vendor, contract, agent)
    _tell(_desk(config).ban(key, actor=actor()), as_json=as_json)


@app.command("unban")
def unban(
    vendor: VendorArgument,
    contract: ContractArgument,
    agent: AgentArgument,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JSONOption = False,
) -> None:
    """Propose to lift a ban, or lift it when a second person has approved."""
    key = AgentKey(vendor, contract, agent)
    _tell(_desk(config).unban(key, actor=actor()), as_json=as_json)


@app.command("leave")
def leave(
    vendor: VendorArgument,
    contract: ContractArgument,
    agent: AgentArgument,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JSONOption = False,
) -> None:
    """End a registration that its vendor does not end."""
    key = AgentKey(vendor, contract, agent)
    _tell(_desk(config).leave(key, actor=actor()), as_json=as_json)


@callers.command("list")
def list_callers(
    vendor: VendorOption = None,
    everything: Annotated[bool, typer.Option("--all", help="Those that ended too.")] = False,
    cursor: CursorOption = None,
    limit: LimitOption = 100,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JSONOption = False,
) -> None:
    """Show numbers, with the contract that each is of."""
    page = _desk(config).callers(vendor=vendor, with_ended=everything, cursor=cursor, limit=limit)
    if as_json:
        print_json(page.document())
        return
    for one in page.items:
        ended = f" until {one['ended_at']}" if one["ended_at"] else ""
        out.print(
            f"{one['number']}  {one['vendor']}  {one['contract']}"
            f"  since {one['registered_at']}{ended}",
            soft_wrap=True,
        )
    tell_rest(page)


@callers.command("add")
def add_caller(
    vendor: VendorArgument,
    contract: ContractArgument,
    number: NumberArgument,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JSONOption = False,
) -> None:
    """Let a vendor call from a number under a contract."""
    added = _desk(config).add_caller(vendor, contract, number, actor=actor())
    if as_json:
        print_json(added.document())
    else:
        out.print(f"{added.number} is {vendor}'s under {contract}")


@callers.command("end")
def end_caller(
    vendor: VendorArgument,
    contract: ContractArgument,
    number: NumberArgument,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JSONOption = False,
) -> None:
    """End a number at once."""
    ended = _desk(config).end_caller(vendor, contract, number, actor=actor())
    if as_json:
        print_json(ended.document())
    else:
        out.print(f"{ended.number} has ended: no permit names it any more")


def tell_rest(page: Page) -> None:
    """Says how to read on, or that there is nothing."""
    if page.next_cursor is not None:
        out.print(f"More: --cursor {page.next_cursor}", soft_wrap=True)
    elif not page.items:
        out.print("There are none.")


def _desk(config: Path) -> PeopleDesk:
    return open_office(config).people()


def _tell(outcome: Agent | UUID, *, as_json: bool) -> None:
    """Prints the agent, or the proposal that waits for a second person."""
    if isinstance(outcome, Agent):
        if as_json:
            print_json(outcome.document())
            return
        out.print(f"agent {outcome.agent_ref} of {outcome.vendor_id} is {outcome.status}")
        for course in outcome.courses:
            out.print(f"  {course['course_id']} passed, until {course['valid_to']}")
        for script in outcome.acknowledged:
            out.print(f"  {script['script_id']} version {script['version']} acknowledged")
    elif as_json:
        print_json({"proposal_id": outcome})
    else:
        out.print(
            "Another person approves it with\n"
            f"  casegate proposals approve {outcome}\n"
            "Then run this command again.",
            soft_wrap=True,
        )
