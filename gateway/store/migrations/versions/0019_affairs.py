"""Complaints, payment claims and the ledger, rectification notices, feedback.

A case is paid by the ledger and by nothing else, and stops in the transaction of the posting. A
critical finding suspends its agent in the transaction that raises it, whoever raises it. A vendor
whose critical notice is overdue gets no permit any more. What vendors may move in an affair is a
list of this file: no other move passes casegate.move_own_affair().

Revision ID: 0019
"""

from alembic import context, op

revision = "0019"
down_revision = "0019a"
branch_labels = None
depends_on = None

# SQLSTATE CG151 the case is not the vendor's (0015), CG152 the key was used for something else, CG191 no such affair of this
# vendor, CG192 its state does not lead there, CG193 no such promise of this case,
# CG194 no such agent of this vendor.
FUNCTIONS = """
-- Whether a vendor is stopped, or a case paid: asked when a permit is decided, and once more when it is put on record.
CREATE FUNCTION casegate.is_stopped(vendor text, contract text) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
  SELECT EXISTS (SELECT FROM casegate.vendor_stop s WHERE s.vendor_id = vendor AND s.contract_id = contract AND s.ended_at IS NULL)
$$;
CREATE FUNCTION casegate.is_paid(the_case uuid) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
  SELECT EXISTS (SELECT FROM casegate.case_standing s WHERE s.case_id = the_case AND s.paid_at IS NOT NULL)
$$;
CREATE OR REPLACE FUNCTION casegate.permit_case(vendor text, contract text, ref text)
RETURNS TABLE (sequence bigint, case_id uuid, assignment_id text, status text, assigned_at timestamptz,
               commitment bytea, kek_id text, wrapped_key bytea, sealed bytea,
               person_mac bytea, mobile_mac bytea, home_mac bytea, related_mac bytea)
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM set_config('casegate.vendor_id', vendor, true);
  RETURN QUERY
    SELECT a.sequence, a.case_id, a.assignment_id,
           CASE WHEN casegate.is_paid(a.case_id) THEN 'paid' WHEN casegate.is_stopped(vendor, contract) THEN 'suspended' ELSE a.status END,
           a.assigned_at, a.commitment, r.kek_id, r.wrapped_key, r.sealed, r.person_mac, r.contact_mac, r.home_mac, r.related_mac
      FROM casegate.assigned_case a JOIN casegate.case_record r ON r.case_id = a.case_id
     WHERE a.vendor_id = vendor AND a.contract_id = contract AND a.case_ref = ref AND a.status = 'assigned';
END $$;
-- After the row's lock on its contract (the foreign key's trigger, whose name sorts before): stop_vendor() has that lock
-- too, so that either this sees the stop, or the stop sees the permit and voids it.
CREATE FUNCTION casegate.refuse_stopped() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  IF casegate.is_stopped(NEW.vendor_id, NEW.contract_id) OR casegate.is_paid(NEW.case_id) THEN
    RAISE EXCEPTION 'what the permit stands on has changed' USING ERRCODE = 'unique_violation';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER stopped_get_no_permit AFTER INSERT ON casegate.contact FOR EACH ROW
  WHEN (NEW.vendor_id IS NOT NULL) EXECUTE FUNCTION casegate.refuse_stopped();
CREATE FUNCTION casegate.stop_vendor(notice uuid, vendor text, contract text, moment timestamptz) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  PERFORM 1 FROM casegate.contract k WHERE k.vendor_id = vendor AND k.contract_id = contract FOR UPDATE;
  INSERT INTO casegate.vendor_stop (notice_id, vendor_id, contract_id, since) VALUES (notice, vendor, contract, moment)
    ON CONFLICT (notice_id) DO UPDATE SET ended_at = NULL;
  RETURN casegate.void_permits(NULL, NULL, vendor, contract, NULL, NULL, NULL, 'VENDOR_STOPPED', moment);
END $$;

-- Posts one movement, once: 'posted', 'duplicate', or 'differs' when the entry stands there with another content; with the
-- commitments of the case. Whoever has the case hears of it; a paid one stops.
CREATE FUNCTION casegate.post_ledger(entry text, source bytea, posted timestamptz, moved bigint, what text, balance bigint, moment timestamptz)
RETURNS TABLE (outcome text, is_paid boolean, commitments bytea[], voided bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
  debt record;
  before casegate.case_standing;
  newest record;
  holder record;
  kind text;
BEGIN
  SELECT r.case_id, r.person_mac INTO debt FROM casegate.case_record r WHERE r.source_mac = source;
  IF NOT FOUND THEN
    RETURN QUERY SELECT 'unknown', false, '{}'::bytea[], 0::bigint;
    RETURN;
  END IF;
  PERFORM casegate.touch_debtor(debt.person_mac);
  INSERT INTO casegate.ledger_entry (entry_id, case_id, posted_at, amount, kind, balance_after, received_at)
  VALUES (entry, debt.case_id, posted, moved, what, balance, moment) ON CONFLICT (entry_id) DO NOTHING;
  IF NOT FOUND THEN
    RETURN QUERY SELECT CASE WHEN (l.case_id, l.posted_at, l.amount, l.kind, l.balance_after) = (debt.case_id, posted, moved, what, balance)
                             THEN 'duplicate' ELSE 'differs' END, false, '{}'::bytea[], 0::bigint
      FROM casegate.ledger_entry l WHERE l.entry_id = entry;
    RETURN;
  END IF;
  SELECT * INTO before FROM casegate.case_standing s WHERE s.case_id = debt.case_id FOR UPDATE;
  SELECT l.posted_at, l.balance_after INTO newest FROM casegate.ledger_entry l WHERE l.case_id = debt.case_id
   ORDER BY l.posted_at DESC, l.entry_id DESC LIMIT 1;
  INSERT INTO casegate.case_standing AS s (case_id, balance, as_of, paid_at)
  VALUES (debt.case_id, newest.balance_after, newest.posted_at, CASE WHEN newest.balance_after = 0 THEN newest.posted_at END)
  ON CONFLICT (case_id) DO UPDATE SET balance = excluded.balance, as_of = excluded.as_of, paid_at = excluded.paid_at;
  outcome := 'posted';
  is_paid := newest.balance_after = 0;
  voided := 0;
  IF is_paid THEN
    voided := casegate.void_permits(NULL, debt.case_id, NULL, NULL, NULL, NULL, NULL, 'PAID', moment);
  END IF;
  kind := CASE WHEN NOT is_paid THEN 'balance_changed' WHEN before.paid_at IS NULL THEN 'paid' END;
  IF kind IS NOT NULL AND before.balance IS DISTINCT FROM newest.balance_after THEN
    FOR holder IN SELECT a.vendor_id, a.contract_id, a.case_ref FROM casegate.assigned_case a
                   WHERE a.case_id = debt.case_id AND a.status = 'assigned' ORDER BY 1, 2 LOOP
      PERFORM casegate.publish_changes(holder.vendor_id, holder.contract_id, kind, ARRAY[holder.case_ref], moment);
    END LOOP;
  END IF;
  SELECT coalesce(array_agg(a.commitment ORDER BY a.sequence), '{}') INTO commitments
    FROM casegate.assigned_case a WHERE a.case_id = debt.case_id;
  RETURN NEXT;
END $$;

-- A promise is what a call's record says; a correction of the record is one of the promise.
CREATE FUNCTION casegate.keep_promise() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  IF NEW.supersedes_call_id IS NOT NULL THEN
    UPDATE casegate.promise p SET state = 'superseded', settled_at = NEW.received_at
     WHERE p.vendor_id = NEW.vendor_id AND p.contract_id = NEW.contract_id AND p.call_id = NEW.supersedes_call_id AND p.state = 'pending';
  END IF;
  IF NEW.promise IS NOT NULL AND NEW.case_ref IS NOT NULL THEN
    INSERT INTO casegate.promise (promise_id, vendor_id, contract_id, call_id, case_id, case_ref, agent_ref, made_at, amount, due_on)
    VALUES (gen_random_uuid(), NEW.vendor_id, NEW.contract_id, NEW.call_id, NEW.case_id, NEW.case_ref, NEW.agent_ref, NEW.started_at,
            (NEW.promise ->> 'amount')::bigint, (NEW.promise ->> 'due_on')::date)
    ON CONFLICT (vendor_id, contract_id, call_id) DO NOTHING;
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER record_keeps_promise AFTER INSERT ON casegate.call_record FOR EACH ROW
  WHEN (NEW.promise IS NOT NULL OR NEW.supersedes_call_id IS NOT NULL) EXECUTE FUNCTION casegate.keep_promise();

-- A claim marks nothing paid. The account is compared here, and kept nowhere: one that is not the company's is a critical
-- finding, which suspends the agent.
CREATE FUNCTION casegate.claim_payment(claim uuid, vendor text, contract text, ref text, agent text, call text, promised uuid,
  claimed bigint, on_day date, words text, account bytea, finding uuid, until timestamptz, key text, key_sha256 bytea, moment timestamptz)
RETURNS TABLE (claim_id uuid, the_case uuid, commitment bytea, account_state text, is_new boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
  own record;
  earlier record;
  verdict text;
BEGIN
  SELECT * INTO own FROM casegate.own_case(vendor, contract, ref);
  PERFORM 1 FROM casegate.agent a WHERE a.vendor_id = vendor AND a.contract_id = contract AND a.agent_ref = agent;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'no such agent' USING ERRCODE = 'CG194';
  END IF;
  IF promised IS NOT NULL THEN
    PERFORM 1 FROM casegate.promise p
      WHERE p.promise_id = promised AND p.vendor_id = vendor AND p.contract_id = contract AND p.case_id = own.case_id;
    IF NOT FOUND THEN
      RAISE EXCEPTION 'no such promise of this case' USING ERRCODE = 'CG193';
    END IF;
  END IF;
  verdict := CASE WHEN account IS NULL THEN 'none'
                  WHEN EXISTS (SELECT FROM casegate.company_account k WHERE k.account_mac = account AND k.ended_at IS NULL) THEN 'ours'
                  ELSE 'foreign' END;
  INSERT INTO casegate.payment_claim AS c (claim_id, vendor_id, contract_id, case_id, case_ref, agent_ref, call_id, promise_id,
    amount, claimed_on, statement_code, account, made_at, match_until, state, repeat_key, repeat_sha256)
  VALUES (claim, vendor, contract, own.case_id, ref, agent, call, promised, claimed, on_day, words, verdict, moment, until, 'claimed',
    key, key_sha256)
  ON CONFLICT (vendor_id, contract_id, repeat_key) DO NOTHING;
  IF FOUND THEN
    IF verdict = 'foreign' THEN
      INSERT INTO casegate.finding (finding_id, rule, severity, vendor_id, contract_id, agent_ref, evidence, found_at)
      VALUES (finding, 'CLAIM_FOREIGN_ACCOUNT', 'critical', vendor, contract, agent,
              jsonb_build_object('claim', claim, 'case_ref', ref), moment);
    END IF;
    RETURN QUERY SELECT claim, own.case_id, own.commitment, verdict, true;
    RETURN;
  END IF;
  SELECT c.claim_id, c.repeat_sha256, c.account INTO earlier FROM casegate.payment_claim c
   WHERE c.vendor_id = vendor AND c.contract_id = contract AND c.repeat_key = key;
  IF earlier.repeat_sha256 IS DISTINCT FROM key_sha256 THEN
    RAISE EXCEPTION 'the key belongs to something else' USING ERRCODE = 'CG152';
  END IF;
  RETURN QUERY SELECT earlier.claim_id, own.case_id, own.commitment, earlier.account, false;
END $$;
-- Under row-level security, as the caller; of the ledger the vendor sees the day, by a reference of its own.
CREATE FUNCTION casegate.vendor_claims(vendor text, contract text, ref text, one uuid, after bigint, wanted integer)
RETURNS TABLE (sequence bigint, claim_id uuid, case_ref text, agent_ref text, call_id text, promise_id uuid, amount bigint,
  claimed_on date, made_at timestamptz, match_until timestamptz, match_status text, settled_at timestamptz)
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM set_config('casegate.vendor_id', vendor, true);
  RETURN QUERY
    SELECT c.sequence, c.claim_id, c.case_ref, c.agent_ref, c.call_id, c.promise_id, c.amount, c.claimed_on, c.made_at, c.match_until,
           c.state, c.settled_at
      FROM casegate.payment_claim c
      JOIN casegate.assigned_case a USING (vendor_id, contract_id, case_ref)
     WHERE c.vendor_id = vendor AND c.contract_id = contract AND a.status = 'assigned' AND c.sequence > after
       AND (ref IS NULL OR c.case_ref = ref) AND (one IS NULL OR c.claim_id = one)
     ORDER BY c.sequence LIMIT wanted;
END $$;

CREATE FUNCTION casegate.vendor_affairs(vendor text, contract text, of_kind text, one uuid, after bigint, wanted integer)
RETURNS TABLE (sequence bigint, affair_id uuid, state text, severity text, codes text[], call_ids text[], opened_at timestamptz,
  due_at timestamptz, evidence_due_at timestamptz, told jsonb, recurrence_of uuid)
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM set_config('casegate.vendor_id', vendor, true);
  RETURN QUERY
    SELECT f.sequence, f.affair_id, f.state, f.severity, f.codes, f.call_ids, f.opened_at, f.due_at, f.evidence_due_at, f.told,
           f.recurrence_of
      FROM casegate.affair f
     WHERE f.vendor_id = vendor AND f.contract_id = contract AND f.kind = of_kind AND f.sequence > after
       AND (one IS NULL OR f.affair_id = one)
     ORDER BY f.sequence LIMIT wanted;
END $$;
-- A vendor's move: the list of moves says to which state, NULL keeps it. Returns the state before and after.
CREATE FUNCTION casegate.move_own_affair(vendor text, contract text, of_kind text, affair uuid, wanted text, sources text[],
  paper uuid, part text, words bytea, calls text[], digests text[], moment timestamptz)
RETURNS TABLE (before text, after text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
  thing casegate.affair;
  move record;
BEGIN
  SELECT * INTO thing FROM casegate.affair f
   WHERE f.affair_id = affair AND f.vendor_id = vendor AND f.contract_id = contract AND f.kind = of_kind AND f.is_shown FOR UPDATE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'no such affair of this vendor' USING ERRCODE = 'CG191';
  END IF;
  SELECT m.* INTO move FROM (VALUES
      ('complaint', 'submit_evidence', NULL, 'evidence'), ('complaint', 'submit_statement', NULL, 'statement'),
      ('rectification', 'acknowledge', 'acknowledged', NULL), ('rectification', 'submit_plan', 'plan_submitted', 'plan'),
      ('rectification', 'start', 'in_progress', NULL), ('rectification', 'submit_evidence', 'evidence_submitted', 'evidence'),
      ('feedback', 'acknowledge', 'acknowledged', NULL), ('feedback', 'answer', 'answered', 'answer')
    ) AS m (kind, move, target, part) WHERE m.kind = of_kind AND m.move = wanted;
  IF NOT FOUND OR thing.state <> ALL (sources) OR move.part IS DISTINCT FROM move_own_affair.part
     OR thing.state IN ('closed', 'withdrawn', 'drafted') THEN
    RAISE EXCEPTION 'its state does not lead there' USING ERRCODE = 'CG192';
  END IF;
  UPDATE casegate.affair f SET state = coalesce(move.target, f.state) WHERE f.affair_id = affair;
  IF move.part IS NOT NULL THEN
    INSERT INTO casegate.affair_paper (paper_id, affair_id, vendor_id, contract_id, part, sealed_text, text_state, call_ids, files, filed_at)
    VALUES (paper, affair, vendor, contract, move.part, words, CASE WHEN words IS NULL THEN 'none' ELSE 'waiting' END, calls, digests, moment);
  END IF;
  INSERT INTO casegate.affair_step (affair_id, vendor_id, move, before, after, actor, at)
  VALUES (affair, vendor, wanted, thing.state, coalesce(move.target, thing.state), 'vendor:' || vendor, moment);
  RETURN QUERY SELECT thing.state, coalesce(move.target, thing.state);
END $$;

-- A critical finding takes its agent out at once, as casegate agent suspend does, at every vendor where the person works.
CREATE FUNCTION casegate.follow_finding() RETURNS trigger
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
      FOR each IN UPDATE casegate.agent a SET status = 'suspended', changed_at = NEW.found_at
                   WHERE a.id_hash = person AND a.status NOT IN ('left', 'banned')
                  RETURNING a.vendor_id, a.contract_id, a.agent_ref LOOP
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
CREATE TRIGGER finding_has_consequences AFTER INSERT ON casegate.finding
  FOR EACH ROW EXECUTE FUNCTION casegate.follow_finding();
-- Of an erased person stays that there was a complaint, and how it ended.
CREATE FUNCTION casegate.forget_affairs() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  UPDATE casegate.affair_paper p SET sealed_text = NULL, text_state = 'none'
    FROM casegate.affair f WHERE f.case_id = OLD.case_id AND p.affair_id = f.affair_id;
  UPDATE casegate.affair SET sealed_text = NULL, facts = '{}' WHERE case_id = OLD.case_id;
  RETURN OLD;
END $$;
CREATE TRIGGER erased_case_forgets_affairs BEFORE DELETE ON casegate.case_record
  FOR EACH ROW EXECUTE FUNCTION casegate.forget_affairs();
"""

