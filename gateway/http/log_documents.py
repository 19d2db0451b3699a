"""Pages of the log and of its views as JSON: the same from the API and from commands."""

from typing import Any

from gateway.oversight.search import LogPage
from gateway.oversight.views import ViewPage


def page_document(page: LogPage) -> dict[str, Any]:
    """A page of hits as JSON."""
    return _document(page.hits, page.next_before, page.signed_size)


def view_document(page: ViewPage[Any]) -> dict[str, Any]:
    """A page of a view as JSON."""
    return _document(page.items, page.next_before, page.signed_size)


def _document(items: list[Any], before: int | None, signed_size: int) -> dict[str, Any]:
    return {
        "items": items,
        "next_cursor": None if before is None else str(before),
        "signed_size": signed_size,
    }
