"""Who was contacted when: contacts of vendors and of the lender, refusals, reveals, law packs in force.

Revision ID: 0016a
"""

from alembic import context, op

revision = "0016a"
down_revision = "0015"
branch_labels = None
depends_on = None

TABLES = """
-- The telephone bridge is a system of the company or its operator, with a class of credentials of its own.
ALTER TABLE casegate.credential DROP CONSTRAINT credential_staff_role_check,
  ADD CONSTRAINT credential_staff_role_check CHECK (staff_role IN ('operator', 'security', 'compliance', 'auditor', 'bridge'));

-- Keys of the numbers by which a case's people are reached, beside contact_mac of the mobile.
ALTER TABLE casegate.case_record
  ADD COLUMN home_mac    bytea CHECK (length(home_mac) = 32),
  ADD COLUMN related_mac bytea CHECK (length(related_mac) = 32);

-- What is known of a number, whichever case it stands in and whoever called it.
CREATE TABLE casegate.point_state (
  point_mac    bytea PRIMARY KEY CHECK (length(point_mac) = 32),
  validity     text NOT NULL DEFAULT 'unknown' CHECK (validity IN ('unknown', 'ok', 'switched_off', 'invalid', 'wrong')),
  changed_at   timestamptz NOT NULL,
  opted_out_at timestamptz
);

-- Every contact of a debtor: permits of vendors, and what the lender itself did (without a vendor). An erased debtor's
-- stay as numbers of calls that lead nowhere.
CREATE TABLE casegate.contact (
  contact_id     uuid PRIMARY KEY,
  vendor_id      text,
  contract_id    text,
  thumbprint     bytea CHECK (length(thumbprint) = 32),
  case_id        uuid NOT NULL,
  case_ref       text,
  person_mac     bytea NOT NULL CHECK (length(person_mac) = 32),
  point_mac      bytea NOT NULL CHECK (length(point_mac) = 32),
  point_kind     text NOT NULL CHECK (point_kind IN ('mobile', 'home', 'related')),
  party          text NOT NULL CHECK (party IN ('debtor', 'joint', 'guarantor', 'contact')),
  debt           text NOT NULL,
  direction      text NOT NULL DEFAULT 'outbound' CHECK (direction IN ('outbound', 'inbound')),
  channel        text NOT NULL,
  call_kind      text NOT NULL CHECK (call_kind IN ('notify', 'interactive')),
  agent_ref      text,
  script_id      text,
  script_version integer,
  caller_number  text,
  reason         text,
  requested_at   timestamptz NOT NULL,
  expires_at     timestamptz NOT NULL,
  state          text NOT NULL CHECK (state IN ('granted', 'used', 'recorded', 'unused', 'expired', 'voided')),
  handling       text NOT NULL CHECK (handling IN ('dial_token', 'reveal_once', 'own')),
  dialed_at      timestamptz,
  closed_at      timestamptz,
  void_reason    text,
  void_logged_at timestamptz,
  result         text,
  counts         integer NOT NULL,
  is_failed      boolean NOT NULL DEFAULT false,
  is_exempt      boolean NOT NULL DEFAULT false,
  identity       text CHECK (identity IN ('match', 'no_match')),
  policy         text,
  rulebook       text,
  consents       text[] NOT NULL DEFAULT '{}',
  repeat_key     text,
  request_sha256 bytea CHECK (length(request_sha256) = 32),
  FOREIGN KEY (contract_id, vendor_id) REFERENCES casegate.contract (contract_id, vendor_id),
  CHECK ((vendor_id IS NULL) = (handling = 'own')),
  CHECK ((state = 'granted') = (closed_at IS NULL))
);
CREATE INDEX contact_of_debtor ON casegate.contact (person_mac, requested_at);
CREATE INDEX contact_of_vendor ON casegate.contact (vendor_id, contract_id, requested_at, contact_id);
CREATE INDEX contact_open ON casegate.contact (expires_at) WHERE state = 'granted';
CREATE INDEX contact_void_to_log ON casegate.contact (closed_at) WHERE void_reason IS NOT NULL AND void_logged_at IS NULL;
CREATE UNIQUE INDEX contact_repeated ON casegate.contact (vendor_id, contract_id, repeat_key) WHERE repeat_key IS NOT NULL;

-- Refused wishes: what reports count, and what a new pack is tried on.
CREATE TABLE casegate.permit_refusal (
  refusal_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  vendor_id    text NOT NULL,
  contract_id  text NOT NULL,
  case_id      uuid NOT NULL,
  agent_ref    text NOT NULL,
  channel      text NOT NULL,
  point_kind   text NOT NULL,
  requested_at timestamptz NOT NULL,
  codes        text[] NOT NULL,
  call_kind      text NOT NULL CHECK (call_kind IN ('notify', 'interactive')),
  script_id      text NOT NULL,
  script_version integer NOT NULL,
  caller_number  text NOT NULL,
  reason         text,
  FOREIGN KEY (contract_id, vendor_id) REFERENCES casegate.contract (contract_id, vendor_id)
);
CREATE INDEX permit_refusal_in_order ON casegate.permit_refusal (vendor_id, contract_id, requested_at);
CREATE INDEX permit_refusal_of_case ON casegate.permit_refusal (case_id, requested_at);

-- Numbers handed out on one day in Asia/Shanghai: by an agent, and by all of a vendor (agent '').
CREATE TABLE casegate.reveal_use (
  vendor_id   text NOT NULL,
  contract_id text NOT NULL,
  day         date NOT NULL,
  agent_ref   text NOT NULL,
  used        integer NOT NULL,
  PRIMARY KEY (vendor_id, contract_id, day, agent_ref),
  FOREIGN KEY (contract_id, vendor_id) REFERENCES casegate.contract (contract_id, vendor_id)
);
-- By what a debtor does not want to be reached; no vendor can take it back.
CREATE TABLE casegate.channel_refusal (
  person_mac bytea NOT NULL CHECK (length(person_mac) = 32),
  channel    text NOT NULL,
  refused_at timestamptz NOT NULL,
  PRIMARY KEY (person_mac, channel)
);
-- Tries at the last four digits: three a case and day.
CREATE TABLE casegate.identity_try (
  case_id uuid NOT NULL,
  day     date NOT NULL,
  tries   integer NOT NULL,
  PRIMARY KEY (case_id, day)
);

-- Every law pack that was ever proposed, by the digest of its meaning, and when which was in force.
CREATE TABLE casegate.pack_text (
  digest    text PRIMARY KEY CHECK (digest ~ '^[0-9a-f]{64}$'),
  pack_id   text NOT NULL,
  version   text NOT NULL,
  file      text NOT NULL,
  document  text NOT NULL,
  -- what the company had set for what the rules leave to it
  parameters jsonb NOT NULL,
  stored_at timestamptz NOT NULL
);
CREATE TABLE casegate.pack_activation (
  activation_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  pack_id       text NOT NULL,
  digest        text NOT NULL REFERENCES casegate.pack_text,
  effective_at  timestamptz NOT NULL,
  proposal_id   uuid NOT NULL REFERENCES casegate.proposal,
  activated_by  text NOT NULL,
  activated_at  timestamptz NOT NULL,
  ended_at      timestamptz CHECK (ended_at >= effective_at),
  ended_by      text,
  end_proposal  uuid REFERENCES casegate.proposal,
  CHECK ((ended_at IS NULL) = (ended_by IS NULL))
);
"""

VENDOR_OWNED = (
    "contact",
    "permit_refusal",
    "reveal_use",
    "point_state",
    "identity_try",
    "channel_refusal",
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
