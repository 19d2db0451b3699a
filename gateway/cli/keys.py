"""`casegate keys …`."""

from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from gateway.cli.console import (
    DEFAULT_CONFIG,
    ConfigOption,
    JSONOption,
    actor,
    err,
    open_office,
    out,
    print_json,
)
from gateway.key_office import KeyOffice
from gateway.operations.key_status import KeyStanding, KeyState
from gateway.operations.rotation import KeyPurpose

app = typer.Typer(help="Keys: age, rotation, re-wrapping.", no_args_is_help=True)
EXIT_OVERDUE = 1
EXIT_LEFT = 1

PurposeArgument = Annotated[KeyPurpose, typer.Argument(help="Which key.")]


@app.callback()
def keys() -> None:
    """Keys."""


@app.command("status")
def status(config: ConfigOption = DEFAULT_CONFIG, as_json: JSONOption = False) -> None:
    """Show age and next rotation of each key; exit code 1 when one is overdue."""
    office = _open(config)
    standings = office.status()
    now = office.clock.now()
    if as_json:
        print_json([standing.document(now) for standing in standings])
    else:
        table = Table("key", "id", "use", "age", "due", "state", box=None)
        for standing in standings:
            content = standing.document(now)
            age = content["age_days"]
            table.add_row(
                standing.purpose,
                standing.key_id,
                standing.use.value,
                "" if age is None else f"{age} d",
                _day(standing),
                standing.state.value,
            )
        out.print(table)
    is_overdue = any(standing.state is KeyState.OVERDUE for standing in standings)
    raise typer.Exit(EXIT_OVERDUE if is_overdue else 0)


@app.command("rotate")
def rotate(
    purpose: PurposeArgument,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JSONOption = False,
) -> None:
    """Put a new key into use while everything runs; the old one stays known until it retires."""
    rotation = _open(config).rotate(purpose, actor=actor())
    if as_json:
        print_json(rotation.document())
        return
    out.print(
        f"{purpose} key {rotation.key_id} in use by {rotation.workers} workers,"
        f" log entry {rotation.log_index}",
        soft_wrap=True,
    )
    out.print(f"Later: {_following(purpose, rotation.previous_id)}", soft_wrap=True)


@app.command("rewrap")
def rewrap(config: ConfigOption = DEFAULT_CONFIG, as_json: JSONOption = False) -> None:
    """Hang every case on the present key-encryption key; may be interrupted and run again."""
    office = _open(config)
    with Progress(
        TextColumn("re-wrapping"), BarColumn(), MofNCompleteColumn(), console=err, transient=True
    ) as bar:
        task = bar.add_task("rewrap", total=None)
        done = office.rewrap(
            actor=actor(),
            progress=lambda cases, total: bar.update(task, completed=cases, total=total),
        )
    if as_json:
        print_json(done.document())
    else:
        out.print(
            f"{done.cases} cases re-wrapped by key {done.key_id}, {done.left} left,"
            f" log entry {done.log_index}",
            soft_wrap=True,
        )
    raise typer.Exit(EXIT_LEFT if done.left else 0)


@app.command("retire")
def retire(
    purpose: PurposeArgument,
    key_id: Annotated[str, typer.Option("--key", help="A retiring key's id, as status shows.")],
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JSONOption = False,
) -> None:
    """Forget a key that has rotated out; refused while anything needs it."""
    index = _open(config).retire(purpose, key_id, actor=actor())
    if as_json:
        print_json({"purpose": purpose.value, "retired": key_id, "log_index": index})
    else:
        out.print(f"{purpose} key {key_id} has retired, log entry {index}", soft_wrap=True)


def _open(config: ConfigOption) -> KeyOffice:
    office = open_office(config)
    return KeyOffice(office.database, office.clock)


def _day(standing: KeyStanding) -> str:
    return "never" if standing.due_at is None else standing.due_at.date().isoformat()


def _following(purpose: KeyPurpose, previous: str) -> str:
    retire_it = f"casegate keys retire {purpose} --key {previous}"
    return f"casegate keys rewrap, then {retire_it}" if purpose is KeyPurpose.KEK else retire_it
