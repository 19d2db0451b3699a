"""Keys: what enrolment and the end of a contract still needed.

A word to all workers that changes nothing; closing invitations by two; notices as pages.

Revision ID: 0013
"""

from alembic import context, op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

TABLES = """
-- Notices have an order of their own, so that they can be read in pages.
ALTER TABLE casegate.offboarding_notice ADD COLUMN notice_id bigint GENERATED ALWAYS AS IDENTITY UNIQUE;
-- A code for the way out is made under an approval by a second person.
ALTER TABLE casegate.invitation ADD COLUMN proposal_id uuid REFERENCES casegate.proposal;
ALTER TABLE casegate.invitation ADD CONSTRAINT closing_is_approved
  CHECK (scope <> 'closing' OR proposal_id IS NOT NULL) NOT VALID;
CREATE INDEX invitation_by_contract ON casegate.invitation (contract_id, invited_at) WHERE scope = 'closing';
"""

FUNCTIONS = """
-- Has every worker look around: at its keys, at policies, at all that has no table of its own.
CREATE FUNCTION casegate.tell_workers() RETURNS TABLE (epoch bigint, told_at timestamptz)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE new_epoch bigint;
BEGIN
  UPDATE casegate.trust t SET epoch = t.epoch + 1 RETURNING t.epoch INTO new_epoch;
  PERFORM pg_notify('casegate_trust', new_epoch::text);
  RETURN QUERY SELECT new_epoch, clock_timestamp();
END $$;
REVOKE ALL ON FUNCTION casegate.tell_workers() FROM PUBLIC;
"""

RIGHTS = """
GRANT EXECUTE ON FUNCTION casegate.tell_workers() TO "{company}";
"""


def upgrade() -> None:
    """Makes what the sentence above says."""
    name = context.config.attributes["roles"].name("company").replace('"', '""')
    run = op.get_bind().exec_driver_sql
    for script in (TABLES, FUNCTIONS, RIGHTS.format(company=name)):
        run(script.replace("%", "%%"))


def downgrade() -> None:
    """There is no way back: what was logged stays."""
