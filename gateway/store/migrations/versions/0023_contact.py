"""Calls without a permit count, hours that a debtor asked for bind, and what a permit shows ends it.

A call that had no permit is a finding, and a call all the same: contact_situation() tells of it
beside the permits, and its record raises the debtor's version. A caller number that ends, a consent
that is taken back and an opting out end the permits that stand on them, whoever makes the change.

Revision ID: 0023
"""

from alembic import context, op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

TABLES = """
CREATE INDEX call_record_unpermitted ON casegate.call_record (case_id, started_at) WHERE permit_id IS NULL;
-- Within which hours the debtor is to be reached, as "every day 18:00-20:00"; none at all takes back what was named
-- before. The newest answer that names some stands.
ALTER TABLE casegate.special_request ADD COLUMN preferred_hours text[],
  ADD CHECK (preferred_hours IS NULL OR answered_at IS NOT NULL);
CREATE INDEX special_request_preferred ON casegate.special_request (person_mac, answered_at) WHERE preferred_hours IS NOT NULL;
"""

FUNCTIONS = """
-- What is known of a debtor, without saying who did it. One statement sees one picture (STABLE), of which
-- `version` tells at the grant whether it still holds.
CREATE OR REPLACE FUNCTION casegate.contact_situation(vendor text, contract text, of_case uuid, point bytea, agent text,
                                           script text, script_no integer, caller text, moment timestamptz, repeated text)
RETURNS jsonb
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
  SELECT jsonb_build_object(
    'version', coalesce((SELECT d.version FROM casegate.debtor d WHERE d.person_mac = r.person_mac), 0),
    'history', coalesce((SELECT jsonb_agg(jsonb_build_array(extract(epoch FROM c.requested_at), encode(c.point_mac, 'hex'),
                                          c.debt, c.channel, c.counts, c.result, c.party, c.is_failed, c.is_exempt) ORDER BY c.requested_at)
                           FROM (SELECT * FROM casegate.contact x
                                  WHERE x.person_mac = r.person_mac AND x.requested_at > moment - interval '32 days'
                                  ORDER BY x.requested_at DESC LIMIT 1000) c), '[]'),
    -- Calls of which a vendor told without a permit. The number and the debt are NULL where nobody has said which.
    'unpermitted', (SELECT jsonb_agg(jsonb_build_array(extract(epoch FROM u.started_at), u.contact_point,
                             encode(CASE u.contact_point WHEN 'mobile' THEN k.contact_mac WHEN 'home' THEN k.home_mac
                                                         WHEN 'related' THEN k.related_mac END, 'hex'),
                             (SELECT c.debt FROM casegate.contact c WHERE c.person_mac = k.person_mac AND c.case_id = k.case_id LIMIT 1),
                             u.call_kind, u.direction, u.result_code,
                             (SELECT n.result_code FROM casegate.call_record n WHERE n.call_id = u.superseded_by
                                 AND n.vendor_id = u.vendor_id AND n.contract_id = u.contract_id)))
                      FROM casegate.case_record k JOIN casegate.call_record u ON u.case_id = k.case_id
                     WHERE k.person_mac = r.person_mac AND u.permit_id IS NULL AND u.started_at > moment - interval '32 days'),
    'holds', coalesce((SELECT jsonb_agg(DISTINCT h.code) FROM casegate.hold h
                        WHERE h.person_mac = r.person_mac AND h.lifted_at IS NULL AND (h.case_id IS NULL OR h.case_id = r.case_id)), '[]'),
    'consents', coalesce((SELECT jsonb_agg(jsonb_build_array(k.consent_id, k.scope, extract(epoch FROM k.captured_at),
                                           extract(epoch FROM k.begins), extract(epoch FROM k.ends),
                                           encode(k.point_mac, 'hex'), k.debt, k.channel))
                            FROM casegate.consent k
                           -- Given to this vendor; a consent for all debts is not bound to its case.
                           WHERE k.person_mac = r.person_mac AND k.revoked_at IS NULL AND k.ends > moment
                             AND k.vendor_id = vendor AND k.contract_id = contract
                             AND (k.debt IS NULL OR k.case_id = r.case_id)), '[]'),
    'preferred', (SELECT jsonb_build_array(q.preferred_hours, extract(epoch FROM q.answered_at), q.decision_valid_to)
                    FROM casegate.special_request q
                   WHERE q.person_mac = r.person_mac AND q.preferred_hours IS NOT NULL
                   ORDER BY q.answered_at DESC, q.sequence DESC LIMIT 1),
    'point', (SELECT jsonb_build_array(p.validity, p.opted_out_at IS NOT NULL) FROM casegate.point_state p WHERE p.point_mac = point),
    -- How every call about this debtor to this third person went, however long ago.
    'asked', CASE WHEN point = r.related_mac THEN
                  (SELECT jsonb_agg(DISTINCT jsonb_build_array(t.result, t.counts))
                     FROM (SELECT c.result, c.counts FROM casegate.contact c
                            WHERE c.person_mac = r.person_mac AND c.point_mac = point AND c.party = 'contact'
                           UNION ALL
                           SELECT u.result_code, 0 FROM casegate.case_record k JOIN casegate.call_record u ON u.case_id = k.case_id
                            WHERE k.person_mac = r.person_mac AND k.related_mac = point AND u.permit_id IS NULL
                              AND u.contact_point = 'related' AND u.direction = 'outbound') t) END,
    'refused_channels', coalesce((SELECT jsonb_agg(f.channel) FROM casegate.channel_refusal f WHERE f.person_mac = r.person_mac), '[]'),
    'own_number_invalid', EXISTS (SELECT 1 FROM casegate.point_state p
                                   WHERE p.point_mac = r.contact_mac AND p.validity IN ('invalid', 'wrong')),
    'agent', (SELECT jsonb_build_array(a.status, a.nda_signed_on IS NOT NULL,
                (SELECT coalesce(jsonb_agg(DISTINCT e.course_id), '[]') FROM casegate.agent_course e
                  WHERE e.vendor_id = a.vendor_id AND e.contract_id = a.contract_id AND e.agent_ref = a.agent_ref
                    AND e.passed_on <= (moment AT TIME ZONE 'Asia/Shanghai')::date
                    AND e.valid_to >= (moment AT TIME ZONE 'Asia/Shanghai')::date),
                EXISTS (SELECT 1 FROM casegate.script_acknowledgement w
                         WHERE w.vendor_id = a.vendor_id AND w.contract_id = a.contract_id AND w.agent_ref = a.agent_ref
                           AND w.script_id = script AND w.version = script_no))
              FROM casegate.agent a WHERE a.vendor_id = vendor AND a.contract_id = contract AND a.agent_ref = agent),
    'script', (SELECT jsonb_build_array(s.status, s.channel, s.valid_from <= moment AND (s.valid_to IS NULL OR s.valid_to > moment),
                                        extract(epoch FROM s.valid_to))
                 FROM casegate.script s WHERE s.script_id = script AND s.version = script_no),
    'caller', EXISTS (SELECT 1 FROM casegate.caller_number n
                       WHERE n.vendor_id = vendor AND n.contract_id = contract AND n.number = caller AND n.ended_at IS NULL),
    'repeat', (SELECT jsonb_build_array(c.contact_id, encode(c.request_sha256, 'hex')) FROM casegate.contact c
                WHERE c.vendor_id = vendor AND c.contract_id = contract AND c.repeat_key = repeated))
    FROM casegate.case_record r
   WHERE r.case_id = of_case
     AND EXISTS (SELECT 1 FROM casegate.assigned_case a
                  WHERE a.case_id = r.case_id AND a.vendor_id = vendor AND a.contract_id = contract AND a.status = 'assigned')
$$;

-- Grants what was decided on a picture, if the picture still holds: 'granted' (with the finding's id behind it when the
-- case is a canary), or why not. The row locks are the case's, the agent's, the caller number's and the debtor's own;
-- two debtors never wait for each other.
--
-- The commit does not wait for the disk: nobody is told of the permit before its entry in the log, which is of the same
-- database and written later, is on disk, and then this is too. What a crash takes away, nobody has seen.
CREATE OR REPLACE FUNCTION casegate.grant_permit(permit jsonb, seen bigint, most integer, most_of_agent integer, on_day date)
RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
  granted casegate.contact;
  finding uuid;
BEGIN
  PERFORM set_config('synchronous_commit', 'off', true);
  granted := jsonb_populate_record(NULL::casegate.contact, permit);
  -- The debtor before case and agent, as everywhere (0022): a batch of records has its debtors when a critical finding of it
  -- takes the agent. What is raised below takes the version back.
  INSERT INTO casegate.debtor AS d (person_mac, version) VALUES (granted.person_mac, seen + 1)
    ON CONFLICT (person_mac) DO UPDATE SET version = d.version + 1 WHERE d.version = seen;
  IF NOT FOUND THEN
    RETURN 'stale';
  END IF;
  -- The keys are the case's own: nobody can use up another debtor's calls.
  PERFORM 1 FROM casegate.assigned_case a JOIN casegate.case_record r USING (case_id)
    WHERE a.vendor_id = granted.vendor_id AND a.contract_id = granted.contract_id AND a.case_ref = granted.case_ref
      AND a.case_id = granted.case_id AND a.status = 'assigned' AND r.person_mac = granted.person_mac
      AND granted.point_mac IN (r.contact_mac, r.home_mac, r.related_mac) FOR SHARE OF a;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'the case is gone' USING ERRCODE = 'CG041';
  END IF;
  PERFORM 1 FROM casegate.agent a
    WHERE a.vendor_id = granted.vendor_id AND a.contract_id = granted.contract_id AND a.agent_ref = granted.agent_ref
      AND a.status = 'qualified' FOR SHARE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'the agent has stopped' USING ERRCODE = 'CG042';
  END IF;
  PERFORM 1 FROM casegate.script s
    WHERE s.script_id = granted.script_id AND s.version = granted.script_version AND s.status = 'active' FOR SHARE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'the script is used no more' USING ERRCODE = 'CG042';
  END IF;
  -- Only where it was on the list when the permit was decided: some contacts show no number.
  IF (permit ->> 'is_caller_registered')::boolean THEN
    PERFORM 1 FROM casegate.caller_number n
      WHERE n.vendor_id = granted.vendor_id AND n.contract_id = granted.contract_id AND n.number = granted.caller_number
        AND n.ended_at IS NULL FOR SHARE;
    IF NOT FOUND THEN
      RAISE EXCEPTION 'the number has ended' USING ERRCODE = 'CG042';
    END IF;
  END IF;
  IF granted.party <> 'debtor' THEN
    -- Of a number whose owner opts out at this moment one of the two sees the other (close_permit() takes this lock alone).
    PERFORM pg_advisory_xact_lock_shared(hashtextextended('casegate.point/' || encode(granted.point_mac, 'hex'), 0));
    PERFORM 1 FROM casegate.point_state p WHERE p.point_mac = granted.point_mac AND p.opted_out_at IS NOT NULL;
    IF FOUND THEN
      RAISE EXCEPTION 'its owner has opted out' USING ERRCODE = 'CG042';
    END IF;
  END IF;
  INSERT INTO casegate.contact SELECT granted.*;
  SELECT n.finding_id INTO finding
    FROM casegate.note_canary_use(granted.case_id, 'permit', jsonb_build_object('permit', granted.contact_id), granted.requested_at) n;
  -- Last, because all permits of a vendor wait for its row of the day.
  IF granted.handling = 'reveal_once' THEN
    PERFORM casegate.take_reveal(granted.vendor_id, granted.contract_id, on_day, granted.agent_ref, most, most_of_agent);
  END IF;
  RETURN CASE WHEN finding IS NULL THEN 'granted' ELSE 'granted ' || finding END;
EXCEPTION
  WHEN unique_violation OR SQLSTATE 'CG042' THEN RETURN 'stale';
  WHEN SQLSTATE 'CG041' THEN RETURN 'gone';
  WHEN SQLSTATE 'CG040' THEN RETURN 'quota';
END $$;

-- Kept for the reports; as with a grant, its entry in the log brings it to disk.
CREATE OR REPLACE FUNCTION casegate.refuse_permit(vendor text, contract text, of_case uuid, agent text, by_channel text, point text,
                                       kind text, script text, script_no integer, caller text, why text,
                                       moment timestamptz, because text[])
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  PERFORM set_config('synchronous_commit', 'off', true);
  INSERT INTO casegate.permit_refusal (vendor_id, contract_id, case_id, agent_ref, channel, point_kind, call_kind,
                                       script_id, script_version, caller_number, reason, requested_at, codes)
  VALUES (vendor, contract, of_case, agent, by_channel, point, kind, script, script_no, caller, why, moment, because);
END $$;

-- A call that had no permit changes what is known of its debtor, as every contact does.
CREATE FUNCTION casegate.count_unpermitted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  PERFORM casegate.touch_debtor(r.person_mac) FROM casegate.case_record r WHERE r.case_id = NEW.case_id;
  RETURN NULL;
END $$;
-- A number that nobody may show any more is shown by no open permit.
CREATE FUNCTION casegate.end_permits_of_caller() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  UPDATE casegate.contact c
     SET state = 'voided', closed_at = NEW.ended_at, void_reason = 'CALLER',
         counts = CASE WHEN c.handling = 'dial_token' AND c.dialed_at IS NULL THEN 0 ELSE c.counts END
   WHERE c.state = 'granted' AND c.vendor_id = NEW.vendor_id AND c.contract_id = NEW.contract_id AND c.caller_number = NEW.number;
  RETURN NULL;
END $$;
-- The debtor's version was raised by whoever has taken the consent back.
CREATE FUNCTION casegate.end_permits_of_consent() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  UPDATE casegate.contact c
     SET state = 'voided', closed_at = NEW.revoked_at, void_reason = 'CONSENT',
         counts = CASE WHEN c.handling = 'dial_token' AND c.dialed_at IS NULL THEN 0 ELSE c.counts END
   WHERE c.state = 'granted' AND c.person_mac = NEW.person_mac AND c.consents @> ARRAY[NEW.consent_id::text];
  RETURN NULL;
END $$;
-- Hours that were granted to a debtor bind the permits of before too, which are asked for again; hours that were taken back
-- change what is known of him.
CREATE FUNCTION casegate.follow_preference() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  PERFORM casegate.touch_debtor(NEW.person_mac);
  IF cardinality(NEW.preferred_hours) > 0 THEN
    PERFORM casegate.void_permits_of_debtor(NEW.person_mac, NULL, NEW.answered_at, 'PREFERENCE');
  END IF;
  RETURN NULL;
END $$;
-- Whoever has opted out is not called by a permit that was open then, however it was told: by a closing or by a record.
CREATE FUNCTION casegate.end_permits_of_point() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  UPDATE casegate.contact c
     SET state = 'voided', closed_at = NEW.opted_out_at, void_reason = 'OPTED_OUT',
         counts = CASE WHEN c.handling = 'dial_token' AND c.dialed_at IS NULL THEN 0 ELSE c.counts END
   WHERE c.state = 'granted' AND c.point_mac = NEW.point_mac AND c.party <> 'debtor';
  RETURN NULL;
END $$;
"""

