"""Identity numbers of every generation and origin, each written plainly after a word for it."""

from collections.abc import Callable, Iterator
from random import Random

from tests.eval.evasions import Hidden, Note, carriers, place
from tests.eval.invented_values import digits, identity

SAMPLES = 300  # of a group
_SEED = "another hand, 2"
_DECADES = range(1930, 2011, 10)
_AREAS = ("110101", "310101", "440305", "330113", "513322", "652926", "460204", "152921", "542421")
_WORDS = ("身份证", "证件", "证号", "身份号码", "户口本")


def identifiers() -> Iterator[Note]:
    """`SAMPLES` of each group; the births cover each year from 1930 to 2010."""
    lines = [line for line in carriers()["id"] if any(word in line for word in _WORDS)]
    for group, make in GROUPS.items():
        rng = Random(f"{_SEED}/{group}")
        for number in range(SAMPLES):
            before, after = lines[number % len(lines)].split("{}")
            text, pieces = place(before, [make(rng)], after)
            yield Note(text, (Hidden("id", group, pieces),))


def _born(decade: int) -> Callable[[Random], str]:
    last = min(decade + 9, 2010)
    return lambda rng: "".join(identity(rng, rng.choice(_AREAS), rng.randint(decade, last)))


def _area(area: str) -> Callable[[Random], str]:
    return lambda rng: "".join(identity(rng, area, rng.randint(1930, 2010)))


def _foreigner(rng: Random) -> str:
    return "".join(identity(rng, "9" + digits(rng, 5), rng.randint(1930, 2010)))


def _any_area(rng: Random) -> str:
    """First two digits that some province has, the rest as it comes."""
    province = rng.choice(("11", "13", "23", "34", "42", "45", "53", "61", "65"))
    return "".join(identity(rng, province + digits(rng, 4), rng.randint(1930, 2010)))


def _ending_in_x(rng: Random) -> str:
    while True:
        number = _any_area(rng)
        if number[-1] == "X":
            return number[:-1] + rng.choice("xXＸхХ×")


def _wrong_check(rng: Random) -> str:
    number = _any_area(rng)
    return number[:-1] + rng.choice([d for d in "0123456789X" if d != number[-1]])


def _two_swapped(rng: Random) -> str:
    """A slip of the fingers: two digits of the birth or the sequence in the other order."""
    while True:
        number = _any_area(rng)
        at = rng.randint(6, 15)
        if number[at] != number[at + 1]:
            return number[:at] + number[at + 1] + number[at] + number[at + 2 :]


def _old(rng: Random) -> str:
    area, birth, last = identity(rng, rng.choice(_AREAS), rng.randint(1930, 1985))
    return area + birth[2:] + last[:3]


def _one_short(rng: Random) -> str:
    return _any_area(rng)[:-1]


GROUPS: dict[str, Callable[[Random], str]] = {
    **{f"born {decade}s": _born(decade) for decade in _DECADES},
    "Hong Kong 81": _area("810000"),
    "Macao 82": _area("820000"),
    "Taiwan 83": _area("830000"),
    "foreigner 9": _foreigner,
    "any area": _any_area,
    "ending in X": _ending_in_x,
    "old, 15 digits": _old,
    "wrong check digit": _wrong_check,
    "two digits swapped": _two_swapped,
    "one digit short": _one_short,
}
CHECKED = frozenset(list(GROUPS)[: list(GROUPS).index("any area") + 1])
"""Groups with right check digits, of which none may be missed."""
