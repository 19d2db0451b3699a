"""How commands tell of what is in force by two persons: proposed, changed, in force until when."""

from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from gateway.cli.console import out, print_json


class Version(Protocol):
    """A time for which something was in force: a policy's or a law pack's."""

    @property
    def digest(self) -> str:
        """Of what it said."""
        ...

    @property
    def proposed_by(self) -> str:
        """Who began it."""
        ...

    @property
    def approved_by(self) -> str | None:
        """The second person."""
        ...

    @property
    def ended_at(self) -> datetime | None:
        """None while it goes on."""
        ...

    @property
    def ended_by(self) -> str | None:
        """Who ended it."""
        ...


def tell(content: Any, sentence: str, *, as_json: bool) -> None:  # noqa: ANN401  # JSON
    """The content, or a sentence in its place."""
    if as_json:
        print_json(content)
    else:
        out.print(sentence, soft_wrap=True)


def tell_proposal(proposal: UUID, what: str, *, group: str) -> None:
    """That a second person is waited for; `group` are the commands that it belongs to."""
    out.print(f"proposed {what}: another person runs", soft_wrap=True)
    out.print(f"  casegate {group} approve {proposal} --cert … --key … --ca …", soft_wrap=True)


def tell_version(version: Version, name: str, begins: datetime) -> None:
    """One line of what was in force, and one of when and by whom."""
    until = "now"
    if version.ended_at is not None:
        until = f"{version.ended_at.isoformat()}, {version.ended_by}"
    out.print(
        f"{name}  {version.digest}\n"
        f"  {begins.isoformat()} until {until}; proposed by {version.proposed_by},"
        f" approved by {version.approved_by}",
        soft_wrap=True,
    )
