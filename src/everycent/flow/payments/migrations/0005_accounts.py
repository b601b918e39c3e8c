"""Which payout account an instruction pays to, and the request that is under way for its release.

Safe after deploy. Before: an instruction keeps its account's number alone. After: the same, and new ones to verified
accounts keep the account's id, and its number masked.
"""

from alembic import op

revision = "payments_0005"
down_revision = "payments_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        ALTER TABLE payments.instruction
            ADD COLUMN account_id uuid,
            ADD COLUMN approval_id uuid,
            ADD CHECK (account_id IS NULL OR account IS NOT NULL);
        UPDATE payments.instruction AS t SET seal = md5((to_jsonb(t) - 'seal')::text)::uuid
        WHERE seal = md5((to_jsonb(t) - 'seal' - 'account_id' - 'approval_id')::text)::uuid;
        """
    )


def downgrade() -> None:
    op.execute(
        """
        DO $$ BEGIN
            IF EXISTS (SELECT FROM payments.instruction WHERE account_id IS NOT NULL) THEN
                RAISE EXCEPTION 'the numbers of payout accounts are masked; an older program cannot pay to them';
            END IF;
        END $$;
        ALTER TABLE payments.instruction DROP COLUMN account_id, DROP COLUMN approval_id;
        UPDATE payments.instruction AS t SET seal = md5((to_jsonb(t) - 'seal')::text)::uuid;
        """
    )
