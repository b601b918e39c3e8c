"""An instruction's seal: who is paid, and into which account, is not to be altered unseen.

Safe after deploy. Before: instructions without a seal. After: each has the seal of what it holds.
"""

from alembic import op

revision = "payments_0002"
down_revision = "payments_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        ALTER TABLE payments.instruction ADD COLUMN seal uuid;
        UPDATE payments.instruction AS t SET seal = md5((to_jsonb(t) - 'seal')::text)::uuid;
        ALTER TABLE payments.instruction ALTER COLUMN seal SET NOT NULL;
        """
    )


def downgrade() -> None:
    op.execute("ALTER TABLE payments.instruction DROP COLUMN seal")
