"""Prints how long one full case takes through a compiled projection: best of nine rounds."""

from timeit import repeat

import orjson

from gateway.masking.projection import compile_projection
from gateway.masking.pseudonyms import PseudonymKey
from gateway.masking.transforms import JsonValue
from policies.fields import load_field_catalog
from policies.load import load_packaged_bundle

FULL_CASE: dict[str, JsonValue] = {
    "source_case_no": "AJ20260000017",
    "case_ref": "0190b6e2-7d3a-7c5e-9f41-3f2b8a6d1c20",
    "assignment_id": "0190b6e2-7d3a-7c5e-9f41-000000000001",
    "case_status": "working",
    "assigned_at": "2026-03-02T09:00:00+08:00",
    "core_account_no": "HT2024000117",
    "product_type": "CONSUMER_LOAN",
    "product_name": "安心分期二十四期",
    "collection_stage": "M2",
    "placement_number": 1,
    "days_past_due": 47,
    "hold_flags": ["ILLNESS"],
    "treatment_codes": ["VULN_CARE"],
    "strategy_code": "S2",
    "credit_score": 611,
    "litigation_status": "未诉讼",
    "as_of": "2026-03-01",
    "debtor_ref": "0190b6e2-7d3a-7c5e-9f41-000000000002",
    "full_name": "欧阳娜娜",
    "salutation": "女士",
    "id_number": "11010519491231002X",
    "birth_date": "1949-12-31",
    "gender": "F",
    "home_address": "广东省深圳市南山区科技园科苑路15号3栋1201",
    "timezone": "Asia/Shanghai",
    "preferred_language": "zh-CN",
    "contact_point_ref": "0190b6e2-7d3a-7c5e-9f41-000000000003",
    "mobile_phone": "13812345678",
    "home_phone": "075586543210",
    "related_name": "王小明",
    "relation": "配偶",
    "debt_ref": "0190b6e2-7d3a-7c5e-9f41-000000000004",
    "currency": "CNY",
    "total_due": 734_512,
    "principal_due": 600_000,
    "interest_due": 100_000,
    "penalty_due": 30_000,
    "fee_due": 4_512,
    "first_default_date": "2026-01-13",
    "last_payment_date": "2025-12-14",
    "repayment_channel": "APP",
    "bank_account_no": "6222020200112231234",
    "past_notes": "客户称本月底发工资后处理",
    "pan": "6222020200112231234",
}


def main() -> None:
    key = PseudonymKey.derive(bytes(range(32)), vendor="alpha", contract="alpha-2026")
    policy = load_packaged_bundle().policy("alpha", "alpha-2026")
    assert policy is not None
    rounds = 5_000
    for scope in policy.scopes:
        projection = compile_projection(scope.rules, load_field_catalog(), key)
        released = projection.apply(FULL_CASE)
        best = min(repeat(lambda: projection.apply(FULL_CASE), number=rounds, repeat=9))  # noqa: B023 - run at once
        microseconds = best / rounds * 1e6
        print(f"{scope.stage}: {len(released)} fields released in {microseconds:.1f} us")
        print(orjson.dumps(released).decode())


if __name__ == "__main__":
    main()
