"""Contact permits: who was contacted when, what a permit is decided by, counting without a lock.

A permit is granted only if nothing that it depends on has changed since it was decided: the
debtor's version is the one that was read, the case is still the vendor's, the agent may still call
and the script is still in use. What ends one is in 0016c, which comes before.

Revision ID: 0016
"""

from alembic import context, op

revision = "0016"
down_revision = "0016c"
branch_labels = None
depends_on = None

FUNCTIONS = """
-- The packs of now and of later: a worker knows beforehand what will be in force.
CREATE FUNCTION casegate.packs_in_force()
RETURNS TABLE (digest text, file text, document text, parameters jsonb, effective_at timestamptz, ended_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
  SELECT t.digest, t.file, t.document, t.parameters, a.effective_at, a.ended_at
    FROM casegate.pack_activation a JOIN casegate.pack_text t USING (digest)
   WHERE a.ended_at IS NULL OR a.ended_at > clock_timestamp() - interval '1 day'
   ORDER BY a.activation_id
$$;
-- The case of a permit, under row-level security as the caller.
CREATE FUNCTION casegate.permit_case(vendor text, contract text, ref text)
RETURNS TABLE (sequence bigint, case_id uuid, assignment_id text, status text, assigned_at timestamptz,
               commitment bytea, kek_id text, wrapped_key bytea, sealed bytea,
               person_mac bytea, mobile_mac bytea, home_mac bytea, related_mac bytea)
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM set_config('casegate.vendor_id', vendor, true);
  RETURN QUERY
    SELECT a.sequence, a.case_id, a.assignment_id, a.status, a.assigned_at, a.commitment,
           r.kek_id, r.wrapped_key, r.sealed, r.person_mac, r.contact_mac, r.home_mac, r.related_mac
      FROM casegate.assigned_case a JOIN casegate.case_record r ON r.case_id = a.case_id
     WHERE a.vendor_id = vendor AND a.contract_id = contract AND a.case_ref = ref AND a.status = 'assigned';
END $$;

-- What is known of a debtor, without saying who did it. One statement sees one picture (STABLE), of which
-- `version` tells at the grant whether it still holds.
CREATE FUNCTION casegate.contact_situation(vendor text, contract text, of_case uuid, point bytea, agent text,
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
    'point', (SELECT jsonb_build_array(p.validity, p.opted_out_at IS NOT NULL) FROM casegate.point_state p WHERE p.point_mac = point),
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
    'script', (SELECT jsonb_build_array(s.status, s.channel, s.valid_from <= moment AND (s.valid_to IS NULL OR s.valid_to > moment))
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

-- Takes one of what is left of a day's reveals; false, and nothing taken, when that was the last.
CREATE FUNCTION casegate.take_reveal(vendor text, contract text, on_day date, agent text, most integer, most_of_agent integer)
RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  INSERT INTO casegate.reveal_use AS u VALUES (vendor, contract, on_day, agent, 1)
    ON CONFLICT (vendor_id, contract_id, day, agent_ref) DO UPDATE SET used = u.used + 1 WHERE u.used < most_of_agent;
  IF NOT FOUND OR most_of_agent < 1 THEN
    RAISE EXCEPTION 'no reveals are left' USING ERRCODE = 'CG040';
  END IF;
  INSERT INTO casegate.reveal_use AS u VALUES (vendor, contract, on_day, '', 1)
    ON CONFLICT (vendor_id, contract_id, day, agent_ref) DO UPDATE SET used = u.used + 1 WHERE u.used < most;
  IF NOT FOUND OR most < 1 THEN
    RAISE EXCEPTION 'no reveals are left' USING ERRCODE = 'CG040';
  END IF;
  RETURN 'taken';
END $$;

-- Grants what was decided on a picture, if the picture still holds: 'granted' (with the finding's id behind it when the
-- case is a canary), or why not. The row locks are the case's, the agent's and the debtor's own; two debtors never wait
-- for each other.
CREATE FUNCTION casegate.grant_permit(permit jsonb, seen bigint, most integer, most_of_agent integer, on_day date)
RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
  granted casegate.contact;
  finding uuid;
BEGIN
  granted := jsonb_populate_record(NULL::casegate.contact, permit);
  -- The keys are the case's own: nobody can use up another debtor's calls.
  PERFORM 1 FROM casegate.assigned_case a JOIN casegate.case_record r USING (case_id)
    WHERE a.vendor_id = granted.vendor_id AND a.contract_id = granted.contract_id AND a.case_ref = granted.case_ref
      AND a.case_id = granted.case_id AND a.status = 'assigned' AND r.person_mac = granted.person_mac
      AND granted.point_mac IN (r.contact_mac, r.home_mac, r.related_mac) FOR SHARE OF a;
  IF NOT FOUND THEN
    RETURN 'gone';
  END IF;
  PERFORM 1 FROM casegate.agent a
    WHERE a.vendor_id = granted.vendor_id AND a.contract_id = granted.contract_id AND a.agent_ref = granted.agent_ref
      AND a.status = 'qualified' FOR SHARE;
  IF NOT FOUND THEN
    RETURN 'stale';
  END IF;
  PERFORM 1 FROM casegate.script s
    WHERE s.script_id = granted.script_id AND s.version = granted.script_version AND s.status = 'active' FOR SHARE;
  IF NOT FOUND THEN
    RETURN 'stale';
  END IF;
  INSERT INTO casegate.debtor AS d (person_mac, version) VALUES (granted.person_mac, seen + 1)
    ON CONFLICT (person_mac) DO UPDATE SET version = d.version + 1 WHERE d.version = seen;
  IF NOT FOUND THEN
    RETURN 'stale';
  END IF;
  PERFORM 1 FROM casegate.point_state p WHERE p.point_mac = granted.point_mac AND p.opted_out_at IS NOT NULL;
  IF FOUND AND granted.party <> 'debtor' THEN
    RETURN 'stale';
  END IF;
  IF granted.handling = 'reveal_once' THEN
    PERFORM casegate.take_reveal(granted.vendor_id, granted.contract_id, on_day, granted.agent_ref, most, most_of_agent);
  END IF;
  INSERT INTO casegate.contact SELECT granted.*;
  SELECT n.finding_id INTO finding
    FROM casegate.note_canary_use(granted.case_id, 'permit', jsonb_build_object('permit', granted.contact_id), granted.requested_at) n;
  RETURN CASE WHEN finding IS NULL THEN 'granted' ELSE 'granted ' || finding END;
EXCEPTION
  WHEN unique_violation THEN RETURN 'stale';
  WHEN SQLSTATE 'CG040' THEN RETURN 'quota';
END $$;

CREATE FUNCTION casegate.refuse_permit(vendor text, contract text, of_case uuid, agent text, by_channel text, point text,
                                       kind text, script text, script_no integer, caller text, why text,
                                       moment timestamptz, because text[])
RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
  INSERT INTO casegate.permit_refusal (vendor_id, contract_id, case_id, agent_ref, channel, point_kind, call_kind,
                                       script_id, script_version, caller_number, reason, requested_at, codes)
  VALUES (vendor, contract, of_case, agent, by_channel, point, kind, script, script_no, caller, why, moment, because)
$$;

CREATE FUNCTION casegate.vendor_permit(vendor text, contract text, permit uuid)
RETURNS SETOF casegate.contact
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM set_config('casegate.vendor_id', vendor, true);
  RETURN QUERY SELECT * FROM casegate.contact c
    WHERE c.contact_id = permit AND c.vendor_id = vendor AND c.contract_id = contract;
END $$;

-- Ends an open permit of the vendor: 'closed' (with the hold and the commitments under it), or the state that it is in already; NULL when there is none. What
-- the call has shown takes effect with it: an opting out stays for ever, a hold stops all cases of the debtor.
CREATE FUNCTION casegate.close_permit(vendor text, contract text, permit uuid, ended text, outcome text, measures integer,
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

-- Keeps that the debtor of a case of the vendor refuses a channel: 'refused', 'known', or NULL without such a case. Open
-- permits of the channel end.
CREATE FUNCTION casegate.refuse_channel(vendor text, contract text, ref text, by_channel text, moment timestamptz)
RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
  person bytea;
BEGIN
  SELECT r.person_mac INTO person
    FROM casegate.assigned_case a JOIN casegate.case_record r USING (case_id)
   WHERE a.vendor_id = vendor AND a.contract_id = contract AND a.case_ref = ref AND a.status = 'assigned' FOR SHARE OF a;
  IF NOT FOUND THEN
    RETURN NULL;
  END IF;
  PERFORM casegate.touch_debtor(person);
  INSERT INTO casegate.channel_refusal VALUES (person, by_channel, moment) ON CONFLICT DO NOTHING;
  IF NOT FOUND THEN
    RETURN 'known';
  END IF;
  UPDATE casegate.contact SET state = 'voided', closed_at = moment, void_reason = 'CHANNEL_REFUSED',
         counts = CASE WHEN handling = 'dial_token' AND dialed_at IS NULL THEN 0 ELSE counts END
   WHERE person_mac = person AND channel = by_channel AND state = 'granted';
  RETURN 'refused';
END $$;

-- One more try at a case's last four digits on a day: how many that makes, or NULL when three were made.
CREATE FUNCTION casegate.take_identity_try(vendor text, contract text, of_case uuid, on_day date, most integer)
RETURNS integer
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
  INSERT INTO casegate.identity_try AS t
    SELECT a.case_id, on_day, 1 FROM casegate.assigned_case a
     WHERE a.vendor_id = vendor AND a.contract_id = contract AND a.case_id = of_case AND a.status = 'assigned'
    ON CONFLICT (case_id, day) DO UPDATE SET tries = t.tries + 1 WHERE t.tries < most
  RETURNING tries
$$;
CREATE FUNCTION casegate.note_identity(vendor text, contract text, permit uuid, outcome text)
RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
  UPDATE casegate.contact SET identity = outcome
   WHERE contact_id = permit AND vendor_id = vendor AND contract_id = contract AND identity IS DISTINCT FROM 'match'
$$;
"""

