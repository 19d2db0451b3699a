"""Looks at the rows of one part of a batch and keeps those that may be kept."""

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from audit.entry import EntryValue, EventType, encode_entry
from gateway.intake.checks import (
    RULES,
    Checked,
    Circumstances,
    PermitFacts,
    balance_at,
    check_record,
)
from gateway.intake.records import CallRecord, RecordRefusedError
from gateway.intake.records_codes import VendorCodes
from gateway.intake.records_reading import Call, read_record
from gateway.intake.records_rows import KeptRecord
from gateway.intake.records_seal import RecordSeal
from gateway.intake.records_store import CaseFacts, KnownCall, Owner, RecordStore
from policies.contact.results import ResultCode

_MAX_LOGGED_CASES = 500

TotalDue = Callable[[Mapping[str, Any]], int | None]
"""The debt (minor units) of a sealed case: kek_id, wrapped_key, sealed, case_id."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What records are checked and kept by."""

    codes: VendorCodes
    seal: RecordSeal
    debts: Callable[[], TotalDue]
    promise_minutes: int


@dataclass(slots=True)
class PartOutcome:
    """What became of a part: an outcome a row, and the entries that tell of it."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    kept: list[KeptRecord] = field(default_factory=list)
    faults: list[dict[str, Any]] = field(default_factory=list)
    entries: list[bytes] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)

    def refuse(self, index: int, refused: RecordRefusedError, call_id: str | None) -> None:
        """Notes a row that is not kept."""
        self.counts["rejected"] += 1
        self.codes[refused.code] += 1
        self.rows.append(
            {
                "index": index,
                "call_id": call_id,
                "outcome": "rejected",
                "field": refused.field,
                "code": refused.code,
            }
        )

    def note(self, index: int, call_id: str, outcome: str) -> None:
        """Notes a row that is kept, now or before."""
        self.counts[outcome] += 1
        self.rows.append({"index": index, "call_id": call_id, "outcome": outcome})


@dataclass(slots=True)
class _Picture:
    """What the rows of one part are held against; it follows what the part itself keeps."""

    permits: dict[str, PermitFacts]
    cases: dict[str, CaseFacts]
    known: dict[str, KnownCall]
    balances: dict[str, tuple[int | None, Sequence[Sequence[Any]]]]
    terms: Mapping[tuple[str, int], Sequence[str]]
    used: set[str] = field(default_factory=set)
    replaced: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class PartIntake:
    """One part: the same rules and moment for all its rows."""

    rules: Rules
    owner: Owner
    batch_id: UUID
    at: datetime

    def take(self, store: RecordStore, lines: Sequence[bytes], *, first: int) -> PartOutcome:
        """Reads, checks and keeps rows; `first` is the index of the first of them.

        Raises:
            ContendedError: what was seen has changed meanwhile; roll back and take it again.
        """
        outcome = PartOutcome()
        calls: list[tuple[int, Call]] = []
        for index, line in enumerate(lines, start=first):
            try:
                calls.append((index, read_record(line)))
            except RecordRefusedError as refused:
                outcome.refuse(index, refused, refused.call_id)
        picture = self._picture(store, [call for _index, call in calls])
        words = self.rules.codes.of(self.owner.vendor_id)
        for index, call in calls:
            try:
                self._look(call, words.get(call.record.result_code), picture, outcome, index)
            except RecordRefusedError as refused:
                is_shown = refused.field != "call_id" or refused.code != "PII_IN_PAYLOAD"
                outcome.refuse(index, refused, call.record.call_id if is_shown else None)
        if outcome.counts["rejected"]:  # what could not even be read was refused before the rest
            outcome.rows.sort(key=lambda row: int(row["index"]))
        store.keep(outcome.kept, self.batch_id, self.at)
        self._follow(store, outcome)
        store.find(outcome.faults, self.at)
        return outcome

    def _picture(self, store: RecordStore, calls: Sequence[Call]) -> _Picture:
        told = [call.spelled for call in calls]
        permits = store.permits({one["permit_id"] for one in told if "permit_id" in one})
        without = {one["case_ref"] for one in told if "permit_id" not in one}
        named = {one["call_id"] for one in told}
        named |= {one["supersedes_call_id"] for one in told if "supersedes_call_id" in one}
        quoted = {one["case_ref"] for one in told if "quoted_amount" in one or "promise" in one}
        scripts = {
            (permit.script_id, permit.script_version)
            for permit in permits.values()
            if permit.script_id is not None and permit.script_version is not None
        }
        total_due = self.rules.debts()
        return _Picture(
            permits,
            store.cases(without),
            store.known(named),
            {row["case_ref"]: (total_due(row), row["balances"]) for row in store.balances(quoted)},
            store.terms(scripts),
        )

    def _look(
        self,
        call: Call,
        code: ResultCode | None,
        picture: _Picture,
        outcome: PartOutcome,
        index: int,
    ) -> None:
        record, permit_id = call.record, call.spelled.get("permit_id")
        known = picture.known.get(record.call_id)
        if known is not None:
            if known.body_sha256 != call.sha256:
                raise RecordRefusedError("CALL_ID_REUSED", "call_id")
            outcome.note(index, record.call_id, "duplicate")
            return
        is_correction = record.supersedes_call_id is not None
        if is_correction:
            _verify_correction(call, picture)
        permit = None if permit_id is None else picture.permits.get(permit_id)
        if permit is not None and permit_id in picture.used and not is_correction:
            raise RecordRefusedError("PERMIT_USED", "permit_id")
        circumstances = self._circumstances(record, permit, picture)
        checked = check_record(record, code, permit, circumstances, is_correction=is_correction)
        outcome.kept.append(self._kept(call, checked, permit, picture))
        outcome.note(index, record.call_id, "accepted")
        if checked.faults:
            outcome.faults += [self._fault(rule, call) for rule in checked.faults]
        picture.known[record.call_id] = KnownCall(
            record.call_id, call.sha256, permit_id, record.case_ref, None
        )
        if permit_id is not None:
            picture.used.add(permit_id)
        if record.supersedes_call_id is not None:
            picture.replaced.add(record.supersedes_call_id)

    def _circumstances(
        self, record: CallRecord, permit: PermitFacts | None, picture: _Picture
    ) -> Circumstances:
        balance = None
        if record.case_ref in picture.balances:
            balance = balance_at(*picture.balances[record.case_ref], record.started_at)
        terms: Sequence[str] = ()
        if permit is not None and permit.script_id is not None and permit.script_version:
            terms = picture.terms.get((permit.script_id, permit.script_version), ())
        return Circumstances(self.at, self.rules.promise_minutes, balance, terms)

    def _kept(
        self, call: Call, checked: Checked, permit: PermitFacts | None, picture: _Picture
    ) -> KeptRecord:
        record = call.record
        case = permit or picture.cases.get(record.case_ref)
        if case is None:
            raise RecordRefusedError("NOT_FOUND", "case_ref")
        if record.summary is None:
            return KeptRecord(call, checked, case.case_id, permit, None, None, "none")
        return KeptRecord(
            call,
            checked,
            case.case_id,
            permit,
            self.rules.seal.seal_summary(record.summary, case.log_salt, record.call_id),
            self.rules.seal.likeness(record.summary),
            "held" if checked.holds_term else "waiting",
        )

    def _fault(self, rule: str, call: Call) -> dict[str, Any]:
        return {
            "finding_id": str(uuid4()),
            "rule": rule,
            "severity": RULES[rule].value,
            "agent_ref": call.record.agent,
            "evidence": {
                "call_id": call.record.call_id,
                "case_ref": call.record.case_ref,
                "permit_id": call.spelled.get("permit_id"),
            },
        }

    def _follow(self, store: RecordStore, outcome: PartOutcome) -> None:
        """What results set beside their counts, and the entries of it and of the findings."""
        for kept in outcome.kept:
            code = kept.checked.code
            is_effective = code.hold is not None or code.validity is not None or code.opts_out
            if not is_effective or not kept.checked.is_news:
                continue
            hold = None if code.hold is None else uuid4()
            held = store.effect(kept, hold, self.at)
            if hold is not None and held:
                outcome.entries.append(
                    encode_entry(
                        EventType.HOLD_PLACED,
                        time=self.at,
                        actor=f"vendor:{self.owner.vendor_id}",
                        hold=str(hold),
                        ground=code.hold,
                        source="call_result",
                        scope="debtor",
                        cases=[one.hex() for one in held[:_MAX_LOGGED_CASES]],
                    )
                )
        outcome.entries += finding_entries(self.owner, outcome.faults, self.at)


def finding_entries(
    owner: Owner, faults: Sequence[Mapping[str, Any]], at: datetime
) -> list[bytes]:
    """The entries of findings; what they rest on is in the database alone."""
    return [
        encode_entry(
            EventType.FINDING_RAISED,
            time=at,
            finding=str(fault["finding_id"]),
            rule=str(fault["rule"]),
            severity=str(fault["severity"]),
            vendor=owner.vendor_id,
            contract=owner.contract_id,
            agent=fault["agent_ref"],
        )
        for fault in faults
    ]


def part_fields(outcome: PartOutcome) -> dict[str, EntryValue]:
    """What an entry says of a part: how many of each, and a digest over what was kept."""
    kept = hashlib.sha256(b"".join(one.call.sha256 for one in outcome.kept)).hexdigest()
    return {
        "accepted": outcome.counts["accepted"],
        "duplicates": outcome.counts["duplicate"],
        "rejected": outcome.counts["rejected"],
        "refused": dict(sorted(outcome.codes.items())),
        "records_sha256": kept,
    }


def _verify_correction(call: Call, picture: _Picture) -> None:
    """That a record corrects one of the same call on the same permit, which nothing has yet."""
    told = call.spelled
    earlier = picture.known.get(told["supersedes_call_id"])
    if earlier is None or earlier.call_id == told["call_id"]:
        raise RecordRefusedError("NOT_FOUND", "supersedes_call_id")
    if earlier.superseded_by is not None or earlier.call_id in picture.replaced:
        raise RecordRefusedError("ILLEGAL_TRANSITION", "supersedes_call_id")
    if (earlier.permit_id, earlier.case_ref) != (told.get("permit_id"), told["case_ref"]):
        raise RecordRefusedError("PERMIT_MISMATCH", "supersedes_call_id")
