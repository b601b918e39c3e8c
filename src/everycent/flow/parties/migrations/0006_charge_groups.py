"""Contracts that say which charges stand on statements of their own.

Safe before deploy. Before: the model alone says it. After: contracts may, for their parties.
"""

from alembic import op

revision = "parties_0006"
down_revision = "parties_0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE parties.contract ADD COLUMN charge_groups jsonb")


def downgrade() -> None:
    op.execute(
        """
        DO $$ BEGIN
            IF EXISTS (SELECT FROM parties.contract WHERE charge_groups IS NOT NULL) THEN
                RAISE EXCEPTION 'contracts with groups of charges are kept, which an older program does not know';
            END IF;
        END $$;
        ALTER TABLE parties.contract DROP COLUMN charge_groups;
        """
    )
