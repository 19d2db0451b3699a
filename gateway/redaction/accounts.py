"""E-mail addresses, and names of accounts after a word that announces them."""

import re

from gateway.redaction.spans import EntityType, Source, Span

_W = r"A-Za-z0-9Ａ-Ｚａ-ｚ０-９"
_PLAIN_SIGN = re.compile("[@＠﹫]")
_ANY_SIGN = re.compile(
    r"[@＠﹫]|艾特|圈[aA]|[(（\[【]\s?(?:at|AT|At)\s?[)）\]】]|\s(?:at|AT)\s|#(?=(?:qq|163|126))"
)
_DOT = r"(?:[.．。·]|点|[(（\[]\s?(?:dot|点)\s?[)）\]]|\sdot\s)"
_HOSTS = (
    "(?:qq|163|126|139|189|yeah|foxmail|gmail|sina|sohu|outlook|hotmail|live|icloud|aliyun|yahoo"
    "|msn|wo)"
)
_LOCAL = frozenset(
    one
    for low, high in ("09", "AZ", "az", "０９", "ＡＺ", "ａｚ")
    for one in map(chr, range(ord(low), ord(high) + 1))
) | frozenset("._%+-．＿－")
_LONGEST_LOCAL = 64
_SHORTEST_SIGNLESS = 4
_HOST = re.compile(
    rf"\s?(?:[{_W}\-]{{1,40}}(?:\s?{_DOT}\s?[{_W}\-]{{2,24}}){{1,4}}|(?i:{_HOSTS})(?![{_W}]))"
)
# The sign left out: 12345678 qq点com.
_COM = re.compile("com|COM|cn|net")
_PROVIDER_BEFORE = re.compile(rf"{_HOSTS}\s?{_DOT}\s?$", re.IGNORECASE)
_LONGEST_PROVIDER = 16

_BETWEEN = r"(?:[号號]码?|账号|帐号|ID)?(?:[是为為:：=\s，,\"'“”「」（(\[【]|叫|加){0,6}"
_CHAT = re.compile(
    rf"(?:微\s?信|薇信|威信|维信|徽信|[vV]\s?信|(?<![A-Za-z])(?:vx|wx|wechat|weixin|qq|telegram|tg|whatsapp|line|skype|ins)"
    rf"(?![A-Za-z])|扣扣|企鹅|抖音|快手|陌陌|探探|微博|小红书|闲鱼|淘宝|旺旺|钉钉|支付宝|支付寶|alipay|用户名|登录名|[账帐][号户]"
    rf"){_BETWEEN}(?<![{_W}])([A-Za-zＡ-Ｚａ-ｚ_][{_W}_\-－＿]{{4,23}})(?![{_W}@＠])",
    re.IGNORECASE,
)
# A secret is short; it is hidden whatever it looks like.
_SECRET = re.compile(
    rf"(?:密码|密碼|验证码|驗證碼|校验码|口令|动态码|安全码|(?<![A-Za-z])(?:cvv2?|cvc2?|pin|otp)(?![A-Za-z])|[Pp]assword)"
    rf"(?:[是为為:：=\s\"'“”]|后三位){{0,4}}([{_W}!@#$%^&*_\-]{{3,24}})",
    re.IGNORECASE,
)
# Where one of these words may begin: two characters are looked at before the long expressions.
_WORDS = re.compile(
    "[微薇威维徽vVwWqQtTlLsSiI扣企抖快陌探小闲淘旺钉支aA用登账帐密验驗校口动安cCpPoO]"
    "[信 xXeEqQgGhHiInNkK扣鹅音手陌探博红鱼宝旺钉付户录号码碼证證验令态全vVaAlLtT]"
)
_CHAT_BEGINS = frozenset(
    """
    微信 微博 薇信 威信 维信 徽信 v信 vx wx we qq te tg wh li sk in 扣扣 企鹅 抖音 快手 陌陌 探探
    小红 闲鱼 淘宝 旺旺 钉钉 支付 al 用户 登录 账号 账户 帐号 帐户
    """.split()  # noqa: SIM905  # a table of words, not a list of strings
) | {"微 ", "v "}
_SECRET_BEGINS = frozenset(
    ("密码", "密碼", "验证", "驗證", "校验", "口令", "动态", "安全", "cv", "pi", "ot", "pa")
)
_SIGN_WORDS = (
    "@",
    "＠",
    "﹫",
    "艾特",
    "圈a",
    "圈A",
    " at ",
    "at)",
    "at]",
    "at）",
    "at】",
    "AT",
    "#",
)


def find_accounts(text: str) -> list[Span]:
    """E-mail addresses in any spelling of @ and dot; chat and payment accounts; secrets."""
    spans = []
    for sign in _SIGN_WORDS:
        if sign in text:
            spans += _find_emails(text, _ANY_SIGN)
            break
    else:
        if "@" in text or "＠" in text or "﹫" in text:
            spans += _find_emails(text, _PLAIN_SIGN)
    if "com" in text or "cn" in text or "net" in text:
        spans += _find_signless(text)
    for word in _WORDS.finditer(text):
        begin = word[0].lower()
        if begin in _CHAT_BEGINS:
            if account := _CHAT.match(text, word.start()):
                spans.append(Span(*account.span(1), EntityType.ACCOUNT_ID, 0.8, Source.PATTERN))
        elif begin in _SECRET_BEGINS and (secret := _SECRET.match(text, word.start())):
            spans.append(Span(*secret.span(1), EntityType.OTHER, 0.8, Source.PATTERN))
    return spans


def _find_emails(text: str, signs: re.Pattern[str]) -> list[Span]:
    """From each @ outwards: what may be a local part before it, a host after it."""
    spans = []
    for sign in signs.finditer(text):
        host = _HOST.match(text, sign.end())
        if host is None:
            continue
        if span := _with_local_part(text, sign.start(), host.end()):
            spans.append(span)
    return spans


def _find_signless(text: str) -> list[Span]:
    """A provider's host with a word right before it."""
    spans = []
    for com in _COM.finditer(text):
        lowest = max(0, com.start() - _LONGEST_PROVIDER)
        if "@" in text[lowest : com.start()]:
            continue
        provider = _PROVIDER_BEFORE.search(text, lowest, com.start())
        if provider is None or text[provider.start() - 1 : provider.start()] in {"＠", "."}:
            continue
        span = _with_local_part(text, provider.start(), com.end())
        if span and provider.start() - span.start >= _SHORTEST_SIGNLESS:
            spans.append(span)
    return spans


def _with_local_part(text: str, sign: int, end: int) -> Span | None:
    place = sign
    lowest = max(0, sign - _LONGEST_LOCAL)
    while place > lowest and (
        text[place - 1] in _LOCAL or (text[place - 1] == " " and place == sign)
    ):
        place -= 1
    local = text[place:sign]
    if not local.strip(" ."):
        return None
    place += len(local) - len(local.lstrip(" ."))
    return Span(place, end, EntityType.EMAIL, 0.95, Source.PATTERN)
