"""Call records as they come in: batches, their parts, the records, what each does to its permit.

A record is written once and never changed: a correction is a record of its own, which supersedes
the earlier one. What a call has shown takes effect in the transaction that keeps its record.

Revision ID: 0017
"""

from alembic import context, op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE casegate.record_batch (
  batch_id       uuid PRIMARY KEY,
  vendor_id      text NOT NULL,
  contract_id    text NOT NULL,
  thumbprint     bytea NOT NULL CHECK (length(thumbprint) = 32),
  repeat_key     text,
  content_sha256 bytea NOT NULL CHECK (length(content_sha256) = 32),
  rows           integer NOT NULL CHECK (rows > 0),
  parts          integer NOT NULL CHECK (parts > 0),
  received_at    timestamptz NOT NULL,
  log_index      bigint NOT NULL,
  leaf_hash      bytea NOT NULL CHECK (length(leaf_hash) = 32),
  FOREIGN KEY (contract_id, vendor_id) REFERENCES casegate.contract (contract_id, vendor_id)
);
CREATE UNIQUE INDEX record_batch_repeated ON casegate.record_batch (vendor_id, contract_id, repeat_key) WHERE repeat_key IS NOT NULL;
CREATE INDEX record_batch_in_order ON casegate.record_batch (vendor_id, contract_id, received_at, batch_id);

-- So many rows are kept in one transaction. `sealed` is what came, and goes when it has been looked at.
CREATE TABLE casegate.record_batch_part (
  batch_id    uuid NOT NULL REFERENCES casegate.record_batch DEFERRABLE,
  number      integer NOT NULL CHECK (number >= 0),
  vendor_id   text NOT NULL,
  contract_id text NOT NULL,
  rows        integer NOT NULL CHECK (rows > 0),
  sealed      bytea,
  attempts    integer NOT NULL DEFAULT 0,
  accepted    integer NOT NULL DEFAULT 0,
  duplicates  integer NOT NULL DEFAULT 0,
  rejected    integer NOT NULL DEFAULT 0,
  outcomes    bytea,
  done_at     timestamptz,
  PRIMARY KEY (batch_id, number),
  CHECK ((done_at IS NULL) = (outcomes IS NULL) AND (done_at IS NULL) = (sealed IS NOT NULL))
);
CREATE INDEX record_batch_part_waiting ON casegate.record_batch_part (attempts, batch_id, number) WHERE done_at IS NULL;

