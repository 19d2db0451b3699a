"""What follows from findings: a suspension told to the log, a notice where a rule is broken again.

The suspension itself is the database's, in the transaction that raises the finding.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

from audit.entry import EventType
from gateway.affairs.finder import PersonalFinder
from gateway.affairs.rectifications import Notice, draft_notice, issue_notice
from gateway.affairs.seal import AffairSeal
from gateway.errors import RequestInvalidError
from gateway.evidence import record_with_change
from gateway.findings.record import Fault, Severity, raise_finding
from gateway.intake.records_seal import RecordSeal
from gateway.people.hashing import commitment_of
from gateway.redaction.spans import EntityType

AT_ONCE = 50
WITHIN = timedelta(days=30)
# So many findings of one rule within that time raise a notice, by severity; rules with a count of
# their own stand below.
REPEATS: Mapping[str, int] = MappingProxyType({"critical": 2, "major": 3, "minor": 10})
# A person heard it in the recording, or the money went elsewhere: once is enough.
_AT_ONCE = (
    "CLAIM_FOREIGN_ACCOUNT",
    "QUALITY_ABUSE",
    "QUALITY_IMPERSONATION",
    "QUALITY_PRIVATE_ACCOUNT",
    "QUALITY_THIRD_PERSON_TOLD",
    "QUALITY_THREAT",
)
REPEATS_OF_RULES: Mapping[str, int] = MappingProxyType(dict.fromkeys(_AT_ONCE, 1))
_SUMMARY_RULE = "CALL_PERSONAL_DATA"
FOREIGN_ACCOUNT = "SUMMARY_FOREIGN_ACCOUNT"
# A number after such a word is where money shall go, not where it came from.
_TOWARDS = re.compile(
    r"(?:[转汇打付存还](?:账|款|钱)?(?:到|入|至|给)|收款|pay(?:ment)? to)[^。;\n]{0,24}$"
)
_ACCOUNT_KINDS = frozenset({EntityType.BANK_CARD, EntityType.ACCOUNT_ID})

_OPEN = """
SELECT c.finding_id, c.suspended, f.rule, f.severity, f.vendor_id, f.contract_id, f.agent_ref,
       f.evidence, f.found_at
  FROM casegate.finding_consequence c JOIN casegate.finding f USING (finding_id)
 WHERE c.settled_at IS NULL ORDER BY c.at LIMIT %s FOR UPDATE OF c SKIP LOCKED
"""
_SETTLED = "UPDATE casegate.finding_consequence SET settled_at = %s WHERE finding_id = %s"
_COUNT = """
SELECT count(*) FROM casegate.finding
 WHERE rule = %s AND vendor_id = %s AND contract_id = %s AND found_at > %s AND found_at <= %s
"""
_NOTICED = """
SELECT 1 FROM casegate.affair
 WHERE kind = 'rectification' AND vendor_id = %s AND contract_id = %s AND codes @> ARRAY[%s]
   AND (state NOT IN ('closed', 'withdrawn') OR opened_at > %s)
"""
_PERSON = """
SELECT id_hash FROM casegate.agent WHERE vendor_id = %s AND contract_id = %s AND agent_ref = %s
"""
_SUMMARY = """
SELECT c.sealed_summary, r.log_salt FROM casegate.call_record c
  JOIN casegate.case_record r USING (case_id)
 WHERE c.vendor_id = %s AND c.contract_id = %s AND c.call_id = %s
   AND c.sealed_summary IS NOT NULL
"""
_FOUND = """
SELECT 1 FROM casegate.finding
 WHERE rule = %s AND vendor_id = %s AND contract_id = %s AND evidence ->> 'call_id' = %s
