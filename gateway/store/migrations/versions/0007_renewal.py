"""Renewal: one successor a certificate, an end for the one replaced, requests by the vendor's role.

Revision ID: 0007
"""

from alembic import context, op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# SQLSTATEs: CG020 the key was seen before, CG021 the certificate may not be renewed, CG022 it was.
TABLES = """
-- A replaced certificate ends before its own end; the lists of revoked ones go by `not_after`.
ALTER TABLE casegate.credential ADD COLUMN retires_at timestamptz;
CREATE UNIQUE INDEX one_successor ON casegate.credential (replaces);
CREATE UNIQUE INDEX one_renewal ON casegate.enrolment (renews) WHERE status <> 'refused';
CREATE UNIQUE INDEX one_request ON casegate.enrolment (invitation_id);
CREATE INDEX renewal_waiting ON casegate.enrolment (requested_at) WHERE status = 'requested' AND renews IS NOT NULL;
CREATE INDEX enrolment_in_order ON casegate.enrolment (requested_at, enrolment_id);
"""

FUNCTIONS = """
CREATE OR REPLACE FUNCTION casegate.trust_view()
RETURNS TABLE (thumbprint bytea, kind text, vendor_id text, contract_id text, staff_id text, staff_role text,
               not_before timestamptz, not_after timestamptz, status text, vendor_status text,
               starts_at timestamptz, ends_at timestamptz, credential_ref text, system text, scope text,
               contract_status text, closing_until timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
  SELECT c.thumbprint, c.kind, c.vendor_id, c.contract_id, c.staff_id, c.staff_role,
         c.not_before, least(c.not_after, c.retires_at), c.status, v.status, k.starts_at, k.ends_at,
         c.credential_ref, c.system, c.scope, k.status, k.closing_until
    FROM casegate.credential c
    LEFT JOIN casegate.vendor v ON v.vendor_id = c.vendor_id
    LEFT JOIN casegate.contract k ON k.contract_id = c.contract_id
$$;
-- The one change to a credential that the enrolment listener can make: an earlier end.
CREATE FUNCTION casegate.retire_credential(old bytea, until timestamptz) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
  UPDATE casegate.credential c SET retires_at = least(c.retires_at, until) WHERE c.thumbprint = old
$$;
-- A vendor's listener asks for a renewal, and asks again how it stands. It issues nothing.
CREATE FUNCTION casegate.request_renewal(request_id uuid, held bytea, csr bytea, spki bytea, moment timestamptz)
RETURNS TABLE (status text, certificate bytea)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE own casegate.credential; known casegate.enrolment;
BEGIN
  SELECT * INTO known FROM casegate.enrolment e WHERE e.spki_sha256 = spki;
  IF NOT FOUND THEN
    IF EXISTS (SELECT 1 FROM casegate.credential c WHERE c.spki_sha256 = spki) THEN
      RAISE EXCEPTION 'key seen before' USING ERRCODE = 'CG020';
    END IF;
    SELECT * INTO own FROM casegate.credential c
     WHERE c.thumbprint = held AND c.kind = 'vendor' AND c.status = 'active' AND c.scope = 'full';
    IF NOT FOUND THEN
      RAISE EXCEPTION 'not to be renewed' USING ERRCODE = 'CG021';
    END IF;
    IF EXISTS (SELECT 1 FROM casegate.enrolment e WHERE e.renews = held AND e.status <> 'refused') THEN
      RAISE EXCEPTION 'renewed already' USING ERRCODE = 'CG022';
    END IF;
    INSERT INTO casegate.enrolment (enrolment_id, renews, vendor_id, contract_id, credential_ref, system, scope,
                                    request, spki_sha256, requested_at, status)
    VALUES (request_id, held, own.vendor_id, own.contract_id, own.credential_ref, own.system, own.scope,
            csr, spki, moment, 'requested');
    PERFORM pg_notify('casegate_renewal', '');
  ELSIF known.renews IS DISTINCT FROM held THEN
    RAISE EXCEPTION 'key seen before' USING ERRCODE = 'CG020';
  END IF;
  RETURN QUERY SELECT e.status, c.certificate FROM casegate.enrolment e
    LEFT JOIN casegate.credential c ON c.thumbprint = e.thumbprint WHERE e.spki_sha256 = spki;
END $$;
REVOKE ALL ON FUNCTION casegate.retire_credential(bytea, timestamptz),
  casegate.request_renewal(uuid, bytea, bytea, bytea, timestamptz) FROM PUBLIC;
"""

RIGHTS = """
GRANT EXECUTE ON FUNCTION casegate.request_renewal(uuid, bytea, bytea, bytea, timestamptz) TO "{vendor}";
GRANT EXECUTE ON FUNCTION casegate.retire_credential(bytea, timestamptz) TO "{enrolment}";
-- To use an approval up; who decides, and what was decided, stays out of its reach.
GRANT UPDATE (done_at) ON casegate.proposal TO "{enrolment}";
GRANT SELECT, INSERT, UPDATE ON casegate.loaded TO "{enrolment}";
"""


def upgrade() -> None:
    roles = context.config.attributes["roles"]
    names = {
        purpose: roles.name(purpose).replace('"', '""') for purpose in ("vendor", "enrolment")
    }
    run = op.get_bind().exec_driver_sql
    for script in (TABLES, FUNCTIONS, RIGHTS.format(**names)):
        run(script.replace("%", "%%"))
