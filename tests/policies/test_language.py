"""What stands beside the fields: conditions, quotas, free text, numbers, parameters, schema."""

from datetime import date
from pathlib import Path
from types import MappingProxyType

import jsonschema_rs
import orjson
import pytest
import yaml

import policies
from policies.difference import Direction, is_wider, policy_changes
from policies.documents import parse_document
from policies.errors import ParametersUnsetError, PolicyFileError
from policies.fields import Stage, load_field_catalog
from policies.limits import (
    FreeText,
    HoldRule,
    NumberHandling,
    Placeholders,
    Quotas,
    RowConditions,
    RowKey,
)
from policies.load import load_packaged_bundle, load_policy, packaged_directory
from policies.parameters import PARAMETERS, parameters_of, read_parameters, verify_decided
from policies.schema import allowed_words, policy_schema
from policies.sentences import sentences_of

REDACTED = "free_text: redacted"
NUMBERED = f"{REDACTED}\nplaceholders: numbered"
GOOD = """\
policy: alpha-2026
vendor: alpha
contract: alpha-2026
term: { from: 2026-01-01, to: 2027-12-31 }
purposes: [DEBT_COLLECTION_TEL]
projects: [CARD-A]
where: { product: [信用卡], stage: [M1, M2], region: [广东省], portfolio: [P7], hold: none }
quotas: { pull_cases_per_day: 2000, reveals_per_day: 100, reveals_per_agent_day: 20 }
free_text: codes
numbers: reveal_once
stages:
  bulk:
    full_name: partial name
"""
ROOT = Path(policies.__file__).parent


def test_every_part_of_a_scope_is_read() -> None:
    limits = load_policy(GOOD.encode(), "alpha.yaml").limits

    assert limits.rows.allowed[RowKey.PRODUCT] == {"信用卡"}
    assert limits.rows.allowed[RowKey.PROJECT] == {"CARD-A"}
    assert limits.rows.hold is HoldRule.NONE
    assert limits.quotas == Quotas(2000, 100, 20)
    assert limits.free_text is FreeText.CODES
    assert limits.numbers is NumberHandling.REVEAL_ONCE


@pytest.mark.parametrize(
    ("before", "after", "line", "words"),
    [
        ("[CARD-A]", "[]", 6, "empty"),
        ("hold: none", "hold: some", 7, "not known"),
        ("product:", "colour:", 7, "not a key"),
        ("2000", "2001000", 8, "more than anybody"),
        ("2000", "-1", 8, "not a number"),
        ("2000", "2e3", 8, "not a number"),
        ("reveals_per_agent_day: 20", "reveals_per_agent_day: 200", 8, "One agent"),
        ("reveals_per_day: 100, reveals_per_agent_day: 20", "reveals_per_day: 0", 10, "revealed"),
        ("codes", "everything", 9, "not known"),
        ("reveal_once", "by_mail", 10, "not known"),
    ],
)
def test_a_mistake_beside_the_fields_is_refused_with_its_line(
    before: str, after: str, line: int, words: str
) -> None:
    with pytest.raises(PolicyFileError) as caught:
        load_policy(GOOD.replace(before, after).encode(), "alpha.yaml")

    assert caught.value.line == line
    assert words in caught.value.reason


@pytest.mark.parametrize(
    ("words", "is_held", "is_met"),
    [
        ({RowKey.STAGE: "M1", RowKey.PRODUCT: "信用卡"}, False, True),
        ({RowKey.STAGE: "M1", RowKey.PRODUCT: "信用卡"}, True, False),
        ({RowKey.STAGE: "M3", RowKey.PRODUCT: "信用卡"}, False, False),
        ({RowKey.STAGE: "M1", RowKey.PRODUCT: None}, False, False),
        ({RowKey.STAGE: "M1"}, False, False),
    ],
)
def test_a_case_is_covered_when_every_condition_is_met(
    words: dict[RowKey, str | None],
    is_held: bool,  # noqa: FBT001 - a table's column
    is_met: bool,  # noqa: FBT001 - a table's column
) -> None:
    allowed = {RowKey.STAGE: frozenset({"M1"}), RowKey.PRODUCT: frozenset({"信用卡"})}
    rows = RowConditions(MappingProxyType(allowed), HoldRule.NONE)

    assert rows.is_met(words, is_held=is_held) is is_met


@pytest.mark.parametrize(
    ("before", "after"),
    [("M1, M2", "M1"), ("2000", "1999"), ("codes", "none"), ("hold: none", "hold: any")],
)
def test_the_digest_holds_what_stands_beside_the_fields(before: str, after: str) -> None:
    changed = GOOD.replace(before, after)

    assert load_policy(changed.encode(), "a").digest != load_policy(GOOD.encode(), "a").digest


def test_undecided_parameters_are_listed_all_at_once() -> None:
    with pytest.raises(ParametersUnsetError) as caught:
        verify_decided(read_parameters(packaged_directory()))

    assert caught.value.names == (
        "service.satisfaction_min_pct",
        "writeoff.min_effort_months",
        "writeoff.min_effort_attempts",
        "writeoff.min_effort_contacts",
        *("routing.special", "routing.complaint", "routing.repay", "routing.guidance"),
    )


