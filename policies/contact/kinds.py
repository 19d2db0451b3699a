"""The kinds of contact rules: which keys each has in a pack file, and what becomes of them."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType

from policies.contact.excuses import ConsentBound
from policies.contact.hours import Days, Hours, green_hours
from policies.contact.model import ConsentScope, DenyCode, Measure, PartyRole, PointValidity
from policies.contact.parties import FACTS, Definition, OnceRule, PartyRule
from policies.contact.preferences import PreferenceRule
from policies.contact.standings import (
    AgentRule,
    CallerRule,
    CaseRule,
    HoldRule,
    MediumRule,
    NumberRule,
    OptOutRule,
    ScriptRule,
    UnsetRule,
)
from policies.contact.tallies import MONTH, Cap, Cooldown, Subject, Tally
from policies.contact.terms import PARTIES, SCOPES, RuleLines, UnsetParameterError
from policies.contact.windows import TimeWindow
from policies.documents import Document, Node
from policies.elements import identifier_of

DenyRule = (
    TimeWindow
    | Cap
    | Cooldown
    | PreferenceRule
    | PartyRule
    | OnceRule
    | CallerRule
    | AgentRule
    | ScriptRule
    | HoldRule
    | CaseRule
    | MediumRule
    | NumberRule
    | OptOutRule
    | UnsetRule
)
ContactRule = DenyRule | Definition | ConsentBound

# A rule says no, or limits what may be said; there is no word for a rule that permits.
_EFFECTS = {"deny": False, "limit": True}
_EVERY_RULE = frozenset({"id", "kind", "effect", "note", "mark", "clause"})
# The history goes back 32 days.
_LONGEST_DAYS = 31
_ROLLING = re.compile(r"rolling_([1-9][0-9]?)_days")
_FAILURES = re.compile(r"consecutive_failed_contacts_gte_([1-9][0-9]?)")
_TERM = re.compile(r"[a-z][a-z_]{0,47}")
_EXEMPT = "direct_prior_consent"
_NOT_CONNECTED = "not_connected_to_dialed_number"
_COUNTS = {
    "attempt": Measure.ATTEMPT,
    "unanswered_attempt": Measure.UNANSWERED,
    "connected_notify_call": Measure.CONNECTED_NOTIFY,
    "effective_call": Measure.EFFECTIVE,
    "conversation_outbound": Measure.CONVERSATION,
    "conversation_inbound": Measure.CONVERSATION_INBOUND,
}
_WINDOW_CODES = {
    code.value: code
    for code in (
        DenyCode.OUTSIDE_WINDOW_RED,
        DenyCode.OUTSIDE_WINDOW_AMBER_NO_CONSENT,
        DenyCode.HOLIDAY_NO_CONSENT,
    )
}
_CASE_CODES = {
    code.value: code for code in (DenyCode.HOLD, DenyCode.CASE_PAID, DenyCode.RECALL_PENDING)
}
_DAYS = {days.value: days for days in Days}
_SUBJECTS = {subject.value: subject for subject in Subject}
_TOPICS = {topic: topic for topic in ("ask_contact_details", "relay_message")}


def rule_of(
    document: Document, node: Node, parameters: Mapping[str, str | None]
) -> ContactRule | None:
    """Read one rule; None when its kind belongs to data scopes, PolicyFileError when it is wrong.

    A kind or a key that is not known is an error: a rule that was read by halves would permit.
    """
    mapping = document.mapping(node, "A rule")
    entries = {key.text: value for key, value in mapping.entries}
    kind = document.text(document.required(entries, "kind", line=node.line), "`kind`")
    if kind == "data_scope":
        return None
    if kind not in _KINDS:
        document.fail(
            node.line,
            "The kind of the rule is not known.",
            f"Use one of {', '.join(sorted({'data_scope', *_KINDS}))}.",
        )
    keys, read = _KINDS[kind]
    document.entries(mapping, known=keys | _EVERY_RULE, what=f"a rule of kind {kind}")
    lines = RuleLines(document, entries, node.line, parameters)
    rule_id = identifier_of(document, lines.required("id"), "`id`")
    if "effect" in entries and lines.choice("effect", _EFFECTS) and kind != "party":
        document.fail(node.line, f"A rule of kind {kind} can only deny.", "Write effect: deny.")
    try:
        return read(rule_id, lines)
    except UnsetParameterError as error:
        return UnsetRule(rule_id, error.name)


def _window(rule_id: str, lines: RuleLines) -> ContactRule:
    spared = None
    if "except" in lines.entries:
        node = lines.entries["except"]
        spared = green_hours(lines.parameter(node))
        if spared is None:
            lines.document.fail(
                node.line,
                "The parameter does not hold hours inside 08:00-22:00.",
                "Write `working days 09:00-18:00` or `every day 09:00-20:00` there.",
            )
    begins, ends = lines.time("from"), lines.time("to")
    if begins == ends:
        lines.document.fail(lines.line, "The window has no length.", "Set `to` after `from`.")
    return TimeWindow(
        rule_id,
        Hours(
            begins, ends, lines.choice("days", _DAYS) if "days" in lines.entries else Days.EVERY
        ),
        lines.channels(),
        lines.choice("code", _WINDOW_CODES)
        if "code" in lines.entries
        else DenyCode.OUTSIDE_WINDOW_RED,
        spared,
        lines.excuse(),
    )


def _tally(lines: RuleLines, days: int, counted: str) -> Tally:
    measures = 0
    for measure in lines.choices(counted, _COUNTS):
        measures |= int(measure)
    results = lines.names("results")
    if not measures and not results:
        lines.document.fail(lines.line, "The rule counts nothing.", f"Add `{counted}:`.")
    # Whose contacts are counted is not a choice: a file may say so, but nothing less.
    lines.choices("initiated_by", {"company": 0, "vendor": 1})
    lines.choices("aggregate", {"company": 0, "all_vendors": 1})
    excluded = lines.choices("exclude", {word: word for word in (_EXEMPT, _NOT_CONNECTED)})
    return Tally(
        lines.choice("subject", _SUBJECTS),
        measures,
        days,
        lines.channels(),
        lines.choices("party", PARTIES, tuple(PartyRole)),
        results,
        frozenset({"INVALID_NUMBER"}) if _NOT_CONNECTED in excluded else frozenset(),
        _EXEMPT in excluded,
    )


def _cap(rule_id: str, lines: RuleLines) -> ContactRule:
    node = lines.required("per")
    text = lines.document.text(node, "`per`")
    rolling = _ROLLING.fullmatch(text)
    days = int(rolling[1]) if rolling else {"calendar_day": 1, "calendar_month": MONTH}.get(text)
    if days is None or days > _LONGEST_DAYS:
        lines.document.fail(
            node.line,
            "The span of the cap is not known.",
            f"Use calendar_day, calendar_month, or rolling_N_days with N up to {_LONGEST_DAYS}.",
        )
    most = lines.number("max", least=0, most=1_000)
    return Cap(rule_id, _tally(lines, days, "counts"), most, lines.excuse())


def _cooldown(rule_id: str, lines: RuleLines) -> ContactRule:
    lines.choice("first_day", {"event_day": True})
    days = lines.number("days", least=1, most=_LONGEST_DAYS)
    return Cooldown(rule_id, _tally(lines, days, "after"), lines.excuse())


def _party(rule_id: str, lines: RuleLines) -> ContactRule:
    parties = lines.choices("party", PARTIES)
    if not parties:
        lines.required("party")
    if "when" in lines.entries:
        if lines.choice("when", {"opted_out": False, "reached": True}):
            lines.verify_without("when", "topics")
            return OnceRule(rule_id, parties, lines.excuse())
        lines.verify_without("when", "unless", "topics")
        return OptOutRule(rule_id, parties)
    topics = None
    if "topics" in lines.entries:
        topics = lines.choices("topics", _TOPICS)
    terms: frozenset[str] = frozenset()
    if "unless" in lines.entries:
        node = lines.entries["unless"]
        mapping = lines.document.mapping(node, "`unless`")
        known = lines.document.entries(
            mapping, known=frozenset({"any"}), what="`unless` of a party rule"
        )
        listed = lines.document.required(known, "any", line=node.line)
        terms = frozenset(item.text for item in lines.document.texts(listed, "`any`"))
    is_limit = "effect" in lines.entries and lines.choice("effect", _EFFECTS)
    if is_limit and (terms or topics is None):
        lines.document.fail(lines.line, "A limit has topics and nothing else.", "Add `topics:`.")
    return PartyRule(rule_id, parties, terms, topics, is_limit)


def _definition(rule_id: str, lines: RuleLines) -> ContactRule:
    node = lines.required("name")
    term = lines.document.text(node, "`name`")
    if not _TERM.fullmatch(term) or term in FACTS:
        lines.document.fail(node.line, "The term cannot be defined.", "Choose another name.")
    facts: set[str] = set()
    failures = 0
    for item in lines.document.texts(lines.required("any"), "`any`"):
        if found := _FAILURES.fullmatch(item.text):
            failures = int(found[1])
        elif item.text in FACTS:
            facts.add(item.text)
        else:
            lines.document.fail(
                item.line,
                "A definition may only use what the gateway can prove.",
                f"Use {', '.join(sorted(FACTS))} or consecutive_failed_contacts_gte_3.",
            )
    return Definition(rule_id, term, frozenset(facts), failures)


def _caller(rule_id: str, lines: RuleLines) -> ContactRule:
    lines.choice("when", {"not_registered": True})
    return CallerRule(rule_id, lines.channels())


def _hold(rule_id: str, lines: RuleLines) -> ContactRule:
    if "case_status" in lines.entries:
        lines.verify_without("case_status", "holds")
        return CaseRule(rule_id, lines.names("case_status"), lines.choice("code", _CASE_CODES))
    lines.verify_without("holds", "code")
    return HoldRule(rule_id, lines.names("holds"))


def _agent(rule_id: str, lines: RuleLines) -> ContactRule:
    lines.required("status")
    return AgentRule(
        rule_id,
        lines.names("status"),
        lines.names("courses"),
        lines.flag("secrecy"),
        lines.flag("acknowledgement"),
    )


def _script(rule_id: str, lines: RuleLines) -> ContactRule:
    lines.required("status")
    return ScriptRule(rule_id, lines.names("status"))


def _consent(rule_id: str, lines: RuleLines) -> ContactRule:
    lines.choice("first_day", {"capture_day": True})
    return ConsentBound(
        rule_id,
        lines.choices("scopes", SCOPES, tuple(ConsentScope)),
        lines.number("max_days", least=1, most=_LONGEST_DAYS),
    )


def _preference(rule_id: str, lines: RuleLines) -> ContactRule:
    excuse = lines.excuse()
    if excuse is not None:
        excuse = replace(excuse, is_captured_outside=True)  # never what was agreed to before
    return PreferenceRule(rule_id, lines.channels(), excuse)


def _medium(rule_id: str, lines: RuleLines) -> ContactRule:
    if "validity" in lines.entries:
        lines.verify_without("validity", "applies_to", "unless")
        states = {state.value: state for state in PointValidity}
        return NumberRule(rule_id, lines.choices("validity", states))
    return MediumRule(rule_id, lines.channels(), lines.excuse())


_TALLY_KEYS = frozenset(
    {"subject", "results", "applies_to", "party", "initiated_by", "aggregate", "exclude", "unless"}
)
_KINDS: Mapping[str, tuple[frozenset[str], Callable[[str, RuleLines], ContactRule]]] = (
    MappingProxyType(
        {
            "time_window": (
                frozenset({"from", "to", "days", "except", "code", "unless", "applies_to"}),
                _window,
            ),
            "cap": (_TALLY_KEYS | {"counts", "max", "per"}, _cap),
            "cooldown": (_TALLY_KEYS | {"after", "days", "first_day"}, _cooldown),
            "party": (frozenset({"party", "when", "unless", "topics"}), _party),
            "definition": (frozenset({"name", "any"}), _definition),
            "caller": (frozenset({"when", "applies_to"}), _caller),
            "hold": (frozenset({"holds", "case_status", "code"}), _hold),
            "agent": (frozenset({"status", "courses", "secrecy", "acknowledgement"}), _agent),
            "script": (frozenset({"status"}), _script),
            "consent": (frozenset({"scopes", "max_days", "first_day"}), _consent),
            "preference": (frozenset({"applies_to", "unless"}), _preference),
            "medium": (frozenset({"applies_to", "unless", "validity"}), _medium),
        }
    )
)
