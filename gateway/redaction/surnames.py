"""Chinese surnames and the characters that given names are made of."""

from gateway.redaction.wordlists import packaged

_SECTIONS = packaged("naming.txt")

FREQUENT = tuple("".join(_SECTIONS["frequent surnames"]))
"""Surnames that nearly nine people in ten bear, most frequent first."""

RARER = tuple("".join(_SECTIONS["rarer surnames"]))
"""Other surnames; many of them are also ordinary words, so they need more support."""

SINGLE = frozenset((*FREQUENT, *RARER, *"".join(_SECTIONS["traditional surnames"])))
"""All surnames of one character, traditional spellings included."""

COMPOUND = frozenset(_SECTIONS["compound surnames"])
"""Surnames of two characters."""

GIVEN_MALE = tuple("".join(_SECTIONS["given names of men"]))
GIVEN_FEMALE = tuple("".join(_SECTIONS["given names of women"]))
"""Characters of given names, the usual ones first."""

GIVEN = frozenset((*GIVEN_MALE, *GIVEN_FEMALE, *"".join(_SECTIONS["traditional given names"])))
"""All characters usual in given names."""

TRANSLITERATED = frozenset("".join(_SECTIONS["transliteration"]))
"""Characters that foreign and minority names are written with."""

AMBIGUOUS = frozenset(_SECTIONS["surnames that are everyday words"][0])
"""Surnames that are everyday words as well: they need more support than others."""
