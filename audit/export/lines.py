"""The lines of entries.jsonl: an entry with its index and leaf hash, recoverable byte for byte."""

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Self

import orjson

from audit.encoding import canonical
from audit.errors import FramingError
from audit.merkle import leaf_hash

# An entry has 65,535 bytes, each of which JSON may spell as \u00xx; the rest is the frame.
MAX_LINE_BYTES = 400_000


@dataclass(frozen=True, slots=True)
class ShownEntry:
    """An entry as an export shows it.

    Attributes:
        index: its index in the log.
        entry: its bytes, as they were hashed.
    """

    index: int
    entry: bytes

    @property
    def leaf(self) -> bytes:
        """The leaf hash of the bytes."""
        return leaf_hash(self.entry)

    @classmethod
    def from_line(cls, line: bytes) -> Self:
        """Read what to_line wrote, in that one spelling.

        Raises:
            FramingError: anything else, a leaf hash that is not the entry's included.
        """
        try:
            document = orjson.loads(line)
            text = document.get("entry")
            entry = (
                text.encode()
                if text is not None
                else base64.b64decode(document["entry_base64"], validate=True)
            )
            shown = cls(document["index"], entry)
        except (ValueError, KeyError, TypeError, AttributeError, binascii.Error) as error:
            raise FramingError("not a line of an export") from error
        if type(shown.index) is not int or shown.to_line() != line:
            raise FramingError("not spelled as an export spells it, or its leaf hash is another")
        return shown

    def to_line(self) -> bytes:
        """Canonical JSON and NL.

        `entry` is the entry as text, or `entry_base64` its bytes where they are no UTF-8.
        """
        document: dict[str, object] = {"index": self.index, "leaf_hash": self.leaf.hex()}
        try:
            document["entry"] = self.entry.decode()
        except UnicodeDecodeError:
            document["entry_base64"] = base64.b64encode(self.entry).decode("ascii")
        return canonical(document) + b"\n"


def read_lines(file: BinaryIO) -> Iterator[ShownEntry]:
    """The entries of a file, one at a time.

    Raises:
        FramingError: a line is none, too long, or not ended.
    """
    while line := file.readline(MAX_LINE_BYTES + 1):
        if len(line) > MAX_LINE_BYTES:
            raise FramingError("a line is longer than an entry can make it")
        yield ShownEntry.from_line(line)
