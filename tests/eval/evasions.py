"""Numbers in call notes, written to slip past a filter: every form of every type, by a seed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from random import Random

from gateway.redaction.spans import EntityType
from tests.eval.digit_forms import DIGIT_FORMS, Form, Spelled
from tests.eval.invented_values import NUMBERS, Make, email, plate, wechat
from tests.eval.letter_forms import EMAIL_FORMS, PLATE_FORMS, WECHAT_FORMS

SAMPLES = 300  # of a form and a type
_SEED = "another hand, 1"
_TRIES = 2000
_TOGETHER = 4  # every fourth note holds a second number
_CARRIERS = Path(__file__).parent / "lists" / "number_carriers.txt"
SLANG = "cue in slang"
_LINKS = "。；，;,\n "

TYPES = {
    "mobile": EntityType.PHONE,
    "id": EntityType.ID_NUMBER,
    "card": EntityType.BANK_CARD,
    "landline": EntityType.PHONE,
    "qq": EntityType.ACCOUNT_ID,
    "wechat": EntityType.ACCOUNT_ID,
    "plate": EntityType.PLATE,
    "email": EntityType.EMAIL,
}
FORMS: dict[str, dict[str, Form]] = {
    **dict.fromkeys(NUMBERS, DIGIT_FORMS),
    "qq": DIGIT_FORMS | {SLANG: DIGIT_FORMS["as it is"]},
    "wechat": WECHAT_FORMS | {SLANG: WECHAT_FORMS["as it is"]},
    "plate": PLATE_FORMS,
    "email": EMAIL_FORMS,
}
_MAKE: dict[str, Make] = NUMBERS | {"wechat": wechat, "plate": plate, "email": email}


@dataclass(frozen=True, slots=True)
class Hidden:
    """A value in a note: stretches (start, end) that all have to be masked."""

    kind: str
    form: str
    pieces: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Note:
    """A note and the values in it."""

    text: str
    values: tuple[Hidden, ...]


def evasions() -> Iterator[Note]:
    """At least `SAMPLES` values of each kind in each form."""
    lines = carriers()
    for kind, forms in FORMS.items():
        for form in forms:
            rng = Random(f"{_SEED}/{kind}/{form}")
            own = lines[f"{kind} slang" if form == SLANG else kind]
            for number in range(SAMPLES):
                note = _note(kind, form, own[number % len(own)], rng)
                if number % _TOGETHER == 0 and form != SLANG:
                    other = rng.choice([one for one in FORMS if form in FORMS[one]])
                    second = _note(other, form, rng.choice(lines[other]), rng)
                    note = _join(note, second, rng.choice(_LINKS))
                yield note


def carriers() -> Mapping[str, list[str]]:
    """Sentences with `{}` by kind."""
    found: dict[str, list[str]] = {}
    kind = ""
    for line in _CARRIERS.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            kind = line.strip("[]")
        elif line and not line.startswith("#"):
            found.setdefault(kind, []).append(line)
    return found


def _note(kind: str, form: str, carrier: str, rng: Random) -> Note:
    before, after = carrier.split("{}")
    spelled = _spell(kind, form, rng)
    text, pieces = place(before, spelled, after)
    return Note(text, (Hidden(kind, form, pieces),))


def _spell(kind: str, form: str, rng: Random) -> Spelled:
    """A value that this form changes."""
    for _ in range(_TRIES):
        groups = _MAKE[kind](rng)
        spelled = FORMS[kind][form](groups, rng)
        if form in {"as it is", SLANG} or spelled != ["".join(groups)]:
            return spelled
    raise AssertionError(f"{form} changes no {kind}")


def place(before: str, spelled: Spelled, after: str) -> tuple[str, tuple[tuple[int, int], ...]]:
    """The whole text, and where the stretches to hide stand in it."""
    ends = [len(before)]
    for part in spelled:
        ends.append(ends[-1] + len(part))
    pieces = tuple((start, end) for start, end in list(pairwise(ends))[::2] if start < end)
    return before + "".join(spelled) + after, pieces


def _join(first: Note, second: Note, link: str) -> Note:
    offset = len(first.text) + len(link)
    moved = tuple(
        Hidden(one.kind, one.form, tuple((s + offset, e + offset) for s, e in one.pieces))
        for one in second.values
    )
    return Note(first.text + link + second.text, first.values + moved)
