"""Vendors, contracts, credentials, cases, assignments, trust; roles' rights; row-level security.

Revision ID: 0001
"""

from alembic import context, op

from audit import schema as audit_schema

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE casegate.vendor (
  vendor_id   text PRIMARY KEY CHECK (vendor_id ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
  name        text NOT NULL,
  status      text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'suspended', 'revoked', 'ended')),
  created_at  timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE casegate.contract (
  contract_id text PRIMARY KEY CHECK (contract_id ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
  vendor_id   text NOT NULL REFERENCES casegate.vendor,
  starts_at   timestamptz NOT NULL,
  ends_at     timestamptz NOT NULL,
  created_at  timestamptz NOT NULL DEFAULT now(),
  CHECK (ends_at > starts_at),
  UNIQUE (contract_id, vendor_id)
);
CREATE TABLE casegate.credential (
  thumbprint        bytea PRIMARY KEY CHECK (length(thumbprint) = 32),
  kind              text NOT NULL CHECK (kind IN ('vendor', 'staff')),
  vendor_id         text,
  contract_id       text,
  staff_id          text,
  staff_role        text CHECK (staff_role IN ('operator', 'security', 'compliance', 'auditor')),
  spki_sha256       bytea NOT NULL CHECK (length(spki_sha256) = 32),
  serial_number     text NOT NULL,
  not_before        timestamptz NOT NULL,
  not_after         timestamptz NOT NULL,
  status            text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'suspended', 'revoked')),
  revoked_at        timestamptz,
  revocation_reason text,
  registered_at     timestamptz NOT NULL DEFAULT now(),
  FOREIGN KEY (contract_id, vendor_id) REFERENCES casegate.contract (contract_id, vendor_id),
  CHECK (CASE kind WHEN 'vendor' THEN vendor_id IS NOT NULL AND contract_id IS NOT NULL AND staff_id IS NULL AND staff_role IS NULL
                   ELSE vendor_id IS NULL AND contract_id IS NULL AND staff_id IS NOT NULL AND staff_role IS NOT NULL END),
  CHECK ((status = 'revoked') = (revoked_at IS NOT NULL))
);
CREATE INDEX credential_by_vendor ON casegate.credential (vendor_id);

