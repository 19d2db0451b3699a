"""A case's own addresses: each name of a road or estate in them, with whatever numbers follow."""

import re
from collections.abc import Iterable, Iterator

from gateway.redaction.digits import SEPARATORS
from gateway.redaction.folding import find_folded, fold, match_before
from gateway.redaction.known_numbers import known_span
from gateway.redaction.letters import in_ascii
from gateway.redaction.spans import EntityType, Span

_LEVELS = (
    re.compile(r"[\u3400-\u9fff]{2,7}?(?:省|自治区|特别行政区)"),
    re.compile(r"[\u3400-\u9fff]{2,8}?(?:市|自治州|地区|盟)"),
    re.compile(r"[^\d区县旗市路街号]{1,7}?(?:(?<![小社园])区|县|旗|市)"),
    re.compile(r"[^\d镇乡路号]{1,6}?(?:街道|镇|乡)"),
)
_UNITS = "号院|号楼|号|弄|栋|幢|座|单元|层|楼|室|房|户|组|队|排|期|#"
_NUMBERED = re.compile(rf"[0-9A-Za-z]+(?:{_UNITS})?|[-—#/\s,，、()（）.·]+")
_CHAIN = re.compile(rf"(?:[0-9A-Za-z]+(?:{_UNITS})[-—]?){{1,}}[0-9]*")
_ROAD_ENDS = re.compile(r"(?:大道|[路街巷弄道里])$")
_SHORT_NAME_ENDS = frozenset("路街巷弄村庄屯寨湾沟")
_SHORTEST_NAME = 3
_FEWEST_NUMBERS = 2
# Numbers of houses and rooms as they follow a name: 88号3栋, 12-3-401, 八十八号.
_TAIL = re.compile(
    r"(?:\s?[#,，、\-—－/之·]?\s?第?(?:[0-9十百千]{1,5}|[A-Za-z](?=[栋座单区0-9-]))\s?"
    r"(?:号院|号楼|号|#|＃|弄|栋|棟|幢|座|单元|層|层|楼|樓|室|房|户|组|队|排|巷|院|期|號)?)+"
    r"(?![0-9]*(?:\s?[元块万天次%年月日点岁]|\.[0-9]))"
)
_SHORT_FORM = 2
_BETWEEN = r"[\s\-—－/#.、,，栋幢座号楼单元层室之]{1,4}"


class PlaceFinder:
    """Compiled from the addresses of one case. Immutable."""

    def __init__(self, addresses: Iterable[str]) -> None:
        names: set[str] = set()
        upper: set[str] = set()
        chains: set[str] = set()
        for address in addresses:
            above, rest = _take_apart("".join(address.split()))
            upper |= above
            names |= {fold(name) for name in _names(rest)}
            names.add(fold(address))
            if chain := _rooms(rest):
                chains.add(chain)
        self._names = tuple(sorted(name for name in names if len(name) >= _SHORT_FORM))
        self._upper = tuple(sorted(upper, key=len, reverse=True))
        self._chains = tuple(map(re.compile, sorted(chains)))

    def find(self, text: str) -> Iterator[Span]:
        """Spans of source KNOWN; they may overlap."""
        if not self._names:
            return
        view = in_ascii(text)
        for name in self._names:
            for start, end in find_folded(text, name):
                tail = _TAIL.match(view, end)
                yield known_span(
                    self._begin(text, start), tail.end() if tail else end, EntityType.ADDRESS
                )
        for chain in self._chains:
            for found in chain.finditer(view):
                yield known_span(*found.span(), EntityType.ADDRESS)

    def _begin(self, text: str, start: int) -> int:
        """Where province, city and district right before it begin."""
        begin = start
        place = start
        while place:
            while place and text[place - 1] in SEPARATORS and start - place < _MOST_SIGNS:
                place -= 1
            before = next(
                (found for form in self._upper if (found := match_before(text, place, form)) >= 0),
                -1,
            )
            if before < 0:
                break
            begin = place = start = before
        return begin


_MOST_SIGNS = 3


def _take_apart(address: str) -> tuple[set[str], str]:
    """The names of the levels above, long and short, folded; and what is below them."""
    above: set[str] = set()
    for level in _LEVELS:
        if found := level.match(address):
            above.add(fold(found[0]))
            if len(found[0]) > _SHORT_FORM:
                above.add(
                    fold(
                        re.sub(
                            "(?:特别行政区|自治[区州]|街道|地区|[省市区县旗盟镇乡])$", "", found[0]
                        )
                    )
                )
            address = address[found.end() :]
    return above - {""}, address


def _names(rest: str) -> Iterator[str]:
    """The names of roads, estates and villages, without their numbers."""
    for name in _NUMBERED.split(rest):
        if not name:
            continue
        if len(name) >= _SHORTEST_NAME or name[-1] in _SHORT_NAME_ENDS:
            yield name
        # 建国路华贸中心, written without a number between.
        parts = re.split(r"(?<=[路街巷弄])|(?<=大道)", name)
        yield from (part for part in parts if len(part) >= _SHORTEST_NAME)


def _rooms(rest: str) -> str:
    """An expression for the last numbers of an address, whatever units are between them."""
    last = list(_CHAIN.finditer(rest))
    if not last:
        return ""
    numbers = re.findall("[0-9]+", last[-1][0])
    if len(numbers) < _FEWEST_NUMBERS or sum(map(len, numbers)) < 2 * _FEWEST_NUMBERS:
        return ""
    return f"(?<![0-9]){_BETWEEN.join(numbers)}(?:室|房|户)?(?![0-9])"
