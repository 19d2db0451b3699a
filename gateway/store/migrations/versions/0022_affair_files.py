"""Files that vendors hand in for affairs; and in which order locks are taken, so that nobody waits for ever.

Debtors come before agents and cases, contacts in the order of their ids, then numbers, then feeds
by vendor and contract, the log's end last. Whoever takes them in another order may wait for
somebody who waits for him, and PostgreSQL ends one of the two. The grant of a permit, which keeps
to it too, is in 0023.

Revision ID: 0022
"""

from alembic import context, op

revision = "0022"
down_revision = "0020"
branch_labels = None
depends_on = None

TABLES = """
-- What a vendor hands in beside its words: sealed like them, by its SHA-256 once for each affair. Without `sealed` it is erased.
CREATE TABLE casegate.affair_file (
  file_id     uuid PRIMARY KEY,
  affair_id   uuid NOT NULL REFERENCES casegate.affair,
  vendor_id   text NOT NULL,
  contract_id text NOT NULL,
  sha256      bytea NOT NULL CHECK (length(sha256) = 32),
  bytes       integer NOT NULL CHECK (bytes BETWEEN 1 AND 10485760),
  media_type  text NOT NULL CHECK (media_type IN ('application/pdf', 'image/jpeg', 'image/png',
                                                  'audio/wav', 'audio/mpeg', 'audio/ogg', 'audio/AMR')),
  sealed      bytea,
  filed_at    timestamptz NOT NULL,
  erased_at   timestamptz,
  UNIQUE (affair_id, sha256),
  CHECK ((sealed IS NULL) = (erased_at IS NOT NULL))
);
-- A ciphertext does not get smaller.
ALTER TABLE casegate.affair_file ALTER COLUMN sealed SET STORAGE EXTERNAL;
CREATE INDEX affair_file_kept ON casegate.affair_file (filed_at) WHERE sealed IS NOT NULL;
"""

# SQLSTATE CG191 no such affair of this vendor, CG192 its state takes none, CG221 too many files, or too much in all.
FILES = """
-- Keeps a file, once: whether it is new, with the id under which it was kept first. Those of one affair wait for each other.
CREATE FUNCTION casegate.file_for_affair(vendor text, contract text, of_kind text, affair uuid, file uuid, digest bytea,
  size integer, media text, content bytea, most integer, most_bytes bigint, moment timestamptz)
RETURNS TABLE (file_id uuid, is_new boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
  thing casegate.affair;
  known uuid;
  there record;
BEGIN
  SELECT * INTO thing FROM casegate.affair f
   WHERE f.affair_id = affair AND f.vendor_id = vendor AND f.contract_id = contract AND f.kind = of_kind AND f.is_shown FOR UPDATE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'no such affair of this vendor' USING ERRCODE = 'CG191';
  END IF;
  SELECT k.file_id INTO known FROM casegate.affair_file k WHERE k.affair_id = affair AND k.sha256 = digest;
  IF FOUND THEN
    RETURN QUERY SELECT known, false;
    RETURN;
  END IF;
  IF thing.kind NOT IN ('complaint', 'rectification')
     OR thing.state IN ('drafted', 'decided', 'review_requested', 'reviewed', 'replied', 'closed', 'withdrawn') THEN
    RAISE EXCEPTION 'its state takes no file' USING ERRCODE = 'CG192';
  END IF;
  SELECT count(*) AS files, coalesce(sum(k.bytes), 0) AS bytes INTO there FROM casegate.affair_file k WHERE k.affair_id = affair;
  IF there.files >= most OR there.bytes + size > most_bytes THEN
    RAISE EXCEPTION 'too many files' USING ERRCODE = 'CG221';
  END IF;
  INSERT INTO casegate.affair_file (file_id, affair_id, vendor_id, contract_id, sha256, bytes, media_type, sealed, filed_at)
  VALUES (file, affair, vendor, contract, digest, size, media, content, moment);
  RETURN QUERY SELECT file, true;
END $$;
-- Of an erased person stays that there was a complaint, and how it ended.
CREATE OR REPLACE FUNCTION casegate.forget_affairs() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  UPDATE casegate.affair_paper p SET sealed_text = NULL, text_state = 'none'
    FROM casegate.affair f WHERE f.case_id = OLD.case_id AND p.affair_id = f.affair_id;
  UPDATE casegate.affair_file k SET sealed = NULL, erased_at = clock_timestamp()
    FROM casegate.affair f WHERE f.case_id = OLD.case_id AND k.affair_id = f.affair_id AND k.sealed IS NOT NULL;
  UPDATE casegate.affair SET sealed_text = NULL, facts = '{}' WHERE case_id = OLD.case_id;
  RETURN OLD;
END $$;
"""

