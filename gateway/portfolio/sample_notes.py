"""Invented notes of collection agents, with personal details spelled as people spell them."""

from collections.abc import Callable, Mapping, Sequence

Draw = Callable[[], float]
"""Gives a float from 0 up to 1, as ``random.Random.random`` does."""

# Slots: name surname mobile related related_phone relation employer place amount days id illness
# agent hour. Notes carry what a release must find: whom, which number, which illness.
TEMPLATES = (
    "本人{name}接听，称目前在{employer}上班，工资{day}号发，承诺届时还{amount}元。",
    "拨打{mobile}无人接听，连续两次，已改日再拨。",
    "客户称{illness}住院，暂无还款能力，情绪低落，建议停催观察。",
    "{relation}{related}接听，电话{related_phone}，称与{name}已半年未联系，告知会转达。",
    "{surname}女士来电，号码{mobile}，要求减免罚息，已登记诉求，工号{agent}。",
    "{surname}先生表示对金额有异议，称已于{day}号还过{amount}元，要求核实流水。",
    "号码{mobile}提示停机，联系{relation}电话{related_phone}核实新号。",
    "客户报身份证{id}核实身份，确认为本人，同意分{months}期还清。",
    "单位前台接听，确认{name}仍在{employer}任职，未透露欠款情况。",
    "客户称已搬离{place}，新址不愿提供，只接受短信联系。",
    "告知逾期{days}天及后果，客户称{relation}{illness}，家里开销大，月底前先还{amount}元。",
    "客户要求晚上{hour}点以后不要来电，已备注时段。",
    "微信号与手机同号{mobile}，客户称只看微信，已告知须走官方渠道。",
    "客户情绪激动，称要投诉，已安抚并转主管{agent}处理。",
    "本人称卡号尾号{tail}的卡已挂失，询问如何还款，已指引官方APP。",
    "客户{name}失业两个月，原单位{employer}裁员，正在找工作。",
    "承诺{day}号还{amount}元，未履约，再次致电{mobile}，称忘记了。",
    "{relation}代还{amount}元，转账人{related}，待财务核对。",
    "关机。",
    "通话中，稍后再拨。",
    "客户称贷款系{relation}{related}使用，本人不知情，已说明合同责任。",
    "客户已怀孕七个月，称{illness}史，请求延期，转特殊关怀流程。",
)

_ILLNESSES = ("高血压", "乳腺癌术后", "抑郁症", "腰椎间盘突出", "糖尿病", "车祸骨折", "肾结石")
_SEPARATORS = (" ", "-", "，")
# Chinese numerals, the same as spoken on the telephone, and full-width digits.
_NUMERALS = (
    str.maketrans("0123456789", "零一二三四五六七八九"),
    str.maketrans("0123456789", "零幺二三四五六七八九"),
    str.maketrans("0123456789X", "０１２３４５６７８９Ｘ"),
)


def write_notes(draw: Draw, details: Mapping[str, str], days: Sequence[str]) -> str:
    """One to four notes about a case, the newest last, each with its date and an agent.

    `details` has the slots name, surname, mobile, related, related_phone, relation, employer,
    place, amount, days and id; `days` are dates to choose from, oldest first.
    """
    count = 1 + int(draw() * 4)
    start = int(draw() * (len(days) - count))
    slots = {
        **details,
        "mobile": odd_digits(draw, details["mobile"]),
        "related_phone": odd_digits(draw, details["related_phone"]),
        "id": odd_digits(draw, details["id"]),
        "illness": _ILLNESSES[int(draw() * len(_ILLNESSES))],
        "agent": f"A{int(draw() * 900) + 100}",
        "day": str(int(draw() * 28) + 1),
        "hour": str(int(draw() * 4) + 5),
        "months": str(int(draw() * 10) + 2),
        "tail": details["id"][8:12],
    }
    notes = [
        f"{days[start + number]} {TEMPLATES[int(draw() * len(TEMPLATES))].format_map(slots)}"
        for number in range(count)
    ]
    return ("\n" if draw() < 0.2 else " ").join(notes)  # noqa: PLR2004 - every fifth


def odd_digits(draw: Draw, digits: str) -> str:
    """The digits as written, or grouped, or full-width, or in Chinese numerals, or as spoken."""
    chance = int(draw() * 10)
    if chance < len(_SEPARATORS):
        return _SEPARATORS[chance].join((digits[:3], digits[3:7], digits[7:]))
    if chance < len(_SEPARATORS) + len(_NUMERALS):
        return digits.translate(_NUMERALS[chance - len(_SEPARATORS)])
    return digits
