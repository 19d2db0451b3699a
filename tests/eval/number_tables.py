"""Measures the sets of numbers that another hand wrote, and says which goals are met."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gateway.redaction.engine import build_engine
from gateway.redaction.redactor import Redaction
from tests.eval.evasions import FORMS, TYPES, Note, evasions
from tests.eval.identifiers import CHECKED, identifiers
from tests.eval.known_values import known_values
from tests.eval.ordinary_numbers import ordinary_numbers

_FORM_GOAL = 99.0
_ORDINARY_GOAL = 1.0
_WHOLE = 100.0
_LINKS = "-_"  # say nothing if they are all that is left
_DIGITS = ("mobile", "id", "card", "landline", "qq")
_LETTERS = ("wechat", "plate", "email")
_KNOWN = ("name", "address", "mobile", "id", "card")


@dataclass(slots=True)
class Cell:
    """Values of one kind in one form: hidden as anything, hidden as what they are."""

    wanted: int = 0
    covered: int = 0
    own_type: int = 0
    withheld: int = 0
    missed: list[str] = field(default_factory=list)

    @property
    def percent(self) -> float:
        """Values of which every stretch is hidden, by spans of whatever type."""
        return 100 * self.covered / max(1, self.wanted)

    @property
    def typed_percent(self) -> float:
        """Values that are hidden as what they are."""
        return 100 * self.own_type / max(1, self.wanted)


Cells = dict[tuple[str, str], Cell]


def print_number_tables(console: Console, show: int = 0) -> None:
    """Four tables, each followed by its goal; `show` is the number of misses of a cell."""
    redactor = build_engine(names=False)
    cells, beside = count((note, redactor.redact(note.text)) for note in evasions())
    for title, kinds in (("digits", _DIGITS), ("letters", _LETTERS)):
        _print_grid(console, f"evasions: {title}, hidden %", cells, kinds)
        _print_misses(console, cells, kinds, show)
    _print_types(console, cells)
    _print_goal(console, f"evasions, each form at least {_FORM_GOAL:.0f} %", cells, _FORM_GOAL)
    console.print(f"characters masked beside the numbers: {beside:.2f} %")

    cells, _ = count((note, redactor.redact(note.text)) for note in identifiers())
    _print_grid(console, "identity numbers, hidden %", cells, ("id",))
    _print_misses(console, cells, ("id",), show)
    checked = {key: cell for key, cell in cells.items() if key[1] in CHECKED}
    others = {key: cell for key, cell in cells.items() if key[1] not in CHECKED}
    _print_goal(console, "identity numbers with right check digits, 100 %", checked, _WHOLE)
    _print_goal(console, "other identity numbers, at least 99 %", others, _FORM_GOAL)

    planted = list(known_values())
    cells, _ = count((one.note, redactor.redact(one.note.text, one.known)) for one in planted)
    _print_grid(console, "known values, hidden %", cells, _KNOWN)
    _print_misses(console, cells, _KNOWN, show)
    _print_goal(console, "known values, 100 %", cells, _WHOLE)
    _print_ordinary(console, redactor.redact, show)


def count(results: Iterable[tuple[Note, Redaction]]) -> tuple[Cells, float]:
    """Cells by (kind, form), and the percentage of other characters that were masked.

    A note that is withheld hides everything that it holds.
    """
    cells: Cells = defaultdict(Cell)
    others = masked_others = 0
    for note, redaction in results:
        masked = {at for span in redaction.spans for at in range(span.start, span.end)}
        inside = set()
        for value in note.values:
            first = value.pieces[0][0]
            wanted = {at for start, end in value.pieces for at in range(start, end)}
            wanted = {at for at in wanted if note.text[at] not in _LINKS}
            inside |= set(range(first, value.pieces[-1][1]))
            types = {
                span.type
                for span in redaction.spans
                if span.start < value.pieces[-1][1] and span.end > first
            }
            cell = cells[value.kind, value.form]
            cell.wanted += 1
            covered = redaction.withheld or wanted <= masked
            cell.withheld += redaction.withheld
            cell.covered += covered
            cell.own_type += covered and types == {TYPES.get(value.kind)}
            if not covered:
                cell.missed.append(f"{note.text!r} -> {redaction.text!r}")
        others += len(note.text) - len(inside)
        masked_others += len(masked - inside)
    return cells, 100 * masked_others / max(1, others)


def _print_grid(console: Console, title: str, cells: Cells, kinds: tuple[str, ...]) -> None:
    table = Table(title=title, title_justify="left")
    table.add_column("form")
    for kind in kinds:
        table.add_column(kind, justify="right")
    forms = list(dict.fromkeys(form for kind, form in cells if kind in kinds))
    for form in forms:
        found = [cells.get((kind, form)) for kind in kinds]
        table.add_row(
            escape(form), *("" if one is None else f"{one.percent:.1f}" for one in found)
        )
    console.print(table)


def _print_types(console: Console, cells: Cells) -> None:
    for kind, forms in FORMS.items():
        found = [cells[kind, form] for form in forms]
        total = sum(one.wanted for one in found)
        hidden = 100 * sum(one.covered for one in found) / total
        typed = 100 * sum(one.own_type for one in found) / total
        withheld = sum(one.withheld for one in found)
        console.print(
            f"{kind}: {len(found)} forms, {total} values, hidden {hidden:.1f} %, "
            f"as {TYPES[kind]} alone {typed:.1f} %, in withheld notes {withheld}"
        )


def _print_misses(console: Console, cells: Cells, kinds: tuple[str, ...], show: int) -> None:
    for (kind, form), cell in cells.items():
        if kind in kinds:
            for line in list(dict.fromkeys(cell.missed))[:show]:
                console.print(f"{kind} / {form}: {line}", markup=False, highlight=False)


def _print_goal(console: Console, name: str, cells: Cells, goal: float) -> None:
    met = sum(cell.percent >= goal for cell in cells.values())
    verdict = "met" if met == len(cells) else "missed"
    console.print(f"goal {verdict}: {name} ({met} of {len(cells)} cells)")


def _print_ordinary(console: Console, redact: Callable[[str], Redaction], show: int) -> None:
    """The share of ordinary numbers of which any character is hidden."""
    hit: dict[str, list[str]] = {}
    total: dict[str, int] = defaultdict(int)
    for one in ordinary_numbers():
        found = redact(one.text)
        total[one.kind] += 1
        missed = hit.setdefault(one.kind, [])
        if found.withheld or any(s.start < one.end and s.end > one.start for s in found.spans):
            types = ",".join(sorted({span.type for span in found.spans}))
            missed.append(f"{one.text} ({types})")
    table = Table(title="numbers that should stay, masked %", title_justify="left")
    table.add_column("kind")
    table.add_column("n", justify="right")
    table.add_column("masked %", justify="right")
    for kind, missed in hit.items():
        table.add_row(kind, str(total[kind]), f"{100 * len(missed) / total[kind]:.1f}")
    console.print(table)
    for kind, missed in hit.items():
        for line in missed[:show]:
            console.print(f"{kind}: {line}", markup=False, highlight=False)
    share = 100 * sum(map(len, hit.values())) / sum(total.values())
    verdict = "met" if share <= _ORDINARY_GOAL else "missed"
    console.print(f"goal {verdict}: ordinary numbers masked {share:.2f} %, at most 1 %")
    above = [kind for kind, missed in hit.items() if 100 * len(missed) > total[kind]]
    console.print(f"kinds above 1 %: {', '.join(above) or 'none'}")
