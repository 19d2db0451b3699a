from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.redaction.known import KnownFinder, KnownValues
from gateway.redaction.spans import EntityType, Source, Span
from tests.gateway.redaction.number_spelling import FORMS, bank_card, identity_number, mobile

CASE = KnownValues(
    names=("张建国", "欧阳娜娜", "阿卜杜拉·买买提", "王一", "John Smith"),
    phones=("13800138000", "010-62345678"),
    ids=("11010119900307773X", "E12345678"),
    cards=("6222021234567890123",),
    addresses=("北京市朝阳区建国路88号华贸中心3号楼1201室",),
    organisations=("北京宏远商贸有限公司",),
    emails=("zhang.san@qq.com",),
    accounts=("zhang_san88",),
    plates=("京A12345",),
)
FINDER = KnownFinder(CASE)


def found(text: str) -> list[tuple[str, EntityType]]:
    return [(text[one.start : one.end], one.type) for one in FINDER.find(text)]


@pytest.mark.parametrize(
    "spelled",
    [
        "张建国",
        "張建國",
        "张 建 国",
        "张-建\u200b国",
        "建国",
        "張先生",
        "张先生",
        "张总",
        "张某某",
        "小张",
        "老张",
        "zhangjianguo",
        "Zhang Jianguo",
        "ZHANG JIAN GUO",
        "zhāng jiàn guó",
        "jianguo zhang",
        "ｚｈａｎｇｊｉａｎｇｕｏ",
        "欧阳娜娜",
        "歐陽娜娜",
        "娜娜",
        "欧阳女士",
        "ouyang nana",
        "阿卜杜拉·买买提",
        "阿卜杜拉买买提",
        "买买提",
        "王一",
        "王壹",
        "john smith",
        "SMITH",
    ],
)
def test_a_known_person_is_found_in_each_spelling(spelled: str) -> None:
    text = f"，{spelled}，"

    assert found(text) == [(spelled, EntityType.PERSON)]


@pytest.mark.parametrize(
    "spelled",
    [
        "北京市朝阳区建国路88号华贸中心3号楼1201室",
        "朝阳区建国路88号",
        "北京朝阳建国路88号华贸中心3号楼1201室",
        "建国路 88 号",
        "建国路八十八号",
        "建国路８８号",
        "华贸中心",
        "华贸中心三号楼",
        "３号楼一二零一室",
    ],
)
def test_pieces_of_a_known_address_are_found(spelled: str) -> None:
    hidden = {
        place for one in FINDER.find(f"住{spelled}。") for place in range(one.start, one.end)
    }
    tail = spelled[spelled.find("建国路") if "建国路" in spelled else 0 :]

    assert {1 + spelled.index(tail) + place for place in range(min(4, len(tail)))} <= hidden


@pytest.mark.parametrize(
    ("text", "value", "kind"),
    [
        ("在宏远商贸上班", "宏远商贸", EntityType.ORGANISATION),
        ("在北京宏远商贸有限公司上班", "北京宏远商贸有限公司", EntityType.ORGANISATION),
        ("宏远的前台", "宏远", EntityType.ORGANISATION),
        ("发ZHANG.SAN@QQ.COM", "ZHANG.SAN@QQ.COM", EntityType.EMAIL),
        ("加zhang_san88", "zhang_san88", EntityType.ACCOUNT_ID),
        ("京a 123 45", "京a 123 45", EntityType.PLATE),
        ("护照e12345678", "e12345678", EntityType.PASSPORT_PERMIT),
        ("手机尾号8000的", "8000", EntityType.PHONE),
        ("后四位八零零零", "八零零零", EntityType.PHONE),
        ("证件后四位773X", "773X", EntityType.ID_NUMBER),
        ("138****8000", "138****8000", EntityType.PHONE),
        ("座机62345678", "62345678", EntityType.PHONE),
        ("老证110101900307773", "110101900307773", EntityType.ID_NUMBER),
    ],
)
def test_other_known_values_and_parts_of_numbers_are_found(
    text: str, value: str, kind: EntityType
) -> None:
    assert (value, kind) in found(text)


def shown(finder: KnownFinder, text: str, start: int, end: int) -> str:
    hidden = {place for one in finder.find(text) for place in range(one.start, one.end)}
    return "".join(text[place] for place in range(start, end) if place not in hidden)


@pytest.mark.parametrize("form", FORMS)
def test_known_numbers_are_found_in_each_spelling_without_any_word_for_them(form: str) -> None:
    random = Random(form)
    for _ in range(12):
        values = mobile(random), identity_number(random), bank_card(random)
        finder = KnownFinder(KnownValues((), *((one,) for one in values)))
        for value in values:
            spelled = FORMS[form](value.removesuffix("X"), random)
            text = f"客户说{spelled}吧"

            assert shown(finder, text, 3, 3 + len(spelled)) == "", text


