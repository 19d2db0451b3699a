"""What a string of digits is, by its length, its beginning and its check digit."""

import re
from dataclasses import dataclass

from gateway.redaction.checks import (
    has_firm_check,
    has_luhn_check,
    has_resident_check,
    is_birth_date,
    is_old_resident_form,
    is_resident_form,
)
from gateway.redaction.context import Cue
from gateway.redaction.spans import EntityType, Source


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a number is taken for. A `firm` one stands though a word says order or contract."""

    type: EntityType
    score: float
    source: Source
    firm: bool = False


_RESIDENT = Verdict(EntityType.ID_NUMBER, 1.0, Source.CHECKSUM, firm=True)
_RESIDENT_FORM = Verdict(EntityType.ID_NUMBER, 0.8, Source.PATTERN)
_OLD_RESIDENT = Verdict(EntityType.ID_NUMBER, 0.6, Source.PATTERN)
_FIRM = Verdict(EntityType.USCC, 0.9, Source.CHECKSUM)
_UNIONPAY = Verdict(EntityType.BANK_CARD, 1.0, Source.CHECKSUM, firm=True)
_UNIONPAY_FORM = Verdict(EntityType.BANK_CARD, 0.7, Source.PATTERN)
_CARD = Verdict(EntityType.BANK_CARD, 0.9, Source.CHECKSUM)
_MOBILE = Verdict(EntityType.PHONE, 0.95, Source.PATTERN, firm=True)
_LANDLINE = Verdict(EntityType.PHONE, 0.8, Source.PATTERN)
_SERVICE = Verdict(EntityType.PHONE, 0.6, Source.PATTERN)

_MOBILE_FORM = re.compile(r"1[3-9]\d{9}")
# Country code, a trunk zero, or a carrier's cheap-rate prefix before the mobile.
_PREFIXED_MOBILE = re.compile(r"(?:(?:00?)?86|0|17951|17911|12593|17909|10193)1[3-9]\d{9}")
_LANDLINE_FORM = re.compile(r"(?:0(?:10|2\d)[2-8]\d{6,7}|0[3-9]\d\d[2-8]\d{6,7})")
_ABROAD_LANDLINE = re.compile(r"(?:00)?86(?:10|2\d|[3-9]\d\d)[2-8]\d{6,7}")
_SERVICE_FORM = re.compile(r"[48]00\d{7}")
_GLUED_MOBILES = re.compile(r"(?:1[3-9]\d{9}){2,4}")

_MOBILE_LENGTH = 11
_RESIDENT_LENGTH = 18
_OLD_LENGTH = 15
_CARD_LENGTHS = range(16, 20)
# Amex, Diners and JCB are shorter; 9558 and 60 to 69 are old numbers of Chinese banks.
_CARD_BEGINS = re.compile(r"4|5[0-9]|6[0-9]|3[4-8]|9558|9[0-9]{3}(?=\d{15})")
_SHORT_CARD = re.compile(r"3[47]\d{13}|3[068]\d{12}|4\d{12}")

SHORTEST = 10
LONGEST = 44


def judge(digits: str) -> Verdict | None:  # noqa: PLR0911  # one exit a form
    """What the whole string is without any word beside it; None when nothing says so.

    `digits` are ASCII digits; an 18th character may be X.
    """
    length = len(digits)
    if length == _MOBILE_LENGTH and digits[0] == "1":
        return _MOBILE if digits[1] in "3456789" else None
    if length == _RESIDENT_LENGTH:
        if is_resident_form(digits):
            if has_resident_check(digits):
                return _RESIDENT
            if digits[-1] == "X" or not has_luhn_check(digits):
                return _RESIDENT_FORM
        if digits[-1] == "X":
            return None
        if digits[0] == "9" and digits[1] in "123" and has_firm_check(digits):
            return _FIRM
    if length in _CARD_LENGTHS:
        return _judge_card(digits)
    if length == _OLD_LENGTH and is_old_resident_form(digits):
        return _OLD_RESIDENT
    return _judge_other(digits, length)


def _judge_card(digits: str) -> Verdict | None:
    is_unionpay = digits[:2] == "62"
    if has_luhn_check(digits):
        if is_unionpay:
            return _UNIONPAY
        return _CARD if _CARD_BEGINS.match(digits) else None
    if is_unionpay:
        return _UNIONPAY_FORM
    return _MOBILE if _PREFIXED_MOBILE.fullmatch(digits) else None


def _judge_other(digits: str, length: int) -> Verdict | None:
    if digits[0] in "018" and _PREFIXED_MOBILE.fullmatch(digits):
        return _MOBILE
    if digits[0] == "0" and (
        _LANDLINE_FORM.fullmatch(digits) or _ABROAD_LANDLINE.fullmatch(digits)
    ):
        return _LANDLINE
    if length == SHORTEST and _SERVICE_FORM.fullmatch(digits):
        return _SERVICE
    if digits[0] == "3" and _SHORT_CARD.fullmatch(digits) and has_luhn_check(digits):
        return _CARD
    if digits[0] == "1" and _GLUED_MOBILES.fullmatch(digits):
        return _MOBILE
    return None


_CUED: dict[Cue, tuple[EntityType, range]] = {
    Cue.PHONE: (EntityType.PHONE, range(7, 16)),
    Cue.ID: (EntityType.ID_NUMBER, range(14, 21)),
    Cue.CARD: (EntityType.BANK_CARD, range(12, 24)),
    Cue.ACCOUNT: (EntityType.ACCOUNT_ID, range(6, 31)),
    Cue.CHAT: (EntityType.ACCOUNT_ID, range(5, 13)),
    Cue.PERMIT: (EntityType.PASSPORT_PERMIT, range(6, 13)),
    Cue.FIRM: (EntityType.USCC, range(15, 21)),
    Cue.SECRET: (EntityType.OTHER, range(3, 9)),
}
_CUED_VERDICTS = {
    cue: Verdict(kind, 0.65, Source.PATTERN) for cue, (kind, _lengths) in _CUED.items()
}
_PUBLIC_LINES = re.compile(r"9[56]\d{3,6}|1[012]\d{3,4}|12\d{3,6}")


def judge_by_cue(digits: str, cue: Cue) -> Verdict | None:
    """What the string is because a word before it says so, whatever its check digit."""
    rule = _CUED.get(cue)
    if rule is None or len(digits) not in rule[1]:
        return None
    if cue is Cue.PHONE:
        if _PUBLIC_LINES.fullmatch(digits):
            return None
        if len(digits) == 8 and is_birth_date(digits):  # noqa: PLR2004  # a date, YYYYMMDD
            return None
    return _CUED_VERDICTS[cue]


def is_mobile(digits: str) -> bool:
    """Whether this is a mobile number of the mainland, allocated or not."""
    return _MOBILE_FORM.fullmatch(digits) is not None
