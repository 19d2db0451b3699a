from random import Random

import pytest

from gateway.redaction.identifiers import IdentifierFinder
from tests.gateway.redaction.number_spelling import digits

FINDER = IdentifierFinder()


@pytest.mark.parametrize(
    "text",
    [
        "欠款12,345.67元",
        "应还13,812,345,678.00元",
        "还了1380.01元，剩余23004.5元",
        "二〇二四年三月十五日",
        "2024-03-15 14:30:25",
        "2024/3/15，2024.03.16，20240317",
        "15:30无人接听，16:00再拨",
        "3月15日还2000元，4月15日还2000元，共18期",
        "年化14.5%，罚息0.05%",
        "分36期，每期1500元",
        "版本1.2.345.6789",
        "IP 192.168.10.100",
        "拨打95588转人工，或12378投诉，10086查询",
        "电话95533",
        "合同编号：202403151234567890",
        "运单号SF1380013800012",
        "快递单号773012345678901",
        "一三五和二四六都不行",
        "共计三万五千八百元",
        "第一百三十五条第二款",
        "逾期90天，M3，第3次外呼",
        "致电客户2024-03-15 14:30",
        "电话未接，欠款12345678元",
        "客户28岁，2个孩子，月薪8000",
        "工号A787，2024年入职",
        "楼下3个人，7点半见",
        "",
    ],
)
def test_an_ordinary_number_is_left_alone(text: str) -> None:
    assert FINDER.find(text) == []


@pytest.mark.parametrize(
    "cue", ["订单号", "合同号", "流水号：", "快递单号", "案件编号", "order no. "]
)
def test_a_reference_number_is_masked_one_time_in_a_hundred_at_most(cue: str) -> None:
    random = Random(cue)
    texts = [f"{cue}{digits(random, random.randrange(12, 21))}，已核" for _ in range(400)]

    assert sum(bool(FINDER.find(text)) for text in texts) <= 4
