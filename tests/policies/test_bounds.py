"""No file passes its profile without a reason, its contract, or a law pack in force."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.contracts import verify_within
from policies.documents import Place
from policies.errors import PolicyFileError
from policies.fields import FieldClass, Level, Stage, load_field_catalog
from policies.library import library_of
from policies.load import load_folder, read_policy, reread_policy
from tests.policies.folder import CONTRACT, INSIDE, PACK, POLICY, PROFILE, write_folder

HOME = "    full_name: redact\n    home_phone: partial phone_cn\n"


def _refusal(folder: Path, **texts: str) -> PolicyFileError:
    with pytest.raises(PolicyFileError) as caught:
        load_folder(write_folder(folder, **texts))
    return caught.value


def test_a_policy_takes_its_profiles_lines_and_its_own(tmp_path: Path) -> None:
    (loaded,) = load_folder(write_folder(tmp_path))

    words = {field: line.rule.words for field, line in loaded.stages[Stage.BULK].items()}
    assert words == {
        "case_ref": "pseudonym",
        "full_name": "redact",
        "mobile_phone": "partial phone_cn",
    }
    assert str(loaded.stages[Stage.BULK]["case_ref"].place) == "profiles/short.yaml, line 4"
    assert str(loaded.stages[Stage.BULK]["full_name"].place) == "gamma.yaml, line 9"


def test_a_line_wider_than_the_profile_needs_a_reason(tmp_path: Path) -> None:
    wide = POLICY.replace("    full_name: redact\n", HOME)

    error = _refusal(tmp_path, policy=wide + INSIDE, pack=PACK.replace("home_phone", "work_phone"))
    assert (error.file, error.line) == ("gamma.yaml", 10)
    assert "wider than the profile (drop)" in error.reason

    reasoned = wide + INSIDE + "wider: { home_phone: no mobile in old files }\n"
    texts = {"policy": reasoned, "pack": PACK.replace("home_phone", "work_phone")}
    (loaded,) = load_folder(write_folder(tmp_path, **texts))
    assert loaded.stages[Stage.BULK]["home_phone"].reason == "no mobile in old files"


@pytest.mark.parametrize(
    ("addition", "words"),
    [
        ("wider: { full_name: because }\n", "no line of it is wider"),
        ("inherits: long\n", "given twice"),
    ],
)
def test_a_reason_without_need_and_a_second_profile_are_refused(
    tmp_path: Path, addition: str, words: str
) -> None:
    assert words in _refusal(tmp_path, policy=POLICY + INSIDE + addition).reason


def test_an_unknown_profile_is_named_with_the_known_ones(tmp_path: Path) -> None:
    error = _refusal(tmp_path, policy=POLICY.replace("short", "long") + INSIDE)

    assert error.line == 6
    assert "short" in error.way_out


def test_without_a_signed_contract_nothing_loads(tmp_path: Path) -> None:
    error = _refusal(tmp_path, contract=CONTRACT.replace("vendor: gamma", "vendor: delta"))

    assert "no signed contract" in error.reason
    assert error.line == 3


@pytest.mark.parametrize(
    ("before", "after", "line", "words"),
    [
        ("to: 2026-12-31", "to: 2027-01-01", 4, "term reaches beyond"),
        ("[DEBT_COLLECTION_TEL]", "[DEBT_COLLECTION_TEL, MARKETING]", 5, "A purpose"),
        ("203.0.113.0/28", "198.51.100.0/28", 10, "A network"),
        ("networks: [203.0.113.0/28]\n", "", 1, "A network"),
        ("stage: [M1]", "stage: [M1, M3]", 11, "outside the contract"),
        ("stage: [M1], ", "", 11, "outside the contract"),
        ("hold: none", "hold: any", 11, "under a hold"),
        ("pull_cases_per_day: 500", "pull_cases_per_day: 501", 12, "quota is larger"),
        ("quotas: { pull_cases_per_day: 500 }\n", "", 1, "quota is larger"),
        ("pull_cases_per_day: 500", "reveals_per_day: 51, pull_cases_per_day: 5", 12, "quota"),
        ("quotas:", "free_text: redacted\nquotas:", 12, "More free text"),
    ],
)
def test_a_policy_wider_than_its_contract_is_refused_with_both_places(
    tmp_path: Path, before: str, after: str, line: int, words: str
) -> None:
    error = _refusal(tmp_path, policy=(POLICY + INSIDE).replace(before, after))

    assert (error.file, error.line) == ("gamma.yaml", line)
    assert words in error.reason
    assert "contracts/gamma-2026.yaml" in error.reason


def test_numbers_in_notes_that_were_not_signed_are_refused(tmp_path: Path) -> None:
    notes = "free_text: redacted\n"
    policy = (POLICY + INSIDE).replace("quotas:", f"{notes}placeholders: numbered\nquotas:")

    error = _refusal(
        tmp_path, policy=policy, contract=CONTRACT.replace("free_text: codes\n", notes)
    )

    assert "Notes tell more" in error.reason


def test_a_field_wider_than_the_contract_is_refused_even_when_a_profile_lends_it(
    tmp_path: Path,
) -> None:
    narrow = CONTRACT.replace("    mobile_phone: partial phone_cn\n", "", 1)

    error = _refusal(tmp_path, contract=narrow)

    assert (error.file, error.line) == ("profiles/short.yaml", 6)
    assert "signed contract" in error.reason


def test_a_law_pack_in_force_binds_what_a_contract_allows(tmp_path: Path) -> None:
    wide = POLICY.replace("    full_name: redact\n", HOME) + INSIDE
    wide += "wider: { home_phone: agreed }\n"

    error = _refusal(tmp_path, policy=wide)

    assert (error.file, error.line) == ("gamma.yaml", 10)
    assert "law.home" in error.reason
    assert "packs/test-law.yaml, line 9" in error.reason


def test_a_pack_whose_time_is_over_binds_nobody(tmp_path: Path) -> None:
    wide = POLICY.replace("    full_name: redact\n", HOME) + INSIDE
    wide += "wider: { home_phone: agreed }\n"
    over = PACK.replace("from: 2026-03-01", "from: 2024-03-01").replace(
        "to: null", "to: 2025-06-01"
    )

    assert load_folder(write_folder(tmp_path, policy=wide, pack=over))


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("kind: time_window", "kind: horoscope", "not known"),
        ("[home_phone]", "[home_fone]", "not known"),
        ("fields: [home_phone], ", "", "names no field"),
        ("status: unverified", "status: perhaps", "not known"),
    ],
)
def test_a_damaged_pack_is_refused(tmp_path: Path, before: str, after: str, words: str) -> None:
    assert words in _refusal(tmp_path, pack=PACK.replace(before, after)).reason


def test_numbers_dialled_by_a_token_are_not_handed_out(tmp_path: Path) -> None:
    clear = POLICY.replace("stages:\n", "wider: { mobile_phone: needed }\nstages:\n")
    clear += "  permit: { mobile_phone: clear }\n"

    error = _refusal(tmp_path, policy=clear + INSIDE)
    assert "dialled by a token" in error.reason

    revealed = clear + INSIDE.replace(
        "500 }", "500, reveals_per_day: 20, reveals_per_agent_day: 5 }"
    )
    assert load_folder(write_folder(tmp_path, policy=revealed + "numbers: reveal_once\n"))


def test_what_was_kept_gives_the_same_policy_again(tmp_path: Path) -> None:
    (loaded,) = load_folder(write_folder(tmp_path))
    (tmp_path / "profiles" / "short.yaml").write_text("profile: short\n", encoding="utf-8")

    again = reread_policy(loaded.text, loaded.file, loaded.sources, load_field_catalog())

    assert again.policy == loaded.policy


@given(
    st.dictionaries(
        st.sampled_from([field.name for field in load_field_catalog()]),
        st.sampled_from(list(Level)),
        min_size=1,
    )
)
def test_no_random_scope_is_wider_than_catalogue_contract_and_packs(
    levels: dict[str, Level],
) -> None:
    catalog = load_field_catalog()
    lines = "".join(
        f"    {name}: {_words(name, level)}\n" for name, level in sorted(levels.items())
    )
    text = POLICY.replace("inherits: short\n", "").replace("    full_name: redact\n", lines)
    texts = {
        "profiles/short.yaml": PROFILE,
        "contracts/gamma-2026.yaml": CONTRACT,
        "packs/test-law.yaml": PACK,
    }
    library = library_of(texts, catalog)
    try:
        loaded = read_policy(text + INSIDE, "gamma.yaml", library)
    except PolicyFileError as error:
        assert error.way_out  # noqa: PT017 - most random scopes are refused
        return
    signed = library.contracts["gamma", "gamma-2026"].stages[Stage.BULK]
    for scope in loaded.policy.scopes:
        for rule in scope.rules:
            known = catalog.field(rule.field)
            assert known.field_class is not FieldClass.K3
            assert rule.level <= known.widest(scope.stage)
            assert rule.level <= signed[rule.field].rule.level
            assert rule.field != "home_phone"
    verify_within(
        loaded.policy,
        loaded.stages,
        {"": Place("gamma.yaml", 1)},
        library.contracts["gamma", "gamma-2026"],
    )


def _words(name: str, level: Level) -> str:
    forms = [form.word for form in load_field_catalog().field(name).forms if form.level is level]
    return f"{level.word} {forms[0]}" if forms else level.word
