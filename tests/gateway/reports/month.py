"""April 2026 of one vendor, call by call: honest as it is made, until a lie is planted."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from gateway.findings.detection import Detection
from gateway.findings.detection_rules import packaged_rules
from gateway.identity.principal import VendorPrincipal
from gateway.quality.checks import Verdict
from gateway.quality.incidents import Incident
from gateway.redaction.identifiers import IdentifierFinder
from gateway.release.cursor import CursorCipher
from gateway.reports.filing import Filing, FilingDesk, ReportRules
from gateway.reports.periods import due_times
from gateway.trial.call_centre import open_call_centre
from keys.secret import Secret
from policies.contact.results import load_results
from policies.parameters import PARAMETERS
from tests.gateway.contact.centre import id_number
from tests.gateway.store.lender import HEADER, Lender, case_row

CASES = 60
BEGIN = datetime(2026, 3, 20, 2, tzinfo=UTC)
# The third working day of May, in time for the month's report; the holidays end on the fifth.
NOW = datetime(2026, 5, 8, 2, tzinfo=UTC)
VENDOR, CONTRACT = "alpha", "alpha-2026"
_DAYS = """
SELECT day::date AS day FROM generate_series('2026-04-01'::date, '2026-04-30'::date, '1 day') AS
  day
 WHERE extract(isodow FROM day) < 6 AND day::date <> '2026-04-06'
"""
# Thirty calls a day of three agents, five minutes apart, in one order for ever.
_CALLS = f"""
CREATE TABLE planned AS
SELECT gen_random_uuid() AS permit, 'call-' || n AS call_id, n, c.case_id, c.case_ref,
  c.person_mac, c.contact_mac,
       'alpha-00' || 1 + n %% 3 AS agent_ref,
       (day + time '09:00' + (n %% 30 / 3) * interval '5 minutes') AT TIME ZONE 'Asia/Shanghai'
  AS started_at,
       (ARRAY['RPC_PTP','NO_ANSWER','RPC_NO_COMMIT','BUSY','RPC_REFUSE','NO_ANSWER','SWITCHED_OFF'])
         [1 + n %% 7] AS result
  FROM (SELECT day, (row_number() OVER (ORDER BY day, one)) - 1 AS n
          FROM ({_DAYS}) days, generate_series(1, 30) AS one) planning
  JOIN (SELECT a.case_id, a.case_ref, r.person_mac, r.contact_mac, row_number() OVER (ORDER BY
  a.sequence) - 1 AS place
          FROM casegate.assigned_case a JOIN casegate.case_record r USING (case_id) WHERE
  a.vendor_id = 'alpha') c
    ON c.place = n %% {CASES}
"""  # noqa: S608 - numbers of this file
_PERMITS = """
INSERT INTO casegate.contact (contact_id, vendor_id, contract_id, case_id, case_ref, person_mac,
  point_mac, point_kind,
  party, debt, channel, call_kind, agent_ref, script_id, script_version, caller_number,
  requested_at, expires_at, state,
  handling, dialed_at, closed_at, result, counts, network)
SELECT permit, 'alpha', 'alpha-2026', case_id, case_ref, person_mac, contact_mac, 'mobile',
  'debtor', 'd' || n, 'voice_human',
  'interactive', agent_ref, 'first-reminder', 1, '+8657188000001', started_at - interval
  '5 seconds',
  started_at + interval '10 minutes', 'recorded', 'dial_token', started_at, started_at + interval
  '4 minutes', result, 9, '203.0.113.0/24'
  FROM planned
"""
_RECORDS = """
INSERT INTO casegate.call_record (vendor_id, contract_id, call_id, permit_id, case_id, case_ref,
  contact_point, agent_ref,
  direction, call_kind, started_at, answered_at, ended_at, ring_s, talk_s, result_code,
  party_reached, identity_check,
  disclosures, script, promise, summary_state, caller_number, received_at, batch_id, body_sha256)
