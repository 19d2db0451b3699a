"""A case's own names, numbers and addresses, planted in notes in every spelling."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

from gateway.redaction.known import KnownValues
from tests.eval.digit_forms import DIGIT_FORMS, FULL, HAN, Spelled
from tests.eval.evasions import Hidden, Note, carriers, place
from tests.eval.invented_values import card, mobile, resident_id

SAMPLES = 100  # of a form and a type
_SEED = "another hand, 4"

_SURNAMES = {
    "张": "zhang 張 章",
    "陈": "chen 陳 沉",
    "刘": "liu 劉 留",
    "赵": "zhao 趙 照",
    "杨": "yang 楊 羊",
    "吴": "wu 吳 武",
    "孙": "sun 孫 荪",
    "马": "ma 馬 码",
}
_GIVEN = {
    "国": "guo 國 果",
    "华": "hua 華 花",
    "伟": "wei 偉 韦",
    "丽": "li 麗 力",
    "军": "jun 軍 均",
    "红": "hong 紅 宏",
    "晓": "xiao 曉 小",
    "凤": "feng 鳳 奉",
    "兰": "lan 蘭 篮",
    "龙": "long 龍 隆",
    "东": "dong 東 冬",
    "庆": "qing 慶 清",
}
_READING = {c: told.split() for c, told in (_SURNAMES | _GIVEN).items()}
_APART = {"张": "弓长", "陈": "耳东", "刘": "文刀", "赵": "走肖", "杨": "木易", "吴": "口天"}
_APART |= {"孙": "子小", "马": "马"}
_CITIES = (
    "广东省 深圳市 南山区",
    "浙江省 杭州市 余杭区",
    "四川省 成都市 武侯区",
    "湖北省 武汉市 江夏区",
)
_ROADS = ("桃园路", "文三西路", "玉林南路", "纸坊大街", "沙河西路")
_ESTATES = ("阳光花园", "翠苑公寓", "锦绣家园", "东湖名邸")

_NAME_CARRIERS = (
    *("联系上{}，说下周还", "{}本人接的，态度一般", "问{}在不在，对方说打错了", "跟{}说了三次"),
    *(
        "其母称{}已外出打工",
        "接电话的自称{}，让别再打",
        "前台说{}离职了",
        "让{}回电话！",
        "备注：{}",
    ),
    *("村里人都认识{}，家里盖了房", "收到{}转账500元", "（{}）不愿配合", "{},承诺月底还2000"),
)
_ADDRESS_CARRIERS = (
    *("外访{}，没人", "现住{}", "信寄到{}，退回", "地址：{}", "说搬到{}了，房租每月1800"),
    *("户籍{}；人在外地", "到{}找过两次", "{}的房子卖了", "邻居说{}一直空着", "上门：{}，贴条"),
)

Parts = list[str]


@dataclass(frozen=True, slots=True)
class Planted:
    """A note and what the case is known to hold."""

    note: Note
    known: KnownValues


def known_values() -> Iterator[Planted]:
    """`SAMPLES` notes of each form of each type, every one of another case."""
    for kind, forms, lines in _sources():
        for form, spell in forms.items():
            rng = Random(f"{_SEED}/{kind}/{form}")
            for number in range(SAMPLES):
                case = {one: make(rng) for one, make in _MAKE.items()}
                spelled = spell(case[kind], rng)
                before, after = lines[number % len(lines)].split("{}")
                text, pieces = place(before, spelled, after)
                yield Planted(Note(text, (Hidden(kind, form, pieces),)), _known(case))


def _sources() -> Iterator[tuple[str, dict[str, Callable[[Parts, Random], Spelled]], list[str]]]:
    lines = carriers()
    yield "name", NAME_FORMS, list(_NAME_CARRIERS)
    yield "address", ADDRESS_FORMS, list(_ADDRESS_CARRIERS)
    for kind in ("mobile", "id", "card"):
        yield kind, DIGIT_FORMS | {"last four": _last_four}, lines[kind]


def _known(case: dict[str, Parts]) -> KnownValues:
    return KnownValues(
        names=("".join(case["name"]),),
        phones=("".join(case["mobile"]),),
        ids=("".join(case["id"]),),
        cards=("".join(case["card"]),),
        addresses=("".join(case["address"]),),
    )


def _name(rng: Random) -> Parts:
    """A surname and one or two characters after it, all of them different."""
    return [rng.choice(list(_SURNAMES)), *rng.sample(list(_GIVEN), rng.choice((2, 2, 2, 1)))]


def _address(rng: Random) -> Parts:
    """Province, city, district, road and number, estate, building and room."""
    road = f"{rng.choice(_ROADS)}{rng.randint(1, 399)}号"
    room = f"{rng.randint(1, 30)}栋{rng.randint(1, 4)}单元{rng.randint(101, 2804)}室"
    return [*rng.choice(_CITIES).split(), road, rng.choice(_ESTATES), room]


def _told(name: Parts, which: int) -> Parts:
    return [_READING[one][which] for one in name]


def _name_with(*between: str) -> Callable[[Parts, Random], Spelled]:
    return lambda name, rng: [rng.choice(between).join(name)]


def _given_first(name: Parts, _: Random) -> Spelled:
    surname, *given = _told(name, 0)
    return ["".join(given).title() + " " + surname.title()]


def _titled(name: Parts, rng: Random) -> Spelled:
    return [name[0], rng.choice(("先生", "女士", "总", "老师", "师傅", "老板", "姐", "哥", "某"))]


def _nicknamed(name: Parts, rng: Random) -> Spelled:
    return ["", rng.choice("老小"), name[0]]


def _split(name: Parts, rng: Random) -> Spelled:
    return ["", "姓", name[0], rng.choice(("，名", "，叫", "，名字是")), "".join(name[1:])]


NAME_FORMS: dict[str, Callable[[Parts, Random], Spelled]] = {
    "as it is": _name_with(""),
    "spaces": _name_with(" ", "  ", "\u3000"),
    "signs": _name_with("-", ".", "·", "/", "*", "_"),
    "hidden characters": _name_with("\u200b", "\u2060", "\u00ad", "\ufeff"),
    "line break": _name_with("\n", "\t"),
    "emoji between": _name_with("😂", "❤️"),
    "brackets": lambda name, _: ["", "【", f"{name[0]}】{''.join(name[1:])}"],
    "traditional": lambda name, _: ["".join(_told(name, 1))],
    "one traditional": lambda name, _: [_READING[name[0]][1] + "".join(name[1:])],
    "by sound": lambda name, _: ["".join(_told(name, 2))],
    "surname by sound": lambda name, _: [_READING[name[0]][2] + "".join(name[1:])],
    "Pinyin": lambda name, _: ["".join(_told(name, 0))],
    "Pinyin, spaced": lambda name, _: [" ".join(_told(name, 0))],
    "Pinyin, capitals": lambda name, _: [" ".join(_told(name, 0)).upper()],
    "Pinyin, given first": _given_first,
    "given name": lambda name, rng: ["".join(_full(name, rng)[1:])],
    "title": _titled,
    "老 or 小": _nicknamed,
    "surname taken apart": lambda name, _: [_APART[name[0]] + "".join(name[1:])],
    "told in parts": _split,
    "backwards": lambda name, _: ["".join(name[::-1]), "（倒着念）"],
}


def _full(name: Parts, rng: Random) -> Parts:
    """A given name of one character says nothing: the case gets a second one."""
    if len(name) == 2:
        name.append(rng.choice([one for one in _GIVEN if one not in name]))
    return name


def _last_four(groups: Parts, rng: Random) -> Spelled:
    return ["", rng.choice(("尾号", "后四位", "末四位是", "尾数")), "".join(groups)[-4:]]


def _short_levels(address: Parts) -> str:
    return "".join(one[:-1] for one in address[:3])


def _numbered(table: dict[str, str]) -> Callable[[Parts, Random], Spelled]:
    return lambda address, _: ["".join(table.get(c, c) for c in "".join(address))]


def _room_short(address: Parts, rng: Random) -> Spelled:
    building, rest = address[5].split("栋")
    room = rest.split("单元")[1].removesuffix("室")
    return [f"{address[4]}{building}{rng.choice(('栋', '-', '幢', '号楼'))}{room}"]


ADDRESS_FORMS: dict[str, Callable[[Parts, Random], Spelled]] = {
    "as it is": lambda address, _: ["".join(address)],
    "spaces": lambda address, _: [" ".join(address)],
    "signs": lambda address, rng: [rng.choice((",", "，", "-", "/", "、")).join(address)],
    "hidden characters": lambda address, rng: [rng.choice("\u200b\u2060").join("".join(address))],
    "space after each": lambda address, _: [" ".join("".join(address))],
    "line break": lambda address, _: ["\n".join(address)],
    "full-width": _numbered(FULL),
    "Han": _numbered(HAN),
    "no province": lambda address, _: ["".join(address[1:])],
    "no 省市区": lambda address, _: [_short_levels(address) + "".join(address[3:])],
    "from the road on": lambda address, _: ["".join(address[3:])],
    "estate and room": lambda address, _: ["".join(address[4:])],
    "room shortened": _room_short,
    "# for 号": lambda address, _: ["".join(address).replace("号", "#")],
}

_MAKE: dict[str, Callable[[Random], Parts]] = {
    "name": _name,
    "address": _address,
    "mobile": mobile,
    "id": resident_id,
    "card": card,
}
