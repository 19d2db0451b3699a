import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.masking.places import _CITIES, _PROVINCES, place_of

RELEASED = {
    place.released
    for index in (_CITIES, _PROVINCES)
    for found in index.values()
    for place in found
}


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("广东省深圳市南山区科技园科苑路15号", "广东省深圳市"),
        ("广东 深圳 南山区科苑路15号", "广东省深圳市"),
        ("深圳市南山区", "广东省深圳市"),
        ("中国广东省深圳市", "广东省深圳市"),
        ("上海市浦东新区世纪大道1号", "上海市"),
        ("上海浦东新区", "上海市"),
        ("重庆市渝中区", "重庆市"),
        ("内蒙古自治区呼和浩特市新城区", "内蒙古自治区呼和浩特市"),
        ("内蒙古兴安盟乌兰浩特市", "内蒙古自治区兴安盟"),
        ("新疆喀什市人民东路", "新疆维吾尔自治区喀什地区"),
        ("新疆维吾尔自治区昌吉回族自治州阜康市", "新疆维吾尔自治区昌吉回族自治州"),
        ("延边州延吉市", "吉林省延边朝鲜族自治州"),
        ("湖北省恩施市舞阳坝", "湖北省恩施土家族苗族自治州"),
        ("吉林市船营区", "吉林省吉林市"),
        ("海南省海口市", "海南省海口市"),
        ("海南藏族自治州共和县", "青海省海南藏族自治州"),
        ("香港特别行政区九龙", "香港特别行政区"),
        ("江苏省昆山市玉山镇", "江苏省"),
        ("广东省中山三路3号", "广东省"),
        ("浙江省深圳市", "浙江省"),
        ("北京西路12号", None),
        ("上海路", None),
        ("朝阳区建国路88号", None),
        ("不详", None),
        ("", None),
    ],
)
def test_an_address_becomes_province_and_city(address: str, place: str | None) -> None:
    assert place_of(address) == place


def test_the_table_holds_the_whole_country() -> None:
    provinces = {place.released for found in _PROVINCES.values() for place in found}
    cities = {place.released for found in _CITIES.values() for place in found}

    assert len(provinces) == 34
    assert len(cities) == 333


@given(st.text())
def test_any_text_gives_a_line_of_the_table_or_nothing(text: str) -> None:
    assert place_of(text) in {*RELEASED, None}


@given(st.sampled_from(sorted(RELEASED)), st.text())
def test_what_follows_a_full_place_changes_nothing_but_the_place(place: str, rest: str) -> None:
    assert place_of(place + rest) in RELEASED


@given(st.sampled_from(sorted(RELEASED)))
def test_a_released_place_is_its_own_place(place: str) -> None:
    assert place_of(place) == place
