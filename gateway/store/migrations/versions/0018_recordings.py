"""Recordings: uploads in parts, and what is kept of them.

Revision ID: 0018
"""

from alembic import context, op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

TABLES = """
-- One upload and what came of it. `received` counts bytes that are durable, `stored_bytes` the sealed ones that hold them.
-- The content is elsewhere, sealed under the wrapped key: without the key it is gone wherever a copy of it lies.
CREATE TABLE casegate.recording (
  recording_id  uuid PRIMARY KEY,
  vendor_id     text NOT NULL,
  contract_id   text NOT NULL,
  sequence      bigint GENERATED ALWAYS AS IDENTITY,
  call_id       text NOT NULL CHECK (length(call_id) BETWEEN 1 AND 64),
  sha256        bytea NOT NULL CHECK (length(sha256) = 32),
  bytes         bigint NOT NULL CHECK (bytes > 0),
  codec         text NOT NULL CHECK (codec IN ('wav', 'mp3', 'ogg', 'opus', 'amr')),
  duration_s    numeric(9, 3) NOT NULL CHECK (duration_s >= 0),
  measured_s    numeric(12, 3),
  started_at    timestamptz NOT NULL,
  ended_at      timestamptz NOT NULL,
  notice_given  boolean NOT NULL,
  state         text NOT NULL CHECK (state IN ('expected', 'receiving', 'verified', 'mismatch', 'erased')),
  received      bigint NOT NULL DEFAULT 0,
  stored_bytes  bigint NOT NULL DEFAULT 0,
  kek_id        text NOT NULL,
  wrapped_key   bytea,
  announced_at  timestamptz NOT NULL,
  expires_at    timestamptz NOT NULL,
  settled_at    timestamptz,
  compared_at   timestamptz,
  retention_until timestamptz,
  legal_hold    boolean NOT NULL DEFAULT false,
  held_at       timestamptz,
  held_by       text,
  hold_reason   text,
  erased_at     timestamptz,
  erased_why    text CHECK (erased_why IN ('terminated', 'expired', 'lost', 'retention', 'person')),
  removed_at    timestamptz,
  CHECK (started_at <= ended_at),
  CHECK (received BETWEEN 0 AND bytes),
  CHECK ((state = 'erased') = (erased_at IS NOT NULL) AND (erased_at IS NULL) = (erased_why IS NULL)),
  CHECK ((wrapped_key IS NULL) = (state IN ('mismatch', 'erased'))),
  CHECK (state <> 'verified' OR received = bytes AND retention_until IS NOT NULL),
  CHECK (NOT legal_hold OR state = 'verified'),
  FOREIGN KEY (contract_id, vendor_id) REFERENCES casegate.contract (contract_id, vendor_id)
);
-- A call has one recording for ever, also when its time of keeping is over; what ended before it was whole leaves room.
CREATE UNIQUE INDEX recording_of_call ON casegate.recording (vendor_id, contract_id, call_id)
  WHERE state IN ('expected', 'receiving', 'verified') OR erased_why IN ('retention', 'person');
CREATE INDEX recording_in_order ON casegate.recording (vendor_id, contract_id, sequence);
CREATE INDEX recording_by_age ON casegate.recording (vendor_id, announced_at);
CREATE INDEX recording_newest ON casegate.recording (sequence);
CREATE INDEX recording_open ON casegate.recording (expires_at) WHERE state IN ('expected', 'receiving');
CREATE INDEX recording_kept ON casegate.recording (retention_until) WHERE state = 'verified' AND NOT legal_hold;
CREATE INDEX recording_to_compare ON casegate.recording (sequence) WHERE state = 'verified' AND compared_at IS NULL;
CREATE INDEX recording_to_remove ON casegate.recording (sequence) WHERE state IN ('mismatch', 'erased') AND removed_at IS NULL;
"""

