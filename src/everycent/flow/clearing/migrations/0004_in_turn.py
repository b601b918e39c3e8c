"""Charges whose amounts are computed in their turn wait without one."""

from alembic import op

revision = "clearing_0004"
down_revision = "clearing_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE clearing.waiting_charge ALTER COLUMN amount_minor DROP NOT NULL")


def downgrade() -> None:
    op.execute("DELETE FROM clearing.waiting_charge WHERE amount_minor IS NULL")
    op.execute("ALTER TABLE clearing.waiting_charge ALTER COLUMN amount_minor SET NOT NULL")
