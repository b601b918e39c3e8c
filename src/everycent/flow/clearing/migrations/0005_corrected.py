"""Obligations of corrected charges: those that take back what stood, and those that stand in their place."""

from alembic import op

revision = "clearing_0005"
down_revision = "clearing_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE clearing.corrected_obligation (
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
            total_before_minor bigint,           -- of the pot, when the correction was made
            total_after_minor bigint,
            budget text,
            pot text,
            period text,
            leaf text,
            adjusts boolean NOT NULL,
            sequence_no bigint NOT NULL,         -- 0 where no order decided the charge
            generation integer NOT NULL,
            revision integer NOT NULL CHECK (revision > 0),
            reverses boolean NOT NULL,
            batch_no bigint NOT NULL,
            seal uuid NOT NULL
        );
        -- A bearer's obligations to be taken back may have several creditors, from several corrections.
        CREATE INDEX corrected_obligation_record ON clearing.corrected_obligation (tenant, model, record_id);
        CREATE INDEX corrected_obligation_refund_of ON clearing.corrected_obligation (tenant, model, refund_of)
            WHERE refund_of IS NOT NULL;
        """
    )


def downgrade() -> None:
    op.execute("DROP TABLE clearing.corrected_obligation")
