"""Revoked is for good, whoever writes; nothing new grows out of what is revoked.

Revision ID: 0009
"""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

# SQLSTATEs: CG040 revoked is for good, CG041 what the certificate stands on is revoked.
FINALITY = """
CREATE FUNCTION casegate.refuse_unrevoking() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
  RAISE EXCEPTION 'revoked is for good' USING ERRCODE = 'CG040';
END $$;
CREATE TRIGGER revoked_credential_stays_revoked BEFORE UPDATE ON casegate.credential
  FOR EACH ROW WHEN (OLD.status = 'revoked' AND (NEW.status, NEW.revoked_at, NEW.revocation_reason)
                     IS DISTINCT FROM (OLD.status, OLD.revoked_at, OLD.revocation_reason))
  EXECUTE FUNCTION casegate.refuse_unrevoking();
CREATE TRIGGER revoked_vendor_stays_revoked BEFORE UPDATE ON casegate.vendor
  FOR EACH ROW WHEN (OLD.status = 'revoked' AND NEW.status <> 'revoked')
  EXECUTE FUNCTION casegate.refuse_unrevoking();
CREATE TRIGGER revoked_issuer_stays_revoked BEFORE UPDATE ON casegate.issuer
  FOR EACH ROW WHEN (OLD.status = 'revoked' AND NEW.status <> 'revoked')
  EXECUTE FUNCTION casegate.refuse_unrevoking();
"""

# A successor that is being registered while its predecessor, vendor or issuer is being revoked: one of the two
# waits for the other at these locks, which come before all others of the transaction. Either the revocation sees
# the successor, or the successor is refused.
GROWTH = """
CREATE FUNCTION casegate.refuse_growth() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  PERFORM 1 FROM casegate.vendor v WHERE v.vendor_id = NEW.vendor_id FOR SHARE;
  PERFORM 1 FROM casegate.issuer i WHERE i.issuer_id = NEW.issuer_id FOR SHARE;
  PERFORM 1 FROM casegate.credential c WHERE c.thumbprint = NEW.replaces FOR SHARE;
  -- A new statement sees what was committed while the locks were awaited.
  IF EXISTS (SELECT FROM casegate.vendor v WHERE v.vendor_id = NEW.vendor_id AND v.status = 'revoked')
     OR EXISTS (SELECT FROM casegate.issuer i WHERE i.issuer_id = NEW.issuer_id AND i.status = 'revoked')
     OR EXISTS (SELECT FROM casegate.credential c WHERE c.thumbprint = NEW.replaces AND c.status <> 'active')
  THEN
    RAISE EXCEPTION 'it would grow out of what is shut out' USING ERRCODE = 'CG041';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER nothing_grows_out_of_what_is_revoked BEFORE INSERT ON casegate.credential
  FOR EACH ROW WHEN (NEW.kind = 'vendor') EXECUTE FUNCTION casegate.refuse_growth();
REVOKE ALL ON FUNCTION casegate.refuse_unrevoking(), casegate.refuse_growth() FROM PUBLIC;
"""


def upgrade() -> None:
    run = op.get_bind().exec_driver_sql
    for script in (FINALITY, GROWTH):
        run(script.replace("%", "%%"))
