"""`casegate policy …`: files read, tested, compared, described."""

import string
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.console import (
    DEFAULT_CONFIG,
    ConfigOption,
    JSONOption,
    complain,
    open_office,
    out,
    print_json,
)
from gateway.installation import policies_directory
from gateway.settings import load_settings
from policies.difference import Change, Direction, policy_changes
from policies.fields import load_field_catalog
from policies.library import policy_files, read_library, read_text
from policies.load import LoadedPolicy, load_bundle, read_policy
from policies.model import VendorPolicy
from policies.parameters import read_parameters, unset_parameters
from policies.schema import policy_schema
from policies.tables import run_policy_table

app = typer.Typer(help="Vendor policies.", no_args_is_help=True)
EXIT_FAILED = 1
NONE = "none"
_SHORTEST_DIGEST = 8

DirectoryArgument = Annotated[
    Path | None, typer.Argument(help="Policy files; else those of the installation.")
]


@app.callback()
def policies() -> None:
    """Vendor policies."""


@app.command("check")
def check(
    directory: DirectoryArgument = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JSONOption = False,
) -> None:
    """Read all policies with contracts and law packs; errors name file, line and the way out."""
    place = _place(directory, config)
    bundle = load_bundle(place)
    unset = unset_parameters(read_parameters(place))
    if as_json:
        found = [
            {
                "policy": policy.policy_id,
                "vendor": policy.vendor,
                "contract": policy.contract,
                "digest": policy.digest,
                "fields": {scope.stage.value: len(scope.rules) for scope in policy.scopes},
            }
            for policy in bundle
        ]
        print_json({"digest": bundle.digest, "policies": found, "unset_parameters": list(unset)})
        return
    for policy in bundle:
        scopes = ", ".join(f"{scope.stage.value} {len(scope.rules)}" for scope in policy.scopes)
        out.print(
            f"{policy.policy_id}: {policy.vendor} / {policy.contract}: fields {scopes},"
            f" digest {policy.digest[:16]}…",
            soft_wrap=True,
        )
    out.print(f"{len(bundle)} policies, bundle {bundle.digest[:16]}…")
    if unset:
        out.print(f"undecided, so that none can be activated: {', '.join(unset)}", soft_wrap=True)


@app.command("schema")
def schema() -> None:
    """Print the JSON Schema of a vendor's file, for editors."""
    print_json(policy_schema(load_field_catalog()))


@app.command("test")
def run_tables(
    directory: DirectoryArgument = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JSONOption = False,
) -> None:
    """Run the tables of `examples/` (*_test.yaml); exit code 1 when a row does not hold."""
    place = _place(directory, config)
    bundle = load_bundle(place)
    examples = place.joinpath("examples")
    tables = list(policy_files(examples)) if examples.is_dir() else []
    failures = [failure for table in tables for failure in run_policy_table(table, bundle)]
    if as_json:
        print_json({"tables": [table.name for table in tables], "failures": failures})
    else:
        for failure in failures:
            complain(failure)
        out.print(f"{len(tables)} tables, {len(failures)} failures")
    raise typer.Exit(EXIT_FAILED if failures else 0)


@app.command("diff")
def diff(
    old: Annotated[str, typer.Argument(help="A file, a digest, or `none`.")],
    new: Annotated[str, typer.Argument(help="A file, a digest, or `none`.")],
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JSONOption = False,
) -> None:
    """What a vendor would see more (+), less (-) or otherwise (~) under another policy."""
    catalog = load_field_catalog()
    changes = policy_changes(_policy(old, config), _policy(new, config), catalog)
    tell_changes(changes, as_json=as_json)


def tell_changes(changes: list[Change], *, as_json: bool) -> None:
    """Prints the changes of a policy, one a line."""
    if as_json:
        print_json(
            [
                {
                    "what": each.what,
                    "before": each.before,
                    "after": each.after,
                    "direction": each.direction.value,
                }
                for each in changes
            ]
        )
        return
    signs = {Direction.WIDER: "+", Direction.NARROWER: "-", Direction.OTHER: "~"}
    for each in changes:
        out.print(
            f"{signs[each.direction]} {each.what}: {each.before} -> {each.after}",
            soft_wrap=True,
            markup=False,
        )
    if not changes:
        out.print("no difference")


def read_named_policy(name: str, config: Path) -> LoadedPolicy:
    """A policy by the path of its file, or by the digest of one that was ever proposed.

    Raises:
        PolicyError: the file is wrong.
        NotFoundError: nothing was ever proposed with this digest.
    """
    path = Path(name)
    is_digest = len(name) >= _SHORTEST_DIGEST and set(name) <= set(string.hexdigits.lower())
    if is_digest and not path.exists():
        return open_office(config).scopes().loaded(name)
    folder = path.parent.parent if path.parent.name == "vendors" else path.parent
    library = read_library(folder, load_field_catalog())
    return read_policy(read_text(path, path.name), path.name, library)


def _policy(name: str, config: Path) -> VendorPolicy | None:
    return None if name == NONE else read_named_policy(name, config).policy


def _place(directory: Path | None, config: Path) -> Traversable:
    return directory if directory is not None else policies_directory(load_settings(config))
