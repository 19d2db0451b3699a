"""`casegate vendor offboard …` and its kin, and `casegate report …`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.cli.console import (
    DEFAULT_CONFIG,
    ConfigOption,
    JSONOption,
    actor,
    complain,
    open_office,
    out,
    print_json,
)
from gateway.installation import write_report_key
from gateway.offboarding.signature import new_report_key, read_report_key, verify_detached
from gateway.settings import load_settings
from keys.secret import write_private_file

EXIT_FAILED = 1
reports = typer.Typer(help="Reports.", no_args_is_help=True)

VendorArgument = Annotated[str, typer.Argument(help="Vendor id.")]
ContractOption = Annotated[str, typer.Option("--contract", help="Contract id.")]


def add_to(app: typer.Typer) -> None:
    """Adds the commands to `casegate vendor`."""
    app.command("offboard")(offboard)
    app.command("offboarding")(offboarding)
    app.command("certificate")(certificate)
    app.command("report")(report)
    app.command("sub-processor")(sub_processor)


def offboard(
    vendor: VendorArgument,
    contract: Annotated[
        str | None, typer.Option("--contract", help="Only this; else all that run.")
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JSONOption = False,
) -> None:
    """End a vendor's contracts now; killed and run again it goes on where it was."""
    desk = open_office(config).offboarding()
    ended = desk.offboard(vendor, contract, actor=actor())
    found = [desk.one(one.contract_id) for one in ended]
    if as_json:
        print_json({"items": found})
    else:
        for one in found:
            _tell(one)
        if not found:
            out.print(f"vendor {vendor} has no contract to end")
    is_obeyed = all(one["facts"]["workers"]["complete"] for one in found)
    raise typer.Exit(0 if is_obeyed else EXIT_FAILED)


def offboarding(
    vendor: Annotated[str | None, typer.Argument(help="Vendor id; else all.")] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JSONOption = False,
) -> None:
    """How far the ends of contracts have come, and what is due."""
    found = open_office(config).offboarding().listing(vendor)
    if as_json:
        print_json({"items": found})
        return
    for one in found:
        told = ", ".join(f"{made['kind']} {made['day']}" for made in one["notices"])
        invitation = one["closing_invitation"] or {"status": "none", "proposal": "-"}
        out.print(
            f"{one['contract']} ({one['vendor']}): {one['step']}, ended {one['ended_at']},"
            f" certificate due {one['due_at']}; {told or 'no notices'}; closing invitation"
            f" {invitation['status']} (proposal {invitation['proposal']})",
            soft_wrap=True,
        )
    if not found:
        out.print("no contract has been ended")


def certificate(
    contract: Annotated[str, typer.Argument(help="Contract id.")],
    accept: Annotated[bool, typer.Option("--accept", help="Close the contract for good.")] = False,
    contest: Annotated[
        str | None, typer.Option("--contest", help="Why the vendor has to file another.")
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JSONOption = False,
) -> None:
    """Show the destruction certificates of a contract; accept or contest the one that waits."""
    desk = open_office(config).offboarding()
    if accept and contest is not None:
        raise typer.BadParameter("either --accept or --contest REASON")
    if accept:
        desk.accept(contract, actor=actor())
    elif contest is not None:
        desk.contest(contract, reason=contest, actor=actor())
    found = desk.one(contract)
    if as_json:
        print_json(found)
        return
    for filed in found["certificates"]:
        out.print(
            f"{filed['id']}: {filed['status']}, filed {filed['filed_at']},"
            f" document {filed['document_sha256']}",
            soft_wrap=True,
        )
    missing = found["missing"]
    out.print(
        f"{contract}: {found['step']}, contract {found['contract_status']};"
        f" missing {missing['recordings']['count']} recordings,"
        f" {missing['records']['count']} call records",
        soft_wrap=True,
    )


def report(
    contract: Annotated[str, typer.Argument(help="Contract id.")],
    to: Annotated[Path, typer.Option("--out", help="Directory for the four files.")],
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Write the newest signed report of a contract's end: JSON and PDF with their signatures."""
    files = open_office(config).offboarding().report(contract).files()
    to.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (to / name).write_bytes(content)
        out.print(str(to / name), soft_wrap=True)


def sub_processor(
    vendor: VendorArgument,
    sub_processor_id: Annotated[str, typer.Argument(help="Its id: lower case, hyphens.")],
    contract: ContractOption,
    name: Annotated[str, typer.Option("--name", help="Its name.")],
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Put a sub-processor on record: the destruction certificate will have to name it."""
    open_office(config).offboarding().add_sub_processor(
        vendor, contract, sub_processor_id, name=name, actor=actor()
    )
    out.print(f"{sub_processor_id} is on record under {contract}")


@reports.callback()
def report_commands() -> None:
    """Reports of vendors, and our own signed ones of contract ends."""


@reports.command("verify")
def verify(
    file: Annotated[Path, typer.Argument(help="report.json or report.pdf; FILE.jws beside it.")],
    key: Annotated[
        Path | None, typer.Option("--key", help="The public key; else the installation's.")
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Check a report against its signature; exit code 1 when it is not what was signed."""
    if key is None:
        settings = load_settings(config)
        key = settings.resolve(settings.offboarding.report_key)
    signature = file.with_name(f"{file.name}.jws").read_text()
    verify_detached(read_report_key(key.read_bytes()), file.read_bytes(), signature)
    out.print(f"{file.name}: signed by the key in {key.name}, unchanged", soft_wrap=True)


@reports.command("init")
def init(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Make the key pair that signs reports, where there is none."""
    settings = load_settings(config)
    path = settings.resolve(settings.offboarding.report_signing)
    if path.exists():
        complain(f"{path} is there already")
        raise typer.Exit(EXIT_FAILED)
    write_private_file(path, new_report_key())
    write_report_key(settings)
    out.print(str(settings.resolve(settings.offboarding.report_key)), soft_wrap=True)


def _tell(one: dict[str, Any]) -> None:
    facts = one["facts"]
    workers, held = facts["workers"], facts["inventory"]
    took = workers["milliseconds"]
    out.print(
        f"{one['contract']}: ended {one['ended_at']} ({one['cause']}),"
        f" {len(facts['end']['certificates'])} certificates revoked,"
        f" {facts['end']['cases_recalled']} cases recalled,"
        f" {workers['acknowledged']} of {workers['workers']} workers acknowledged"
        + ("" if took is None else f" after {took} ms"),
        soft_wrap=True,
    )
    out.print(
        f"  the vendor still holds {held['cases']} cases (inventory {held['sha256'][:16]}…);"
        f" destruction certificate due {one['due_at']}",
        soft_wrap=True,
    )
    if not workers["complete"]:
        out.print("  A worker that has not heard refuses everybody 5 s after it last heard.")
    if one["step"] == "requested" and not one["closing_credentials"]:
        out.print(f"  Now invite its closing credential: {one['vendor']}, {one['contract']}")
