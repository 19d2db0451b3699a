"""Says whether a value that should be a reference or a code is a person instead."""

import re
from unicodedata import normalize

from gateway.redaction.checks import has_luhn_check, has_resident_check, is_resident_form

# What machines make at random, wherever it stands: of a thousand UUIDs a few hold eleven digits
# that could be a mobile, and mean nothing.
_MACHINE_MADE = re.compile(
    r"(?<![0-9a-fA-F])[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}(?![0-9a-fA-F])"
    r"|(?<![0-9A-Za-z])(?:(?=[0-9]*[a-fA-F])[0-9a-fA-F]{32}|[0-9A-HJKMNP-TV-Z]{26})(?![0-9A-Za-z])"
)
_SEPARATORS = re.compile(r"[\s._:/·-]+")
_MOBILE = re.compile(r"(?<![0-9])(?:\+?(?:00)?86)?1[3-9][0-9]{9}(?![0-9])")
_RESIDENT = re.compile(r"(?<![0-9])[0-9]{17}[0-9X](?![0-9])")
_CARD = re.compile(r"(?<![0-9])(?:62|4|5[1-5])[0-9]{13,17}(?![0-9])")
# Ten digits with or without something between them: shorter is no number of a person.
_MANY_DIGITS = re.compile(r"[0-9](?:[\s._:/·-]*[0-9]){9}")
_FEWEST_DIGITS = 10
_DIGITS = str.maketrans("", "", "0123456789")
_NAMED_LIKE = re.compile(
    r"name|phone|mobile|tel(?:$|_)|id_?(?:no|number|card)|ident(?!ity_check)|passport|card|account"
    r"|address|email|birth|wechat|qq|姓|名|电话|手机|号码|证|卡|账|地址|邮",
    re.IGNORECASE,
)


def is_personal(value: str) -> bool:
    """Whether a value holds a mobile, a resident number (GB 11643), a card number, or a name.

    References and codes are ASCII: what is not, is somebody's words, and may be a name.
    """
    folded = normalize("NFKC", value)
    if not folded.isascii():
        return True
    return holds_number(folded)


def holds_number(value: str) -> bool:
    """The same of numbers alone, in ASCII."""
    if _MANY_DIGITS.search(value) is None:
        return False
    rest = _MACHINE_MADE.sub("|", value)
    # As it stands, and with what separates digits taken out.
    return _has_number(rest.upper()) or _has_number(_SEPARATORS.sub("", rest).upper())


def has_many_digits(value: str) -> bool:
    """Whether a value has as many digits as the shortest number of a person; cheap."""
    return len(value) - len(value.translate(_DIGITS)) >= _FEWEST_DIGITS


def is_personal_name(field: str) -> bool:
    """Whether a field of that name would hold a person's data."""
    return _NAMED_LIKE.search(field) is not None


def _has_number(text: str) -> bool:
    if _MOBILE.search(text):
        return True
    if any(_is_resident(found[0]) for found in _RESIDENT.finditer(text)):
        return True
    return any(has_luhn_check(found[0]) for found in _CARD.finditer(text))


def _is_resident(number: str) -> bool:
    return is_resident_form(number) and has_resident_check(number)
