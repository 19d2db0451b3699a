"""The tables of complaints, claims, the ledger, rectification notices and feedback.

Revision ID: 0019a
"""

from alembic import context, op

revision = "0019a"
down_revision = "0018"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE casegate.ledger_entry (
  entry_id      text PRIMARY KEY CHECK (entry_id ~ '^[0-9A-Za-z][0-9A-Za-z._:-]{0,63}$'),
  case_id       uuid NOT NULL REFERENCES casegate.case_record ON DELETE CASCADE,
  posted_at     timestamptz NOT NULL,
  amount        bigint NOT NULL CHECK (amount <> 0),
  kind          text NOT NULL CHECK (kind IN ('payment', 'adjustment')),
  balance_after bigint NOT NULL CHECK (balance_after >= 0),
  repayment_ref uuid NOT NULL UNIQUE DEFAULT gen_random_uuid(),
  received_at   timestamptz NOT NULL,
  CHECK (kind <> 'payment' OR amount > 0)
);
CREATE INDEX ledger_of_case ON casegate.ledger_entry (case_id, posted_at, entry_id);
CREATE INDEX ledger_in_order ON casegate.ledger_entry (posted_at);
-- What the newest posting says of a case.
CREATE TABLE casegate.case_standing (
  case_id uuid PRIMARY KEY REFERENCES casegate.case_record ON DELETE CASCADE,
  balance bigint NOT NULL,
  as_of   timestamptz NOT NULL,
  paid_at timestamptz,
  CHECK ((paid_at IS NOT NULL) = (balance = 0))
);
CREATE TABLE casegate.promise (
  promise_id  uuid PRIMARY KEY,
  vendor_id   text NOT NULL,
  contract_id text NOT NULL,
  call_id     text NOT NULL,
  case_id     uuid NOT NULL REFERENCES casegate.case_record ON DELETE CASCADE,
  case_ref    text NOT NULL,
  agent_ref   text NOT NULL,
  made_at     timestamptz NOT NULL,
  amount      bigint NOT NULL CHECK (amount > 0),
  due_on      date NOT NULL,
  state       text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'kept', 'partly', 'broken', 'cancelled', 'superseded')),
  paid        bigint,
  settled_at  timestamptz,
  UNIQUE (vendor_id, contract_id, call_id),
  CHECK ((state = 'pending') = (settled_at IS NULL))
);
CREATE INDEX promise_of_case ON casegate.promise (case_id);
CREATE INDEX promise_due ON casegate.promise (due_on) WHERE state = 'pending';
-- Accounts of the company to which may be paid, by a keyed digest.
CREATE TABLE casegate.company_account (
  account_mac   bytea PRIMARY KEY CHECK (length(account_mac) = 32),
  label         text NOT NULL CHECK (length(label) BETWEEN 1 AND 80),
  registered_at timestamptz NOT NULL,
  registered_by text NOT NULL,
  ended_at      timestamptz
);
CREATE TABLE casegate.payment_claim (
  claim_id       uuid PRIMARY KEY,
  vendor_id      text NOT NULL,
  contract_id    text NOT NULL,
  sequence       bigint GENERATED ALWAYS AS IDENTITY,
  case_id        uuid NOT NULL REFERENCES casegate.case_record ON DELETE CASCADE,
  case_ref       text NOT NULL,
  agent_ref      text NOT NULL,
  call_id        text,
  promise_id     uuid REFERENCES casegate.promise ON DELETE SET NULL,
  amount         bigint NOT NULL CHECK (amount > 0),
  claimed_on     date NOT NULL,
  statement_code text,
  account        text NOT NULL CHECK (account IN ('none', 'ours', 'foreign')),
  made_at        timestamptz NOT NULL,
  match_until    timestamptz NOT NULL,
  state          text NOT NULL CHECK (state IN ('claimed', 'matched', 'amount_diff', 'not_found', 'late', 'duplicate', 'resolved')),
  entry_id       text REFERENCES casegate.ledger_entry ON DELETE SET NULL,
  settled_at     timestamptz,
  resolution     text,
  repeat_key     text,
  repeat_sha256  bytea,
  UNIQUE (vendor_id, contract_id, repeat_key),
  FOREIGN KEY (contract_id, vendor_id) REFERENCES casegate.contract (contract_id, vendor_id)
);
CREATE INDEX payment_claim_of_case ON casegate.payment_claim (case_id);
CREATE INDEX payment_claim_in_order ON casegate.payment_claim (vendor_id, contract_id, sequence);
CREATE INDEX payment_claim_open ON casegate.payment_claim (match_until) WHERE state = 'claimed';
CREATE UNIQUE INDEX payment_claim_by_entry ON casegate.payment_claim (entry_id) WHERE state IN ('matched', 'late', 'amount_diff');

