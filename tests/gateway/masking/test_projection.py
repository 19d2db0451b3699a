from collections.abc import Mapping

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.masking.errors import ForbiddenFieldError, UnknownTransformError
from gateway.masking.projection import Projection, compile_projection
from gateway.masking.pseudonyms import PseudonymKey
from gateway.masking.transforms import JsonValue
from policies.errors import RuleError, UnknownFieldError
from policies.fields import FieldClass, Form, Level, Stage, load_field_catalog
from policies.load import load_packaged_bundle
from policies.model import FieldRule, verify_rule

CATALOG = load_field_catalog()
NAMES = [field.name for field in CATALOG]
K3 = [field.name for field in CATALOG if field.field_class is FieldClass.K3]
KEY = PseudonymKey.derive(bytes(range(32)), vendor="alpha", contract="alpha-2026")
# One mark a field that no form, token or other field can produce by chance.
MARKED: dict[str, JsonValue] = {name: f"机密{index:04d}号qzx" for index, name in enumerate(NAMES)}

ANY_RULE = st.builds(
    FieldRule, st.sampled_from(NAMES), st.sampled_from(Level), st.none() | st.sampled_from(Form)
)


def _is_allowed(rule: FieldRule) -> bool:
    try:
        verify_rule(rule, Stage.PERMIT, CATALOG)
    except RuleError:
        return False
    return True


ALLOWED = [
    rule
    for field in CATALOG
    if field.field_class is not FieldClass.K3
    for level in Level
    for form in (None, *Form)
    if _is_allowed(rule := FieldRule(field.name, level, form))
]
ALLOWED_RULES = st.lists(st.sampled_from(ALLOWED), unique_by=lambda rule: rule.field)


def _compiled(*rules: FieldRule) -> Projection:
    return compile_projection(rules, CATALOG, KEY)


def _packaged(stage: Stage) -> Projection:
    policy = load_packaged_bundle().policy("alpha", "alpha-2026")
    assert policy is not None
    scope = policy.scope(stage)
    assert scope is not None
    return _compiled(*scope.rules)


def test_without_rules_nothing_is_released() -> None:
    assert _compiled().apply(MARKED) == {}


def test_a_case_comes_out_masked_and_in_catalogue_order() -> None:
    projection = _compiled(
        FieldRule("total_due", Level.GENERALISE, Form.AMOUNT_BAND),
        FieldRule("full_name", Level.PARTIAL, Form.NAME),
        FieldRule("product_name", Level.GENERALISE, Form.PRODUCT_TYPE),
        FieldRule("case_ref", Level.PSEUDONYM),
        FieldRule("birth_date", Level.GENERALISE, Form.AGE_BAND),
        FieldRule("salutation", Level.REDACT),
        FieldRule("gender", Level.DROP),
        FieldRule("currency", Level.CLEAR),
    )
    record: dict[str, JsonValue] = {
        "currency": "CNY",
        "gender": "F",
        "salutation": "女士",
        "birth_date": "1950-01-01",
        "as_of": "2026-01-01",
        "case_ref": "internal-17",
        "product_name": "安心分期",
        "product_type": "LOAN",
        "full_name": "欧阳娜娜",
        "total_due": 734_512,
    }

    released = projection.apply(record)

    assert list(released.items()) == [
        ("case_ref", KEY.token("case_ref", "internal-17")),
        ("product_name", "LOAN"),
        ("full_name", "欧阳**"),
        ("salutation", "***"),
        ("birth_date", ">=60"),
        ("currency", "CNY"),
        ("total_due", "5000-10000"),
    ]
    assert projection.fields == tuple(released)


def test_the_age_is_taken_at_the_assignment_when_the_file_has_no_date() -> None:
    projection = _compiled(FieldRule("birth_date", Level.GENERALISE, Form.AGE_BAND))

    released = projection.apply(
        {"birth_date": "2010-01-01", "assigned_at": "2026-01-01T09:00:00Z"}
    )

    assert released == {"birth_date": "<18"}


@pytest.mark.parametrize("record", [{}, dict.fromkeys(NAMES)])
def test_what_is_absent_or_null_gives_no_key(record: Mapping[str, JsonValue]) -> None:
    assert _packaged(Stage.BULK).apply(record) == {}


@pytest.mark.parametrize("value", [17, True, ["internal-17"], {"key": "internal-17"}])
def test_an_internal_key_that_is_not_text_is_left_out(value: JsonValue) -> None:
    assert _compiled(FieldRule("case_ref", Level.PSEUDONYM)).apply({"case_ref": value}) == {}


