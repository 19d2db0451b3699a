"""What a search of the log asks for, and whether an entry is it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from audit.entry import EventType
from gateway.errors import RequestInvalidError
from gateway.oversight.derivation import actor_of, commitments_of

MAX_PAGE = 500
_ASKED = ("vendor", "event", "certificate", "request", "code", "actor", "before", "limit")
# What a search may look for, since the log keeps for ever what was asked.
_FORMS = {
    "vendor": re.compile(r"[a-z0-9][a-z0-9-]{0,62}"),
    "certificate": re.compile(r"[0-9a-f]{64}"),
    "request": re.compile(r"[0-9a-f]{24}|[0-9A-Za-z][0-9A-Za-z-]{0,63}"),
    "code": re.compile(r"[A-Z][A-Z0-9_]{0,63}"),
    "actor": re.compile(r"[0-9A-Za-z][0-9A-Za-z._@:-]{0,127}"),
}
# A mobile, a bank card or an identity number; what is made at random may look like one.
_NUMBER = re.compile(r"[0-9]{11}")
_MADE_AT_RANDOM = re.compile(r"[0-9a-f]{24}|[0-9a-f]{64}")
_EVENTS = frozenset(EventType)


@dataclass(frozen=True, slots=True)
class LogQuery:
    """What to look for; None means any. `before` continues a search at lower indexes.

    `events` are several of which any will do; `cases` are commitments in hex (any of them);
    `unended` finds releases whose end was never logged.
    """

    vendor: str | None = None
    event: str | None = None
    certificate: str | None = None
    request: str | None = None
    code: str | None = None
    actor: str | None = None
    cases: tuple[str, ...] | None = None
    since: datetime | None = None
    until: datetime | None = None
    unended: bool = False
    before: int | None = None
    limit: int = 100
    events: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 1 <= self.limit <= MAX_PAGE:
            raise RequestInvalidError(f"limit must be from 1 to {MAX_PAGE}")

    def wanted_events(self) -> tuple[str, ...]:
        """The events of which any will do; none given means all."""
        if self.unended:
            return (EventType.ACCESS_RELEASE.value,)
        return self.events if self.event is None else (self.event,)

    def asked(self) -> dict[str, str | int | bool]:
        """The query as the log of searches keeps it: names and numbers, no identifier.

        Raises:
            RequestInvalidError: something asked for can be no reference of its kind; it may be
                a person's name or number, and is not put into the log.
        """
        verify_references(
            vendor=self.vendor,
            certificate=self.certificate,
            request=self.request,
            code=self.code,
            actor=self.actor,
        )
        if self.event is not None and self.event not in _EVENTS:
            raise RequestInvalidError("event: there is none of this name; see audit/README.md")
        asked = {name: getattr(self, name) for name in _ASKED if getattr(self, name) is not None}
        asked |= {
            name: getattr(self, name).isoformat()
            for name in ("since", "until")
            if getattr(self, name) is not None
        }
        if self.cases is not None:
            asked["cases"] = len(self.cases)
        if self.unended:
            asked["unended"] = True
        return asked

    def matches(self, content: Mapping[str, Any]) -> bool:
        """Whether an entry is what is looked for; `unended` cannot be told from the entry."""
        events = self.wanted_events()
        return (
            (not events or content["type"] in events)
            and all(
                wanted is None or content.get(name) == wanted
                for name, wanted in (
                    ("vendor", self.vendor),
                    ("certificate", self.certificate),
                    ("request", self.request),
                    ("code", self.code),
                )
            )
            and (self.actor is None or actor_of(content) == self.actor)
            and (self.cases is None or not set(self.cases).isdisjoint(commitments_of(content)))
            and self._covers(datetime.fromisoformat(content["time"]))
        )

    def _covers(self, moment: datetime) -> bool:
        return (self.since is None or moment >= self.since) and (
            self.until is None or moment < self.until
        )


def verify_references(**values: str | None) -> None:
    """Looks at values by the names of their kinds.

    Raises:
        RequestInvalidError: one has not the form of its kind, or holds a person's number.
    """
    for name, value in values.items():
        if value is None:
            continue
        is_personal = _NUMBER.search(value) and not _MADE_AT_RANDOM.fullmatch(value)
        if is_personal or not _FORMS[name].fullmatch(value):
            raise RequestInvalidError(
                f"{name}: this cannot be one; people are searched for by --debtor,"
                " or by POST /company/v1/log/disclosures"
            )
