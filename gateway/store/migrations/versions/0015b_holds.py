"""Holds: what stops every contact with a debtor, until two people lift it.

Revision ID: 0015b
"""

from alembic import context, op

revision = "0015b"
down_revision = "0015a"
branch_labels = None
depends_on = None

# SQLSTATE CG155: the hold is not there or was lifted.
TABLES = """
-- Without a case a hold is on all cases of the debtor. The ground is the company's and of who raised it.
CREATE TABLE casegate.hold (
  hold_id       uuid PRIMARY KEY,
  person_mac    bytea NOT NULL CHECK (length(person_mac) = 32),
  case_id       uuid REFERENCES casegate.case_record ON DELETE CASCADE,
  code          text NOT NULL CHECK (code ~ '^[A-Za-z][A-Za-z0-9_]{0,39}$'),
  source        text NOT NULL CHECK (source ~ '^[a-z][a-z0-9_]{0,39}$'),
  placed_at     timestamptz NOT NULL,
  placed_by     text NOT NULL,
  lifted_at     timestamptz,
  lifted_by     text,
  lift_proposal uuid REFERENCES casegate.proposal,
  CHECK ((lifted_at IS NULL) = (lifted_by IS NULL) AND (lifted_at IS NULL) = (lift_proposal IS NULL))
);
CREATE INDEX hold_open_by_person ON casegate.hold (person_mac) WHERE lifted_at IS NULL;
CREATE INDEX hold_by_case ON casegate.hold (case_id);
CREATE INDEX hold_in_order ON casegate.hold (placed_at, hold_id);
"""

