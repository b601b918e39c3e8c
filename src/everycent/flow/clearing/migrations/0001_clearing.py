"""Obligations: what one party owes another."""

from alembic import op

revision = "clearing_0001"
down_revision = None
branch_labels = ("clearing",)
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE SCHEMA clearing;
        CREATE TABLE clearing.obligation (
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
            batch_no bigint NOT NULL,
            seal uuid NOT NULL,
            PRIMARY KEY (tenant, model, record_id, charge, bearer)
        );
        -- What was given back of a record so far.
        CREATE INDEX obligation_refund_of ON clearing.obligation (tenant, model, refund_of) WHERE refund_of IS NOT NULL;
        """
    )


def downgrade() -> None:
    op.execute("DROP SCHEMA clearing CASCADE")
