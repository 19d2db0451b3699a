"""Records by the thousand: their permits by key whatever the planner thinks, promises in one statement.

Revision ID: 0025
"""

from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

FUNCTIONS = """
-- As they were, but in one way only: a key at a time, whatever the planner makes of the tables. With an array of a
-- thousand keys it reads tables of some ten thousand rows from end to end, and where it thought that a condition leaves
-- one row of them it compared each with each. What is inside coalesce is of no index, and is thought to leave half.
CREATE OR REPLACE FUNCTION casegate.record_permits(vendor text, contract text, permits uuid[])
RETURNS TABLE (permit_id uuid, case_id uuid, case_ref text, point_kind text, agent_ref text, script_id text, script_version integer,
               caller_number text, call_kind text, party text, requested_at timestamptz, expires_at timestamptz,
               closed_at timestamptz, state text, void_reason text, result text, log_salt bytea)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
  SELECT c.contact_id, c.case_id, c.case_ref, c.point_kind, c.agent_ref, c.script_id, c.script_version, c.caller_number,
         c.call_kind, c.party, c.requested_at, c.expires_at, c.closed_at, c.state, c.void_reason, c.result, r.log_salt
    FROM unnest(permits) AS asked (permit) JOIN casegate.contact c ON c.contact_id = asked.permit
    JOIN casegate.case_record r ON r.case_id = c.case_id
   WHERE coalesce(c.vendor_id = vendor AND c.contract_id = contract, false)
$$;
CREATE OR REPLACE FUNCTION casegate.record_calls(vendor text, contract text, permits uuid[], outcomes text[], measures integer[],
                                                 fails boolean[], corrections boolean[], moment timestamptz)
RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
  people bytea[];
  done bigint;
BEGIN
  -- Debtors before their contacts, in one order, as everywhere.
  SELECT array_agg(DISTINCT c.person_mac) INTO people
    FROM unnest(permits) AS told (permit) JOIN casegate.contact c ON c.contact_id = told.permit
   WHERE coalesce(c.vendor_id = vendor AND c.contract_id = contract, false);
  PERFORM 1 FROM unnest(people) AS one (person) JOIN casegate.debtor d ON d.person_mac = one.person
    ORDER BY d.person_mac FOR UPDATE OF d;
  UPDATE casegate.debtor d SET version = d.version + 1 FROM unnest(people) AS one (person) WHERE d.person_mac = one.person;
  UPDATE casegate.contact c
     SET state = 'recorded', closed_at = coalesce(c.closed_at, moment), result = told.outcome, is_failed = told.is_failed,
         counts = CASE WHEN c.result IS NULL THEN told.measure ELSE c.counts | told.measure END
    FROM unnest(permits, outcomes, measures, fails, corrections) AS told (permit, outcome, measure, is_failed, is_correction)
   WHERE c.contact_id = told.permit AND coalesce(c.vendor_id = vendor AND c.contract_id = contract, false)
     AND (c.state <> 'recorded' OR told.is_correction);
  GET DIAGNOSTICS done = ROW_COUNT;
  RETURN done;
END $$;

-- A promise is what a call's record says; a correction of the record is one of the promise. Of all records of a
-- statement at once: one of them may correct another.
CREATE FUNCTION casegate.keep_promises() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF EXISTS (SELECT FROM kept k WHERE k.promise IS NOT NULL) THEN
    INSERT INTO casegate.promise (promise_id, vendor_id, contract_id, call_id, case_id, case_ref, agent_ref, made_at, amount, due_on)
    SELECT gen_random_uuid(), k.vendor_id, k.contract_id, k.call_id, k.case_id, k.case_ref, k.agent_ref, k.started_at,
           (k.promise ->> 'amount')::bigint, (k.promise ->> 'due_on')::date
      FROM kept k WHERE k.promise IS NOT NULL AND k.case_ref IS NOT NULL
        ON CONFLICT (vendor_id, contract_id, call_id) DO NOTHING;
  END IF;
  IF EXISTS (SELECT FROM kept k WHERE k.supersedes_call_id IS NOT NULL) THEN
    UPDATE casegate.promise p SET state = 'superseded', settled_at = k.received_at
      FROM kept k
     WHERE k.supersedes_call_id IS NOT NULL AND p.state = 'pending'
       AND p.vendor_id = k.vendor_id AND p.contract_id = k.contract_id AND p.call_id = k.supersedes_call_id;
  END IF;
  RETURN NULL;
END $$;
DROP TRIGGER record_keeps_promise ON casegate.call_record;
DROP FUNCTION casegate.keep_promise();
CREATE TRIGGER record_keeps_promise AFTER INSERT ON casegate.call_record REFERENCING NEW TABLE AS kept
  FOR EACH STATEMENT EXECUTE FUNCTION casegate.keep_promises();

-- What became of the rows of a batch, when nobody will ask any more: its numbers and its receipt stay.
CREATE INDEX record_batch_part_answered ON casegate.record_batch_part (done_at) WHERE outcomes <> '';
"""


def upgrade() -> None:
    """Makes what the sentence above says."""
    run = op.get_bind().exec_driver_sql
    run(FUNCTIONS.replace("%", "%%"))
    run("REVOKE ALL ON FUNCTION casegate.keep_promises() FROM PUBLIC")


def downgrade() -> None:
    """There is no way back: what was logged stays."""
