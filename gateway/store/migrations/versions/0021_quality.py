"""Quality checks, incidents, access reviews, meetings and closed months; what reports lacked.

Revision ID: 0021
"""

from alembic import context, op

revision = "0021"
down_revision = "0023"
branch_labels = None
depends_on = None

TABLES = """
-- A sample of a period's calls. The seed is told to the vendor: whoever has the calls can draw it again.
CREATE TABLE casegate.quality_draw (
  draw_id       uuid PRIMARY KEY,
  vendor_id     text NOT NULL,
  contract_id   text NOT NULL,
  sequence      bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
  period        text NOT NULL CHECK (period ~ '^[0-9]{4}-([0-9]{2}|W[0-9]{2}|[0-9]{2}-[0-9]{2})$'),
  seed          text NOT NULL CHECK (length(seed) BETWEEN 8 AND 128),
  wanted        integer NOT NULL CHECK (wanted > 0),
  found         bigint NOT NULL CHECK (found >= 0),
  calls_sha256  bytea NOT NULL CHECK (length(calls_sha256) = 32),
  sample_sha256 bytea NOT NULL CHECK (length(sample_sha256) = 32),
  drawn_at      timestamptz NOT NULL,
  drawn_by      text NOT NULL,
  UNIQUE (vendor_id, contract_id, period, seed),
  FOREIGN KEY (contract_id, vendor_id) REFERENCES casegate.contract (contract_id, vendor_id)
);
CREATE INDEX quality_draw_in_order ON casegate.quality_draw (vendor_id, contract_id, sequence);
CREATE TABLE casegate.quality_check (
  check_id    uuid PRIMARY KEY,
  draw_id     uuid NOT NULL REFERENCES casegate.quality_draw,
  vendor_id   text NOT NULL,
  contract_id text NOT NULL,
  sequence    bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
  call_id     text NOT NULL,
  agent_ref   text NOT NULL,
  place       integer NOT NULL CHECK (place > 0),
  drawn_at    timestamptz NOT NULL,
  result      text CHECK (result IN ('pass', 'fail')),
  rule        text,
  clause      text,
  finding_id  uuid REFERENCES casegate.finding,
  checked_at  timestamptz,
  checked_by  text,
  UNIQUE (draw_id, call_id),
  FOREIGN KEY (contract_id, vendor_id) REFERENCES casegate.contract (contract_id, vendor_id),
  CHECK ((result IS NULL) = (checked_at IS NULL) AND (result IS NULL) = (checked_by IS NULL)),
  CHECK (CASE result WHEN 'fail' THEN rule IS NOT NULL AND clause IS NOT NULL AND finding_id IS NOT NULL
                     ELSE rule IS NULL AND clause IS NULL AND finding_id IS NULL END)
);
CREATE INDEX quality_check_in_order ON casegate.quality_check (vendor_id, contract_id, sequence);

-- What went wrong with data or systems at a vendor; facts about people stand elsewhere.
CREATE TABLE casegate.incident (
  incident_id  uuid PRIMARY KEY,
  vendor_id    text NOT NULL,
  contract_id  text NOT NULL,
  sequence     bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
  kind         text NOT NULL,
  level        text NOT NULL CHECK (level IN ('critical', 'major', 'minor')),
  detected_at  timestamptz NOT NULL,
  contained_at timestamptz CHECK (contained_at >= detected_at),
  closed_at    timestamptz CHECK (closed_at >= contained_at),
  opened_at    timestamptz NOT NULL,
  opened_by    text NOT NULL,
  CHECK (closed_at IS NULL OR contained_at IS NOT NULL),
  FOREIGN KEY (contract_id, vendor_id) REFERENCES casegate.contract (contract_id, vendor_id)
);
CREATE INDEX incident_in_order ON casegate.incident (vendor_id, contract_id, detected_at);
-- Somebody has gone through who of a vendor has access, for a month.
CREATE TABLE casegate.access_review (
  vendor_id   text NOT NULL,
  contract_id text NOT NULL,
  period      text NOT NULL CHECK (period ~ '^[0-9]{4}-[0-9]{2}$'),
  credentials integer NOT NULL,
  agents      integer NOT NULL,
  reviewed_at timestamptz NOT NULL,
  reviewed_by text NOT NULL,
  PRIMARY KEY (vendor_id, contract_id, period),
  FOREIGN KEY (contract_id, vendor_id) REFERENCES casegate.contract (contract_id, vendor_id)
);
-- The meeting about a month: its minutes lie elsewhere, known by their digest.
CREATE TABLE casegate.vendor_meeting (
  meeting_id     uuid PRIMARY KEY,
  vendor_id      text NOT NULL,
  contract_id    text NOT NULL,
  period         text NOT NULL CHECK (period ~ '^[0-9]{4}-[0-9]{2}$'),
  held_on        date NOT NULL,
  minutes_sha256 bytea NOT NULL CHECK (length(minutes_sha256) = 32),
  actions        integer NOT NULL CHECK (actions >= 0),
  recorded_at    timestamptz NOT NULL,
  recorded_by    text NOT NULL,
  UNIQUE (vendor_id, contract_id, period, minutes_sha256),
  FOREIGN KEY (contract_id, vendor_id) REFERENCES casegate.contract (contract_id, vendor_id)
);
CREATE TABLE casegate.closed_month (
  vendor_id   text NOT NULL,
  contract_id text NOT NULL,
  period      text NOT NULL CHECK (period ~ '^[0-9]{4}-[0-9]{2}$'),
  closed_at   timestamptz NOT NULL,
  closed_by   text NOT NULL,
  PRIMARY KEY (vendor_id, contract_id, period),
  FOREIGN KEY (contract_id, vendor_id) REFERENCES casegate.contract (contract_id, vendor_id)
);
-- What was due, in fen, when the case was given to this vendor; NULL where that was before this version.
ALTER TABLE casegate.assigned_case ADD COLUMN placed_amount bigint CHECK (placed_amount >= 0);
-- From which network a permit was asked for: 203.0.113.0/24, or the first 48 bits of an IPv6 address.
ALTER TABLE casegate.contact ADD COLUMN network text;
"""

