"""What holds of any rules and any history: more rules never permit more, and no cap is passed."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from policies.contact.calendar import china_calendar
from policies.contact.hours import Days, Hours
from policies.contact.model import (
    CallKind,
    Channel,
    Consent,
    ConsentScope,
    ContactRequest,
    Measure,
    PartyRole,
    PastContact,
    Preference,
    Situation,
)
from policies.contact.packs import ContactPack
from policies.contact.results import load_results, possible_measures
from policies.contact.rules import ContactRules, compile_contact_rules
from tests.policies.contact.scene import (
    AGENT,
    CARD,
    CHINA,
    FRIEND,
    LOAN,
    MONDAY,
    OWN,
    chinese,
    made_up,
    only,
    packaged,
    situation,
)

INSTANT = timedelta(microseconds=1)
ZONES = (CHINA, "Asia/Urumqi", "America/New_York", "Pacific/Apia")
RESULTS = sorted(code.code for code in load_results())
TERM = "any: [own_number_invalid, consecutive_failed_contacts_gte_{}]"

hours = st.integers(0, 23)
rules = st.one_of(
    st.builds(
        'kind: time_window, from: "{:02}:00:00", to: "{:02}:30:00", days: {}, {}'.format,
        hours,
        hours,
        st.sampled_from(["every", "working", "resting"]),
        st.sampled_from(
            [
                "effect: deny",
                "except: window.green",
                "unless: { consent_scope: [amber_time, red_time] }",
                "unless: { consent_scope: [amber_time], captured: outside_window }",
            ]
        ),
    ),
    st.builds(
        "kind: cap, subject: {}, counts: [{}], max: {}, per: {}".format,
        st.sampled_from(["debtor", "debtor_debt", "contact_point"]),
        st.sampled_from(["attempt", "unanswered_attempt", "effective_call"]),
        st.integers(0, 5),
        st.sampled_from(["calendar_day", "rolling_3_days", "calendar_month"]),
    ),
    st.builds(
        "kind: cooldown, subject: debtor, after: [conversation_outbound], days: {},"
        " first_day: event_day, {}".format,
        st.integers(1, 9),
        st.sampled_from(["effect: deny", "unless: { consent_scope: [extra_calls] }"]),
    ),
    st.builds("kind: consent, max_days: {}, first_day: capture_day".format, st.integers(1, 9)),
    st.builds(f"kind: definition, name: lost, {TERM}".format, st.integers(1, 4)),
    st.just("kind: party, party: contact, unless: { any: [lost, debtor_deceased] }"),
    st.just("kind: hold"),
    st.builds(
        "kind: preference, {}".format,
        st.sampled_from(["effect: deny", "unless: { consent_scope: [amber_time, red_time] }"]),
    ),
    st.just(
        "kind: party, party: contact, when: reached, unless: { consent_scope: [third_party] }"
    ),
    st.just("kind: caller, when: not_registered"),
)
FIRST = (
    f"id: base.lost, kind: definition, name: lost, {TERM.format(2)}",
    'id: base.night, kind: time_window, from: "23:00:00", to: "06:00:00"',
)


def _pack(lines: list[str], name: str) -> ContactPack:
    named = [f"id: {name}.{number}, {line}" for number, line in enumerate(lines)]
    base = [line.replace("base.", f"{name}.base.") for line in FIRST]
    return made_up(*base, *named, name=name)


def _preferences(now: datetime) -> st.SearchStrategy[Preference]:
    spans = st.builds(Hours, st.builds(time, hours), st.builds(time, hours), st.sampled_from(Days))
    return st.builds(
        Preference,
        st.lists(spans, min_size=1, max_size=2).map(tuple),
        st.integers(0, 9_000).map(lambda minutes: now - timedelta(minutes=minutes)),
        st.none() | st.integers(-1, 2).map(lambda days: (now + timedelta(days=days)).date()),
    )


@st.composite
def _scenes(draw: st.DrawFn) -> tuple[ContactRequest, Situation]:
    now = (MONDAY + timedelta(minutes=draw(st.integers(-90_000, 90_000)))).astimezone(UTC)
    party = draw(st.sampled_from([PartyRole.DEBTOR, PartyRole.DEBTOR, PartyRole.CONTACT]))
    zones = tuple(draw(st.lists(st.sampled_from(ZONES), min_size=1, max_size=2, unique=True)))
    history = []
    for minutes in sorted(draw(st.lists(st.integers(0, 12_000), max_size=9)), reverse=True):
        code = load_results().code(draw(st.sampled_from(RESULTS)))
        kind = draw(st.sampled_from(CallKind))
        history.append(
            PastContact(
                now - timedelta(minutes=minutes),
                draw(st.sampled_from([OWN, FRIEND])),
                draw(st.sampled_from([CARD, LOAN])),
                Channel.VOICE_HUMAN,
                code.measures(kind),
                code.code,
                is_failed=code.is_failed,
            )
        )
    consents = []
    for number in range(draw(st.integers(0, 2))):
        begins = now + timedelta(minutes=draw(st.integers(-600, 600)))
        captured = now - timedelta(minutes=draw(st.integers(0, 9_000)))
        ends = begins + timedelta(minutes=draw(st.integers(1, 2_000)))
        scope = draw(st.sampled_from(ConsentScope))
        consents.append(Consent(f"consent-{number}", scope, captured, begins, ends))
    request = ContactRequest(
        now,
        Channel.VOICE_HUMAN,
        draw(st.sampled_from(CallKind)),
        party,
        OWN if party is PartyRole.DEBTOR else FRIEND,
        CARD,
        zones,
        draw(st.sampled_from([None, "ASKED"])),
    )
    known = situation(
        history=tuple(history),
        consents=tuple(consents),
        holds=frozenset(draw(st.lists(st.just("fraud_claim"), max_size=1))),
        facts=frozenset(draw(st.lists(st.sampled_from(["debtor_deceased"]), max_size=1))),
        is_caller_registered=draw(st.booleans()),
        preference=draw(st.none() | _preferences(now)),
        is_point_reached=draw(st.booleans()),
        agent=draw(st.sampled_from([AGENT, AGENT, replace(AGENT, status="suspended")])),
    )
    return request, known


scenes = _scenes()
lists_of_rules = st.lists(rules, max_size=4)


@settings(max_examples=120, deadline=None)
@given(lists_of_rules, lists_of_rules, lists_of_rules, scenes)
def test_a_further_rule_or_pack_never_permits_more(
    some: list[str],
    more: list[str],
    other: list[str],
    scene: tuple[ContactRequest, Situation],
) -> None:
    few = compile_contact_rules([_pack(some, "one")], china_calendar())
    longer = compile_contact_rules([_pack(some + more, "one")], china_calendar())
    both = compile_contact_rules([_pack(some, "one"), _pack(other, "two")], china_calendar())

    codes = set(few.codes(*scene))
    assert codes <= set(longer.codes(*scene))
    assert codes <= set(both.codes(*scene))


@settings(max_examples=80, deadline=None)
@given(scenes)
def test_each_packaged_pack_only_tightens_the_others(
    scene: tuple[ContactRequest, Situation],
) -> None:
    everything = set(only(*packaged()).codes(*scene))
    for name in packaged():
        rest = only(*(other for other in packaged() if other != name))
        assert set(rest.codes(*scene)) <= everything
        assert set(only(name).codes(*scene)) <= everything


@settings(max_examples=80, deadline=None)
@given(lists_of_rules, scenes)
def test_a_decision_is_pure_and_knows_no_order(
    some: list[str], scene: tuple[ContactRequest, Situation]
) -> None:
    packs = [_pack(some, "one"), *packaged().values()]
    request, known = scene
    turned = replace(known, history=known.history[::-1], consents=known.consents[::-1])
    one = compile_contact_rules(packs, china_calendar())
    two = compile_contact_rules(packs[::-1], china_calendar())

    decision = one.decide(request, known)
    assert one.decide(request, known) == decision
    assert two.decide(request, known) == decision
    assert two.decide(request, turned) == decision
    assert one.codes(request, known) == decision.codes
    assert one.digest == two.digest


@settings(max_examples=120, deadline=None)
@given(st.one_of(st.none(), lists_of_rules), scenes)
def test_the_moment_that_is_named_is_granted_and_none_before_it(
    some: list[str] | None, scene: tuple[ContactRequest, Situation]
) -> None:
    request, known = scene
    asked = (
        chinese()
        if some is None
        else compile_contact_rules([_pack(some, "one")], china_calendar())
    )
    moment = asked.decide(request, known).allowed_from
    if moment is None:
        return
    assert moment > request.at
    assert asked.codes(replace(request, at=moment), known) == ()
    assert asked.codes(replace(request, at=moment - INSTANT), known) != ()
    for number in range(1, 30):
        between = request.at + (moment - request.at) * number / 30
        assert asked.codes(replace(request, at=between), known) != ()


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(1, 300),
            st.sampled_from(CallKind),
            st.sampled_from([OWN, FRIEND]),
            st.sampled_from(["NO_ANSWER", "RPC_PTP", "CONNECT_DROP", None]),
        ),
        min_size=20,
        max_size=60,
    )
)
def test_what_is_granted_never_passes_a_cap(
    wishes: list[tuple[int, CallKind, str, str | None]],
) -> None:
    """Asked for again and again, counted here by plain dates, apart from the engine."""
    asked: ContactRules = chinese()
    now = MONDAY.astimezone(UTC)
    history: list[PastContact] = []
    days: Counter[tuple[object, ...]] = Counter()
    for minutes, kind, point, result in wishes:
        now += timedelta(minutes=minutes)
        request = ContactRequest(
            now, Channel.VOICE_HUMAN, kind, PartyRole.DEBTOR, point, CARD, (CHINA,)
        )
        if not asked.decide(request, situation(history=tuple(history))).is_granted:
            continue
        counts = possible_measures(kind)
        if result is not None:
            counts = load_results().measures_of(result, kind)
        history.append(PastContact(now, point, CARD, Channel.VOICE_HUMAN, counts, result))
        day = _day(now)
        days["talk", day] += bool(counts & Measure.EFFECTIVE)
        days["notice", day] += bool(counts & Measure.CONNECTED_NOTIFY)
        days["try", day, point] += bool(counts & Measure.UNANSWERED)
    for (what, *_), count in days.items():
        assert count <= {"talk": 3, "notice": 3, "try": 6}[str(what)]


def _day(moment: datetime) -> str:
    return moment.astimezone(ZoneInfo(CHINA)).date().isoformat()


@settings(max_examples=120, deadline=None)
@given(lists_of_rules, scenes, st.integers(1, 3_000))
def test_what_may_begin_later_is_what_the_whole_answer_says_of_later(
    some: list[str], scene: tuple[ContactRequest, Situation], minutes: int
) -> None:
    rules = compile_contact_rules([_pack(some, "one")], china_calendar())
    request, known = scene
    later = request.at + timedelta(minutes=minutes)
    if not rules.codes(request, known):
        whole = not rules.codes(replace(request, at=later), known)
        assert rules.is_open_later(request, known, later) == whole