-- No foreign keys: a permit, a case and a batch are looked up in the same transaction, and a case may go before its records.
CREATE TABLE casegate.call_record (
  vendor_id          text NOT NULL,
  contract_id        text NOT NULL,
  call_id            text NOT NULL,
  permit_id          uuid,
  case_id            uuid NOT NULL,
  case_ref           text,
  contact_point      text,
  agent_ref          text NOT NULL,
  direction          text NOT NULL CHECK (direction IN ('outbound', 'inbound')),
  call_kind          text NOT NULL CHECK (call_kind IN ('notify', 'interactive')),
  started_at         timestamptz NOT NULL,
  answered_at        timestamptz,
  ended_at           timestamptz NOT NULL,
  ring_s             integer,
  talk_s             integer NOT NULL,
  result_code        text NOT NULL,
  party_reached      text,
  identity_check     text,
  disclosures        text[] NOT NULL,
  script             text,
  quoted_amount      bigint,
  promise            jsonb,
  willingness_code   text,
  ability_code       text,
  reason_code        text,
  feedback_code      text,
  next_action_at     timestamptz,
  sealed_summary     bytea,
  summary_mac        bytea,
  summary_state      text NOT NULL CHECK (summary_state IN ('none', 'waiting', 'clean', 'held')),
  recording_id       text,
  recording_sha256   bytea,
  caller_number      text,
  seat_id            text,
  hangup_side        text,
  sip_cause          integer,
  received_at        timestamptz NOT NULL,
  batch_id           uuid NOT NULL,
  body_sha256        bytea NOT NULL,
  supersedes_call_id text,
  superseded_by      text,
  -- No other index serves a look at single calls: a bad guess of the planner would read a vendor's whole year.
  PRIMARY KEY (call_id, vendor_id, contract_id)
);
CREATE INDEX call_record_in_order ON casegate.call_record (contract_id, started_at);
CREATE INDEX call_record_of_case ON casegate.call_record (case_id);
CREATE INDEX call_record_summary ON casegate.call_record (summary_mac) WHERE summary_mac IS NOT NULL;
CREATE INDEX call_record_waiting ON casegate.call_record (received_at) WHERE summary_state = 'waiting';
"""

FUNCTIONS = """
-- What records are held against: the vendor's own permits, with the salt under which a summary is sealed.
CREATE FUNCTION casegate.record_permits(vendor text, contract text, permits uuid[])
RETURNS TABLE (permit_id uuid, case_id uuid, case_ref text, point_kind text, agent_ref text, script_id text, script_version integer,
               caller_number text, call_kind text, party text, requested_at timestamptz, expires_at timestamptz,
               closed_at timestamptz, state text, void_reason text, result text, log_salt bytea)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
  SELECT c.contact_id, c.case_id, c.case_ref, c.point_kind, c.agent_ref, c.script_id, c.script_version, c.caller_number,
         c.call_kind, c.party, c.requested_at, c.expires_at, c.closed_at, c.state, c.void_reason, c.result, r.log_salt
    FROM casegate.contact c JOIN casegate.case_record r ON r.case_id = c.case_id
   WHERE c.contact_id = ANY (permits) AND c.vendor_id IS NOT DISTINCT FROM vendor AND c.contract_id IS NOT DISTINCT FROM contract
$$;
-- Cases that the vendor has or had: a call without a permit may well be to one that was recalled.
CREATE FUNCTION casegate.record_cases(vendor text, contract text, refs text[])
RETURNS TABLE (case_ref text, case_id uuid, log_salt bytea)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
  SELECT a.case_ref, a.case_id, r.log_salt
    FROM unnest(refs) AS asked (ref)
   CROSS JOIN LATERAL (SELECT * FROM casegate.assigned_case o
                        WHERE o.vendor_id = vendor AND o.contract_id = contract AND o.case_ref = asked.ref LIMIT 1) a
    JOIN casegate.case_record r ON r.case_id = a.case_id
$$;
-- What a quoted amount is compared with: the balances by the ledger, or the case's own when nothing was posted.
CREATE FUNCTION casegate.record_balances(vendor text, contract text, refs text[])
RETURNS TABLE (case_ref text, case_id uuid, kek_id text, wrapped_key bytea, sealed bytea, balances jsonb)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  IF to_regclass('casegate.ledger_entry') IS NULL THEN
    RETURN QUERY SELECT a.case_ref, r.case_id, r.kek_id, r.wrapped_key, r.sealed, '[]'::jsonb
      FROM unnest(refs) AS asked (ref)
     CROSS JOIN LATERAL (SELECT * FROM casegate.assigned_case o
                          WHERE o.vendor_id = vendor AND o.contract_id = contract AND o.case_ref = asked.ref LIMIT 1) a
      JOIN casegate.case_record r ON r.case_id = a.case_id;
  ELSE
    RETURN QUERY EXECUTE
      'SELECT a.case_ref, r.case_id, r.kek_id, r.wrapped_key, r.sealed,
              coalesce((SELECT jsonb_agg(jsonb_build_array(extract(epoch FROM l.posted_at), l.balance_after) ORDER BY l.posted_at, l.entry_id)
                          FROM casegate.ledger_entry l WHERE l.case_id = r.case_id), ''[]'')
         FROM unnest($3) AS asked (ref)
        CROSS JOIN LATERAL (SELECT * FROM casegate.assigned_case o
                             WHERE o.vendor_id = $1 AND o.contract_id = $2 AND o.case_ref = asked.ref LIMIT 1) a
         JOIN casegate.case_record r ON r.case_id = a.case_id' USING vendor, contract, refs;
  END IF;