POLICIES = """
CREATE POLICY own_claims ON casegate.payment_claim FOR SELECT TO "{vendor}"
  USING (vendor_id = current_setting('casegate.vendor_id', true));
CREATE POLICY own_affairs ON casegate.affair FOR SELECT TO "{vendor}"
  USING (is_shown AND vendor_id = current_setting('casegate.vendor_id', true));
"""

# A vendor reads no reason, no text, no case and no fact of the company's: the columns are not granted.
RIGHTS = """
GRANT SELECT (vendor_id, contract_id, sequence, claim_id, case_ref, agent_ref, call_id, promise_id, amount, claimed_on, made_at,
  match_until, state, settled_at) ON casegate.payment_claim TO "{vendor}";
GRANT SELECT (vendor_id, contract_id, kind, sequence, affair_id, state, severity, codes, call_ids, opened_at, due_at, evidence_due_at,
  told, recurrence_of, is_shown) ON casegate.affair TO "{vendor}";
GRANT SELECT ON casegate.ledger_entry, casegate.case_standing, casegate.affair_paper TO "{company}";
GRANT SELECT, UPDATE ON casegate.promise, casegate.payment_claim TO "{company}";
GRANT SELECT, INSERT, UPDATE ON casegate.company_account, casegate.affair TO "{company}";
GRANT SELECT, INSERT ON casegate.affair_step TO "{company}";
GRANT SELECT ON casegate.vendor_stop, casegate.finding_consequence TO "{company}";
GRANT UPDATE (text_state) ON casegate.affair_paper TO "{company}";
GRANT UPDATE (ended_at) ON casegate.vendor_stop TO "{company}";
GRANT UPDATE (settled_at) ON casegate.finding_consequence TO "{company}";
"""

