"""Enrolment, approvals by two, issuers and their CRLs, revoked tokens, ages of keys.

Revision ID: 0006
"""

from alembic import context, op

from audit import schema as audit_schema

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

CREDENTIALS = """
-- A credential is what one agent system of a vendor holds; its certificates follow each other.
ALTER TABLE casegate.credential
  ADD COLUMN credential_ref text,
  ADD COLUMN system         text NOT NULL DEFAULT 'main',
  ADD COLUMN scope          text NOT NULL DEFAULT 'full' CHECK (scope IN ('full', 'closing')),
  ADD COLUMN issuer_id      bytea CHECK (length(issuer_id) = 32),
  ADD COLUMN certificate    bytea,
  ADD COLUMN replaces       bytea REFERENCES casegate.credential (thumbprint);
UPDATE casegate.credential SET credential_ref = encode(substr(thumbprint, 1, 8), 'hex') WHERE kind = 'vendor';
CREATE INDEX credential_by_key ON casegate.credential (spki_sha256);
CREATE INDEX credential_by_issuer ON casegate.credential (issuer_id, serial_number);
-- A contract's end is a state, not only an instant: what is left after it is the way out.
ALTER TABLE casegate.contract
  ADD COLUMN status        text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'ended', 'purge_pending', 'purged')),
  ADD COLUMN closing_until timestamptz;
"""

TABLES = """
-- Approval by two: who proposes does not decide. `subject` holds references, never values of a case.
CREATE TABLE casegate.proposal (
  proposal_id uuid PRIMARY KEY,
  kind        text NOT NULL,
  subject     jsonb NOT NULL,
  digest      bytea NOT NULL CHECK (length(digest) = 32),
  proposed_by text NOT NULL,
  proposed_at timestamptz NOT NULL,
  expires_at  timestamptz NOT NULL,
  status      text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'approved', 'rejected', 'withdrawn', 'expired')),
  decided_by  text,
  decided_at  timestamptz,
  done_at     timestamptz,
  CHECK (expires_at > proposed_at),
  CHECK (status NOT IN ('approved', 'rejected') OR decided_by IS NOT NULL),
  CHECK (status <> 'approved' OR decided_by <> proposed_by)
);
CREATE UNIQUE INDEX one_open_proposal ON casegate.proposal (kind, digest) WHERE status = 'open';
CREATE INDEX proposal_in_order ON casegate.proposal (proposed_at, proposal_id);

-- An invitation's code is stored as its SHA-256: it is random, 128 bits, and used once.
CREATE TABLE casegate.invitation (
  invitation_id uuid PRIMARY KEY,
  code_sha256   bytea NOT NULL UNIQUE CHECK (length(code_sha256) = 32),
  vendor_id     text NOT NULL,
  contract_id   text NOT NULL,
  system        text NOT NULL,
  scope         text NOT NULL CHECK (scope IN ('full', 'closing')),
  invited_by    text NOT NULL,
  invited_at    timestamptz NOT NULL,
  expires_at    timestamptz NOT NULL,
  used_at       timestamptz,
  FOREIGN KEY (contract_id, vendor_id) REFERENCES casegate.contract (contract_id, vendor_id)
);
-- One request a key, for ever: a key that was seen before is refused, whoever sends it.
CREATE TABLE casegate.enrolment (
  enrolment_id   uuid PRIMARY KEY,
  invitation_id  uuid REFERENCES casegate.invitation,
  renews         bytea REFERENCES casegate.credential (thumbprint),
  vendor_id      text NOT NULL,
  contract_id    text NOT NULL,
  credential_ref text NOT NULL,
  system         text NOT NULL,
  scope          text NOT NULL CHECK (scope IN ('full', 'closing')),
  request        bytea NOT NULL,
  spki_sha256    bytea NOT NULL UNIQUE CHECK (length(spki_sha256) = 32),
  requested_at   timestamptz NOT NULL,
  proposal_id    uuid REFERENCES casegate.proposal,
  status         text NOT NULL CHECK (status IN ('requested', 'issued', 'refused')),
  thumbprint     bytea REFERENCES casegate.credential (thumbprint),
  CHECK ((invitation_id IS NULL) <> (renews IS NULL)),
  CHECK ((status = 'issued') = (thumbprint IS NOT NULL)),
  FOREIGN KEY (contract_id, vendor_id) REFERENCES casegate.contract (contract_id, vendor_id)
);

CREATE TABLE casegate.issuer (
  issuer_id   bytea PRIMARY KEY CHECK (length(issuer_id) = 32),
  certificate bytea NOT NULL,
  status      text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'retiring', 'revoked')),
  added_at    timestamptz NOT NULL
);
CREATE UNIQUE INDEX one_active_issuer ON casegate.issuer (status) WHERE status = 'active';
CREATE TABLE casegate.crl (
  issuer_id   bytea NOT NULL REFERENCES casegate.issuer,
  number      bigint NOT NULL,
  this_update timestamptz NOT NULL,
  next_update timestamptz NOT NULL,
  crl         bytea NOT NULL,
  PRIMARY KEY (issuer_id, number)
);

-- Tokens end by themselves in ten minutes; those ended earlier are told to all workers.
CREATE TABLE casegate.revoked_token (
  token_id   text PRIMARY KEY CHECK (length(token_id) <= 64),
  vendor_id  text NOT NULL,
  expires_at timestamptz NOT NULL
);

-- When each key was first used here; the keys themselves are never in a database.
CREATE TABLE casegate.key_age (
  purpose    text NOT NULL,
  key_id     text NOT NULL,
  first_used timestamptz NOT NULL,
  retired_at timestamptz,
  PRIMARY KEY (purpose, key_id)
);
"""

