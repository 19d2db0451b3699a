"""Promise 2: no policy line, no field; a new column changes nothing; K3 data is never kept."""

import csv
import re
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any, cast

import orjson
import psycopg
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg.rows import args_row

from gateway.cases.record import StoredCase, open_record
from gateway.clock import SystemClock
from gateway.installation import read_key
from gateway.masking.projection import compile_projection
from gateway.masking.pseudonyms import PseudonymKey
from gateway.operations.recall import recall_cases
from gateway.portfolio.importing import ImportReport
from keys.kek import LocalKeyEncryptionKey
from policies.errors import PolicyError
from policies.fields import FieldClass, Level, Stage, load_field_catalog
from policies.load import load_bundle, load_policy
from policies.schema import allowed_words
from tests.installation import Installation

VENDORS = ("alpha", "beta")
MADE_HERE = {
    "case_ref",
    "assignment_id",
    "case_status",
    "assigned_at",
    "debtor_ref",
    "contact_point_ref",
    "debt_ref",
}
# One by one these can stand nowhere in an answer, whoever's case they belong to.
TELLING = (
    "source_case_no",
    "core_account_no",
    "id_number",
    "full_name",
    "mobile_phone",
    "home_phone",
    "work_phone",
    "related_name",
    "related_phone",
    "home_address",
    "work_address",
    "employer_name",
    "bank_account_no",
    "past_notes",
)
FORMS: dict[str, re.Pattern[str]] = {
    "name": re.compile(r"\S{1,2}\*+(?:·\*+)*|[A-Z.* ]+|\*"),
    "phone_cn": re.compile(r"1[3-9]\d\*{4}\d{4}|0\d{2,3}-\*+\d\d|\*{4}"),
    "account": re.compile(r"\*{4}[0-9A-Za-z]{0,4}"),
    "month": re.compile(r"\d{4}-\d\d"),
    "dpd_band": re.compile(r"0|\d+-\d+|>360"),
    "amount_band": re.compile(r"<100|\d+-\d+|>=10000000"),
    "city": re.compile(r"[^0-9号路街道室栋幢]{2,16}"),
    "age_band": re.compile(r"<18|18-59|>=60"),
    "yes_no": re.compile(r"yes|no"),
    "relation": re.compile(r"family|other"),
}
SECRETS = {
    "卡号": "6222888877776666555",
    "CVV2": "cvv-canary-907",
    "卡有效期": "expiry-canary-1129",
    "交易密码": "pin-canary-465132",
    "登录密码": "password-canary",
    "短信验证码": "otp-canary-771209",
    "人脸": "face-canary",
    "通讯录": "contacts-canary",
}
UNKNOWN = {"新系统字段": "new-canary", "employee_remark": "remark-canary"}


def rules_of(installation: Installation, vendor: str) -> dict[str, str]:
    """The bulk stage of a vendor's policy, as its file says it."""
    path = installation.directory / "policies" / f"{vendor}.yaml"
    rules: dict[str, str] = yaml.safe_load(path.read_text())["stages"]["bulk"]
    return rules


def all_items(installation: Installation, vendor: str) -> tuple[list[dict[str, Any]], bytes]:
    """All cases of a vendor, and all bytes of all answers that brought them."""
    items: list[dict[str, Any]] = []
    data = b""
    cursor: str | None = ""
    with installation.vendor(vendor) as client:
        while cursor is not None:
            page = client.get("/v1/cases", params={"cursor": cursor} if cursor else {})
            page.raise_for_status()
            items += page.json()["items"]
            cursor = page.json()["next_cursor"]
            data += repr(sorted(page.headers.items())).encode() + page.content
    return items, data


@pytest.mark.parametrize("vendor", VENDORS)
def test_every_case_has_only_fields_with_a_policy_line_and_each_in_its_form(
    gateway: Installation, vendor: str
) -> None:
    rules = rules_of(gateway, vendor)
    truth = {case["case_ref"]: case for case in gateway.truth() if case["vendor_id"] == vendor}

    items, _data = all_items(gateway, vendor)

    assert {item["case_ref"] for item in items} == set(truth)
    assert len(items) == len(truth) == 200
    for item in items:
        assert set(item) <= set(rules)
        for field, value in item.items():
            verify_form(rules[field], field, value, truth[item["case_ref"]])


def verify_form(rule: str, field: str, value: object, case: dict[str, Any]) -> None:
    level, _, form = rule.partition(" ")
    if level == "clear":
        assert field in MADE_HERE or value == case[field]
    elif level == "redact":
        assert value == "***"
    elif level == "pseudonym":
        assert re.fullmatch(r"[A-Z2-7]{26}", str(value))
    elif form == "product_type":
        assert value == case["product_type"]
    elif form == "hold":
        assert value == (["HOLD"] if case[field] else [])
    else:
        assert FORMS[form].fullmatch(str(value)), (field, level, form)
        assert str(value) != str(case[field])


