from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.redaction.identifiers import IdentifierFinder
from gateway.redaction.spans import EntityType
from tests.gateway.redaction.number_spelling import (
    FORMS,
    bank_card,
    firm_code,
    identity_number,
    landline,
    mobile,
)

FINDER = IdentifierFinder()
KINDS = {
    EntityType.PHONE: (mobile, ("手机号{}，", "请打{}", "{}无人接听", "其妻{}接听", "换了号{}。")),
    EntityType.ID_NUMBER: (identity_number, ("身份证{}", "客户{}本人", "报了{}，核身")),
    EntityType.BANK_CARD: (bank_card, ("卡号{}", "打到{}这张卡", "还款卡：{}，")),
}


def shown(text: str, start: int, end: int) -> str:
    """What of text[start:end] no span covers."""
    hidden = {place for one in FINDER.find(text) for place in range(one.start, one.end)}
    return "".join(text[place] for place in range(start, end) if place not in hidden)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_number_is_hidden_in_each_spelling(kind: EntityType, form: str) -> None:
    make, carriers = KINDS[kind]
    random = Random(f"{kind} {form}")
    for carrier in carriers * 8:
        number = FORMS[form](make(random), random)
        text = carrier.format(number)
        start = text.index(number)

        assert shown(text, start, start + len(number)) == "", text


SPELLINGS: tuple[str, ...] = (
    "0０零〇⓪",
    "1１一幺①壹¹",
    "2２二贰②",
    "3３三叁③⑶",
    "4４四肆④",
    "5５五伍⑤",
    "6６六陆⑥",
)
SPELLINGS += ("7７七柒⑦拐", "8８八捌⑧𝟖", "9９九玖⑨勾")
BETWEEN = ("", "", "", " ", "-", ".", "=", "\u200b", "·", "_", " - ", "，")


@given(st.data())
@settings(max_examples=150)
def test_a_mobile_in_any_mixture_of_spellings_is_hidden(data: st.DataObject) -> None:
    number = "1" + data.draw(st.from_regex(r"[3-9][0-9]{9}", fullmatch=True))
    spelled = "".join(
        data.draw(st.sampled_from(SPELLINGS[int(one)])) + data.draw(st.sampled_from(BETWEEN))
        for one in number[:-1]
    )
    spelled += data.draw(st.sampled_from(SPELLINGS[int(number[-1])]))
    text = f"让我打{spelled}找他"

    assert shown(text, 3, 3 + len(spelled)) == ""


@given(st.data())
@settings(max_examples=100)
def test_a_landline_is_hidden_in_groups(data: st.DataObject) -> None:
    number = landline(data.draw(st.randoms(use_true_random=False)))
    separator = data.draw(st.sampled_from(("", "-", " ", "－", "—", " - ")))
    text = f"单位电话{number[:-8]}{separator}{number[-8:]}转前台"

    assert shown(text, 4, len(text) - 3) == ""


@given(st.randoms(use_true_random=False))
@settings(max_examples=60)
def test_a_firm_code_is_hidden_and_told_by_its_check(random: Random) -> None:
    code = firm_code(random)

    [span] = FINDER.find(f"营业执照{code}已核")

    assert (span.start, span.end, span.type) == (4, 22, EntityType.USCC)


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("加微信zhang_san88吧", EntityType.ACCOUNT_ID, "zhang_san88"),
        ("QQ号：12345678，", EntityType.ACCOUNT_ID, "12345678"),
        ("扣扣 一二三四五六七", EntityType.ACCOUNT_ID, "一二三四五六七"),
        ("邮箱zhang.san@qq.com收", EntityType.EMAIL, "zhang.san@qq.com"),
        ("邮箱ｚｓ＠ｑｑ．ｃｏｍ收", EntityType.EMAIL, "ｚｓ＠ｑｑ．ｃｏｍ"),
        ("邮箱zhangsan艾特163点com", EntityType.EMAIL, "zhangsan艾特163点com"),
        ("12345678 qq点com", EntityType.EMAIL, "12345678 qq点com"),
        ("车牌京A12345，", EntityType.PLATE, "京A12345"),
        ("开粤B·D12345来的", EntityType.PLATE, "粤B·D12345"),
        ("开京Ａ一二三四五来的", EntityType.PLATE, "京Ａ一二三四五"),
        ("护照E12345678", EntityType.PASSPORT_PERMIT, "E12345678"),
        ("护照 ＥＡ１２３４５６７", EntityType.PASSPORT_PERMIT, "ＥＡ１２３４５６７"),
        ("通行证C1234 5678，", EntityType.PASSPORT_PERMIT, "C1234 5678"),
        ("香港身份证A123456(3)", EntityType.ID_NUMBER, "A123456(3)"),
        ("台湾A123456789，", EntityType.ID_NUMBER, "A123456789"),
        ("澳门1234567(8)", EntityType.ID_NUMBER, "1234567(8)"),
        ("验证码是739201，", EntityType.OTHER, "739201"),
        ("打010-62345678转801", EntityType.PHONE, "010-62345678转801"),
        ("打+86 138-0013-8000", EntityType.PHONE, "+86 138-0013-8000"),
        ("打400-820-8820", EntityType.PHONE, "400-820-8820"),
        ("座机62345678没人", EntityType.PHONE, "62345678"),
        ("老身份证110101900307773", EntityType.ID_NUMBER, "110101900307773"),
        ("号码l38oo138ooo", EntityType.PHONE, "l38oo138ooo"),
        ("要三八洞洞要三八洞洞洞", EntityType.PHONE, "要三八洞洞要三八洞洞洞"),
        ("一三八两个零一三八三个零", EntityType.PHONE, "一三八两个零一三八三个零"),
        ("电话一三八你记一下零零一三后面那截八零零零", EntityType.PHONE, None),
        ("打了一次一三八零零一三八零零零一直关机", EntityType.PHONE, "一三八零零一三八零零零"),
    ],
)
def test_it_is_hidden_and_typed(text: str, kind: EntityType, value: str | None) -> None:
    [span] = FINDER.find(text)

    assert span.type is kind
    assert value is None or text[span.start : span.end] == value


def test_a_wrong_check_digit_does_not_save_a_number() -> None:
    assert [one.type for one in FINDER.find("身份证110101199003077731")] == [EntityType.ID_NUMBER]
    assert [one.type for one in FINDER.find("卡号6222021234567890120")] == [EntityType.BANK_CARD]