FUNCTIONS = """
DROP FUNCTION casegate.trust_view();
CREATE FUNCTION casegate.trust_view()
RETURNS TABLE (thumbprint bytea, kind text, vendor_id text, contract_id text, staff_id text, staff_role text,
               not_before timestamptz, not_after timestamptz, status text, vendor_status text,
               starts_at timestamptz, ends_at timestamptz, credential_ref text, system text, scope text,
               contract_status text, closing_until timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
  SELECT c.thumbprint, c.kind, c.vendor_id, c.contract_id, c.staff_id, c.staff_role,
         c.not_before, c.not_after, c.status, v.status, k.starts_at, k.ends_at,
         c.credential_ref, c.system, c.scope, k.status, k.closing_until
    FROM casegate.credential c
    LEFT JOIN casegate.vendor v ON v.vendor_id = c.vendor_id
    LEFT JOIN casegate.contract k ON k.contract_id = c.contract_id
$$;
CREATE FUNCTION casegate.revoked_tokens()
RETURNS TABLE (token_id text, expires_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
  SELECT t.token_id, t.expires_at FROM casegate.revoked_token t WHERE t.expires_at > now()
$$;
-- A vendor ends a token of its own (RFC 7009); it can do nothing else to this table.
CREATE FUNCTION casegate.revoke_token(token text, vendor text, expires timestamptz) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  DELETE FROM casegate.revoked_token WHERE expires_at < now() - interval '1 hour';
  INSERT INTO casegate.revoked_token (token_id, vendor_id, expires_at)
  VALUES (token, vendor, least(expires, now() + interval '1 hour')) ON CONFLICT DO NOTHING;
END $$;
CREATE TRIGGER revoked_token_changes_trust AFTER INSERT ON casegate.revoked_token
  FOR EACH STATEMENT EXECUTE FUNCTION casegate.raise_trust_epoch();
REVOKE ALL ON FUNCTION casegate.trust_view(), casegate.revoked_tokens(), casegate.revoke_token(text, text, timestamptz) FROM PUBLIC;
"""

RIGHTS = """
GRANT USAGE ON SCHEMA casegate TO "{enrolment}";
GRANT EXECUTE ON FUNCTION casegate.trust_view(), casegate.revoked_tokens() TO "{vendor}", "{company}", "{enrolment}";
GRANT EXECUTE ON FUNCTION casegate.revoke_token(text, text, timestamptz) TO "{vendor}";
GRANT SELECT ON casegate.trust TO "{enrolment}";
GRANT SELECT, INSERT, UPDATE, DELETE ON casegate.worker TO "{enrolment}";
GRANT SELECT, INSERT ON casegate.trust_acknowledgement TO "{enrolment}";
GRANT SELECT, INSERT, UPDATE ON casegate.proposal, casegate.invitation, casegate.enrolment, casegate.issuer TO "{company}";
GRANT SELECT, INSERT ON casegate.crl TO "{company}";
GRANT SELECT, INSERT, UPDATE ON casegate.revoked_token, casegate.key_age TO "{company}";
-- The enrolment listener: it reads records, takes requests and issues; it cannot invite, approve or read a case.
GRANT SELECT ON casegate.vendor, casegate.contract, casegate.credential, casegate.proposal TO "{enrolment}";
GRANT INSERT ON casegate.credential TO "{enrolment}";
GRANT INSERT ON casegate.proposal TO "{enrolment}";
GRANT SELECT, INSERT, UPDATE ON casegate.enrolment TO "{enrolment}";
GRANT SELECT ON casegate.invitation TO "{enrolment}";
GRANT UPDATE (used_at) ON casegate.invitation TO "{enrolment}";
GRANT SELECT ON casegate.issuer TO "{enrolment}";
GRANT SELECT, INSERT ON casegate.crl TO "{enrolment}";
"""

VENDOR_OWNED = ("invitation", "enrolment", "revoked_token")
READ_BY_ENROLMENT = ("vendor", "contract", "credential", "invitation", "enrolment")


def upgrade() -> None:
    roles = context.config.attributes["roles"]
    names = {
        purpose: roles.name(purpose).replace('"', '""')
        for purpose in ("vendor", "company", "enrolment")
    }
    run = op.get_bind().exec_driver_sql
    for script in (CREDENTIALS, TABLES, FUNCTIONS, RIGHTS.format(**names)):
        run(script.replace("%", "%%"))
    for table in VENDOR_OWNED:
        run(f"ALTER TABLE casegate.{table} ENABLE ROW LEVEL SECURITY")
        run(
            f'CREATE POLICY company_all ON casegate.{table} TO "{names["company"]}" USING (true) WITH CHECK (true)'
        )
    for table in READ_BY_ENROLMENT:
        run(
            f'CREATE POLICY enrolment_all ON casegate.{table} TO "{names["enrolment"]}" USING (true) WITH CHECK (true)'
        )
    for statement in audit_schema.grants(appenders=[roles.enrolment], readers=[], signers=[]):
        run(statement.replace("%", "%%"))
