"""Pack files: what is read, what is refused with a way out, what the digest stands for."""

import importlib.resources
from datetime import timedelta
from pathlib import Path

import pytest

from policies.contact.calendar import china_calendar
from policies.contact.errors import NoPackError
from policies.contact.packs import default_packs, load_contact_packs, read_contact_pack
from policies.contact.rules import compile_contact_rules
from policies.errors import PolicyFileError
from policies.load import load_bundle
from tests.policies.contact.scene import (
    DEFAULTS,
    MONDAY,
    at,
    made_up,
    pack_text,
    packaged,
    situation,
    wish,
)

WINDOW = 'id: a, kind: time_window, from: "22:00:00", to: "08:00:00"'
CAP = "id: a, kind: cap, subject: debtor, counts: [attempt], max: 3, per: calendar_day"


def test_the_packs_of_china_are_in_force_by_default_and_the_others_are_not() -> None:
    names = {pack.pack_id for pack in default_packs(packaged().values())}
    assert names == {"company-seed", "cn-gbt45251-2025", "cn-cba-2026"}
    assert set(packaged()) - names == {"us-regf", "uk-conc7"}
    for pack in packaged().values():
        assert not pack.is_verified
        assert pack.source
        assert pack.begins < MONDAY


def test_policies_load_beside_the_packs() -> None:
    assert load_bundle(importlib.resources.files("policies"))


@pytest.mark.parametrize(
    ("rule", "words", "way_out"),
    [
        ("id: a, kind: permission", "kind of the rule", "Use one of"),
        (f"{WINDOW}, color: red", "not a key", "Use only"),
        (f"{WINDOW}, effect: permit", "not known", "deny, limit"),
        (f"{WINDOW}, effect: limit", "can only deny", "effect: deny"),
        (f"{WINDOW}, days: sometimes", "not known", "working"),
        (f"{WINDOW}, code: HOLD", "not known", "OUTSIDE_WINDOW_RED"),
        (f"{WINDOW}, except: window.blue", "no parameter", "parameters.py"),
        (f"{WINDOW}, unless: {{ reason: required }}", "missing", "Add"),
        (f"{WINDOW}, unless: {{ consent_scope: [anything] }}", "not known", "amber_time"),
        ('id: a, kind: time_window, from: "25:00:00", to: "08:00:00"', "not a time", "22:00"),
        ('id: a, kind: time_window, from: "08:00:00", to: "08:00:00"', "no length", "after"),
        (CAP.replace("calendar_day", "rolling_40_days"), "span", "rolling_N_days"),
        (CAP.replace("calendar_day", "fortnight"), "span", "rolling_N_days"),
        (CAP.replace("max: 3", "max: few"), "out of bounds", "0 to"),
        (CAP.replace("[attempt]", "[]"), "empty", "Name one"),
        (f"{CAP}, aggregate: [one_vendor]", "not known", "all_vendors"),
        ("id: a, kind: party, party: contact, unless: { any: [lost] }", "term", "definition"),
        (
            "id: a, kind: definition, name: debtor_deceased, any: [own_number_invalid]",
            "be",
            "name",
        ),
        ("id: a, kind: definition, name: lost, any: [a_feeling]", "prove", "consecutive_failed"),
        ("id: a, kind: agent", "missing", "status"),
        ("kind: hold", "missing", "id"),
        ("id: a, kind: hold, code: CASE_PAID", "means nothing", "two rules"),
        ("id: a, kind: medium, validity: wrong, applies_to: [sms]", "means nothing", "two rules"),
    ],
)
def test_a_wrong_rule_is_refused_with_line_and_way_out(
    rule: str, words: str, way_out: str
) -> None:
    with pytest.raises(PolicyFileError) as caught:
        made_up("id: before, kind: hold", rule)
    assert (caught.value.file, caught.value.line) == ("packs/test-pack.yaml", 10)
    assert words in caught.value.reason
    assert way_out in caught.value.way_out


def test_two_rules_of_one_id_are_refused() -> None:
    with pytest.raises(PolicyFileError, match="same id"):
        made_up(WINDOW, WINDOW)