FUNCTIONS = """
-- The finding that a recording gives cause for; one that stands open already makes no second.
CREATE FUNCTION casegate.fault_recording(the_rule text, how_bad text, recording casegate.recording, said jsonb, moment timestamptz)
RETURNS TABLE (finding_id uuid, rule text, severity text, agent_ref text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
  told jsonb := said || jsonb_build_object('recording', recording.recording_id, 'call', recording.call_id);
  agent text;
BEGIN
  IF EXISTS (SELECT FROM casegate.finding f WHERE f.rule = the_rule AND f.state = 'open' AND f.vendor_id = recording.vendor_id
               AND f.contract_id = recording.contract_id AND f.evidence = told) THEN
    RETURN;
  END IF;
  SELECT c.agent_ref INTO agent FROM casegate.call_record c
   WHERE c.vendor_id = recording.vendor_id AND c.contract_id = recording.contract_id AND c.call_id = recording.call_id;
  RETURN QUERY
    INSERT INTO casegate.finding AS f (finding_id, rule, severity, vendor_id, contract_id, agent_ref, evidence, found_at)
    VALUES (gen_random_uuid(), the_rule, how_bad, recording.vendor_id, recording.contract_id, agent, told, moment)
    RETURNING f.finding_id, f.rule, f.severity, f.agent_ref;
END $$;
-- Length and hash against talk time and hash of the call's record, as soon as both are there.
CREATE FUNCTION casegate.compare_recording(the_recording uuid, tolerance numeric, moment timestamptz)
RETURNS TABLE (finding_id uuid, rule text, severity text, agent_ref text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
  own casegate.recording;
  talked numeric;
  told bytea;
  lasted numeric;
BEGIN
  SELECT * INTO own FROM casegate.recording r
   WHERE r.recording_id = the_recording AND r.state = 'verified' AND r.compared_at IS NULL FOR UPDATE;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  SELECT c.talk_s, c.recording_sha256 INTO talked, told FROM casegate.call_record c
   WHERE c.vendor_id = own.vendor_id AND c.contract_id = own.contract_id AND c.call_id = own.call_id;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  UPDATE casegate.recording r SET compared_at = moment WHERE r.recording_id = the_recording;
  lasted := coalesce(own.measured_s, own.duration_s);
  IF told <> own.sha256 THEN
    RETURN QUERY SELECT * FROM casegate.fault_recording('RECORDING_CHANGED', 'critical', own,
      jsonb_build_object('record_sha256', encode(told, 'hex')), moment);
  END IF;
  IF abs(lasted - coalesce(talked, 0)) > tolerance THEN
    RETURN QUERY SELECT * FROM casegate.fault_recording('RECORDING_DURATION', 'major', own,
      jsonb_build_object('recorded_s', lasted, 'talked_s', talked), moment);
  END IF;
END $$;
CREATE FUNCTION casegate.open_recording(recording uuid, vendor text, contract text, call text, digest bytea, size bigint,
  the_codec text, duration numeric, begun timestamptz, ended timestamptz, notice boolean, kek text, wrapped bytea,
  most_open integer, quota bigint, since timestamptz, until timestamptz, moment timestamptz)
RETURNS TABLE (verdict text, recording_id uuid, finding_id uuid, rule text, severity text, agent_ref text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE known casegate.recording;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('casegate.recording/' || vendor, 0));
  SELECT * INTO known FROM casegate.recording r
   WHERE r.vendor_id = vendor AND r.contract_id = contract AND r.call_id = call
     AND (r.state IN ('expected', 'receiving', 'verified') OR r.erased_why IN ('retention', 'person')) FOR UPDATE;
  IF FOUND AND known.state IN ('expected', 'receiving') AND known.expires_at <= moment THEN
    UPDATE casegate.recording r SET state = 'erased', erased_at = moment, erased_why = 'expired', wrapped_key = NULL
     WHERE r.recording_id = known.recording_id;
  ELSIF FOUND THEN
    IF known.sha256 = digest AND known.bytes = size THEN
      RETURN QUERY SELECT 'same', known.recording_id, NULL::uuid, NULL::text, NULL::text, NULL::text;
    ELSIF known.state IN ('expected', 'receiving') THEN
      RETURN QUERY SELECT 'open', known.recording_id, NULL::uuid, NULL::text, NULL::text, NULL::text;
    ELSE
      RETURN QUERY SELECT 'changed', known.recording_id, f.finding_id, f.rule, f.severity, f.agent_ref
        FROM (SELECT 1) one LEFT JOIN casegate.fault_recording('RECORDING_CHANGED', 'critical', known,
          jsonb_build_object('offered_sha256', encode(digest, 'hex')), moment) f ON true;
    END IF;
    RETURN;
  END IF;
  IF (SELECT count(*) FROM casegate.recording r
       WHERE r.vendor_id = vendor AND r.state IN ('expected', 'receiving') AND r.expires_at > moment) >= most_open THEN
    RETURN QUERY SELECT 'many', NULL::uuid, NULL::uuid, NULL::text, NULL::text, NULL::text;
    RETURN;
  END IF;
  IF (SELECT coalesce(sum(r.bytes), 0) FROM casegate.recording r WHERE r.vendor_id = vendor AND r.announced_at >= since)
      + size > quota THEN
    RETURN QUERY SELECT 'quota', NULL::uuid, NULL::uuid, NULL::text, NULL::text, NULL::text;
    RETURN;
  END IF;
  INSERT INTO casegate.recording (recording_id, vendor_id, contract_id, call_id, sha256, bytes, codec, duration_s, started_at,
    ended_at, notice_given, state, kek_id, wrapped_key, announced_at, expires_at)
  VALUES (recording, vendor, contract, call, digest, size, the_codec, duration, begun, ended, notice, 'expected', kek, wrapped,
    moment, until);
  RETURN QUERY SELECT 'new', recording, NULL::uuid, NULL::text, NULL::text, NULL::text;
END $$;
-- What a worker needs to go on with an upload; the key only while content may still come.
CREATE FUNCTION casegate.vendor_upload(vendor text, contract text, recording uuid)
RETURNS TABLE (call_id text, sha256 bytea, bytes bigint, codec text, duration_s numeric, ended_at timestamptz, state text,
  received bigint, stored_bytes bigint, expires_at timestamptz, kek_id text, wrapped_key bytea)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
  SELECT r.call_id, r.sha256, r.bytes, r.codec, r.duration_s, r.ended_at, r.state, r.received, r.stored_bytes, r.expires_at,
         r.kek_id, CASE WHEN r.state IN ('expected', 'receiving') THEN r.wrapped_key END
    FROM casegate.recording r
   WHERE r.recording_id = recording AND r.vendor_id = vendor AND r.contract_id = contract
$$;
-- Moves an upload on, if it still stands where the caller found it.
CREATE FUNCTION casegate.note_received(vendor text, contract text, recording uuid, was bigint, has bigint, stored bigint,
  moment timestamptz)
RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  UPDATE casegate.recording r SET state = 'receiving', received = has, stored_bytes = stored
   WHERE r.recording_id = recording AND r.vendor_id = vendor AND r.contract_id = contract AND r.received = was
     AND r.state IN ('expected', 'receiving') AND r.expires_at > moment;
  RETURN FOUND;
END $$;
-- Ends an upload that is whole: verified for good, or a mismatch whose content nobody can open any more.
CREATE FUNCTION casegate.settle_recording(vendor text, contract text, recording uuid, is_sound boolean, why text,
  measured numeric, kept_until timestamptz, tolerance numeric, moment timestamptz)
RETURNS TABLE (finding_id uuid, rule text, severity text, agent_ref text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE own casegate.recording;
BEGIN
  UPDATE casegate.recording r
     SET state = CASE WHEN is_sound THEN 'verified' ELSE 'mismatch' END, settled_at = moment, measured_s = measured,
         wrapped_key = CASE WHEN is_sound THEN r.wrapped_key END,
         retention_until = CASE WHEN is_sound THEN kept_until END
   WHERE r.recording_id = recording AND r.vendor_id = vendor AND r.contract_id = contract
     AND r.state IN ('expected', 'receiving') AND r.received = r.bytes
  RETURNING r.* INTO own;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'the upload is not whole, or is settled' USING ERRCODE = 'CG181';
  END IF;
  IF NOT is_sound THEN
    RETURN QUERY SELECT * FROM casegate.fault_recording('RECORDING_MISMATCH', 'major', own, jsonb_build_object('differs', why),
      moment);
    RETURN;
  END IF;
  IF abs(measured - own.duration_s) > tolerance THEN
    RETURN QUERY SELECT * FROM casegate.fault_recording('RECORDING_DURATION', 'major', own,
      jsonb_build_object('recorded_s', measured, 'declared_s', own.duration_s), moment);
  END IF;
  RETURN QUERY SELECT * FROM casegate.compare_recording(recording, tolerance, moment);
END $$;
CREATE FUNCTION casegate.drop_upload(vendor text, contract text, recording uuid, why text, moment timestamptz)
RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  UPDATE casegate.recording r SET state = 'erased', erased_at = moment, erased_why = why, wrapped_key = NULL
   WHERE r.recording_id = recording AND r.vendor_id = vendor AND r.contract_id = contract
     AND r.state IN ('expected', 'receiving');
  RETURN FOUND;
END $$;
-- Under row-level security, as the caller.
CREATE FUNCTION casegate.vendor_recordings(vendor text, contract text, call text, one uuid, after bigint, wanted integer)
RETURNS TABLE (sequence bigint, recording_id uuid, call_id text, sha256 bytea, bytes bigint, codec text, duration_s numeric,
  measured_s numeric, started_at timestamptz, ended_at timestamptz, notice_given boolean, state text, received bigint,
  announced_at timestamptz, expires_at timestamptz, settled_at timestamptz, erased_why text)
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM set_config('casegate.vendor_id', vendor, true);
  RETURN QUERY
    SELECT r.sequence, r.recording_id, r.call_id, r.sha256, r.bytes, r.codec, r.duration_s, r.measured_s, r.started_at,
           r.ended_at, r.notice_given, r.state, r.received, r.announced_at, r.expires_at, r.settled_at, r.erased_why
      FROM casegate.recording r
     WHERE r.vendor_id = vendor AND r.contract_id = contract AND r.sequence > after
       AND (call IS NULL OR r.call_id = call) AND (one IS NULL OR r.recording_id = one)
     ORDER BY r.sequence LIMIT wanted;
END $$;
-- Whoever is erased is not heard any more either; a legal hold stands above it.
CREATE FUNCTION casegate.forget_recordings() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  UPDATE casegate.recording r
     SET state = 'erased', erased_at = clock_timestamp(), erased_why = 'person', wrapped_key = NULL
    FROM casegate.call_record c
   WHERE c.case_id = OLD.case_id AND (r.vendor_id, r.contract_id, r.call_id) = (c.vendor_id, c.contract_id, c.call_id)
     AND r.state IN ('expected', 'receiving', 'verified') AND NOT r.legal_hold;
  RETURN OLD;
END $$;
-- By its name before the one that takes the case from its calls.
CREATE TRIGGER erased_case_and_its_recordings BEFORE DELETE ON casegate.case_record
  FOR EACH ROW EXECUTE FUNCTION casegate.forget_recordings();
"""

