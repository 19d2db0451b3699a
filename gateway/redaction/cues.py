"""Names that their surroundings give away: labels, relations, introductions, forms of address."""

import re
from collections.abc import Iterator

from gateway.redaction.reading import Reading, is_han, mean
from gateway.redaction.surnames import AMBIGUOUS, COMPOUND, FREQUENT, GIVEN, SINGLE, TRANSLITERATED

_RELATIONS = (
    "妻子|丈夫|老婆|老公|爱人|配偶|前妻|前夫|父亲|母亲|爸爸|妈妈|父|母|妻|夫|儿子|女儿|长子|次子|长女|"
    "次女|子|女|哥哥|弟弟|姐姐|妹妹|堂哥|堂弟|表哥|表弟|表姐|表妹|堂姐|堂妹|兄|弟|姐|妹|嫂子|姐夫|"
    "妹夫|岳父|岳母|公公|婆婆|叔叔|伯父|舅舅|姑姑|姨妈|侄子|外甥|儿媳|女婿|亲戚|同事|同学|朋友|"
    "室友|邻居|房东|合伙人|男友|女友|男朋友|女朋友|未婚妻|未婚夫|工友|战友|老乡"
)
_ROLES = (
    "紧急联系人|第二联系人|第一联系人|联系人|担保人|保证人|借款人|共借人|共同借款人|欠款人|债务人|收件人|"
    "收款人|收货人|寄件人|付款人|持卡人|户主|法人|法定代表人|负责人|经办人|开户人|申请人|被申请人|"
    "原告|被告|代理人|委托代理人|被执行人|投诉人|来电人|接听人|代还人|转账人|客户|本人|债权人|"
    "业主|租客|承租人|出租人|车主|店主|村长|村主任|村支书|班主任|介绍人|推荐人|实际用款人"
)
_LABELS = "姓名|名字|户名|开户名|真实姓名|曾用名|客户姓名|全名|大名|收款户名|账户名|戶名"
# A label with a colon, or a label that only a name can follow.
_LABELLED = re.compile(
    rf"(?:{_LABELS}|{_ROLES}|{_RELATIONS}|配偶姓名|亲属)(?:姓名|名字|信息)?"
    r"(?:[（(][^（()）\n]{1,8}[）)])?\s*[:：=]\s*"
)
_CALLED = re.compile(
    rf"(?:(?:{_LABELS})(?:叫|是|为|填的是|改为)?|名叫|名为|叫做|我叫|他叫|她叫|叫|自称(?:是|叫)?|"
    rf"冒充|改名|化名|人称|姓名登记为|登记在|户名为)\s*"
)
_RELATED = re.compile(rf"(?:{_RELATIONS}|{_ROLES})")
_INTRODUCED = re.compile(
    r"(?:我是|您是|你是|请问是|是不是|这里是|这是|对方是|找|转告|转|联系|致电|拨打|核实)"
)
_FAMILY = re.compile(r"(?:姓|贵姓是|免贵姓)")

_PLAIN_TITLES = (
    "先生|女士|小姐|太太|同志|同学|师傅|老师|阿姨|大爷|大妈|大姐|大哥|大叔|老板娘|老板|夫人|"
    "总|哥|姐|嫂|叔|婶|姨"
)
_OFFICES = (
    "经理|律师|主任|主管|会计|医生|大夫|警官|法官|队长|店长|厂长|校长|局长|处长|科长|院长|书记|主席|部长|"
    "专员|工|董事长|董|教授|工程师|组长|所长|护士|副总|总监|教练|法务|客服"
)
_TITLED = re.compile(rf"(?:{_PLAIN_TITLES}|{_OFFICES})")
_AFTER_TITLE = {
    "总": re.compile(
        r"(?:理|统|是|共|额|计|之|数|行|体|经理|部|站|会|局|觉|要|不|算|有|和|值|量|公司|监|裁)"
    ),
    "工": re.compile(r"(?:作|资|厂|程|商|地|人|业|具|伤|龄|号|会|种|艺|行|薪|友|信)"),
    "叔": re.compile(r"叔"),
    "董": re.compile(r"事"),
    "姐": re.compile(r"[妹夫]"),
    "哥": re.compile(r"[们伦]"),
}
_NICKNAME = re.compile("[老小阿]")
_AFTER_NICKNAME = re.compile(
    r"[，。、；：！？,.;:!?\s的说称让叫在已不又也就都去来要给跟和接打回问答还欠表告电是那他她本帮和]|$"
)
# After a name: what cannot be part of it.
_BOUNDARY = re.compile(
    r"[^一-鿿]|$|[，。、；：！？的称说表接在已不又也就都要给跟和与及来去让是系有没将被把向从对说于到该需再均各则因由及或等吗呢吧"
    r"啊嘛了着过男女]|电话|手机|身份|联系|本人|先生|女士|小姐|同意|承诺|拒|住|签|收|还|欠|转|代|借|付|告|回|声|讲|问|反|提|工作|上班|现|目前|关系"
)
_BARE = re.compile(r"[一-鿿]{2,4}(?=[^一-鿿]|$)")
_NOT_GIVEN = frozenset(
    "的了是在有和与及或不没无未已也就都要会能可将被把让给跟对向从到于称说表接打还欠其他她你我们这那哪什么怎"
)
_DOTS = "·•・‧∙●"
_JOINED = re.compile(rf"[一-鿿]{{1,8}}(?:[{_DOTS}][一-鿿]{{1,10}})+")
_SUPPORT = 0.02  # a weak cue needs this much from a model, where one reads


