"""Numbers in call notes that have to stay: amounts, dates, counts, business numbers."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.eval.invented_values import digits

SAMPLES = 200  # of a kind
_SEED = "another hand, 3"
_LIST = Path(__file__).parent / "lists" / "ordinary_numbers.txt"
_ONES = "零一二三四五六七八九"
_FINANCE = "零壹贰叁肆伍陆柒捌玖"
_SERVICE = (
    *("95588", "95533", "95555", "95599", "95566", "95516", "95018", "952138", "9510086"),
    *("96110", "96128", "96669", "12345", "12315", "12363", "12378", "10086", "10010", "10000"),
    *("110", "119", "120", "114"),
)
_MODELS = (
    *("iPhone 13", "iPhone15 Pro Max", "华为Mate60", "小米14", "荣耀X50", "OPPO A93", "红米K70"),
    *("vivo Y78", "宝马320", "奥迪A6", "大众途观330", "比亚迪秦PLUS 2023款", "Win10", "华为P50"),
)
_PREFIX = {
    "order number": ("", "", "D", "TB", "JD"),
    "contract number": ("HT", "", "JK-", "XD", "LC"),
    "tracking number": ("SF", "YT", "", "ZTO", "EMS", "JDV", "77"),
    "work order": ("", "GD", "TS", "WO-"),
    "transaction number": ("", "", "4200", "P"),
    "recording": ("", "REC", "LY"),
    "loan number": ("", "JJ", "AJ", "LN"),
}


@dataclass(frozen=True, slots=True)
class Ordinary:
    """A note and the stretch of it that should stay as it is."""

    kind: str
    text: str
    start: int
    end: int


def ordinary_numbers() -> Iterator[Ordinary]:
    """`SAMPLES` notes of each kind."""
    for kind, lines in _carriers().items():
        rng = Random(f"{_SEED}/{kind}")
        for number in range(SAMPLES):
            before, after = lines[number % len(lines)].split("{}")
            value = _MAKE[kind](rng) if kind in _MAKE else _business(kind, rng)
            text = before + value + after
            yield Ordinary(kind, text, len(before), len(before) + len(value))


def _carriers() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    kind = ""
    for line in _LIST.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            kind = line.strip("[]")
        elif line and not line.startswith("#"):
            found.setdefault(kind, []).append(line)
    return found


def _business(kind: str, rng: Random) -> str:
    """Ten to twenty-four digits, often opened by a date."""
    head = rng.choice(_PREFIX[kind])
    if rng.random() < 0.4:
        head += f"20{rng.randint(18, 26)}{rng.randint(1, 12):02}{rng.randint(1, 28):02}"
    return head + digits(rng, max(4, rng.randint(10, 24) - len(head)))


def _amount(rng: Random) -> str:
    value = rng.choice((rng.randint(50, 9999), rng.randint(10_000, 999_999)))
    return rng.choice((f"{value}", f"{value:,}", f"{value:,}.{digits(rng, 2)}", f"{value}.5"))


def _wan(rng: Random) -> str:
    return rng.choice((f"{rng.randint(1, 99)}", f"{rng.randint(1, 30)}.{rng.randint(1, 99)}"))


def _amount_in_han(rng: Random) -> str:
    table = rng.choice((_ONES, _ONES, _FINANCE))
    units = "千百十" if table is _ONES else "仟佰拾"
    text = "".join(table[rng.randint(1, 9)] + unit for unit in units[rng.randint(0, 2) :])
    if rng.random() < 0.4:
        text = table[rng.randint(1, 9)] + "万" + text
    return text + (table[rng.randint(1, 9)] if rng.random() < 0.3 else "")


def _date(rng: Random) -> str:
    year, month, day = rng.randint(2015, 2027), rng.randint(1, 12), rng.randint(1, 28)
    return rng.choice(
        (
            f"{year}-{month:02}-{day:02}",
            f"{year}/{month}/{day}",
            f"{year}.{month:02}.{day:02}",
            f"{year}{month:02}{day:02}",
            f"{year}年{month}月{day}日",
            f"{month}月{day}号",
            f"{month}.{day}",
            f"{year}-{month:02}-{day:02} {rng.randint(8, 20):02}:{rng.randint(0, 59):02}:07",
        )
    )


def _han(value: int) -> str:
    tens, ones = divmod(value, 10)
    head = ("" if tens == 1 else _ONES[tens]) + "十" if tens else ""
    return head + (_ONES[ones] if ones or not tens else "")


def _date_in_han(rng: Random) -> str:
    year = "".join(_ONES[int(d)] for d in str(rng.randint(2016, 2027))).replace("零", "〇")
    day = f"{_han(rng.randint(1, 12))}月{_han(rng.randint(1, 28))}日"
    return rng.choice((f"{year}年{day}", day, day[:-1] + "号"))


def _time(rng: Random) -> str:
    hour, minute, second = rng.randint(0, 23), rng.randint(0, 59), rng.randint(0, 59)
    return rng.choice(
        (
            f"{hour:02}:{minute:02}",
            f"{hour}：{minute:02}",
            f"{hour}点{minute:02}分",
            f"{hour:02}:{minute:02}:{second:02}",
            f"{minute}分{second}秒",
        )
    )


def _address_number(rng: Random) -> str:
    return rng.choice(
        (f"{rng.randint(1, 99)}", f"{rng.randint(100, 3300)}", f"1-{digits(rng, 4)}")
    )


def _several(rng: Random) -> str:
    return rng.choice(
        ("七八", "三四", "五六", "十几", "两三", "二三十", "一二十", "八九", "四五十")
    )


def _range(rng: Random) -> str:
    low = rng.randint(1, 20) * rng.choice((1, 100, 500))
    return f"{low}{rng.choice('-~至到')}{low + rng.choice((5, 100, 1000))}"


def _court_file(rng: Random) -> str:
    year = rng.randint(2019, 2026)
    return f"（{year}）{rng.choice('粤京沪浙川')}{digits(rng, 4)}民初{rng.randint(10, 99999)}号"


def _statute(rng: Random) -> str:
    return rng.choice(
        (
            f"民法典第{rng.randint(100, 1260)}条",
            f"银保监发〔{rng.randint(2018, 2024)}〕{rng.randint(1, 60)}号",
            "GB/T 45251-2025",
            f"个保法第{_han(rng.randint(10, 74))}条",
        )
    )


_MAKE: dict[str, Callable[[Random], str]] = {
    "amount": _amount,
    "amount with sign": _amount,
    "amount in 万": _wan,
    "amount in Han": _amount_in_han,
    "date": _date,
    "date in Han": _date_in_han,
    "time": _time,
    "instalment": lambda rng: rng.choice((str(rng.randint(1, 60)), _han(rng.randint(2, 60)))),
    "rate": lambda rng: f"{rng.randint(0, 35)}.{rng.randint(1, 9999)}",
    "service number": lambda rng: rng.choice(_SERVICE),
    "agent": lambda rng: rng.choice(("", "A", "CS")) + digits(rng, rng.randint(4, 8)),
    "house number": _address_number,
    "extension": lambda rng: digits(rng, rng.randint(3, 4)),
    "count": lambda rng: str(rng.randint(2, 999)),
    "count in Han": _several,
    "year": lambda rng: rng.choice((str(rng.randint(1978, 2026)), "二〇一九", "九八", "08")),
    "version": lambda rng: ".".join(str(rng.randint(0, 24)) for _ in range(rng.randint(2, 4))),
    "IP": lambda rng: ".".join(str(rng.randint(1, 254)) for _ in range(4)),
    "model": lambda rng: rng.choice(_MODELS),
    "range": _range,
    "vehicle figures": lambda rng: str(rng.randint(1000, 450_000)),
    "court file": _court_file,
    "post code": lambda rng: digits(rng, 6),
    "statute": _statute,
    "score": lambda rng: str(rng.randint(10, 950)),
}
KINDS = (*_MAKE, *_PREFIX)
