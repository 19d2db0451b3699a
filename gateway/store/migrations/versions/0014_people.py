"""Agents, their training, scripts and their versions, caller numbers.

Revision ID: 0014
"""

from alembic import context, op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

# SQLSTATEs: CG141 the person is not accepted, CG142 the reference is another person's, CG143 the vendor has no such
# agent, CG144 there is no such script in use, CG145 the agent's state does not allow it.
TABLES = """
-- What the company holds of a person wherever he works; he is known by a keyed digest alone.
CREATE TABLE casegate.agent_person (
  id_hash    bytea PRIMARY KEY CHECK (length(id_hash) = 32),
  standing   text NOT NULL DEFAULT 'clear' CHECK (standing IN ('clear', 'suspended', 'banned')),
  changed_at timestamptz NOT NULL
);
CREATE TABLE casegate.agent (
  vendor_id     text NOT NULL,
  contract_id   text NOT NULL,
  agent_ref     text NOT NULL CHECK (agent_ref ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$'),
  id_hash       bytea NOT NULL REFERENCES casegate.agent_person,
  status        text NOT NULL CHECK (status IN ('pending', 'qualified', 'suspended', 'left', 'banned')),
  nda_signed_on date,
  max_cases     integer CHECK (max_cases > 0),
  registered_at timestamptz NOT NULL,
  qualified_at  timestamptz,
  changed_at    timestamptz NOT NULL,
  PRIMARY KEY (vendor_id, contract_id, agent_ref),
  FOREIGN KEY (contract_id, vendor_id) REFERENCES casegate.contract (contract_id, vendor_id)
);
CREATE INDEX agent_by_person ON casegate.agent (id_hash);
-- The newest pass of each course. `valid_to` is the last day on which it holds.
CREATE TABLE casegate.agent_course (
  vendor_id       text NOT NULL,
  contract_id     text NOT NULL,
  agent_ref       text NOT NULL,
  course_id       text NOT NULL CHECK (course_id ~ '^[a-z0-9][a-z0-9_-]{0,62}$'),
  passed_on       date NOT NULL,
  valid_to        date NOT NULL CHECK (valid_to >= passed_on),
  version         text NOT NULL,
  hours           integer NOT NULL CHECK (hours > 0),
  score           integer NOT NULL CHECK (score BETWEEN 0 AND 100),
  evidence_sha256 bytea NOT NULL CHECK (length(evidence_sha256) = 32),
  recorded_at     timestamptz NOT NULL,
  PRIMARY KEY (vendor_id, contract_id, agent_ref, course_id),
  FOREIGN KEY (vendor_id, contract_id, agent_ref) REFERENCES casegate.agent
);
CREATE TABLE casegate.script (
  script_id            text NOT NULL CHECK (script_id ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
  version              integer NOT NULL CHECK (version > 0),
  channel              text NOT NULL CHECK (channel IN ('voice_human', 'voice_robot', 'sms', 'im', 'email', 'visit')),
  segment              text NOT NULL,
  language             text NOT NULL,
  text                 text NOT NULL,
  mandatory_statements text[] NOT NULL,
  forbidden_terms      text[] NOT NULL,
  content_sha256       bytea NOT NULL CHECK (length(content_sha256) = 32),
  status               text NOT NULL CHECK (status IN ('draft', 'review', 'approved', 'active', 'withdrawn', 'expired')),
  valid_from           timestamptz,
  valid_to             timestamptz CHECK (valid_to > valid_from),
  drafted_by           text NOT NULL,
  approved_by          text,
  changed_at           timestamptz NOT NULL,
  PRIMARY KEY (script_id, version),
  CHECK (status NOT IN ('approved', 'active') OR approved_by IS NOT NULL),
  CHECK (status <> 'active' OR valid_from IS NOT NULL)
);
CREATE UNIQUE INDEX one_active_version ON casegate.script (script_id) WHERE status = 'active';
CREATE UNIQUE INDEX one_draft_version ON casegate.script (script_id) WHERE status = 'draft';
CREATE TABLE casegate.script_acknowledgement (
  vendor_id   text NOT NULL,
  contract_id text NOT NULL,
  agent_ref   text NOT NULL,
  script_id   text NOT NULL,
  version     integer NOT NULL,
  at          timestamptz NOT NULL,
  PRIMARY KEY (vendor_id, contract_id, agent_ref, script_id, version),
  FOREIGN KEY (vendor_id, contract_id, agent_ref) REFERENCES casegate.agent,
  FOREIGN KEY (script_id, version) REFERENCES casegate.script
);
CREATE TABLE casegate.caller_number (
  vendor_id     text NOT NULL,
  contract_id   text NOT NULL,
  number        text NOT NULL CHECK (number ~ '^[+][1-9][0-9]{4,14}$'),
  registered_at timestamptz NOT NULL,
  ended_at      timestamptz CHECK (ended_at >= registered_at),
  PRIMARY KEY (vendor_id, contract_id, number, registered_at),
  FOREIGN KEY (contract_id, vendor_id) REFERENCES casegate.contract (contract_id, vendor_id)
);
-- Who calls from a number is one contract's agents: a complaint about a number leads to one vendor.
CREATE UNIQUE INDEX one_holder_a_number ON casegate.caller_number (number) WHERE ended_at IS NULL;
"""

