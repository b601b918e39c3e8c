"""Charges, and charges held, that were made in strict order, in generations."""

from alembic import op

revision = "rating_0003"
down_revision = "rating_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE rating.ordered_charge (
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
            sequence_no bigint NOT NULL,
            generation integer NOT NULL,
            batch_no bigint NOT NULL,
            seal uuid NOT NULL,
            PRIMARY KEY (tenant, model, record_id, charge, generation)
        );
        CREATE TABLE rating.ordered_held_charge (
            tenant text NOT NULL,
            model text NOT NULL,
            record_id uuid NOT NULL,
            charge text NOT NULL,
            state text NOT NULL CHECK (state IN ('held', 'refused', 'quarantined')),
            reason text NOT NULL,
            sequence_no bigint NOT NULL,
            generation integer NOT NULL,
            batch_no bigint NOT NULL,
            seal uuid NOT NULL,
            PRIMARY KEY (tenant, model, record_id, charge, generation)
        );
        """
    )


def downgrade() -> None:
    op.execute("DROP TABLE rating.ordered_charge, rating.ordered_held_charge")
