"""The auditor's desk: every view of the log, each opened only after the log says by whom."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import datetime

import psycopg

from audit.entry import EntryValue, EventType
from gateway.clock import Clock
from gateway.evidence import record_with_change
from gateway.oversight.query import LogQuery, verify_references
from gateway.oversight.search import LogHit
from gateway.oversight.timeline import Step, Timeline, view_timeline
from gateway.oversight.views import (
    CHANGE_KINDS,
    Change,
    Denial,
    Disclosure,
    ViewPage,
    verify_kinds,
    view_changes,
    view_denials,
    view_disclosures,
    view_readers,
)


class AuditDesk:
    """The views for the company's API and its commands; each call uses a connection of its own.

    Every method raises TamperedError when an entry is not what its leaf or the index says, and
    DatabaseUnavailableError when PostgreSQL does not answer.
    """

    def __init__(
        self,
        connect: Callable[[], AbstractContextManager[psycopg.Connection]],
        clock: Clock,
        commitments_of: Callable[[str], tuple[str, ...]],
    ) -> None:
        self._connect = connect
        self._clock = clock
        self._commitments_of = commitments_of

    def timeline(
        self,
        vendor: str,
        *,
        step: Step,
        since: datetime | None,
        until: datetime | None,
        limit: int,
        actor: str,
    ) -> Timeline:
        """A vendor's hours or days."""
        verify_references(vendor=vendor)
        asked: dict[str, EntryValue] = {"vendor": vendor, "step": step.value, "limit": limit}
        asked |= {
            name: moment.isoformat()
            for name, moment in (("since", since), ("until", until))
            if moment is not None
        }
        with self._noted("timeline", asked, actor) as connection:
            return view_timeline(
                connection, vendor, step=step, since=since, until=until, limit=limit
            )

    def denials(self, query: LogQuery, *, actor: str) -> ViewPage[Denial]:
        """Refusals and why."""
        with self._noted("denials", query.asked(), actor) as connection:
            return view_denials(connection, query)

    def changes(
        self, query: LogQuery, *, kinds: Sequence[str] = CHANGE_KINDS, actor: str
    ) -> ViewPage[Change]:
        """Changes of who may get what, beside the volume around them."""
        verify_kinds(kinds)
        asked: dict[str, EntryValue] = {**query.asked(), "kinds": list(kinds)}
        with self._noted("changes", asked, actor) as connection:
            return view_changes(connection, query, kinds)

    def readers(self, query: LogQuery, *, actor: str) -> ViewPage[LogHit]:
        """Who looked at the log."""
        with self._noted("readers", query.asked(), actor) as connection:
            return view_readers(connection, query)

    def disclosures(
        self, query: LogQuery, *, identifier: str | None = None, actor: str
    ) -> ViewPage[Disclosure]:
        """To whom a person's cases were released.

        `identifier`, an ID number or a mobile, becomes commitments here and stands nowhere.

        Raises:
            RequestInvalidError: it is neither an ID number nor a mobile.
        """
        if identifier is not None:
            query = replace(query, cases=self._commitments_of(identifier))
        with self._noted("disclosures", query.asked(), actor) as connection:
            return view_disclosures(connection, query)

    @contextmanager
    def _noted(
        self, view: str, asked: Mapping[str, EntryValue], actor: str
    ) -> Iterator[psycopg.Connection]:
        with self._connect() as connection:
            with connection.transaction():
                record_with_change(
                    connection,
                    EventType.LOG_SEARCHED,
                    at=self._clock.now(),
                    actor=actor,
                    query={"view": view, **asked},
                )
            yield connection
