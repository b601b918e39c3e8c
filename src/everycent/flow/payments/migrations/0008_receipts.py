"""Money that came in and is kept for its party: parts of what it owes, what is too much, what pays several debts.

Safe before deploy. Before: what came in paid a whole instruction, or was listed for a person. After: the same, and
what is kept stands in tables of its own.
"""

from alembic import op

revision = "payments_0008"
down_revision = "payments_0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE payments.receipt (
            tenant text NOT NULL,
            model text NOT NULL,
            receipt_id uuid NOT NULL,
            cause text NOT NULL,
            party_id text NOT NULL,
            legal_entity text NOT NULL,
            currency text NOT NULL,
            amount_minor numeric(38, 0) NOT NULL CHECK (amount_minor > 0),
            text text NOT NULL,
            who text NOT NULL,
            why text,
            as_of date NOT NULL,
            recorded_at timestamptz NOT NULL,
            seal uuid NOT NULL,
            PRIMARY KEY (tenant, model, receipt_id),
            UNIQUE (tenant, cause)
        );
        CREATE INDEX receipt_by_party ON payments.receipt (tenant, model, party_id);
        -- what of a receipt is set aside for an instruction; the instruction's first end settles it
        CREATE TABLE payments.receipt_use (
            tenant text NOT NULL,
            model text NOT NULL,
            receipt_id uuid NOT NULL,
            instruction_id uuid NOT NULL,
            amount_minor numeric(38, 0) NOT NULL CHECK (amount_minor > 0),
            who text NOT NULL,
            why text,
            as_of date NOT NULL,
            recorded_at timestamptz NOT NULL,
            seal uuid NOT NULL,
            PRIMARY KEY (tenant, model, receipt_id, instruction_id),
            FOREIGN KEY (tenant, model, receipt_id) REFERENCES payments.receipt,
            FOREIGN KEY (tenant, model, instruction_id) REFERENCES payments.instruction
        );
        CREATE INDEX receipt_use_by_instruction ON payments.receipt_use (tenant, instruction_id);
        """
    )


def downgrade() -> None:
    op.execute(
        """
        DO $$ BEGIN
            IF EXISTS (SELECT FROM payments.receipt) THEN
                RAISE EXCEPTION 'money is kept on account, which an older program does not know';
            END IF;
        END $$;
        DROP TABLE payments.receipt_use, payments.receipt;
        """
    )
