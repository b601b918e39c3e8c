"""The mandate under which an instruction is collected by direct debit.

Safe after deploy. Before: what is collected names no mandate. After: the same, and direct debits do.
"""

from alembic import op

revision = "payments_0006"
down_revision = "payments_0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        ALTER TABLE payments.instruction
            ADD COLUMN mandate text,
            ADD COLUMN mandate_signed_on date,
            ADD CHECK ((mandate IS NULL) = (mandate_signed_on IS NULL)),
            ADD CHECK (mandate IS NULL OR direction = 'collect');
        UPDATE payments.instruction AS t SET seal = md5((to_jsonb(t) - 'seal')::text)::uuid
        WHERE seal = md5((to_jsonb(t) - 'seal' - 'mandate' - 'mandate_signed_on')::text)::uuid;
        """
    )


def downgrade() -> None:
    op.execute(
        """
        DO $$ BEGIN
            IF EXISTS (SELECT FROM payments.instruction WHERE mandate IS NOT NULL) THEN
                RAISE EXCEPTION 'there are direct debits, which an older program does not know';
            END IF;
        END $$;
        ALTER TABLE payments.instruction DROP COLUMN mandate, DROP COLUMN mandate_signed_on;
        UPDATE payments.instruction AS t SET seal = md5((to_jsonb(t) - 'seal')::text)::uuid;
        """
    )