END $$;

-- Calls as they were, on their permits: how many took it. Fewer than were given means that somebody else was
-- faster, and that the records have to be looked at anew. A result that was told before stays counted.
CREATE FUNCTION casegate.record_calls(vendor text, contract text, permits uuid[], outcomes text[], measures integer[],
                                      fails boolean[], corrections boolean[], moment timestamptz)
RETURNS bigint
-- A few rows out of millions by their keys, whatever the statistics say on the first day: no index on vendors will do.
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog SET enable_seqscan = off SET enable_hashjoin = off AS $$
DECLARE
  people bytea[];
  done bigint;
BEGIN
  -- Debtors before their contacts, in one order, as everywhere.
  SELECT array_agg(DISTINCT c.person_mac) INTO people FROM casegate.contact c
   WHERE c.contact_id = ANY (permits) AND c.vendor_id IS NOT DISTINCT FROM vendor AND c.contract_id IS NOT DISTINCT FROM contract;
  WITH locked AS (SELECT d.person_mac FROM casegate.debtor d WHERE d.person_mac = ANY (people) ORDER BY d.person_mac FOR UPDATE)
  UPDATE casegate.debtor d SET version = d.version + 1 FROM locked WHERE d.person_mac = locked.person_mac;
  UPDATE casegate.contact c
     SET state = 'recorded', closed_at = coalesce(c.closed_at, moment), result = told.outcome, is_failed = told.is_failed,
         counts = CASE WHEN c.result IS NULL THEN told.measure ELSE c.counts | told.measure END
    FROM unnest(permits, outcomes, measures, fails, corrections) AS told (permit, outcome, measure, is_failed, is_correction)
   WHERE c.contact_id = told.permit AND c.vendor_id IS NOT DISTINCT FROM vendor AND c.contract_id IS NOT DISTINCT FROM contract
     AND (c.state <> 'recorded' OR told.is_correction);
  GET DIAGNOSTICS done = ROW_COUNT;
  RETURN done;
END $$;
-- What a call has shown beside its count: the number's state, an opting out for ever, a hold on the debtor. Returns
-- the commitments of the cases under the hold, NULL without one.
CREATE FUNCTION casegate.record_effect(vendor text, contract text, permit uuid, the_case uuid, found_validity text,
                                       is_opting_out boolean, hold uuid, hold_code text, moment timestamptz)
RETURNS bytea[]
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
  person bytea;
  point bytea;
BEGIN
  SELECT r.person_mac INTO person FROM casegate.case_record r
   WHERE r.case_id = the_case
     AND EXISTS (SELECT FROM casegate.assigned_case a WHERE a.case_id = r.case_id AND a.vendor_id = vendor AND a.contract_id = contract);
  IF person IS NULL THEN
    RETURN NULL;
  END IF;
  PERFORM casegate.touch_debtor(person);
  SELECT c.point_mac INTO point FROM casegate.contact c
   WHERE c.contact_id = permit AND c.vendor_id = vendor AND c.contract_id = contract;
  IF point IS NOT NULL AND (found_validity IS NOT NULL OR is_opting_out) THEN
    INSERT INTO casegate.point_state AS p (point_mac, validity, changed_at, opted_out_at)
    VALUES (point, coalesce(found_validity, 'unknown'), moment, CASE WHEN is_opting_out THEN moment END)
    ON CONFLICT (point_mac) DO UPDATE
       SET validity = coalesce(found_validity, p.validity), changed_at = moment,
           opted_out_at = coalesce(p.opted_out_at, excluded.opted_out_at);
  END IF;
  IF hold_code IS NULL THEN
    RETURN NULL;
  END IF;
  RETURN casegate.place_hold(hold, person, NULL, hold_code, 'call_result', 'vendor:' || vendor, moment);
END $$;
CREATE FUNCTION casegate.supersede_calls(vendor text, contract text, earlier text[], later text[])
RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
  done bigint;
