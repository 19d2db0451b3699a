"""`casegate policy propose`, `approve`, `activate`, `withdraw`, `history`, `show` and more."""

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
from gateway.cli.policy import read_named_policy, tell_changes
from gateway.cli.proposals import approve
from gateway.cli.versions import tell, tell_proposal, tell_version
from gateway.identity.principal import StaffRole
from gateway.release.note_explanation import NoteExplanation
from gateway.scopes.simulation import Simulation
from policies.difference import policy_changes
from policies.fields import Stage
from policies.sentences import sentences_of

VendorOption = Annotated[str, typer.Option(help="Vendor id.")]
ContractOption = Annotated[
    str | None, typer.Option(help="Contract id; needed where a vendor has several.")
]
PolicyOption = Annotated[
    str | None, typer.Option("--policy", help="A file or a digest; else the policy in force.")
]
SinceOption = Annotated[datetime | None, typer.Option(help="Local time, 2026-01-31T08:00:00")]
UntilOption = Annotated[datetime | None, typer.Option(help="Local time, exclusive.")]


def add_to(app: typer.Typer) -> None:
    """Adds the commands to `casegate policy`."""
    for name, command in (
        ("propose", propose),
        ("approve", approve),
        ("activate", activate),
        ("withdraw", withdraw),
        ("history", history),
        ("show", show),
        ("explain", explain),
        ("simulate", simulate),
    ):
        app.command(name)(command)


def propose(
    vendor: VendorOption,
    contract: ContractOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JSONOption = False,
) -> None:
    """Propose what a vendor's file says now; another person approves, then `activate`."""
    desk = open_office(config).scopes()
    loaded = desk.file_of(vendor, contract)
    policy = loaded.policy
    proposal = desk.propose(loaded, actor=actor())
    if as_json:
        print_json({"proposal": str(proposal), "policy": policy.digest})
        return
    in_force = desk.in_force().policy(policy.vendor, policy.contract)
    tell_changes(policy_changes(in_force, policy, desk.catalog), as_json=False)
    tell_proposal(proposal, policy.digest, group="policy")


def activate(
    vendor: VendorOption,
    contract: ContractOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JSONOption = False,
) -> None:
    """Put in force what a vendor's file says now, if a second person has approved exactly this."""
    desk = open_office(config).scopes()
    loaded = desk.file_of(vendor, contract)
    previous = desk.activate(loaded, actor=actor())
    content = {"policy": loaded.policy.digest, "previous": previous}
    sentence = f"in force: {loaded.policy.digest}; before: {previous or 'none'}"
    tell(content, sentence, as_json=as_json)


