"""Notes: the queue of the analysis worker and the renditions it makes.

Revision ID: 0011
"""

from alembic import context, op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

TABLES = """
-- One row for each case that came with notes: its place in the queue, and what was found in them. The spans are sealed under
-- the case's own key; `vendor_id` follows the holder of the case. A changed text takes the note from whoever has it.
CREATE TABLE casegate.case_note (
  case_id      uuid PRIMARY KEY REFERENCES casegate.case_record ON DELETE CASCADE,
  vendor_id    text,
  place        bigint GENERATED ALWAYS AS IDENTITY,
  state        text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'done', 'failed')),
  attempts     smallint NOT NULL DEFAULT 0 CHECK (attempts >= 0),
  reason       text CHECK (reason ~ '^[A-Za-z0-9_]{1,60}$'),
  taken_by     integer,
  tried_by     text COLLATE "C",
  rendered_by  text COLLATE "C",
  is_withheld  boolean,
  sealed_spans bytea,
  CHECK ((rendered_by IS NULL) = (is_withheld IS NULL)),
  CHECK ((sealed_spans IS NOT NULL) = (is_withheld IS NOT NULL AND NOT is_withheld)),
  CHECK (state = 'pending' OR tried_by IS NOT NULL),
  CHECK ((state = 'failed') <= (reason IS NOT NULL))
);
CREATE INDEX case_note_waiting ON casegate.case_note (vendor_id, place) WHERE state = 'pending';
CREATE INDEX case_note_tried ON casegate.case_note (place) WHERE state = 'pending' AND attempts > 0;
CREATE INDEX case_note_by_recognizers ON casegate.case_note (tried_by) WHERE state <> 'pending';
-- Which recognizers this installation has used; the one adopted last is the one that notes are analysed again for.
CREATE TABLE casegate.recognizers (
  digest     text PRIMARY KEY CHECK (digest ~ '^[0-9a-f]{64}$'),
  adopted_at timestamptz NOT NULL
);
"""