BEGIN
  UPDATE casegate.call_record r SET superseded_by = pair.later
    FROM unnest(earlier, later) AS pair (earlier, later)
   WHERE r.call_id = pair.earlier AND r.vendor_id = vendor AND r.contract_id IS NOT DISTINCT FROM contract
     AND r.superseded_by IS NULL;
  GET DIAGNOSTICS done = ROW_COUNT;
  RETURN done;
END $$;
CREATE FUNCTION casegate.raise_call_findings(vendor text, contract text, faults jsonb, moment timestamptz)
RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
  INSERT INTO casegate.finding (finding_id, rule, severity, vendor_id, contract_id, agent_ref, evidence, found_at)
  SELECT f.finding_id, f.rule, f.severity, vendor, contract, f.agent_ref, f.evidence, moment
    FROM jsonb_to_recordset(faults) AS f (finding_id uuid, rule text, severity text, agent_ref text, evidence jsonb)
   WHERE starts_with(f.rule, 'CALL_')
$$;
-- Of an erased person stays that there were calls: when, how long, by which agent, how they ended.
CREATE FUNCTION casegate.forget_calls() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  UPDATE casegate.call_record
     SET case_ref = NULL, quoted_amount = NULL, promise = NULL, willingness_code = NULL, ability_code = NULL, reason_code = NULL,
         feedback_code = NULL, sealed_summary = NULL, summary_mac = NULL, summary_state = 'none'
   WHERE case_id = OLD.case_id;
  RETURN OLD;
END $$;
CREATE TRIGGER erased_case_forgets_calls BEFORE DELETE ON casegate.case_record
  FOR EACH ROW EXECUTE FUNCTION casegate.forget_calls();
"""

POLICIES = """
CREATE POLICY own_batches ON casegate.record_batch TO "{vendor}"
  USING (vendor_id = current_setting('casegate.vendor_id', true)) WITH CHECK (vendor_id = current_setting('casegate.vendor_id', true));
CREATE POLICY own_parts ON casegate.record_batch_part TO "{vendor}"
  USING (vendor_id = current_setting('casegate.vendor_id', true)) WITH CHECK (vendor_id = current_setting('casegate.vendor_id', true));
CREATE POLICY own_calls ON casegate.call_record TO "{vendor}"
  USING (vendor_id = current_setting('casegate.vendor_id', true)) WITH CHECK (vendor_id = current_setting('casegate.vendor_id', true));
"""

RIGHTS = """
GRANT SELECT, INSERT ON casegate.record_batch, casegate.record_batch_part, casegate.call_record TO "{vendor}", "{company}";
GRANT UPDATE (sealed, attempts, accepted, duplicates, rejected, outcomes, done_at) ON casegate.record_batch_part TO "{company}";
GRANT UPDATE (summary_state) ON casegate.call_record TO "{company}";
"""

FOR_BOTH = (
    "record_permits(text, text, uuid[])",
    "record_cases(text, text, text[])",
    "record_balances(text, text, text[])",
    "record_calls(text, text, uuid[], text[], integer[], boolean[], boolean[], timestamptz)",
    "record_effect(text, text, uuid, uuid, text, boolean, uuid, text, timestamptz)",
    "supersede_calls(text, text, text[], text[])",
    "raise_call_findings(text, text, jsonb, timestamptz)",
)
VENDOR_OWNED = ("record_batch", "record_batch_part", "call_record")


def upgrade() -> None:
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
    run(POLICIES.format(**names))
    run("REVOKE ALL ON FUNCTION casegate.forget_calls() FROM PUBLIC")
    for function in FOR_BOTH:
        run(f"REVOKE ALL ON FUNCTION casegate.{function} FROM PUBLIC")
        for name in names.values():
            run(f'GRANT EXECUTE ON FUNCTION casegate.{function} TO "{name}"')
    run(RIGHTS.format(**names))


def downgrade() -> None:
    """There is no way back: what was logged stays."""
