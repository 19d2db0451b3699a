"""Training sentences with a label for each character, from carriers and from drawn words.

Labels: ``.`` nothing, ``P`` first and ``p`` further character of a person, ``a`` address, ``l``
bare place name, ``G`` first and ``g`` further character of an organisation, ``?`` left to the
teacher.
"""

from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from random import Random

from tests.eval.training import invented
from tests.eval.training.invented import PARTS, Lexicon

_TAGS = ("n", "v", "a", "ns", "nz", "d", "l", "i", "t", "vn", "m", "r", "p", "c", "f", "nt", "s")
_CARRIERS = Path(__file__).parent / "lists" / "carriers.txt"
_TITLES = PARTS["titles and relations"]
# Words between words: what real sentences have and drawn words lack.
_GLUE = PARTS["between words"]
_PATTERNS = (
    "n v n",
    "r v n",
    "n d v",
    "ns n v n",
    "a n v vn",
    "t n v n f",
    "n p n v",
    "l n",
    "i n",
    "m n v",
    "n c n v n",
    "nz n v",
    "vn n a",
    "r d a",
    "nt v n",
    "v n f v",
    "s v n",
    "d v n",
    "n n n",
    "ns nz n",
)


def read_lexicon(path: Path) -> Lexicon:
    """Read ``word frequency tag`` lines (jieba's dictionary, MIT) into words by tag."""
    words: dict[str, list[str]] = {tag: [] for tag in _TAGS}
    counts: dict[str, list[float]] = {tag: [] for tag in _TAGS}
    for line in path.read_text(encoding="utf-8").splitlines():
        word, count, tag = line.split(" ")
        if tag in words and all("一" <= character <= "龥" for character in word):
            words[tag].append(word)
            counts[tag].append((int(count) + 1) ** 0.6)
    return Lexicon(words, {tag: list(accumulate(counts[tag])) for tag in _TAGS})


class Writer:
    """Writes labelled sentences, the same for the same seed."""

    def __init__(self, lexicon: Lexicon, seed: int) -> None:
        self._lexicon = lexicon
        self._rng = Random(seed)
        lines = _CARRIERS.read_text(encoding="utf-8").splitlines()
        self._carriers = [line for line in lines if line and not line.startswith("#")]

    def sentences(self, count: int, *, drawn: float) -> Iterator[tuple[str, str]]:
        """Yield `count` pairs of text and labels; the share `drawn` is made of drawn words."""
        for _ in range(count):
            parts = [self._drawn if self._rng.random() < drawn else self._carried]
            parts *= self._rng.choice([1, 1, 2, 3])
            pairs = [part() for part in parts]
            end = self._rng.choice(["。", "。", "", "；", " ", "\n"])
            text = end.join(pair[0] for pair in pairs) + end
            yield text, ("." * len(end)).join(pair[1] for pair in pairs) + "." * len(end)

    def _carried(self) -> tuple[str, str]:
        line = self._rng.choice(self._carriers)
        text, labels = "", ""
        while line:
            if line[0] == "{":
                slot, line = line[1], line[3:]
                filled, marks = self._fill(slot)
            else:
                filled, marks, line = line[0], ".", line[1:]
            text += filled
            labels += marks
        return text, labels

    def _fill(self, slot: str) -> tuple[str, str]:
        rng, lexicon = self._rng, self._lexicon
        if slot in "PC":
            text = (invented.person if slot == "P" else invented.called)(rng, lexicon)
            return text, "P" + "p" * (len(text) - 1)
        if slot == "A":
            text = invented.address(rng, lexicon)
            return text, "a" * len(text)
        if slot == "G":
            text = invented.organisation(rng, lexicon)
            return text, "G" + "g" * (len(text) - 1)
        if slot == "L":
            text = invented.place(rng, lexicon)
            return text, "l" * len(text)
        if slot in "nva":
            text = lexicon.draw(rng, slot)
            return text, "." * len(text)
        text = self._figure(slot)
        return text, "." * len(text)

    def _figure(self, slot: str) -> str:
        rng = self._rng
        if slot == "i":
            return rng.choice(_TITLES)
        if slot == "m":
            return rng.choice(
                [
                    f"{rng.randint(1, 99999)}",
                    f"{rng.randint(1, 99)}.{rng.randint(0, 99):02}",
                    "3万",
                    "两千",
                ]
            )
        if slot == "d":
            month, day = rng.randint(1, 12), rng.randint(1, 28)
            return rng.choice(
                [
                    f"{month}月{day}日",
                    f"{day}号",
                    f"{rng.randint(1950, 2026)}年{month}月",
                    "下周",
                    "月底",
                    "今天",
                ]
            )
        return f"1{rng.randint(3, 9)}{rng.randint(0, 999_999_999):09}"

    def _drawn(self) -> tuple[str, str]:
        rng, lexicon = self._rng, self._lexicon
        text, labels = "", ""
        for _ in range(rng.choice([2, 3, 4, 6])):
            for tag in rng.choice(_PATTERNS).split():
                chance = rng.random()
                if chance < 0.09:
                    slot = rng.choice("PPPPPPCAGL")
                    if rng.random() < 0.3:
                        title = rng.choice(_TITLES)
                        text += title
                        labels += "." * len(title)
                    repeat = 3 if rng.random() < 0.1 else 1
                    for _ in range(repeat):
                        filled, marks = self._fill(slot)
                        text += filled
                        labels += marks
                else:
                    drawn = lexicon.draw(rng, tag)
                    text += drawn
                    labels += "?" * len(drawn)
                if rng.random() < 0.3:
                    glue = rng.choice(_GLUE)
                    text += glue
                    labels += "?"
            mark = rng.choice("，，，。、")
            text += mark
            labels += "."
        return text, labels
