"""Invented cases as canonical records, the same for the same seed."""

from collections.abc import Iterator
from datetime import date, timedelta
from random import Random  # noqa: TID251 - invented data must repeat for a seed; no secret is made

from gateway.cases.record import CaseRecord
from gateway.portfolio import sample_names as names
from gateway.portfolio.identifiers import check_character
from gateway.portfolio.rows import DEFAULT_CURRENCY, DEFAULT_TIMEZONE
from gateway.portfolio.sample_notes import Draw, write_notes
from gateway.portfolio.vocabulary import stage_of

DEFAULT_SEED = 20260131
DEFAULT_AS_OF = date(2026, 1, 31)

_FIRST_BIRTH = date(1950, 1, 1)
_LAST_BIRTH = date(2006, 12, 31)
_TERMS = (6, 12, 12, 18, 24, 24, 36)
_MAX_DAYS = 400


def sample_records(
    count: int, *, seed: int = DEFAULT_SEED, as_of: date = DEFAULT_AS_OF
) -> Iterator[CaseRecord]:
    """Yield `count` records exactly as importing the sample file gives them.

    Case numbers are unique, from one seed to another too; about one case in thirty belongs to
    the debtor of the case before.
    """
    draw = Random(seed).random  # noqa: S311 - see the import
    births = [
        (_FIRST_BIRTH + timedelta(days)).strftime("%Y%m%d")
        for days in range((_LAST_BIRTH - _FIRST_BIRTH).days + 1)
    ]
    # days[n] is n days before the data's date.
    days = [(as_of - timedelta(ago)).isoformat() for ago in range(_MAX_DAYS + 31)]
    oldest_first = days[60:0:-1]
    person: CaseRecord = {}
    for number in range(1, count + 1):
        if not person or draw() > 0.03:  # noqa: PLR2004 - one in thirty
            person = _person(draw, births)
        record = person | _loan(draw, days)
        record["source_case_no"] = f"WA{as_of:%Y%m%d}{seed % 100_000:05d}{number:08d}"
        record["as_of"] = days[0]
        if draw() < 0.9:  # noqa: PLR2004 - most cases were called before
            record["past_notes"] = write_notes(draw, _details(record), oldest_first)
        yield record


def _person(draw: Draw, births: list[str]) -> CaseRecord:
    female = draw() < 0.45  # noqa: PLR2004 - share of women among debtors
    place = names.PLACES[int(draw() * len(names.PLACES))]
    town = place[0] + place[1] + place[2]
    firm = f"{place[1] or place[0]}{_pick(draw, names.FIRM_WORDS)}{_pick(draw, names.FIRM_TRADES)}"
    order = int(draw() * 490) * 2 + (12 if female else 11)
    digits = f"{place[3]}{births[int(draw() * len(births))]}{order:03d}"
    record: CaseRecord = {
        "full_name": _name(draw, female=female),
        "salutation": "女士" if female else "先生",
        "gender": "F" if female else "M",
        "id_type": "居民身份证",
        "id_number": digits + check_character(digits),
        "mobile_phone": _mobile(draw),
        "marital_status": _pick(draw, names.MARITAL),
        "education": _pick(draw, names.EDUCATION),
        "home_address": (
            f"{town}{_pick(draw, names.ROADS)}{int(draw() * 980) + 1}号"
            f"{_pick(draw, names.ESTATES)}{int(draw() * 30) + 1}幢"
            f"{int(draw() * 4) + 1}单元{int(draw() * 26) + 1}0{int(draw() * 4) + 1}室"
        ),
        "employer_name": firm,
        "job_title": _pick(draw, names.JOBS),
        "work_address": f"{town}{_pick(draw, names.ROADS)}{int(draw() * 600) + 1}号",
        "work_phone": _landline(draw, place[4]),
        "monthly_income": (int(draw() * 180) + 25) * 100_00,
        "related_name": _name(draw, female=draw() < 0.5),  # noqa: PLR2004 - a coin
        "related_phone": _mobile(draw),
        "relation": _pick(draw, names.RELATIONS),
        "bank_account_no": f"6217{int(draw() * 10**15):015d}",
        "timezone": DEFAULT_TIMEZONE,
    }
    if draw() < 0.4:  # noqa: PLR2004 - landlines are getting rare
        record["home_phone"] = _landline(draw, place[4])
    return record