@pytest.mark.parametrize("vendor", VENDORS)
def test_no_dropped_value_and_no_unmasked_one_is_in_any_byte_sent(
    gateway: Installation, vendor: str
) -> None:
    rules = rules_of(gateway, vendor)
    _items, data = all_items(gateway, vendor)
    clear = {field for field, rule in rules.items() if rule == "clear"}

    for case in gateway.truth():
        for field in TELLING:
            value = str(case.get(field, ""))
            if len(value) >= 3 and field not in clear:
                assert value.encode() not in data, field


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_single_pull_shows_no_dropped_value_either(gateway: Installation, vendor: str) -> None:
    rules = rules_of(gateway, vendor)
    cases = [case for case in gateway.truth() if case["vendor_id"] == vendor]
    with gateway.vendor(vendor) as client:
        for case in cases[::8]:
            answer = client.get(f"/v1/cases/{case['case_ref']}")
            item = answer.json()
            assert set(item) <= set(rules)
            shown = {str(value) for value in item.values()}
            for field in set(case) - set(rules) - {"vendor_id", "contract_id"}:
                value = str(case[field])
                # Small numbers and words such as 本人 may well stand in another field by chance.
                assert value not in shown or len(value) < 6, field


HEAD = """\
policy: random
vendor: alpha
contract: alpha-2026
term: { from: 2026-01-01, to: 2027-12-31 }
purposes: [DEBT_COLLECTION_TEL]
numbers: reveal_once
quotas: { reveals_per_day: 1 }
stages:
"""
KEY = PseudonymKey.derive(bytes(32), vendor="alpha", contract="alpha-2026")


@st.composite
def random_rules(draw: st.DrawFn, stage: Stage) -> dict[str, str]:
    """Some fields, each in any way that a policy may name it at this stage."""
    fields = draw(st.lists(st.sampled_from(list(load_field_catalog())), unique=True, min_size=1))
    return {field.name: draw(st.sampled_from(allowed_words(field, stage))) for field in fields}


@settings(max_examples=300, deadline=None)
@given(data=st.data(), stage=st.sampled_from(list(Stage)))
def test_no_random_policy_lets_a_value_out_beyond_its_permitted_form(
    installation: Installation, data: st.DataObject, stage: Stage
) -> None:
    rules = data.draw(random_rules(stage))
    lines = "".join(f"    {field}: {words}\n" for field, words in rules.items())
    text = f"{HEAD}  {stage.value}:\n{lines}"
    scope = load_policy(text.encode(), "random.yaml").scope(stage)
    assert scope is not None
    projection = compile_projection(scope.rules, load_field_catalog(), KEY)
    case = data.draw(st.sampled_from(installation.truth()[:40]))

    released = projection.apply(case)

    assert set(released) <= {field for field, words in rules.items() if words != "drop"}
    clear = {str(case[field]) for field in released if rules[field] == "clear"}
    sent = orjson.dumps(released).decode()
    for field, value in released.items():
        if field != "case_ref" and not (rules[field].startswith("generalise") and value == "***"):
            verify_form(rules[field], field, value, case)
    for field in TELLING:
        value = str(case.get(field, ""))
        if len(value) >= 3 and rules.get(field) != "clear":
            assert value not in sent or any(value in other for other in clear), field


@pytest.fixture(scope="module")
def narrowed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Alpha may see its references alone; beta has no policy at all."""
    installation = Installation.make(
        tmp_path_factory.mktemp("narrowed") / "sandbox",
        cases=20,
    )
    alpha = installation.directory / "policies" / "alpha.yaml"
    policy = yaml.safe_load(alpha.read_text())
    policy["stages"] = {"bulk": {"case_ref": "pseudonym", "full_name": "drop"}}
    # Dates are not quoted in a policy; the dumper writes them as they were.
    alpha.write_text(yaml.safe_dump(policy, allow_unicode=True, sort_keys=False))
    (installation.directory / "policies" / "beta.yaml").unlink()
    installation.activate()
    with installation.serving(workers=1):
        yield installation


def test_a_field_without_a_line_is_not_there(narrowed: Installation) -> None:
    items, _data = all_items(narrowed, "alpha")

    assert len(items) == 20
    assert all(set(item) == {"case_ref"} for item in items)


def test_a_vendor_without_a_policy_gets_nothing(narrowed: Installation) -> None:
    ref = next(case["case_ref"] for case in narrowed.truth() if case["vendor_id"] == "beta")
    with narrowed.vendor("beta") as client:
        answers = [client.get("/v1/cases"), client.get(f"/v1/cases/{ref}")]

    for answer in answers:
        assert answer.status_code == 403
        assert answer.headers["content-type"] == "application/problem+json"
        assert "items" not in answer.json()


@pytest.fixture(scope="module")
def widened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Both policies as they are packaged, and cases that these tests import again and again."""
    installation = Installation.make(
        tmp_path_factory.mktemp("widened") / "sandbox",
        cases=20,
    )
    with installation.serving(workers=1):
        yield installation