FUNCTIONS = """
-- What a report says of quality, incidents and recovery, for the vendor's preview and the check of its report.
CREATE FUNCTION casegate.report_quality(vendor text, contract text, since timestamptz, until timestamptz)
RETURNS jsonb
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
  SELECT (SELECT jsonb_build_object(
            'qc_sampled', count(*) FILTER (WHERE q.drawn_at >= since AND q.drawn_at < until),
            'qc_checked', count(*) FILTER (WHERE q.checked_at >= since AND q.checked_at < until),
            'qc_failed', count(*) FILTER (WHERE q.result = 'fail' AND q.checked_at >= since AND q.checked_at < until))
            FROM casegate.quality_check q WHERE q.vendor_id = vendor AND q.contract_id = contract)
      || (SELECT jsonb_build_object('incidents', count(*)) FROM casegate.incident i
           WHERE i.vendor_id = vendor AND i.contract_id = contract AND i.detected_at >= since AND i.detected_at < until)
      || jsonb_build_object('data_access_review_done', EXISTS (
           SELECT FROM casegate.access_review v WHERE v.vendor_id = vendor AND v.contract_id = contract
              AND v.period = to_char(since AT TIME ZONE 'Asia/Shanghai', 'YYYY-MM')))
      || (SELECT jsonb_build_object('placed', coalesce(sum(a.placed_amount), 0)::bigint) FROM casegate.assigned_case a
           WHERE a.vendor_id = vendor AND a.contract_id = contract AND a.placed_amount IS NOT NULL
             AND a.assigned_at < until AND (a.recalled_at IS NULL OR a.recalled_at >= since))
      || (SELECT jsonb_build_object('recovered', coalesce(sum(l.amount), 0)::bigint)
            FROM casegate.assigned_case a JOIN casegate.ledger_entry l ON l.case_id = a.case_id
           WHERE a.vendor_id = vendor AND a.contract_id = contract AND a.placed_amount IS NOT NULL AND l.kind = 'payment'
             AND l.posted_at >= since AND l.posted_at < until AND l.posted_at >= a.assigned_at
             AND (a.recalled_at IS NULL OR l.posted_at < a.recalled_at))
$$;
-- A vendor's own checks: which calls were drawn, by which seed, and what came of it.
CREATE FUNCTION casegate.vendor_quality_checks(vendor text, contract text, before bigint, most integer)
RETURNS TABLE (sequence bigint, check_id uuid, draw_id uuid, period text, seed text, sample integer, calls bigint, calls_sha256 bytea,
               place integer, call_id text, drawn_at timestamptz, has_recording boolean, result text, rule text, clause text,
               checked_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
  SELECT q.sequence, q.check_id, q.draw_id, d.period, d.seed, d.wanted, d.found, d.calls_sha256, q.place, q.call_id, q.drawn_at,
         EXISTS (SELECT FROM casegate.recording r WHERE r.vendor_id = vendor AND r.contract_id = contract
                    AND r.call_id = q.call_id AND r.state = 'verified'),
         q.result, q.rule, q.clause, q.checked_at
    FROM casegate.quality_check q JOIN casegate.quality_draw d USING (draw_id)
   WHERE q.vendor_id = vendor AND q.contract_id = contract AND (before IS NULL OR q.sequence < before)
   ORDER BY q.sequence DESC LIMIT most
$$;
"""

FOR_VENDOR = (
    "report_quality(text, text, timestamptz, timestamptz)",
    "vendor_quality_checks(text, text, bigint, integer)",
)
FOR_COMPANY = FOR_VENDOR[:1]
VENDOR_OWNED = (
    *("quality_draw", "quality_check", "incident"),
    *("access_review", "vendor_meeting", "closed_month"),
)

RIGHTS = """
GRANT SELECT, INSERT ON casegate.quality_draw, casegate.quality_check, casegate.incident, casegate.access_review,
  casegate.vendor_meeting, casegate.closed_month TO "{company}";
GRANT UPDATE (result, rule, clause, finding_id, checked_at, checked_by) ON casegate.quality_check TO "{company}";
GRANT UPDATE (contained_at, closed_at) ON casegate.incident TO "{company}";
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
    run(RIGHTS.format(**names))


def downgrade() -> None:
    """There is no way back: what was logged stays."""