FOR_VENDOR = (
    "claim_payment(uuid, text, text, text, text, text, uuid, bigint, date, text, bytea, uuid, timestamptz, text, bytea, timestamptz)",
    "vendor_claims(text, text, text, uuid, bigint, integer)",
    "vendor_affairs(text, text, text, uuid, bigint, integer)",
    "move_own_affair(text, text, text, uuid, text, text[], uuid, text, bytea, text[], text[], timestamptz)",
    "is_stopped(text, text)",
    "is_paid(uuid)",
)
FOR_COMPANY = (
    "post_ledger(text, bytea, timestamptz, bigint, text, bigint, timestamptz)",
    "stop_vendor(uuid, text, text, timestamptz)",
)
INTERNAL = ("refuse_stopped()", "keep_promise()", "follow_finding()", "forget_affairs()")


def upgrade() -> None:
    """Makes what the sentence above says."""
    roles = context.config.attributes["roles"]
    names = {purpose: roles.name(purpose).replace('"', '""') for purpose in ("vendor", "company")}
    run = op.get_bind().exec_driver_sql
    run(FUNCTIONS.replace("%", "%%"))
    for function in (*FOR_VENDOR, *FOR_COMPANY, *INTERNAL):
        run(f"REVOKE ALL ON FUNCTION casegate.{function} FROM PUBLIC")
    for purpose, functions in (("vendor", FOR_VENDOR), ("company", FOR_COMPANY)):
        for function in functions:
            run(f'GRANT EXECUTE ON FUNCTION casegate.{function} TO "{names[purpose]}"')
    run(POLICIES.format(**names))
    run(RIGHTS.format(**names))


def downgrade() -> None:
    """There is no way back: what was logged stays."""
