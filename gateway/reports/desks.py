"""Makes the vendor's desk of reports; the finder of names is loaded for the first report."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import timedelta

import psycopg

from gateway.clock import Clock
from gateway.redaction.spans import EntityType, Span
from gateway.release.cursor import CursorCipher
from gateway.reports.filing import FilingDesk, PersonFinder, ReportRules
from gateway.reports.periods import due_times
from policies.contact.results import load_results


class ReportTextFinder:
    """Numbers of persons by the identifier tier, persons by their cues (姓名, 先生, 客户)."""

    def __init__(self) -> None:
        self._finders: tuple[PersonFinder, ...] = ()

    def find(self, text: str) -> list[Span]:
        """Spans of what may not stand in a report; amounts, places and firms may."""
        if not self._finders:
            self._finders = _load()
        kept = {EntityType.ADDRESS, EntityType.ORGANISATION}
        return [
            span for finder in self._finders for span in finder.find(text) if span.type not in kept
        ]


def filing_desk(
    connect: Callable[[], AbstractContextManager[psycopg.Connection]],
    clock: Clock,
    parameters: Mapping[str, str | None],
    cursors: CursorCipher,
) -> FilingDesk:
    """The desk of a vendor listener.

    Raises:
        ConfigurationError: a parameter of the calendar is not understood.
    """
    grace = timedelta(minutes=int(parameters["record.metadata_minutes"] or 30))
    rules = ReportRules(load_results(), due_times(parameters), grace)
    return FilingDesk(connect, clock, rules, ReportTextFinder(), cursors)


def _load() -> tuple[PersonFinder, ...]:
    """Half a second: most workers never see a report."""
    from gateway.redaction.identifiers import IdentifierFinder  # noqa: PLC0415
    from gateway.redaction.tier import NameModels, NameTier  # noqa: PLC0415

    return IdentifierFinder(), NameTier(NameModels.RULES)
