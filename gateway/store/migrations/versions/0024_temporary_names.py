"""Functions with their owner's rights look at temporary names last.

Whatever a search path leaves out, PostgreSQL looks for types and tables in a session's temporary
schema first (CREATE FUNCTION, "Writing SECURITY DEFINER Functions Safely"). A role that may make
temporary tables, as those that take in records and imports have to, could give a type there the
name of `text`, with a check that a function then runs with the rights of the owner.

Revision ID: 0024
"""

from alembic import op

revision = "0024"
down_revision = "0021"
branch_labels = None
depends_on = None

# Every one that there is: later ones name both schemas themselves, and a test looks.
LAST = """
DO $$
DECLARE one regprocedure;
BEGIN
  FOR one IN
    SELECT p.oid FROM pg_catalog.pg_proc p
     WHERE p.pronamespace IN ('casegate'::regnamespace, 'audit'::regnamespace, 'oversight'::regnamespace)
       AND p.prosecdef
  LOOP
    EXECUTE format('ALTER FUNCTION %s SET search_path = pg_catalog, pg_temp', one);
  END LOOP;
END $$
"""


def upgrade() -> None:
    """Sets the search path of each."""
    op.execute(LAST)


def downgrade() -> None:
    """Leaves them: no release looked at temporary names first on purpose."""
