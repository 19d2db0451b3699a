"""`casegate script …`: what agents say, in versions, of which one is in use."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.agents import CursorOption, LimitOption, tell_rest
from gateway.cli.console import (
    DEFAULT_CONFIG,
    ConfigOption,
    JSONOption,
    actor,
    open_office,
    out,
    print_json,
)
from gateway.people.scripts import ScriptContent
from policies.contact.model import Channel

app = typer.Typer(help="Scripts and their versions.", no_args_is_help=True)

ScriptArgument = Annotated[str, typer.Argument(help="Script id.")]
VersionArgument = Annotated[int, typer.Argument(help="Which version.", min=1)]


@app.callback()
def scripts() -> None:
    """Scripts and their versions."""


@app.command("list")
def list_(
    script: Annotated[str | None, typer.Option("--script", help="Of this one alone.")] = None,
    status: Annotated[str | None, typer.Option("--status", help="As active.")] = None,
    cursor: CursorOption = None,
    limit: LimitOption = 100,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JSONOption = False,
) -> None:
    """Show versions, without their texts."""
    page = (
        open_office(config)
        .people()
        .scripts(script_id=script, status=status, cursor=cursor, limit=limit)
    )
    if as_json:
        print_json(page.document())
        return
    for one in page.items:
        out.print(
            f"{one['script_id']}  {one['version']}  {one['status']}  {one['channel']}"
            f"  {one['segment']}  {one['language']}",
            soft_wrap=True,
        )
    tell_rest(page)


@app.command("show")
def show(
    script: ScriptArgument,
    version: VersionArgument,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JSONOption = False,
) -> None:
    """Show one version with its text."""
    found = open_office(config).people().script(script, version)
    if as_json:
        print_json(found)
        return
    _tell(found, as_json=False)
    out.print(str(found["text"]), markup=False, soft_wrap=True)


@app.command("draft")
def draft(
    script: ScriptArgument,
    text: Annotated[
        Path, typer.Option("--text", help="UTF-8; lines as [RECORDING] … open passages.")
    ],
    segment: Annotated[str, typer.Option("--segment", help="For which customers or debts.")],
    channel: Annotated[Channel, typer.Option("--channel")] = Channel.VOICE_HUMAN,
    language: Annotated[str, typer.Option("--language")] = "zh-CN",
    forbidden: Annotated[
        Path | None, typer.Option("--forbidden", help="Terms never to be said, one a line.")
    ] = None,
    valid_to: Annotated[
        str | None,
        typer.Option("--valid-to", help="From when on it may not be used, as RFC 3339."),
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JSONOption = False,
) -> None:
    """Keep a draft: the script's next version, or in place of its draft."""
    terms = () if forbidden is None else tuple(filter(None, _read(forbidden).splitlines()))
    content = ScriptContent(
        channel,
        segment,
        language,
        _read(text),
        forbidden_terms=terms,
        valid_to=_moment(valid_to),
    )
    _tell(open_office(config).people().draft(script, content, actor=actor()), as_json=as_json)


@app.command("submit")
def submit(
    script: ScriptArgument,
    version: VersionArgument,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JSONOption = False,
) -> None:
    """Hand a draft in for approval by a second person, of compliance."""
    proposal = open_office(config).people().submit(script, version, actor=actor())
    if as_json:
        print_json({"proposal_id": proposal})
        return
    out.print(
        "Another person, of compliance, approves it with\n"
        f"  casegate proposals approve {proposal}\n"
        f"Then: casegate script activate {script} {version}",
        soft_wrap=True,
    )


@app.command("activate")
def activate(
    script: ScriptArgument,
    version: VersionArgument,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JSONOption = False,
) -> None:
    """Put an approved version in use at once; agents have to acknowledge it."""
    found = open_office(config).people().activate(script, version, actor=actor())
    _tell(found, as_json=as_json)


@app.command("withdraw")
def withdraw(
    script: ScriptArgument,
    version: VersionArgument,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JSONOption = False,
) -> None:
    """Take a version out of use at once; vendors hear of it."""
    found = open_office(config).people().withdraw(script, version, actor=actor())
    _tell(found, as_json=as_json)


def _tell(found: dict[str, object], *, as_json: bool) -> None:
    if as_json:
        print_json(found)
    else:
        out.print(f"version {found['version']} of script {found['script_id']}: {found['status']}")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise typer.BadParameter(f"{path} is not UTF-8") from error


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(
            "write 2026-12-31T18:00:00+08:00", param_hint="--valid-to"
        ) from error
    if moment.tzinfo is None:
        raise typer.BadParameter("name the time zone, as +08:00", param_hint="--valid-to")
    return moment