def find_cued(reading: Reading) -> Iterator[tuple[int, int, float]]:
    """Yield (start, end, score) for each name a cue points at; stretches may overlap."""
    yield from _after(reading, _LABELLED, 0.95, free=True)
    yield from _after(reading, _CALLED, 0.85)
    yield from _after(reading, _RELATED, 0.8)
    yield from _after(reading, _INTRODUCED, 0.7)
    yield from _families(reading)
    yield from _titled(reading)
    yield from _nicknames(reading)
    yield from _dotted(reading)


def name_length(text: str, start: int, *, free: bool = False) -> int:
    """How many characters from `start` look like a Chinese full name; 0 for none.

    A surname and one or two characters, and then something that ends a name. With `free` (after a
    label with a colon) any two to four characters that end there are a name too.
    """
    compound = text[start : start + 2] in COMPOUND
    family = 2 if compound else 1
    if compound or text[start : start + 1] in SINGLE:
        for given in (2, 1):
            end = start + family + given
            name = text[start + family : end]
            if len(name) == given and all(map(is_han, name)) and not _NOT_GIVEN & set(name):
                usual = all(one in GIVEN for one in name)
                if _BOUNDARY.match(text, end) or (usual and given > 1):
                    return family + given
    if free:
        bare = _BARE.match(text, start)
        return len(bare[0]) if bare else 0
    return 0


def _after(
    reading: Reading, cue: re.Pattern[str], score: float, *, free: bool = False
) -> Iterator[tuple[int, int, float]]:
    text = reading.text
    for match in cue.finditer(text):
        start = match.end()
        length = name_length(text, start, free=free)
        if not length:
            continue
        sure = free or all(one in GIVEN for one in text[start + 1 : start + length])
        if sure and (free or text[start] in _PLAIN_FAMILY or text[start : start + 2] in COMPOUND):
            yield start, start + length, score
        elif mean(reading.person, start, start + length) > _SUPPORT:
            yield start, start + length, score - 0.1


_PLAIN_FAMILY = frozenset(FREQUENT) - AMBIGUOUS


def _families(reading: Reading) -> Iterator[tuple[int, int, float]]:
    text = reading.text
    for match in _FAMILY.finditer(text):
        start = match.end()
        size = 2 if text[start : start + 2] in COMPOUND else 1
        if text[start : start + 1] in SINGLE and not text.startswith("名", start + size):
            yield start, start + size, 0.8


def _titled(reading: Reading) -> Iterator[tuple[int, int, float]]:
    text = reading.text
    for match in _TITLED.finditer(text):
        title, place = match[0], match.start()
        not_title = _AFTER_TITLE.get(title)
        if not_title and not_title.match(text, match.end()):
            continue
        size = 2 if text[max(0, place - 2) : place] in COMPOUND else 1
        start = place - size
        if start < 0 or (size == 1 and text[start] not in SINGLE):
            continue
        plain = (
            text[start] in _PLAIN_FAMILY or size > 1 or not start or not is_han(text[start - 1])
        )
        if not plain and reading.person[start] < 0.1:  # noqa: PLR2004 - a word as likely as a name
            continue
        if len(title) == 1 and start and is_han(text[start - 1]) and reading.begins[start] < 0.3:  # noqa: PLR2004 - inside a word
            continue
        whole = title in _PLAIN_TITLES.split("|")
        yield start, match.end() if whole else place, 0.75


def _nicknames(reading: Reading) -> Iterator[tuple[int, int, float]]:
    text = reading.text
    for match in _NICKNAME.finditer(text):
        place = match.end()
        family = text[place : place + 1]
        if family not in _PLAIN_FAMILY or not _AFTER_NICKNAME.match(text, place + 1):
            continue
        if match.start() and reading.begins[match.start()] < 0.3:  # noqa: PLR2004 - inside a word
            continue
        yield match.start(), place + 1, 0.6


def _dotted(reading: Reading) -> Iterator[tuple[int, int, float]]:
    text = reading.text
    if not any(dot in text for dot in _DOTS):
        return
    for match in _JOINED.finditer(text):
        start, end = match.span()
        first = next(place for place in range(start, end) if text[place] in _DOTS)
        last = max(place for place in range(start, end) if text[place] in _DOTS)
        left = first
        while left > start and _belongs(reading, left - 1):
            left -= 1
        right = last + 1
        while right < end and _belongs(reading, right):
            right += 1
        if left < first and right > last + 1:
            yield left, right, 0.9


def _belongs(reading: Reading, place: int) -> bool:
    return reading.text[place] in TRANSLITERATED or bool(reading.person[place] > 0.2)  # noqa: PLR2004 - likely enough beside a dot
