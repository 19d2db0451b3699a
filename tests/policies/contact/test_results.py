"""Result codes: what each counts as, and what follows from it."""

import importlib.resources

import pytest
import yaml

from policies.contact.errors import UnknownCodeError
from policies.contact.model import CallKind, Measure
from policies.contact.results import load_results, measures_of, possible_measures, results_of
from policies.documents import parse_document
from policies.errors import PolicyFileError

RESULTS = load_results()
TALK, NOTICE = CallKind.INTERACTIVE, CallKind.NOTIFY
TRIED = Measure.ATTEMPT | Measure.UNANSWERED


@pytest.mark.parametrize(
    ("code", "talk", "notice"),
    [
        ("NOT_DIALED", 0, 0),
        ("NO_ANSWER", TRIED, TRIED),
        ("INVALID_NUMBER", TRIED, TRIED),
        ("VOICEMAIL", TRIED, TRIED | Measure.CONNECTED_NOTIFY),
        ("CONNECT_DROP", Measure.ATTEMPT, Measure.ATTEMPT | Measure.CONNECTED_NOTIFY),
        (
            "RPC_PTP",
            Measure.ATTEMPT | Measure.EFFECTIVE | Measure.CONVERSATION,
            Measure.ATTEMPT | Measure.CONNECTED_NOTIFY | Measure.CONVERSATION,
        ),
        ("INBOUND", Measure.CONVERSATION_INBOUND, Measure.CONVERSATION_INBOUND),
    ],
)
def test_a_call_counts_as_its_kind_and_its_end(code: str, talk: int, notice: int) -> None:
    assert measures_of(code, TALK) == talk
    assert measures_of(code, NOTICE) == notice


@pytest.mark.parametrize("kind", list(CallKind))
def test_no_call_ends_as_more_than_it_counted_for_while_open(kind: CallKind) -> None:
    for code in RESULTS:
        if code.code != "INBOUND":  # begun by the debtor: no permit ends so
            assert code.measures(kind) & ~possible_measures(kind) == 0


def test_an_unknown_code_is_refused_and_long_text_not_repeated() -> None:
    with pytest.raises(UnknownCodeError, match="`PTP`"):
        RESULTS.code("PTP")
    with pytest.raises(UnknownCodeError) as caught:
        measures_of("the customer said " * 9, TALK)
    assert "customer" not in str(caught.value)
    assert RESULTS.get("rpc_ptp") is None


def test_only_a_permit_for_a_contact_person_ends_with_one() -> None:
    assert {code.code for code in RESULTS if code.needs_contact_person} == {
        "THIRD_PARTY_RELAY",
        "THIRD_PARTY_REFUSE",
    }
    assert RESULTS.code("THIRD_PARTY_REFUSE").opts_out


def test_what_a_result_sets_off_is_known_where_it_is_kept() -> None:
    source = importlib.resources.files("policies").joinpath("catalog", "requests.yaml")
    known = yaml.safe_load(source.read_text(encoding="utf-8"))
    types = {item["type"] for item in known["requests"]}
    holding = {item["type"] for item in known["requests"] if item["hold"]}
    for code in RESULTS:
        assert code.request is None or code.request in types, code.code
        holds = {None, "cease_request", *holding, *known["holds"]}
        assert code.hold in holds, code.code


def test_what_reached_nobody_took_no_talk() -> None:
    for code in RESULTS:
        assert not (code.is_failed and code.needs_talk)
        if code.is_failed:
            assert code.counts & Measure.UNANSWERED
        if code.counts & Measure.EFFECTIVE:
            assert code.needs_talk


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("counts: [attempt]", "counts: [guess]"),
        ("party: self", "party: everybody"),
        ("code: B", "code: A"),
        ("talk: yes", "talk: maybe"),
        ("opt_out: yes", "forgive: yes"),
    ],
)
def test_a_wrong_catalogue_is_refused(old: str, new: str) -> None:
    line = "connected: yes, party: self, counts: [attempt], failed: no, talk: yes"
    text = (
        f"results:\n  - {{ code: A, words: 甲, {line} }}\n"
        f"  - {{ code: B, words: 乙, {line}, sets: {{ opt_out: yes }} }}\n"
    )
    assert len(results_of(parse_document(text.encode(), "results.yaml"))) == 2
    with pytest.raises(PolicyFileError):
        results_of(parse_document(text.replace(old, new).encode(), "results.yaml"))