SELECT 'alpha', 'alpha-2026', call_id, permit, case_id, case_ref, 'mobile', agent_ref,
  'outbound', 'interactive', started_at,
  CASE WHEN result LIKE 'RPC%%' THEN started_at + interval '8 seconds' END,
  started_at + interval '8 seconds' + CASE WHEN result LIKE 'RPC%%' THEN talk ELSE 0 END *
  interval '1 second', 8,
  CASE WHEN result LIKE 'RPC%%' THEN talk ELSE 0 END, result, CASE WHEN result LIKE 'RPC%%' THEN
  'self' ELSE 'none' END,
  CASE WHEN result LIKE 'RPC%%' THEN 'match' END,
  CASE WHEN result LIKE 'RPC%%' THEN '{WHO_CALLS,FOR_WHOM,RECORDING}'::text[] ELSE '{}' END,
  'first-reminder',
  CASE WHEN result = 'RPC_PTP' THEN jsonb_build_object('amount', 10000 + n, 'due_on', (started_at
  + interval '7 days')::date) END,
  'none', '+8657188000001', started_at + interval '12 minutes', gen_random_uuid(),
  sha256(call_id::bytea)
  FROM (SELECT *, (31 + n * 37 %% 149)::integer AS talk FROM planned) p
"""
_RECORDINGS = """
INSERT INTO casegate.recording (recording_id, vendor_id, contract_id, call_id, sha256, bytes,
  codec, duration_s, measured_s,
  started_at, ended_at, notice_given, state, received, kek_id, wrapped_key, announced_at,
  expires_at, settled_at, compared_at,
  retention_until)
SELECT gen_random_uuid(), vendor_id, contract_id, call_id, sha256(('sound of ' ||
  call_id)::bytea), 8000, 'wav', talk_s, talk_s,
  answered_at, ended_at, true, 'verified', 8000, 'k', '\\x00', received_at, received_at +
  interval '1 day', received_at, received_at,
  ended_at + interval '1095 days'
  FROM casegate.call_record WHERE talk_s > 0
"""
_REFUSALS = """
INSERT INTO casegate.permit_refusal (vendor_id, contract_id, case_id, agent_ref, channel,
  point_kind, requested_at, codes, call_kind,
  script_id, script_version, caller_number)
SELECT 'alpha', 'alpha-2026', case_id, agent_ref, 'voice_human', 'mobile', started_at + interval
  '1 hour', '{DAILY_CAP_REACHED}',
  'interactive', 'first-reminder', 1, '+8657188000001' FROM planned WHERE n %% 50 = 0
"""
_REVEALS = """
INSERT INTO casegate.reveal_use (vendor_id, contract_id, day, agent_ref, used)
SELECT 'alpha', 'alpha-2026', (started_at AT TIME ZONE 'Asia/Shanghai')::date, agent_ref, 8 +
  (min(n) %% 5)::integer
  FROM planned GROUP BY 3, 4
"""
_REQUESTS = """
INSERT INTO casegate.special_request (request_id, vendor_id, contract_id, person_mac, case_id,
  case_ref, type, agent_ref, raised_at,
  state, owner_department, due_at)
SELECT gen_random_uuid(), 'alpha', 'alpha-2026', person_mac, case_id, case_ref, 'hardship',
  agent_ref, started_at, 'raised', 'care',
  started_at + interval '3 days' FROM planned WHERE n IN (100, 200, 300)
"""
# What the search index says of the vendor: it pulls by day, and now and then it asks in vain.
_WORDS = """
INSERT INTO oversight.word (id, word, is_event) VALUES (9001, 'alpha', false),
  (9002, 'access.denied', true), (9003, 'access.release', true), (9004, 'NOT_FOUND', false)
"""
_VOLUMES = """
INSERT INTO oversight.volume (vendor, hour, event, code, entries, cases, bytes)
SELECT 9001, (day + hour * interval '1 hour') AT TIME ZONE 'Asia/Shanghai', 9003, 0, 3,
  CASE WHEN hour = 6 THEN 100 ELSE 5000 END, 1000000
  FROM generate_series('2026-04-01'::timestamp, '2026-04-30', '1 day') AS day,
  unnest(ARRAY[6, 9, 21]) AS hour
UNION ALL SELECT 9001, day + interval '2 hours', 9002, 9004, 2, 0, 0
  FROM generate_series('2026-04-01T00:00Z'::timestamptz, '2026-04-30T00:00Z', '1 day') AS day
