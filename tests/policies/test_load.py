from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.documents import MAX_BYTES
from policies.errors import PolicyFileError, TooWideError, UnknownFieldError, WrongFormError
from policies.fields import FieldClass, Level, load_field_catalog
from policies.load import load_bundle, load_packaged_bundle, load_policy
from policies.model import Stage

GOOD = """\
policy: alpha-2026
vendor: alpha
contract: alpha-2026
term: { from: 2026-01-01, to: 2027-12-31 }
purposes: [DEBT_COLLECTION_TEL]
stages:
  bulk:
    full_name: partial name
    case_ref: pseudonym
    case_status: clear
"""
SIGNED = """\
contract: alpha-2026
vendor: alpha
signed: 2025-12-18
document_sha256: aec070645fe53ee3b3763059376134f058cc337247c978add178b6ccdfb0019f
term: { from: 2026-01-01, to: 2027-12-31 }
purposes: [DEBT_COLLECTION_TEL]
stages:
  bulk: { full_name: partial name, case_ref: pseudonym, case_status: clear }
"""
K3_NAMES = [field.name for field in load_field_catalog() if field.field_class is FieldClass.K3]


def _refusal(text: str) -> PolicyFileError:
    with pytest.raises(PolicyFileError) as caught:
        load_policy(text.encode(), "alpha.yaml")
    return caught.value


def test_rules_stand_in_catalogue_order() -> None:
    scope = load_policy(GOOD.encode(), "alpha.yaml").scope(Stage.BULK)

    assert scope is not None
    assert [rule.field for rule in scope.rules] == ["case_ref", "case_status", "full_name"]


def test_a_stage_that_is_not_written_has_no_scope() -> None:
    assert load_policy(GOOD.encode(), "alpha.yaml").scope(Stage.PERMIT) is None


def test_the_last_day_of_a_term_belongs_to_it() -> None:
    term = load_policy(GOOD.encode(), "alpha.yaml").term

    assert term.begins == datetime(2025, 12, 31, 16, tzinfo=UTC)
    assert term.ends == datetime(2027, 12, 31, 16, tzinfo=UTC)


def test_a_term_may_end_at_a_stated_second() -> None:
    text = GOOD.replace("to: 2027-12-31", "to: 2026-03-31T18:00:00+08:00")

    assert load_policy(text.encode(), "a").term.ends == datetime(2026, 3, 31, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("before", "after", "line", "words"),
    [
        ("vendor: alpha", "vender: alpha", 2, "`vender` is not a key of a policy"),
        ("vendor: alpha\n", "", 1, "The key `vendor` is missing"),
        ("vendor: alpha", "vendor: Alpha Ltd", 2, "not a plain name"),
        ("vendor: alpha", "vendor: !!str alpha", 2, "Tags"),
        ("vendor: alpha", "vendor: &a alpha", 2, "Anchors"),
        ("vendor: alpha", "vendor: [alpha]", 2, "must be a single value"),
        ("vendor: alpha", "vendor: alpha\nvendor: beta", 3, "given twice"),
        ("{ from: 2026-01-01, to: 2027-12-31 }", "2026", 4, "`term` must be"),
        ("vendor: alpha", "? [vendor]\n: alpha", 2, "A key must be a name"),
        ("from: 2026-01-01", "from: 2026-13-01", 4, "not a date"),
        ("from: 2026-01-01", "from: yesterday", 4, "not a date"),
        ("to: 2027-12-31", "to: 2025-12-31", 4, "ends before it begins"),
        ("to: 2027-12-31", "to: 2027-12-31T10:00:00", 4, "not a date"),
        ("[DEBT_COLLECTION_TEL]", "[]", 5, "No purpose"),
        ("[DEBT_COLLECTION_TEL]", "[any]", 5, "not a code"),
        ("[DEBT_COLLECTION_TEL]", "ANY", 5, "must be a list"),
        ("  bulk:", "  list:", 7, "`list` is not a key"),
        ("full_name: partial name", "full_nmae: partial name", 8, "no field `full_nmae`"),
        ("full_name: partial name", "full_name: clear", 8, "wider than the catalogue"),
        ("full_name: partial name", "full_name: partial", 8, "needs a form"),
        ("full_name: partial name", "full_name: partial phone_cn", 8, "needs a form"),
        ("full_name: partial name", "full_name: part name", 8, "`part` is not known"),
        ("full_name: partial name", "full_name: partial nom", 8, "`nom` is not known"),
        ("full_name: partial name", "full_name: redact name", 8, "takes no form"),
        ("full_name: partial name", "full_name: partial name 2", 8, "too many words"),
        ("full_name: partial name", "full_name: [partial]", 8, "must be a single value"),
        ("case_status: clear", "case_status: clear\n    full_name: drop", 11, "given twice"),
        ("case_status: clear", "case_status: pseudonym", 10, "not a reference"),
        ("case_status: clear", "case_status: {", 11, "not YAML"),
        ("case_status: clear", "case_status: clear\n---\na: b", 11, "second document"),
    ],
)
def test_a_mistake_is_refused_with_its_line(
    before: str, after: str, line: int, words: str
) -> None:
    error = _refusal(GOOD.replace(before, after))

    assert error.line == line
    assert words in error.reason
    assert error.way_out


