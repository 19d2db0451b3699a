"""Measures recall and over-masking of free text: `python -m tests.eval [--part P] [--ner DIR]`."""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table

from gateway.redaction.tier import NameModels, NameTier
from tests.eval import carried_addresses, english_notes, public_sets, sample_portfolio
from tests.eval.number_tables import print_number_tables
from tests.eval.rows import EvalSet, Find
from tests.eval.scores import Score, score

_MICRO = 1_000_000
_NOTE = 200  # characters of the notes that speed is told for
_ROUNDS = 5
_SAMPLES = 400


def main() -> None:
    """Prints the tables; a missed goal is a result, not a failure."""
    options = _parse()
    console = Console(width=110)
    if options.part != "names":
        print_number_tables(console, options.show)
    if options.part == "numbers":
        return
    tiers: list[tuple[str, Find]] = [
        (models.value, NameTier(models).find) for models in options.models
    ]
    table = Table(title="names and addresses", title_justify="left")
    for column in (
        "set",
        "models",
        "n",
        "full %",
        "any span %",
        "precision %",
        "over %",
        "any over %",
    ):
        table.add_column(column, justify="left" if column in {"set", "models"} else "right")
    for one in _sets(options.ner):
        finders = tiers if one.finder is None else [("", one.finder())]
        for models, find in finders:
            found = score(one.sentences, find, wanted=one.wanted, type_=one.type)
            table.add_row(one.name, models, *_cells(found))
            if options.show:
                console.print(f"{one.name} {models} missed", found.missed[: options.show])
                console.print(f"{one.name} {models} beside", found.beside[: options.show])
    console.print(table)
    _print_speed(console, tiers)


def _sets(ner: Path | None) -> Iterator[EvalSet]:
    """All rows; a further set is a module with `sets()` and a line here."""
    yield from carried_addresses.sets()
    yield from sample_portfolio.sets()
    yield from english_notes.sets()
    yield from public_sets.sets(ner)


def _cells(found: Score) -> tuple[str, ...]:
    return (
        str(found.wanted),
        f"{found.full:.1f}",
        f"{found.full_by_any:.1f}",
        f"{found.precision:.0f}",
        f"{found.over:.2f}",
        f"{found.over_any:.2f}",
    )


def _print_speed(console: Console, finders: list[tuple[str, Find]]) -> None:
    """CPU time for a Chinese note of 200 characters, best of interleaved rounds."""
    text = " ".join(one.text for one in sample_portfolio.sample_notes(_SAMPLES))
    notes = [text[start : start + _NOTE] for start in range(0, 100 * _NOTE, _NOTE)]
    best = dict.fromkeys((name for name, _ in finders), float("inf"))
    for _ in range(_ROUNDS):
        for name, find in finders:
            started = time.process_time()
            for note in notes:
                find(note)
            best[name] = min(best[name], (time.process_time() - started) / len(notes))
    for name, seconds in best.items():
        console.print(f"{name}: {seconds * _MICRO:,.0f} µs CPU a note of {_NOTE} characters")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.eval", description=__doc__)
    parser.add_argument("--ner", type=Path, help="directory of the public sets")
    parser.add_argument("--show", type=int, default=0, help="print so many misses of each set")
    parser.add_argument("--part", choices=("all", "names", "numbers"), default="all")
    parser.add_argument(
        "--models",
        type=lambda text: [NameModels(name) for name in text.split(",")],
        default=list(NameModels),
        help="rules, own, all; separated by commas",
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