def _loan(draw: Draw, days: list[str]) -> CaseRecord:
    product, series, prefix = names.PRODUCTS[int(draw() * len(names.PRODUCTS))]
    past_due = 1 + int(draw() * draw() * (_MAX_DAYS - 1))
    terms = _TERMS[int(draw() * len(_TERMS))]
    overdue = min(terms, past_due // 30 + 1)
    paid = int(draw() * (terms - overdue + 1))
    # From 200 to about 9,000 yuan an instalment, small ones far more often.
    instalment = 200_00 + int(draw() ** 3 * 8_800_00)
    principal = instalment * (terms - paid) if draw() < 0.2 else instalment * overdue  # noqa: PLR2004
    interest = principal * 12 * past_due // 36_500
    penalty = principal * 6 * past_due // 36_500
    fee = int(draw() * 3) * 25_00
    record: CaseRecord = {
        "core_account_no": f"{prefix}{int(draw() * 10**14):014d}",
        "product_type": product,
        "product_name": series,
        "collection_stage": stage_of(past_due),
        "placement_number": 1 + int(draw() * 4),
        "days_past_due": past_due,
        "strategy_code": f"S{int(draw() * 20) + 1:02d}",
        "writeoff_flag": past_due > 360,  # noqa: PLR2004 - written off after a year
        "litigation_status": names.LITIGATION[int(draw() ** 3 * len(names.LITIGATION))],
        "commission_rate": 800 + int(draw() * 45) * 50,
        "currency": DEFAULT_CURRENCY,
        "contract_amount": instalment * terms,
        "total_due": principal + interest + penalty + fee,
        "principal_due": principal,
        "interest_due": interest,
        "penalty_due": penalty,
        "fee_due": fee,
        "first_default_date": days[past_due],
        "instalments_total": terms,
        "instalment_due_day": int(days[past_due][8:]),
        "instalment_amount": instalment,
        "instalments_overdue": overdue,
        "paid_amount": instalment * paid,
        "instalments_paid": paid,
        "repayment_channel": _pick(draw, names.CHANNELS),
    }
    if paid:
        record["last_payment_date"] = days[past_due + 30]
        record["last_payment_amount"] = instalment
    chance = draw()
    if chance < 0.04:  # noqa: PLR2004 - few cases are on hold
        record["hold_flags"] = list(names.HOLDS[int(draw() * len(names.HOLDS))])
    elif chance < 0.15:  # noqa: PLR2004 - or need care
        record["treatment_codes"] = list(names.TREATMENTS[int(draw() * len(names.TREATMENTS))])
    return record


def _details(record: CaseRecord) -> dict[str, str]:
    due = record["instalment_amount"]
    name = str(record["full_name"])
    return {
        "name": name,
        "surname": name[:2] if name[:2] in names.COMPOUND_SURNAMES else name[:1],
        "mobile": str(record["mobile_phone"]),
        "related": str(record["related_name"]),
        "related_phone": str(record["related_phone"]),
        "relation": str(record["relation"]),
        "employer": str(record["employer_name"]),
        "place": str(record["home_address"]),
        "amount": str(due // 100 if isinstance(due, int) else 0),
        "days": str(record["days_past_due"]),
        "id": str(record["id_number"]),
    }


def _name(draw: Draw, *, female: bool) -> str:
    chance = draw()
    if chance < 0.015:  # noqa: PLR2004 - names of minorities, with a middle dot
        return _pick(draw, names.MINORITY_FEMALE if female else names.MINORITY_MALE)
    compound = chance < 0.03  # noqa: PLR2004 - surnames of two characters
    surname = _pick(draw, names.COMPOUND_SURNAMES if compound else names.SURNAMES)
    given = names.GIVEN_FEMALE if female else names.GIVEN_MALE
    second = _pick(draw, given) if draw() < 0.75 else ""  # noqa: PLR2004 - most have two
    return surname + _pick(draw, given) + second


def _mobile(draw: Draw) -> str:
    return f"{_pick(draw, names.MOBILE_PREFIXES)}{int(draw() * 10**8):08d}"


def _landline(draw: Draw, area: str) -> str:
    return f"{area}{int(draw() * 6 + 2)}{int(draw() * 10**7):07d}"


def _pick(draw: Draw, words: tuple[str, ...]) -> str:
    return words[int(draw() * len(words))]
