"""E-mail addresses, whatever stands in the place of @ and dot."""

import re
from collections.abc import Iterator
from itertools import pairwise, takewhile
from string import ascii_letters, digits

from gateway.redaction.digits import BARRIER, DIGIT_CLASS, basic_class
from gateway.redaction.letters import LATIN, bare_view
from gateway.redaction.spans import EntityType, Source, Span

# One of these is in every address; four letters or digits in whatever costume near the word.
_SIGN_OR_WORD = re.compile("[@＠﹫特鼠圈&邮郵](?:(?<!特)|(?<=[艾爱]特))")
_LATIN = re.compile("com|cn|net|at|mail|COM|AT")
_WORDS = frozenset("邮郵")
# As most addresses are written; nothing beside it may belong to it.
_PLAIN_HOST = re.compile(r"[A-Za-z0-9\-]+(?:\.[A-Za-z0-9\-]+)++(?![@A-Za-z0-9])")
_PLAIN_LOCAL = ascii_letters + digits + "._%+-"
_LOCAL_AT_ONCE = 32
_ANNOUNCING = 8
_NAME_NEAR = re.compile(r"[^\u3000-\u9fff\uff00-\uff20\ufdd0\s]{4}")
_NEAR = 24
# Of a host a letter, or its number before the word; or a name behind the word.
_MAY_TELL = re.compile(
    rf"[A-Za-z{basic_class(one for one in LATIN if LATIN[one].isalpha())}\U00010000-\U0001ffff]"
    rf"|[{DIGIT_CLASS}][^{BARRIER}]?[{DIGIT_CLASS}][^{BARRIER}]{{0,6}}[邮郵信件]"
    rf"|[邮郵][^{BARRIER}]{{0,16}}?{_NAME_NEAR.pattern}"
)
_HOSTS = (
    "(?:qq|vip\\.qq|163|126|139|189|188|yeah|foxmail|gmail|sina|sohu|outlook|hotmail|live|icloud|aliyun|yahoo|msn|wo|"
    "tom|21cn|263|me|tencent|huawei)"
)
_TOP = "(?:com|cn|net|org|edu|gov|vip|me|hk|tw|io|cc|top|co)"
_DOT = r"(?:\s?[.。·•∙⋅]\s?|\s?点\s?|\s?[(（\[{【]\s?(?:dot|点|\.)\s?[)）\]}】]\s?|\sdot\s)"
_COMMA = rf"\s?[,，;；]\s?(?={_TOP}(?![a-z]))"
_ENDING = rf"(?:(?:{_DOT}[a-z0-9\-]{{2,24}})|(?:{_COMMA}{_TOP}))"
_HOST = rf"(?:[a-z0-9\-]{{1,40}}{_ENDING}{{1,4}}|{_HOSTS}(?![a-z0-9]))"
_KNOWN_HOST = rf"{_HOSTS}(?:{_ENDING}{{1,2}}|\s(?:com|cn|net)(?![a-z]))"
_SPACED_HOST = r"[a-z0-9](?:\s[a-z0-9\-]){0,40}\s*[.。点,]\s*[a-z](?:\s[a-z]){1,5}(?![a-z])"
_NAME = "a-z0-9._%+\\-"
# The first character is outside both alternatives, so that the engine skips to it.
_LOCAL = (
    rf"[{_NAME}](?:(?<![a-z0-9].)(?<=[a-z0-9])(?:\s[{_NAME}]){{1,63}}+"
    rf"|(?<![{_NAME}].)[{_NAME}]{{0,63}}+)"
)
_SIGN = (
    r"(?:@+\s?(?:艾特)?|艾特|爱特|圈a|小老鼠|&#0*64;?|&#x40;?|&commat;?|\sat\s"
    r"|[(（\[【{]\s?(?:at|@|艾特|a|圈a)\s?[)）\]】}])"
)
# They count as @ only before a host that everybody knows.
_ODD_SIGN = (
    r"(?:[#*$&^~!]|[(（\[【][^a-z0-9]?(?:换成?|改成?|是|代替)?@?[^)）\]】]{0,5}[)）\]】]"
    r"|[#*](?:[(（].{0,8}[)）])|at)"
)
_ADDRESS = re.compile(
    rf"{_LOCAL}\s*(?:{_SIGN}\s*(?:{_SPACED_HOST}|{_KNOWN_HOST}|{_HOST})|{_ODD_SIGN}\s?{_KNOWN_HOST}|\s{_KNOWN_HOST})"
)
_HOST_IN_WORDS = re.compile(
    rf"(?<![a-z0-9._\-])([a-z0-9._\-]{{4,64}}+)[\s，,、：:。；;的]{{0,3}}(?:是|用|后缀|后面是|加)?{_HOSTS}的?(?:邮箱|信箱|邮件|郵箱)"
)
_ANNOUNCED = re.compile(
    r"(?:邮箱|信箱|邮件|郵箱|e-?mail|mail)(?:地址|号码?|账号|名)?[是为:：=\s，,\"“「【（(\[]{0,4}([a-z0-9][a-z0-9._\-]{5,40})(?![a-z0-9@])",
)
_TELLING = re.compile("[0-9._-]")
_REACH = 70
_EMAIL, _PATTERN = EntityType.EMAIL, Source.PATTERN


