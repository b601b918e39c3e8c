"""Statements of a group of a party's charges alone.

Safe before deploy. Before: all charges of a party stand on one statement of a period. After: those that are in a group
stand on the group's.
"""

from alembic import op

revision = "settlement_0010"
down_revision = "settlement_0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE settlement.statement ADD COLUMN charge_group text NOT NULL DEFAULT ''")


def downgrade() -> None:
    op.execute(
        """
        DO $$ BEGIN
            IF EXISTS (SELECT FROM settlement.statement WHERE charge_group <> '') THEN
                RAISE EXCEPTION 'statements of groups of charges are kept, which an older program does not know';
            END IF;
        END $$;
        ALTER TABLE settlement.statement DROP COLUMN charge_group;
        """
    )
