"""Contracts that came as messages, the relation groups that they are with, and what others are told of it."""

from alembic import op

revision = "parties_0002"
down_revision = "parties_0001"
branch_labels = None
depends_on = None

_MESSAGES_AND_RELATIONS = """
    -- Each message once, by what it says (or its bytes, where it says nothing that can be used).
    CREATE TABLE parties.contract_message (
        tenant text NOT NULL,
        model text NOT NULL,
        digest text NOT NULL,
        content bytea NOT NULL,
        contract_no text,
        revision integer,
        outcome text NOT NULL CHECK (outcome IN ('taken', 'changed', 'conflict', 'refused')),
        refusal text,
        reason text,
        recorded_at timestamptz NOT NULL,
        arrived_no bigint GENERATED ALWAYS AS IDENTITY,
        PRIMARY KEY (tenant, model, digest),
        CHECK ((refusal IS NULL) = (outcome IN ('taken', 'changed')))
    );
    CREATE TABLE parties.relation (
        tenant text NOT NULL,
        model text NOT NULL,
        source_system text NOT NULL,
        source_tenant text NOT NULL,
        company text NOT NULL,
        merchant text NOT NULL,
        merchant_type text NOT NULL,
        store text NOT NULL,
        sales_associate text NOT NULL,
        party_id text NOT NULL,
        PRIMARY KEY (
            tenant, model, source_system, source_tenant, company, merchant, merchant_type, store, sales_associate
        )
    );
    CREATE INDEX ON parties.relation (tenant, model, party_id);
    CREATE INDEX ON parties.relation (tenant, model, merchant);
    CREATE INDEX ON parties.relation (tenant, model, company);
    CREATE INDEX ON parties.relation (tenant, model, store) WHERE store <> '';
    CREATE INDEX ON parties.relation (tenant, model, sales_associate) WHERE sales_associate <> '';
"""

_CONTRACTS_AND_EVENTS = """
    -- A row for each revision; one holds from its first day until a later revision begins.
    CREATE TABLE parties.contract (
        tenant text NOT NULL,
        model text NOT NULL,
        source_system text NOT NULL,
        source_tenant text NOT NULL,
        contract_no text NOT NULL,
        revision integer NOT NULL CHECK (revision >= 1),
        party_id text NOT NULL,
        role text NOT NULL,
        key_values text[] NOT NULL,
        valid_from date NOT NULL,
        valid_to date CHECK (valid_to >= valid_from),
        cycle text NOT NULL,
        mode text NOT NULL CHECK (mode IN ('net', 'gross')),
        charges text[] NOT NULL,
        legal_entity text,
        reserve_ratio numeric(9, 8) CHECK (reserve_ratio BETWEEN 0 AND 1),
        reserve_release_after interval,
        minimum_payout_minor jsonb NOT NULL,
        digest text NOT NULL,
        PRIMARY KEY (tenant, model, source_system, source_tenant, contract_no, revision)
    );
    CREATE INDEX ON parties.contract (tenant, model, party_id);
    -- What others are told: a portal, a mailer. Written with what it tells of, read in order.
    CREATE TABLE parties.event (
        tenant text NOT NULL,
        model text NOT NULL,
        event_id uuid NOT NULL,
        kind text NOT NULL,
        party_id text NOT NULL,
        content jsonb NOT NULL,
        recorded_at timestamptz NOT NULL,
        arrived_no bigint GENERATED ALWAYS AS IDENTITY,
        PRIMARY KEY (tenant, model, event_id)
    );
    CREATE INDEX ON parties.event (tenant, model, party_id);
"""


def upgrade() -> None:
    op.execute(_MESSAGES_AND_RELATIONS)
    op.execute(_CONTRACTS_AND_EVENTS)


def downgrade() -> None:
    op.execute(
        """
        DROP TABLE parties.event;
        DROP TABLE parties.contract;
        DROP TABLE parties.relation;
        DROP TABLE parties.contract_message;
        """
    )
