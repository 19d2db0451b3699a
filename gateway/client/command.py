"""The command `casegate-vendor`. Exit codes: 0 done, 1 refused or failed, 2 wrong use."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated

import orjson
import typer

from gateway.client.cases import pull_cases, write_csv, write_ndjson
from gateway.client.changes import follow_changes, read_changes
from gateway.client.configuration import load_client_settings
from gateway.client.connection import Connection
from gateway.client.errors import ClientError, RefusedError
from gateway.client.permits import (
    CallWish,
    ask_permit,
    close_permit,
    give_back_permit,
    show_permit,
)
from gateway.client.records import BATCH_ROWS, send_records
from gateway.client.renewal import finish_renewal, renew, standing
from gateway.client.uploads import RecordingFile, upload_recording
from gateway.clock import SystemClock

EXIT_FAILED = 1
app = typer.Typer(
    name="casegate-vendor",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    add_completion=False,
)
permits = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
app.add_typer(permits, name="permit", help="Permits: asked before each dial, closed after it.")

ConfigOption = Annotated[
    Path, typer.Option("--config", envvar="CASEGATE_VENDOR_CONFIG", help="The settings, TOML.")
]
DEFAULT_CONFIG = Path("casegate-vendor.toml")


@app.callback()
def casegate_vendor() -> None:
    """A collection vendor's side of the gateway."""


@app.command("pull")
def pull(
    file: Annotated[Path, typer.Argument(help="Takes the cases: .ndjson or .csv.")],
    config: ConfigOption = DEFAULT_CONFIG,
    assignment: Annotated[str | None, typer.Option(help="Only this batch of cases.")] = None,
) -> None:
    """Pull all cases that are yours now, masked, into a file."""
    if file.suffix not in {".ndjson", ".csv"}:
        raise typer.BadParameter("name it .ndjson or .csv", param_hint="FILE")
    write = write_csv if file.suffix == ".csv" else write_ndjson
    with _connected(config) as connection:
        cases = pull_cases(connection, assignment=assignment)
        number = write(cases, file, lambda done: _progress(f"{done} cases"))
    _say({"cases": number, "file": str(file)})


@permits.command("ask")
def ask(  # noqa: PLR0913, PLR0917  # typer: a parameter an option
    case: Annotated[str, typer.Option(help="The case's reference.")],
    agent: Annotated[str, typer.Option(help="The agent's reference.")],
    script: Annotated[str, typer.Option(help="The script that will be followed.")],
    version: Annotated[int, typer.Option(help="Its version.")],
    caller: Annotated[str, typer.Option(help="The number that the customer will see, E.164.")],
    config: ConfigOption = DEFAULT_CONFIG,
    point: Annotated[str, typer.Option(help="mobile, home or related.")] = "mobile",
    reason: Annotated[str | None, typer.Option(help="Why outside of the usual hours.")] = None,
    key: Annotated[str | None, typer.Option(help="Idempotency key of your own.")] = None,
) -> None:
    """Ask for one call; a refusal is printed with its rules, with exit code 1."""
    wish = CallWish(case, agent, script, version, caller, point, reason)
    with _connected(config) as connection:
        try:
            _say(ask_permit(connection, wish, repeat_key=key))
        except RefusedError as error:
            if "codes" not in error.document:
                raise
            _say(error.document)
            raise typer.Exit(EXIT_FAILED) from error


