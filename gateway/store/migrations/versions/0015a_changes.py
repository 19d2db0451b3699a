"""The feed of changes that a vendor hears of, and the versions of what is known of debtors.

Revision ID: 0015a
"""

from alembic import context, op

revision = "0015a"
down_revision = "0014"
branch_labels = None
depends_on = None

TABLES = """
-- A contact is decided on one version of what is known of a debtor, and is valid only while that is still the version.
CREATE TABLE casegate.debtor (
  person_mac bytea PRIMARY KEY CHECK (length(person_mac) = 32),
  version    bigint NOT NULL DEFAULT 0
);
-- The row of a contract's feed counts its changes and is locked from a change to its commit: places are in the order of
-- the commits and leave no gap, so that whoever reads on after a place misses nothing.
CREATE TABLE casegate.feed (
  vendor_id   text NOT NULL,
  contract_id text NOT NULL,
  last_place  bigint NOT NULL,
  PRIMARY KEY (vendor_id, contract_id),
  FOREIGN KEY (contract_id, vendor_id) REFERENCES casegate.contract (contract_id, vendor_id)
);
CREATE TABLE casegate.change (
  vendor_id   text NOT NULL,
  contract_id text NOT NULL,
  place       bigint NOT NULL,
  kind        text NOT NULL CHECK (kind ~ '^[a-z][a-z_]{0,39}$'),
  case_ref    text,
  at          timestamptz NOT NULL,
  data        jsonb NOT NULL,
  PRIMARY KEY (vendor_id, contract_id, place)
);
"""

FUNCTIONS = """
CREATE FUNCTION casegate.touch_debtor(person bytea) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
  INSERT INTO casegate.debtor AS d (person_mac, version) VALUES (person, 1)
  ON CONFLICT (person_mac) DO UPDATE SET version = d.version + 1 RETURNING version
$$;
-- One change for each reference, in their order; a NULL is a change of no case. Old ones are forgotten on the way.
CREATE FUNCTION casegate.publish_changes(vendor text, contract text, kind text, refs text[], moment timestamptz,
  facts jsonb DEFAULT '{}') RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
  added bigint := cardinality(refs);
  before bigint;
  oldest record;
BEGIN
  IF added = 0 THEN
    RETURN;
  END IF;
  INSERT INTO casegate.feed AS f (vendor_id, contract_id, last_place) VALUES (vendor, contract, added)
  ON CONFLICT (vendor_id, contract_id) DO UPDATE SET last_place = f.last_place + added
  RETURNING f.last_place - added INTO before;
  INSERT INTO casegate.change (vendor_id, contract_id, place, kind, case_ref, at, data)
    SELECT vendor, contract, before + n.place, publish_changes.kind, n.ref, moment, facts
      FROM unnest(refs) WITH ORDINALITY AS n (ref, place);
  -- The oldest come first, so that mostly one row is looked at.
  SELECT c.place, c.at INTO oldest FROM casegate.change c
   WHERE c.vendor_id = vendor AND c.contract_id = contract ORDER BY c.place LIMIT 1;
  IF oldest.at < moment - interval '30 days' THEN
    DELETE FROM casegate.change c
     WHERE c.vendor_id = vendor AND c.contract_id = contract AND c.place < oldest.place + 5000
       AND c.at < moment - interval '30 days';
  END IF;
  PERFORM pg_notify('casegate_changes', vendor);
END $$;
-- New cases of a vendor; those that are under a hold are said to be.
CREATE FUNCTION casegate.publish_assigned(vendor text, contract text, refs text[], moment timestamptz) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE held text[];
BEGIN
  PERFORM casegate.publish_changes(vendor, contract, 'assigned', refs, moment);
  IF EXISTS (SELECT FROM casegate.hold h WHERE h.lifted_at IS NULL) THEN
    SELECT coalesce(array_agg(n.ref ORDER BY n.place), '{}') INTO held
      FROM unnest(refs) WITH ORDINALITY AS n (ref, place)
      JOIN casegate.assigned_case a ON a.vendor_id = vendor AND a.contract_id = contract AND a.case_ref = n.ref
      JOIN casegate.case_record r ON r.case_id = a.case_id
     WHERE EXISTS (SELECT FROM casegate.hold h WHERE h.lifted_at IS NULL AND h.person_mac = r.person_mac
                      AND (h.case_id IS NULL OR h.case_id = r.case_id));
    PERFORM casegate.publish_changes(vendor, contract, 'held', held, moment);
  END IF;
END $$;
CREATE FUNCTION casegate.vendor_feed(vendor text, contract text) RETURNS TABLE (first_place bigint, last_place bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
  SELECT coalesce((SELECT min(c.place) FROM casegate.change c WHERE c.vendor_id = vendor AND c.contract_id = contract),
                  f.last_place + 1), f.last_place
    FROM casegate.feed f WHERE f.vendor_id = vendor AND f.contract_id = contract
$$;
CREATE FUNCTION casegate.is_ref_covered(vendor text, contract text, ref text) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
  SELECT coalesce((SELECT casegate.is_covered(a.vendor_id, a.contract_id, a.project, a.portfolio, a.product, a.stage)
                     FROM casegate.assigned_case a
                    WHERE a.vendor_id = vendor AND a.contract_id = contract AND a.case_ref = ref), true)
$$;
CREATE FUNCTION casegate.vendor_changes(vendor text, contract text, after bigint, wanted integer)
RETURNS TABLE (place bigint, kind text, case_ref text, at timestamptz, data jsonb)
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM set_config('casegate.vendor_id', vendor, true);
  RETURN QUERY
    SELECT c.place, c.kind, c.case_ref, c.at, c.data FROM casegate.change c
     WHERE c.vendor_id = vendor AND c.contract_id = contract AND c.place > after
     ORDER BY c.place LIMIT wanted;
END $$;
"""

