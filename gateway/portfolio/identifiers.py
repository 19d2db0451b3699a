"""Canonical forms of telephone and identity numbers as lenders' files write them."""

import re
from collections.abc import Callable
from datetime import date
from operator import mul
from unicodedata import normalize

from gateway.portfolio.errors import CellError
from gateway.portfolio.reasons import ErrorCode

_MOBILE = re.compile(r"1[3-9][0-9]{9}")
_SCIENTIFIC = re.compile(r"[0-9](?:\.[0-9]+)?[Ee]\+?[0-9]{1,3}")
_PHONE_NOISE = re.compile(r"[\s()\-‐‑–—_./·]+")
_EXTENSION = re.compile(r"(?:转|分机|ext\.?|x|#|-)\s*([0-9]{1,6})$", re.IGNORECASE)
_HOME_PREFIX = re.compile(r"(?:\+|00)86|86(?=1[3-9][0-9]{9}$)")
_ABROAD = re.compile(r"(?:\+|00)([1-9][0-9]{7,14})")
# With area code; 400 and 800 numbers; service numbers; local numbers without area code.
_LANDLINE = re.compile(r"0[1-9][0-9]{8,10}|[48]00[0-9]{7}|9[56][0-9]{3,6}|[2-8][0-9]{6,7}")
_AREA_CODE = re.compile(r"0(?:10|2[0-9]|[3-9][0-9]{2})")

_RESIDENT_ID = re.compile(r"[1-9][0-9]{16}[0-9X]")
_OLD_ID = re.compile(r"[1-9][0-9]{14}")
_OTHER_DOCUMENT = re.compile(r"[0-9A-Z]{5,20}")
# GB 11643-1999: weights 2**(18-i) mod 11; the digits arrive as ASCII codes, so 48 is taken off.
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_ASCII_OFFSET = 48 * sum(_WEIGHTS)
_CHECK_CHARACTERS = "10X98765432"
_OLD_LENGTH = 15
_ROUNDS = 4


def is_spreadsheet_number(text: str) -> bool:
    """Whether this is scientific notation, as a spreadsheet leaves it in place of long digits."""
    return _SCIENTIFIC.fullmatch(text) is not None


def parse_mobile(text: str) -> str:
    """One mobile number: 11 digits for the mainland, ``+`` and digits for abroad.

    Raises:
        CellError: SPREADSHEET_DAMAGED or NOT_A_MOBILE.
    """
    if _MOBILE.fullmatch(text):
        return text
    number = _parse_folded(_folded(text), ErrorCode.NOT_A_MOBILE)
    if number[0] == "+" or _MOBILE.fullmatch(number):
        return number
    raise CellError(ErrorCode.NOT_A_MOBILE)


def parse_phone(text: str) -> str:
    """One number of any kind; a landline's extension stays behind a hyphen (``01062345678-801``).

    Raises:
        CellError: SPREADSHEET_DAMAGED or NOT_A_PHONE.
    """
    if _MOBILE.fullmatch(text):
        return text
    return _parse_folded(_folded(text), ErrorCode.NOT_A_PHONE)


def parse_id_number(text: str) -> str:
    """An identity number of the mainland's scheme, upper-case, without spaces.

    18 characters with the ISO 7064 MOD 11-2 check of GB 11643-1999, or the old 15 digits.
    Residence permits for people of Hong Kong, Macao and Taiwan (81, 82, 83) and for foreigners (9)
    follow the same rule, and no table of area codes is consulted: codes are retired and reused.

    Raises:
        CellError: SPREADSHEET_DAMAGED, NOT_AN_ID_NUMBER, BAD_BIRTH_DATE or BAD_CHECK_DIGIT.
    """
    if not _RESIDENT_ID.fullmatch(text):
        text = _folded(text).replace(" ", "").upper()
        if is_spreadsheet_number(text):
            raise CellError(ErrorCode.SPREADSHEET_DAMAGED)
        if _OLD_ID.fullmatch(text):
            _verify_birth_date("19" + text[6:12])
            return text
        if not _RESIDENT_ID.fullmatch(text):
            raise CellError(ErrorCode.NOT_AN_ID_NUMBER)
    _verify_birth_date(text[6:14])
    if check_character(text) != text[17]:
        raise CellError(ErrorCode.BAD_CHECK_DIGIT)
    return text