WORDS = st.lists(
    st.sampled_from(("你记一下", "然后那个", "对吧听清了没", "后面这截呢", "嗯嗯第一段完了")),
    min_size=3,
    max_size=3,
)


@given(st.randoms(use_true_random=False), WORDS)
@settings(max_examples=60)
def test_a_known_number_is_found_through_any_words_between(
    random: Random, words: list[str]
) -> None:
    number = mobile(random)
    parts = number[:3], number[3:5], number[5:8], number[8:]
    text = "".join(part + word for part, word in zip(parts, [*words, ""], strict=True))

    [span] = KnownFinder(KnownValues(phones=(number,))).find(text)

    assert (span.start, span.end) == (0, len(text))


def test_known_spans_say_that_they_are_known() -> None:
    assert FINDER.find("张建国") == [Span(0, 3, EntityType.PERSON, 1.0, Source.KNOWN)]


@pytest.mark.parametrize(
    "text", ["老师说小时候大家都好", "carolina johnsmithson", "88号", "朝阳区"]
)
def test_what_only_resembles_a_known_value_is_left(text: str) -> None:
    finder = KnownFinder(
        KnownValues(names=("时明", "李娜", "John Smith"), addresses=CASE.addresses)
    )

    assert finder.find(text) == []


@given(
    st.builds(
        KnownValues,
        *(st.lists(st.text(max_size=20), max_size=3).map(tuple) for _ in range(9)),
    ),
    st.text(max_size=60),
)
@settings(max_examples=150)
def test_any_values_and_any_text_are_taken(known: KnownValues, text: str) -> None:
    for span in KnownFinder(known).find(text):
        assert 0 <= span.start < span.end <= len(text)


@pytest.mark.parametrize(
    "spelled",
    [
        "章建果",
        "弓长建国",
        "弓长张建国",
        "姓张，叫建国",
        "国建张",
        "zhang1 jian4 guo2",
        "zhāng jiàn guó",
        "张\u200b建\u200b国",
    ],
)
def test_a_known_person_is_found_by_sound_in_parts_and_turned(spelled: str) -> None:
    finder = KnownFinder(KnownValues(names=("张建国",)))
    hidden = {
        place for one in finder.find(f"问{spelled}在不在") for place in range(one.start, one.end)
    }
    wanted = {1 + place for place, one in enumerate(spelled) if one not in "姓，叫"}

    assert wanted <= hidden


@pytest.mark.parametrize("text", ["物理老师", "双方和解", "找代理", "姓李的", "名单在此"])
def test_a_word_that_sounds_like_a_short_name_stays(text: str) -> None:
    finder = KnownFinder(KnownValues(names=("吴丽", "何洁", "戴丽")))

    assert finder.find(text) == []


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("外访杭州余杭沙河西路233#翠苑公寓", "杭州余杭沙河西路233#翠苑公寓"),
        ("住翠苑公寓1-2774，没人", "翠苑公寓1-2774"),
        ("住沙河西路，没说几号", "沙河西路"),
        ("住沙河西路二百三十三号", "沙河西路二百三十三号"),
        ("他住1栋2单元2774", "1栋2单元2774"),
    ],
)
def test_a_known_address_is_found_with_whatever_numbers_follow(text: str, value: str) -> None:
    finder = KnownFinder(
        KnownValues(addresses=("浙江省杭州市余杭区沙河西路233号翠苑公寓1栋2单元2774室",))
    )
    start = text.index(value)
    hidden = {place for one in finder.find(text) for place in range(one.start, one.end)}

    assert hidden == set(range(start, start + len(value)))


def test_what_an_amount_follows_is_no_number_of_a_house() -> None:
    finder = KnownFinder(KnownValues(addresses=("杭州市余杭区沙河西路233号",)))

    [span] = finder.find("沙河西路 3000元一个月")

    assert (span.start, span.end) == (0, 4)


@pytest.mark.parametrize(
    "spelled",
    [
        "yao san ba ling ling yao san ba ling ling ling",
        "one three eight zero zero one three eight zero zero zero",
        "一三十八零零十三八十零零",
        "00083100831",
        "丨38○○丨38○○○",
        "前三位138，后面是00138000",
    ],
)
def test_a_known_number_is_found_however_it_is_told(spelled: str) -> None:
    finder = KnownFinder(KnownValues(phones=("13800138000",)))

    [span] = finder.find(f"让打{spelled}找他")

    assert text_of(span, f"让打{spelled}找他")[-1] == spelled[-1]
    assert span.end - span.start >= len(spelled) - 3


def text_of(span: Span, text: str) -> str:
    return text[span.start : span.end]