@pytest.mark.parametrize("name", K3_NAMES)
@pytest.mark.parametrize("level", [level.word for level in Level if level is not Level.DROP])
def test_a_k3_field_can_be_named_at_drop_only(name: str, level: str) -> None:
    error = _refusal(f"{GOOD}    {name}: {level}\n")

    assert isinstance(error.__cause__, TooWideError)
    scope = load_policy(f"{GOOD}    {name}: drop\n".encode(), "alpha.yaml").scope(Stage.BULK)
    assert scope is not None
    assert name not in {rule.field for rule in scope.rules}


def test_the_cause_tells_programs_what_was_wrong() -> None:
    unknown = _refusal(GOOD.replace("case_status", "nothing"))
    form = _refusal(GOOD.replace("partial name", "partial account"))

    assert isinstance(unknown.__cause__, UnknownFieldError)
    assert isinstance(form.__cause__, WrongFormError)


def test_a_case_file_handed_in_by_mistake_is_not_quoted_back() -> None:
    assert "张三" not in str(_refusal("张三: 13812345678\n"))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"- a\n",
        b"\xff\xfe",
        b"a: \x00",
        b"#" * (MAX_BYTES + 1),
        b"[" * 100_000,
        b"*a",
        b"a: *b",
    ],
)
def test_what_is_not_a_policy_at_all_is_refused(data: bytes) -> None:
    with pytest.raises(PolicyFileError):
        load_policy(data, "alpha.yaml")


@given(st.text())
def test_no_text_raises_anything_but_the_file_error(text: str) -> None:
    try:
        load_policy((GOOD + text).encode("utf-8", "surrogatepass"), "alpha.yaml")
    except PolicyFileError as error:
        assert error.way_out  # noqa: PT017 - a text that happens to be valid raises nothing


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder.yaml").mkdir()

    with pytest.raises(PolicyFileError, match="cannot be read"):
        load_bundle(tmp_path)


def test_a_policy_without_a_stage_is_refused() -> None:
    text = GOOD[: GOOD.index("stages:")] + "stages: {}\n"

    assert "No stage" in _refusal(text).reason


def test_networks_are_read_in_cidr_form() -> None:
    text = GOOD + "networks: [203.0.113.0/28, 2001:db8::/32]\n"

    assert len(load_policy(text.encode(), "alpha.yaml").networks) == 2
    assert "CIDR" in _refusal(GOOD + "networks: [203.0.113.5/28]\n").reason
    assert "empty" in _refusal(GOOD + "networks: []\n").reason


def test_the_digest_follows_the_meaning_and_not_the_spelling() -> None:
    original = load_policy(GOOD.encode(), "a")
    respelt = GOOD.replace("from: 2026-01-01", "from: 2025-12-31T16:00:00Z") + "    cvv: drop\n"
    narrower = GOOD.replace("    case_status: clear\n", "")

    assert load_policy(f"# note\n{respelt}".encode(), "b").digest == original.digest
    assert load_policy(narrower.encode(), "a").digest != original.digest


def test_two_files_for_one_contract_are_refused(tmp_path: Path) -> None:
    (tmp_path / "contracts").mkdir()
    (tmp_path / "contracts" / "alpha.yaml").write_text(SIGNED, encoding="utf-8")
    (tmp_path / "a.yaml").write_text(GOOD, encoding="utf-8")
    (tmp_path / "b.yml").write_text(GOOD, encoding="utf-8")

    with pytest.raises(PolicyFileError, match=r"b\.yml: a\.yaml already holds"):
        load_bundle(tmp_path)


def test_one_wrong_file_refuses_the_whole_bundle(tmp_path: Path) -> None:
    (tmp_path / "contracts").mkdir()
    (tmp_path / "contracts" / "alpha.yaml").write_text(SIGNED, encoding="utf-8")
    (tmp_path / "a.yaml").write_text(GOOD, encoding="utf-8")
    (tmp_path / "b.yaml").write_text("vendor: beta\n", encoding="utf-8")

    with pytest.raises(PolicyFileError, match=r"b\.yaml"):
        load_bundle(tmp_path)


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PolicyFileError, match="folder"):
        load_bundle(tmp_path / "nowhere")


def test_the_packaged_bundle_holds_two_vendors_with_beta_the_narrower() -> None:
    bundle = load_packaged_bundle()
    alpha = bundle.policy("alpha", "alpha-2026")
    beta = bundle.policy("beta", "beta-2026")

    assert alpha is not None
    assert beta is not None
    for wide, narrow in zip(alpha.scopes, beta.scopes, strict=True):
        widest = {rule.field: rule.level for rule in wide.rules}
        assert all(rule.level <= widest[rule.field] for rule in narrow.rules)
        assert len(narrow.rules) < len(wide.rules)
