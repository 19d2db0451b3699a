"""What debtors agreed to and what they asked for: consents and special requests.

Revision ID: 0015
"""

from alembic import context, op

revision = "0015"
down_revision = "0015b"
branch_labels = None
depends_on = None

# SQLSTATEs: CG151 the case is not this vendor's, CG152 an idempotency key of something else, CG153 the case has no such
# number, CG154 the consent is not there or is over.
TABLES = """
-- What a debtor agreed to, for contacts by this vendor; point and debt NULL stand for all of them.
CREATE TABLE casegate.consent (
  consent_id            uuid PRIMARY KEY,
  vendor_id             text NOT NULL,
  contract_id           text NOT NULL,
  sequence              bigint GENERATED ALWAYS AS IDENTITY,
  person_mac            bytea NOT NULL CHECK (length(person_mac) = 32),
  case_id               uuid NOT NULL REFERENCES casegate.case_record ON DELETE CASCADE,
  case_ref              text NOT NULL,
  point_kind            text CHECK (point_kind IN ('mobile', 'home', 'related')),
  point_mac             bytea CHECK (length(point_mac) = 32),
  debt                  text,
  scope                 text NOT NULL CHECK (scope IN ('amber_time', 'red_time', 'extra_calls', 'third_party', 'channel')),
  channel               text,
  captured_at           timestamptz NOT NULL,
  begins                timestamptz NOT NULL,
  ends                  timestamptz NOT NULL,
  evidence_recording_id text,
  permit_id             uuid NOT NULL,
  given_by              text NOT NULL,
  recorded_at           timestamptz NOT NULL,
  revoked_at            timestamptz,
  revoked_by            text,
  repeat_key            text,
  repeat_sha256         bytea,
  CHECK (captured_at <= begins AND begins < ends),
  CHECK ((point_kind IS NULL) = (point_mac IS NULL)),
  CHECK ((revoked_at IS NULL) = (revoked_by IS NULL)),
  UNIQUE (vendor_id, contract_id, repeat_key),
  FOREIGN KEY (contract_id, vendor_id) REFERENCES casegate.contract (contract_id, vendor_id)
);
CREATE INDEX consent_by_person ON casegate.consent (person_mac, ends) WHERE revoked_at IS NULL;
CREATE INDEX consent_by_case ON casegate.consent (case_id);
CREATE INDEX consent_in_order ON casegate.consent (vendor_id, contract_id, sequence);
-- What a debtor asked for or claimed. The note is sealed under a key that goes with the case's salt.
CREATE TABLE casegate.special_request (
  request_id              uuid PRIMARY KEY,
  vendor_id               text NOT NULL,
  contract_id             text NOT NULL,
  sequence                bigint GENERATED ALWAYS AS IDENTITY,
  person_mac              bytea NOT NULL CHECK (length(person_mac) = 32),
  case_id                 uuid NOT NULL REFERENCES casegate.case_record ON DELETE CASCADE,
  case_ref                text NOT NULL,
  type                    text NOT NULL CHECK (type ~ '^[a-z][a-z0-9_]{0,39}$'),
  agent_ref               text NOT NULL,
  call_id                 text,
  permit_id               uuid,
  customer_words_code     text,
  sealed_note             bytea,
  raised_at               timestamptz NOT NULL,
  state                   text NOT NULL CHECK (state IN ('raised', 'routed', 'answered', 'instructed', 'closed')),
  owner_department        text NOT NULL,
  due_at                  timestamptz NOT NULL,
  answered_at             timestamptz,
  answered_by             text,
  decision_code           text,
  decision_valid_to       date,
  vendor_instruction_code text,
  closed_at               timestamptz,
  closed_by               text,
  hold_id                 uuid REFERENCES casegate.hold ON DELETE SET NULL,
  repeat_key              text,
  repeat_sha256           bytea,
  CHECK ((answered_at IS NULL) = (decision_code IS NULL)),
  CHECK (state <> 'instructed' OR vendor_instruction_code IS NOT NULL),
  CHECK ((state = 'closed') = (closed_at IS NOT NULL)),
  UNIQUE (vendor_id, contract_id, repeat_key),
  FOREIGN KEY (contract_id, vendor_id) REFERENCES casegate.contract (contract_id, vendor_id)
);
CREATE INDEX special_request_by_case ON casegate.special_request (case_id);
CREATE INDEX special_request_by_hold ON casegate.special_request (hold_id);
CREATE INDEX special_request_in_order ON casegate.special_request (vendor_id, contract_id, sequence);
CREATE INDEX special_request_open ON casegate.special_request (due_at) WHERE state <> 'closed';
"""

