"""Lists of commands as files that Excel and WPS open right."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from gateway.errors import ConfigurationError
from gateway.reports.tables import table_of, write_csv

CSVOption = Annotated[
    Path | None, typer.Option(help="Write CSV for Excel and WPS to this file, too.")
]
Items = TypeVar("Items", bound=Sequence[Mapping[str, Any]])


def also_as_csv(target: Path | None, items: Items) -> Items:
    """The same items, written to the file first, if one was named.

    Raises:
        ConfigurationError: the file cannot be written.
    """
    if target is not None:
        write_file(target, write_csv(*table_of(items)))
    return items


def write_file(target: Path, content: bytes) -> None:
    """Writes a file that somebody named; ConfigurationError where it cannot be written."""
    try:
        target.write_bytes(content)
    except OSError as error:
        raise ConfigurationError(
            f"{target} cannot be written; name a file in a directory that is there"
        ) from error