def withdraw(
    vendor: VendorOption,
    contract: Annotated[str, typer.Option(help="Contract id.")],
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """End a vendor's policy, so that it gets nothing; one person suffices."""
    digest = open_office(config).scopes().withdraw(vendor, contract, actor=actor())
    out.print(f"no longer in force: {digest}")


def history(
    vendor: Annotated[str | None, typer.Option(help="Vendor id.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 100,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JSONOption = False,
) -> None:
    """Show which policy was in force when, and by whom, newest first."""
    versions = open_office(config).scopes().history(vendor, limit=limit)
    if as_json:
        print_json(versions)
        return
    for each in versions:
        tell_version(each, f"{each.vendor} / {each.contract}", each.activated_at)


def show(
    digest: Annotated[str, typer.Argument(help="A digest, or 8 digits of its beginning.")],
    in_words: Annotated[bool, typer.Option("--words", help="As ALLOW … READ … lines.")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JSONOption = False,
) -> None:
    """Show a policy of the past or present as its file was written, or in sentences."""
    desk = open_office(config).scopes()
    text = desk.text(digest)
    if as_json:
        print_json(text)
    elif in_words:
        for sentence in sentences_of(desk.loaded(text.digest).policy):
            out.print(sentence, soft_wrap=True, markup=False)
    else:
        out.print(text.document, soft_wrap=True, markup=False, end="")


def explain(
    vendor: VendorOption,
    case: Annotated[str, typer.Option(help="The case's reference, as the vendor knows it.")],
    contract: ContractOption = None,
    stage: Annotated[Stage, typer.Option(help="Which moment of release.")] = Stage.BULK,
    policy: PolicyOption = None,
    role: Annotated[StaffRole, typer.Option(help="Who reads.")] = StaffRole.AUDITOR,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JSONOption = False,
) -> None:
    """Show why a vendor sees what it sees of a case: value, rule, line, result."""
    office = open_office(config)
    loaded = (
        office.scopes().in_force_of(vendor, contract)
        if policy is None
        else read_named_policy(policy, config)
    )
    found = office.explain_case(loaded, case, stage, role=role, actor=actor())
    if as_json:
        print_json(
            {
                "policy": loaded.policy.digest,
                "stage": stage.value,
                "fields": found.fields,
                "notes": found.notes,
            }
        )
        return
    out.print(f"policy {loaded.policy.digest}, stage {stage.value}", soft_wrap=True)
    for each in found.fields:
        why = "" if each.reason is None else f" (wider: {each.reason})"
        out.print(
            f"{each.field} [{each.field_class}]: {each.source or '-'} -> {each.result or '-'}"
            f"   {each.rule}, {each.line or 'no line'}{why}",
            soft_wrap=True,
            markup=False,
        )
    if found.notes is not None:
        _tell_notes(found.notes)


def _tell_notes(notes: NoteExplanation) -> None:
    counted = ", ".join(f"{count} {kind}" for kind, count in notes.found.items())
    out.print(
        f"notes: {notes.outcome}   {notes.rule}, {notes.line or 'no line'};"
        f" cut out: {counted or 'nothing'}",
        soft_wrap=True,
        markup=False,
    )
    if notes.result is not None:
        out.print(f"  {notes.result}", soft_wrap=True, markup=False)


def simulate(
    pack: Annotated[str | None, typer.Argument(help="A law pack, instead of a policy.")] = None,
    vendor: Annotated[str | None, typer.Option(help="Vendor id, of a policy.")] = None,
    contract: ContractOption = None,
    policy: PolicyOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    last: LastOption = None,
    at_most: AtMostOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JSONOption = False,
) -> None:
    """Replay what was: a vendor's releases under its file or `--policy`, permits under a PACK."""
    if pack is not None:
        if vendor or contract or policy or since or until:
            raise typer.BadParameter(
                "a pack is tried on all vendors; use --last", param_hint="PACK"
            )
        simulate_pack(pack, last, at_most=at_most, config=config, as_json=as_json)
        return
    if vendor is None or last is not None or at_most is not None:
        raise typer.BadParameter("name a law pack, or --vendor without --last", param_hint="PACK")
    office = open_office(config)
    desk = office.scopes()
    loaded = (
        desk.file_of(vendor, contract) if policy is None else read_named_policy(policy, config)
    )
    found = desk.simulate(
        loaded.policy,
        since=None if since is None else since.astimezone(),
        until=None if until is None else until.astimezone(),
        actor=actor(),
    )
    if as_json:
        print_json(found)
    else:
        _tell_simulation(found)


def _tell_simulation(found: Simulation) -> None:
    out.print(f"replayed {found.releases} releases of {found.cases} cases")
    for effect in found.effects:
        sign = "+" if effect.is_wider else "-"
        out.print(
            f"{sign} {effect.stage} {effect.field}: {effect.before} -> {effect.after}:"
            f" {effect.cases} cases",
            soft_wrap=True,
            markup=False,
        )
    for reason, releases in sorted(found.refused.items()):
        out.print(f"- {releases} releases would be refused: {reason}")
    if found.uncovered:
        out.print(f"- {found.uncovered} cases would not be covered any more")
    if found.days_over_quota:
        out.print(f"- {found.days_over_quota} days would pass the quota")
    if found.unknown_profiles:
        out.print(f"? {found.unknown_profiles} releases have rules that the log does not hold")
    if found.unknown_cases:
        out.print(f"? {found.unknown_cases} cases are erased: conditions were not asked of them")
