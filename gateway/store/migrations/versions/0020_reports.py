"""Reports with their calendar, detection of breaches.

A report is written once: what a vendor sent, what was counted, and whether the two were equal. The
newest accepted revision of a period stands; nothing is ever changed.

Revision ID: 0020
"""

from alembic import context, op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE casegate.report (
  report_id      uuid PRIMARY KEY,
  vendor_id      text NOT NULL,
  contract_id    text NOT NULL,
  sequence       bigint GENERATED ALWAYS AS IDENTITY,
  kind           text NOT NULL CHECK (kind IN ('daily', 'weekly', 'monthly')),
  -- 2026-05-07, 2026-W19 or 2026-05, in China.
  period         text NOT NULL CHECK (period ~ '^[0-9]{4}-([0-9]{2}|W[0-9]{2}|[0-9]{2}-[0-9]{2})$'),
  period_from    date NOT NULL,
  period_to      date NOT NULL CHECK (period_to >= period_from),
  revision       integer NOT NULL CHECK (revision > 0),
  schema_version integer NOT NULL,
  state          text NOT NULL CHECK (state IN ('accepted', 'rejected')),
  due_at         timestamptz NOT NULL,
  submitted_at   timestamptz NOT NULL,
  is_late        boolean NOT NULL,
  prepared_by    text NOT NULL,
  metrics        jsonb NOT NULL,
  texts          jsonb NOT NULL,
  differences    jsonb NOT NULL,
  totals_sha256  bytea NOT NULL CHECK (length(totals_sha256) = 32),
  thumbprint     bytea NOT NULL CHECK (length(thumbprint) = 32),
  repeat_key     text,
  repeat_sha256  bytea CHECK (length(repeat_sha256) = 32),
  CHECK ((state = 'accepted') = (differences = '[]')),
  FOREIGN KEY (contract_id, vendor_id) REFERENCES casegate.contract (contract_id, vendor_id)
);
CREATE UNIQUE INDEX report_accepted ON casegate.report (vendor_id, contract_id, period, revision) WHERE state = 'accepted';
CREATE UNIQUE INDEX report_repeated ON casegate.report (vendor_id, contract_id, repeat_key) WHERE repeat_key IS NOT NULL;
CREATE INDEX report_in_order ON casegate.report (vendor_id, contract_id, sequence);
CREATE INDEX report_of_period ON casegate.report (period_from, vendor_id, contract_id, period, sequence);
CREATE INDEX report_by_time ON casegate.report (submitted_at);

-- What came in after a report was accepted and belongs into its period: a revision is due.
CREATE TABLE casegate.report_reopening (
  report_id   uuid PRIMARY KEY REFERENCES casegate.report,
  vendor_id   text NOT NULL,
  contract_id text NOT NULL,
  reopened_at timestamptz NOT NULL,
  records     bigint NOT NULL CHECK (records > 0),
  FOREIGN KEY (contract_id, vendor_id) REFERENCES casegate.contract (contract_id, vendor_id)
);
CREATE TABLE casegate.report_waiver (
  vendor_id   text NOT NULL,
  contract_id text NOT NULL,
  period      text NOT NULL,
  waived_at   timestamptz NOT NULL,
  waived_by   text NOT NULL,
  proposal_id uuid NOT NULL REFERENCES casegate.proposal,
  PRIMARY KEY (vendor_id, contract_id, period),
  FOREIGN KEY (contract_id, vendor_id) REFERENCES casegate.contract (contract_id, vendor_id)
);

