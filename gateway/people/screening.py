"""Refuses values that look like an identity or a mobile number where none is asked for."""

import re
from unicodedata import normalize

from gateway.errors import PersonalDataError, RequestInvalidError

_SEPARATORS = re.compile(r"[\s._/·-]+")
# Forms alone, without check digits: a mistyped number is a person's all the same.
_NUMBER = re.compile(r"[0-9]{17}[0-9X]|(?<![0-9])(?:[0-9]{15}|1[3-9][0-9]{9})(?![0-9])")
_HASH = re.compile(r"[0-9a-f]{64}")


def verify_impersonal(**values: str) -> None:
    """Looks at values by the names of their fields; the names may stand in the answer.

    Raises:
        PersonalDataError: a value holds a resident number (18 or 15 characters) or a mobile.
    """
    for name, value in values.items():
        if looks_personal(value):
            raise PersonalDataError(
                f"{name} looks like an identity or mobile number; such never come in here"
            )


def looks_personal(value: str) -> bool:
    """Whether a value holds such a number, in any width, with separators or without."""
    folded = _SEPARATORS.sub("", normalize("NFKC", value)).upper()
    return _NUMBER.search(folded) is not None


def parse_hash(name: str, value: str) -> bytes:
    """The 32 bytes of a hash in lower-case hex.

    Raises:
        PersonalDataError: it looks like the number itself, which should have been hashed.
        RequestInvalidError: it is anything else.
    """
    if _HASH.fullmatch(value):
        return bytes.fromhex(value)
    verify_impersonal(**{name: value})
    raise RequestInvalidError(f"{name} is 64 lower-case hexadecimal digits")
