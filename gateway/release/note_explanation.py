"""Why a vendor sees what it sees of a case's notes: rule, line, what was cut out, what leaves."""

import re
from collections import Counter
from dataclasses import dataclass, field
from uuid import UUID

import psycopg
from psycopg.rows import args_row

from gateway.analysis.renditions import unpack
from gateway.cases.notes import NoteKey, StoredNotes
from gateway.identity.principal import StaffRole
from gateway.masking.pseudonyms import PseudonymKey
from gateway.redaction.spans import OWN_PLACEHOLDER
from gateway.release.notes import NotesDropped, cut_note, note_numberer
from keys.kek import KeyEncryptionKey
from policies.documents import Place, parse_document
from policies.limits import FreeText, Placeholders
from policies.load import LoadedPolicy

RELEASED = "released"
_HIDDEN = "***"
# Words between placeholders are a person's story: they are for who decides on scopes.
_SEES_WORDS = frozenset({StaffRole.COMPLIANCE})
_OWN = re.compile(f"({OWN_PLACEHOLDER})")
_KEY = "free_text"
_NOTES = """
SELECT n.case_id, r.kek_id, r.wrapped_key, r.sealed_notes, n.state, n.rendered_by, n.is_withheld,
       n.sealed_spans
  FROM casegate.case_note n JOIN casegate.case_record r USING (case_id)
 WHERE n.case_id = %s AND r.sealed_notes IS NOT NULL
"""


@dataclass(frozen=True, slots=True)
class NoteExplanation:
    """The notes of one case under one policy.

    `rule` is what the policy says of free text, `line` where, None where it is silent; `outcome`
    is RELEASED or why nothing leaves (NotesDropped); `recognizers` the digest of those whose
    findings are cut out; `found` how many spans of each type; `result` what the vendor receives,
    masked for the reader, None for nothing.
    """

    rule: str
    line: str | None
    outcome: str
    recognizers: str | None = None
    found: dict[str, int] = field(default_factory=dict)
    result: str | None = None


def read_notes(connection: psycopg.Connection, case_id: UUID) -> StoredNotes | None:
    """A case's notes, still sealed, on a connection of the company's role; None without any."""
    with connection.cursor(row_factory=args_row(StoredNotes), binary=True) as cursor:
        return cursor.execute(_NOTES, (case_id,)).fetchone()


def explain_notes(
    notes: StoredNotes,
    loaded: LoadedPolicy,
    *,
    kek: KeyEncryptionKey,
    pseudonyms: PseudonymKey,
    role: StaffRole,
) -> NoteExplanation:
    """What leaves of a case's notes, cut as a release cuts them.

    A reader who does not decide on scopes sees the placeholders and that there are words between
    them. What was found is told where the policy keeps notes in, too: it would be cut out.
    """
    limits = loaded.policy.limits
    is_numbered = limits.placeholders is Placeholders.NUMBERED
    rule = f"free_text {limits.free_text.word}{', numbered placeholders' if is_numbered else ''}"
    line = _line_of(loaded)
    cut = cut_note(notes, kek, note_numberer(pseudonyms) if is_numbered else None)
    if isinstance(cut, NotesDropped):
        is_kept_in = limits.free_text is not FreeText.REDACTED
        outcome = NotesDropped.NOT_IN_SCOPE if is_kept_in else cut
        return NoteExplanation(rule, line, outcome.value, notes.rendered_by)
    assert notes.sealed_spans is not None
    key = NoteKey(notes.case_id, notes.kek_id, notes.wrapped_key)
    found = Counter(kind for *_places, kind in unpack(key.open_spans(notes.sealed_spans, kek)))
    types = dict(sorted(found.items()))
    if limits.free_text is not FreeText.REDACTED:
        return NoteExplanation(
            rule, line, NotesDropped.NOT_IN_SCOPE.value, notes.rendered_by, types
        )
    return NoteExplanation(rule, line, RELEASED, notes.rendered_by, types, _masked(cut, role))


def _masked(redacted: str, role: StaffRole) -> str:
    if role in _SEES_WORDS:
        return redacted
    return "".join(
        part if place % 2 else _HIDDEN
        for place, part in enumerate(_OWN.split(redacted))
        if part.strip()
    )


def _line_of(loaded: LoadedPolicy) -> str | None:
    """Where the policy speaks of free text."""
    document = parse_document(loaded.text.encode(), loaded.file)
    for key, _node in document.root.entries:
        if key.text == _KEY:
            return str(Place(loaded.file, key.line))
    return None
