"""Records, and the rows set aside."""

from alembic import op

revision = "intake_0001"
down_revision = None
branch_labels = ("intake",)
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE SCHEMA intake;
        CREATE TABLE intake.record (
            tenant text NOT NULL,
            model text NOT NULL,
            record_id uuid NOT NULL,
            kind text NOT NULL,
            key text NOT NULL,
            occurred_at timestamptz NOT NULL,
            business_date date NOT NULL,
            booked_on date NOT NULL,
            refund_of uuid,
            amount_minor bigint,
            content_hash uuid NOT NULL,
            source_file text NOT NULL,
            source_line bigint NOT NULL,
            body jsonb NOT NULL,
            batch_no bigint NOT NULL,
            seal uuid NOT NULL,
            PRIMARY KEY (tenant, model, record_id)
        );
        CREATE INDEX record_refund_of ON intake.record (tenant, model, refund_of) WHERE refund_of IS NOT NULL;
        CREATE INDEX record_key ON intake.record (tenant, model, kind, key);
        CREATE TABLE intake.quarantine (
            tenant text NOT NULL,
            model text NOT NULL,
            source_file text NOT NULL,
            source_line bigint NOT NULL,
            outcome text NOT NULL CHECK (outcome IN ('duplicate', 'conflict', 'quarantined')),
            reason text NOT NULL,
            kind text,
            key text,
            record_id uuid,
            raw text NOT NULL,
            batch_no bigint NOT NULL,
            seal uuid NOT NULL,
            PRIMARY KEY (tenant, model, batch_no, source_file, source_line, outcome)
        );
        """
    )


def downgrade() -> None:
    op.execute("DROP SCHEMA intake CASCADE")