FUNCTIONS = """
-- Whatever writes a case queues its notes: no importer can forget to.
CREATE FUNCTION casegate.queue_new_notes() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  INSERT INTO casegate.case_note (case_id, vendor_id)
    SELECT f.case_id, f.holder_vendor_id FROM fresh f WHERE f.sealed_notes IS NOT NULL;
  RETURN NULL;
END $$;
CREATE FUNCTION casegate.requeue_notes() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  IF NEW.sealed_notes IS NULL THEN
    DELETE FROM casegate.case_note n WHERE n.case_id = NEW.case_id;
  ELSIF NEW.sealed_notes IS DISTINCT FROM OLD.sealed_notes THEN
    INSERT INTO casegate.case_note AS n (case_id, vendor_id) VALUES (NEW.case_id, NEW.holder_vendor_id)
    ON CONFLICT (case_id) DO UPDATE
       SET vendor_id = excluded.vendor_id, place = DEFAULT, state = 'pending', attempts = 0,
           reason = NULL, taken_by = NULL, tried_by = NULL, rendered_by = NULL, is_withheld = NULL, sealed_spans = NULL;
  ELSE
    UPDATE casegate.case_note n SET vendor_id = NEW.holder_vendor_id WHERE n.case_id = NEW.case_id;
  END IF;
  RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION casegate.queue_new_notes(), casegate.requeue_notes() FROM PUBLIC;
CREATE TRIGGER a_new_case_queues_its_notes AFTER INSERT ON casegate.case_record
  REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION casegate.queue_new_notes();
CREATE TRIGGER a_changed_case_queues_its_notes AFTER UPDATE OF sealed_notes, holder_vendor_id ON casegate.case_record
  FOR EACH ROW WHEN (NEW.sealed_notes IS DISTINCT FROM OLD.sealed_notes
                     OR NEW.holder_vendor_id IS DISTINCT FROM OLD.holder_vendor_id)
  EXECUTE FUNCTION casegate.requeue_notes();
INSERT INTO casegate.case_note (case_id, vendor_id)
  SELECT r.case_id, r.holder_vendor_id FROM casegate.case_record r WHERE r.sealed_notes IS NOT NULL;

-- Whether who took a note still lives: takers hold an advisory lock, class 7310211, for as long as their session.
CREATE FUNCTION casegate.is_taken(taker integer) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog AS $$
  SELECT taker IS NOT NULL AND EXISTS (
    SELECT 1 FROM pg_locks l WHERE l.locktype = 'advisory' AND l.classid = 7310211 AND l.objsubid = 2 AND l.granted
       AND l.objid::bigint = taker
       AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()))
$$;
REVOKE ALL ON FUNCTION casegate.is_taken(integer) FROM PUBLIC;

-- The two of 0001 again, now telling whether the case came with notes.
DROP FUNCTION casegate.vendor_case(text, text, text);
DROP FUNCTION casegate.vendor_cases(text, text, text, bigint, integer);
CREATE FUNCTION casegate.vendor_case(vendor text, contract text, ref text)
RETURNS TABLE (sequence bigint, case_id uuid, assignment_id text, status text, assigned_at timestamptz,
               commitment bytea, kek_id text, wrapped_key bytea, sealed bytea, has_notes boolean)
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM set_config('casegate.vendor_id', vendor, true);
  RETURN QUERY
    SELECT a.sequence, a.case_id, a.assignment_id, a.status, a.assigned_at, a.commitment,
           r.kek_id, r.wrapped_key, r.sealed, r.sealed_notes IS NOT NULL
      FROM casegate.assigned_case a JOIN casegate.case_record r ON r.case_id = a.case_id
     WHERE a.vendor_id = vendor AND a.contract_id = contract AND a.case_ref = ref AND a.status = 'assigned';
END $$;
CREATE FUNCTION casegate.vendor_cases(vendor text, contract text, assignment text, after bigint, wanted integer)
RETURNS TABLE (sequence bigint, case_id uuid, assignment_id text, status text, assigned_at timestamptz,
               commitment bytea, kek_id text, wrapped_key bytea, sealed bytea, has_notes boolean)
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM set_config('casegate.vendor_id', vendor, true);
  RETURN QUERY
    SELECT a.sequence, a.case_id, a.assignment_id, a.status, a.assigned_at, a.commitment,
           r.kek_id, r.wrapped_key, r.sealed, r.sealed_notes IS NOT NULL
      FROM casegate.assigned_case a JOIN casegate.case_record r ON r.case_id = a.case_id
     WHERE a.vendor_id = vendor AND a.contract_id = contract AND a.sequence > after AND a.status = 'assigned'
       AND (assignment IS NULL OR a.assignment_id = assignment)
     ORDER BY a.sequence LIMIT wanted;
END $$;
-- Notes with what was found in them, each with the key that it is sealed under, which an import may just have changed.
CREATE FUNCTION casegate.vendor_notes(vendor text, contract text, cases uuid[])
RETURNS TABLE (case_id uuid, kek_id text, wrapped_key bytea, sealed_notes bytea, state text, rendered_by text,
               is_withheld boolean, sealed_spans bytea)
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM set_config('casegate.vendor_id', vendor, true);
  RETURN QUERY
    SELECT n.case_id, r.kek_id, r.wrapped_key, r.sealed_notes, n.state, n.rendered_by, n.is_withheld, n.sealed_spans
      FROM casegate.assigned_case a
      JOIN casegate.case_record r ON r.case_id = a.case_id
      JOIN casegate.case_note n ON n.case_id = a.case_id
     WHERE a.vendor_id = vendor AND a.contract_id = contract AND a.status = 'assigned' AND a.case_id = ANY (cases);
END $$;
REVOKE ALL ON FUNCTION casegate.vendor_case(text, text, text), casegate.vendor_cases(text, text, text, bigint, integer),
  casegate.vendor_notes(text, text, uuid[]) FROM PUBLIC;
"""

POLICIES = """
ALTER TABLE casegate.case_note ENABLE ROW LEVEL SECURITY;
CREATE POLICY company_all ON casegate.case_note TO "{company}" USING (true) WITH CHECK (true);
CREATE POLICY own_notes ON casegate.case_note FOR SELECT TO "{vendor}"
  USING (vendor_id = current_setting('casegate.vendor_id', true));
"""

RIGHTS = """
GRANT SELECT, UPDATE ON casegate.case_note TO "{company}";
GRANT SELECT, INSERT ON casegate.recognizers TO "{company}";
GRANT EXECUTE ON FUNCTION casegate.is_taken(integer) TO "{company}";
GRANT SELECT (case_id, vendor_id, state, rendered_by, is_withheld, sealed_spans) ON casegate.case_note TO "{vendor}";
GRANT EXECUTE ON FUNCTION casegate.vendor_case(text, text, text), casegate.vendor_cases(text, text, text, bigint, integer),
  casegate.vendor_notes(text, text, uuid[]) TO "{vendor}";
"""


def upgrade() -> None:
    roles = context.config.attributes["roles"]
    names = {purpose: roles.name(purpose).replace('"', '""') for purpose in ("vendor", "company")}
    run = op.get_bind().exec_driver_sql
    for script in (TABLES, FUNCTIONS):
        run(script.replace("%", "%%"))
    for script in (POLICIES, RIGHTS):
        run(script.format(**names))
