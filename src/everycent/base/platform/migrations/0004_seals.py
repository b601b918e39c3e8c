"""Seals of model versions and of batches with their lists of parts: what everything rests on is not altered unseen.

Safe after deploy. Before: rows without a seal. After: each has the seal of what it holds.
"""

from alembic import op

revision = "platform_0004"
down_revision = "platform_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        ALTER TABLE platform.model_version ADD COLUMN seal uuid;
        UPDATE platform.model_version AS t SET seal = md5((to_jsonb(t) - 'seal')::text)::uuid;
        ALTER TABLE platform.model_version ALTER COLUMN seal SET NOT NULL;
        ALTER TABLE platform.batch ADD COLUMN seal uuid;     -- of the row and of its parts; set once these are there
        UPDATE platform.batch AS t SET seal = md5((to_jsonb(t) - 'seal')::text || coalesce((
            SELECT string_agg(to_jsonb(p)::text, '' ORDER BY p.table_name COLLATE "C", p.part_no)
            FROM platform.batch_part AS p WHERE p.batch_no = t.batch_no), ''))::uuid;
        """
    )


def downgrade() -> None:
    op.execute("ALTER TABLE platform.batch DROP COLUMN seal; ALTER TABLE platform.model_version DROP COLUMN seal")