FOR_VENDOR = (
    "vendor_feed(text, text)",
    "vendor_changes(text, text, bigint, integer)",
    "is_ref_covered(text, text, text)",
    "publish_changes(text, text, text, text[], timestamptz, jsonb)",
)
FOR_COMPANY = (
    "touch_debtor(bytea)",
    "publish_changes(text, text, text, text[], timestamptz, jsonb)",
    "publish_assigned(text, text, text[], timestamptz)",
)

POLICIES = """
CREATE POLICY own_changes ON casegate.change FOR SELECT TO "{vendor}"
  USING (vendor_id = current_setting('casegate.vendor_id', true));
CREATE POLICY covered_changes ON casegate.change AS RESTRICTIVE FOR SELECT TO "{vendor}"
  USING ((SELECT casegate.is_unconditional()) OR case_ref IS NULL OR casegate.is_ref_covered(vendor_id, contract_id, case_ref));
"""

RIGHTS = """
GRANT SELECT ON casegate.change TO "{vendor}";
GRANT SELECT ON casegate.change, casegate.feed TO "{company}";
"""

VENDOR_OWNED = ("feed", "change")


def upgrade() -> None:
    roles = context.config.attributes["roles"]
    names = {purpose: roles.name(purpose).replace('"', '""') for purpose in ("vendor", "company")}
    run = op.get_bind().exec_driver_sql
    for script in (TABLES, FUNCTIONS):
        run(script.replace("%", "%%"))
    for function in {*FOR_VENDOR, *FOR_COMPANY}:
        run(f"REVOKE ALL ON FUNCTION casegate.{function} FROM PUBLIC")
    for purpose, functions in (("vendor", FOR_VENDOR), ("company", FOR_COMPANY)):
        for function in functions:
            run(f'GRANT EXECUTE ON FUNCTION casegate.{function} TO "{names[purpose]}"')
    for table in VENDOR_OWNED:
        run(f"ALTER TABLE casegate.{table} ENABLE ROW LEVEL SECURITY")
        run(
            f'CREATE POLICY company_all ON casegate.{table} TO "{names["company"]}" USING (true) WITH CHECK (true)'
        )
    run(POLICIES.format(**names))
    run(RIGHTS.format(**names))
