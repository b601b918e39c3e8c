"""What banks call what they booked of an instruction, so that what is booked once more is seen.

Safe before deploy. Before: a payment that is booked once more under another reference is taken for a repetition. After:
it waits for a person; of what was read before, references are known once it is read again.
"""

from alembic import op

revision = "payments_0012"
down_revision = "payments_0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE payments.bank_booking (
            tenant text NOT NULL,
            model text NOT NULL,
            instruction_id uuid NOT NULL,
            move text NOT NULL,
            source text NOT NULL,
            reference text NOT NULL,
            recorded_at timestamptz NOT NULL,
            PRIMARY KEY (tenant, instruction_id, move, source, reference),
            FOREIGN KEY (tenant, model, instruction_id) REFERENCES payments.instruction
        )
        """
    )


def downgrade() -> None:
    op.execute("DROP TABLE payments.bank_booking")