FUNCTIONS = """
-- A case that the vendor holds now; held in share until the end, so that it is not recalled meanwhile.
CREATE FUNCTION casegate.own_case(vendor text, contract text, ref text)
RETURNS TABLE (case_id uuid, person_mac bytea, contact_mac bytea, log_salt bytea, commitment bytea)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  RETURN QUERY
    SELECT r.case_id, r.person_mac, r.contact_mac, r.log_salt, a.commitment
      FROM casegate.assigned_case a JOIN casegate.case_record r ON r.case_id = a.case_id
     WHERE a.vendor_id = vendor AND a.contract_id = contract AND a.case_ref = ref AND a.status = 'assigned'
       AND casegate.is_covered(a.vendor_id, a.contract_id, a.project, a.portfolio, a.product, a.stage)
       FOR SHARE OF a;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'the case is not this vendor''s' USING ERRCODE = 'CG151';
  END IF;
END $$;
-- Whether a consent was given in a call that was allowed: no permit, no consent. Permits come with the next migration, which
-- puts its own in this place.
CREATE FUNCTION casegate.is_captured_in_permit(vendor text, contract text, the_case uuid, permit uuid, captured timestamptz)
RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$ SELECT false $$;
CREATE FUNCTION casegate.point_of(vendor text, contract text, ref text, wanted text, mobile bytea) RETURNS bytea
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE found bytea;
BEGIN
  IF wanted IS NULL OR wanted = 'mobile' THEN
    RETURN CASE WHEN wanted = 'mobile' THEN mobile END;
  END IF;
  IF to_regprocedure('casegate.permit_case(text, text, text)') IS NOT NULL THEN
    EXECUTE 'SELECT CASE $4 WHEN ''home'' THEN c.home_mac ELSE c.related_mac END FROM casegate.permit_case($1, $2, $3) c'
      INTO found USING vendor, contract, ref, wanted;
  END IF;
  IF found IS NULL THEN
    RAISE EXCEPTION 'the case has no such number' USING ERRCODE = 'CG153';
  END IF;
  RETURN found;
END $$;
CREATE FUNCTION casegate.record_consent(consent uuid, vendor text, contract text, ref text, point text, the_debt text,
  the_scope text, by_channel text, captured timestamptz, from_when timestamptz, until timestamptz, recording text, permit uuid,
  giver text, key text, key_sha256 bytea, moment timestamptz)
RETURNS TABLE (consent_id uuid, commitment bytea, is_new boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
  own record;
  earlier record;
BEGIN
  SELECT * INTO own FROM casegate.own_case(vendor, contract, ref);
  INSERT INTO casegate.consent AS c (consent_id, vendor_id, contract_id, person_mac, case_id, case_ref, point_kind, point_mac,
    debt, scope, channel, captured_at, begins, ends, evidence_recording_id, permit_id, given_by, recorded_at, repeat_key,
    repeat_sha256)
  VALUES (consent, vendor, contract, own.person_mac, own.case_id, ref, point,
    casegate.point_of(vendor, contract, ref, point, own.contact_mac), the_debt, the_scope, by_channel, captured, from_when, until,
    recording, permit, giver, moment, key, key_sha256)
  ON CONFLICT (vendor_id, contract_id, repeat_key) DO NOTHING;
  IF FOUND THEN
    PERFORM casegate.touch_debtor(own.person_mac);
    RETURN QUERY SELECT consent, own.commitment, true;
    RETURN;
  END IF;
  SELECT c.consent_id, c.repeat_sha256 INTO earlier FROM casegate.consent c
   WHERE c.vendor_id = vendor AND c.contract_id = contract AND c.repeat_key = key;
  IF earlier.repeat_sha256 IS DISTINCT FROM key_sha256 THEN
    RAISE EXCEPTION 'the key belongs to something else' USING ERRCODE = 'CG152';
  END IF;
  RETURN QUERY SELECT earlier.consent_id, own.commitment, false;
END $$;
CREATE FUNCTION casegate.revoke_consent(consent uuid, actor text, moment timestamptz)
RETURNS TABLE (vendor_id text, contract_id text, case_ref text, commitment bytea)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE gone casegate.consent;
BEGIN
  UPDATE casegate.consent c SET revoked_at = moment, revoked_by = actor
   WHERE c.consent_id = consent AND c.revoked_at IS NULL AND c.ends > moment RETURNING c.* INTO gone;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'there is no such consent in force' USING ERRCODE = 'CG154';
  END IF;
  PERFORM casegate.touch_debtor(gone.person_mac);
  PERFORM casegate.publish_changes(gone.vendor_id, gone.contract_id, 'consent_revoked', ARRAY[gone.case_ref], moment,
    jsonb_build_object('consent_id', gone.consent_id));
  RETURN QUERY SELECT gone.vendor_id, gone.contract_id, gone.case_ref,
    (SELECT a.commitment FROM casegate.assigned_case a
      WHERE (a.vendor_id, a.contract_id, a.case_ref) = (gone.vendor_id, gone.contract_id, gone.case_ref));
END $$;
CREATE FUNCTION casegate.revoke_own_consent(vendor text, contract text, consent uuid, moment timestamptz)
RETURNS TABLE (vendor_id text, contract_id text, case_ref text, commitment bytea)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  PERFORM 1 FROM casegate.consent c
   WHERE c.consent_id = consent AND c.vendor_id = vendor AND c.contract_id = contract FOR UPDATE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'there is no such consent in force' USING ERRCODE = 'CG154';
  END IF;
  RETURN QUERY SELECT * FROM casegate.revoke_consent(consent, 'vendor:' || vendor, moment);
END $$;
CREATE FUNCTION casegate.raise_request(request uuid, vendor text, contract text, ref text, kind text, hold uuid, agent text,
  call text, permit uuid, words text, note bytea, department text, due timestamptz, key text, key_sha256 bytea, moment timestamptz)
RETURNS TABLE (request_id uuid, commitment bytea, held bytea[], is_new boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
  own record;
  earlier record;
  under bytea[];
BEGIN
  SELECT * INTO own FROM casegate.own_case(vendor, contract, ref);
  INSERT INTO casegate.special_request AS q (request_id, vendor_id, contract_id, person_mac, case_id, case_ref, type, agent_ref,
    call_id, permit_id, customer_words_code, sealed_note, raised_at, state, owner_department, due_at, repeat_key, repeat_sha256)
  VALUES (request, vendor, contract, own.person_mac, own.case_id, ref, kind, agent, call, permit, words, note, moment, 'routed',
    department, due, key, key_sha256)
  ON CONFLICT (vendor_id, contract_id, repeat_key) DO NOTHING;
  IF FOUND THEN
    IF hold IS NOT NULL THEN
      under := casegate.place_hold(hold, own.person_mac, NULL, kind, 'special_request', 'vendor:' || vendor, moment);
      UPDATE casegate.special_request q SET hold_id = hold WHERE q.request_id = request;
    END IF;
    RETURN QUERY SELECT request, own.commitment, under, true;
    RETURN;
  END IF;
  SELECT q.request_id, q.repeat_sha256 INTO earlier FROM casegate.special_request q
   WHERE q.vendor_id = vendor AND q.contract_id = contract AND q.repeat_key = key;
  IF earlier.repeat_sha256 IS DISTINCT FROM key_sha256 THEN
    RAISE EXCEPTION 'the key belongs to something else' USING ERRCODE = 'CG152';
  END IF;
  RETURN QUERY SELECT earlier.request_id, own.commitment, NULL::bytea[], false;
END $$;
-- Of cases that the vendor holds now; under row-level security, as the caller.
CREATE FUNCTION casegate.vendor_consents(vendor text, contract text, ref text, one uuid, after bigint, wanted integer)
RETURNS TABLE (sequence bigint, consent_id uuid, case_ref text, point_kind text, is_of_one_debt boolean, scope text, channel text,
  captured_at timestamptz, begins timestamptz, ends timestamptz, evidence_recording_id text, permit_id uuid, given_by text,
  recorded_at timestamptz, revoked_at timestamptz)
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM set_config('casegate.vendor_id', vendor, true);
  RETURN QUERY
    SELECT c.sequence, c.consent_id, c.case_ref, c.point_kind, c.debt IS NOT NULL, c.scope, c.channel, c.captured_at, c.begins,
           c.ends, c.evidence_recording_id, c.permit_id, c.given_by, c.recorded_at, c.revoked_at
      FROM casegate.consent c
      JOIN casegate.assigned_case a USING (vendor_id, contract_id, case_ref)
     WHERE c.vendor_id = vendor AND c.contract_id = contract AND a.status = 'assigned' AND c.sequence > after
       AND (ref IS NULL OR c.case_ref = ref) AND (one IS NULL OR c.consent_id = one)
     ORDER BY c.sequence LIMIT wanted;
END $$;
CREATE FUNCTION casegate.vendor_requests(vendor text, contract text, ref text, one uuid, after bigint, wanted integer)
RETURNS TABLE (sequence bigint, request_id uuid, case_ref text, type text, agent_ref text, call_id text, permit_id uuid,
  customer_words_code text, raised_at timestamptz, state text, owner_department text, due_at timestamptz, is_held boolean,
  decision_code text, decision_valid_to date, vendor_instruction_code text, answered_at timestamptz, closed_at timestamptz)
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM set_config('casegate.vendor_id', vendor, true);
  RETURN QUERY
    SELECT q.sequence, q.request_id, q.case_ref, q.type, q.agent_ref, q.call_id, q.permit_id, q.customer_words_code, q.raised_at,
           q.state, q.owner_department, q.due_at, q.hold_id IS NOT NULL, q.decision_code, q.decision_valid_to,
           q.vendor_instruction_code, q.answered_at, q.closed_at
      FROM casegate.special_request q
      JOIN casegate.assigned_case a USING (vendor_id, contract_id, case_ref)
     WHERE q.vendor_id = vendor AND q.contract_id = contract AND a.status = 'assigned' AND q.sequence > after
       AND (ref IS NULL OR q.case_ref = ref) AND (one IS NULL OR q.request_id = one)
     ORDER BY q.sequence LIMIT wanted;
END $$;
"""

