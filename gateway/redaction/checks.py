"""Check digits and forms: they decide what a number is, never whether it is hidden."""

from operator import mul

# GB 11643-1999 by ISO 7064 MOD 11-2. The weights 7 9 10 5 8 4 2 … 2 are powers of two modulo 11,
# and 13 is 2 modulo 11: read as a number of base 13, the digits are weighed already.
_ID_BASE = 13
_ID_CHECKS = "10X98765432"
_LUHN_DOUBLES = bytes.maketrans(b"0123456789", b"0246813579")
# GB 32100-2015: no I, O, Z, S, V; weights are powers of 3 modulo 31.
_FIRM_ALPHABET = {one: value for value, one in enumerate("0123456789ABCDEFGHJKLMNPQRTUWXY")}
_FIRM_WEIGHTS = tuple(pow(3, place, 31) for place in range(17))
_LETTER_VALUES = {chr(65 + value): value + 10 for value in range(26)}
# The letters of Taiwan's identity numbers stand for 10 to 35, in the order of their issue.
_TAIWAN_VALUES = {one: value for value, one in enumerate("ABCDEFGHJKLMNPQRSTUVXYWZIO", start=10)}
_TAIWAN_WEIGHTS = (8, 7, 6, 5, 4, 3, 2, 1, 1)
_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_FIRST_YEAR, _LAST_YEAR = 1850, 2099


def is_birth_date(digits: str) -> bool:
    """Whether YYYYMMDD could be a date; 29 February passes in any year."""
    year, month, day = int(digits[:4]), int(digits[4:6]), int(digits[6:])
    return _FIRST_YEAR <= year <= _LAST_YEAR and 1 <= month <= 12 and 1 <= day <= _DAYS[month - 1]  # noqa: PLR2004  # months


def is_resident_form(number: str) -> bool:
    """Whether 18 characters have the form of GB 11643-1999: an area and a date. No area table."""
    return number[0] != "0" and is_birth_date(number[6:14])


def has_resident_check(number: str) -> bool:
    """Whether the 18th character is right (17 ASCII digits and a digit or X)."""
    return _ID_CHECKS[2 * int(number[:17], _ID_BASE) % 11] == number[17]


def is_old_resident_form(number: str) -> bool:
    """Whether 15 digits have the form used until 1999: area, YYMMDD, order."""
    return "11" <= number[:2] <= "83" and is_birth_date("19" + number[6:12])


def has_luhn_check(digits: str) -> bool:
    """Whether ASCII digits pass ISO/IEC 7812-1, annex B."""
    values = digits.encode("ascii")[::-1]
    total = sum(values[::2]) + sum(values[1::2].translate(_LUHN_DOUBLES))
    return (total - 48 * len(values)) % 10 == 0


def has_firm_check(number: str) -> bool:
    """Whether 18 upper-case characters pass GB 32100-2015."""
    try:
        values = [_FIRM_ALPHABET[one] for one in number]
    except KeyError:
        return False
    total: int = sum(map(mul, values, _FIRM_WEIGHTS))
    return (31 - total % 31) % 31 == values[17]


def has_hong_kong_check(letters: str, digits: str, check: str) -> bool:
    """Whether an identity card's one or two letters, six digits and check character agree."""
    head = [_LETTER_VALUES[one] for one in letters]
    values = ([36] if len(head) == 1 else []) + head + [int(one) for one in digits]
    total = sum(value * weight for value, weight in zip(values, range(9, 1, -1), strict=True))
    return (total + (10 if check == "A" else int(check))) % 11 == 0


def has_taiwan_check(letter: str, digits: str) -> bool:
    """Whether a letter and nine digits agree modulo 10."""
    head = _TAIWAN_VALUES[letter]
    total: int = sum(map(mul, map(int, digits), _TAIWAN_WEIGHTS))
    return (head // 10 + head % 10 * 9 + total) % 10 == 0
