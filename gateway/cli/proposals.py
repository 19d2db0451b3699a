"""`casegate proposals …`: who decides comes by the company API, with his own certificate."""

import http.client
import ssl
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit
from uuid import UUID

import orjson
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
from gateway.clock import rfc3339
from gateway.settings import load_settings

app = typer.Typer(help="What waits for a second person.", no_args_is_help=True)
EXIT_FAILED = 1
_SECONDS = 30

CertificateOption = Annotated[
    Path, typer.Option("--cert", help="PEM of your own staff certificate.")
]
KeyOption = Annotated[Path, typer.Option("--key", help="PEM of its private key.")]
AuthorityOption = Annotated[
    Path, typer.Option("--ca", help="PEM of the authority of the gateway's certificate.")
]
URLOption = Annotated[
    str | None, typer.Option("--url", help="The company API; else this host, by the settings.")
]
IDArgument = Annotated[UUID, typer.Argument(help="From: casegate proposals list.")]


@app.callback()
def proposals() -> None:
    """What waits for a second person."""


@app.command("list")
def list_(
    everything: Annotated[
        bool, typer.Option("--all", help="Those that are decided or expired too.")
    ] = False,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JSONOption = False,
) -> None:
    """Show proposals, newest first."""
    found = (
        open_office(config).onboarding().proposals(only_open=not everything, after=None, limit=200)
    )
    if as_json:
        print_json(found)
        return
    for one in found:
        subject = ", ".join(f"{name} {value}" for name, value in one.subject.items())
        out.print(
            f"{one.proposal_id}  {one.status}  {one.kind}: {subject}; proposed by"
            f" {one.proposed_by}, until {rfc3339(one.expires_at)}",
            soft_wrap=True,
        )
    if not found:
        out.print("Nothing waits for a second person.")


@app.command("approve")
def approve(
    proposal: IDArgument,
    cert: CertificateOption,
    key: KeyOption,
    ca: AuthorityOption,
    url: URLOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JSONOption = False,
) -> None:
    """Approve, as another person than the one who proposed."""
    decide_by_api("approve", proposal, (cert, key, ca), url, config=config, as_json=as_json)


@app.command("reject")
def reject(
    proposal: IDArgument,
    cert: CertificateOption,
    key: KeyOption,
    ca: AuthorityOption,
    url: URLOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JSONOption = False,
) -> None:
    """Reject, or withdraw what you proposed yourself."""
    decide_by_api("reject", proposal, (cert, key, ca), url, config=config, as_json=as_json)


def decide_by_api(
    word: str,
    proposal: UUID,
    pem: tuple[Path, Path, Path],
    url: str | None,
    *,
    config: Path,
    as_json: bool,
) -> None:
    """Approves or rejects through the company API and prints what became of it.

    `pem`: the person's certificate, its key, the authority of the gateway's certificate.
    """
    decided = _decide(_context(*pem), _base(url, config), proposal, word)
    _tell(decided, as_json=as_json)


def _context(cert: Path, key: Path, ca: Path) -> ssl.SSLContext:
    for path in (cert, key, ca):
        path.read_bytes()  # so that a missing file is named
    try:
        context = ssl.create_default_context(cafile=str(ca))
        context.load_cert_chain(cert, key)
    except ssl.SSLError as error:
        raise typer.BadParameter(
            "these are not PEM files that belong together", param_hint="--cert, --key, --ca"
        ) from error
    return context


def _base(url: str | None, config: Path) -> str:
    if url is not None:
        return url
    return f"https://localhost:{load_settings(config).company.port}"


def _decide(context: ssl.SSLContext, base: str, proposal: UUID, word: str) -> dict[str, Any]:
    parts = urlsplit(base)
    if parts.scheme != "https" or parts.hostname is None:
        raise typer.BadParameter("write https://HOST:PORT", param_hint="--url")
    connection = http.client.HTTPSConnection(
        parts.hostname, parts.port or 443, context=context, timeout=_SECONDS
    )
    try:
        connection.request("POST", f"/company/v1/proposals/{proposal}/{word}")
        answer = connection.getresponse()
        document: dict[str, Any] = orjson.loads(answer.read())
    except (OSError, http.client.HTTPException, orjson.JSONDecodeError) as error:
        complain(f"the company API at {base} did not answer ({type(error).__name__})")
        raise typer.Exit(EXIT_FAILED) from error
    finally:
        connection.close()
    if answer.status != http.client.OK:
        complain(f"{document.get('code')}: {document.get('title')}")
        raise typer.Exit(EXIT_FAILED)
    return document


def _tell(document: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(document)
    else:
        out.print(f"proposal {document['proposal_id']} is {document['status']}", soft_wrap=True)
