"""Numbers that are right by their check digits, and the ways in which people disguise them."""

from collections.abc import Callable
from datetime import date, timedelta
from random import Random

_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_FIRM_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_AREAS = ("110101", "330113", "440305", "510104", "650102", "810000", "820000", "830000", "911156")


def mobile(random: Random) -> str:
    return "1" + random.choice("3456789") + digits(random, 9)


def digits(random: Random, count: int) -> str:
    return "".join(random.choice("0123456789") for _ in range(count))


def identity_number(random: Random) -> str:
    born = date(1930, 1, 1) + timedelta(days=random.randrange(81 * 365))
    body = random.choice(_AREAS) + f"{born:%Y%m%d}" + digits(random, 3)
    total = sum(int(one) * weight for one, weight in zip(body, _WEIGHTS, strict=True))
    return body + "10X98765432"[total % 11]


def bank_card(random: Random) -> str:
    head = random.choice(("622202", "621700", "623058", "436742", "512345"))
    body = head + digits(random, 12 if head[0] == "6" else 9)
    for last in "0123456789":
        if luhn(body + last) == 0:
            return body + last
    raise AssertionError


def luhn(number: str) -> int:
    total = 0
    for place, one in enumerate(reversed(number)):
        value = int(one) * (2 if place % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10


def landline(random: Random) -> str:
    area = random.choice(("010", "021", "0755", "0571", "028"))
    return area + random.choice("2345678") + digits(random, 7)


def firm_code(random: Random) -> str:
    body = "91" + random.choice(("110108", "330106", "440300")) + "MA"
    body += "".join(random.choice(_FIRM_ALPHABET) for _ in range(7))
    total = sum(_FIRM_ALPHABET.index(one) * pow(3, place, 31) for place, one in enumerate(body))
    return body + _FIRM_ALPHABET[(31 - total % 31) % 31]


def _alphabet(spelled: str) -> Callable[[str, Random], str]:
    table = dict(zip("0123456789", spelled.split(), strict=True))
    return lambda number, _random: "".join(table.get(one, one) for one in number)


def _joined(separator: str) -> Callable[[str, Random], str]:
    return lambda number, _random: separator.join(number)


def _grouped(separator: str) -> Callable[[str, Random], str]:
    def spell(number: str, random: Random) -> str:
        parts = []
        while number:
            count = random.choice((3, 4, 4))
            parts.append(number[:count])
            number = number[count:]
        return separator.join(parts)

    return spell


_ALPHABETS = (
    "0 1 2 3 4 5 6 7 8 9",
    "０ １ ２ ３ ４ ５ ６ ７ ８ ９",
    "零 一 二 三 四 五 六 七 八 九",
    "〇 幺 两 三 四 五 六 七 八 九",
    "零 壹 贰 叁 肆 伍 陆 柒 捌 玖",
    "⓪ ① ② ③ ④ ⑤ ⑥ ⑦ ⑧ ⑨",
    "0 ⑴ ⑵ ⑶ ⑷ ⑸ ⑹ ⑺ ⑻ ⑼",
    "0 ⒈ ⒉ ⒊ ⒋ ⒌ ⒍ ⒎ ⒏ ⒐",
    "⓿ ❶ ❷ ❸ ❹ ❺ ❻ ❼ ❽ ❾",
    "⁰ ¹ ² ³ ⁴ ⁵ ⁶ ⁷ ⁸ ⁹",
    "₀ ₁ ₂ ₃ ₄ ₅ ₆ ₇ ₈ ₉",
    "𝟎 𝟏 𝟐 𝟑 𝟒 𝟓 𝟔 𝟕 𝟖 𝟗",
    "𝟘 𝟙 𝟚 𝟛 𝟜 𝟝 𝟞 𝟟 𝟠 𝟡",
    "٠ ١ ٢ ٣ ٤ ٥ ٦ ٧ ٨ ٩",
    "零 ㈠ ㈡ ㈢ ㈣ ㈤ ㈥ ㈦ ㈧ ㈨",
    "0 Ⅰ Ⅱ Ⅲ Ⅳ Ⅴ Ⅵ Ⅶ Ⅷ Ⅸ",
)


def _mixed(number: str, random: Random) -> str:
    tables = [dict(zip("0123456789", one.split(), strict=True)) for one in _ALPHABETS]
    return "".join(
        random.choice(tables).get(one, one) + random.choice(("", "", "", " ", "-", "."))
        for one in number[:-1]
    ) + random.choice(tables).get(number[-1], number[-1])


def _look_alike(number: str, random: Random) -> str:
    table = {"0": "oO", "1": "lI", "5": "S", "8": "B", "2": "Z"}
    kept = set(random.sample(range(len(number)), len(number) // 2))
    return "".join(
        random.choice(table[one]) if one in table and place not in kept else one
        for place, one in enumerate(number)
    )


def _filled(number: str, random: Random) -> str:
    third = len(number) // 3
    words = ("然后", "再", "接着", "，然后是", "后面", " 空格 ", "，嗯，", "中间", "-再来-")
    return (
        number[:third]
        + random.choice(words)
        + number[third : 2 * third]
        + random.choice(words)
        + number[2 * third :]
    )


FORMS: dict[str, Callable[[str, Random], str]] = {
    "plain": _joined(""),
    **{f"digits {one[0]}{one[2]}": _alphabet(one) for one in _ALPHABETS[1:]},
    "keycaps": _alphabet("0️⃣ 1️⃣ 2️⃣ 3️⃣ 4️⃣ 5️⃣ 6️⃣ 7️⃣ 8️⃣ 9️⃣"),
    "spoken": _alphabet("洞 幺 两 三 四 五 六 拐 八 勾"),
    **{f"between {one!r}": _joined(one) for one in (" ", "-", ".", "=", "·", "\u200b", "、", "_")},
    **{
        f"groups {one!r}": _grouped(one)
        for one in (
            " ",
            "-",
            ".",
            "  ",
            " - ",
            "/",
            "=",
            "——",
            "\n",
            "~",
            "…",
            "📞",
            "，",
            "\u2060",
        )
    },
    "mixed": _mixed,
    "look-alike": _look_alike,
    "filled": _filled,
}
