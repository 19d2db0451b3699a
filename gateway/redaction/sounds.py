"""Characters that sound like a digit: every one that a common reading gives, beside the usual."""

from gateway.redaction.digits import DIGITS, HOMOPHONES
from gateway.redaction.wordlists import packaged

# The radio's dong, yao, guai and gou are as usual as the digits' own readings.
READINGS = {
    "ling": "0",
    "dong": "0",
    "yi": "1",
    "yao": "1",
    "er": "2",
    "liang": "2",
    "san": "3",
    "si": "4",
    "wu": "5",
    "liu": "6",
    "qi": "7",
    "guai": "7",
    "ba": "8",
    "jiu": "9",
    "gou": "9",
}
"""Pinyin without tones of each digit."""


def _by_reading() -> dict[str, str]:
    lines = (line.split(":") for line in packaged("readings.txt")["characters"])
    return {
        one: READINGS[reading]
        for reading, characters in lines
        if reading in READINGS
        for one in characters
        if one not in DIGITS and one not in HOMOPHONES
    }


DISTANT: dict[str, str] = _by_reading()
"""Sounds that are mostly ordinary words: 已, 就, 期. They count in long rows of sounds only."""
