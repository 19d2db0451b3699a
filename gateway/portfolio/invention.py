"""Made-up people and debts in the style of real cases, so that nobody can tell them apart."""

import re
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from secrets import SystemRandom

from gateway.cases.record import FREE_TEXT, CaseRecord, JsonValue
from gateway.masking.names import COMPOUND_SURNAMES
from gateway.portfolio import sample_names
from gateway.portfolio.identifiers import check_character, is_female_number
from gateway.portfolio.sample_notes import write_notes
from gateway.redaction.checks import has_luhn_check
from policies.fields import FieldCatalog, FieldType, Origin

_WITHOUT = frozenset({"vulnerability_detail", "bureau_data", FREE_TEXT})
_PARTS = ("principal_due", "interest_due", "penalty_due", "fee_due")
_BORROWED = ("employer_name", "job_title", "monthly_income", "marital_status", "education")
_RESIDENT_LENGTHS = (15, 18)
_FEWEST_CHARACTERS = 30
_RANDOM_DIGITS = 8
_BORN_WITHIN = 900
_DIGIT = re.compile(r"[0-9]")
_LATIN = re.compile(r"[A-Za-z]")


class Inventor:
    """Invents cases after real ones, of which it keeps what tells of nobody.

    Product, stage, terms, city and days are those of one real case; a name is put together from
    the surnames and given names of others; numbers are drawn anew with right check digits; amounts
    are scaled. `numbers` are mobile numbers that the company answers itself, used one after the
    other; without them mobile numbers are drawn too, and may be somebody's.
    """

    def __init__(
        self,
        models: Sequence[CaseRecord],
        catalog: FieldCatalog,
        *,
        numbers: Iterator[str] | None = None,
    ) -> None:
        self._models = models
        self._catalog = catalog
        self._numbers = numbers
        self._chance = SystemRandom()
        names = [str(model["full_name"]) for model in models]
        self._surnames = [_surname(name) for name in names if _is_plain(name)]
        self._dotted = [name for name in names if "·" in name]
        self._given = {woman: self._given_names(woman=woman) for woman in (False, True)}

    def record(self, *, with_notes: bool = False) -> CaseRecord:
        """One invented case as an import would give it."""
        model = self._chance.choice(self._models)
        woman = self._is_woman(model)
        record = {
            name: self._value(name, value, woman=woman)
            for name, value in model.items()
            if name in self._catalog
            and self._catalog.field(name).origin is Origin.IMPORT
            and name not in _WITHOUT
        }
        self._agree(record, model, woman=woman)
        if with_notes:
            record[FREE_TEXT] = self._notes(record)
        return record

    def _value(self, name: str, value: JsonValue, *, woman: bool) -> JsonValue:
        if name == "mobile_phone":
            return self._mobile()
        if name in {"full_name", "related_name"}:
            is_woman = woman if name == "full_name" else self._chance.random() < 0.5  # noqa: PLR2004
            return self._name(str(value), woman=is_woman)
        if name in _BORROWED:
            others = [model[name] for model in self._models if name in model]
            return self._chance.choice(others)
        if name == "source_case_no":
            return self._number(str(value))
        return self._of_type(self._catalog.field(name).type, value, woman=woman)

    def _of_type(self, kind: FieldType, value: JsonValue, *, woman: bool) -> JsonValue:
        if isinstance(value, str):
            if kind in {FieldType.PHONE, FieldType.ACCOUNT}:
                return self._number(value)
            if kind is FieldType.ID_NUMBER:
                return self._document(value, woman=woman)
            if kind is FieldType.ADDRESS:
                return _DIGIT.sub(lambda found: self._digit(found[0]), value)
        return value

    def _agree(self, record: CaseRecord, model: CaseRecord, *, woman: bool) -> None:
        """Makes fields fit each other as a real case's do."""
        if "gender" in model:
            record["gender"] = "F" if woman else "M"
        if "salutation" in model:
            record["salutation"] = "女士" if woman else "先生"
        document = str(record["id_number"])
        if "birth_date" in model and len(document) == max(_RESIDENT_LENGTHS):
            record["birth_date"] = f"{document[6:10]}-{document[10:12]}-{document[12:14]}"
        scale = 0.85 + 0.3 * self._chance.random()
        for name, value in model.items():
            is_money = name in record and self._catalog.field(name).type is FieldType.MONEY
            if is_money and isinstance(value, int) and name not in _BORROWED:
                record[name] = round(value * scale)
        parts = [value for name in _PARTS if isinstance(value := record.get(name), int)]
        if len(parts) == len(_PARTS):
            record["total_due"] = sum(parts)

    def _is_woman(self, model: CaseRecord) -> bool:
        told = is_female_number(str(model.get("id_number", "")))
        if told is None:
            told = {"F": True, "M": False}.get(str(model.get("gender")))
        return self._chance.random() < 0.5 if told is None else told  # noqa: PLR2004 - a coin

    def _given_names(self, *, woman: bool) -> list[str]:
        given = [
            character
            for model in self._models
            if _is_plain(name := str(model["full_name"])) and self._is_woman(model) is woman
            for character in name[len(_surname(name)) :]
        ]
        if len(given) < _FEWEST_CHARACTERS:
            # Too few to hide whose they are.
            given += sample_names.GIVEN_FEMALE if woman else sample_names.GIVEN_MALE
        return given

    def _name(self, like: str, *, woman: bool) -> str:
        if "·" in like:
            words = sample_names.MINORITY_FEMALE if woman else sample_names.MINORITY_MALE
            names = [*words, *self._dotted]
            first = self._chance.choice(names).split("·")[0]
            return f"{first}·{self._chance.choice(names).split('·')[-1]}"
        if not _is_plain(like):
            pool = [
                w for m in self._models for w in str(m["full_name"]).split() if _LATIN.match(w)
            ]
            return " ".join(self._chance.choice(pool or ["Li", "Wang"]) for _word in like.split())
        surnames = self._surnames
        if len(set(surnames)) < _FEWEST_CHARACTERS // 3:
            surnames = [*surnames, *sample_names.SURNAMES]
        surname = self._chance.choice(surnames)
        length = max(1, len(like) - len(_surname(like)))
        return surname + "".join(self._chance.choice(self._given[woman]) for _n in range(length))

    def _mobile(self) -> str:
        if self._numbers is not None and (number := next(self._numbers, None)) is not None:
            return number
        return self._number(str(self._chance.choice(self._models)["mobile_phone"]))

    def _document(self, like: str, *, woman: bool) -> str:
        if len(like) not in _RESIDENT_LENGTHS or not like[:15].isdecimal():
            return self._number(like)
        is_old = len(like) == min(_RESIDENT_LENGTHS)
        digits = f"19{like[6:12]}" if is_old else like[6:14]
        born = date.fromisoformat(digits) - timedelta(self._chance.randrange(_BORN_WITHIN))
        order = self._chance.randrange(1, 490) * 2 + (0 if woman else 1)
        written = f"{born:%y%m%d}" if is_old else f"{born:%Y%m%d}"
        number = f"{like[:6]}{written}{order:03d}"
        return number if is_old else number + check_character(number)

    def _number(self, like: str) -> str:
        """A number of the same shape: its beginning, which tells of a kind, and other digits."""
        places = [found.start() for found in _DIGIT.finditer(like)]
        changed = places[-min(_RANDOM_DIGITS, max(4, len(places) - 4)) :]
        digits = list(like)
        for place in changed:
            digits[place] = str(self._chance.randrange(10))
        number = "".join(digits)
        if like.isdecimal() and has_luhn_check(like):
            number = next(
                tried for last in range(10) if has_luhn_check(tried := f"{number[:-1]}{last}")
            )
        return number

    def _digit(self, like: str) -> str:
        return like if like == "0" else str(self._chance.randrange(1, 10))

    def _notes(self, record: CaseRecord) -> str:
        name = str(record["full_name"])
        amount = record.get("instalment_amount", record["total_due"])
        last = date.fromisoformat(str(record["as_of"])) if "as_of" in record else None
        days = [
            (last - timedelta(ago)).isoformat() if last is not None else f"{ago}天前"
            for ago in range(60, 0, -1)
        ]
        details = {
            "name": name,
            "surname": _surname(name),
            "mobile": str(record["mobile_phone"]),
            "related": str(record.get("related_name", "朋友")),
            "related_phone": str(record.get("related_phone", record["mobile_phone"])),
            "relation": str(record.get("relation", "朋友")),
            "employer": str(record.get("employer_name", "单位")),
            "place": str(record.get("home_address", "原址")),
            "amount": str(amount // 100 if isinstance(amount, int) else 0),
            "days": str(record["days_past_due"]),
            "id": str(record["id_number"]),
        }
        return write_notes(self._chance.random, details, days)


def _is_plain(name: str) -> bool:
    """A Chinese name without dot: what is taken apart here into surname and given name."""
    return len(name) > 1 and "·" not in name and not _LATIN.search(name)


def _surname(name: str) -> str:
    return name[:2] if len(name) > 2 and name[:2] in COMPOUND_SURNAMES else name[:1]  # noqa: PLR2004
