"""Names of chat and payment accounts after a word that announces them, and secrets."""

import re

from gateway.redaction.digits import BARRIER, DIGITS, SEPARATOR_CLASS, basic_class
from gateway.redaction.letters import LATIN, bare_view
from gateway.redaction.pieces import FILLER_BEGINS, FILLERS
from gateway.redaction.spans import EntityType, Source, Span
from gateway.redaction.splits import IDIOM_BEGINS, silence_idioms

_CHAT_WORDS = (
    r"微\s?信|薇信|威信|维信|徽信|危信|卫星号|[vV]\s?信|绿泡泡|小绿|绿色软件|[微薇威❤]\s?[❤♥信]|企鹅号?|扣扣|抠抠|球球|秋秋|"
    r"抖音|快手|陌陌|探探|微博|小红书|闲鱼|淘宝|旺旺|钉钉|支付宝|支付寶|用户名|登录名|[账帐][号户]"
)
_LATIN_WORDS = r"(?:vx|wx|wechat|weixin|qq|telegram|tg|whatsapp|line|skype|ins|alipay)"
# One letter or character that announces only what stands right behind it.
_SLANG = (
    r"[加+＋]\s?(?:个|我|他|她|你|下)?\s?(?:[微薇](?!\s?[信博])|[vVqQ])(?:号|：|:)?|(?:微|薇|[vVqQ])\s?[我号：:]|"
    r"扣(?:号|：|:)?|[qQ]\s[qQ]"
)
_ANNOUNCES = (
    r"\s?+(?:号码?|號碼?|账号|帐号|id|名|名字)?+"
    r"(?:[是为為:：=\s，,\"'“”「」（(\[【{]|叫|加|我|他){0,6}+"
)
_BETWEEN = re.compile(_ANNOUNCES)
# Where an ordinary word follows, or a cut, no name can begin.
_CUE = re.compile(
    rf"(?>{_CHAT_WORDS}|(?<![A-Za-z])(?i:{_LATIN_WORDS})|(?<![A-Za-z])(?:{_SLANG}))(?!{_ANNOUNCES}"
    rf"(?:{BARRIER}|(?![{basic_class({*DIGITS, *LATIN})}{IDIOM_BEGINS}号码])[\u3400-\u9fff]))"
)
_SIGN = rf"[{SEPARATOR_CLASS}]"
_WORD = rf"(?:{FILLERS}|数字|下划线|字母|英文|小写|大写)"
_JOINT = rf"(?:{_SIGN}{{1,4}}|{_SIGN}{{0,2}}{_WORD}{{1,2}}{_SIGN}{{0,2}})"
_VALUE = re.compile(
    rf"(?:[a-z0-9_\-](?:{_SIGN}{{1,2}}[a-z0-9_\-](?![a-z0-9])){{4,}}"
    rf"|[a-z0-9_\-]+(?:\.[a-z0-9_\-]+){{0,3}}(?:{_JOINT}(?=[a-z_\-]{{0,8}}[0-9]|[_\-])[a-z0-9_\-]+){{0,4}})(?![@a-z0-9])"
)
# Most names are written plainly, with a sign or an ordinary word behind.
_PLAIN = re.compile(
    rf"(?:号码?|[是为：:]){{0,2}}([A-Za-z][A-Za-z0-9_\-]{{4,19}})"
    rf"(?=[，。；、！]?[\u3400-\u9fff])(?![，。；、！]?[{FILLER_BEGINS}{basic_class(DIGITS)}数字])"
)
_SECRET = re.compile(
    r"(?:密码|密碼|验证码|驗證碼|校验码|口令|动态码|安全码|(?<![A-Za-z])(?:cvv2?|cvc2?|pin|otp)(?![A-Za-z])|[Pp]assword)"
    r"(?:[是为為:：=\s\"'“”]|后三位){0,4}([A-Za-z0-9Ａ-Ｚａ-ｚ０-９!@#$%^&*_\-]{3,24})",
    re.IGNORECASE,
)
# Where one of these words may begin: two characters are looked at before the long expressions.
_BEGINS = re.compile(
    "[微薇威维徽危卫vVwWqQtTlLsSiI扣抠企抖快陌探小闲淘旺钉支绿球秋加+＋aA用登账帐密验驗校口动安cCpPoO]"
    "(?=[信 xXeEqQgGhHiInNkK扣抠鹅音手陌探博红绿鱼宝旺钉付户录号码碼证證验令态全星泡色❤♥球秋"
    "：:0-9个我他她你下微薇vVaAlLtTdD])(?!证[^码碼])"
)
_SECRET_BEGINS = frozenset(
    ("密码", "密碼", "验证", "驗證", "校验", "口令", "动态", "安全", "cv", "pi", "ot", "pa")
)
_SECRET_FIRST = frozenset("密验驗校口动安cCpPoO")
# Something beside Chinese characters and their punctuation.
_LETTER_NEAR = re.compile(f"[^\u3000-\u9fff\uff00-\uff20\ufdd0 \n]|[{basic_class(DIGITS)}]{{5}}")
_ACCOUNT, _PATTERN = EntityType.ACCOUNT_ID, Source.PATTERN
_NEAR = 12
_REACH = 64
_SHORTEST = 5
_LONGEST = 30
_DIGITS_ALONE = range(5, 12)
_UNIT = re.compile(r"\s?(?:[元块圆万%年月日天期次岁]|\.\d)")


def find_accounts(text: str) -> list[Span]:
    """Account names in any letters, and secrets such as codes and passwords."""
    spans = []
    last = 0
    for begin in _BEGINS.finditer(text):
        start = begin.start()
        if start < last:
            continue
        if text[start] in _SECRET_FIRST and text[start : start + 2].lower() in _SECRET_BEGINS:
            if secret := _SECRET.match(text, start):
                spans.append(Span(*secret.span(1), EntityType.OTHER, 0.8, Source.PATTERN))
        elif (
            text[start - 1 : start] != "@"
            and (cue := _CUE.match(text, start))
            and (span := _read_name(text, cue))
        ):
            spans.append(span)
            last = span.end
    return spans


def _read_name(text: str, cue: re.Match[str]) -> Span | None:
    """The name behind the word, as one span."""
    begin = cue.end()
    if plain := _PLAIN.match(text, begin):
        return Span(*plain.span(1), _ACCOUNT, 0.8, _PATTERN)
    is_host = text[begin : begin + 1] == "."
    if is_host or _LETTER_NEAR.search(text, begin, begin + _NEAR) is None:
        return None
    end = min(len(text), begin + _REACH)
    view, places = bare_view(silence_idioms(text[begin:end]), 0, end - begin)
    between = _BETWEEN.match(view)
    value = _VALUE.match(view, between.end() if between else 0)
    if value is None or not _is_name(view, value, in_english=cue[0].isascii()):
        return None
    first, last = begin + places[value.start()], begin + places[value.end() - 1]
    return Span(first, last + 1, _ACCOUNT, 0.8, _PATTERN)


def _is_name(view: str, value: re.Match[str], *, in_english: bool) -> bool:
    """Whether it is long enough; digits alone only where no unit makes them an amount."""
    first, after = value.span()
    name = "".join(one for one in value[0] if one.isascii() and one.isalnum())
    if not _SHORTEST <= len(name) <= _LONGEST:
        return False
    if name.isdecimal():
        return len(name) in _DIGITS_ALONE and _UNIT.match(view, after) is None
    # In an English sentence any word may follow.
    return not (name.isalpha() and in_english and first > 0 and view[first - 1].isspace())
