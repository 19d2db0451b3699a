"""The forms in which a case's own names and employers turn up in notes."""

import re
from functools import cache

from gateway.redaction.divisions import PREFECTURES, PROVINCES
from gateway.redaction.folding import fold
from gateway.redaction.surnames import COMPOUND
from gateway.redaction.wordlists import packaged

_SHORTEST_GIVEN = 2
_SHORTEST_LATIN = 3
_SHORTEST_PINYIN = 4
_LONGEST_HAN_NAME = 6
_HAN = re.compile(r"[\u3400-\u9fff]+")
_DOTS = re.compile(r"[·•‧∙⋅・●﹒．.\s]+")

# After a surname, or after the last character of a given name.
_TITLE_WORDS = """
先生 女士 小姐 太太 夫人 总 總 哥 姐 弟 妹 老板 老闆 经理 老师 师傅 主任 医生 律师 同学 同志 叔
伯 姨 阿姨 婶 大哥 大姐 某 某某 兄 嫂 董 科长 处长 队长 会计 美女 帅哥 爷 奶奶 女生 男生
xx XX ** ＊＊
"""
TITLES = tuple(_TITLE_WORDS.split())
PREFIXES = frozenset("小老阿大")
# With a prefix they are ordinary words: 小时, 老师, 大家.
NOT_AFTER_PREFIX = frozenset("时师学家人心区孩说组板公婆地小多概约量力部门型额")
_ENGLISH_TITLES = ("mr", "mrs", "ms", "miss")


def readings() -> dict[str, str]:
    """The usual reading of each character, Pinyin without tones."""
    return _readings()[0]


def readings_of_surnames() -> dict[str, str]:
    """The reading as a surname where it differs."""
    return _readings()[1]


@cache
def _readings() -> tuple[dict[str, str], dict[str, str]]:
    sections = packaged("readings.txt")

    def by_character(lines: list[str]) -> dict[str, str]:
        pairs = (line.split(":") for line in lines)
        return {one: reading for reading, characters in pairs for one in characters}

    return by_character(sections["characters"]), by_character(sections["surnames"])


def split_name(name: str) -> tuple[str, str]:
    """Surname and given name of a name in Chinese characters."""
    if len(name) > _SHORTEST_GIVEN and name[:2] in COMPOUND:
        return name[:2], name[2:]
    return name[:1], name[1:]


def name_patterns(name: str) -> set[str]:
    """Folded patterns of a name: whole, given name alone from two characters, pinyin, parts."""
    parts = [part for part in _DOTS.split(name.strip()) if part]
    whole = fold(name)
    if not whole:
        return set()
    patterns = {whole}
    if _HAN.fullmatch("".join(parts)) and len(whole) <= _LONGEST_HAN_NAME and len(parts) <= 1:
        surname, given = split_name(parts[0])
        if len(given) >= _SHORTEST_GIVEN:
            patterns.add(fold(given))
        patterns |= _pinyin_patterns(surname, given)
    elif len(parts) > 1:
        patterns |= {
            fold(part)
            for part in parts
            if len(part) >= (_SHORTEST_GIVEN if _HAN.match(part) else _SHORTEST_LATIN)
        }
        patterns.add(fold("".join(reversed(parts))))
    if len(whole) == 1:
        patterns.discard(whole)
    return patterns - {""}


def _pinyin_patterns(surname: str, given: str) -> set[str]:
    characters, surnames = _readings()
    folded = [one for one in surname + given if one in characters]
    if len(folded) < len(surname + given) or not given:
        return set()
    first = "".join(
        (surnames.get(one) or characters[one]) if len(surname) == 1 else characters[one]
        for one in surname
    )
    rest = "".join(characters[one] for one in given)
    plain = "".join(characters[one] for one in surname)
    patterns = {first + rest, rest + first, plain + rest}
    if len(given) >= _SHORTEST_GIVEN:
        patterns.add(rest)
    patterns |= {title + first for title in _ENGLISH_TITLES}
    return {pattern for pattern in patterns if len(pattern) >= _SHORTEST_PINYIN}


_COMPANY_TAIL = re.compile(
    r"(?:有限责任公司|股份有限公司|集团有限公司|有限公司|股份公司|集团公司|集团|总公司|分公司|公司|有限合伙|合伙企业|厂|店)+$"
)
_INDUSTRY = re.compile(
    r"(?:科技|网络|信息|技术|贸易|实业|商贸|物流|餐饮|建筑|工程|装饰|文化|传媒|咨询|服务|管理|投资|电子|机械|食品|服装|医药|"
    r"房地产|地产|置业|酒店|教育|培训|国际|控股|发展|电器|汽车|运输|劳务|人力资源|物业|保险|金融|生物|环保|能源|化工|材料|设备|"
    r"制造|加工|纺织|家具|建材|农业|广告|软件|数码|通信|供应链|电子商务|健康|旅游|超市|百货)+$"
)
_ENDING = re.compile("(?:特别行政区|(?:维吾尔|壮族|回族)?自治区|自治州|地区|[省市盟])$")
_STEMS = {stem for one in (*PROVINCES, *PREFECTURES) if len(stem := _ENDING.sub("", one)) > 1}
_REGION = re.compile(
    f"^(?:{'|'.join(sorted(_STEMS, key=len, reverse=True))})"
    "(?:特别行政区|自治区|自治州|[省市])?(?:[^省市区县]{1,4}[区县市])?"
)


def organisation_patterns(name: str) -> set[str]:
    """Folded patterns of a firm: whole, without its legal form, its region, its trade."""
    whole = re.sub(r"\s|[(（][^)）]{1,8}[)）]", "", name)
    bare = _COMPANY_TAIL.sub("", whole)
    local = _REGION.sub("", whole)
    brand = _INDUSTRY.sub("", _REGION.sub("", bare))
    forms = {re.sub(r"\s", "", name), whole, bare, local, _REGION.sub("", bare), brand}
    return {folded for form in forms if len(folded := fold(form)) >= _SHORTEST_GIVEN}
