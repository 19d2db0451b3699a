"""Scripts as values, as they are kept, and how their changes are written down."""

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg.rows import args_row

from audit.encoding import canonical
from audit.entry import EntryValue, EventType
from gateway.clock import rfc3339
from gateway.errors import NotFoundError, RequestInvalidError
from gateway.evidence import record_with_change
from gateway.operations.approval import Proposal
from gateway.people.script_text import mandatory_for, verify_text
from policies.contact.model import Channel

_WORD = re.compile(r"[\w .+-]{1,64}")
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}")
LONGEST_TEXT = 20_000
COLUMNS = (
    "script_id, version, channel, segment, language, text, mandatory_statements, forbidden_terms,"
    " content_sha256, status, valid_from, valid_to, drafted_by, approved_by, changed_at"
)
_ONE = f"SELECT {COLUMNS} FROM casegate.script WHERE script_id = %s AND version = %s FOR UPDATE"  # noqa: S608  # constants
_PAGE = f"""
SELECT {COLUMNS} FROM casegate.script
 WHERE (%(script)s::text IS NULL OR script_id = %(script)s)
   AND (%(status)s::text IS NULL OR status = %(status)s)
   AND (script_id, version) > (%(after_id)s, %(after_version)s)
 ORDER BY script_id, version LIMIT %(limit)s
"""  # noqa: S608  # constants
_SET = """
UPDATE casegate.script SET status = %(status)s, changed_at = %(at)s,
       approved_by = coalesce(%(approved_by)s, approved_by),
       valid_from = CASE WHEN %(status)s = 'active' THEN %(at)s ELSE valid_from END
 WHERE script_id = %(script)s AND version = %(version)s
"""


@dataclass(frozen=True, slots=True)
class ScriptContent:
    """What is drafted; `valid_to` is the first moment at which it may not be used any more."""

    channel: Channel
    segment: str
    language: str
    text: str
    mandatory_statements: tuple[str, ...] = ()
    forbidden_terms: tuple[str, ...] = ()
    valid_to: datetime | None = None

    def verify(self, at: datetime) -> None:
        """Raises RequestInvalidError or ScriptRefusedError; see script_text.verify_text."""
        if not _WORD.fullmatch(self.segment) or not _LANGUAGE.fullmatch(self.language):
            raise RequestInvalidError("segment is one short name; language is a tag, as zh-CN")
        if len(self.text) > LONGEST_TEXT or "\x00" in self.text:
            raise RequestInvalidError(f"text has at most {LONGEST_TEXT} characters")
        if self.valid_to is not None and (self.valid_to.tzinfo is None or self.valid_to <= at):
            raise RequestInvalidError("valid_to lies in the past, or has no time zone")
        verify_text(
            self.text,
            self.channel,
            mandatory=self.mandatory_statements,
            forbidden=self.forbidden_terms,
        )

    def digest(self) -> bytes:
        """SHA-256 over the canonical JSON of all of it."""
        return hashlib.sha256(
            canonical(
                {
                    "channel": self.channel.value,
                    "segment": self.segment,
                    "language": self.language,
                    "text": self.text,
                    "mandatory_statements": sorted(self.statements()),
                    "forbidden_terms": list(self.forbidden_terms),
                    "valid_to": None if self.valid_to is None else rfc3339(self.valid_to),
                }
            )
        ).digest()

    def statements(self) -> frozenset[str]:
        """What the text states: what was named, and what no script of the channel goes without."""
        return frozenset({*self.mandatory_statements, *mandatory_for(self.channel)})


@dataclass(frozen=True, slots=True)
class Script:
    """One version as kept."""

    script_id: str
    version: int
    channel: str
    segment: str
    language: str
    text: str
    mandatory_statements: list[str]
    forbidden_terms: list[str]
    content_sha256: bytes
    status: str
    valid_from: datetime | None
    valid_to: datetime | None
    drafted_by: str
    approved_by: str | None
    changed_at: datetime

    def subject(self) -> dict[str, EntryValue]:
        """In proposals and entries: exactly this content."""
        return {
            "script": self.script_id,
            "version": self.version,
            "content_sha256": self.content_sha256.hex(),
        }

    def document(self, at: datetime, *, is_whole: bool = True) -> dict[str, object]:
        """As staff see it at a moment; `is_whole` False leaves the texts out."""
        is_over = self.status == "active" and self.valid_to is not None and self.valid_to <= at
        document: dict[str, object] = {
            "script_id": self.script_id,
            "version": self.version,
            "status": "expired" if is_over else self.status,
            "channel": self.channel,
            "segment": self.segment,
            "language": self.language,
            "mandatory_statements": self.mandatory_statements,
            "content_sha256": self.content_sha256.hex(),
            "valid_from": None if self.valid_from is None else rfc3339(self.valid_from),
            "valid_to": None if self.valid_to is None else rfc3339(self.valid_to),
            "drafted_by": self.drafted_by,
            "approved_by": self.approved_by,
        }
        if is_whole:
            document |= {"text": self.text, "forbidden_terms": self.forbidden_terms}
        return document


@dataclass(frozen=True, slots=True)
class UsableScript:
    """A script as a vendor may use it now."""

    script_id: str
    version: int
    channel: str
    segment: str
    language: str
    text: str
    mandatory_statements: list[str]
    forbidden_terms: list[str]
    valid_from: datetime
    valid_to: datetime | None

    def document(self) -> dict[str, object]:
        """As JSON has it."""
        return {
            **{name: getattr(self, name) for name in self.__slots__},
            "valid_from": rfc3339(self.valid_from),
            "valid_to": None if self.valid_to is None else rfc3339(self.valid_to),
        }


def read_script(connection: psycopg.Connection, script_id: str, version: int) -> Script:
    """One version, locked where the caller has a transaction open.

    Raises:
        NotFoundError: there is no such version.
    """
    with connection.cursor(row_factory=args_row(Script)) as cursor:
        found = cursor.execute(_ONE, (script_id, version)).fetchone()
    if found is None:
        raise NotFoundError(f"there is no version {version} of script {script_id}")
    return found


def list_scripts(
    connection: psycopg.Connection,
    *,
    script_id: str | None,
    status: str | None,
    after: tuple[str, int] = ("", 0),
    limit: int,
) -> list[Script]:
    """Versions of all scripts, or of one, by id and version."""
    named = {"script": script_id, "status": status, "limit": limit}
    with connection.cursor(row_factory=args_row(Script)) as cursor:
        return cursor.execute(
            _PAGE, {**named, "after_id": after[0], "after_version": after[1]}
        ).fetchall()


def set_status(
    connection: psycopg.Connection,
    script: Script,
    status: str,
    at: datetime,
    *,
    approved_by: str | None = None,
) -> None:
    """Moves a version on; a version that becomes active is valid from that moment."""
    named = {"script": script.script_id, "version": script.version, "status": status, "at": at}
    connection.execute(_SET, {**named, "approved_by": approved_by})


def record_script(
    connection: psycopg.Connection,
    script: Script,
    change: str,
    *,
    actor: str,
    at: datetime,
    approved: Proposal | None = None,
) -> None:
    """The entry of a change, with both persons where there were two; call it last."""
    by_two: dict[str, EntryValue] = {}
    if approved is not None:
        by_two = {
            "proposal": str(approved.proposal_id),
            "proposed_by": approved.proposed_by,
            "approved_by": approved.decided_by,
        }
    record_with_change(
        connection,
        EventType.SCRIPT_CHANGED,
        at=at,
        actor=actor,
        change=change,
        channel=script.channel,
        **script.subject(),
        **by_two,
    )
