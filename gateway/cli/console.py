"""What commands share: options, the installation they work on, and how they speak."""

import getpass
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console

from gateway.office import Office
from gateway.settings import load_settings
from gateway.store.database import locate_database

ConfigOption = Annotated[
    Path,
    typer.Option("--config", envvar="CASEGATE_CONFIG", help="The installation's casegate.toml."),
]
JSONOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
DEFAULT_CONFIG = Path("casegate.toml")

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


def complain(sentence: str) -> None:
    """One line on stderr."""
    sys.stderr.write(f"casegate: {sentence}\n")


def print_json(content: Any) -> None:  # noqa: ANN401  # whatever JSON holds
    """JSON on stdout, one document, indented."""
    sys.stdout.buffer.write(orjson.dumps(content, option=orjson.OPT_INDENT_2) + b"\n")
    sys.stdout.flush()


def open_office(config: Path) -> Office:
    """The use cases of the installation at `config`."""
    settings = load_settings(config)
    database = locate_database(settings, announce=sys.stderr.isatty())
    return Office(database, settings.make_clock())


def actor() -> str:
    """Who runs this command, for the log."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):
        return f"cli:uid-{os.getuid()}"