-- A complaint, a rectification notice, or feedback. `facts` and the sealed text are the company's; `told` is what the vendor
-- may know, once it is shown at all.
CREATE TABLE casegate.affair (
  affair_id       uuid PRIMARY KEY,
  kind            text NOT NULL CHECK (kind IN ('complaint', 'rectification', 'feedback')),
  vendor_id       text NOT NULL,
  contract_id     text NOT NULL,
  sequence        bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
  state           text NOT NULL,
  is_shown        boolean NOT NULL DEFAULT false,
  severity        text CHECK (severity IN ('critical', 'major', 'minor')),
  codes           text[] NOT NULL,
  call_ids        text[] NOT NULL DEFAULT '{}',
  case_id         uuid REFERENCES casegate.case_record ON DELETE SET NULL,
  hold_id         uuid REFERENCES casegate.hold ON DELETE SET NULL,
  department      text,
  opened_at       timestamptz NOT NULL,
  opened_by       text NOT NULL,
  due_at          timestamptz NOT NULL,
  evidence_due_at timestamptz,
  next_at         timestamptz,
  facts           jsonb NOT NULL DEFAULT '{}',
  told            jsonb NOT NULL DEFAULT '{}',
  sealed_text     bytea,
  recurrence_of   uuid REFERENCES casegate.affair,
  repeat_key      text,
  repeat_sha256   bytea,
  UNIQUE (kind, repeat_key),
  FOREIGN KEY (contract_id, vendor_id) REFERENCES casegate.contract (contract_id, vendor_id)
);
CREATE INDEX affair_in_order ON casegate.affair (vendor_id, contract_id, kind, sequence);
CREATE INDEX affair_next ON casegate.affair (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX affair_of_case ON casegate.affair (case_id);
CREATE INDEX affair_of_hold ON casegate.affair (hold_id);
CREATE INDEX affair_of_recurrence ON casegate.affair (recurrence_of);
-- Every transition, beside its entry in the log. The reason stays here.
CREATE TABLE casegate.affair_step (
  step_id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  affair_id   uuid NOT NULL REFERENCES casegate.affair,
  vendor_id   text NOT NULL,
  move        text NOT NULL,
  before      text NOT NULL,
  after       text NOT NULL,
  actor       text NOT NULL,
  reason      text CHECK (length(reason) BETWEEN 1 AND 1000),
  at          timestamptz NOT NULL
);
CREATE INDEX affair_step_in_order ON casegate.affair_step (affair_id, step_id);
-- What a vendor hands in: its words sealed, and files by their digests.
CREATE TABLE casegate.affair_paper (
  paper_id    uuid PRIMARY KEY,
  sequence    bigint GENERATED ALWAYS AS IDENTITY,
  affair_id   uuid NOT NULL REFERENCES casegate.affair,
  vendor_id   text NOT NULL,
  contract_id text NOT NULL,
  part        text NOT NULL CHECK (part IN ('evidence', 'statement', 'plan', 'answer')),
  sealed_text bytea,
  text_state  text NOT NULL CHECK (text_state IN ('none', 'waiting', 'clean', 'held')),
  call_ids    text[] NOT NULL,
  files       text[] NOT NULL,
  filed_at    timestamptz NOT NULL,
  CHECK ((sealed_text IS NULL) = (text_state = 'none'))
);
CREATE INDEX affair_paper_of_affair ON casegate.affair_paper (affair_id);
CREATE INDEX affair_paper_waiting ON casegate.affair_paper (filed_at) WHERE text_state = 'waiting';
-- A vendor that gets no permits, because of a notice.
CREATE TABLE casegate.vendor_stop (
  notice_id   uuid PRIMARY KEY REFERENCES casegate.affair,
  vendor_id   text NOT NULL,
  contract_id text NOT NULL,
  since       timestamptz NOT NULL,
  ended_at    timestamptz,
  FOREIGN KEY (contract_id, vendor_id) REFERENCES casegate.contract (contract_id, vendor_id)
);
CREATE INDEX vendor_stop_open ON casegate.vendor_stop (vendor_id, contract_id) WHERE ended_at IS NULL;
-- What came of a finding: its agent suspended (with the finding), that told to the log, repetition weighed (by the clockwork).
CREATE TABLE casegate.finding_consequence (
  finding_id uuid PRIMARY KEY REFERENCES casegate.finding ON DELETE CASCADE,
  vendor_id  text NOT NULL,
  suspended  text[] NOT NULL,
  at         timestamptz NOT NULL,
  settled_at timestamptz
);
CREATE INDEX finding_consequence_open ON casegate.finding_consequence (at) WHERE settled_at IS NULL;
"""

VENDOR_OWNED = (
    "ledger_entry",
    "case_standing",
    "promise",
    "payment_claim",
    "affair",
    "affair_step",
    "affair_paper",
    "vendor_stop",
    "finding_consequence",
)


def upgrade() -> None:
    """Makes what the sentence above says."""
    company = context.config.attributes["roles"].name("company").replace('"', '""')
    run = op.get_bind().exec_driver_sql
    run(TABLES.replace("%", "%%"))
    for table in VENDOR_OWNED:
        run(f"ALTER TABLE casegate.{table} ENABLE ROW LEVEL SECURITY")
        run(
            f'CREATE POLICY company_all ON casegate.{table} TO "{company}" USING (true) WITH CHECK (true)'
        )


def downgrade() -> None:
    """There is no way back: what was logged stays."""
