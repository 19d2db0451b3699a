"""Invented names, addresses and organisations, made of the lists of this project."""

from dataclasses import dataclass
from pathlib import Path
from random import Random

from gateway.redaction.divisions import DIVISIONS, PREFECTURES, PROVINCES
from gateway.redaction.surnames import (
    COMPOUND,
    FREQUENT,
    GIVEN_FEMALE,
    GIVEN_MALE,
    RARER,
    TRANSLITERATED,
)
from gateway.redaction.wordlists import read_sections

PARTS = read_sections(Path(__file__).parent / "lists" / "parts.txt")
_TRANSLITERATED = tuple(sorted(TRANSLITERATED))
_COMPOUND = tuple(sorted(COMPOUND))
_JAPANESE = PARTS["japanese surnames"]
_JAPANESE_GIVEN = PARTS["japanese given names"]
_KOREAN = "金朴李崔郑姜赵尹张林韩吴申徐权黄安宋柳洪全"
_KOREAN_GIVEN = "贤俊民宇敏智恩英哲洙秀熙贞美珍淑成焕载勋相基泰永镐东"
_ROAD = PARTS["road words"]
_CHARACTERS = (
    "金银玉宝龙凤鹤鹿虎马梅兰竹菊桂荷莲松柏杨柳枫桃杏樱花园林山水江河湖海云霞星月日阳光明东西南北中上下大"
    "小新老长高平安和顺福寿康宁富贵荣华昌盛兴旺隆永恒泰丰盈嘉祥瑞文武学士书香翰墨青红白黄紫碧翠锦绣美丽仙"
    "石桥塘塔寺庙井泉沟坡岭坪坝湾港口渡洲岛堡屯寨营庄村张王李赵刘陈周吴徐孙胡朱何郭马罗宋郑谢韩唐冯董程曹"
)
_ROAD_TAILS = PARTS["road tails"]
_ESTATES = PARTS["estates"]
_PLACES = PARTS["sites"]
_NEAR = PARTS["nearness"]
_TOWN_TAILS = PARTS["town tails"]
_FIRM_WORDS = PARTS["firm characters"]
_TRADES = PARTS["trades"]
_FIRM_TAILS = PARTS["firm tails"]
_PUBLIC = PARTS["public bodies"]
_BANKS = PARTS["banks"]
_HAN = "零一二三四五六七八九"


@dataclass(frozen=True, slots=True)
class Lexicon:
    """Ordinary words by part of speech (the tags of the word list), for surroundings."""

    words: dict[str, list[str]]
    weights: dict[str, list[float]]

    def draw(self, rng: Random, tag: str) -> str:
        """A word of that kind, frequent words more often."""
        return rng.choices(self.words[tag], cum_weights=self.weights[tag])[0]


def skewed(rng: Random, items: "tuple[str, ...] | list[str] | str") -> str:
    """An item, those in front more often."""
    return items[int(len(items) * rng.random() ** 1.7)]


def surname(rng: Random) -> str:
    """A surname: usually a frequent one."""
    chance = rng.random()
    if chance < 0.72:
        return skewed(rng, FREQUENT)
    return rng.choice(RARER) if chance < 0.96 else rng.choice(_COMPOUND)


def given(rng: Random, lexicon: Lexicon) -> str:
    """A given name of one or two characters; one in twelve of unusual characters or a word."""
    chance = rng.random()
    if chance < 0.015:
        return lexicon.draw(rng, rng.choice(["n", "v", "a"]))[:2]
    if chance < 0.08:
        return "".join(lexicon.draw(rng, "n")[0] for _ in range(rng.choice([1, 2])))
    pool = rng.choice([GIVEN_MALE, GIVEN_FEMALE])
    first = skewed(rng, pool)
    if chance < 0.29:
        return first
    return first + (first if chance < 0.32 else skewed(rng, pool))


def person(rng: Random, lexicon: Lexicon) -> str:
    """A full name: Chinese, or foreign, minority, Japanese, Korean in Chinese characters."""
    chance = rng.random()
    if chance < 0.84:
        return surname(rng) + given(rng, lexicon)
    if chance < 0.95:
        parts = [
            "".join(rng.choices(_TRANSLITERATED, k=rng.choice([2, 2, 3, 3, 4, 5])))
            for _ in range(rng.choice([1, 1, 2, 2, 3]))
        ]
        return rng.choice("·····•・").join(parts)
    if chance < 0.98:
        return rng.choice(_JAPANESE) + rng.choice(["", *_JAPANESE_GIVEN])
    return rng.choice(_KOREAN) + "".join(rng.choices(_KOREAN_GIVEN, k=2))


def called(rng: Random, lexicon: Lexicon) -> str:
    """How a person is called in speech: with a title, an age word, or by the given name."""
    family = surname(rng)
    return rng.choice(
        [
            *(
                f"{family}{title}"
                for title in [
                    "先生",
                    "女士",
                    "总",
                    "哥",
                    "姐",
                    "老师",
                    "经理",
                    "律师",
                    "阿姨",
                    "叔",
                    "师傅",
                    "老板",
                ]
            ),
            *(f"{mark}{family}" for mark in "老小阿大"),
            given(rng, lexicon) * 1 if rng.random() < 0.5 else f"阿{skewed(rng, GIVEN_MALE)}",
        ]
    )


def number(rng: Random, high: int) -> str:
    """A small number in digits, full-width digits or numerals."""
    value = rng.randint(1, high)
    chance = rng.random()
    if chance < 0.86:
        return str(value)
    if chance < 0.92:
        return "".join(chr(ord(digit) + 0xFEE0) for digit in str(value))
    tens, ones = divmod(value, 10)
    if value >= 100:
        return "".join(_HAN[int(digit)] for digit in str(value))
    head = "" if not tens else ("十" if tens == 1 else _HAN[tens] + "十")
    return head + (_HAN[ones] if ones or not tens else "")


