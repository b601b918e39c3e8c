"""Seals of generations: which ordered rows stand is not altered unseen.

Safe after deploy. Before: rows without a seal. After: each has the seal of what it holds.
"""

from alembic import op

revision = "platform_0005"
down_revision = "platform_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        ALTER TABLE platform.generation ADD COLUMN seal uuid;
        UPDATE platform.generation AS t SET seal = md5((to_jsonb(t) - 'seal')::text)::uuid;
        """
    )


def downgrade() -> None:
    op.execute("ALTER TABLE platform.generation DROP COLUMN seal")
