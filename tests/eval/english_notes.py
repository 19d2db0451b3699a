"""English call notes typed by hand, with persons in <> and addresses in []."""

import re
from collections.abc import Iterator

from gateway.redaction.english import PACKAGE, load_english
from gateway.redaction.spans import EntityType
from gateway.redaction.tier import NameModels, NameTier
from tests.eval.rows import EvalSet, Find, Marked

_NOTES = """
Spoke to <John Carter>, will pay 300 on Friday, said his wife <Melissa> handles the bills.
Left message with <Ms. O'Leary> at the front desk, debtor no longer works there.
Debtor moved to [88 Harcourt Street, Flat 4, Dublin]; old number is dead.
<Wei Zhang> says he never signed, asked for <Linda Gomez> to call back after 6.
Letter returned from [1204 Maple Avenue, Springfield, IL 62701], no such person.
Third party <Ahmed Khan> answered, claims not to know <Robert Fitzgerald>.
Customer promised 1,200.00 before March 15, requested settlement letter by mail.
Called twice, busy, voicemail full, next attempt tomorrow at 10 am.
Employer confirmed <Priya Natarajan> is on leave until June.
Visit scheduled at [Unit 7, 15 Kowloon Bay Road] but <Mr. Lau> asked to postpone.
<Jean-Pierre Dubois> hung up when the balance of the personal loan was mentioned.
His brother <Tom Sanders> lives at [42 Elm Street] and offered to pay half.
Complaint about the tone of the last call, transferred to supervisor.
Payment plan of 12 instalments declined because of late fees and interest.
Reached <Xiaoming Li>, current address [Room 1203, Block B, Garden Heights, Shenzhen].
"""
_MARK = re.compile(r"<([^>]*)>|\[([^\]]*)\]")


def sets() -> Iterator[EvalSet]:
    """Persons and addresses; only all models together read English."""
    if load_english() is None:
        print(f"English notes not measured: {PACKAGE} is not installed")
        return
    notes = list(marked())
    finder = _all_models
    yield EvalSet("English notes: persons", notes, "PERSON", EntityType.PERSON, finder)
    yield EvalSet("English notes: addresses", notes, "ADDRESS", EntityType.ADDRESS, finder)


def _all_models() -> Find:
    return NameTier(NameModels.ALL).find


def marked() -> Iterator[Marked]:
    """The notes with their entities; a title before a name is left out of the name."""
    for line in _NOTES.strip().splitlines():
        text, entities, last = "", [], 0
        for match in _MARK.finditer(line):
            text += line[last : match.start()]
            value, kind = (match[1], "PERSON") if match[1] else (match[2], "ADDRESS")
            skip = len(title[0]) if (title := re.match(r"(?:Mr|Ms|Mrs)\. ", value)) else 0
            entities.append((len(text) + skip, len(text) + len(value), kind))
            text += value
            last = match.end()
        yield Marked(text + line[last:], tuple(entities))
