"""Money on account is paid back: what of a receipt goes back to its party, and what did not arrive there.

Safe before deploy. Before: what came in and was for nothing waited to be used. After: the same, and it can go back.
"""

from alembic import op

revision = "payments_0009"
down_revision = "payments_0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE payments.pay_back (
            tenant text NOT NULL,
            model text NOT NULL,
            pay_back_id uuid NOT NULL,
            receipt_id uuid NOT NULL,
            amount_minor numeric(38, 0) NOT NULL CHECK (amount_minor > 0),
            who text NOT NULL,
            why text NOT NULL,
            as_of date NOT NULL,
            recorded_at timestamptz NOT NULL,
            seal uuid NOT NULL,
            PRIMARY KEY (tenant, model, pay_back_id),
            FOREIGN KEY (tenant, model, receipt_id) REFERENCES payments.receipt
        );
        CREATE INDEX pay_back_by_receipt ON payments.pay_back (tenant, model, receipt_id);
        -- its instruction failed or came back: the money is on account again, once
        CREATE TABLE payments.pay_back_undone (
            tenant text NOT NULL,
            model text NOT NULL,
            pay_back_id uuid NOT NULL,
            instruction_id uuid NOT NULL,
            as_of date NOT NULL,
            recorded_at timestamptz NOT NULL,
            seal uuid NOT NULL,
            PRIMARY KEY (tenant, model, pay_back_id),
            FOREIGN KEY (tenant, model, pay_back_id) REFERENCES payments.pay_back,
            FOREIGN KEY (tenant, model, instruction_id) REFERENCES payments.instruction
        );
        """
    )


def downgrade() -> None:
    op.execute(
        """
        DO $$ BEGIN
            IF EXISTS (SELECT FROM payments.pay_back) THEN
                RAISE EXCEPTION 'money is paid back, which an older program does not know';
            END IF;
        END $$;
        DROP TABLE payments.pay_back_undone, payments.pay_back;
        """
    )
