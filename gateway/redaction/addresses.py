"""Addresses in Chinese text: seeds from models and patterns, extended over their tails."""

import re
from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from gateway.redaction.divisions import find_divisions
from gateway.redaction.reading import Flags, Reading, is_han, mean, runs
from gateway.redaction.spans import EntityType, Source, Span

_NUMBER = r"[0-9０-９A-Za-zＡ-Ｚａ-ｚ零〇一二三四五六七八九十百甲乙丙丁东西南北]"
_UNIT = (
    "号楼|号院|号门|号|弄|栋|幢|座|单元|室|楼|层|组|队|社|巷|支弄|期|区|排|户|院|門|樓|號|棟|房|铺|档|"
    "组团|#|＃"
)
_JOIN = r"[-—－–~、之/\\]"
# Digits that money, time or a share follows are no house number.
_NOT_A_NUMBER = (
    r"(?![0-9０-９.,，]*\s*(?:元|块|万|千|天|日|月|年|点|期|个|次|%|％|人|岁|笔|单|分钟|小时))"
)
_TAIL = re.compile(
    rf"(?:\s?{_NOT_A_NUMBER}{_NUMBER}{{1,6}}(?:{_JOIN}{_NUMBER}{{1,5}}){{0,4}}\s?(?:{_UNIT})"
    rf"|[0-9０-９]{{1,5}}(?:{_JOIN}[0-9０-９]{{1,5}}){{1,4}}(?![0-9])"
    rf"|(?:\s|{_JOIN})?{_NOT_A_NUMBER}[0-9０-９A-Za-z]{{1,6}}(?=$|[，。,；;、）)\s一-鿿])(?![^，。\s]{{0,1}}(?:元|万|天)))"
)
_GENERIC = (
    "自治区|自治州|自治县|特别行政区|省|市|州|盟|区|县|旗|镇|乡|街道办事处|街道办|街道|办事处|苏木|"
    "大道|大街|公路|胡同|路口|路|街|巷|弄|里|村委会|村民小组|居委会|自然村|行政村|新村|村|屯|寨|庄子|"
    "社区|小区|花园|花苑|家园|公寓|名苑|佳苑|雅苑|嘉园|华庭|豪庭|新城|国际城|山庄|别墅|名邸|雅居|御园|家属院|"
    "家属楼|宿舍|安置房|大厦|广场|中心|大楼|商城|写字楼|科技园|产业园|创业园|工业园|工业区|园区|开发区|"
    "批发市场|市场|商场|商业街|步行街|农场|林场|大院|苑|府|湾|坊|邨|庄"
)
_STREET = "大道|大街|公路|胡同|东路|西路|南路|北路|中路|路|街|巷|弄|里"
_ESTATE = (
    "小区|花园|家园|公寓|新村|大厦|广场|中心|医院|学校|小学|中学|大学|酒店|宾馆|超市|公园|市场"
)
_HAN = "[一-鿿]"
# What stands before an address and does not belong to it.
_STOP = (
    "在到去于是为的从被给跟和与及了过称说叫向对由往至现原即将已住居搬回来寄送发找问告表示该其他她我你您这那并或但而因且若如把让有没无"
    "不也就都才再又会能可要想"
)
_PROPER = rf"[^\W{_STOP}_]"
# Inside an address fewer words are a reason to stop: 回龙观镇, 向家村.
_INNER = r"[^\W的了是说称在，。_]"
_STREET_NUMBER = re.compile(
    rf"(?:{_STREET})\s?(?:[0-9０-９]{{1,5}}|[一二三四五六七八九十百零〇]{{1,5}})"
    rf"(?:{_JOIN}[0-9０-９]{{1,4}})?\s?(?:号|弄|號|巷|#|＃|支弄)"
)
_ROOM = re.compile(
    r"[0-9０-９A-Za-z一二三四五六七八九十]{1,4}\s?(?:栋|幢|号楼|座|#楼|#|＃|棟)\s?"
    r"(?:[0-9０-９A-Za-z一二三四五六七八九十]{1,3}\s?(?:单元|门|梯)\s?)?"
    r"(?:[0-9０-９一二三四五六七八九十]{1,3}\s?(?:楼|层)\s?)?"
    r"(?:[0-9０-９]{1,5}|[一二三四五六七八九十零〇]{2,5})(?:室|房|号|户)?"
    r"|[0-9０-９一二三四五六七八九十]{1,3}\s?单元\s?[0-9０-９一二三四五六七八九十零〇]{1,5}(?:室|房|号|户)?"
)
_VILLAGE = re.compile(
    rf"(?:镇|乡|街道|苏木){_HAN}{{1,6}}?(?:村|社区|屯|嘎查|庄)"
    r"|(?:村|屯|寨|社区|生产队|大队)\s?[0-9０-９一二三四五六七八九十]{1,3}\s?(?:组|队|社|号|屯)"
)
_CORNER = re.compile(
    rf"(?:{_STREET})(?:[和与、及到]{_HAN}{{1,6}}?(?:{_STREET})|(?:{_HAN}{{1,6}}?(?:{_ESTATE}))?)"
    r"(?:交叉口|交汇处|交界处|交叉路口|路口|口|对面|斜对面|旁边|附近|隔壁|后面|门口)"
    r"(?:[东西南北]{1,2}[角侧面边])?"
)
# Each with how many characters of a proper name stand before it at most.
_PATTERNS = ((_STREET_NUMBER, 6), (_ROOM, 0), (_VILLAGE, 6), (_CORNER, 6))
_LANDMARK = re.compile(
    r"\s?(?:的)?(?:对面|斜对面|旁边|旁|附近|隔壁|后面|路口|交叉口|交汇处|交叉路口|[东西南北]侧|[东西南北]门|门口|楼下|楼上|内|"
    r"[往向]?[东西南北][0-9０-９]{1,4}米)"
)
_DETAIL = re.compile(
    rf"{_NUMBER}{{1,6}}\s?(?:{_UNIT})|[路街巷弄镇乡村屯寨庄苑府]|街道|大道|胡同|小区|花园|公寓|大厦|广场|社区|家园|新村|园|中心|城|"
    r"[0-9０-９]-[0-9０-９]"
)
# Two parts of one address with a word or a bracket that no list knows between them.
_BETWEEN = re.compile(r"[^\W的了是说称在到住，。_]{1,8}|[(（][0-9一-鿿]{1,6}[)）]|[\s,，]")
# Dates, times, telephone numbers and amounts: figures that say nothing of where.
_FIGURES = re.compile(
    r"(?:19|20)[0-9]{2}\s?[-/.年]\s?[0-9]{1,2}(?:\s?[-/.月]\s?[0-9]{1,2}[日号]?)?"
    r"|(?<![0-9])1[3-9][0-9](?:[-\s.]?[0-9]{4}){2}(?![0-9])|[0-9０-９]{7,}"
    r"|[零〇一幺二三四五六七八九]{7,}|[0-9]{1,2}[:：][0-9]{2}|[0-9]{1,2}月[0-9]{1,2}[日号]"
    r"|[0-9][0-9,.]*\s?(?:元|块|万元|万|期|天|%|％)"
)
_PLACE_WORD = re.compile(
    r"[路街巷弄镇乡村屯寨庄苑府栋幢座层楼]|街道|大道|胡同|小区|花园|公寓|大厦|广场|社区|家园|单元|中心|园区|城"
)
_BRIDGE = re.compile(r"[\s，,（(]{0,2}$")