ORDER = """
-- All contacts that it ends are taken at once, in their order; the number after them.
CREATE OR REPLACE FUNCTION casegate.close_permit(vendor text, contract text, permit uuid, ended text, outcome text, measures integer,
                                      is_try_failed boolean, found_validity text, is_opting_out boolean, hold_code text,
                                      moment timestamptz)
RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
  found casegate.contact;
  hold uuid := gen_random_uuid();
  told text;
BEGIN
  SELECT * INTO found FROM casegate.contact c
   WHERE c.contact_id = permit AND c.vendor_id = vendor AND c.contract_id = contract;
  IF found.contact_id IS NULL THEN
    RETURN NULL;
  END IF;
  -- The debtor before its contacts, as everywhere: whoever takes them the other way round waits for ever.
  PERFORM casegate.touch_debtor(found.person_mac);
  IF is_opting_out OR hold_code IS NOT NULL THEN
    PERFORM 1 FROM casegate.contact c
     WHERE c.contact_id IN (
       SELECT permit
       UNION SELECT x.contact_id FROM casegate.contact x
              WHERE is_opting_out AND x.state = 'granted' AND x.point_mac = found.point_mac AND x.party <> 'debtor'
       UNION SELECT x.contact_id FROM casegate.contact x
              WHERE hold_code IS NOT NULL AND x.state = 'granted' AND x.person_mac = found.person_mac)
     ORDER BY c.contact_id FOR UPDATE;
  END IF;
  SELECT * INTO found FROM casegate.contact c WHERE c.contact_id = permit FOR UPDATE;
  -- A call that is told of late is told of all the same, even when a hold came in the middle of it.
  IF found.state <> 'granted' AND NOT (found.state IN ('expired', 'voided') AND found.result IS NULL AND ended = 'used') THEN
    RETURN found.state;
  END IF;
  IF ended = 'unused' AND (found.dialed_at IS NOT NULL OR found.expires_at <= moment) THEN
    RETURN 'dialed';
  END IF;
  UPDATE casegate.contact SET state = ended, closed_at = moment, result = outcome, counts = measures, is_failed = is_try_failed
   WHERE contact_id = permit;
  IF is_opting_out THEN
    PERFORM pg_advisory_xact_lock(hashtextextended('casegate.point/' || encode(found.point_mac, 'hex'), 0));
  END IF;
  IF found_validity IS NOT NULL OR is_opting_out THEN
    INSERT INTO casegate.point_state AS p (point_mac, validity, changed_at, opted_out_at)
    VALUES (found.point_mac, coalesce(found_validity, 'unknown'), moment, CASE WHEN is_opting_out THEN moment END)
    ON CONFLICT (point_mac) DO UPDATE
       SET validity = coalesce(found_validity, p.validity), changed_at = moment,
           opted_out_at = coalesce(p.opted_out_at, excluded.opted_out_at);
  END IF;
  IF is_opting_out THEN
    -- Nobody else's call to this number begins any more, whichever debtor it would have been about.
    UPDATE casegate.contact c
       SET state = 'voided', closed_at = moment, void_reason = 'OPTED_OUT',
           counts = CASE WHEN c.handling = 'dial_token' AND c.dialed_at IS NULL THEN 0 ELSE c.counts END
     WHERE c.point_mac = found.point_mac AND c.party <> 'debtor' AND c.state = 'granted';
    PERFORM casegate.publish_changes(vendor, contract, 'contact_opted_out', ARRAY[found.case_ref], moment,
                                     jsonb_build_object('contact_point', found.point_kind));
  END IF;
  IF hold_code IS NOT NULL THEN
    SELECT string_agg(encode(c, 'hex'), ',') INTO told
      FROM unnest(casegate.place_hold(hold, found.person_mac, NULL, hold_code, 'call_result', 'vendor:' || vendor, moment)) c;
    RETURN 'closed ' || hold || ' ' || coalesce(told, '');
  END IF;
  RETURN 'closed';
END $$;

CREATE OR REPLACE FUNCTION casegate.void_permits(of_person bytea, of_case uuid, of_vendor text, of_contract text, of_agent text,
                                      of_script text, of_version integer, because text, moment timestamptz)
RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
  WITH due AS (
    SELECT c.contact_id FROM casegate.contact c
     WHERE c.state = 'granted'
       AND (of_person IS NULL OR c.person_mac = of_person) AND (of_case IS NULL OR c.case_id = of_case)
       AND (of_vendor IS NULL OR (c.vendor_id = of_vendor AND c.contract_id = of_contract))
       AND (of_agent IS NULL OR c.agent_ref = of_agent)
       AND (of_script IS NULL OR (c.script_id = of_script AND c.script_version = of_version))
     ORDER BY c.contact_id FOR UPDATE),
  ended AS (
    UPDATE casegate.contact c
       SET state = 'voided', closed_at = moment, void_reason = because,
           counts = CASE WHEN c.handling = 'dial_token' AND c.dialed_at IS NULL THEN 0 ELSE c.counts END
      FROM due WHERE c.contact_id = due.contact_id
    RETURNING 1)
  SELECT count(*) FROM ended
$$;

-- A critical finding takes its agent out at once, as casegate agent suspend does, at every vendor where the person works: all
-- of them first, then each vendor is told, in order.
CREATE OR REPLACE FUNCTION casegate.follow_finding() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
  person bytea;
  each record;
  stopped text[] := '{}';
BEGIN
  IF NEW.severity = 'critical' AND NEW.agent_ref IS NOT NULL AND NEW.contract_id IS NOT NULL THEN
    SELECT a.id_hash INTO person FROM casegate.agent a
     WHERE a.vendor_id = NEW.vendor_id AND a.contract_id = NEW.contract_id AND a.agent_ref = NEW.agent_ref;
    UPDATE casegate.agent_person p SET standing = 'suspended', changed_at = NEW.found_at
     WHERE p.id_hash = person AND p.standing = 'clear';
    IF FOUND THEN
      FOR each IN WITH gone AS (
                    UPDATE casegate.agent a SET status = 'suspended', changed_at = NEW.found_at
                     WHERE a.id_hash = person AND a.status NOT IN ('left', 'banned')
                    RETURNING a.vendor_id, a.contract_id, a.agent_ref)
                  SELECT * FROM gone ORDER BY vendor_id, contract_id, agent_ref LOOP
        PERFORM casegate.publish_changes(each.vendor_id, each.contract_id, 'agent_suspended', ARRAY[NULL::text], NEW.found_at,
                                         jsonb_build_object('agent_ref', each.agent_ref, 'status', 'suspended'));
        stopped := stopped || ARRAY[each.vendor_id || ' ' || each.contract_id || ' ' || each.agent_ref];
      END LOOP;
    END IF;
  END IF;
  INSERT INTO casegate.finding_consequence (finding_id, vendor_id, suspended, at)
  VALUES (NEW.finding_id, NEW.vendor_id, stopped, NEW.found_at);
  RETURN NULL;
END $$;
"""

FOR_VENDOR = (
    "file_for_affair(text, text, text, uuid, uuid, bytea, integer, text, bytea, integer, bigint, timestamptz)",
)
RIGHTS = """
GRANT SELECT, UPDATE (sealed, erased_at) ON casegate.affair_file TO "{company}";
"""


def upgrade() -> None:
    """Makes what the sentence above says."""
    roles = context.config.attributes["roles"]
    names = {purpose: roles.name(purpose).replace('"', '""') for purpose in ("vendor", "company")}
    run = op.get_bind().exec_driver_sql
    for script in (TABLES, FILES, ORDER):
        run(script.replace("%", "%%"))
    run("ALTER TABLE casegate.affair_file ENABLE ROW LEVEL SECURITY")
    run(
        f'CREATE POLICY company_all ON casegate.affair_file TO "{names["company"]}" USING (true) WITH CHECK (true)'
    )
    for function in FOR_VENDOR:
        run(f"REVOKE ALL ON FUNCTION casegate.{function} FROM PUBLIC")
        run(f'GRANT EXECUTE ON FUNCTION casegate.{function} TO "{names["vendor"]}"')
    run(RIGHTS.format(**names))


def downgrade() -> None:
    """There is no way back: what was logged stays."""
