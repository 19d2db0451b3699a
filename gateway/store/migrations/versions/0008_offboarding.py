"""The end of a contract: its steps, its inventory, the destruction certificate, the reports.

Revision ID: 0008
"""

from alembic import context, op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

TABLES = """
-- The term as agreed, where the contract was ended before it: `ends_at` is then when it was.
ALTER TABLE casegate.contract ADD COLUMN agreed_end timestamptz CHECK (agreed_end > ends_at);
-- One row a contract, made in the transaction that ends it. `facts` holds what each step found, as the report
-- will say it; `step` is the last one done. `asked_at` is by the database's clock, for the workers' answers.
CREATE TABLE casegate.offboarding (
  contract_id text PRIMARY KEY,
  vendor_id   text NOT NULL,
  cause       text NOT NULL CHECK (cause IN ('command', 'term')),
  step        text NOT NULL CHECK (step IN ('ended', 'obeyed', 'listed', 'inventoried', 'requested', 'closed')),
  started_by  text NOT NULL,
  started_at  timestamptz NOT NULL,
  ended_at    timestamptz NOT NULL,
  due_at      timestamptz NOT NULL,
  asked_at    timestamptz NOT NULL,
  epoch       bigint NOT NULL,
  log_index   bigint NOT NULL,
  scanned_to  bigint,
  facts       jsonb NOT NULL,
  FOREIGN KEY (contract_id, vendor_id) REFERENCES casegate.contract (contract_id, vendor_id)
);
CREATE INDEX offboarding_open ON casegate.offboarding (step) WHERE step <> 'closed';
-- What went to the vendor, gathered from the log backwards; 16-byte commitments, no reference.
CREATE TABLE casegate.offboarding_item (
  contract_id text NOT NULL REFERENCES casegate.offboarding,
  commitment  bytea NOT NULL CHECK (length(commitment) = 16),
  first_index bigint NOT NULL,
  first_at    timestamptz NOT NULL,
  last_index  bigint NOT NULL,
  last_at     timestamptz NOT NULL,
  releases    bigint NOT NULL,
  profiles    text[] NOT NULL,
  PRIMARY KEY (contract_id, commitment)
);
CREATE TABLE casegate.offboarding_notice (
  contract_id text NOT NULL REFERENCES casegate.offboarding,
  kind        text NOT NULL CHECK (kind IN ('asked', 'three-days', 'one-day', 'overdue')),
  day         date NOT NULL,
  noted_at    timestamptz NOT NULL,
  PRIMARY KEY (contract_id, kind, day)
);
CREATE TABLE casegate.offboarding_report (
  contract_id   text NOT NULL REFERENCES casegate.offboarding,
  kind          text NOT NULL CHECK (kind IN ('end', 'closed')),
  document      bytea NOT NULL,
  signature     text NOT NULL,
  pdf           bytea NOT NULL,
  pdf_signature text NOT NULL,
  PRIMARY KEY (contract_id, kind)
);
-- A vendor's sub-processors under a contract: its destruction certificate has to name each.
CREATE TABLE casegate.sub_processor (
  contract_id      text NOT NULL,
  vendor_id        text NOT NULL,
  sub_processor_id text NOT NULL CHECK (sub_processor_id ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
  name             text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
  added_at         timestamptz NOT NULL,
  PRIMARY KEY (contract_id, sub_processor_id),
  FOREIGN KEY (contract_id, vendor_id) REFERENCES casegate.contract (contract_id, vendor_id)
);
CREATE TABLE casegate.destruction_certificate (
  certificate_id  uuid PRIMARY KEY,
  contract_id     text NOT NULL REFERENCES casegate.offboarding,
  vendor_id       text NOT NULL,
  content         jsonb NOT NULL,
  content_sha256  bytea NOT NULL CHECK (length(content_sha256) = 32),
  document        bytea NOT NULL CHECK (length(document) <= 10485760),
  document_sha256 bytea NOT NULL CHECK (length(document_sha256) = 32),
  media_type      text NOT NULL,
  thumbprint      bytea NOT NULL CHECK (length(thumbprint) = 32),
  filed_at        timestamptz NOT NULL,
  status          text NOT NULL DEFAULT 'filed' CHECK (status IN ('filed', 'accepted', 'contested')),
  decided_by      text,
  decided_at      timestamptz,
  reason          text CHECK (length(reason) <= 1000),
  CHECK ((status = 'filed') = (decided_at IS NULL)),
  CHECK (status <> 'contested' OR reason IS NOT NULL)
);
CREATE UNIQUE INDEX one_standing_certificate ON casegate.destruction_certificate (contract_id)
  WHERE status <> 'contested';
"""

