"""`casegate agent …` and `casegate caller …`: who may call, and from which number."""

from pathlib import Path
from typing import Annotated, Protocol
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
from gateway.cli.versions import tell
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


class _Making(Protocol):
    def __call__(self, desk: PeopleDesk, key: AgentKey, /, *, actor: str) -> Agent | UUID: ...


def _add_change(word: str, make: _Making, sentence: str) -> None:
    """Adds a command that does one thing to an agent."""

    @app.command(word, help=sentence)
    def change(
        vendor: VendorArgument,
        contract: ContractArgument,
        agent: AgentArgument,
        config: ConfigOption = DEFAULT_CONFIG,
        as_json: JSONOption = False,
    ) -> None:
        outcome = make(_desk(config), AgentKey(vendor, contract, agent), actor=actor())
        _tell(outcome, as_json=as_json)


for _word, _make, _sentence in (
    (
        "qualify",
        PeopleDesk.qualify,
        "Let an agent call who has signed secrecy and passed the mandatory courses.",
    ),
    ("suspend", PeopleDesk.suspend, "Stop a person at once, with his open permits."),
    (
        "resume",
        PeopleDesk.resume,
        "Propose to lift a suspension, or lift it when a second person has approved.",
    ),
    ("ban", PeopleDesk.ban, "Take a person out, at this vendor and every other."),
    (
        "unban",
        PeopleDesk.unban,
        "Propose to lift a ban, or lift it when a second person has approved.",
    ),
    ("leave", PeopleDesk.leave, "End a registration that its vendor does not end."),
):
    _add_change(_word, _make, _sentence)


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
    tell(added.document(), f"{added.number} is {vendor}'s under {contract}", as_json=as_json)


@callers.command("end")
def end_caller(
    vendor: VendorArgument,
    contract: ContractArgument,
    number: NumberArgument,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JSONOption = False,
) -> None:
    """End a number at once, with the open permits that show it."""
    ended = _desk(config).end_caller(vendor, contract, number, actor=actor())
    sentence = f"{ended.number} has ended, and with it every open permit that shows it"
    tell(ended.document(), sentence, as_json=as_json)


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
