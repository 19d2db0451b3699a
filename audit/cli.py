"""The command casegate-audit: what an auditor runs, on a machine of their own."""

import base64
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from audit.checkpoint import Checkpoint
from audit.directory import verify_directory
from audit.errors import AuditError, NoteError, TamperedError, UnverifiableError
from audit.export.check import verify_export
from audit.export.source import ExportSource, read_manifest
from audit.http_source import HTTPSource
from audit.inspection import describe
from audit.note import SignedNote
from audit.policy import MAX_POLICY_BYTES, TrustPolicy
from audit.tile_source import (
    MAX_NOTE_BYTES,
    DirectorySource,
    TileSource,
    read_note,
)
from audit.tile_tree import TileTree
from audit.timestamp import TimeBound, TimestampVerifier
from audit.timestamp_authority import TokenVerifier
from audit.tlog_proof import MAX_PROOF_BYTES, SUFFIX, TlogProof
from audit.witness.cli import add_commands
from audit.zip_source import ZipSource

TAMPERED = 1
CANNOT_TELL = 2

application = typer.Typer(
    help="Look into and verify a Casegate audit log, offline.",
    no_args_is_help=True,
    add_completion=False,
)
add_commands(application)

_WHERE = "The published log: a directory, a zip, or the http(s) URL of one."
_MAX_CERTIFICATES_BYTES = 1_000_000

LogOption = Annotated[str, typer.Option("--log", help=_WHERE)]


@application.command()
def verify(
    log: Annotated[str, typer.Argument(help=_WHERE)],
    policy: Annotated[
        Path,
        typer.Option(help="Trust policy: keys and quorum, got by another way than the log."),
    ],
    receipts: Annotated[
        Path | None,
        typer.Option(help=f"Directory of {SUFFIX} files that the log must still hold."),
    ] = None,
    old_checkpoint: Annotated[
        list[Path] | None,
        typer.Option(help="A checkpoint that the log must extend. Repeatable."),
    ] = None,
    tsa_cert: Annotated[
        Path | None,
        typer.Option(help="PEM of a time-stamping authority's root: check the log's tokens."),
    ] = None,
    workers: Annotated[int, typer.Option(help="Processes that hash; 0 is one a core.", min=0)] = 0,
) -> None:
    """Recompute a whole log from its entries and hold it to its policy.

    Exit status: 0 verified; 1 tampered, saying which entry and how; 2 cannot tell, because
    something is missing or too few witnesses cosigned.
    """
    with _verdict(), _opened(log) as source, _progress() as progress:
        authority = _read_authority(tsa_cert)
        task = progress.add_task("entries", total=None)
        lines = _verify(
            source,
            _read_policy(policy),
            receipts=_read_receipts(receipts),
            old_checkpoints={
                str(path): _read_text(path, MAX_NOTE_BYTES) for path in old_checkpoint or ()
            },
            authority=authority,
            workers=workers or os.cpu_count() or 1,
            progress=lambda done, total: progress.update(task, completed=done, total=total),
        )
    typer.echo("\n".join(lines))


@application.command()
def prove(
    index: Annotated[int, typer.Argument(help="Index of the entry.", min=0)],
    log: LogOption,
) -> None:
    """Print a receipt for one entry, a .tlog-proof, from the log's tiles.

    The receipt is checked against the checkpoint's root, but no signature is: its reader
    does that, with a policy of their own.
    """
    with _verdict(), _opened(log) as source:
        note = read_note(source)
        checkpoint = Checkpoint.from_body(SignedNote.from_text(note).body)
        tree = TileTree(source, checkpoint.size)
        proof = TlogProof(index, tuple(tree.inclusion_proof(index)), note)
        proof.verify_root(tree.leaf(index))
        _print_text(proof.to_text())


@application.command()
def consistency(
    old: Annotated[int, typer.Argument(help="The smaller size.", min=0)],
    new: Annotated[int, typer.Argument(help="The larger size.", min=0)],
    log: LogOption,
) -> None:
    """Print the hashes which prove that a log only grew between two sizes, in base64."""
    with _verdict(), _opened(log) as source:
        size = Checkpoint.from_body(SignedNote.from_text(read_note(source)).body).size
        if new > size:
            raise UnverifiableError("the log is smaller than that")
        for value in TileTree(source, new).consistency_proof(old):
            typer.echo(base64.b64encode(value).decode("ascii"))


