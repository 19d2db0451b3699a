"""The words around a number: what it is said to be, and whether it is an ordinary quantity."""

import re
from collections.abc import Iterable
from enum import StrEnum

from gateway.redaction.digits import BARRIER
from gateway.redaction.spans import OWN_PLACEHOLDER

_REACH = 18


class Cue(StrEnum):
    """What the nearest word before a number announces."""

    PHONE = "PHONE"
    ID = "ID"
    CARD = "CARD"
    ACCOUNT = "ACCOUNT"
    CHAT = "CHAT"
    PERMIT = "PERMIT"
    FIRM = "FIRM"
    PLATE = "PLATE"
    SECRET = "SECRET"  # noqa: S105  # a kind of word
    REFERENCE = "REFERENCE"

    __hash__ = str.__hash__


_WORDS = {
    Cue.REFERENCE: """
        订单 訂單 合同 合约 协议 运单 運單 快递 物流 包裹 面单 流水 交易 凭证 借据 借條
        借条 贷款 案件 工单 批次 发票 票据 条码 条形码 序列 受理 申请 业务 保单 单据 回单
        回执 支付单 商户 退款 取件 文书 文件 案号 房产证 产品 设备 型号 版本 学号 工号
        期号 档案 项目 系统 任务 报告 参考 追踪 跟踪 录音 錄音 音频 单号 單號 编号 編號 order
        contract tracking invoice ref reference serial sn imei no""",
    Cue.ID: """
        身份证 身份证件 身分證 身份證 证号 證號 件号
        身份号 居民证 户口 户口本 证件 證件 居住证 居留证 身份 sfz
        id idcard""",
    Cue.CARD: """
        银行卡 銀行卡 储蓄卡 信用卡 借记卡 社保卡 工资卡 还款卡 卡号 卡號 卡 工行 建行
        农行 中行 招行 交行 邮储 银行 銀行 打款 退到 退至
        退回到 打到 打入 存到 存入 存进 入账到 转入 转进 转到 转至 转给 转账 转帐 汇款 bank card
        visa debit credit""",
    Cue.CHAT: """
        微信 薇信 威信 维信 徽信 vx wx wechat weixin qq ｑｑ q号 扣扣 抠抠 企鹅 v信 抖音
        快手 陌陌 微博 飞信 钉钉 旺旺""",
    Cue.ACCOUNT: """
        支付宝 支付寶 账号 账户 帐号 帐户 賬號 賬戶 帳號 帳戶 户头 对公 公积金 社保 医保
        用户名 登录名 会员 alipay account acct""",
    Cue.PERMIT: """
        护照 護照 通行证 通行證 回乡证 回鄉證 台胞证 臺胞證 港澳 军官证 士兵证 驾驶证
        驾照 残疾证 passport permit hkid""",
    Cue.FIRM: """
        统一社会信用 统一社会信用代码 信用代码 统一代码 社会信用代码 税号 纳税人 营业执照
        组织机构 识别号""",
    Cue.PLATE: """
        车牌 車牌 牌照 牌号 车号""",
    Cue.SECRET: """
        密码 密碼 验证码 驗證碼 校验码 口令 动态码 安全码 cvv cvv2 cvc pin otp""",
    Cue.PHONE: """
        电话 電話 手机 手機 号码 號碼 联系方式 联系 聯繫 座机 固话 总机 总台 前台 总部 值班
        致电 拨打 拨 来电 呼叫
        打给 打 短信 传真 分机 热线 办公 家里 单位 本机 主叫 被叫 新号 旧号 老号 换号 号
        號 ☎ 📞 📱 tel telephone phone mobile mob cell call fax dial""",
}
# They belong to the word before them: 身份证号码 is about the card, though 号码 alone is a phone.
_ENDINGS = (
    "号码",
    "號碼",
    "编号",
    "编码",
    "识别号",
    "流水号",
    "number",
    "号",
    "號",
    "码",
    "id",
    "no",
)
_REFERENCE = Cue.REFERENCE
_CUES = {word: cue for cue, listed in _WORDS.items() for word in listed.split()}


# Second characters of words by how often they stand in notes.
_COMMONEST = "话机号证卡系信行单同"


def _any_of(words: Iterable[str]) -> str:
    """An expression for any of these words, the longest first: second characters, then rests.

    The engine skips from one first character to the next, and goes on only where a second follows.
    One that tries word by word takes a third longer.
    """
    listed = sorted(words, key=len, reverse=True)
    alone = _class_of(word for word in listed if len(word) == 1)
    by_second: dict[str, dict[str, list[str]]] = {}
    for word in listed:
        if len(word) > 1:
            by_second.setdefault(word[1], {}).setdefault(word[2:], []).append(word[0])
    seconds = sorted(by_second, key=lambda one: (one not in _COMMONEST, one))
    rests = "|".join(
        f"{re.escape(one)}(?:"
        + "|".join(
            f"(?<={_class_of(firsts)}{re.escape(one)}){re.escape(rest)}"
            for rest, firsts in by_second[one].items()
        )
        + ")"
        for one in seconds
    )
    return (
        f"{_class_of(word[0] for word in listed)}"
        f"(?:(?={_class_of(seconds)})(?:{rests})|(?<={alone}))"
    )


