"""Erasure of a person's cases; acknowledgements and workers of long ago are forgotten.

Revision ID: 0005
"""

from alembic import context, op

revision = "0005"
down_revision = "0003"
branch_labels = None
depends_on = None

# The company's role has no DELETE on cases: this is the one way to be rid of one, and it takes
# all of a person's. Rows go whole, since each column but the times links to the person or the log.
ERASURE = """
CREATE FUNCTION casegate.erase_people(people bytea[])
RETURNS TABLE (vendor_id text, contract_id text, case_ref text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  RETURN QUERY
    DELETE FROM casegate.assigned_case a USING casegate.case_record r
     WHERE r.case_id = a.case_id AND r.person_mac = ANY (people)
    RETURNING a.vendor_id, a.contract_id, a.case_ref;
  DELETE FROM casegate.case_record r WHERE r.person_mac = ANY (people);
END $$;
REVOKE ALL ON FUNCTION casegate.erase_people(bytea[]) FROM PUBLIC;
"""

# An acknowledgement is waited for during three seconds, a worker is heard twice a second: a day is
# only for whoever looks afterwards. Listeners still have no DELETE on acknowledgements. Rows that
# another worker is forgetting at the same moment are skipped: a revocation waits for no lock here.
PRUNING = """
CREATE INDEX trust_acknowledgement_by_age ON casegate.trust_acknowledgement (acknowledged_at);
CREATE FUNCTION casegate.forget_old_workers() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  DELETE FROM casegate.trust_acknowledgement a
   USING (SELECT o.worker_id, o.epoch FROM casegate.trust_acknowledgement o
           WHERE o.acknowledged_at < clock_timestamp() - interval '1 day'
           ORDER BY o.acknowledged_at LIMIT 1000 FOR UPDATE SKIP LOCKED) aged
   WHERE a.worker_id = aged.worker_id AND a.epoch = aged.epoch;
  DELETE FROM casegate.worker w
   USING (SELECT o.worker_id FROM casegate.worker o
           WHERE o.heard_at < clock_timestamp() - interval '1 day'
           LIMIT 1000 FOR UPDATE SKIP LOCKED) gone
   WHERE w.worker_id = gone.worker_id;
  RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION casegate.forget_old_workers() FROM PUBLIC;
CREATE TRIGGER an_acknowledgement_forgets_old_ones AFTER INSERT ON casegate.trust_acknowledgement
  FOR EACH STATEMENT EXECUTE FUNCTION casegate.forget_old_workers();
"""

RIGHTS = """
GRANT EXECUTE ON FUNCTION casegate.erase_people(bytea[]) TO "{company}";
"""


def upgrade() -> None:
    company = context.config.attributes["roles"].name("company").replace('"', '""')
    run = op.get_bind().exec_driver_sql
    for script in (ERASURE, PRUNING, RIGHTS.format(company=company)):
        run(script.replace("%", "%%"))