def word(rng: Random, lexicon: Lexicon) -> str:
    """The proper part of a place's or a firm's name."""
    chance = rng.random()
    if chance < 0.4:
        return "".join(rng.choices(_CHARACTERS, k=rng.choice([2, 2, 2, 3])))
    if chance < 0.6:
        return lexicon.draw(rng, "n")[:3]
    if chance < 0.75:
        return lexicon.draw(rng, rng.choice(["nz", "ns"]))[:4]
    return rng.choice(_ROAD)


def _short(division: str) -> str:
    return division[:-1] if len(division) > 2 and division[-1] in "省市区县" else division


def _head(rng: Random) -> str:
    text = ""
    if rng.random() < 0.45:
        province = rng.choice(PROVINCES)
        text += province if rng.random() < 0.6 else _short(province)
    if rng.random() < 0.55:
        city = rng.choice(PREFECTURES)
        text += city if rng.random() < 0.75 else _short(city)
    if rng.random() < 0.55:
        text += rng.choice(DIVISIONS)
    return text


def _street(rng: Random, lexicon: Lexicon) -> str:
    text = word(rng, lexicon) + rng.choice(_ROAD_TAILS)
    if rng.random() < 0.75:
        text += number(rng, 2000) + rng.choice(
            ["号", "号", "号", "弄", "号院", "#", "-" + str(rng.randint(1, 9)) + "号"]
        )
    if rng.random() < 0.12:
        text += (
            rng.choice(["与", "和"])
            + word(rng, lexicon)
            + "路"
            + rng.choice(["交叉口", "交汇处", "路口"])
        )
    return text


def _village(rng: Random, lexicon: Lexicon) -> str:
    text = word(rng, lexicon)[:2] + rng.choice(_TOWN_TAILS) if rng.random() < 0.7 else ""
    text += word(rng, lexicon)[:3] + rng.choice(
        ["村", "村", "村", "屯", "庄", "寨", "社区", "村委会", "大队"]
    )
    if rng.random() < 0.7:
        text += number(rng, 20) + rng.choice(["组", "队", "社", "号", "组", "屯"])
    if rng.random() < 0.3:
        text += number(rng, 300) + "号"
    return text


def _building(rng: Random) -> str:
    text = ""
    letter = rng.choice("ABCDEF") if rng.random() < 0.12 else ""
    if rng.random() < 0.8:
        tail = rng.choice(["栋", "幢", "号楼", "座", "#", "楼", "栋"])
        text += (letter or number(rng, 60)) + tail
    if rng.random() < 0.55:
        text += number(rng, 6) + "单元"
    if rng.random() < 0.75:
        room = f"{rng.randint(1, 33)}0{rng.randint(1, 9)}"
        text += rng.choice(
            [room + "室", room, room + "号", number(rng, 30) + "楼", number(rng, 30) + "层" + room]
        )
    if not text:
        text = f"{rng.randint(1, 40)}-{rng.randint(1, 5)}-{rng.randint(1, 30)}0{rng.randint(1, 4)}"
    return text


def address(rng: Random, lexicon: Lexicon) -> str:
    """An address as people write it: parts left out, landmarks, rural forms, bare units."""
    text = _head(rng)
    chance = rng.random()
    if chance < 0.2:
        return (text or rng.choice(DIVISIONS)) + _village(rng, lexicon)
    if rng.random() < 0.3:
        text += word(rng, lexicon)[:2] + rng.choice(_TOWN_TAILS)
    if chance < 0.75:
        text += _street(rng, lexicon)
    if rng.random() < 0.5 or chance >= 0.75:
        text += word(rng, lexicon) + rng.choice(_ESTATES if rng.random() < 0.65 else _PLACES)
    if rng.random() < 0.55:
        text += _building(rng)
    if rng.random() < 0.1:
        text += rng.choice(["", " ", "("]) + word(rng, lexicon) + rng.choice(_PLACES)
    if rng.random() < 0.12:
        text += rng.choice(_NEAR)
    return text


def place(rng: Random, lexicon: Lexicon) -> str:
    """A bare place name: a city, a country, a mountain, which is no one's address."""
    if rng.random() < 0.5:
        return _short(rng.choice([*PREFECTURES, *PROVINCES]))
    return lexicon.draw(rng, "ns")


def organisation(rng: Random, lexicon: Lexicon) -> str:
    """A firm, a school, an authority, a branch of a bank, or the short name of a firm."""
    chance = rng.random()
    head = _short(rng.choice([*PREFECTURES, *DIVISIONS])) if rng.random() < 0.5 else ""
    if head and rng.random() < 0.3:
        head += rng.choice("市县省")
    name = "".join(rng.choices(_FIRM_WORDS, k=rng.choice([2, 2, 3])))
    if rng.random() < 0.2:
        name = word(rng, lexicon)
    if chance < 0.55:
        trade = rng.choice(_TRADES) if rng.random() < 0.85 else ""
        return head + name + trade + rng.choice(_FIRM_TAILS)
    if chance < 0.8:
        return (head or _short(rng.choice(PREFECTURES))) + rng.choice(_PUBLIC)
    if chance < 0.9:
        return (
            rng.choice(_BANKS)
            + _short(rng.choice(PREFECTURES))
            + rng.choice(["分行", "支行", "营业部"])
        )
    return head + name + rng.choice(_TRADES)