FUNCTIONS = """
-- Whoever cannot call any more loses his open permits in the same transaction, whatever took him out.
CREATE FUNCTION casegate.agent_stops() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  IF to_regprocedure('casegate.void_permits_of_agent(text, text, text, timestamptz)') IS NOT NULL THEN
    EXECUTE 'SELECT casegate.void_permits_of_agent($1, $2, $3, $4)'
      USING NEW.vendor_id, NEW.contract_id, NEW.agent_ref, NEW.changed_at;
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER agent_stops AFTER UPDATE OF status ON casegate.agent FOR EACH ROW
  WHEN (OLD.status = 'qualified' AND NEW.status <> 'qualified') EXECUTE FUNCTION casegate.agent_stops();
-- The same for a version of a script that is in use no more.
CREATE FUNCTION casegate.script_stops() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  IF to_regprocedure('casegate.void_permits_of_script(text, integer, timestamptz)') IS NOT NULL THEN
    EXECUTE 'SELECT casegate.void_permits_of_script($1, $2, $3)' USING NEW.script_id, NEW.version, NEW.changed_at;
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER script_stops AFTER UPDATE OF status ON casegate.script FOR EACH ROW
  WHEN (OLD.status = 'active' AND NEW.status <> 'active') EXECUTE FUNCTION casegate.script_stops();

-- Registers an agent, or corrects a registration that is not decided yet. The person's row is locked first, so that
-- two vendors cannot both take one person.
CREATE FUNCTION casegate.register_agent(vendor text, contract text, ref text, person bytea, nda date, most integer, moment timestamptz)
RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE known casegate.agent; held text;
BEGIN
  INSERT INTO casegate.agent_person (id_hash, changed_at) VALUES (person, moment) ON CONFLICT DO NOTHING;
  SELECT p.standing INTO held FROM casegate.agent_person p WHERE p.id_hash = person FOR UPDATE;
  SELECT * INTO known FROM casegate.agent a
   WHERE a.vendor_id = vendor AND a.contract_id = contract AND a.agent_ref = ref FOR UPDATE;
  IF FOUND THEN
    IF known.id_hash <> person THEN
      RAISE EXCEPTION 'reference taken' USING ERRCODE = 'CG142';
    END IF;
    IF known.status <> 'left' THEN
      IF (known.nda_signed_on, known.max_cases) IS NOT DISTINCT FROM (coalesce(nda, known.nda_signed_on), coalesce(most, known.max_cases)) THEN
        RETURN 'unchanged';
      END IF;
      IF known.status NOT IN ('pending', 'qualified') THEN
        RAISE EXCEPTION 'not now' USING ERRCODE = 'CG145';
      END IF;
      UPDATE casegate.agent a SET nda_signed_on = coalesce(nda, a.nda_signed_on), max_cases = coalesce(most, a.max_cases), changed_at = moment
       WHERE a.vendor_id = vendor AND a.contract_id = contract AND a.agent_ref = ref;
      RETURN 'changed';
    END IF;
  END IF;
  IF held <> 'clear' OR EXISTS (
    SELECT 1 FROM casegate.agent a JOIN casegate.contract c ON c.contract_id = a.contract_id
     WHERE a.id_hash = person AND a.status <> 'left' AND c.status = 'active'
       AND NOT (a.vendor_id = vendor AND a.agent_ref = ref)) THEN
    RAISE EXCEPTION 'not accepted' USING ERRCODE = 'CG141';
  END IF;
  INSERT INTO casegate.agent (vendor_id, contract_id, agent_ref, id_hash, status, nda_signed_on, max_cases, registered_at, changed_at)
  VALUES (vendor, contract, ref, person, 'pending', nda, most, moment, moment)
  ON CONFLICT (vendor_id, contract_id, agent_ref) DO UPDATE
     SET status = 'pending', nda_signed_on = nda, max_cases = most, registered_at = moment, qualified_at = NULL, changed_at = moment;
  RETURN 'registered';
END $$;

-- Keeps the newest pass of a course; whether that changed anything.
CREATE FUNCTION casegate.record_course(vendor text, contract text, ref text, course text, passed date, until date,
                                       edition text, taught integer, points integer, evidence bytea, moment timestamptz)
RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  PERFORM 1 FROM casegate.agent a
   WHERE a.vendor_id = vendor AND a.contract_id = contract AND a.agent_ref = ref AND a.status NOT IN ('left', 'banned') FOR SHARE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'no such agent' USING ERRCODE = 'CG143';
  END IF;
  INSERT INTO casegate.agent_course AS c (vendor_id, contract_id, agent_ref, course_id, passed_on, valid_to, version, hours,
                                          score, evidence_sha256, recorded_at)
  VALUES (vendor, contract, ref, course, passed, until, edition, taught, points, evidence, moment)
  ON CONFLICT (vendor_id, contract_id, agent_ref, course_id) DO UPDATE
     SET passed_on = passed, valid_to = until, version = edition, hours = taught, score = points,
         evidence_sha256 = evidence, recorded_at = moment
   WHERE excluded.passed_on >= c.passed_on
     AND (c.passed_on, c.valid_to, c.version, c.hours, c.score, c.evidence_sha256)
         IS DISTINCT FROM (passed, until, edition, taught, points, evidence);
  RETURN FOUND;
END $$;

-- Notes that an agent has read the version in use; whether it is the first time.
CREATE FUNCTION casegate.acknowledge_script(vendor text, contract text, ref text, script text, edition integer, moment timestamptz)
RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  PERFORM 1 FROM casegate.agent a
   WHERE a.vendor_id = vendor AND a.contract_id = contract AND a.agent_ref = ref AND a.status NOT IN ('left', 'banned') FOR SHARE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'no such agent' USING ERRCODE = 'CG143';
  END IF;
  PERFORM 1 FROM casegate.script s
   WHERE s.script_id = script AND s.version = edition AND s.status = 'active' AND (s.valid_to IS NULL OR s.valid_to > moment) FOR SHARE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'no such script' USING ERRCODE = 'CG144';
  END IF;
  INSERT INTO casegate.script_acknowledgement (vendor_id, contract_id, agent_ref, script_id, version, at)
  VALUES (vendor, contract, ref, script, edition, moment) ON CONFLICT DO NOTHING;
  RETURN FOUND;
END $$;

-- Takes an agent out for good under this reference; the state before, `left` when there was nothing to do.
CREATE FUNCTION casegate.leave_agent(vendor text, contract text, ref text, moment timestamptz)
RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE before text;
BEGIN
  SELECT a.status INTO before FROM casegate.agent a
   WHERE a.vendor_id = vendor AND a.contract_id = contract AND a.agent_ref = ref FOR UPDATE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'no such agent' USING ERRCODE = 'CG143';
  END IF;
  IF before = 'banned' THEN
    RAISE EXCEPTION 'not now' USING ERRCODE = 'CG145';
  END IF;
  UPDATE casegate.agent a SET status = 'left', changed_at = moment
   WHERE a.vendor_id = vendor AND a.contract_id = contract AND a.agent_ref = ref AND a.status <> 'left';
  RETURN before;
END $$;

-- What the vendor listener reads of its own, under row-level security as the caller.
CREATE FUNCTION casegate.vendor_agents(vendor text, contract text, after text, wanted integer)
RETURNS SETOF casegate.agent_page
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM set_config('casegate.vendor_id', vendor, true);
  RETURN QUERY SELECT p.* FROM casegate.agent_page p
   WHERE p.vendor_id = vendor AND p.contract_id = contract AND p.agent_ref > after ORDER BY p.agent_ref LIMIT wanted;
END $$;
CREATE FUNCTION casegate.vendor_agent(vendor text, contract text, ref text) RETURNS SETOF casegate.agent_page
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM set_config('casegate.vendor_id', vendor, true);
  RETURN QUERY SELECT p.* FROM casegate.agent_page p
   WHERE p.vendor_id = vendor AND p.contract_id = contract AND p.agent_ref = ref;
END $$;
CREATE FUNCTION casegate.vendor_scripts(after text, wanted integer, moment timestamptz)
RETURNS TABLE (script_id text, version integer, channel text, segment text, language text, content text,
               mandatory_statements text[], forbidden_terms text[], valid_from timestamptz, valid_to timestamptz)
LANGUAGE sql STABLE AS $$
  SELECT s.script_id, s.version, s.channel, s.segment, s.language, s.text, s.mandatory_statements, s.forbidden_terms,
         s.valid_from, s.valid_to
    FROM casegate.script s
   WHERE s.status = 'active' AND (s.valid_to IS NULL OR s.valid_to > moment) AND s.script_id > after
   ORDER BY s.script_id LIMIT wanted
$$;
CREATE FUNCTION casegate.vendor_caller_numbers(vendor text, contract text, after text, wanted integer)
RETURNS TABLE (number text, registered_at timestamptz)
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM set_config('casegate.vendor_id', vendor, true);
  RETURN QUERY SELECT n.number, n.registered_at FROM casegate.caller_number n
   WHERE n.vendor_id = vendor AND n.contract_id = contract AND n.ended_at IS NULL AND n.number > after
   ORDER BY n.number LIMIT wanted;
END $$;
REVOKE ALL ON FUNCTION casegate.register_agent(text, text, text, bytea, date, integer, timestamptz),
  casegate.record_course(text, text, text, text, date, date, text, integer, integer, bytea, timestamptz),
  casegate.acknowledge_script(text, text, text, text, integer, timestamptz),
  casegate.leave_agent(text, text, text, timestamptz), casegate.agent_stops(), casegate.script_stops(),
  casegate.vendor_agent(text, text, text), casegate.vendor_agents(text, text, text, integer),
  casegate.vendor_scripts(text, integer, timestamptz), casegate.vendor_caller_numbers(text, text, text, integer) FROM PUBLIC;
"""