_SURE = 0.5
_FAINT = 0.15
_LONGEST = 80
_SHORTEST = 4
_MARKS = "，。、；：！？,.;:（）() \t\n"


class AddressFinder:
    """Finds addresses in a reading; without a model, by divisions and patterns alone."""

    def find(self, reading: Reading) -> list[Span]:
        """Spans of type ADDRESS: whole addresses, not bare names of cities or countries."""
        text = reading.text
        barred = np.zeros(len(text), np.bool_)
        for match in _FIGURES.finditer(text):
            barred[match.start() : match.end()] = True
        flags = (reading.address > _SURE) & ~barred
        ruled = np.zeros(len(flags), np.bool_)
        divided = np.zeros(len(flags), np.bool_)
        for start, end in find_divisions(text):
            divided[start:end] = True
        for pattern, longest in _PATTERNS:
            for match in pattern.finditer(text):
                ruled[_proper_start(text, match.start(), longest) : match.end()] = True
        for start, end in _chains(reading, divided):
            ruled[start:end] = True
        ruled &= ~barred
        places = (divided | (reading.place > _SURE) | (reading.address > _FAINT)) & ~barred
        found = _extended(reading, flags | ruled, places) & ~barred
        return [
            _span(reading, ruled, *_stripped(text, start, end))
            for start, end in runs(found)
            if ruled[start:end].any() or _likely(reading, start, end)
        ]