-- How far each rule of detection has looked, and what it has told already: each breach once.
CREATE TABLE casegate.detection_mark (
  rule       text PRIMARY KEY,
  looked_to  timestamptz NOT NULL
);
CREATE TABLE casegate.detected (
  rule       text NOT NULL,
  subject    text NOT NULL,
  finding_id uuid NOT NULL,
  PRIMARY KEY (rule, subject)
);
-- Rows lie in the order in which they came: a few blocks say where a time is.
CREATE INDEX call_record_by_arrival ON casegate.call_record USING brin (received_at) WITH (pages_per_range = 32);
CREATE INDEX contact_by_request ON casegate.contact USING brin (requested_at) WITH (pages_per_range = 32);
"""

FUNCTIONS = """
-- Calls of a period by how they went: one pass over them, joined with what is kept of their sound.
CREATE FUNCTION casegate.report_calls(vendor text, contract text, since timestamptz, until timestamptz, grace interval)
RETURNS TABLE (direction text, call_kind text, result_code text, party_reached text, calls bigint, talked_s bigint,
               promises bigint, promised bigint, late bigint, recorded bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog SET work_mem = '64MB' AS $$
  SELECT c.direction, c.call_kind, c.result_code, c.party_reached, count(*), sum(c.talk_s)::bigint,
         count(*) FILTER (WHERE c.promise IS NOT NULL), coalesce(sum((c.promise ->> 'amount')::bigint), 0)::bigint,
         count(*) FILTER (WHERE c.received_at > c.ended_at + grace),
         count(r.call_id)
    FROM casegate.call_record c
    LEFT JOIN casegate.recording r ON r.vendor_id = vendor AND r.contract_id = contract AND r.call_id = c.call_id
          AND (r.state = 'verified' OR r.erased_why IN ('retention', 'person'))
   WHERE c.vendor_id = vendor AND c.contract_id = contract AND c.started_at >= since AND c.started_at < until
     AND c.superseded_by IS NULL
   GROUP BY 1, 2, 3, 4
$$;
-- What else a report tells.
CREATE FUNCTION casegate.report_counts(vendor text, contract text, since timestamptz, until timestamptz, uncounted text[])
RETURNS jsonb
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog SET work_mem = '64MB' AS $$
DECLARE
  counted jsonb;
  first_day date := (since AT TIME ZONE 'Asia/Shanghai')::date;
  last_day date := ((until AT TIME ZONE 'Asia/Shanghai') - interval '1 microsecond')::date;
BEGIN
  SELECT jsonb_build_object(
    'cases_worked', (SELECT count(*) FROM (SELECT c.case_id FROM casegate.call_record c
       WHERE c.vendor_id = vendor AND c.contract_id = contract AND c.started_at >= since AND c.started_at < until
         AND c.superseded_by IS NULL AND c.direction = 'outbound' AND c.result_code <> ALL (uncounted) GROUP BY 1) w),
    'agents_active', (SELECT count(*) FROM (SELECT c.agent_ref FROM casegate.call_record c
       WHERE c.vendor_id = vendor AND c.contract_id = contract AND c.started_at >= since AND c.started_at < until
         AND c.superseded_by IS NULL GROUP BY 1) w),
    'agents_trained', (SELECT count(*) FROM (SELECT c.agent_ref FROM casegate.call_record c
       WHERE c.vendor_id = vendor AND c.contract_id = contract AND c.started_at >= since AND c.started_at < until
         AND c.superseded_by IS NULL GROUP BY 1) w
       WHERE EXISTS (SELECT FROM casegate.agent_course e WHERE e.vendor_id = vendor AND e.contract_id = contract
                        AND e.agent_ref = w.agent_ref)
         AND NOT EXISTS (SELECT FROM casegate.agent_course e WHERE e.vendor_id = vendor AND e.contract_id = contract
                            AND e.agent_ref = w.agent_ref AND e.valid_to < last_day)),
    'agents_left', (SELECT count(*) FROM casegate.agent a WHERE a.vendor_id = vendor AND a.contract_id = contract
                      AND a.status IN ('left', 'banned') AND a.changed_at >= since AND a.changed_at < until),
    'agents_at_start', (SELECT count(*) FROM casegate.agent a WHERE a.vendor_id = vendor AND a.contract_id = contract
                      AND a.qualified_at < since AND NOT (a.status IN ('left', 'banned') AND a.changed_at < since)))
    || (SELECT jsonb_build_object(
        'cases_in_hand', count(*) FILTER (WHERE a.assigned_at < until AND (a.recalled_at IS NULL OR a.recalled_at >= until)),
        'cases_received', count(*) FILTER (WHERE a.assigned_at >= since AND a.assigned_at < until),
        'cases_returned', count(*) FILTER (WHERE a.recalled_at >= since AND a.recalled_at < until))
       FROM casegate.assigned_case a WHERE a.vendor_id = vendor AND a.contract_id = contract)
    || jsonb_build_object(
    'special_requests_by_type', coalesce((SELECT jsonb_object_agg(q.type, q.asked) FROM (
       SELECT s.type, count(*) AS asked FROM casegate.special_request s WHERE s.vendor_id = vendor AND s.contract_id = contract
          AND s.raised_at >= since AND s.raised_at < until GROUP BY 1) q), '{}'),
    'refused_permits_by_code', coalesce((SELECT jsonb_object_agg(q.code, q.refused) FROM (
       SELECT one.code, count(*) AS refused FROM casegate.permit_refusal p, unnest(p.codes) AS one (code)
        WHERE p.vendor_id = vendor AND p.contract_id = contract AND p.requested_at >= since AND p.requested_at < until
        GROUP BY 1) q), '{}')) INTO counted;
  RETURN counted
    || (SELECT jsonb_build_object('repaid_amount', coalesce(sum(l.amount), 0)::bigint, 'repaid_cases', count(DISTINCT l.case_id))
          FROM casegate.assigned_case a JOIN casegate.ledger_entry l ON l.case_id = a.case_id
         WHERE a.vendor_id = vendor AND a.contract_id = contract AND l.kind = 'payment' AND l.posted_at >= since
           AND l.posted_at < until AND l.posted_at >= a.assigned_at AND (a.recalled_at IS NULL OR l.posted_at < a.recalled_at))
    || (SELECT jsonb_build_object('promises_due', count(*), 'promises_kept', count(*) FILTER (WHERE p.state = 'kept'))
          FROM casegate.promise p WHERE p.vendor_id = vendor AND p.contract_id = contract
           AND p.due_on BETWEEN first_day AND last_day AND p.state IN ('kept', 'partly', 'broken'))
    -- Of affairs those that the vendor has heard of.
    || (SELECT jsonb_build_object(
          'complaints_received', count(*) FILTER (WHERE f.kind = 'complaint' AND f.opened_at >= since),
          'open_rectifications', count(*) FILTER (WHERE f.kind = 'rectification' AND f.is_open),
          'overdue_rectifications', count(*) FILTER (WHERE f.kind = 'rectification' AND f.is_open AND f.due_at < until))
          FROM (SELECT a.kind, a.opened_at, a.due_at,
                       coalesce((SELECT t.after FROM casegate.affair_step t WHERE t.affair_id = a.affair_id AND t.at < until
                                  ORDER BY t.step_id DESC LIMIT 1), a.state) NOT IN ('closed', 'withdrawn') AS is_open
                  FROM casegate.affair a
                 WHERE a.vendor_id = vendor AND a.contract_id = contract AND a.is_shown AND a.opened_at < until
                   AND a.kind IN ('complaint', 'rectification')) f);
END $$;
-- A finding about a report, once while it is open; the vendor's listener has no right on findings.
CREATE FUNCTION casegate.fault_report(the_rule text, how_bad text, vendor text, contract text, said jsonb, moment timestamptz)
RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE made uuid := gen_random_uuid();
BEGIN
  IF NOT starts_with(the_rule, 'REPORT_') OR EXISTS (SELECT FROM casegate.detected d
       WHERE d.rule = the_rule AND d.subject = vendor || '/' || contract || '/' || (said ->> 'period')) THEN
    RETURN NULL;
  END IF;
  INSERT INTO casegate.finding (finding_id, rule, severity, vendor_id, contract_id, evidence, found_at)
  VALUES (made, the_rule, how_bad, vendor, contract, said, moment);
  INSERT INTO casegate.detected VALUES (the_rule, vendor || '/' || contract || '/' || (said ->> 'period'), made);
  RETURN made;
END $$;
-- A vendor's own findings, of rules that may be told, with references that are its own.
CREATE FUNCTION casegate.vendor_findings(vendor text, contract text, rules text[], after uuid, wanted integer)
RETURNS TABLE (finding_id uuid, rule text, severity text, agent_ref text, evidence jsonb, found_at timestamptz, state text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
  SELECT f.finding_id, f.rule, f.severity, f.agent_ref,
         coalesce((SELECT jsonb_object_agg(e.key, e.value) FROM jsonb_each(f.evidence) e
                    WHERE e.key IN ('call', 'case_ref', 'day', 'permit', 'period', 'recording', 'report')), '{}'),
         f.found_at, f.state
    FROM casegate.finding f
   WHERE f.vendor_id = vendor AND f.contract_id = contract
     AND (f.rule = ANY (rules) OR starts_with(f.rule, 'CALL_') OR starts_with(f.rule, 'RECORDING_') OR starts_with(f.rule, 'REPORT_'))
     AND (after IS NULL OR (f.found_at, f.finding_id) <
          (SELECT o.found_at, o.finding_id FROM casegate.finding o WHERE o.finding_id = after AND o.vendor_id = vendor))
   ORDER BY f.found_at DESC, f.finding_id DESC LIMIT wanted
$$;
-- Since when a contract runs, for its calendar; of one's own contract.
CREATE FUNCTION casegate.contract_term(vendor text, contract text)
RETURNS TABLE (starts_at timestamptz, ends_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
  SELECT k.starts_at, k.ends_at FROM casegate.contract k WHERE k.contract_id = contract AND k.vendor_id = vendor
$$;
"""

FOR_VENDOR = (
    "report_calls(text, text, timestamptz, timestamptz, interval)",
    "report_counts(text, text, timestamptz, timestamptz, text[])",
    "fault_report(text, text, text, text, jsonb, timestamptz)",
    "vendor_findings(text, text, text[], uuid, integer)",
    "contract_term(text, text)",
)
FOR_COMPANY = FOR_VENDOR[:2]
VENDOR_OWNED = ("report", "report_reopening", "report_waiver")

POLICIES = """
CREATE POLICY own_reports ON casegate.report TO "{vendor}"
  USING (vendor_id = current_setting('casegate.vendor_id', true)) WITH CHECK (vendor_id = current_setting('casegate.vendor_id', true));
CREATE POLICY own_reopenings ON casegate.report_reopening FOR SELECT TO "{vendor}"
  USING (vendor_id = current_setting('casegate.vendor_id', true));
CREATE POLICY own_waivers ON casegate.report_waiver FOR SELECT TO "{vendor}"
  USING (vendor_id = current_setting('casegate.vendor_id', true));
"""

RIGHTS = """
GRANT SELECT, INSERT ON casegate.report TO "{vendor}";
GRANT SELECT ON casegate.report_reopening, casegate.report_waiver TO "{vendor}";
GRANT SELECT ON casegate.report TO "{company}";
GRANT SELECT, INSERT ON casegate.report_reopening, casegate.report_waiver, casegate.detection_mark, casegate.detected TO "{company}";
GRANT UPDATE (looked_to) ON casegate.detection_mark TO "{company}";
"""


def upgrade() -> None:
    """Makes what the sentence above says."""
    roles = context.config.attributes["roles"]
    names = {purpose: roles.name(purpose).replace('"', '""') for purpose in ("vendor", "company")}
    run = op.get_bind().exec_driver_sql
    for script in (TABLES, FUNCTIONS):
        run(script.replace("%", "%%"))
    for table in VENDOR_OWNED:
        run(f"ALTER TABLE casegate.{table} ENABLE ROW LEVEL SECURITY")
        run(
            f'CREATE POLICY company_all ON casegate.{table} TO "{names["company"]}" USING (true) WITH CHECK (true)'
        )
    for function in FOR_VENDOR:
        run(f"REVOKE ALL ON FUNCTION casegate.{function} FROM PUBLIC")
        run(f'GRANT EXECUTE ON FUNCTION casegate.{function} TO "{names["vendor"]}"')
    for function in FOR_COMPANY:
        run(f'GRANT EXECUTE ON FUNCTION casegate.{function} TO "{names["company"]}"')
    run(POLICIES.format(**names))
    run(RIGHTS.format(**names))


def downgrade() -> None:
    """There is no way back: what was logged stays."""
