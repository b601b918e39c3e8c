"""What is cleared in strict order: charges that wait, records with their numbers, obligations."""

from alembic import op

revision = "clearing_0002"
down_revision = "clearing_0001"
branch_labels = None
depends_on = None


_TABLES = """
CREATE TABLE clearing.waiting_charge (
    tenant text NOT NULL,
    model text NOT NULL,
    record_id uuid NOT NULL,
    charge text NOT NULL,
    rule text NOT NULL,
    amount_minor bigint NOT NULL,
    currency text NOT NULL,
    debtor text,
    creditor text,
    booked_on date NOT NULL,
    refund_of uuid,
    batch_no bigint NOT NULL,
    seal uuid NOT NULL,
    PRIMARY KEY (tenant, model, record_id, charge)
);
CREATE TABLE clearing.sequenced_record (
    tenant text NOT NULL,
    model text NOT NULL,
    record_id uuid NOT NULL,
    kind text NOT NULL,
    occurred_at timestamptz NOT NULL,
    booked_on date NOT NULL,
    sequence_no bigint NOT NULL,
    generation integer NOT NULL,
    batch_no bigint NOT NULL,
    seal uuid NOT NULL,
    PRIMARY KEY (tenant, model, generation, sequence_no),
    UNIQUE (tenant, model, record_id, generation)
);
CREATE TABLE clearing.ordered_obligation (
    tenant text NOT NULL,
    model text NOT NULL,
    record_id uuid NOT NULL,
    charge text NOT NULL,
    bearer smallint NOT NULL,
    debtor text NOT NULL,
    creditor text NOT NULL,
    amount_minor bigint NOT NULL,
    currency text NOT NULL,
    legal_entity text NOT NULL,
    booked_on date NOT NULL,
    refund_of uuid,
    debtor_statement text,
    creditor_statement text,
    total_before_minor bigint,
    total_after_minor bigint,
    budget text,
    pot text,
    period text,
    leaf text,
    adjusts boolean NOT NULL,
    sequence_no bigint NOT NULL,
    generation integer NOT NULL,
    batch_no bigint NOT NULL,
    seal uuid NOT NULL
);
-- Beside what stands in closed statements, a charge's bearer may have adjustments, each on a later day.
CREATE INDEX ordered_obligation_record ON clearing.ordered_obligation (tenant, model, record_id);
CREATE INDEX ordered_obligation_refund_of ON clearing.ordered_obligation (tenant, model, refund_of)
    WHERE refund_of IS NOT NULL;
"""


def upgrade() -> None:
    op.execute(_TABLES)


def downgrade() -> None:
    op.execute("DROP TABLE clearing.waiting_charge, clearing.sequenced_record, clearing.ordered_obligation")