-- Cases. Columns with personal data do not exist: `sealed` and `sealed_notes` hold the case under its own key.
CREATE TABLE casegate.case_record (
  case_id          uuid PRIMARY KEY,
  holder_vendor_id text REFERENCES casegate.vendor,
  source_mac       bytea NOT NULL UNIQUE CHECK (length(source_mac) = 32),
  content_mac      bytea NOT NULL CHECK (length(content_mac) = 32),
  person_mac       bytea NOT NULL CHECK (length(person_mac) = 32),
  contact_mac      bytea NOT NULL CHECK (length(contact_mac) = 32),
  log_salt         bytea NOT NULL CHECK (length(log_salt) = 16),
  kek_id           text NOT NULL,
  wrapped_key      bytea NOT NULL,
  sealed           bytea NOT NULL,
  sealed_notes     bytea,
  imported_at      timestamptz NOT NULL DEFAULT now(),
  updated_at       timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX case_record_by_person ON casegate.case_record (person_mac);
CREATE INDEX case_record_by_contact ON casegate.case_record (contact_mac);
CREATE TABLE casegate.assignment (
  assignment_id text PRIMARY KEY,
  vendor_id     text NOT NULL,
  contract_id   text NOT NULL,
  file_sha256   bytea NOT NULL,
  created_at    timestamptz NOT NULL DEFAULT now(),
  FOREIGN KEY (contract_id, vendor_id) REFERENCES casegate.contract (contract_id, vendor_id)
);
CREATE INDEX assignment_by_vendor ON casegate.assignment (vendor_id, contract_id, assignment_id);
CREATE TABLE casegate.assigned_case (
  vendor_id     text NOT NULL,
  contract_id   text NOT NULL,
  case_ref      text NOT NULL,
  case_id       uuid NOT NULL REFERENCES casegate.case_record,
  assignment_id text NOT NULL REFERENCES casegate.assignment,
  sequence      bigint GENERATED ALWAYS AS IDENTITY,
  commitment    bytea NOT NULL CHECK (length(commitment) = 16),
  status        text NOT NULL DEFAULT 'assigned' CHECK (status IN ('assigned', 'recalled')),
  assigned_at   timestamptz NOT NULL DEFAULT now(),
  recalled_at   timestamptz,
  PRIMARY KEY (vendor_id, contract_id, case_ref),
  FOREIGN KEY (contract_id, vendor_id) REFERENCES casegate.contract (contract_id, vendor_id)
);
CREATE UNIQUE INDEX one_open_assignment_a_case ON casegate.assigned_case (case_id) WHERE status <> 'recalled';
CREATE INDEX assigned_case_by_case ON casegate.assigned_case (case_id);
CREATE INDEX assigned_case_in_order ON casegate.assigned_case (vendor_id, contract_id, sequence);
CREATE INDEX assigned_case_by_assignment ON casegate.assigned_case (vendor_id, contract_id, assignment_id, sequence);

-- Trust: every change of a vendor, contract or credential raises the epoch and is told to all workers.
CREATE TABLE casegate.trust (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  epoch    bigint NOT NULL
);
INSERT INTO casegate.trust (epoch) VALUES (1);
CREATE TABLE casegate.worker (
  worker_id  uuid PRIMARY KEY,
  listener   text NOT NULL,
  host       text NOT NULL,
  pid        integer NOT NULL,
  epoch      bigint NOT NULL,
  heard_at   timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE TABLE casegate.trust_acknowledgement (
  worker_id          uuid NOT NULL,
  epoch              bigint NOT NULL,
  connections_closed integer NOT NULL,
  acknowledged_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (worker_id, epoch)
);
"""

FUNCTIONS = """
CREATE FUNCTION casegate.raise_trust_epoch() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE new_epoch bigint;
BEGIN
  UPDATE casegate.trust SET epoch = epoch + 1 RETURNING epoch INTO new_epoch;
  PERFORM pg_notify('casegate_trust', new_epoch::text);
  RETURN NULL;
END $$;

-- The one view of trust that listeners need. They have no right on the tables behind it.
CREATE FUNCTION casegate.trust_view()
RETURNS TABLE (thumbprint bytea, kind text, vendor_id text, contract_id text, staff_id text, staff_role text,
               not_before timestamptz, not_after timestamptz, status text, vendor_status text,
               starts_at timestamptz, ends_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
  SELECT c.thumbprint, c.kind, c.vendor_id, c.contract_id, c.staff_id, c.staff_role,
         c.not_before, c.not_after, c.status, v.status, k.starts_at, k.ends_at
    FROM casegate.credential c
    LEFT JOIN casegate.vendor v ON v.vendor_id = c.vendor_id
    LEFT JOIN casegate.contract k ON k.contract_id = c.contract_id
$$;

-- The vendor listener reads cases only through these: each sets the vendor for its own transaction, then
-- reads under row-level security as the caller (not as the owner).
CREATE FUNCTION casegate.vendor_case(vendor text, contract text, ref text)
RETURNS TABLE (sequence bigint, case_id uuid, assignment_id text, status text, assigned_at timestamptz,
               commitment bytea, kek_id text, wrapped_key bytea, sealed bytea)
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM set_config('casegate.vendor_id', vendor, true);
  RETURN QUERY
    SELECT a.sequence, a.case_id, a.assignment_id, a.status, a.assigned_at, a.commitment,
           r.kek_id, r.wrapped_key, r.sealed
      FROM casegate.assigned_case a JOIN casegate.case_record r ON r.case_id = a.case_id
     WHERE a.vendor_id = vendor AND a.contract_id = contract AND a.case_ref = ref AND a.status = 'assigned';
END $$;
CREATE FUNCTION casegate.vendor_cases(vendor text, contract text, assignment text, after bigint, wanted integer)
RETURNS TABLE (sequence bigint, case_id uuid, assignment_id text, status text, assigned_at timestamptz,
               commitment bytea, kek_id text, wrapped_key bytea, sealed bytea)
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM set_config('casegate.vendor_id', vendor, true);
  RETURN QUERY
    SELECT a.sequence, a.case_id, a.assignment_id, a.status, a.assigned_at, a.commitment,
           r.kek_id, r.wrapped_key, r.sealed
      FROM casegate.assigned_case a JOIN casegate.case_record r ON r.case_id = a.case_id
     WHERE a.vendor_id = vendor AND a.contract_id = contract AND a.sequence > after AND a.status = 'assigned'
       AND (assignment IS NULL OR a.assignment_id = assignment)
     ORDER BY a.sequence LIMIT wanted;
END $$;
CREATE FUNCTION casegate.vendor_assignments(vendor text, contract text, after text, wanted integer)
RETURNS TABLE (assignment_id text, created_at timestamptz, cases bigint)
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM set_config('casegate.vendor_id', vendor, true);
  RETURN QUERY
    SELECT s.assignment_id, s.created_at,
           (SELECT count(*) FROM casegate.assigned_case a
             WHERE a.vendor_id = vendor AND a.contract_id = contract
               AND a.assignment_id = s.assignment_id AND a.status = 'assigned')
      FROM casegate.assignment s
     WHERE s.vendor_id = vendor AND s.contract_id = contract AND s.assignment_id > after
     ORDER BY s.assignment_id LIMIT wanted;
END $$;
"""

TRIGGERS = """
CREATE TRIGGER vendor_changes_trust AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON casegate.vendor
  FOR EACH STATEMENT EXECUTE FUNCTION casegate.raise_trust_epoch();
CREATE TRIGGER contract_changes_trust AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON casegate.contract
  FOR EACH STATEMENT EXECUTE FUNCTION casegate.raise_trust_epoch();
CREATE TRIGGER credential_changes_trust AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON casegate.credential
  FOR EACH STATEMENT EXECUTE FUNCTION casegate.raise_trust_epoch();
"""

VENDOR_OWNED = ("vendor", "contract", "credential", "case_record", "assignment", "assigned_case")

VENDOR_POLICIES = """
CREATE POLICY own_cases ON casegate.assigned_case FOR SELECT TO "{vendor}"
  USING (vendor_id = current_setting('casegate.vendor_id', true) AND status = 'assigned');
CREATE POLICY held_cases ON casegate.case_record FOR SELECT TO "{vendor}"
  USING (holder_vendor_id = current_setting('casegate.vendor_id', true));
CREATE POLICY own_assignments ON casegate.assignment FOR SELECT TO "{vendor}"
  USING (vendor_id = current_setting('casegate.vendor_id', true));
"""

RIGHTS = """
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA casegate FROM PUBLIC;
GRANT USAGE ON SCHEMA casegate TO "{vendor}", "{company}", "{auditor}", "{publisher}";
GRANT EXECUTE ON FUNCTION casegate.trust_view() TO "{vendor}", "{company}";
GRANT SELECT ON casegate.trust TO "{vendor}", "{company}";
GRANT SELECT, INSERT, UPDATE, DELETE ON casegate.worker TO "{vendor}", "{company}";
GRANT SELECT, INSERT ON casegate.trust_acknowledgement TO "{vendor}", "{company}";
GRANT SELECT ON casegate.assigned_case, casegate.case_record, casegate.assignment TO "{vendor}";
GRANT EXECUTE ON FUNCTION casegate.vendor_case(text, text, text), casegate.vendor_assignments(text, text, text, integer),
  casegate.vendor_cases(text, text, text, bigint, integer) TO "{vendor}";
GRANT SELECT, INSERT, UPDATE ON casegate.vendor, casegate.contract, casegate.credential, casegate.case_record,
  casegate.assignment, casegate.assigned_case TO "{company}";
"""


def upgrade() -> None:
    roles = context.config.attributes["roles"]
    names = {
        p: roles.name(p).replace('"', '""') for p in ("vendor", "company", "auditor", "publisher")
    }
    run = op.get_bind().exec_driver_sql
    for script in (TABLES, FUNCTIONS, TRIGGERS):
        run(script.replace("%", "%%"))
    for table in VENDOR_OWNED:
        run(f"ALTER TABLE casegate.{table} ENABLE ROW LEVEL SECURITY")
        run(
            f'CREATE POLICY company_all ON casegate.{table} TO "{names["company"]}" USING (true) WITH CHECK (true)'
        )
    run(VENDOR_POLICIES.format(**names))
    run(RIGHTS.format(**names))
    for statement in (
        *audit_schema.SCHEMA,
        *audit_schema.grants(
            appenders=[roles.vendor, roles.company, roles.publisher],
            readers=[roles.auditor, roles.company],
            signers=[roles.publisher],
        ),
    ):
        run(statement.replace("%", "%%"))