FUNCTIONS = """
-- The cases that a hold is on and that are not under another one, with each vendor told of its own.
CREATE FUNCTION casegate.publish_hold(hold uuid, kind text, moment timestamptz) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE told record;
BEGIN
  FOR told IN
    SELECT a.vendor_id, a.contract_id, array_agg(a.case_ref ORDER BY a.sequence) AS refs
      FROM casegate.hold h JOIN casegate.case_record r ON r.person_mac = h.person_mac
      JOIN casegate.assigned_case a ON a.case_id = r.case_id AND a.status = 'assigned'
     WHERE h.hold_id = publish_hold.hold AND (h.case_id IS NULL OR h.case_id = r.case_id)
       AND NOT EXISTS (SELECT FROM casegate.hold o WHERE o.person_mac = h.person_mac AND o.lifted_at IS NULL
                          AND o.hold_id <> h.hold_id AND (o.case_id IS NULL OR o.case_id = r.case_id))
     GROUP BY 1, 2 ORDER BY 1, 2
  LOOP
    PERFORM casegate.publish_changes(told.vendor_id, told.contract_id, publish_hold.kind, told.refs, moment);
  END LOOP;
END $$;
-- The commitments, one for each vendor that ever had the case: by them the log says whom a hold was about.
CREATE FUNCTION casegate.commitments_under(hold uuid) RETURNS bytea[]
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
  SELECT coalesce(array_agg(a.commitment ORDER BY a.sequence), '{}')
    FROM casegate.hold h JOIN casegate.case_record r ON r.person_mac = h.person_mac
    JOIN casegate.assigned_case a ON a.case_id = r.case_id
   WHERE h.hold_id = commitments_under.hold AND (h.case_id IS NULL OR h.case_id = r.case_id)
$$;
CREATE FUNCTION casegate.place_hold(hold uuid, person bytea, the_case uuid, code text, source text, actor text, moment timestamptz)
RETURNS bytea[]
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  PERFORM casegate.touch_debtor(person);
  INSERT INTO casegate.hold (hold_id, person_mac, case_id, code, source, placed_at, placed_by)
  VALUES (hold, person, the_case, code, source, moment, actor);
  IF to_regprocedure('casegate.void_permits_of_debtor(bytea, uuid, timestamptz, text)') IS NOT NULL THEN
    EXECUTE 'SELECT casegate.void_permits_of_debtor($1, $2, $3, $4)' USING person, the_case, moment, 'HOLD';
  END IF;
  PERFORM casegate.publish_hold(hold, 'held', moment);
  RETURN casegate.commitments_under(hold);
END $$;
CREATE FUNCTION casegate.lift_hold(hold uuid, actor text, proposal uuid, moment timestamptz) RETURNS bytea[]
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE person bytea;
BEGIN
  UPDATE casegate.hold h SET lifted_at = moment, lifted_by = actor, lift_proposal = proposal
   WHERE h.hold_id = hold AND h.lifted_at IS NULL RETURNING h.person_mac INTO person;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'there is no such open hold' USING ERRCODE = 'CG155';
  END IF;
  PERFORM casegate.touch_debtor(person);
  PERFORM casegate.publish_hold(hold, 'resumed', moment);
  RETURN casegate.commitments_under(hold);
END $$;
-- A case whose debtor is corrected stays under what it was under.
CREATE FUNCTION casegate.follow_debtor() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  UPDATE casegate.hold h SET person_mac = NEW.person_mac WHERE h.case_id = NEW.case_id;
  INSERT INTO casegate.hold (hold_id, person_mac, case_id, code, source, placed_at, placed_by)
    SELECT gen_random_uuid(), NEW.person_mac, NEW.case_id, h.code, 'debtor_corrected', h.placed_at, h.placed_by
      FROM casegate.hold h WHERE h.person_mac = OLD.person_mac AND h.case_id IS NULL AND h.lifted_at IS NULL;
  UPDATE casegate.consent c SET person_mac = NEW.person_mac WHERE c.case_id = NEW.case_id;
  UPDATE casegate.special_request q SET person_mac = NEW.person_mac WHERE q.case_id = NEW.case_id;
  PERFORM casegate.touch_debtor(least(OLD.person_mac, NEW.person_mac));
  PERFORM casegate.touch_debtor(greatest(OLD.person_mac, NEW.person_mac));
  RETURN NULL;
END $$;
CREATE TRIGGER a_corrected_debtor_is_followed AFTER UPDATE OF person_mac ON casegate.case_record
  FOR EACH ROW WHEN (OLD.person_mac IS DISTINCT FROM NEW.person_mac) EXECUTE FUNCTION casegate.follow_debtor();

CREATE OR REPLACE FUNCTION casegate.erase_people(people bytea[])
RETURNS TABLE (vendor_id text, contract_id text, case_ref text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  DELETE FROM casegate.change c USING casegate.assigned_case a, casegate.case_record r
   WHERE r.person_mac = ANY (people) AND a.case_id = r.case_id
     AND c.vendor_id = a.vendor_id AND c.contract_id = a.contract_id AND c.case_ref = a.case_ref;
  DELETE FROM casegate.special_request q WHERE q.person_mac = ANY (people);
  DELETE FROM casegate.consent c WHERE c.person_mac = ANY (people);
  DELETE FROM casegate.hold h WHERE h.person_mac = ANY (people);
  DELETE FROM casegate.debtor d WHERE d.person_mac = ANY (people);
  RETURN QUERY
    DELETE FROM casegate.assigned_case a USING casegate.case_record r
     WHERE r.case_id = a.case_id AND r.person_mac = ANY (people)
    RETURNING a.vendor_id, a.contract_id, a.case_ref;
  DELETE FROM casegate.case_record r WHERE r.person_mac = ANY (people);
END $$;
"""

