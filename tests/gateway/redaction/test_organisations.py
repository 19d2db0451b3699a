import pytest

from gateway.redaction.organisations import OrganisationFinder
from gateway.redaction.reading import unread


def found(text: str) -> list[str]:
    return [text[span.start : span.end] for span in OrganisationFinder().find(unread(text))]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("客户在上海恒瑞达贸易有限公司上班", ["上海恒瑞达贸易有限公司"]),
        ("单位：杭州市第二小学", ["杭州市第二小学"]),
        ("现在鑫源养殖合作社干活", ["鑫源养殖合作社"]),
        ("单位是招商银行", ["招商银行"]),
        ("在南京市建邺区税务局上班", ["南京市建邺区税务局"]),
        ("在顺丰当快递员", ["顺丰"]),
    ],
)
def test_an_employer_is_found_by_its_ending(text: str, names: list[str]) -> None:
    assert found(text) == names


@pytest.mark.parametrize(
    "text",
    [
        "公司裁员了",
        "以后再说，公司不让打",
        "催收公司来电",
        "已向公安局报案",
        "招商银行的贷款",
        "拨打银行客服",
    ],
)
def test_generic_words_and_the_parties_of_the_collection_are_left(text: str) -> None:
    assert found(text) == []
