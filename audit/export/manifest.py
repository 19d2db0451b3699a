"""What an export says of itself; each statement can be held against something signed."""

import re
from dataclasses import dataclass
from typing import Any, Self

import orjson

from audit.checkpoint import Checkpoint
from audit.encoding import canonical
from audit.entry import EventType
from audit.errors import AuditError, FramingError
from audit.export.filters import EntryFilter

FORMAT = "casegate-export/1"
MANIFEST = "manifest.json"
ENTRIES = "entries.jsonl"
SUMS = "files.sha256"
POLICY = "log.policy"
GUIDE = "VERIFY.md"
VERIFIER = "verify.py"
REQUEST = "request.tlog-proof"
MAX_MANIFEST_BYTES = 100_000
_DIGEST = re.compile(r"[0-9a-f]{64}")


def proof_path(index: int) -> str:
    """Where the receipt of a shown entry stands."""
    return f"proofs/{index}.tlog-proof"


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """The entry that says who took the export.

    Attributes:
        index: its index in the log; at or above the export's size while it is not signed.
        by: who asked.
        at: when; RFC 3339, UTC.
    """

    index: int
    by: str
    at: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """The statements of manifest.json.

    Attributes:
        checkpoint: origin, size and root that the export stands at.
        filters: what was asked for; empty for a whole log.
        first: index of the first entry of the range.
        end: index after the last one.
        shown: number of entries of the range that entries.jsonl holds.
        has_proofs: whether each shown entry has a .tlog-proof; otherwise the tiles prove it.
        request: who asked, and the entry that says so.
        files: SHA-256 of files.sha256, in hex.

    Raises:
        FramingError: the statements contradict each other.
    """

    checkpoint: Checkpoint
    filters: EntryFilter
    first: int
    end: int
    shown: int
    has_proofs: bool
    request: ExportRequest
    files: str

    def __post_init__(self) -> None:
        numbers = (self.first, self.end, self.shown, self.request.index, self.checkpoint.size)
        if any(type(number) is not int for number in numbers):
            raise FramingError("a count is not a whole number")
        is_range = 0 <= self.first < self.end <= self.checkpoint.size
        if not is_range or not 0 <= self.shown <= self.end - self.first:
            raise FramingError("range and counts do not fit each other")
        if self.is_whole and self.shown != self.checkpoint.size:
            raise FramingError("an export without filters shows the whole log")
        if not _DIGEST.fullmatch(self.files):
            raise FramingError("the hash of the list of files is none")

    @property
    def is_whole(self) -> bool:
        """Whether this is the whole log."""
        return self.filters.is_empty

    @property
    def withheld(self) -> int:
        """How many entries of the range are not shown."""
        return self.end - self.first - self.shown

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read what to_bytes wrote, in that one spelling; raises FramingError."""
        try:
            document: Any = orjson.loads(data)
            asked = document["asked"]
            manifest = cls(
                Checkpoint(document["origin"], document["size"], bytes.fromhex(document["root"])),
                EntryFilter.from_document(document["filters"]),
                document["range"]["first"],
                document["range"]["end"],
                document["shown"],
                document["proofs"] == "each",
                ExportRequest(asked["index"], asked["by"], asked["at"]),
                document["files"],
            )
            is_exact = manifest.to_bytes() == data
        except (ValueError, KeyError, TypeError, AttributeError, AuditError) as error:
            raise FramingError(f"{MANIFEST} is not one of {FORMAT}") from error
        if not is_exact:
            raise FramingError(f"{MANIFEST} says more, or says it otherwise, than {FORMAT} does")
        return manifest

    def to_bytes(self) -> bytes:
        """Canonical JSON and NL."""
        document = {
            "asked": {
                "at": self.request.at,
                "by": self.request.by,
                "index": self.request.index,
            },
            "files": self.files,
            "filters": self.filters.to_document(),
            "format": FORMAT,
            "kind": "whole" if self.is_whole else "filtered",
            "origin": self.checkpoint.origin,
            "proofs": "each" if self.has_proofs else "tiles",
            "range": {"end": self.end, "first": self.first},
            "root": self.checkpoint.root.hex(),
            "shown": self.shown,
            "size": self.checkpoint.size,
            "withheld": self.withheld,
        }
        return canonical(document) + b"\n"

    def is_told_by(self, entry: bytes) -> bool:
        """Whether the log's own entry about the export says the same."""
        content = orjson.loads(entry)
        told: dict[str, object] = {
            "type": EventType.LOG_EXPORTED.value,
            "time": self.request.at,
            "actor": self.request.by,
            "filters": self.filters.to_document(),
        }
        if not self.is_whole:
            told |= {"first": self.first, "end": self.end, "shown": self.shown}
        return isinstance(content, dict) and told.items() <= content.items()
