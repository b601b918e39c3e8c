"""Charges, held charges, and the factor values that charges were computed from."""

from alembic import op

revision = "rating_0001"
down_revision = None
branch_labels = ("rating",)
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE SCHEMA rating;
        CREATE TABLE rating.charge (
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
        CREATE TABLE rating.held_charge (
            tenant text NOT NULL,
            model text NOT NULL,
            record_id uuid NOT NULL,
            charge text NOT NULL,
            state text NOT NULL CHECK (state IN ('held', 'quarantined')),
            reason text NOT NULL,
            batch_no bigint NOT NULL,
            seal uuid NOT NULL,
            PRIMARY KEY (tenant, model, record_id, charge)
        );
        CREATE TABLE rating.snapshot (
            tenant text NOT NULL,
            model text NOT NULL,
            record_id uuid NOT NULL,
            body jsonb NOT NULL,
            batch_no bigint NOT NULL,
            seal uuid NOT NULL,
            PRIMARY KEY (tenant, model, record_id)
        );
        """
    )


def downgrade() -> None:
    op.execute("DROP SCHEMA rating CASCADE")