# What the two listeners may call, by their arguments; all else is for these functions themselves.
FOR_VENDOR = (
    "own_case(text, text, text)",
    "is_captured_in_permit(text, text, uuid, uuid, timestamptz)",
    "record_consent(uuid, text, text, text, text, text, text, text, timestamptz, timestamptz, timestamptz, text, uuid, text, text, bytea, timestamptz)",
    "revoke_own_consent(text, text, uuid, timestamptz)",
    "raise_request(uuid, text, text, text, text, uuid, text, text, uuid, text, bytea, text, timestamptz, text, bytea, timestamptz)",
    "vendor_consents(text, text, text, uuid, bigint, integer)",
    "vendor_requests(text, text, text, uuid, bigint, integer)",
)
FOR_COMPANY = ("revoke_consent(uuid, text, timestamptz)",)
INTERNAL = ("point_of(text, text, text, text, bytea)",)

POLICIES = """
CREATE POLICY own_consents ON casegate.consent FOR SELECT TO "{vendor}"
  USING (vendor_id = current_setting('casegate.vendor_id', true));
CREATE POLICY own_requests ON casegate.special_request FOR SELECT TO "{vendor}"
  USING (vendor_id = current_setting('casegate.vendor_id', true));
"""

RIGHTS = """
GRANT SELECT (vendor_id, contract_id, sequence, consent_id, case_ref, point_kind, debt, scope, channel, captured_at, begins, ends,
  evidence_recording_id, permit_id, given_by, recorded_at, revoked_at) ON casegate.consent TO "{vendor}";
GRANT SELECT (vendor_id, contract_id, sequence, request_id, case_ref, type, agent_ref, call_id, permit_id, customer_words_code,
  raised_at, state, owner_department, due_at, hold_id, decision_code, decision_valid_to, vendor_instruction_code, answered_at,
  closed_at) ON casegate.special_request TO "{vendor}";
GRANT SELECT ON casegate.consent, casegate.special_request TO "{company}";
GRANT UPDATE (state, answered_at, answered_by, decision_code, decision_valid_to, vendor_instruction_code, closed_at, closed_by)
  ON casegate.special_request TO "{company}";
"""

VENDOR_OWNED = ("consent", "special_request")


def upgrade() -> None:
    roles = context.config.attributes["roles"]
    names = {purpose: roles.name(purpose).replace('"', '""') for purpose in ("vendor", "company")}
    run = op.get_bind().exec_driver_sql
    for script in (TABLES, FUNCTIONS):
        run(script.replace("%", "%%"))
    for function in {*FOR_VENDOR, *FOR_COMPANY, *INTERNAL}:
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
