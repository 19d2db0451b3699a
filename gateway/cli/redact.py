"""`casegate redact`: notes as NDJSON in, the same without personal data out, line by line."""

import sys
from typing import Annotated

import typer

from gateway.cli.console import complain
from gateway.redaction.spans import EntityType

_ANNOUNCE_EVERY = 1_000
EXIT_SOME_FAILED = 1
EXIT_WRONG_USE = 2

TypesOption = Annotated[
    str | None,
    typer.Option("--types", help="Only these, with commas between: PERSON,PHONE,…"),
]
NamesOption = Annotated[
    bool, typer.Option("--names/--no-names", help="Look for names, addresses and firms too.")
]


def add_to(app: typer.Typer) -> None:
    """Registers the command."""
    app.command("redact")(redact)


def redact(types: TypesOption = None, names: NamesOption = True) -> None:
    """Read {"text": …, "known": {…}} lines on stdin; write {"text": …, "spans": […]} lines."""
    wanted = _parse_types(types)
    # Presidio takes a second to import, the tables a quarter: no other command should wait.
    from gateway.redaction.engine import build_engine  # noqa: PLC0415
    from gateway.redaction.lines import read_lines, redact_line  # noqa: PLC0415

    engine = build_engine(names=names)
    failed = number = 0
    shows_progress = sys.stderr.isatty()
    for number, line in enumerate(read_lines(sys.stdin.buffer), start=1):
        answer, is_done = redact_line(engine, line, number, wanted)
        failed += not is_done
        sys.stdout.buffer.write(answer)
        sys.stdout.buffer.flush()
        if shows_progress and number % _ANNOUNCE_EVERY == 0:
            sys.stderr.write(f"\r{number:,} lines")
    if shows_progress and number >= _ANNOUNCE_EVERY:
        sys.stderr.write("\n")
    if failed:
        complain(f"{failed} of {number} lines could not be redacted; each has its error in place")
        raise typer.Exit(EXIT_SOME_FAILED)


def _parse_types(types: str | None) -> frozenset[EntityType]:
    if types is None:
        return frozenset(EntityType)
    try:
        return frozenset(
            EntityType(one.strip().upper()) for one in types.split(",") if one.strip()
        )
    except ValueError:
        complain(f"--types takes a list of {', '.join(EntityType)}")
        raise typer.Exit(EXIT_WRONG_USE) from None
