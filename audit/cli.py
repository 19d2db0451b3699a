"""The command casegate-audit: what an auditor runs, on a machine of their own."""

from pathlib import Path
from typing import Annotated

import typer

from audit.checkpoint import Checkpoint
from audit.errors import AuditError, NoteError
from audit.note import Ed25519Verifier, SignedNote

application = typer.Typer(
    help="Look into and verify a Casegate audit log, offline.",
    no_args_is_help=True,
    add_completion=False,
)


@application.callback()
def _root() -> None:
    """Look into and verify a Casegate audit log, offline."""


@application.command()
def inspect(
    file: Annotated[
        Path, typer.Argument(help="A checkpoint: a signed note.", exists=True, dir_okay=False)
    ],
    vkey: Annotated[
        list[str] | None,
        typer.Option(help="A verifier key, got by another way than the file. Repeatable."),
    ] = None,
) -> None:
    """Print a checkpoint and, given --vkey, check its signature and origin.

    Exit status: 0 sound (or unchecked, which is said), 1 not.
    """
    try:
        _inspect(file, vkey or [])
    except (AuditError, UnicodeDecodeError) as error:
        typer.echo(f"NOT VALID: {error}", err=True)
        raise typer.Exit(1) from error


def main() -> None:
    """Run the command line."""
    application()


def _inspect(file: Path, vkeys: list[str]) -> None:
    # Bytes, not text mode: line ends are part of what was signed.
    note = SignedNote.from_text(file.read_bytes().decode("utf-8"))
    checkpoint = Checkpoint.from_body(note.body)
    typer.echo(f"origin      {checkpoint.origin}")
    typer.echo(f"size        {checkpoint.size}")
    typer.echo(f"root hash   {checkpoint.root.hex()}")
    verifiers = [Ed25519Verifier.from_text(text) for text in vkeys]
    known = {(verifier.name, verifier.key_id) for verifier in verifiers}
    for line in note.signatures:
        mark = "known key" if (line.name, line.key_id) in known else "unknown key, not checked"
        typer.echo(f"signature   {line.name} {line.key_id.hex()} ({mark})")
    if not verifiers:
        typer.echo("not checked: no --vkey was given")
        return
    if all(verifier.name != checkpoint.origin for verifier in verifiers):
        raise NoteError("no given key is named like the checkpoint's origin")
    note.verify(verifiers)
    typer.echo("valid: signed by a given key")
