"""YAML read as a bounded tree of text with line numbers, without a single implicit type.

YAML turns `no` into False and `2026-01-01` into a date before a reader can object. Policies are
read from the parser's events instead: every scalar stays the text its author wrote, and every
node knows its line. Anchors, aliases, tags, duplicate keys and second documents are refused.
"""

import re
from collections.abc import Iterator
from collections.abc import Mapping as Words
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from typing import NoReturn, TypeVar

import yaml
from typing_extensions import override

from policies.errors import PolicyFileError

MAX_BYTES = 256 * 1024
MAX_DEPTH = 8

Chosen = TypeVar("Chosen")

# libyaml reads ten times as fast; where PyYAML was built without it, its own parser does.
_LOADER = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_.:/+-]{1,64}")


@dataclass(frozen=True, slots=True)
class Scalar:
    """A text as written; `line` counts from 1."""

    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list of nodes; `line` is where it begins."""

    items: tuple["Node", ...]
    line: int


@dataclass(frozen=True, slots=True)
class Mapping:
    """Keys in the order of the file, each once; `line` is where the mapping begins."""

    entries: tuple[tuple[Scalar, "Node"], ...]
    line: int


Node = Scalar | Sequence | Mapping


def quoted(text: str) -> str:
    """Return `text` for a message, or a stand-in when it is not a plain short name.

    A case file handed in by mistake must not be quoted back into a log.
    """
    return f"`{text}`" if _PLAIN_NAME.fullmatch(text) else "(text that is not a plain name)"


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a file; `line` counts from 1."""

    file: str
    line: int

    @override
    def __str__(self) -> str:
        return f"{self.file}, line {self.line}"


@dataclass(frozen=True, slots=True)
class Document:
    """One file's tree together with the name that its errors carry."""

    file: str
    root: Mapping

    def fail(self, line: int, reason: str, way_out: str) -> NoReturn:
        """Raise PolicyFileError for a place in this document."""
        raise PolicyFileError(self.file, line, reason, way_out)

    def entries(self, node: Mapping, *, known: frozenset[str], what: str) -> dict[str, Node]:
        """Return the values by key; a key outside `known` raises PolicyFileError."""
        for key, _ in node.entries:
            if key.text not in known:
                self.fail(
                    key.line,
                    f"{quoted(key.text)} is not a key of {what}.",
                    f"Use only {', '.join(sorted(known))}.",
                )
        return {key.text: value for key, value in node.entries}

    def required(self, entries: dict[str, Node], key: str, *, line: int) -> Node:
        """Return the value of `key`, or raise PolicyFileError at `line`."""
        if key not in entries:
            self.fail(line, f"The key `{key}` is missing.", f"Add `{key}:` here.")
        return entries[key]

    def text(self, node: Node, what: str) -> str:
        """Return a non-empty scalar's text, or raise PolicyFileError."""
        if not isinstance(node, Scalar) or not node.text.strip():
            self.fail(node.line, f"{what} must be a single value.", "Write it on one line.")
        return node.text.strip()

    def mapping(self, node: Node, what: str) -> Mapping:
        """Return the node as a mapping, or raise PolicyFileError."""
        if not isinstance(node, Mapping):
            self.fail(node.line, f"{what} must be `key: value` lines.", "Write a mapping.")
        return node

    def items(self, node: Node, what: str) -> tuple[Node, ...]:
        """Return the nodes of a list, or raise PolicyFileError."""
        if not isinstance(node, Sequence):
            self.fail(node.line, f"{what} must be a list.", "Write it as [A, B].")
        return node.items

    def choice(self, node: Node, words: Words[str, Chosen], what: str) -> Chosen:
        """Return what the scalar's word stands for, or raise PolicyFileError naming all words."""
        text = self.text(node, what)
        if text not in words:
            self.fail(
                node.line,
                f"{quoted(text)} is not known as {what}.",
                f"Use one of {', '.join(words)}.",
            )
        return words[text]

    def texts(self, node: Node, what: str) -> tuple[Scalar, ...]:
        """Return a list of non-empty scalars, or raise PolicyFileError."""
        return tuple(
            Scalar(self.text(item, f"Each of {what}"), item.line)
            for item in self.items(node, what)
        )


def read_document(source: Traversable, file: str) -> Document:
    """Read at most MAX_BYTES of `source` as one document; PolicyFileError if it is not one."""
    try:
        with source.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise PolicyFileError(
            file, 0, "The file cannot be read.", "Check that it exists and may be read."
        ) from error
    return parse_document(data, file)


def parse_document(data: bytes, file: str) -> Document:
    """Parse UTF-8 YAML into a Document; PolicyFileError names the first wrong line."""
    if len(data) > MAX_BYTES:
        raise PolicyFileError(
            file, 0, f"The file is larger than {MAX_BYTES // 1024} KiB.", "Check what it is."
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise PolicyFileError(
            file, line, "The file is not UTF-8.", "Save it again as UTF-8."
        ) from error
    try:
        return Document(file, _read_root(yaml.parse(text, Loader=_LOADER), file))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        raise PolicyFileError(
            file,
            mark.line + 1 if mark is not None else 0,
            "This is not YAML.",
            "Check indentation, brackets, quotes and the line before.",
        ) from error
    except yaml.YAMLError as error:
        raise PolicyFileError(
            file, 0, "The file holds a character that YAML forbids.", "Remove control characters."
        ) from error


def _read_root(events: Iterator[yaml.Event], file: str) -> Mapping:
    root: Node | None = None
    for event in events:
        if isinstance(event, yaml.DocumentStartEvent):
            if root is not None:
                raise PolicyFileError(
                    file, _line(event), "The file holds a second document.", "One file, one `---`."
                )
            root = _read_node(next(events), events, file, depth=1)
    if not isinstance(root, Mapping):
        raise PolicyFileError(
            file, 1, "The file is not a list of `key: value` lines.", "Start from an example."
        )
    return root


def _line(event: yaml.Event) -> int:
    mark = event.start_mark
    return mark.line + 1 if mark is not None else 0


def _read_node(event: yaml.Event, events: Iterator[yaml.Event], file: str, *, depth: int) -> Node:
    line = _line(event)
    if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
        raise PolicyFileError(
            file, line, "Anchors and aliases (& and *) are not read.", "Write the value out."
        )
    if getattr(event, "tag", None) is not None:
        raise PolicyFileError(file, line, "Tags (!) are not read.", "Remove the tag.")
    if depth > MAX_DEPTH:
        raise PolicyFileError(file, line, "The nesting is too deep.", "Start from an example.")
    if isinstance(event, yaml.ScalarEvent):
        return Scalar(event.value, line)
    if isinstance(event, yaml.SequenceStartEvent):
        items: list[Node] = []
        while not isinstance(item := next(events), yaml.SequenceEndEvent):
            items.append(_read_node(item, events, file, depth=depth + 1))
        return Sequence(tuple(items), line)
    entries: list[tuple[Scalar, Node]] = []
    seen: set[str] = set()
    while not isinstance(item := next(events), yaml.MappingEndEvent):
        key = _read_node(item, events, file, depth=depth + 1)
        if not isinstance(key, Scalar):
            raise PolicyFileError(file, key.line, "A key must be a name.", "Write `name: value`.")
        if key.text in seen:
            raise PolicyFileError(
                file, key.line, f"{quoted(key.text)} is given twice.", "Keep one of the two."
            )
        seen.add(key.text)
        entries.append((key, _read_node(next(events), events, file, depth=depth + 1)))
    return Mapping(tuple(entries), line)
