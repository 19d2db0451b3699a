import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.redaction.names import NameFinder
from gateway.redaction.reading import unread
from gateway.redaction.spans import EntityType


def found(text: str) -> list[str]:
    return [text[span.start : span.end] for span in NameFinder().find(unread(text))]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("紧急联系人：欧阳锋 电话无人接", ["欧阳锋"]),
        ("姓名:王小明，性别男", ["王小明"]),
        ("我叫李国强，在外地", ["李国强"]),
        ("其妻子陈丽华接听", ["陈丽华"]),
        ("和他同事孙志刚联系过", ["孙志刚"]),
        ("王先生称不方便", ["王先生"]),
        ("李姐说下周", ["李姐"]),
        ("老张说小李不在", ["老张", "小李"]),
        ("阿依古丽·买买提来电", ["阿依古丽·买买提"]),
        ("免贵姓赵", ["赵"]),
        ("父亲：艾克拜尔", ["艾克拜尔"]),
    ],
)
def test_a_cue_gives_a_name_away_without_any_model(text: str, names: list[str]) -> None:
    assert found(text) == names


@pytest.mark.parametrize(
    "text",
    [
        "合计总共三千元",
        "总经理不在",
        "客户表示高兴",
        "小额贷款老客户",
        "小程序里可以还款",
        "本人已收到短信",
        "联系方式已变更",
        "朋友圈",
    ],
)
def test_everyday_words_are_no_names(text: str) -> None:
    assert found(text) == []


def test_a_name_once_found_is_found_everywhere_in_the_text_and_its_given_name_too() -> None:
    text = "联系人：王小明。后来王小明拒接，小明的电话停机"

    assert found(text) == ["王小明", "王小明", "小明"]


def test_names_in_a_row_are_spans_of_their_own() -> None:
    assert found("姓名：李国强 配偶：陈丽华") == ["李国强", "陈丽华"]


@given(st.text(max_size=60))
def test_any_text_gives_ordered_spans_inside_it(text: str) -> None:
    spans = NameFinder().find(unread(text))

    last = 0
    for span in spans:
        assert last <= span.start < span.end <= len(text)
        assert span.type is EntityType.PERSON
        assert 0 <= span.score <= 1
        last = span.end
