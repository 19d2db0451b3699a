"""What an export shows: the range of indexes that a question covers, found in the log itself."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from audit.batch import StoredBatch
from audit.bundle import decode_bundle
from audit.export.filters import EntryFilter


@dataclass(frozen=True, slots=True)
class Selection:
    """Which part of a log is shown.

    Attributes:
        filters: what was asked for.
        first: index of the first entry of the range.
        end: index after the last one.
        shown: how many entries of the range pass the filters.
    """

    filters: EntryFilter
    first: int
    end: int
    shown: int


def select(
    batches: Iterable[StoredBatch],
    filters: EntryFilter,
    *,
    progress: Callable[[int], None] = lambda _entries: None,
) -> Selection | None:
    """The smallest range of indexes with all entries in time, and how many of it are shown.

    Order is the index and never the time, so every entry is looked at. None where no entry is
    in time.
    """
    first: int | None = None
    end = shown = 0
    for batch in batches:
        for index, entry in enumerate(decode_bundle(batch.bundle), batch.first_index):
            if filters.is_in_time(entry):
                first = index if first is None else first
                end = index + 1
                shown += filters.matches(entry)
        progress(batch.size_after)
    return None if first is None else Selection(filters, first, end, shown)