def find_emails(text: str, *, has_words: bool = True, has_sign: bool = True) -> list[Span]:
    """Addresses in any spelling; a name before 163邮箱, or after the word for an address.

    `has_words` says whether two letters stand together anywhere in the text, `has_sign` what
    `has_sign_or_word` says of it.
    """
    places: list[int] = []
    spans: list[Span] = []
    if has_words:
        places = [found.start() for found in _LATIN.finditer(text)]
    for found in _SIGN_OR_WORD.finditer(text) if has_sign else ():
        place = found.start()
        if found[0] == "@" and (span := _read_plain(text, place)):
            spans.append(span)
        places.append(place)
    for span in spans:
        first, after = span[0] - _ANNOUNCING, span[1]
        places = [place for place in places if not first <= place < after]
    if not places:
        return spans
    open_ = sorted(
        [place for place in places if text[place] not in _WORDS or _may_tell(text, place)]
    )
    while open_:
        near = takewhile(lambda pair: pair[1] - pair[0] < _REACH, pairwise(open_))
        count = 1 + sum(1 for _pair in near)
        start, end = open_[0] - _REACH, open_[count - 1] + _REACH
        spans += _find_in(text, max(0, start), min(len(text), end))
        open_ = open_[count:]
    return spans


def _may_tell(text: str, word: int) -> bool:
    """Whether a name and a host, in whatever costume, may be near the word for mail."""
    return (
        _NAME_NEAR.search(text, max(0, word - _NEAR), word + _NEAR) is not None
        and _MAY_TELL.search(text, max(0, word - _REACH), word + _REACH) is not None
    )


def has_sign_or_word(text: str) -> bool:
    """Whether a sign or word of an address is anywhere: single characters are found in no time."""
    return (
        "@" in text
        or "邮" in text
        or "特" in text
        or "圈" in text
        or "鼠" in text
        or "&" in text
        or "＠" in text
        or "﹫" in text
        or "郵" in text
    )


def _read_plain(text: str, at: int) -> Span | None:
    host = _PLAIN_HOST.match(text, at + 1)
    start = at
    while start:
        low = max(0, start - _LOCAL_AT_ONCE)
        before = text[low:start].rstrip(_PLAIN_LOCAL)
        start = low + len(before)
        if before:
            break
    if host is None or start == at:
        return None
    return Span(start, host.end(), _EMAIL, 0.95, _PATTERN)


def _find_in(text: str, start: int, end: int) -> Iterator[Span]:
    view, places = bare_view(text, start, end)
    for expression in (_ADDRESS, _HOST_IN_WORDS, _ANNOUNCED):
        for found in expression.finditer(view):
            group = 1 if expression.groups else 0
            first, after = found.span(group)
            if expression is _ANNOUNCED and not _TELLING.search(view, first, after):
                continue
            while first < after and view[first] in " .\n":
                first += 1
            if first < after:
                yield Span(places[first], places[after - 1] + 1, _EMAIL, 0.95, _PATTERN)
