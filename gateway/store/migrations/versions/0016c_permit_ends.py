"""How contact permits end: dialled, void, over, or of somebody who is erased.

What ends a permit (a recall, a hold, an agent's suspension, a script's withdrawal) does so by
triggers, in the transaction of the change, whoever makes it.

Revision ID: 0016c
"""

from alembic import op

revision = "0016c"
down_revision = "0016a"
branch_labels = None
depends_on = None

FUNCTIONS = """
-- A number for a dial token, once: NULL unless the permit is open and all that it stands on still is.
CREATE FUNCTION casegate.take_dial(permit uuid, moment timestamptz)
RETURNS casegate.contact
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
  found casegate.contact;
BEGIN
  UPDATE casegate.contact c SET dialed_at = moment
    FROM casegate.contract k, casegate.vendor v, casegate.credential s
   WHERE c.contact_id = permit AND c.handling = 'dial_token' AND c.state = 'granted' AND c.dialed_at IS NULL
     AND c.expires_at > moment AND k.contract_id = c.contract_id AND k.starts_at <= moment AND k.ends_at > moment
     AND v.vendor_id = c.vendor_id AND v.status = 'active' AND s.thumbprint = c.thumbprint AND s.status = 'active'
  RETURNING c.* INTO found;
  RETURN found;
END $$;

-- Permits that end because something else did. One that may have been dialled goes on counting.
CREATE FUNCTION casegate.void_permits(of_person bytea, of_case uuid, of_vendor text, of_contract text, of_agent text,
                                      of_script text, of_version integer, because text, moment timestamptz)
RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
  WITH ended AS (
    UPDATE casegate.contact c
       SET state = 'voided', closed_at = moment, void_reason = because,
           counts = CASE WHEN c.handling = 'dial_token' AND c.dialed_at IS NULL THEN 0 ELSE c.counts END
     WHERE c.state = 'granted'
       AND (of_person IS NULL OR c.person_mac = of_person) AND (of_case IS NULL OR c.case_id = of_case)
       AND (of_vendor IS NULL OR (c.vendor_id = of_vendor AND c.contract_id = of_contract))
       AND (of_agent IS NULL OR c.agent_ref = of_agent)
       AND (of_script IS NULL OR (c.script_id = of_script AND c.script_version = of_version))
    RETURNING 1)
  SELECT count(*) FROM ended
$$;

-- Permits whose time is over and which nobody has closed: each counts as a try at least.
CREATE FUNCTION casegate.expire_permits(moment timestamptz, most integer)
RETURNS TABLE (contact_id uuid, vendor_id text, contract_id text)
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
  WITH due AS (SELECT c.contact_id FROM casegate.contact c WHERE c.state = 'granted' AND c.expires_at <= moment
                ORDER BY c.expires_at LIMIT most FOR UPDATE SKIP LOCKED)
  UPDATE casegate.contact c
     SET state = 'expired', closed_at = moment,
         counts = CASE WHEN c.handling = 'dial_token' AND c.dialed_at IS NULL THEN 3 ELSE c.counts END
    FROM due WHERE c.contact_id = due.contact_id
  RETURNING c.contact_id, c.vendor_id, c.contract_id
$$;

CREATE FUNCTION casegate.end_permits_of_case() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  PERFORM casegate.void_permits(NULL, gone.case_id, gone.vendor_id, gone.contract_id, NULL, NULL, NULL, 'RECALLED', gone.recalled_at)
     FROM (SELECT n.case_id, n.vendor_id, n.contract_id, n.recalled_at FROM changed n
            WHERE n.status = 'recalled'
              AND EXISTS (SELECT 1 FROM casegate.contact c WHERE c.case_id = n.case_id AND c.state = 'granted')) gone;
  RETURN NULL;
END $$;
CREATE FUNCTION casegate.void_permits_of_debtor(person bytea, the_case uuid, moment timestamptz, because text) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
  SELECT casegate.void_permits(person, the_case, NULL, NULL, NULL, NULL, NULL, because, moment)
$$;
CREATE FUNCTION casegate.void_permits_of_agent(vendor text, contract text, agent text, moment timestamptz) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
  SELECT casegate.void_permits(NULL, NULL, vendor, contract, agent, NULL, NULL, 'AGENT', moment)
$$;
CREATE FUNCTION casegate.void_permits_of_script(script text, version integer, moment timestamptz) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
  SELECT casegate.void_permits(NULL, NULL, NULL, NULL, NULL, script, version, 'SCRIPT', moment)
$$;
-- A hold that comes with a corrected debtor, and not through place_hold(), ends them too.
CREATE FUNCTION casegate.end_permits_of_debtor() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  PERFORM casegate.void_permits_of_debtor(NEW.person_mac, NEW.case_id, NEW.placed_at, 'HOLD');
  RETURN NULL;
END $$;
CREATE FUNCTION casegate.forget_contacts() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  PERFORM casegate.void_permits(NULL, OLD.case_id, NULL, NULL, NULL, NULL, NULL, 'ERASED', clock_timestamp());
  UPDATE casegate.contact SET person_mac = decode(repeat('00', 32), 'hex'), point_mac = decode(repeat('00', 32), 'hex'),
         debt = '', case_ref = NULL, case_id = '00000000-0000-0000-0000-000000000000'
   WHERE case_id = OLD.case_id;
  UPDATE casegate.permit_refusal SET case_id = '00000000-0000-0000-0000-000000000000' WHERE case_id = OLD.case_id;
  DELETE FROM casegate.identity_try WHERE case_id = OLD.case_id;
  DELETE FROM casegate.channel_refusal WHERE person_mac = OLD.person_mac;
  -- A refusal to be called stays, for the number of whoever refused.
  DELETE FROM casegate.point_state
   WHERE point_mac IN (OLD.contact_mac, OLD.home_mac, OLD.related_mac) AND opted_out_at IS NULL;
  RETURN OLD;
END $$;
-- Whether a consent was given in a call that was allowed: no permit, no consent.
CREATE OR REPLACE FUNCTION casegate.is_captured_in_permit(vendor text, contract text, the_case uuid, permit uuid, captured timestamptz)
RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
  SELECT EXISTS (SELECT FROM casegate.contact c
                  WHERE c.contact_id = permit AND c.vendor_id = vendor AND c.contract_id = contract AND c.case_id = the_case
                    AND c.state <> 'voided' AND captured BETWEEN date_trunc('milliseconds', c.requested_at) AND c.requested_at + interval '2 hours')
$$;
"""

TRIGGERS = """
CREATE TRIGGER pack_changes_trust AFTER INSERT OR UPDATE ON casegate.pack_activation
  FOR EACH STATEMENT EXECUTE FUNCTION casegate.raise_trust_epoch();
CREATE TRIGGER recall_ends_permits AFTER UPDATE ON casegate.assigned_case
  REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION casegate.end_permits_of_case();
CREATE TRIGGER hold_ends_permits AFTER INSERT ON casegate.hold
  FOR EACH ROW EXECUTE FUNCTION casegate.end_permits_of_debtor();
CREATE TRIGGER erased_case_forgets_contacts BEFORE DELETE ON casegate.case_record
  FOR EACH ROW EXECUTE FUNCTION casegate.forget_contacts();
"""


def upgrade() -> None:
    """Makes what the sentence above says; who may call what is said in 0016."""
    run = op.get_bind().exec_driver_sql
    for script in (FUNCTIONS, TRIGGERS):
        run(script.replace("%", "%%"))


def downgrade() -> None:
    """There is no way back: what was logged stays."""
