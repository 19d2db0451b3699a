"""Policies in their versions, row conditions under row-level security, pull quotas.

Revision ID: 0010
"""

from alembic import context, op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

TABLES = """
-- What a row condition can look at without opening a case: nothing personal, and the stage (classes K0, K1).
ALTER TABLE casegate.assigned_case
  ADD COLUMN project   text,
  ADD COLUMN portfolio text,
  ADD COLUMN product   text,
  ADD COLUMN stage     text;

-- Every policy that was ever proposed, by the digest of its meaning: its file and what the file stands on.
CREATE TABLE casegate.policy_text (
  digest      text PRIMARY KEY CHECK (digest ~ '^[0-9a-f]{64}$'),
  vendor_id   text NOT NULL,
  contract_id text NOT NULL,
  file        text NOT NULL,
  document    text NOT NULL,
  sources     jsonb NOT NULL,
  row_words   jsonb NOT NULL,
  stored_at   timestamptz NOT NULL,
  FOREIGN KEY (contract_id, vendor_id) REFERENCES casegate.contract (contract_id, vendor_id)
);
-- Which of them was in force, from when to when; the one without an end is in force now.
CREATE TABLE casegate.policy_version (
  vendor_id    text NOT NULL,
  contract_id  text NOT NULL,
  version_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  digest       text NOT NULL REFERENCES casegate.policy_text,
  proposal_id  uuid NOT NULL REFERENCES casegate.proposal,
  activated_by text NOT NULL,
  activated_at timestamptz NOT NULL,
  ended_by     text,
  ended_at     timestamptz,
  CHECK ((ended_by IS NULL) = (ended_at IS NULL)),
  FOREIGN KEY (contract_id, vendor_id) REFERENCES casegate.contract (contract_id, vendor_id)
);
CREATE UNIQUE INDEX one_policy_in_force ON casegate.policy_version (vendor_id, contract_id) WHERE ended_at IS NULL;
-- The conditions of the policy in force, for contracts whose policy has some; NULL does not limit.
CREATE TABLE casegate.row_scope (
  vendor_id   text NOT NULL,
  contract_id text NOT NULL,
  projects    text[],
  portfolios  text[],
  products    text[],
  stages      text[],
  PRIMARY KEY (vendor_id, contract_id)
);
-- Cases pulled on one day in Asia/Shanghai, counted for contracts with a quota.
CREATE TABLE casegate.pull_use (
  vendor_id   text NOT NULL,
  contract_id text NOT NULL,
  day         date NOT NULL,
  cases       bigint NOT NULL CHECK (cases >= 0),
  PRIMARY KEY (vendor_id, contract_id, day)
);
"""

FUNCTIONS = """
CREATE FUNCTION casegate.policies_in_force()
RETURNS TABLE (digest text, file text, document text, sources jsonb)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
  SELECT t.digest, t.file, t.document, t.sources
    FROM casegate.policy_version v JOIN casegate.policy_text t ON t.digest = v.digest
   WHERE v.ended_at IS NULL ORDER BY v.vendor_id, v.contract_id
$$;
-- Takes cases off today's quota, all of them or none.
CREATE FUNCTION casegate.take_pull(vendor text, contract text, on_day date, wanted bigint, most bigint) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  IF wanted < 0 OR wanted > most THEN
    RETURN false;
  END IF;
  INSERT INTO casegate.pull_use AS u (vendor_id, contract_id, day, cases) VALUES (vendor, contract, on_day, wanted)
  ON CONFLICT (vendor_id, contract_id, day) DO UPDATE SET cases = u.cases + excluded.cases
   WHERE u.cases + excluded.cases <= most;
  RETURN FOUND;
END $$;
CREATE FUNCTION casegate.is_unconditional() RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
  SELECT NOT EXISTS (SELECT 1 FROM casegate.row_scope s WHERE s.vendor_id = current_setting('casegate.vendor_id', true))
$$;
-- A case whose word is not known meets no condition on it.
CREATE FUNCTION casegate.is_covered(vendor text, contract text, project text, portfolio text, product text, stage text)
RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
  SELECT NOT EXISTS (
    SELECT 1 FROM casegate.row_scope s WHERE s.vendor_id = is_covered.vendor AND s.contract_id = is_covered.contract
       AND NOT (coalesce(is_covered.project = ANY (s.projects), s.projects IS NULL)
            AND coalesce(is_covered.portfolio = ANY (s.portfolios), s.portfolios IS NULL)
            AND coalesce(is_covered.product = ANY (s.products), s.products IS NULL)
            AND coalesce(is_covered.stage = ANY (s.stages), s.stages IS NULL)))
$$;
CREATE TRIGGER policy_changes_trust AFTER INSERT OR UPDATE ON casegate.policy_version
  FOR EACH STATEMENT EXECUTE FUNCTION casegate.raise_trust_epoch();
REVOKE ALL ON FUNCTION casegate.is_unconditional(), casegate.is_covered(text, text, text, text, text, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION casegate.policies_in_force(), casegate.take_pull(text, text, date, bigint, bigint) FROM PUBLIC;
"""

# Restrictive: on top of whose case it is. The first question is asked once a query, the second for each case of a
# vendor whose policy has conditions.
POLICIES = """
CREATE POLICY covered_cases ON casegate.assigned_case AS RESTRICTIVE FOR SELECT TO "{vendor}"
  USING ((SELECT casegate.is_unconditional()) OR casegate.is_covered(vendor_id, contract_id, project, portfolio, product, stage));
"""

RIGHTS = """
GRANT EXECUTE ON FUNCTION casegate.policies_in_force() TO "{vendor}", "{company}";
GRANT EXECUTE ON FUNCTION casegate.take_pull(text, text, date, bigint, bigint) TO "{vendor}";
GRANT EXECUTE ON FUNCTION casegate.is_unconditional(), casegate.is_covered(text, text, text, text, text, text) TO "{vendor}";
GRANT SELECT, INSERT ON casegate.policy_text TO "{company}";
GRANT SELECT, INSERT ON casegate.policy_version TO "{company}";
GRANT UPDATE (ended_by, ended_at) ON casegate.policy_version TO "{company}";
GRANT SELECT, INSERT, UPDATE, DELETE ON casegate.row_scope TO "{company}";
GRANT SELECT ON casegate.pull_use TO "{company}";
"""

VENDOR_OWNED = ("policy_text", "policy_version", "row_scope", "pull_use")


def upgrade() -> None:
    roles = context.config.attributes["roles"]
    names = {purpose: roles.name(purpose).replace('"', '""') for purpose in ("vendor", "company")}
    run = op.get_bind().exec_driver_sql
    for script in (TABLES, FUNCTIONS):
        run(script.replace("%", "%%"))
    for table in VENDOR_OWNED:
        run(f"ALTER TABLE casegate.{table} ENABLE ROW LEVEL SECURITY")
        run(
            f'CREATE POLICY company_all ON casegate.{table} TO "{names["company"]}" USING (true) WITH CHECK (true)'
        )
    run(POLICIES.format(**names))
    run(RIGHTS.format(**names))
