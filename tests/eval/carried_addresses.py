"""Addresses typed by hand in carrier sentences that no training text has."""

from collections.abc import Iterator
from pathlib import Path

from gateway.redaction.spans import EntityType
from tests.eval.rows import EvalSet, Marked

_LISTS = Path(__file__).parent / "lists"


def sets() -> Iterator[EvalSet]:
    """The one row."""
    sentences = list(carried_addresses())
    yield EvalSet("addresses in carriers (typed)", sentences, "ADDRESS", EntityType.ADDRESS)


def carried_addresses() -> Iterator[Marked]:
    """Each address in four of the carriers, in turn."""
    addresses, carriers = _lines("addresses.txt"), _lines("carriers.txt")
    for number, address in enumerate(addresses):
        for turn in range(4):
            carrier = carriers[(number * 7 + turn * 5) % len(carriers)]
            before, after = carrier.split("{}")
            text = before + address + after
            yield Marked(text, ((len(before), len(before) + len(address), "ADDRESS"),))


def _lines(name: str) -> list[str]:
    lines = (_LISTS / name).read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]
