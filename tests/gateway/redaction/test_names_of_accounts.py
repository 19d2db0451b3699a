from time import process_time

import pytest

from gateway.redaction.accounts import find_accounts
from gateway.redaction.emails import find_emails
from gateway.redaction.identifiers import IdentifierFinder
from gateway.redaction.plates import find_plates

FINDER = IdentifierFinder()


@pytest.mark.parametrize(
    "name",
    [
        "zhang_san88",
        "z h a n g _ 8 8",
        "z\u200bh\u200ba\u200bn\u200bg8",
        "ⓩⓗⓐⓝⓖ⑧⑧",
        "𝐳𝐡𝐚𝐧𝐠_𝟖𝟖",
        "ｚｈａｎｇ８８",
        "zhаng88",
        "zhang  8812",
        "zhang\n-8812",
        "zhang👉8812",
        "zhang_八八一二",
        "zhang8️⃣8️⃣",
        "zhang.san-88",
    ],
)
@pytest.mark.parametrize(
    "before", ["加微信", "用微信", "VX：", "绿泡泡", "加V", "徽信号", "微信几次"]
)
def test_an_account_is_hidden_in_any_letters(before: str, name: str) -> None:
    [span] = FINDER.find(f"{before}{name}，没回")

    assert (span.start, span.end) == (len(before), len(before + name))


def test_a_plain_account_is_hidden_after_a_word_said_twice() -> None:
    [span] = FINDER.find("微信号号wx_50596已添加")

    assert (span.start, span.end) == (4, 12)


@pytest.mark.parametrize(
    "text",
    ["微信转账5000元", "微信2024年加的", "抖音和快手都有", "WeChat blocked him", "登录APP失败"],
)
def test_words_after_the_name_of_a_service_stay(text: str) -> None:
    assert find_accounts(text) == []


@pytest.mark.parametrize(
    "address",
    [
        "zhang.san@qq.com",
        "zhang @ qq . com",
        "zhang@@163.com",
        "zhang@艾特163.com",
        "zhang爱特qq.com",
        "zhang{at}sina.com",
        "zhang [at] gmail [dot] com",
        "zhang#163.com",
        "zhang(#换成@)163.com",
        "zhang*139.com",
        "zhang&#64;139.com",
        "zhang&commat;139.com",
        "zhang@qq，com",
        "zhang\n@qq.com",
        "z h a n g @ q q . c o m",
        "ⓩⓗⓐⓝⓖ@ⓠⓠ.ⓒⓞⓜ",
        "𝐳𝐡𝐚𝐧𝐠@𝐪𝐪.𝐜𝐨𝐦",
        "zhаng@126.соm",
        "z\u200dh\u200da\u200d@\u200dq\u200dq.com",
        "zhang﹫foxmail.com",
    ],
)
def test_an_address_is_hidden_in_each_spelling(address: str) -> None:
    [span] = FINDER.find(f"寄到{address}，谢谢")

    assert (span.start, span.end) == (2, 2 + len(address))


def test_a_name_before_the_name_of_a_host_is_hidden() -> None:
    [span] = find_emails("发到zhang88，163邮箱就行")

    assert (span.start, span.end) == (2, 9)


@pytest.mark.parametrize(
    "plate",
    [
        "粤BⒹ①②③④⑤",
        "粤𝐁𝐃𝟏𝟐𝟑𝟒𝟓",
        "粤ВD12345",
        "蒙EEOl9G",
        "浙M后面是R2367",
        "吉C点44186",
        "粤 B 1 2 3 4 5",
    ],
)
def test_a_plate_is_hidden_in_any_letters(plate: str) -> None:
    [span] = find_plates(f"开{plate}来的")

    assert (span.start, span.end) == (1, 1 + len(plate))


@pytest.mark.parametrize(
    "text",
    [
        "a " * 20_000 + "@",
        "妖伞" * 2_000,
        "三十" * 1_000,
        "yao san " * 1_500,
        "加V" * 9_000,
        "京A" * 9_000,
    ],
)
def test_a_long_text_takes_time_by_its_length(text: str) -> None:
    half = _seconds(text[: len(text) // 2])

    assert _seconds(text) < 6 * half + 0.5


def _seconds(text: str) -> float:
    begin = process_time()
    FINDER.find(text)
    return process_time() - begin
