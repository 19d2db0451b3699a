from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.redaction.identifiers import IdentifierFinder
from gateway.redaction.spans import EntityType
from tests.gateway.redaction.number_spelling import bank_card, identity_number, mobile

FINDER = IdentifierFinder()
SOUNDS = (
    *("灵另", "妖要邀", "爱耳二", "伞山三", "死司四"),
    *("舞武五", "溜流六", "妻七奇", "吧爸八", "酒久九"),
)
ONES = "零一二三四五六七八九"


def hidden(text: str) -> str:
    """The text with a star for each character that is hidden."""
    covered = {place for one in FINDER.find(text) for place in range(one.start, one.end)}
    return "".join("*" if place in covered else one for place, one in enumerate(text))


def by_sound(number: str, random: Random) -> str:
    return "".join(random.choice(SOUNDS[int(one)]) if one != "X" else "叉" for one in number)


def by_twos(number: str, _: Random) -> str:
    head = len(number) % 2
    pairs = [number[place : place + 2] for place in range(head, len(number), 2)]
    return "".join(ONES[int(one)] for one in number[:head]) + "".join(map(below_hundred, pairs))


def below_hundred(pair: str) -> str:
    tens, unit = pair[0], pair[1]
    if unit == "X":
        return ONES[int(tens)] + "x"
    if tens == "0":
        return "零" + ONES[int(unit)]
    return ("" if tens == "1" else ONES[int(tens)]) + "十" + ONES[int(unit)].strip("零")


def in_words(words: str) -> Callable[[str, Random], str]:
    table = dict(zip("0123456789X", [*words.split(), "x"], strict=True))
    return lambda number, random: random.choice((" ", "-", ", ")).join(
        table[one] for one in number
    )


def in_rings(number: str, random: Random) -> str:
    return "".join(random.choice({"0": "○◯", "1": "丨|"}.get(one, one)) for one in number)


FORMS = {
    "by sound": by_sound,
    "by twos": by_twos,
    "Pinyin": in_words("ling yao er san si wu liu qi ba jiu"),
    "Pinyin with tones": in_words("líng yāo èr sān sì wǔ liù qī bā jiǔ"),
    "English": in_words("zero one two three four five six seven eight nine"),
    "rings and strokes": in_rings,
}
CARRIERS = ("请拨{}找他", "新号：{}，", "他用{}打来")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("make", [mobile, identity_number, bank_card])
def test_a_number_is_hidden_however_it_is_told(make: Callable[[Random], str], form: str) -> None:
    random = Random(f"{make.__name__} {form}")
    for carrier in CARRIERS * 12:
        number = FORMS[form](make(random), random)

        shown = hidden(carrier.format(number))

        assert shown == carrier.format("*" * len(number)), number


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("新号开头141，接下来1158，后4位3061，", "141，接下来1158，后4位3061"),
        ("号码前三位138，后面八位是00138000。", "138，后面八位是00138000"),
        ("身份证前6位110101，中间19900307，后四位7731核对", "110101，中间19900307，后四位7731"),
        ("打00083100831（倒着念）", "00083100831"),
        ("从后往前念是00083100831，", "00083100831"),
        ("证件X67350205002501011，反着读", "X67350205002501011"),
        ("手机一百三十八零零一三八零零零", "一百三十八零零一三八零零零"),
        ("发来证号420四个19750101932X", "420四个19750101932X"),
        ("身份证𝟏𝟏𝟎𝟏𝟎𝟓𝟐𝟎𝟎𝟓𝟎𝟐𝟎𝟓𝟑𝟕𝟔𝐗，", "𝟏𝟏𝟎𝟏𝟎𝟓𝟐𝟎𝟎𝟓𝟎𝟐𝟎𝟓𝟑𝟕𝟔𝐗"),
        ("登记的QQ8l6839与微信不同", "8l6839"),
        ("QQ丨9◯48○也没反应", "丨9◯48○"),
        ("加QQ四十七五十三九十六三十七沟通", "四十七五十三九十六三十七"),
        ("要求加qq号four five zero one seven沟通", "four five zero one seven"),
        ("扣扣号：妻舞妻妖酒伞", "妻舞妻妖酒伞"),
        ("开证明需要65028619520613578这个身份证", "65028619520613578"),
        ("身份证后来补办，号没变238751199211209025", "238751199211209025"),
        ("退款请退到4581673992633993！", "4581673992633993"),
        ("逾期93天，只有144，14<3!11，776打得通", "144，14<3!11，776"),
    ],
)
def test_parts_and_turned_numbers_are_hidden(text: str, value: str) -> None:
    start = text.index(value)
    shown = hidden(text)[start : start + len(value)]

    # Words between the parts need not be hidden.
    assert not any(one.isdigit() or one.isascii() for one in shown if one != "*"), shown


@given(st.data())
@settings(max_examples=60)
def test_ordinary_words_that_sound_like_digits_stay(data: st.DataObject) -> None:
    words = ("已经", "就", "无期", "一起", "要", "其余", "务必", "气", "物业", "令其", "爱", "似")
    text = "".join(data.draw(st.lists(st.sampled_from((*words, "他说", "还款")), max_size=5)))

    assert FINDER.find(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "录音号：20240315123456789，请质检",
        "欠三万五千二百元，分十二期",
        "QQ已以一就无其余",
        "微信一直在用就是不回",
        "他被96110提醒是推销电话",
        "V我50，加V的都来",
        "快递单号EMS4211005504183032，已签收",
        "退款12345元已到账",
    ],
)
def test_ordinary_speech_near_such_words_stays(text: str) -> None:
    assert FINDER.find(text) == []


def test_types_are_told_apart() -> None:
    text = "电话妖伞吧灵灵妖伞吧灵灵灵，证件" + by_twos("110101199003077731", Random(0))

    assert [one.type for one in FINDER.find(text)] == [EntityType.PHONE, EntityType.ID_NUMBER]
