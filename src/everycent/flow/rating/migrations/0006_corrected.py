"""Charges as corrections made them: each takes the place of what stood before, which is kept."""

from alembic import op

revision = "rating_0006"
down_revision = "rating_0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE rating.corrected_charge (
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
            sequence_no bigint NOT NULL,         -- 0 where no order decided the charge
            generation integer NOT NULL,
            revision integer NOT NULL CHECK (revision > 0),
            reverses boolean NOT NULL CHECK (NOT reverses),
            batch_no bigint NOT NULL,
            seal uuid NOT NULL,
            PRIMARY KEY (tenant, model, record_id, charge, revision)
        );
        CREATE INDEX corrected_charge_refund_of ON rating.corrected_charge (tenant, model, refund_of)
            WHERE refund_of IS NOT NULL;
        """
    )


def downgrade() -> None:
    op.execute("DROP TABLE rating.corrected_charge")
