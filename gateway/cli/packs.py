"""`casegate pack …`: law packs listed, tried, put in force by two persons, ended."""

from datetime import datetime
from typing import Annotated

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
from gateway.cli.pack_simulation import AtMostOption, LastOption, simulate_pack
from gateway.cli.proposals import approve
from gateway.cli.versions import tell, tell_proposal, tell_version

app = typer.Typer(help="Law packs: the rules that a permit is decided by.", no_args_is_help=True)

PackArgument = Annotated[str, typer.Argument(help="The pack's name, as cn-cba-2026.")]
EffectiveOption = Annotated[
    datetime | None,
    typer.Option(help="Local time, 2026-01-31T08:00:00; else from its activation on."),
]


@app.callback()
def packs() -> None:
    """Law packs: the rules that a permit is decided by."""


@app.command("list")
def list_(config: ConfigOption = DEFAULT_CONFIG, as_json: JSONOption = False) -> None:
    """Show the packs of the files, and which of them decide."""
    found = open_office(config).packs().standing()
    if as_json:
        print_json(found)
        return
    for one in found:
        if one.in_force:
            state = ", ".join(
                f"{each.version} from {each.effective_at.isoformat()}" for each in one.in_force
            )
        else:
            state = "not in force"
        file = "no file" if one.version is None else f"file {one.version}, {one.rules} rules"
        unverified = "" if one.is_verified is not False else ", not compared with its source"
        changed = " (the file says something else)" if one.is_changed and one.in_force else ""
        out.print(f"{one.pack}  {state}{changed}; {file}{unverified}", soft_wrap=True)


@app.command("show")
def show(
    pack: PackArgument, config: ConfigOption = DEFAULT_CONFIG, as_json: JSONOption = False
) -> None:
    """Show a pack as its file is written now."""
    found = open_office(config).packs().pack(pack)
    if as_json:
        print_json(
            {
                "pack": found.pack_id,
                "version": found.version,
                "digest": found.digest,
                "source": found.source,
                "is_verified": found.is_verified,
                "begins": found.begins,
                "ends": found.ends,
                "rules": [rule.rule_id for rule in found.rules],
                "document": found.text,
            }
        )
    else:
        out.print(found.text, soft_wrap=True, markup=False, end="")


@app.command("propose")
def propose(
    pack: PackArgument,
    effective: EffectiveOption = None,
    end: Annotated[bool, typer.Option("--end", help="Propose that it decides no longer.")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JSONOption = False,
) -> None:
    """Propose what a pack's file says now; another person approves, then `activate` or `end`."""
    desk = open_office(config).packs()
    if end and effective is not None:
        raise typer.BadParameter("a pack ends when `end` is run", param_hint="--effective")
    proposal = (
        desk.propose_end(pack, actor=actor())
        if end
        else desk.propose(pack, _moment(effective), actor=actor())
    )
    if as_json:
        print_json({"proposal": str(proposal), "pack": pack})
        return
    tell_proposal(proposal, pack, group="pack")


app.command("approve")(approve)


@app.command("activate")
def activate(
    pack: PackArgument,
    effective: EffectiveOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JSONOption = False,
) -> None:
    """Put in force what a pack's file says now, if a second person has approved exactly this."""
    desk = open_office(config).packs()
    ended = desk.activate(pack, _moment(effective), actor=actor())
    content = {"pack": pack, "digest": desk.pack(pack).digest, "previous": list(ended)}
    sentence = f"in force: {pack}; before: {', '.join(ended) or 'none'}"
    tell(content, sentence, as_json=as_json)


@app.command("end")
def end(
    pack: PackArgument, config: ConfigOption = DEFAULT_CONFIG, as_json: JSONOption = False
) -> None:
    """Let a pack decide no longer, once a second person has approved `propose --end`."""
    ended = open_office(config).packs().end(pack, actor=actor())
    sentence = f"no longer in force: {pack} ({', '.join(ended)})"
    tell({"pack": pack, "previous": list(ended)}, sentence, as_json=as_json)


@app.command("history")
def history(config: ConfigOption = DEFAULT_CONFIG, as_json: JSONOption = False) -> None:
    """Show which pack was in force when, and by whom, newest first."""
    versions = open_office(config).packs().history()
    if as_json:
        print_json(versions)
        return
    for each in versions:
        tell_version(each, f"{each.pack} {each.version}", each.effective_at)


@app.command("simulate")
def simulate(
    pack: PackArgument,
    last: LastOption = None,
    at_most: AtMostOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JSONOption = False,
) -> None:
    """Replay real permits under a pack's file: what it would have refused, by rule and vendor."""
    simulate_pack(pack, last, at_most=at_most, config=config, as_json=as_json)


def _moment(effective: datetime | None) -> datetime | None:
    return None if effective is None else effective.astimezone()
