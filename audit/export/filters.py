"""Which entries an export shows: by vendor and by time, decided on the entry's own bytes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import orjson

_NAMES = frozenset({"vendor", "since", "until"})


@dataclass(frozen=True, slots=True)
class EntryFilter:
    """What was asked for; None asks for nothing.

    Attributes:
        vendor: the entry's `vendor` is this.
        since: the entry's `time` is this or later; RFC 3339, UTC, milliseconds, `Z`.
        until: the entry's `time` is before this.
    """

    vendor: str | None = None
    since: str | None = None
    until: str | None = None

    @classmethod
    def from_document(cls, document: Mapping[str, str]) -> Self:
        """Read what to_document wrote; raises ValueError where it is nothing of the kind."""
        if not _NAMES.issuperset(document):
            raise ValueError("a filter that is not known")
        if not all(isinstance(value, str) for value in document.values()):
            raise ValueError("a filter is a text")
        return cls(**document)

    def to_document(self) -> dict[str, str]:
        """The filters that were given, by name."""
        given = {"vendor": self.vendor, "since": self.since, "until": self.until}
        return {name: value for name, value in given.items() if value is not None}

    @property
    def is_empty(self) -> bool:
        """Whether everything passes."""
        return not self.to_document()

    def is_in_time(self, entry: bytes) -> bool:
        """Whether the entry's time passes."""
        return (self.since is None and self.until is None) or self._is_timely(_content(entry))

    def matches(self, entry: bytes) -> bool:
        """Whether the entry passes all filters. Bytes that are no entry of ours pass none."""
        if self.is_empty:
            return True
        content = _content(entry)
        return (self.vendor is None or content.get("vendor") == self.vendor) and (
            (self.since is None and self.until is None) or self._is_timely(content)
        )

    def _is_timely(self, content: Mapping[str, Any]) -> bool:
        # All times have one spelling, in which the order of texts is the order of moments.
        time = content.get("time")
        return (
            isinstance(time, str)
            and (self.since is None or time >= self.since)
            and (self.until is None or time < self.until)
        )


def _content(entry: bytes) -> Mapping[str, Any]:
    try:
        content = orjson.loads(entry)
    except orjson.JSONDecodeError:
        return {}
    return content if isinstance(content, dict) else {}