@application.command()
def inspect(
    file: Annotated[
        Path, typer.Argument(help=f"A checkpoint or a {SUFFIX}.", exists=True, dir_okay=False)
    ],
    vkey: Annotated[
        list[str] | None,
        typer.Option(help="A log's verifier key, got by another way than the file. Repeatable."),
    ] = None,
    policy: Annotated[Path | None, typer.Option(help="A trust policy, instead of keys.")] = None,
) -> None:
    """Print a checkpoint or a receipt and, given --vkey or --policy, check it.

    Exit status: 0 sound (or unchecked, which is said), 1 not.
    """
    try:
        trust = None if policy is None else _read_policy(policy)
        text = _read_text(file, MAX_PROOF_BYTES)
        for line in describe(text, vkey or [], trust):
            typer.echo(line)
    except AuditError as error:
        typer.echo(f"NOT VALID: {error}", err=True)
        raise typer.Exit(1) from error


def main() -> None:
    """Run the command line."""
    application()


@contextmanager
def _verdict() -> Iterator[None]:
    """Turn the room's errors into the exit statuses of the commands."""
    try:
        yield
    except TamperedError as error:
        typer.echo(f"TAMPERED: {error}", err=True)
        raise typer.Exit(TAMPERED) from error
    except AuditError as error:
        typer.echo(f"CANNOT TELL: {error}", err=True)
        raise typer.Exit(CANNOT_TELL) from error


def _progress() -> Progress:
    console = Console(stderr=True)
    return Progress(
        TextColumn("hashed"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


@contextmanager
def _opened(place: str) -> Iterator[TileSource]:
    if place.startswith(("http://", "https://")):
        with closing(HTTPSource(place)) as source:
            yield source
    else:
        path = Path(place)
        yield DirectorySource(path) if path.is_dir() else ZipSource(path)


def _read_authority(path: Path | None) -> TokenVerifier | None:
    return None if path is None else TokenVerifier(_read_file(path, _MAX_CERTIFICATES_BYTES))


def _describe_times(times: Sequence[TimeBound], authority: TimestampVerifier | None) -> str:
    if authority is None:
        return "not checked: no --tsa-cert was given"
    if not times:
        return "by nobody: no token was found"
    newest = times[-1]
    at = newest.at.isoformat(timespec="seconds")
    return f"the first {newest.size} entries existed by {at} ({len(times)} tokens)"


def _verify(
    source: TileSource,
    policy: TrustPolicy,
    *,
    receipts: dict[str, str],
    old_checkpoints: dict[str, str],
    authority: TimestampVerifier | None,
    workers: int,
    progress: Callable[[int, int], None],
) -> list[str]:
    """Verify a log or an export of one; what holds, in lines."""
    held = f"held to     {len(old_checkpoints)} old checkpoints, {len(receipts)} receipts"
    manifest = read_manifest(source)
    if manifest is not None:
        if not isinstance(source, ExportSource):
            raise UnverifiableError("an export is verified as a directory or a zip: fetch it")
        export = verify_export(
            source,
            policy,
            manifest,
            receipts=receipts,
            old_checkpoints=old_checkpoints,
            timestamps=authority,
            workers=workers,
            progress=progress,
        )
        times = _describe_times(export.times, authority)
        return [*export.lines(), held, f"timestamped {times}"]
    report = verify_directory(
        source,
        policy,
        receipts=receipts,
        old_checkpoints=old_checkpoints,
        timestamps=authority,
        workers=workers,
        progress=progress,
    )
    checkpoint = report.trusted.checkpoint
    return [
        f"verified: {report.entries} entries of {checkpoint.origin}",
        f"root hash   {checkpoint.root.hex()}",
        f"recomputed  {report.bundles} bundles, {report.tiles} tiles",
        f"cosigned    {', '.join(report.trusted.witnesses) or 'by nobody; none is asked for'}",
        held,
        f"timestamped {_describe_times(report.times, authority)}",
    ]


def _read_policy(path: Path) -> TrustPolicy:
    return TrustPolicy.from_text(_read_text(path, MAX_POLICY_BYTES))


def _read_receipts(directory: Path | None) -> dict[str, str]:
    if directory is None:
        return {}
    if not directory.is_dir():
        raise UnverifiableError("the directory of receipts is not there")
    paths = sorted(directory.glob(f"*{SUFFIX}"))
    if not paths:
        raise UnverifiableError(f"the directory of receipts holds no {SUFFIX}")
    return {path.name: _read_text(path, MAX_PROOF_BYTES) for path in paths}


def _read_text(path: Path, limit: int) -> str:
    """A file's text, with its line ends as they are: they are part of what was signed."""
    try:
        return _read_file(path, limit).decode()
    except UnicodeDecodeError as error:
        raise NoteError(f"{path.name} is not UTF-8 text") from error


def _read_file(path: Path, limit: int) -> bytes:
    path = path.resolve()
    data = DirectorySource(path.parent).read(path.name, limit)
    if data is None:
        raise UnverifiableError(f"missing: {path.name}")
    return data


def _print_text(text: str) -> None:
    # Not echo: its text layer would turn line ends into the platform's, and the dash of the
    # signature lines into whatever the terminal can show.
    stream = typer.get_binary_stream("stdout")
    stream.write(text.encode())
    stream.flush()
