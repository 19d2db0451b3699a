"""Word lists as plain text with sections."""

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path


def packaged(name: str) -> dict[str, list[str]]:
    """The words of ``gateway/redaction/data/<name>`` by section."""
    return read_sections(files("gateway.redaction").joinpath("data", name))


def read_sections(file: Path | Traversable) -> dict[str, list[str]]:
    """The words of a file by section.

    A section starts with a line ``[title]``; its words are separated by white space; a line that
    starts with ``#`` is a comment.
    """
    sections: dict[str, list[str]] = {}
    words: list[str] = []
    for line in file.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            continue
        if line.startswith("["):
            words = sections.setdefault(line.strip("[]"), [])
        else:
            words.extend(line.split())
    return sections
