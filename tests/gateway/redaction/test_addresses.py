import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.redaction.addresses import AddressFinder
from gateway.redaction.reading import unread


def found(text: str) -> list[str]:
    return [text[span.start : span.end] for span in AddressFinder().find(unread(text))]


@pytest.mark.parametrize(
    ("before", "address", "after"),
    [
        ("现住", "浙江省杭州市余杭区文一西路969号3幢501室", "，电话停机"),
        ("家访", "江苏省宿迁市沭阳县颜集镇堰下村四组33号", "无人"),
        ("住在", "朝阳区建国路88号", "。"),
        ("地址：", "3栋2单元501", "，敲门无人"),
        ("搬到", "昌平区回龙观镇龙腾苑五区", "了"),
        ("寄到", "广东省东莞市长安镇乌沙社区兴发南路66号之三", "。"),
    ],
)
def test_an_address_is_found_whole_without_any_model(
    before: str, address: str, after: str
) -> None:
    assert found(before + address + after) == [address]


@pytest.mark.parametrize(
    "text",
    [
        "客户在上海出差",
        "浙江省的政策有变化",
        "承诺15号还3000元",
        "分12期，每期500",
        "一路上都没接电话",
        "3月15日和4月2日各还一次",
        "第3次拨打，响铃20秒",
    ],
)
def test_bare_cities_days_and_amounts_are_no_addresses(text: str) -> None:
    assert found(text) == []


@given(st.text(alphabet="浙江省杭州市区路街1２三号栋-单元室村组的在，。·a(（ \n", max_size=50))
def test_any_text_gives_ordered_spans_inside_it(text: str) -> None:
    last = 0
    for span in AddressFinder().find(unread(text)):
        assert last <= span.start < span.end <= len(text)
        last = span.end
