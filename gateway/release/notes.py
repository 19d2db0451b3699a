"""Notes at a release: cut by what was found when they arrived, or left out with a reason."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from audit.entry import EntryValue
from gateway.analysis.errors import RenditionError
from gateway.analysis.renditions import NUMBERS, Numbering, render
from gateway.cases.notes import NoteKey, StoredNotes
from gateway.cases.record import StoredCase
from gateway.logs import logger
from gateway.masking.pseudonyms import PseudonymKey
from keys.errors import EnvelopeError
from keys.kek import KeyEncryptionKey

REDACTED_NOTES = "redacted_notes"
"""The field under which a vendor receives them; the lender's own field never leaves."""


class NotesDropped(StrEnum):
    """Why a case's notes stayed in; stands in the entry of the release."""

    NOT_ANALYSED = "not_analysed"
    FAILED = "failed"
    WITHHELD = "withheld"
    NOT_IN_SCOPE = "not_in_scope"


@dataclass(frozen=True, slots=True)
class ReleasedNotes:
    """Notes that leave, by case; how many cases' notes do not, by reason.

    `recognizers` are the digests of those whose findings were cut out.
    """

    texts: Mapping[UUID, str] = field(default_factory=dict)
    dropped: Mapping[NotesDropped, int] = field(default_factory=dict)
    recognizers: frozenset[str] = frozenset()

    def entry_fields(self) -> dict[str, EntryValue]:
        """What the log says of them; nothing where no case came with notes."""
        fields: dict[str, EntryValue] = {}
        if self.texts:
            fields["notes"] = len(self.texts)
            fields["recognizers"] = sorted(self.recognizers)
        if self.dropped:
            fields["notes_dropped"] = {
                reason.value: count for reason, count in sorted(self.dropped.items())
            }
        return fields


def kept_in(cases: Iterable[StoredCase]) -> ReleasedNotes:
    """No notes, because the policy releases none."""
    count = sum(case.has_notes for case in cases)
    return ReleasedNotes(dropped={NotesDropped.NOT_IN_SCOPE: count} if count else {})


Numberer = Callable[[str], Numbering]
"""From a case to the numbers of its values, by the contract's key: what `note_numberer` makes."""


def note_numberer(pseudonyms: PseudonymKey) -> Numberer:
    """The numbers of placeholders under one contract."""
    return pseudonyms.numberer("note", NUMBERS)


def cut_notes(
    cases: Iterable[StoredCase],
    stored: Iterable[StoredNotes],
    kek: KeyEncryptionKey,
    *,
    numberer: Numberer | None = None,
) -> ReleasedNotes:
    """The notes of those cases that came with some; `stored` are the ones that were found.

    With `numberer` the placeholders have numbers. An older rendition serves while a newer one is
    being made. Whatever cannot be cut exactly as it was scanned is withheld.
    """
    found = {notes.case_id: notes for notes in stored}
    texts: dict[UUID, str] = {}
    dropped: Counter[NotesDropped] = Counter()
    recognizers: set[str] = set()
    for case in cases:
        if not case.has_notes:
            continue
        notes = found.get(case.case_id)
        cut = NotesDropped.NOT_ANALYSED if notes is None else cut_note(notes, kek, numberer)
        if isinstance(cut, NotesDropped):
            dropped[cut] += 1
        else:
            texts[case.case_id] = cut
            if notes is not None and notes.rendered_by is not None:
                recognizers.add(notes.rendered_by)
    return ReleasedNotes(texts, dropped, frozenset(recognizers))


def cut_note(
    notes: StoredNotes, kek: KeyEncryptionKey, numberer: Numberer | None = None
) -> str | NotesDropped:
    """What leaves of one case's notes, or why nothing does."""
    if notes.is_withheld:
        return NotesDropped.WITHHELD
    if notes.sealed_spans is None:
        is_failed = notes.state == "failed"
        return NotesDropped.FAILED if is_failed else NotesDropped.NOT_ANALYSED
    key = NoteKey(notes.case_id, notes.kek_id, notes.wrapped_key)
    try:
        text = key.open_text(notes.sealed_notes, kek)
        packed = key.open_spans(notes.sealed_spans, kek)
        numbering = None if numberer is None else numberer(notes.case_id.hex)
        return render(text, packed, numbering)
    except (EnvelopeError, RenditionError) as error:
        logger().error("notes.withheld", error_type=type(error).__name__)
        return NotesDropped.WITHHELD