@permits.command("close")
def close(permit_id: str, result_code: str, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Say how the call went, by its result code."""
    with _connected(config) as connection:
        _say(close_permit(connection, permit_id, result_code))


@permits.command("show")
def show(permit_id: str, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Show how a permit stands."""
    with _connected(config) as connection:
        _say(show_permit(connection, permit_id))


@permits.command("give-back")
def give_back(permit_id: str, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Give back a permit that was not used."""
    with _connected(config) as connection:
        give_back_permit(connection, permit_id)


@app.command("records")
def records(
    file: Annotated[Path, typer.Argument(exists=True, help=".ndjson, .json or .csv.")],
    config: ConfigOption = DEFAULT_CONFIG,
    batch: Annotated[int, typer.Option(help="Rows a batch, of NDJSON.")] = BATCH_ROWS,
) -> None:
    """Send call records; rejected rows are printed one a line, with exit code 1."""
    with _connected(config) as connection:
        sent = send_records(
            connection, file, batch=batch, progress=lambda rows: _progress(f"{rows} rows")
        )
    for row in sent.rejected:
        _say(row)
    _complain(
        f"{sent.accepted} accepted, {sent.duplicates} sent before, {len(sent.rejected)} rejected;"
        f" receipts: {', '.join(sent.receipts)}"
    )
    if sent.rejected:
        raise typer.Exit(EXIT_FAILED)


@app.command("upload")
def upload(
    file: Annotated[Path, typer.Argument(exists=True, help="wav, mp3, ogg, opus or amr.")],
    call_id: Annotated[str, typer.Option(help="Your name for the call.")],
    started_at: Annotated[str, typer.Option(help="When it began, RFC 3339.")],
    ended_at: Annotated[str, typer.Option(help="When it ended.")],
    config: ConfigOption = DEFAULT_CONFIG,
    duration: Annotated[float | None, typer.Option(help="Seconds; of a WAV, its own.")] = None,
    without_notice: Annotated[  # noqa: FBT002  # an option
        bool, typer.Option("--without-notice", help="Nobody was told of the recording.")
    ] = False,
) -> None:
    """Upload a recording; run again after a break, it goes on where it stopped."""
    times = _moment("--started-at", started_at), _moment("--ended-at", ended_at)
    recording = RecordingFile(file, call_id, *times, duration, not without_notice)
    with _connected(config) as connection:
        recording_id = upload_recording(
            connection,
            recording,
            progress=lambda done, size: _progress(f"{done:,} of {size:,} bytes"),
        )
    _say({"recording_id": recording_id})


@app.command("changes")
def changes(
    config: ConfigOption = DEFAULT_CONFIG,
    cursor_file: Annotated[
        Path | None, typer.Option(help="Keeps where you are; begins there, if it exists.")
    ] = None,
    follow: Annotated[  # noqa: FBT002  # an option
        bool, typer.Option("--follow", help="Go on as changes come.")
    ] = False,
) -> None:
    """Print what has changed for you, one change a line."""
    is_begun = cursor_file is not None and cursor_file.exists()
    begin = cursor_file.read_text().strip() if cursor_file is not None and is_begun else None
    with _connected(config) as connection:
        found = follow_changes(connection, begin) if follow else read_changes(connection, begin)
        last = begin
        for cursor, change in found:
            # A page's cursor is kept once its last change has been printed.
            if last is not None and cursor != last:
                _keep(cursor_file, last)
            _say(change)
            last = cursor
            if follow:
                _keep(cursor_file, cursor)
        if last is not None:
            _keep(cursor_file, last)


@app.command("renew")
def renew_certificate(
    config: ConfigOption = DEFAULT_CONFIG,
    when_days_left: Annotated[
        int | None, typer.Option(help="Only if fewer days are left; for a daily job.")
    ] = None,
) -> None:
    """Renew the client certificate, with a new key that is made here."""
    with _connected(config) as connection:
        present = standing(connection.settings)
        left = present.days_left(SystemClock().now())
        is_due = when_days_left is None or left < when_days_left
        now = renew(connection) if is_due else present
    _say({"renewed": is_due, "serial": now.serial, "not_after": now.not_after.isoformat()})


def main() -> None:
    """Runs a command."""
    try:
        app()
    except ClientError as error:
        _complain(str(error))
        sys.exit(EXIT_FAILED)
    except OSError as error:
        what = "a file" if error.filename is None else str(error.filename)
        _complain(f"{what} cannot be used ({error.strerror})")
        sys.exit(EXIT_FAILED)
    except KeyboardInterrupt:
        sys.exit(EXIT_FAILED)


@contextmanager
def _connected(config: Path) -> Iterator[Connection]:
    settings = load_client_settings(config)
    finish_renewal(settings)
    connection = Connection(settings)
    try:
        yield connection
    finally:
        connection.close()


def _moment(option: str, text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter("write it as 2026-11-24T10:02:40+08:00", param_hint=option) from (
            error
        )
    if moment.tzinfo is None:
        raise typer.BadParameter("the zone is missing, as +08:00", param_hint=option)
    return moment


def _say(content: object) -> None:
    sys.stdout.buffer.write(orjson.dumps(content) + b"\n")
    sys.stdout.flush()


def _complain(sentence: str) -> None:
    sys.stderr.write(f"casegate-vendor: {sentence}\n")


def _progress(sentence: str) -> None:
    """One line that is written over, for a person who watches; nothing in a log."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{sentence}\x1b[K")
        sys.stderr.flush()


def _keep(path: Path | None, cursor: str) -> None:
    if path is not None:
        fresh = path.with_name(f"{path.name}.part")
        fresh.write_text(f"{cursor}\n")
        fresh.replace(path)
