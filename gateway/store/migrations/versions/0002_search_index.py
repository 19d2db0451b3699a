"""A derived index over the log, for search: it can be dropped and rebuilt at any time.

Revision ID: 0002
"""

from alembic import context, op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TABLES = """
CREATE SCHEMA oversight;
CREATE TABLE oversight.indexed (
  only_row   boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  next_index bigint NOT NULL
);
INSERT INTO oversight.indexed (next_index) VALUES (0);
-- One row an entry; what it says is a hint, every hit is read from the log itself.
CREATE TABLE oversight.entry (
  index       bigint PRIMARY KEY,
  occurred    timestamptz NOT NULL,
  event       text NOT NULL,
  vendor      text,
  certificate bytea,
  request     text,
  code        text,
  actor       text,
  cases       integer NOT NULL,
  bytes       bigint NOT NULL
);
CREATE INDEX entry_by_vendor ON oversight.entry (vendor, index) WHERE vendor IS NOT NULL;
CREATE INDEX entry_by_vendor_event ON oversight.entry (vendor, event, index) WHERE vendor IS NOT NULL;
CREATE INDEX entry_by_event ON oversight.entry (event, index);
CREATE INDEX entry_by_certificate ON oversight.entry (certificate, index) WHERE certificate IS NOT NULL;
CREATE INDEX entry_by_request ON oversight.entry (request, event) WHERE request IS NOT NULL;
CREATE INDEX entry_by_code ON oversight.entry (code, index) WHERE code IS NOT NULL;
CREATE INDEX entry_by_actor ON oversight.entry (actor, index) WHERE actor IS NOT NULL;
CREATE INDEX entry_by_time ON oversight.entry (occurred);
-- Which entries concern a case: commitments only, 16 bytes.
CREATE TABLE oversight.subject (
  commitment bytea NOT NULL,
  index      bigint NOT NULL,
  PRIMARY KEY (commitment, index)
);
"""

RIGHTS = """
GRANT USAGE ON SCHEMA oversight TO "{company}", "{auditor}", "{publisher}";
GRANT SELECT ON ALL TABLES IN SCHEMA oversight TO "{company}", "{auditor}", "{publisher}";
GRANT INSERT, UPDATE, DELETE, TRUNCATE ON ALL TABLES IN SCHEMA oversight TO "{publisher}";
"""


def upgrade() -> None:
    roles = context.config.attributes["roles"]
    names = {p: roles.name(p).replace('"', '""') for p in ("company", "auditor", "publisher")}
    run = op.get_bind().exec_driver_sql
    run(TABLES)
    run(RIGHTS.format(**names))