# The two of 0011 again, now telling whether a hold is on the case.
VIEWS = """
CREATE FUNCTION casegate.is_any_held() RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
  SELECT EXISTS (SELECT FROM casegate.hold h WHERE h.lifted_at IS NULL)
$$;
CREATE FUNCTION casegate.is_held(person bytea, the_case uuid) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
  SELECT EXISTS (SELECT FROM casegate.hold h WHERE h.person_mac = person AND h.lifted_at IS NULL
                    AND (h.case_id IS NULL OR h.case_id = the_case))
$$;
DROP FUNCTION casegate.vendor_case(text, text, text);
DROP FUNCTION casegate.vendor_cases(text, text, text, bigint, integer);
CREATE FUNCTION casegate.vendor_case(vendor text, contract text, ref text)
RETURNS TABLE (sequence bigint, case_id uuid, assignment_id text, status text, assigned_at timestamptz,
               commitment bytea, kek_id text, wrapped_key bytea, sealed bytea, has_notes boolean, is_held boolean)
LANGUAGE plpgsql AS $$
DECLARE is_any_held boolean := casegate.is_any_held();
BEGIN
  PERFORM set_config('casegate.vendor_id', vendor, true);
  RETURN QUERY
    SELECT a.sequence, a.case_id, a.assignment_id, a.status, a.assigned_at, a.commitment,
           r.kek_id, r.wrapped_key, r.sealed, r.sealed_notes IS NOT NULL,
           is_any_held AND casegate.is_held(r.person_mac, r.case_id)
      FROM casegate.assigned_case a JOIN casegate.case_record r ON r.case_id = a.case_id
     WHERE a.vendor_id = vendor AND a.contract_id = contract AND a.case_ref = ref AND a.status = 'assigned';
END $$;
CREATE FUNCTION casegate.vendor_cases(vendor text, contract text, assignment text, after bigint, wanted integer)
RETURNS TABLE (sequence bigint, case_id uuid, assignment_id text, status text, assigned_at timestamptz,
               commitment bytea, kek_id text, wrapped_key bytea, sealed bytea, has_notes boolean, is_held boolean)
LANGUAGE plpgsql AS $$
DECLARE is_any_held boolean := casegate.is_any_held();
BEGIN
  PERFORM set_config('casegate.vendor_id', vendor, true);
  RETURN QUERY
    SELECT a.sequence, a.case_id, a.assignment_id, a.status, a.assigned_at, a.commitment,
           r.kek_id, r.wrapped_key, r.sealed, r.sealed_notes IS NOT NULL,
           is_any_held AND casegate.is_held(r.person_mac, r.case_id)
      FROM casegate.assigned_case a JOIN casegate.case_record r ON r.case_id = a.case_id
     WHERE a.vendor_id = vendor AND a.contract_id = contract AND a.sequence > after AND a.status = 'assigned'
       AND (assignment IS NULL OR a.assignment_id = assignment)
     ORDER BY a.sequence LIMIT wanted;
END $$;
"""

FOR_VENDOR = (
    "is_any_held()",
    "is_held(bytea, uuid)",
    "vendor_case(text, text, text)",
    "vendor_cases(text, text, text, bigint, integer)",
)
FOR_COMPANY = (
    "place_hold(uuid, bytea, uuid, text, text, text, timestamptz)",
    "lift_hold(uuid, text, uuid, timestamptz)",
)
INTERNAL = ("publish_hold(uuid, text, timestamptz)", "commitments_under(uuid)", "follow_debtor()")


def upgrade() -> None:
    roles = context.config.attributes["roles"]
    names = {purpose: roles.name(purpose).replace('"', '""') for purpose in ("vendor", "company")}
    run = op.get_bind().exec_driver_sql
    for script in (TABLES, FUNCTIONS, VIEWS):
        run(script.replace("%", "%%"))
    for function in (*FOR_VENDOR, *FOR_COMPANY, *INTERNAL):
        run(f"REVOKE ALL ON FUNCTION casegate.{function} FROM PUBLIC")
    for purpose, functions in (("vendor", FOR_VENDOR), ("company", FOR_COMPANY)):
        for function in functions:
            run(f'GRANT EXECUTE ON FUNCTION casegate.{function} TO "{names[purpose]}"')
    run(f'GRANT SELECT ON casegate.hold TO "{names["company"]}"')