"""
_PAYMENTS = """
INSERT INTO casegate.ledger_entry (entry_id, case_id, posted_at, amount, kind, balance_after,
  received_at)
SELECT 'paid-' || n, case_id, started_at + interval '5 hours', 100000, 'payment', 5000, started_at
  + interval '6 hours' FROM planned WHERE n BETWEEN 90 AND 99
"""
_DAY = timedelta(days=1)


@dataclass
class Month:
    """A lender with one vendor that called all April, and the desks at which it reports."""

    lender: Lender

    @classmethod
    def make(cls, url: str, directory: Path) -> "Month":
        lender = Lender.fresh(url, directory)
        lender.clock.at = BEGIN
        rows = [case_row(number, id_number=id_number(number)) for number in range(CASES)]
        lender.put(directory / "cases.csv", "\n".join([HEADER, *rows]))
        open_call_centre(lender.office(), [(VENDOR, CONTRACT), ("beta", "beta-2026")])
        lender.clock.at = NOW
        month = cls(lender)
        for statement in (
            "UPDATE casegate.assigned_case SET assigned_at = '2026-03-20T02:00:00Z'",
            *(_CALLS, _PERMITS, _RECORDS, _RECORDINGS, _REFUSALS, _REVEALS, _REQUESTS),
            *(_WORDS, _VOLUMES, _PAYMENTS),
        ):
            month.run(statement)
        month._look_after()
        return month

    def _look_after(self) -> None:
        """What the company did in April, and the one report that the vendor sent in time."""
        clock, named = self.lender.clock, (VENDOR, CONTRACT)
        clock.at = datetime(2026, 4, 2, 1, tzinfo=UTC)
        self.submit(self.filing("2026-04-01"))
        quality = self.lender.office().quality()
        drawn = quality.draw(named, "2026-04-01", calls=3, seed=None, actor="staff:li")
        for check in quality.checks(draw=drawn.draw_id).items[:2]:
            quality.settle(UUID(str(check["check_id"])), Verdict(is_passed=True), actor="staff:li")
        incident = Incident(VENDOR, CONTRACT, "lost_device", "minor", clock.at - _DAY)
        quality.open_incident(incident, actor="staff:li")
        quality.review(named, "2026-04", actor="staff:li")
        clock.at = NOW

    def run(self, statement: str, *values: object) -> int:
        """As the owner; returns how many rows were touched."""
        with self.lender.owner() as connection:
            return connection.execute(statement.encode(), values).rowcount

    def principal(self, vendor: str = VENDOR) -> VendorPrincipal:
        until = NOW + timedelta(days=1)
        return VendorPrincipal(vendor, f"{vendor}-2026", self.lender.thumbprints[vendor], until)

    def desk(self) -> FilingDesk:
        rules = ReportRules(
            load_results(),
            due_times({name: each.default for name, each in PARAMETERS.items()}),
            timedelta(minutes=30),
        )
        return FilingDesk(
            lambda: self.lender.office().connection("vendor"),
            self.lender.clock,
            rules,
            IdentifierFinder(),
            CursorCipher(Secret(bytes(32))),
        )

    def counted(self, period: str) -> dict[str, Any]:
        metrics: dict[str, Any] = self.desk().preview(self.principal(), period)["metrics"]
        return metrics

    def filing(self, period: str, revision: int = 1, **changes: Any) -> Filing:
        """What an honest vendor sends; `changes` by the name of a number."""
        texts = {"progress_text": "按计划推进", "problems": ["接通率偏低"], "solutions": []}
        return Filing(period, revision, "manager", {**self.counted(period), **changes}, texts)

    def submit(self, filing: Filing) -> dict[str, Any]:
        return self.desk().submit(self.principal(), filing)

    def look(self) -> int:
        """One round of detection now."""
        company = self.lender.office().connection
        return Detection(company, self.lender.clock, packaged_rules).look(self.lender.clock.now())

    def findings(self) -> list[tuple[str, dict[str, Any]]]:
        rows = self.lender.query("SELECT rule, evidence::text FROM casegate.finding ORDER BY 1")
        return [(str(row[0]), json.loads(str(row[1]))) for row in rows]