def _class_of(characters: Iterable[str]) -> str:
    return f"[{''.join(map(re.escape, sorted(set(characters))))}]"


_WORD = re.compile(f"({_any_of(_CUES)})(?:{'|'.join(_ENDINGS)})?")
_BEHIND = re.compile(
    r"[\s，,）)]?(?:这|那|是)?(?:个|張|张)?(?:他|她|我|客户)?的?(身份证|证件|卡号|银行卡|手机|电话)"
)
_OUR_OWN = re.compile(f".*{OWN_PLACEHOLDER}", re.DOTALL)
_UNIT_AFTER = re.compile(
    r"\s*(?:[.．·]\d{1,2}(?!\d))?\s*"
    r"(?:[元块圆万亿%％‰]|千|百|人民币|美元|港币|年|个?月|[天日](?!报)|周|期|次|笔|[个個](?!号|电话|手机)|岁|倍|"
    r"小时|分钟|秒|页|条|股|米|公里|平|克|斤|吨|RMB|CNY|rmb|cny|USD)"
)
_MONEY_BEFORE = re.compile(
    r"(?:[¥￥$＄€£]|RMB|CNY|USD|金额|余额|本金|利息|罚息|欠款|欠|还款|还|共计?|合计|总额|应还|已还|工资|月薪|收入|额度|逾期)"
    r"[为是:：\s约]{0,3}$",
    re.IGNORECASE,
)
_ORDINARY = re.compile(
    r"(?<!\d)(?:(?:19|20)\d\d[-/.](?:0?[1-9]|1[0-2])[-/.](?:0?[1-9]|[12]\d|3[01])"
    r"|(?:[01]?\d|2[0-3]):[0-5]\d(?::[0-5]\d)?"
    r"|(?<![,，<>!^=+~*|_/&#-])\d{1,3}(?:[,，]\d{3})+(?![,，]\d)(?:\.\d{1,2})?)(?!\d)"
)
_LONGEST_DATE = 10
# What is said of an order ends with the sentence.
_SENTENCE_ENDS = re.compile("[。；！？\n]")
_NETWORK = re.compile(
    r"(?:v\s?)?(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)){3}(?::\d{1,5})?",
)


def nearest_cue(text: str, start: int, *, reach: int = _REACH) -> Cue | None:
    """The last cue within `reach` characters before `start`, on this side of any placeholder."""
    cues = cues_before(text, start, reach=reach)
    return cues[-1] if cues else None


def cues_before(text: str, start: int, *, reach: int = _REACH) -> list[Cue]:
    """The cues within `reach` characters before `start`, the nearest last; see `nearest_cue`."""
    window = text[max(0, start - reach) : start]
    if BARRIER in window:
        window = window[window.rindex(BARRIER) + 1 :]
    if "〕" in window:
        # 〔电话〕, cut in by an earlier pass, announces nothing.
        window = _OUR_OWN.sub("", window)
    cues: list[Cue] = []
    last = 0
    for word in _WORD.finditer(window.lower()):
        bare = word[1]
        if bare > "z" or _stands_alone(word):
            cues.append(_CUES[bare])
            last = word.end()
    if cues and cues[-1] is _REFERENCE and _SENTENCE_ENDS.search(window, last):
        cues.pop()
    return cues


def cue_after(text: str, end: int) -> Cue | None:
    """What a word right behind a number says it is: …这个身份证."""
    word = _BEHIND.match(text, end)
    return None if word is None else _CUES[word[1]]


def _stands_alone(word: re.Match[str]) -> bool:
    """Whether no other Latin letter touches a word in Latin letters."""
    start, end = word.span()
    around = word.string[max(0, start - 1) : start] + word.string[end : end + 1]
    return not any("a" <= one <= "z" for one in around)


def is_quantity(text: str, start: int, end: int) -> bool:
    """Whether a unit follows, or a word for money stands right before."""
    return (
        _UNIT_AFTER.match(text, end) is not None
        or _MONEY_BEFORE.search(text[max(0, start - 8) : start]) is not None
    )


def has_unit_after(text: str, end: int) -> bool:
    """Whether a unit follows: 元, %, 期, 天 and the like."""
    return _UNIT_AFTER.match(text, end) is not None


def has_ordinary_form(text: str, start: int, end: int) -> bool:
    """Whether a date, a time or an amount with thousands is in text[start:end] or reaches into it.

    Or the stretch is an IPv4 address.
    """
    low, high = max(0, start - _LONGEST_DATE), end + _LONGEST_DATE
    return _NETWORK.fullmatch(text, start, end) is not None or any(
        found.start() < end and found.end() > start
        for found in _ORDINARY.finditer(text, low, high)
    )