def parse_other_document(text: str) -> str:
    """A passport or other document: 5 to 20 letters and digits, upper-case.

    Raises:
        CellError: SPREADSHEET_DAMAGED or NOT_AN_ID_NUMBER.
    """
    text = re.sub(r"[\s()\-]", "", _folded(text)).upper()
    if is_spreadsheet_number(text):
        raise CellError(ErrorCode.SPREADSHEET_DAMAGED)
    if not _OTHER_DOCUMENT.fullmatch(text):
        raise CellError(ErrorCode.NOT_AN_ID_NUMBER)
    return text


def canonical_phone(text: str) -> str:
    """The one spelling of a telephone number that digests are made of.

    E.164 without the mainland's +86: ``138-1234-5678`` and full-width digits are one number. What
    is no number is folded (NFKC) and loses its spaces, so that any text has a digest.
    """
    try:
        return parse_phone(text)
    except CellError:
        return _settled(text, lambda part: part)


def canonical_document(text: str) -> str:
    """The one spelling of an identity or other document's number that digests are made of.

    Upper-case, half-width (NFKC), without spaces; hyphens and brackets stay out of a passport's.
    """
    if _RESIDENT_ID.fullmatch(text):
        return text
    for parse in (parse_id_number, parse_other_document):
        try:
            return parse(text)
        except CellError:
            continue
    return _settled(text, str.upper)


def check_character(digits: str) -> str:
    """The 18th character for the first 17 ASCII digits given (ISO 7064 MOD 11-2)."""
    total = sum(map(mul, digits.encode("ascii"), _WEIGHTS)) - _ASCII_OFFSET
    return _CHECK_CHARACTERS[total % 11]


def id_number_spellings(id_number: str) -> tuple[str, ...]:
    """The canonical number, and the one of the other length that its holder may stand under.

    Who was born before 2000 may have been known by 15 digits: the same without century and check.
    """
    if len(id_number) == _OLD_LENGTH:
        long = f"{id_number[:6]}19{id_number[6:]}"
        return (id_number, long + check_character(long))
    if _RESIDENT_ID.fullmatch(id_number) and id_number[6:8] == "19":
        return (id_number, id_number[:6] + id_number[8:17])
    return (id_number,)


def is_female_number(id_number: str) -> bool | None:
    """Whether an identity number was given to a woman; None when its form does not tell.

    The order code is odd for men: its last digit is the 17th of 18 or the 15th of 15.
    """
    if not id_number[:_OLD_LENGTH].isdecimal():
        return None
    if len(id_number) == _OLD_LENGTH:
        return id_number[14] in "02468"
    if _RESIDENT_ID.fullmatch(id_number):
        return id_number[16] in "02468"
    return None


def _settled(text: str, change: Callable[[str], str]) -> str:
    """Folded, without spaces, changed, until nothing changes: what a space kept apart may join."""
    for _round in range(_ROUNDS):
        before = text
        text = normalize("NFKC", change("".join(_folded(text).split())))
        if text == before:
            break
    return text


def _folded(text: str) -> str:
    return normalize("NFKC", text).strip()


def _verify_birth_date(digits: str) -> None:
    try:
        date.fromisoformat(digits)
    except ValueError:
        raise CellError(ErrorCode.BAD_BIRTH_DATE) from None


def _parse_folded(text: str, code: ErrorCode) -> str:
    if is_spreadsheet_number(text):
        raise CellError(ErrorCode.SPREADSHEET_DAMAGED)
    extension = ""
    bare = _PHONE_NOISE.sub("", text)
    if not bare.removeprefix("+").isdecimal() or _has_hyphened_extension(text):
        found = _EXTENSION.search(text)
        if found is None:
            raise CellError(code)
        extension = "-" + found[1]
        bare = _PHONE_NOISE.sub("", text[: found.start()])
    home = _HOME_PREFIX.match(bare)
    if home:
        bare = bare[home.end() :]
        # "+86 10 6234 5678" drops the trunk zero that a call inside the country needs.
        if not _MOBILE.fullmatch(bare) and bare[:1] in "123456789" and not bare.startswith("400"):
            bare = "0" + bare
    elif not extension and (abroad := _ABROAD.fullmatch(bare)):
        return "+" + abroad[1]
    if _MOBILE.fullmatch(bare) and not extension:
        return bare
    if not _LANDLINE.fullmatch(bare) or not _has_area_code(bare):
        raise CellError(code)
    return bare + extension


def _has_hyphened_extension(text: str) -> bool:
    # 010-62345678-801: area code, number, extension; a mobile written 138-1234-5678 is not one.
    return re.fullmatch(r"0[0-9]{2,3}-[0-9]{7,8}-[0-9]{1,6}", text) is not None


def _has_area_code(number: str) -> bool:
    return number[0] != "0" or _AREA_CODE.match(number) is not None