FOR_VENDOR = (
    "open_recording(uuid, text, text, text, bytea, bigint, text, numeric, timestamptz, timestamptz, boolean, text, bytea, integer, bigint, timestamptz, timestamptz, timestamptz)",
    "vendor_upload(text, text, uuid)",
    "note_received(text, text, uuid, bigint, bigint, bigint, timestamptz)",
    "settle_recording(text, text, uuid, boolean, text, numeric, timestamptz, numeric, timestamptz)",
    "drop_upload(text, text, uuid, text, timestamptz)",
    "vendor_recordings(text, text, text, uuid, bigint, integer)",
)
FOR_COMPANY = ("compare_recording(uuid, numeric, timestamptz)",)
INTERNAL = (
    "fault_recording(text, text, casegate.recording, jsonb, timestamptz)",
    "forget_recordings()",
)

POLICIES = """
ALTER TABLE casegate.recording ENABLE ROW LEVEL SECURITY;
CREATE POLICY company_all ON casegate.recording TO "{company}" USING (true) WITH CHECK (true);
CREATE POLICY own_recordings ON casegate.recording FOR SELECT TO "{vendor}"
  USING (vendor_id = current_setting('casegate.vendor_id', true));
"""

RIGHTS = """
GRANT SELECT (sequence, recording_id, vendor_id, contract_id, call_id, sha256, bytes, codec, duration_s, measured_s, started_at,
  ended_at, notice_given, state, received, announced_at, expires_at, settled_at, erased_why) ON casegate.recording TO "{vendor}";
GRANT SELECT ON casegate.recording TO "{company}";
GRANT UPDATE (state, kek_id, wrapped_key, retention_until, legal_hold, held_at, held_by, hold_reason, erased_at, erased_why,
  removed_at) ON casegate.recording TO "{company}";
"""


def upgrade() -> None:
    """Makes what the sentence above says."""
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
    run(POLICIES.format(**names))
    run(RIGHTS.format(**names))


def downgrade() -> None:
    """There is no way back: what was logged stays."""
