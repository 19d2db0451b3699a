"""The commands that make and run a witness."""

import asyncio
import os
import signal
import time
from pathlib import Path
from typing import Annotated

import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit.cosignature import CosignatureSigner
from audit.errors import AuditError, DirectoryError
from audit.note import Ed25519Verifier
from audit.witness.cosigner import Cosigner
from audit.witness.server import WitnessServer
from audit.witness.state import WitnessState

KeyOption = Annotated[Path, typer.Option(help="File of the witness's private key.")]
StateOption = Annotated[Path, typer.Option(help="Directory of what the witness cosigned.")]


def add_commands(application: typer.Typer) -> None:
    """Add `witness-init` and `witness` to a command line."""
    application.command("witness-init")(_init)
    application.command("witness")(_run)


def _init(
    name: Annotated[str, typer.Argument(help="Key name, e.g. witness.example.com/w1.")],
    key: KeyOption,
    state: StateOption,
) -> None:
    """Make a witness: a new key and an empty state bound to it. Prints its verifier key."""
    try:
        if key.exists():
            raise DirectoryError("the key file exists")
        signer = CosignatureSigner(name, Ed25519PrivateKey.generate())
        WitnessState.create(state, signer.verifier)
        _write_key(key, signer)
    except AuditError as error:
        typer.echo(f"not made: {error}", err=True)
        raise typer.Exit(1) from error
    typer.echo(signer.verifier.to_text())


def _run(
    key: KeyOption,
    state: StateOption,
    log: Annotated[list[str], typer.Option(help="Verifier key of a log to witness. Repeatable.")],
    listen: Annotated[str, typer.Option(help="HOST:PORT; port 0 takes a free one.")] = (
        "127.0.0.1:7380"
    ),
) -> None:
    """Cosign what the logs submit, for as long as they only grow.

    Plain HTTP: put a proxy with TLS in front, or listen on loopback. Until SIGTERM.
    """
    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal():
        raise typer.BadParameter("give HOST:PORT", param_hint="--listen")
    try:
        signer = CosignatureSigner.from_private_text(key.read_text(encoding="utf-8").strip())
        logs = [Ed25519Verifier.from_text(vkey) for vkey in log]
        opened = WitnessState(state, signer.verifier)
        asyncio.run(_serve(Cosigner(signer, opened, logs), host.strip("[]"), int(port)))
        opened.close()
    except (AuditError, OSError) as error:
        typer.echo(f"not running: {error}", err=True)
        raise typer.Exit(1) from error


async def _serve(cosigner: Cosigner, host: str, port: int) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    clock = time.time  # noqa: TID251 - this process is where the clock comes from
    server = await WitnessServer(cosigner, clock).start(host, port)
    bound = server.sockets[0].getsockname()
    typer.echo(f"listening on {bound[0]}:{bound[1]}")
    await stop.wait()
    server.close()


def _write_key(path: Path, signer: CosignatureSigner) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123 - a descriptor
            file.write(f"{signer.to_private_text()}\n")
            file.flush()
            os.fsync(descriptor)
    except OSError as error:
        raise DirectoryError("the key file cannot be written") from error
