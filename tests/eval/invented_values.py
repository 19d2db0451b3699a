"""Made-up numbers with right check digits, as groups of digits in which people say them."""

from collections.abc import Callable
from random import Random

Make = Callable[[Random], list[str]]

_AREAS = (
    *("110105", "310115", "440306", "440103", "330106", "320505", "510104", "420111", "610113"),
    *("130102", "370202", "410105", "350203", "500112", "230103", "210202", "450102", "530102"),
)
_CODES = (
    *("010", "021", "020", "022", "023", "024", "025", "027", "028", "029"),
    *("0755", "0571", "0512", "0769", "0757", "0371", "0531", "0591", "0731", "0898"),
)
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_UNIONPAY = ("621700", "622848", "622202", "621661", "622588", "623058", "621483", "621226")
_OTHERS = ("4033", "4581", "5187", "5240", "3568")
_PROVINCES = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"
_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"
_SYLLABLES = ("wang", "li", "xiao", "chen", "mei", "hao", "lin", "jun", "yue", "bo", "tian", "fei")
_HOSTS = ("qq.com", "163.com", "126.com", "sina.com", "foxmail.com", "139.com", "gmail.com")


def digits(rng: Random, count: int) -> str:
    """`count` random digits."""
    return "".join(rng.choice("0123456789") for _ in range(count))


def mobile(rng: Random) -> list[str]:
    """A mobile as 3, 4 and 4 digits."""
    return ["1" + rng.choice("3456789") + digits(rng, 1), digits(rng, 4), digits(rng, 4)]


def resident_id(rng: Random) -> list[str]:
    """An identity number as area, birth and the last four."""
    return identity(rng, rng.choice(_AREAS), rng.randint(1950, 2006))


def identity(rng: Random, area: str, year: int) -> list[str]:
    """Eighteen characters with the check character of GB 11643-1999."""
    birth = f"{year}{rng.randint(1, 12):02}{rng.randint(1, 28):02}"
    order = f"{rng.randint(1, 999):03}"
    return [area, birth, order + check_character(area + birth + order)]


def check_character(body: str) -> str:
    """ISO 7064 MOD 11-2 over 17 digits."""
    return "10X98765432"[sum(int(d) * w for d, w in zip(body, _WEIGHTS, strict=True)) % 11]


def card(rng: Random) -> list[str]:
    """A card of 16 or 19 digits in fours; one in five is no UnionPay card."""
    if rng.random() < 0.2:
        head, length = rng.choice(_OTHERS), 16
    else:
        head, length = rng.choice(_UNIONPAY), rng.choice((16, 19))
    body = head + digits(rng, length - 1 - len(head))
    number = body + _luhn(body)
    return [number[start : start + 4] for start in range(0, length, 4)]


def _luhn(body: str) -> str:
    doubled = (int(d) * (2 - place % 2) for place, d in enumerate(reversed(body)))
    return str(-sum(n - 9 if n > 9 else n for n in doubled) % 10)


def landline(rng: Random) -> list[str]:
    """Area code and eight digits, or seven behind a longer code."""
    code = rng.choice(_CODES)
    count = 8 if len(code) == 3 else rng.choice((7, 8))
    body = rng.choice("2345678") + digits(rng, count - 1)
    return [code, body[:-4], body[-4:]]


def qq(rng: Random) -> list[str]:
    """Six to ten digits in two groups."""
    body = rng.choice("123456789") + digits(rng, rng.randint(5, 9))
    return [body[: len(body) // 2], body[len(body) // 2 :]]


def wechat(rng: Random) -> list[str]:
    """A WeChat name: letters and a tail of digits."""
    tail = rng.choice(("", "_", "-")) + digits(rng, rng.randint(3, 6))
    return [rng.choice(_SYLLABLES) + rng.choice(_SYLLABLES), tail]


def plate(rng: Random) -> list[str]:
    """Province, office and the order; one in three is a new-energy plate of six."""
    head = [rng.choice(_PROVINCES), rng.choice(_LETTERS[:12])]
    kind = rng.randrange(6)
    if kind < 2:
        return [*head, rng.choice("DF") + digits(rng, 5)]
    if kind == 2:
        return [*head, digits(rng, 4) + rng.choice("学警挂")]
    letters = rng.randint(0, 2)
    order = [*digits(rng, 5 - letters), *rng.choices(_LETTERS, k=letters)]
    rng.shuffle(order)
    return [*head, "".join(order)]


def email(rng: Random) -> list[str]:
    """Local part, host, ending."""
    host, ending = rng.choice(_HOSTS).split(".")
    if host == "qq":
        return ["".join(qq(rng)), host, ending]
    link = rng.choice(("", "_", "."))
    return [rng.choice(_SYLLABLES) + link + rng.choice(_SYLLABLES) + digits(rng, 3), host, ending]


NUMBERS: dict[str, Make] = {
    "mobile": mobile,
    "id": resident_id,
    "card": card,
    "landline": landline,
    "qq": qq,
}
