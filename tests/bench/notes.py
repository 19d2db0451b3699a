"""Invented call notes of about 200 characters, for the rows that redact."""

from random import Random

from gateway.portfolio.sample_notes import TEMPLATES
from tests.gateway.redaction.number_spelling import bank_card, digits, identity_number, mobile

_LENGTH = 170
# A third of what collectors write holds no number at all.
_OTHERS = (
    "客户提供还款卡号{card}，稍后转账。",
    "单位座机010-{local}转前台，称其已离职。",
    "邮箱user{tail}@qq.com可收账单，已发。",
    "微信号wx_{tail}已添加，未通过验证。",
    "名下车辆京A{tail}已抵押。",
    "{year}年{month}月{day}日承诺还款{amount}.50元，未到账，订单号{order}已核对。",
    "客户表示失业在家，家里老人生病住院，暂时没有能力一次还清，希望申请分期，已上报主管。",
    "情绪稳定，愿意沟通，称发了工资就处理，提醒其逾期对征信有影响。",
    "2026-03-{day} 10:30 第{month}次外呼，无人接听，语音信箱，次日再拨。",
)


def make_notes(count: int, *, seed: int = 1) -> list[str]:
    """Notes with about four identifiers each, all spelled plainly, as most are."""
    random = Random(seed)
    return [_note(random) for _ in range(count)]


def _note(random: Random) -> str:
    parts: list[str] = []
    while sum(map(len, parts)) < _LENGTH:
        template = random.choice(TEMPLATES if random.random() < 0.6 else _OTHERS)
        parts.append(
            template.format(
                name="王建国",
                surname="王",
                mobile=mobile(random),
                related="李丽",
                related_phone=mobile(random),
                relation="母亲",
                employer="宏远贸易有限公司",
                place="朝阳区建国路88号",
                amount=random.randrange(200, 90_000),
                days=random.randrange(1, 90),
                id=identity_number(random),
                illness="高血压",
                agent=f"A{random.randrange(100, 1000)}",
                day=f"{random.randrange(1, 29):02}",
                month=random.randrange(1, 13),
                year=random.randrange(2023, 2027),
                hour=20,
                months=12,
                tail=f"{random.randrange(10_000, 99_999)}",
                card=bank_card(random),
                local="8" + digits(random, 7),
                order=digits(random, 18),
            )
        )
    return "".join(parts)