def import_columns(
    installation: Installation, columns: dict[str, str], *, spoil: bool = False
) -> ImportReport:
    """Recalls alpha's cases and imports its file again, with the same further cells in each row.

    With `spoil` each second row is made unacceptable, so that a rejects file is written.
    """
    office = installation.office()
    with office.connection() as connection:
        recall_cases(
            connection,
            "alpha",
            "alpha-2026",
            case_refs=None,
            actor="test",
            at=SystemClock().now(),
        )
    source = installation.directory / "portfolio-alpha.csv"
    with source.open(encoding="utf-8-sig", newline="") as file:
        header, *rows = list(csv.reader(file))
    if spoil:
        phone = header.index("手机号码")
        for row in rows[::2]:
            row[phone] = "12"
    widened = installation.directory / "widened.csv"
    with widened.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*columns, *header])
        writer.writerows([[*columns.values(), *row] for row in rows])
    return office.import_file(
        widened,
        "alpha",
        "alpha-2026",
        actor="test",
        rejects=installation.directory / "widened.rejected.csv",
    )


def lines_of(installation: Installation) -> list[bytes]:
    """Alpha's cases as NDJSON lines, but for the two fields that tell when they were assigned."""
    with installation.vendor("alpha") as client:
        answer = client.get("/v1/cases", headers={"Accept": "application/x-ndjson"})
    answer.raise_for_status()
    moment = re.compile(rb'"(?:assignment_id|assigned_at)":"[^"]*",')
    return sorted(moment.sub(b"", line) for line in answer.content.splitlines())


@pytest.mark.parametrize("columns", [UNKNOWN, SECRETS], ids=["unknown", "K3"])
def test_new_columns_of_the_lender_change_no_byte_of_the_answer(
    widened: Installation, columns: dict[str, str]
) -> None:
    before = import_columns(widened, {})
    lines = lines_of(widened)

    after = import_columns(widened, columns)

    assert before.assigned == after.assigned == 20
    assert lines_of(widened) == lines
    assert len(lines) == 20


def test_authentication_data_is_reported_and_never_stored(widened: Installation) -> None:
    report = import_columns(widened, SECRETS | UNKNOWN, spoil=True)

    assert set(report.forbidden_columns) == set(SECRETS)
    assert set(report.unknown_columns) == set(UNKNOWN)
    assert report.rejected == 10
    rejects = (widened.directory / "widened.rejected.csv").read_bytes()
    _items, answers = all_items(widened, "alpha")
    stored = orjson.dumps(stored_records(widened))
    assert stored.count(b'"id_number"') == 40
    for value in SECRETS.values():
        for where in (rejects, answers, stored):
            assert value.encode() not in where
    for value in UNKNOWN.values():
        for where in (answers, stored):
            assert value.encode() not in where


def stored_records(installation: Installation) -> list[dict[str, Any]]:
    """All records of the database, decrypted."""
    settings = installation.settings
    kek = LocalKeyEncryptionKey(read_key(settings, settings.keys.kek))
    with psycopg.connect(
        installation.database().owner_url, row_factory=args_row(StoredCase)
    ) as connection:
        rows = connection.execute(
            "SELECT DISTINCT ON (case_id) sequence, case_id, assignment_id, status, assigned_at,"
            " commitment, kek_id, wrapped_key, sealed"
            " FROM casegate.case_record JOIN casegate.assigned_case USING (case_id)"
        ).fetchall()
    return [cast("dict[str, Any]", open_record(row, kek)) for row in rows]


def test_no_k3_field_can_be_released_at_any_stage() -> None:
    catalog = load_field_catalog()
    secret = [field for field in catalog if field.field_class is FieldClass.K3]

    assert len(secret) >= 8
    for field in secret:
        assert {field.bulk, field.permit} == {Level.DROP}


@pytest.mark.parametrize("field", ["pan", "otp", "biometric", "id_number", "past_notes"])
def test_a_policy_that_names_too_much_is_not_accepted(tmp_path: Path, field: str) -> None:
    sound = (resources.files("policies") / "vendors" / "alpha.yaml").read_text()
    (tmp_path / "alpha.yaml").write_text(
        sound.replace("  bulk:\n", f"  bulk:\n    {field}: clear\n", 1)
    )

    with pytest.raises(PolicyError, match=field):
        load_bundle(tmp_path)
