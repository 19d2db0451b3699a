"""Organisations that tell where somebody works or studies: firms, schools, hospitals, branches."""

import re
from collections.abc import Iterator

import numpy as np

from gateway.redaction.divisions import STEMS
from gateway.redaction.reading import Reading, is_han, mean, runs
from gateway.redaction.spans import EntityType, Source, Span
from gateway.redaction.wordlists import packaged

_FIRMS = (
    "股份有限公司|有限责任公司|集团有限公司|有限公司|分公司|子公司|集团公司|总公司|公司|集团|合作社|经营部|"
    "门市部|服务部|商行|工作室|事务所|研究院|研究所|设计院|养殖场|加工厂|工厂|制造厂|修理厂|"
    "餐厅|饭店|酒店|宾馆|酒楼|火锅店|理发店|美发店|超市|便利店|药店|专卖店|旗舰店|连锁店|4S店|网吧|会所|"
    "药房|诊所|小学|中学|高中|初中|大学|学院|学校|技校|幼儿园|幼儿园|医院|卫生院|卫生所|保健院|"
    "部队|出版社|报社|电视台|工地|物流园|车行|修理部|厂|店"
)
_FIRM = re.compile(rf"(?:{_FIRMS})(?:[一-鿿]{{2,8}}(?:分公司|支行|分行|分店|分部|营业部|事业部))?")
_BRANCH = re.compile(
    r"(?:支行|分行|营业部|营业所|信用社|派出所|税务局|分局|检察院|法院|村委会|居委会)"
)
_EMPLOYED = re.compile(
    r"(?:单位|就职于|任职于|供职于|上班于|工作单位|在|公司名称|就读于|毕业于|工作于|受雇于|雇主|雇主为|公司是|公司叫)[：:是为\s]?$"
)
_AT_WORK = re.compile(
    r"(?:里|内|那边)?(?:上班|工作|任职|就职|打工|当|做|任|干|实习|就读|读书|兼职)"
)
# A proper part never holds these, so they end the search to the left.
_STOP = frozenset(
    "在到去于是为的从被给跟和与及了过称说叫向对由往至现原即将已该其他她我你您这那并或但而因让有没无不也就都才再又会能可要想任，。、：；！？（）()"
)
_WORDS = (
    "单位",
    "客户",
    "现任",
    "历任",
    "曾任",
    "本人",
    "工作",
    "就职",
    "任职",
    "供职",
    "毕业",
    "开了",
    "开办",
    "经营",
    "一家",
    "某",
    "某某",
    "通知",
    "联系",
    "致电",
)
_SECTIONS = packaged("organisations.txt")
_EVERYDAY = frozenset(_SECTIONS["everyday"])
# Lenders, hotlines and platforms are parties of the collection itself, not of a person's life.
_PUBLIC = frozenset(_SECTIONS["public"])
_PUBLIC_NAME = re.compile("|".join(sorted(_PUBLIC, key=len, reverse=True)))
_SOME = re.compile(r"[这那该本各某]|上述|全[国省市县村]|[一二两三四五六七八九十几数多]+[家个所间]")
_SURE = 0.5
_FAINT = 0.2
_LONGEST = 24
_SHORTEST = 4


class OrganisationFinder:
    """Finds organisations in a reading; without a model, by their endings alone."""

    def find(self, reading: Reading) -> list[Span]:
        """Spans of type ORGANISATION, in order of place, none overlapping."""
        flags = np.zeros(len(reading.text), np.bool_)
        for start, end in self._named(reading):
            flags[start:end] = True
        ruled = flags.copy()
        for start, end in runs(reading.organisation > _SURE):
            if _personal(reading, start, end):
                flags[start:end] = True
        return [_span(reading, bool(ruled[start]), start, end) for start, end in runs(flags)]

    def _named(self, reading: Reading) -> Iterator[tuple[int, int]]:
        for match in _FIRM.finditer(reading.text):
            start = _start(reading, match.start())
            if start < match.start() and _personal(reading, start, match.end()):
                yield start, match.end()
        for match in _BRANCH.finditer(reading.text):
            start = _start(reading, match.start())
            if match.start() - start > 1 and _employer(reading, start, match.end()):
                yield start, match.end()
        for match in _PUBLIC_NAME.finditer(reading.text):
            if _employer(reading, *match.span()):
                yield match.span()


def _start(reading: Reading, end: int) -> int:
    """Where the proper part in front of an ending starts: at a stop, or where a model saw one."""
    text = reading.text
    start = end
    while start and end - start < _LONGEST:
        character = text[start - 1]
        believed = reading.organisation[start - 1] > _FAINT
        if not believed and (character in _STOP or not (is_han(character) or character.isalnum())):
            break
        start -= 1
    for word in _WORDS:
        found = text.rfind(word, start, end)
        if found >= 0:
            start = found + len(word)
    return start


def _personal(reading: Reading, start: int, end: int) -> bool:
    """Whether it names one organisation, and none that the collection itself deals with."""
    name = reading.text[start:end]
    if name in _PUBLIC:
        return _employer(reading, start, end)
    if end - start < _SHORTEST or name in _EVERYDAY or _SOME.match(name):
        return False
    believed = mean(reading.organisation, start, end)
    if believed > _SURE or name.startswith(STEMS):
        return True
    proper = _FIRM.search(name)
    return bool(proper and proper.start() > 1 and believed > _FAINT) or name.endswith(
        ("有限公司", "责任公司", "合作社", "事务所", "经营部")
    )


def _employer(reading: Reading, start: int, end: int) -> bool:
    """Whether the words around say that somebody works there."""
    return bool(
        _EMPLOYED.search(reading.text, max(0, start - 6), start)
        and (_AT_WORK.match(reading.text, end) or reading.text[start - 1 : start] != "在")
    )


def _span(reading: Reading, ruled: bool, start: int, end: int) -> Span:  # noqa: FBT001 - one caller, beside its data
    belief = round(mean(reading.organisation, start, end), 3)
    if ruled:
        return Span(start, end, EntityType.ORGANISATION, max(0.7, belief), Source.RULE)
    return Span(start, end, EntityType.ORGANISATION, belief, Source.NAME_MODEL)
