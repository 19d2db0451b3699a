"""Canary cases, findings, and the check values of pseudonym keys.

Revision ID: 0012
"""

from alembic import context, op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

TABLES = """
-- Invented cases among a contract's real ones. Nothing else tells them apart, so that no listener can.
CREATE TABLE casegate.canary (
  case_id     uuid PRIMARY KEY REFERENCES casegate.case_record ON DELETE CASCADE,
  vendor_id   text NOT NULL,
  contract_id text NOT NULL,
  planted_at  timestamptz NOT NULL,
  planted_by  text NOT NULL,
  FOREIGN KEY (contract_id, vendor_id) REFERENCES casegate.contract (contract_id, vendor_id)
);
CREATE INDEX canary_of_contract ON casegate.canary (vendor_id, contract_id, planted_at);

-- What somebody has to look into. `evidence` holds references only: whom it concerns stands nowhere here.
CREATE TABLE casegate.finding (
  finding_id  uuid PRIMARY KEY,
  rule        text NOT NULL CHECK (rule ~ '^[A-Z][A-Z0-9_]{1,62}$'),
  severity    text NOT NULL CHECK (severity IN ('critical', 'major', 'minor')),
  vendor_id   text NOT NULL REFERENCES casegate.vendor,
  contract_id text,
  agent_ref   text,
  evidence    jsonb NOT NULL CHECK (jsonb_typeof(evidence) = 'object'),
  found_at    timestamptz NOT NULL,
  state       text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'closed')),
  closed_at   timestamptz,
  closed_by   text,
  reason      text CHECK (length(reason) BETWEEN 1 AND 1000),
  FOREIGN KEY (contract_id, vendor_id) REFERENCES casegate.contract (contract_id, vendor_id),
  CHECK (CASE state WHEN 'open' THEN closed_at IS NULL AND closed_by IS NULL AND reason IS NULL
                    ELSE closed_at IS NOT NULL AND closed_by IS NOT NULL AND reason IS NOT NULL END)
);
CREATE INDEX finding_newest_first ON casegate.finding (found_at DESC, finding_id DESC);
CREATE INDEX finding_of_vendor ON casegate.finding (vendor_id, found_at DESC, finding_id DESC);
CREATE INDEX finding_of_case ON casegate.finding ((evidence ->> 'case_ref'));
CREATE INDEX finding_open ON casegate.finding (found_at DESC, finding_id DESC) WHERE state = 'open';

-- With which algorithm and key the references of a contract's cases are made: eight characters of a token of
-- nothing. Another key or algorithm would rename every case that the vendor knows.
CREATE TABLE casegate.pseudonym_key (
  vendor_id   text NOT NULL,
  contract_id text PRIMARY KEY,
  algorithm   text NOT NULL CHECK (algorithm IN ('hmac-sha256', 'hmac-sm3')),
  key_check   text NOT NULL CHECK (length(key_check) = 8),
  noted_at    timestamptz NOT NULL,
  FOREIGN KEY (contract_id, vendor_id) REFERENCES casegate.contract (contract_id, vendor_id)
);
"""

# A listener for vendors cannot ask whether a case is a canary. It says that a case was used, and hears of a
# finding when it was one; a use that an open finding already tells of makes no second.
FUNCTIONS = """
CREATE FUNCTION casegate.note_canary_use(used uuid, what text, said jsonb, moment timestamptz)
RETURNS TABLE (finding_id uuid, vendor_id text, contract_id text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
  planted casegate.canary;
  ref text;
  told jsonb;
BEGIN
  SELECT * INTO planted FROM casegate.canary c WHERE c.case_id = used FOR UPDATE;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  SELECT a.case_ref INTO ref FROM casegate.assigned_case a
   WHERE a.case_id = used AND a.vendor_id = planted.vendor_id AND a.contract_id = planted.contract_id;
  told := jsonb_build_object('use', what, 'case_ref', ref);
  IF EXISTS (SELECT FROM casegate.finding f WHERE f.rule = 'CANARY_USED' AND f.state = 'open'
               AND f.vendor_id = planted.vendor_id AND f.evidence @> told) THEN
    RETURN;
  END IF;
  RETURN QUERY
    INSERT INTO casegate.finding AS f (finding_id, rule, severity, vendor_id, contract_id, evidence, found_at)
    VALUES (gen_random_uuid(), 'CANARY_USED', 'critical', planted.vendor_id, planted.contract_id, said || told, moment)
    RETURNING f.finding_id, f.vendor_id, f.contract_id;
END $$;
CREATE FUNCTION casegate.pseudonym_keys()
RETURNS TABLE (vendor_id text, contract_id text, algorithm text, key_check text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
  SELECT p.vendor_id, p.contract_id, p.algorithm, p.key_check
    FROM casegate.pseudonym_key p JOIN casegate.contract k USING (contract_id) WHERE k.status = 'active'
$$;
-- An erased case leaves its name in no finding either.
CREATE FUNCTION casegate.forget_in_findings() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  UPDATE casegate.finding f SET evidence = f.evidence - 'case_ref'
   WHERE f.evidence ->> 'case_ref' IN (SELECT g.case_ref FROM gone g);
  RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION casegate.forget_in_findings() FROM PUBLIC;
CREATE TRIGGER an_erased_case_leaves_findings AFTER DELETE ON casegate.assigned_case
  REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION casegate.forget_in_findings();
REVOKE ALL ON FUNCTION casegate.note_canary_use(uuid, text, jsonb, timestamptz), casegate.pseudonym_keys() FROM PUBLIC;
"""

RIGHTS = """
GRANT SELECT, INSERT ON casegate.canary, casegate.pseudonym_key TO "{company}";
GRANT SELECT, INSERT ON casegate.finding TO "{company}";
GRANT UPDATE (state, closed_at, closed_by, reason) ON casegate.finding TO "{company}";
GRANT EXECUTE ON FUNCTION casegate.note_canary_use(uuid, text, jsonb, timestamptz) TO "{vendor}", "{company}";
GRANT EXECUTE ON FUNCTION casegate.pseudonym_keys() TO "{vendor}", "{company}";
"""

VENDOR_OWNED = ("canary", "finding", "pseudonym_key")


def upgrade() -> None:
    """Makes what the sentence above says."""
    roles = context.config.attributes["roles"]
    names = {purpose: roles.name(purpose).replace('"', '""') for purpose in ("vendor", "company")}
    run = op.get_bind().exec_driver_sql
    for script in (TABLES, FUNCTIONS, RIGHTS.format(**names)):
        run(script.replace("%", "%%"))
    for table in VENDOR_OWNED:
        run(f"ALTER TABLE casegate.{table} ENABLE ROW LEVEL SECURITY")
        run(
            f'CREATE POLICY company_all ON casegate.{table} TO "{names["company"]}" USING (true) WITH CHECK (true)'
        )


def downgrade() -> None:
    """There is no way back: what was logged stays."""
