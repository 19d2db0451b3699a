"""The search index for ten million entries and more, and what an installation runs with.

The index is derived, so the old one is dropped: the publisher builds the new one from the log.

Revision ID: 0003
"""

from alembic import context, op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TABLES = """
DROP TABLE oversight.entry, oversight.subject;
UPDATE oversight.indexed SET next_index = 0;
-- Vendors, events, thumbprints, codes and the like, once each: rows and indexes hold their numbers.
CREATE TABLE oversight.word (
  id       integer PRIMARY KEY CHECK (id > 0),
  word     text NOT NULL UNIQUE,
  is_event boolean NOT NULL
);
-- One row an entry; what it says is a hint, every hit is read from the log itself. `place` and `length` are
-- of the entry's bytes in its batch's bundle.
CREATE TABLE oversight.entry (
  index       bigint PRIMARY KEY,
  occurred    timestamptz NOT NULL,
  event       integer NOT NULL,
  vendor      integer,
  certificate integer,
  actor       integer,
  code        integer,
  place       integer NOT NULL,
  length      integer NOT NULL,
  request     text
);
CREATE INDEX entry_by_event ON oversight.entry (event, index);
CREATE INDEX entry_by_vendor ON oversight.entry (vendor, event, index) WHERE vendor IS NOT NULL;
CREATE INDEX entry_by_certificate ON oversight.entry (certificate, event, index) WHERE certificate IS NOT NULL;
CREATE INDEX entry_by_actor ON oversight.entry (actor, index) WHERE actor IS NOT NULL;
CREATE INDEX entry_by_code ON oversight.entry (code, index) WHERE code IS NOT NULL;
CREATE INDEX entry_by_vendor_code ON oversight.entry (vendor, code, index) WHERE code IS NOT NULL;
CREATE INDEX entry_by_certificate_code ON oversight.entry (certificate, code, index) WHERE code IS NOT NULL;
CREATE INDEX entry_by_request ON oversight.entry USING hash (request);
-- Which entries concern a case: commitments only, 16 bytes.
CREATE TABLE oversight.subject (
  commitment bytea NOT NULL,
  index      bigint NOT NULL,
  PRIMARY KEY (commitment, index)
);
-- Releases whose end has not been logged: in flight, or lost.
CREATE TABLE oversight.open_release (index bigint PRIMARY KEY);
-- Between which times 8,192 adjoining entries lie: turns times into a range of indexes.
CREATE TABLE oversight.span (
  block    bigint PRIMARY KEY,
  earliest timestamptz NOT NULL,
  latest   timestamptz NOT NULL
);
-- Sums by vendor and hour. 0 stands for no vendor and for no code.
CREATE TABLE oversight.volume (
  vendor  integer NOT NULL,
  hour    timestamptz NOT NULL,
  event   integer NOT NULL,
  code    integer NOT NULL,
  entries bigint NOT NULL,
  cases   bigint NOT NULL,
  bytes   bigint NOT NULL,
  PRIMARY KEY (vendor, hour, event, code)
);
CREATE INDEX volume_by_hour ON oversight.volume (hour, event);
-- What a vendor's releases were made with: certificates, routes, addresses, purposes, policies, profiles.
CREATE TABLE oversight.used (
  vendor      integer NOT NULL,
  kind        text NOT NULL,
  word        integer NOT NULL,
  first_index bigint NOT NULL,
  first_at    timestamptz NOT NULL,
  last_at     timestamptz NOT NULL,
  releases    bigint NOT NULL,
  PRIMARY KEY (vendor, kind, word)
);
CREATE INDEX used_first ON oversight.used (vendor, first_at);

-- What was last loaded, by digest, so that a change is noted in the log, and noted once. An empty digest stands
-- for what is not there any more.
CREATE TABLE casegate.loaded (
  name    text PRIMARY KEY,
  digest  text NOT NULL,
  details jsonb NOT NULL
);
"""

RIGHTS = """
GRANT SELECT ON ALL TABLES IN SCHEMA oversight TO "{company}", "{auditor}", "{publisher}";
GRANT INSERT, UPDATE, DELETE, TRUNCATE ON ALL TABLES IN SCHEMA oversight TO "{publisher}";
GRANT SELECT, INSERT, UPDATE ON casegate.loaded TO "{vendor}", "{company}";
"""


def upgrade() -> None:
    roles = context.config.attributes["roles"]
    purposes = ("vendor", "company", "auditor", "publisher")
    names = {p: roles.name(p).replace('"', '""') for p in purposes}
    run = op.get_bind().exec_driver_sql
    run(TABLES)
    run(RIGHTS.format(**names))