def test_the_packaged_parameters_name_every_one_with_its_default() -> None:
    listed = yaml.safe_load((ROOT / "parameters.yaml").read_text())["parameters"]

    assert list(listed) == [name for name in PARAMETERS if name in listed]
    assert set(listed) == set(PARAMETERS)
    assert read_parameters(packaged_directory()) == {
        name: parameter.default for name, parameter in PARAMETERS.items()
    }


@pytest.mark.parametrize(
    "line",
    [
        "service.satisfaction_min_pct: 101",
        "service.satisfaction_min_pct: many",
        "consent.max_days: 31",
        "vendor.violation_lookback_years: 2",
        "scorecard.period: year",
        "surprise: 1",
    ],
)
def test_a_parameter_out_of_bounds_is_refused(line: str) -> None:
    with pytest.raises(PolicyFileError, match="line 2"):
        parameters_of(parse_document(f"parameters:\n  {line}\n".encode(), "parameters.yaml"))


def test_the_published_schema_is_the_one_of_the_catalogue() -> None:
    published = orjson.loads((ROOT / "policy.schema.json").read_bytes())

    assert published == policy_schema(load_field_catalog())


@pytest.mark.parametrize("file", sorted(ROOT.joinpath("vendors").glob("*.yaml")), ids=str)
def test_every_packaged_policy_fits_the_schema(file: Path) -> None:
    document = yaml.safe_load(file.read_text())
    document["term"] = {
        key: day.isoformat() if isinstance(day, date) else day
        for key, day in document["term"].items()
    }

    jsonschema_rs.validator_for(policy_schema(load_field_catalog())).validate(document)


def test_the_schema_offers_no_word_that_a_policy_refuses() -> None:
    for field in load_field_catalog():
        for stage in Stage:
            for words in allowed_words(field, stage):
                head = GOOD[: GOOD.index("stages:")]
                text = f"{head}stages:\n  {stage.value}:\n    {field.name}: {words}\n"
                assert load_policy(text.encode(), "alpha.yaml").scopes


def test_a_policy_can_be_read_as_sentences() -> None:
    sentences = list(sentences_of(load_policy(GOOD.encode(), "alpha.yaml")))

    assert sentences[0] == "ALLOW alpha UNDER alpha-2026 READ full_name AS partial name AT bulk"
    assert "WHERE collection_stage IN (M1, M2)" in sentences
    assert "WHERE no hold is set" in sentences
    assert "AT MOST 2000 cases a day" in sentences
    assert sentences[-1] == "DENY everything else"


@pytest.mark.parametrize(
    ("before", "after", "what", "direction"),
    [
        ("partial name", "redact", "bulk full_name", Direction.NARROWER),
        ("full_name", "salutation", "bulk salutation", Direction.WIDER),
        ("2000", "2001", "pull_cases_per_day", Direction.WIDER),
        ("pull_cases_per_day: 2000, ", "", "pull_cases_per_day", Direction.WIDER),
        ("codes", "none", "free_text", Direction.NARROWER),
        ("free_text: codes", REDACTED, "free_text", Direction.WIDER),
        ("free_text: codes", NUMBERED, "placeholders", Direction.WIDER),
        ("[DEBT_COLLECTION_TEL]", "[DEBT_COLLECTION_TEL, X]", "purposes", Direction.WIDER),
        ("M1, M2", "M1", "rows", Direction.OTHER),
    ],
)
def test_a_difference_says_what_becomes_wider(
    before: str, after: str, what: str, direction: Direction
) -> None:
    if after == "salutation":
        new = GOOD.replace("full_name: partial name", "salutation: clear")
    else:
        new = GOOD.replace(before, after)
    old_policy, new_policy = (load_policy(text.encode(), "a") for text in (GOOD, new))

    changes = policy_changes(old_policy, new_policy, load_field_catalog())

    assert {change.what: change.direction for change in changes}[what] is direction


def test_a_first_policy_is_wider_and_no_policy_narrower() -> None:
    alpha = load_packaged_bundle().policy("alpha", "alpha-2026")

    assert is_wider(None, alpha, load_field_catalog())
    assert not is_wider(alpha, None, load_field_catalog())
    assert not policy_changes(alpha, alpha, load_field_catalog())


def test_placeholders_are_plain_unless_a_policy_says_numbered() -> None:
    plain = load_policy(GOOD.replace("free_text: codes", REDACTED).encode(), "alpha.yaml")
    said = load_policy(
        GOOD.replace("free_text: codes", f"{REDACTED}\nplaceholders: plain").encode(), "alpha.yaml"
    )
    numbered = load_policy(GOOD.replace("free_text: codes", NUMBERED).encode(), "alpha.yaml")

    assert plain.limits.placeholders is Placeholders.PLAIN
    assert plain.digest == said.digest != numbered.digest
    assert "FREE TEXT redacted WITH NUMBERS" in list(sentences_of(numbered))


def test_numbered_placeholders_without_notes_are_refused() -> None:
    text = GOOD.replace("free_text: codes", "free_text: codes\nplaceholders: numbered")

    with pytest.raises(PolicyFileError, match="no note leaves"):
        load_policy(text.encode(), "alpha.yaml")
