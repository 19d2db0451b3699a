"""The machines of complaints, rectification notices, feedback, promises and payment claims."""

from gateway.affairs.machine import Machine, Move, Side, machine_of

_ALL = frozenset({"*"})
_CRITICAL = frozenset({"critical"})


def _from(states: str) -> frozenset[str]:
    return frozenset(states.split())


def _company(name: str, sources: str, target: str | None) -> Move:
    return Move(name, Side.COMPANY, _from(sources), target)


def _by_two(name: str, sources: str, target: str, severities: frozenset[str] = _ALL) -> Move:
    return Move(name, Side.COMPANY, _from(sources), target, takes_two=severities)


def _by_other(name: str, sources: str, target: str) -> Move:
    return Move(name, Side.COMPANY, _from(sources), target, takes_other=_ALL)


def _vendor(name: str, sources: str, target: str | None) -> Move:
    return Move(name, Side.VENDOR, _from(sources), target)


def _clock(name: str, sources: str, target: str) -> Move:
    return Move(name, Side.CLOCK, _from(sources), target)


_LOOKED_INTO = "evidence_requested investigating extended_30 extended_60 reopened"
_UNDECIDED = f"registered classified assigned {_LOOKED_INTO}"

COMPLAINT = machine_of(
    "complaint",
    "received",
    (
        _company("register", "received", "registered"),
        _company("classify", "registered", "classified"),
        _company("assign", "classified", "assigned"),
        _company("reassign", f"assigned {_LOOKED_INTO}", None),
        _company("request_evidence", "assigned evidence_requested reopened", "evidence_requested"),
        _vendor("submit_evidence", _LOOKED_INTO, None),
        _vendor("submit_statement", _LOOKED_INTO, None),
        _company("investigate", "assigned evidence_requested reopened", "investigating"),
        _company("extend_30", "investigating", "extended_30"),
        _by_two("extend_60", "extended_30", "extended_60"),
        _company("decide", "investigating extended_30 extended_60", "decided"),
        _company("request_review", "decided replied", "review_requested"),
        _company("review", "review_requested", "reviewed"),
        _company("reply", "decided reviewed", "replied"),
        _company("close", "replied", "closed"),
        _company("reopen", "closed", "reopened"),
        _company(
            "withdraw",
            f"{_UNDECIDED} decided review_requested reviewed replied",
            "withdrawn",
        ),
        Move("remind", Side.CLOCK, _from(_UNDECIDED), None),
        Move("miss_evidence", Side.CLOCK, _from(_UNDECIDED), None),
    ),
)

_LATE = "overdue escalated_1 escalated_2 suspended_vendor"
_AT_WORK = "acknowledged plan_submitted plan_accepted in_progress reopened"
_IN_HAND = "plan_accepted in_progress reopened"
_OPEN = f"issued {_AT_WORK} evidence_submitted verifying {_LATE}"

RECTIFICATION = machine_of(
    "rectification",
    "drafted",
    (
        _by_two("issue", "drafted", "issued", _CRITICAL),
        _vendor("acknowledge", "issued", "acknowledged"),
        _vendor("submit_plan", "acknowledged reopened", "plan_submitted"),
        _company("accept_plan", "plan_submitted", "plan_accepted"),
        _company("refuse_plan", "plan_submitted", "acknowledged"),
        _vendor("start", "plan_accepted", "in_progress"),
        _vendor("submit_evidence", f"{_IN_HAND} {_LATE}", "evidence_submitted"),
        _by_other("verify", "evidence_submitted", "verifying"),
        _by_other("close", "verifying", "closed"),
        _company("reopen", "verifying", "reopened"),
        _company("extend", f"issued {_AT_WORK}", None),
        _clock("overdue", f"issued {_AT_WORK}", "overdue"),
        _clock("escalate_1", "overdue", "escalated_1"),
        _clock("escalate_2", "escalated_1", "escalated_2"),
        _clock("suspend", "escalated_2", "suspended_vendor"),
        _by_two("withdraw", f"drafted {_OPEN}", "withdrawn"),
    ),
)

FEEDBACK = machine_of(
    "feedback",
    "drafted",
    (
        _company("send", "drafted", "sent"),
        _vendor("acknowledge", "sent", "acknowledged"),
        _vendor("answer", "sent acknowledged", "answered"),
        _company("close", "sent acknowledged answered", "closed"),
    ),
)

_SETTLING = ("kept", "partly", "broken")
PROMISE = machine_of(
    "promise",
    "pending",
    (
        *(Move(state, Side.LEDGER, _from("pending"), state) for state in _SETTLING),
        Move("supersede", Side.VENDOR, _from("pending"), "superseded"),
        _company("cancel", "pending", "cancelled"),
    ),
)

_MATCHING = ("matched", "amount_diff", "not_found", "late", "duplicate")
CLAIM = machine_of(
    "claim",
    "claimed",
    (
        *(Move(state, Side.LEDGER, _from("claimed"), state) for state in _MATCHING),
        _company("resolve", "amount_diff not_found late duplicate", "resolved"),
    ),
)

# The kinds that have a row in casegate.affair.
MACHINES: dict[str, Machine] = {each.kind: each for each in (COMPLAINT, RECTIFICATION, FEEDBACK)}