def test_the_digest_is_of_the_meaning() -> None:
    digest = made_up(WINDOW).digest
    reordered = 'to: "08:00:00", from: "22:00:00", kind: time_window, id: a, note: as agreed'
    assert made_up(reordered).digest == digest
    assert made_up(WINDOW.replace("22:", "21:")).digest != digest
    assert made_up(WINDOW, begins="2026-01-01").digest != digest
    assert made_up(WINDOW, name="other").digest != digest


def test_a_parameter_is_part_of_the_meaning_and_decides() -> None:
    text = packaged()["company-seed"].text
    wide = read_contact_pack(text, "x", {**DEFAULTS, "window.green": "every day 08:30-20:00"})
    assert wide.digest != packaged()["company-seed"].digest

    rules = compile_contact_rules([wide], china_calendar())
    assert rules.codes(wish(at("2026-11-21 19:59")), situation()) == ()
    assert rules.codes(wish(at("2026-11-21 20:00")), situation()) == ("HOLIDAY_NO_CONSENT",)
    assert rules.codes(wish(at("2026-11-23 08:29")), situation()) == (
        "OUTSIDE_WINDOW_AMBER_NO_CONSENT",
    )


@pytest.mark.parametrize("hours", ["working days 07:00-18:00", "always", "every day 20:00-09:00"])
def test_green_hours_lie_inside_the_day(hours: str) -> None:
    text = packaged()["company-seed"].text
    with pytest.raises(PolicyFileError, match="08:00-22:00"):
        read_contact_pack(text, "packs/company-seed.yaml", {**DEFAULTS, "window.green": hours})


def test_while_a_parameter_is_undecided_nothing_is_granted() -> None:
    text = packaged()["company-seed"].text
    pack = read_contact_pack(text, "x", {**DEFAULTS, "consent.max_days": None})
    rules = compile_contact_rules([pack], china_calendar())
    assert rules.codes(wish(), situation()) == ("PARAMETER_UNSET",)


def test_without_a_pack_nothing_is_decided_and_before_one_begins_nothing_granted() -> None:
    with pytest.raises(NoPackError):
        compile_contact_rules([], china_calendar())
    rules = compile_contact_rules([made_up(WINDOW, begins="2027-01-01")], china_calendar())
    decision = rules.decide(wish(), situation())
    assert (decision.codes, decision.allowed_from) == (("PARAMETER_UNSET",), None)


def test_a_pack_binds_from_its_first_instant_to_its_last() -> None:
    base = made_up("id: night, kind: hold", name="base")
    guest = made_up(
        "id: a, kind: caller, when: not_registered", begins="2026-11-23", ends="2026-11-24"
    )
    rules = compile_contact_rules([base, guest], china_calendar())
    known = situation(is_caller_registered=False)
    instant = timedelta(microseconds=1)
    begins, ends = at("2026-11-23 00:00"), at("2026-11-24 00:00")

    assert rules.codes(wish(begins - instant), known) == ()
    assert rules.codes(wish(begins), known) == ("CALLER_NUMBER_UNREGISTERED",)
    assert rules.decide(wish(begins), known).allowed_from == ends
    assert rules.codes(wish(ends - instant), known) == ("CALLER_NUMBER_UNREGISTERED",)
    assert rules.codes(wish(ends), known) == ()


def test_every_rule_that_said_no_is_named_with_its_pack() -> None:
    rules = compile_contact_rules(packaged().values(), china_calendar())
    fired = rules.decide(wish(at("2026-11-23 23:00")), situation()).fired
    assert [(one.pack, one.rule_id) for one in fired] == [
        ("cn-cba-2026", "cba.window.red"),
        ("cn-gbt45251-2025", "gbt.window.red"),
        ("company-seed", "seed.window.night"),
        ("us-regf", "regf.window"),
    ]
    assert {one.version for one in fired} == {"0.9.0", "1.1.0", "0.10.0"}


def test_a_folder_is_read_with_its_own_parameters(tmp_path: Path) -> None:
    folder = tmp_path / "packs"
    folder.mkdir()
    (folder / "one.yaml").write_text(pack_text(WINDOW))
    (pack,) = load_contact_packs(tmp_path)
    assert (pack.pack_id, pack.text) == ("test-pack", pack_text(WINDOW))

    (folder / "two.yaml").write_text(pack_text(WINDOW))
    with pytest.raises(PolicyFileError, match="already holds this name"):
        load_contact_packs(tmp_path)