# The view runs with the rights, and under the row-level security, of whoever asks.
VIEWS = """
CREATE VIEW casegate.agent_page WITH (security_invoker = true) AS
  SELECT a.vendor_id, a.contract_id, a.agent_ref, a.id_hash, a.status, a.nda_signed_on, a.max_cases, a.registered_at,
         a.qualified_at, a.changed_at,
         coalesce((SELECT jsonb_agg(jsonb_build_object('course_id', c.course_id, 'version', c.version, 'passed_on', c.passed_on,
                          'valid_to', c.valid_to, 'hours', c.hours, 'score', c.score) ORDER BY c.course_id)
                     FROM casegate.agent_course c
                    WHERE c.vendor_id = a.vendor_id AND c.contract_id = a.contract_id AND c.agent_ref = a.agent_ref), '[]') AS courses,
         coalesce((SELECT jsonb_agg(jsonb_build_object('script_id', k.script_id, 'version', k.version) ORDER BY k.script_id)
                     FROM casegate.script_acknowledgement k
                     JOIN casegate.script s ON s.script_id = k.script_id AND s.version = k.version AND s.status = 'active'
                    WHERE k.vendor_id = a.vendor_id AND k.contract_id = a.contract_id AND k.agent_ref = a.agent_ref), '[]') AS acknowledged
    FROM casegate.agent a;
"""