def _likely(reading: Reading, start: int, end: int) -> bool:
    """Whether what the tagger alone points at says where something is; a date does not."""
    if end - start < _SHORTEST:
        return False
    if _PLACE_WORD.search(reading.text, start, end):
        return mean(reading.address, start, end) > _FAINT
    divided = any(find_divisions(reading.text[start:end]))
    return divided and mean(reading.address, start, end) > _SURE


def _stripped(text: str, start: int, end: int) -> tuple[int, int]:
    """Without marks at its ends, except a bracket that closes inside."""
    while start < end - 1 and text[start] in _MARKS:
        start += 1
    while (
        end > start + 1
        and text[end - 1] in _MARKS
        and not (text[end - 1] in "）)" and any(one in "（(" for one in text[start:end]))
    ):
        end -= 1
    return start, end


def _chains(reading: Reading, divided: Flags) -> Iterator[tuple[int, int]]:
    """Divisions followed by further parts of an address."""
    for start, end in runs(divided):
        stop = _grown(reading, end, divided)
        parts = sum(1 for _ in find_divisions(reading.text[start:end]))
        if _DETAIL.search(reading.text, end, stop) or parts > 2:  # noqa: PLR2004 - province, city, county
            yield start, stop


def _proper_start(text: str, start: int, longest: int) -> int:
    """Where the proper name in front of a road's or village's kind begins."""
    first = start
    while first and start - first < longest and text[first - 1] not in _STOP:
        if not is_han(text[first - 1]):
            break
        first -= 1
    return first


def _extended(reading: Reading, seeds: Flags, places: Flags) -> Flags:
    """Grow seeds over places on the left, and over parts, numbers, landmarks on the right."""
    text = reading.text
    found = seeds.copy()
    for start, end in list(runs(seeds)):
        left = start
        while left and places[left - 1]:
            left -= 1
        stop = _grown(reading, end, places)
        bridged = _BRIDGE.search(text, max(0, left - 3), left)
        if bridged and bridged.start() < left and bridged.start() and seeds[bridged.start() - 1]:
            left = bridged.start()
        if stop - left <= _LONGEST + (end - start):
            found[left:stop] = True
    for (_, end), (start, _) in pairwise(list(runs(found))):
        if _BETWEEN.fullmatch(text, end, start) and not _named(reading, end, start):
            found[end:start] = True
    return found


def _grown(reading: Reading, end: int, places: Flags) -> int:
    """Where an address that reaches to `end` at least really ends."""
    text, stop = reading.text, end
    while stop < len(text):
        if places[stop]:
            stop += 1
            continue
        match = _TAIL.match(text, stop) or _part(reading, stop) or _LANDMARK.match(text, stop)
        if not match or match.end() == stop:
            break
        stop = match.end()
    rest = _REST.match(text, stop) if stop > end else None
    return rest.end() if rest and not _named(reading, *rest.span()) else stop


_PART = re.compile(
    rf"(?:\s|[(（][0-9一-鿿]{{1,6}}[)）])?{_INNER}{{1,9}}?(?:{_GENERIC}|医院|学校|小学|中学|大学|学院|酒店|宾馆|超市|银行|营业厅|有限公司|影院|"
    rf"[0-9０-９一二三四五六七八九十]{{1,5}}(?:{_UNIT}))"
)
# A last word of the address before a mark: 李楼, 西八舍, 北段.
_REST = re.compile(
    r"(?:之[一二三四五六七八九十]|[东西南北中][段头首侧户]|附[0-9]{1,3}号?|(?:[^\W0-9A-Za-z"
    + _STOP
    + r"人户查核实收送签退敲门谢配合电话同意拒绝付款联系登记]){1,4}(?=[，。；、,;\s）)]|$))"
    r"(?:[东西南北]户|[0-9]{1,4}号?)?"
)


def _part(reading: Reading, place: int) -> re.Match[str] | None:
    """A further named part, where no name, mark or everyday word comes between."""
    match = _PART.match(reading.text, place)
    return match if match and mean(reading.person, *match.span()) < _SURE else None


def _named(reading: Reading, start: int, end: int) -> bool:
    return float(reading.person[start:end].max(initial=0.0)) > _SURE


def _span(reading: Reading, ruled: Flags, start: int, end: int) -> Span:
    belief = mean(reading.address, start, end)
    if ruled[start:end].any():
        return Span(start, end, EntityType.ADDRESS, max(0.75, round(belief, 3)), Source.RULE)
    return Span(start, end, EntityType.ADDRESS, round(belief, 3), Source.NAME_MODEL)