"""
_OURS = "SELECT 1 FROM casegate.company_account WHERE account_mac = %s AND ended_at IS NULL"


@dataclass(frozen=True, slots=True)
class Consequences:
    """Works through what findings have left to do, one finding a transaction."""

    parameters: Mapping[str, str | None]
    affairs: AffairSeal
    records: RecordSeal
    finder: Callable[[], PersonalFinder]

    def work(self, connection: psycopg.Connection, *, at: datetime) -> int:
        """Settles some findings; returns how many."""
        done = 0
        while done < AT_ONCE and self._settle_one(connection, at):
            done += 1
        return done

    def _settle_one(self, connection: psycopg.Connection, at: datetime) -> bool:
        # In two transactions: a finding's entry takes the log's end, and vendors are told before
        # that. What is done twice then finds that it was.
        with connection.transaction():
            row = _next(connection)
            if row is not None and row["contract_id"] is not None:
                self._look_for_account(connection, row, at)
        with connection.transaction():
            row = _next(connection)
            if row is None:
                return False
            connection.execute(_SETTLED, (at, row["finding_id"]))
            if row["contract_id"] is not None:
                self._weigh(connection, row, at)
            for named in row["suspended"]:
                _log_suspension(connection, row["finding_id"], named, at)
        return True

    def _weigh(self, connection: psycopg.Connection, row: Mapping[str, Any], at: datetime) -> None:
        """A notice once a rule is broken often enough, unless one is under way."""
        rule, vendor, contract = row["rule"], row["vendor_id"], row["contract_id"]
        most = REPEATS_OF_RULES.get(rule, REPEATS[row["severity"]])
        since = at - WITHIN
        found = connection.execute(_COUNT, (rule, vendor, contract, since, at)).fetchone()
        count = 0 if found is None else int(found[0])
        noticed = connection.execute(_NOTICED, (vendor, contract, rule, since)).fetchone()
        if count < most or noticed is not None:
            return
        notice = Notice(
            vendor,
            contract,
            row["severity"],
            "anomaly",
            (rule,),
            f"30 日内第 {count} 次违反规则 {rule}",
            ("查明原因并说明", "提交整改方案和防止再次发生的措施"),
            (str(row["finding_id"]),),
        )
        notice_id = draft_notice(connection, notice, actor="clockwork", at=at)
        severity = connection.execute(
            "SELECT severity FROM casegate.affair WHERE affair_id = %s", (notice_id,)
        ).fetchone()
        # A critical one waits for two persons.
        if severity is not None and severity[0] != Severity.CRITICAL:
            issue_notice(connection, notice_id, self.parameters, actor="clockwork", at=at)

    def _look_for_account(
        self, connection: psycopg.Connection, row: Mapping[str, Any], at: datetime
    ) -> None:
        """Whether a summary that was held back sends money to an account of nobody's knowing."""
        call_id = row["evidence"].get("call_id")
        if row["rule"] != _SUMMARY_RULE or call_id is None:
            return
        named = (row["vendor_id"], row["contract_id"], call_id)
        if connection.execute(_FOUND, (FOREIGN_ACCOUNT, *named)).fetchone() is not None:
            return
        kept = connection.execute(_SUMMARY, named).fetchone()
        if kept is None:
            return
        text = self.records.open_summary(bytes(kept[0]), bytes(kept[1]), call_id)
        for account in accounts_towards(text, self.finder()):
            try:
                mac = self.affairs.account_mac(account)
            except RequestInvalidError:
                continue  # a name of a wallet; nothing that could be compared
            if connection.execute(_OURS, (mac,)).fetchone() is None:
                fault = Fault(
                    FOREIGN_ACCOUNT,
                    Severity.CRITICAL,
                    row["vendor_id"],
                    {"call_id": call_id, "case_ref": row["evidence"].get("case_ref")},
                    row["contract_id"],
                    row["agent_ref"],
                )
                raise_finding(connection, fault, at=at)
                return


def _next(connection: psycopg.Connection) -> dict[str, Any] | None:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(_OPEN, (1,)).fetchone()


def accounts_towards(text: str, finder: PersonalFinder) -> list[str]:
    """The account numbers in a text to which it sends money; those money came from are none."""
    return [
        text[span.start : span.end]
        for span in finder.find(text)
        if span.type in _ACCOUNT_KINDS and _TOWARDS.search(text[: span.start])
    ]


def _log_suspension(
    connection: psycopg.Connection, finding_id: UUID, named: str, at: datetime
) -> None:
    vendor, contract, agent = named.split(" ")
    person = connection.execute(_PERSON, (vendor, contract, agent)).fetchone()
    record_with_change(
        connection,
        EventType.AGENT_CHANGED,
        at=at,
        actor="clockwork",
        change="suspended",
        person=None if person is None else commitment_of(bytes(person[0])),
        vendor=vendor,
        contract=contract,
        agent=agent,
        finding=str(finding_id),
    )