TRIGGERS = """
CREATE TRIGGER unpermitted_call_counts AFTER INSERT ON casegate.call_record FOR EACH ROW
  WHEN (NEW.permit_id IS NULL) EXECUTE FUNCTION casegate.count_unpermitted();
CREATE TRIGGER ended_number_ends_permits AFTER UPDATE OF ended_at ON casegate.caller_number FOR EACH ROW
  WHEN (OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL) EXECUTE FUNCTION casegate.end_permits_of_caller();
CREATE TRIGGER revoked_consent_ends_permits AFTER UPDATE OF revoked_at ON casegate.consent FOR EACH ROW
  WHEN (OLD.revoked_at IS NULL AND NEW.revoked_at IS NOT NULL) EXECUTE FUNCTION casegate.end_permits_of_consent();
CREATE TRIGGER preference_is_followed AFTER UPDATE OF preferred_hours ON casegate.special_request FOR EACH ROW
  WHEN (NEW.preferred_hours IS DISTINCT FROM OLD.preferred_hours) EXECUTE FUNCTION casegate.follow_preference();
CREATE TRIGGER opting_out_ends_permits AFTER UPDATE OF opted_out_at ON casegate.point_state FOR EACH ROW
  WHEN (OLD.opted_out_at IS NULL AND NEW.opted_out_at IS NOT NULL) EXECUTE FUNCTION casegate.end_permits_of_point();
CREATE TRIGGER first_opting_out_ends_permits AFTER INSERT ON casegate.point_state FOR EACH ROW
  WHEN (NEW.opted_out_at IS NOT NULL) EXECUTE FUNCTION casegate.end_permits_of_point();
"""

RIGHTS = """
GRANT UPDATE (preferred_hours) ON casegate.special_request TO "{company}";
"""

INTERNAL = (
    "count_unpermitted()",
    "end_permits_of_caller()",
    "end_permits_of_consent()",
    "end_permits_of_point()",
    "follow_preference()",
)


def upgrade() -> None:
    """Makes what the sentence above says."""
    company = context.config.attributes["roles"].name("company").replace('"', '""')
    run = op.get_bind().exec_driver_sql
    for script in (TABLES, FUNCTIONS, TRIGGERS):
        run(script.replace("%", "%%"))
    for function in INTERNAL:
        run(f"REVOKE ALL ON FUNCTION casegate.{function} FROM PUBLIC")
    run(RIGHTS.format(company=company))


def downgrade() -> None:
    """There is no way back: what was logged stays."""