RIGHTS = """
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA casegate FROM PUBLIC;
GRANT SELECT ON casegate.contact TO "{vendor}";
GRANT EXECUTE ON FUNCTION casegate.permit_case(text, text, text), casegate.vendor_permit(text, text, uuid),
  casegate.contact_situation(text, text, uuid, bytea, text, text, integer, text, timestamptz, text),
  casegate.grant_permit(jsonb, bigint, integer, integer, date),
  casegate.refuse_permit(text, text, uuid, text, text, text, text, text, integer, text, text, timestamptz, text[]),
  casegate.close_permit(text, text, uuid, text, text, integer, boolean, text, boolean, text, timestamptz),
  casegate.refuse_channel(text, text, text, text, timestamptz),
  casegate.take_identity_try(text, text, uuid, date, integer), casegate.note_identity(text, text, uuid, text) TO "{vendor}";
GRANT EXECUTE ON FUNCTION casegate.packs_in_force() TO "{vendor}", "{company}";
GRANT SELECT, INSERT ON casegate.pack_text, casegate.pack_activation TO "{company}";
GRANT UPDATE (ended_at, ended_by, end_proposal) ON casegate.pack_activation TO "{company}";
GRANT EXECUTE ON FUNCTION casegate.take_dial(uuid, timestamptz), casegate.expire_permits(timestamptz, integer),
  casegate.touch_debtor(bytea) TO "{company}";
GRANT SELECT, INSERT, UPDATE ON casegate.contact, casegate.point_state TO "{company}";
GRANT SELECT ON casegate.permit_refusal, casegate.reveal_use, casegate.identity_try TO "{company}";
"""

# A permit's row holds keys that would join vendors' debtors: the listener reads its own vendor's only.
VENDOR_POLICIES = """
CREATE POLICY own_contacts ON casegate.contact FOR SELECT TO "{vendor}"
  USING (vendor_id = current_setting('casegate.vendor_id', true));
"""


def upgrade() -> None:
    roles = context.config.attributes["roles"]
    names = {purpose: roles.name(purpose).replace('"', '""') for purpose in ("vendor", "company")}
    run = op.get_bind().exec_driver_sql
    run(FUNCTIONS.replace("%", "%%"))
    run(VENDOR_POLICIES.format(**names))
    run(RIGHTS.format(**names))


def downgrade() -> None:
    """There is no way back: what was logged stays."""