POLICIES = """
CREATE POLICY own_agents ON casegate.agent FOR SELECT TO "{vendor}" USING (vendor_id = current_setting('casegate.vendor_id', true));
CREATE POLICY own_courses ON casegate.agent_course FOR SELECT TO "{vendor}" USING (vendor_id = current_setting('casegate.vendor_id', true));
CREATE POLICY own_acknowledgements ON casegate.script_acknowledgement FOR SELECT TO "{vendor}"
  USING (vendor_id = current_setting('casegate.vendor_id', true));
CREATE POLICY own_numbers ON casegate.caller_number FOR SELECT TO "{vendor}" USING (vendor_id = current_setting('casegate.vendor_id', true));
CREATE POLICY scripts_in_use ON casegate.script FOR SELECT TO "{vendor}" USING (status = 'active');
"""

RIGHTS = """
GRANT SELECT ON casegate.agent, casegate.agent_course, casegate.script, casegate.script_acknowledgement, casegate.caller_number,
  casegate.agent_page TO "{vendor}";
GRANT EXECUTE ON FUNCTION casegate.register_agent(text, text, text, bytea, date, integer, timestamptz),
  casegate.record_course(text, text, text, text, date, date, text, integer, integer, bytea, timestamptz),
  casegate.acknowledge_script(text, text, text, text, integer, timestamptz),
  casegate.vendor_agent(text, text, text), casegate.vendor_agents(text, text, text, integer),
  casegate.vendor_scripts(text, integer, timestamptz), casegate.vendor_caller_numbers(text, text, text, integer) TO "{vendor}";
GRANT EXECUTE ON FUNCTION casegate.leave_agent(text, text, text, timestamptz) TO "{vendor}", "{company}";
GRANT SELECT, UPDATE ON casegate.agent_person, casegate.agent TO "{company}";
GRANT SELECT ON casegate.agent_course, casegate.script_acknowledgement, casegate.agent_page TO "{company}";
GRANT SELECT, INSERT, UPDATE ON casegate.script, casegate.caller_number TO "{company}";
"""

OWNED = (
    "agent_person",
    "agent",
    "agent_course",
    "script",
    "script_acknowledgement",
    "caller_number",
)


def upgrade() -> None:
    roles = context.config.attributes["roles"]
    names = {purpose: roles.name(purpose).replace('"', '""') for purpose in ("vendor", "company")}
    run = op.get_bind().exec_driver_sql
    for script in (TABLES, VIEWS, FUNCTIONS):
        run(script.replace("%", "%%"))
    for table in OWNED:
        run(f"ALTER TABLE casegate.{table} ENABLE ROW LEVEL SECURITY")
        run(
            f'CREATE POLICY company_all ON casegate.{table} TO "{names["company"]}" USING (true) WITH CHECK (true)'
        )
    run(POLICIES.format(**names))
    run(RIGHTS.format(**names))