# SQLSTATEs: CG030 a contract does not come back, CG031 nothing new under a contract that has ended,
# CG032 no certificate is asked for, CG033 a certificate is there already.
FUNCTIONS = """
CREATE FUNCTION casegate.keep_contract_ended() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE states text[] := ARRAY['active', 'ended', 'purge_pending', 'purged'];
BEGIN
  IF array_position(states, NEW.status) < array_position(states, OLD.status)
     OR (OLD.status <> 'active' AND (NEW.starts_at, NEW.ends_at) IS DISTINCT FROM (OLD.starts_at, OLD.ends_at))
     OR (OLD.closing_until IS NOT NULL AND NEW.closing_until IS DISTINCT FROM OLD.closing_until)
     OR (OLD.ends_at <= now() AND NEW.ends_at > OLD.ends_at) THEN
    RAISE EXCEPTION 'an ended contract stays ended' USING ERRCODE = 'CG030';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER contract_stays_ended BEFORE UPDATE ON casegate.contract
  FOR EACH ROW EXECUTE FUNCTION casegate.keep_contract_ended();

-- The rows of contracts are held until the writer commits: the end of a contract waits for it and then takes
-- back what it wrote, or comes first and refuses it.
CREATE FUNCTION casegate.refuse_new_cases() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
  PERFORM 1 FROM casegate.contract k
   WHERE k.contract_id IN (SELECT a.contract_id FROM added a WHERE a.status = 'assigned') FOR SHARE;
  IF EXISTS (SELECT FROM casegate.contract k WHERE k.status <> 'active'
               AND k.contract_id IN (SELECT a.contract_id FROM added a WHERE a.status = 'assigned')) THEN
    RAISE EXCEPTION 'the contract has ended' USING ERRCODE = 'CG031';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER ended_contract_gets_no_case AFTER INSERT ON casegate.assigned_case
  REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION casegate.refuse_new_cases();
CREATE TRIGGER ended_contract_gets_no_case_back AFTER UPDATE ON casegate.assigned_case
  REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION casegate.refuse_new_cases();

CREATE FUNCTION casegate.refuse_credential() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE standing text;
BEGIN
  SELECT k.status INTO standing FROM casegate.contract k WHERE k.contract_id = NEW.contract_id FOR SHARE;
  IF standing = 'purged' OR (NEW.scope = 'full' AND standing <> 'active') THEN
    RAISE EXCEPTION 'the contract has ended' USING ERRCODE = 'CG031';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER ended_contract_gets_no_credential BEFORE INSERT ON casegate.credential
  FOR EACH ROW WHEN (NEW.kind = 'vendor') EXECUTE FUNCTION casegate.refuse_credential();

-- What the vendor's listener may know and do of a contract's end, for the contract of its caller alone.
CREATE FUNCTION casegate.sub_processors(contract text, vendor text) RETURNS SETOF text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
  SELECT s.sub_processor_id FROM casegate.sub_processor s
   WHERE s.contract_id = contract AND s.vendor_id = vendor ORDER BY 1
$$;
CREATE FUNCTION casegate.file_destruction(id uuid, contract text, vendor text, said jsonb, said_sha256 bytea,
  paper bytea, paper_sha256 bytea, media text, held bytea, moment timestamptz) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  PERFORM 1 FROM casegate.contract k
   WHERE k.contract_id = contract AND k.vendor_id = vendor AND k.status IN ('ended', 'purge_pending') FOR SHARE;
  IF NOT FOUND OR NOT EXISTS (SELECT FROM casegate.offboarding o WHERE o.contract_id = contract) THEN
    RAISE EXCEPTION 'no certificate is asked for' USING ERRCODE = 'CG032';
  END IF;
  INSERT INTO casegate.destruction_certificate (certificate_id, contract_id, vendor_id, content, content_sha256,
    document, document_sha256, media_type, thumbprint, filed_at)
  VALUES (id, contract, vendor, said, said_sha256, paper, paper_sha256, media, held, moment)
  ON CONFLICT (contract_id) WHERE status <> 'contested' DO NOTHING;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'a certificate is there' USING ERRCODE = 'CG033';
  END IF;
END $$;
REVOKE ALL ON FUNCTION casegate.sub_processors(text, text), casegate.file_destruction(uuid, text, text, jsonb,
  bytea, bytea, bytea, text, bytea, timestamptz) FROM PUBLIC;
"""

RIGHTS = """
GRANT EXECUTE ON FUNCTION casegate.sub_processors(text, text), casegate.file_destruction(uuid, text, text, jsonb,
  bytea, bytea, bytea, text, bytea, timestamptz) TO "{vendor}";
GRANT SELECT, INSERT, UPDATE ON casegate.offboarding, casegate.offboarding_item TO "{company}";
GRANT SELECT, INSERT ON casegate.offboarding_notice, casegate.offboarding_report, casegate.sub_processor TO "{company}";
GRANT SELECT ON casegate.destruction_certificate TO "{company}";
GRANT UPDATE (status, decided_by, decided_at, reason) ON casegate.destruction_certificate TO "{company}";
"""

VENDOR_OWNED = (
    "offboarding",
    "offboarding_item",
    "offboarding_notice",
    "offboarding_report",
    "sub_processor",
    "destruction_certificate",
)


def upgrade() -> None:
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