@pytest.mark.parametrize("stage", Stage)
def test_no_raw_value_outside_the_scope_is_in_the_bytes(stage: Stage) -> None:
    projection = _packaged(stage)
    policy = load_packaged_bundle().policy("alpha", "alpha-2026")
    assert policy is not None
    scope = policy.scope(stage)
    assert scope is not None
    clear = {rule.field for rule in scope.rules if rule.level is Level.CLEAR}

    body = orjson.dumps(projection.apply(MARKED)).decode()

    assert [name for name in NAMES if name not in clear and str(MARKED[name]) in body] == []


@given(st.lists(ANY_RULE, max_size=12))
def test_no_rules_of_any_kind_release_k3(rules: list[FieldRule]) -> None:
    try:
        projection = compile_projection(rules, CATALOG, KEY)
    except (ForbiddenFieldError, UnknownTransformError):
        return

    body = orjson.dumps(projection.apply(MARKED)).decode()

    assert all(str(MARKED[name]) not in body for name in K3)
    assert not set(K3) & set(projection.fields)


@pytest.mark.parametrize("name", K3)
@pytest.mark.parametrize("level", Level)
def test_naming_a_k3_field_is_refused(name: str, level: Level) -> None:
    with pytest.raises(ForbiddenFieldError):
        _compiled(FieldRule(name, level))


@given(
    ALLOWED_RULES,
    st.text().filter(lambda key: key not in NAMES),
    st.text() | st.integers(-(2**40), 2**40),
)
def test_an_unknown_key_changes_no_byte(
    rules: list[FieldRule], key: str, value: JsonValue
) -> None:
    projection = compile_projection(rules, CATALOG, KEY)

    with_key = orjson.dumps(projection.apply({key: value, **MARKED}))

    assert with_key == orjson.dumps(projection.apply(MARKED))


@given(ALLOWED_RULES, st.data())
def test_deleting_a_rule_takes_its_field_away_and_changes_no_other(
    rules: list[FieldRule], data: st.DataObject
) -> None:
    kept = [rule for rule in rules if data.draw(st.booleans())]
    before = compile_projection(rules, CATALOG, KEY).apply(MARKED)

    after = compile_projection(kept, CATALOG, KEY).apply(MARKED)

    names = {rule.field for rule in kept}
    assert after == {name: value for name, value in before.items() if name in names}


@given(
    st.lists(st.sampled_from(ALLOWED), unique_by=lambda rule: rule.field),
    st.dictionaries(
        st.sampled_from(NAMES),
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.text()),
    ),
)
def test_a_projection_takes_any_record(
    rules: list[FieldRule], record: dict[str, JsonValue]
) -> None:
    projection = compile_projection(rules, CATALOG, KEY)

    assert set(projection.apply(record)) <= set(projection.fields)


@given(st.text())
def test_two_vendors_never_receive_the_same_reference(internal_key: str) -> None:
    rules = [FieldRule(name, Level.PSEUDONYM) for name in ("case_ref", "debtor_ref", "debt_ref")]
    record: dict[str, JsonValue] = {rule.field: internal_key for rule in rules}
    other = PseudonymKey.derive(bytes(range(32)), vendor="beta", contract="beta-2026")

    alpha = compile_projection(rules, CATALOG, KEY).apply(record)
    beta = compile_projection(rules, CATALOG, other).apply(record)

    assert len({*map(str, alpha.values()), *map(str, beta.values())}) == 2 * len(rules)


@pytest.mark.parametrize(
    "rule",
    [
        FieldRule("id_number", Level.REDACT),
        FieldRule("case_ref", Level.CLEAR),
        FieldRule("gender", Level.PSEUDONYM),
    ],
)
def test_a_rule_wider_than_the_catalogue_is_refused(rule: FieldRule) -> None:
    with pytest.raises(ForbiddenFieldError):
        _compiled(rule)


@pytest.mark.parametrize(
    "rule",
    [
        FieldRule("full_name", Level.PARTIAL),
        FieldRule("full_name", Level.PARTIAL, Form.ACCOUNT),
        FieldRule("full_name", Level.GENERALISE, Form.NAME),
    ],
)
def test_a_rule_without_its_form_is_refused(rule: FieldRule) -> None:
    with pytest.raises(UnknownTransformError):
        _compiled(rule)


def test_a_field_ruled_twice_is_refused() -> None:
    rule = FieldRule("currency", Level.CLEAR)

    with pytest.raises(ForbiddenFieldError):
        _compiled(rule, rule)


def test_an_unknown_field_is_refused() -> None:
    with pytest.raises(UnknownFieldError):
        _compiled(FieldRule("favourite_colour", Level.CLEAR))


def test_a_projection_does_not_print_its_key() -> None:
    assert "_steps" not in repr(_packaged(Stage.BULK))
