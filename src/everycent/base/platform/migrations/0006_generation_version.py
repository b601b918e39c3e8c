"""A generation's model version; a generation that was begun and is not gone on with is abandoned.

Safe before deploy. Before: generations that say nothing of their version, and rows whose seal covers what there was.
After: each has the version that its last batch was committed with, and, where its seal was right, the seal of what it
holds. One that is being built and has nothing yet has no version: any may go on with it.
"""

from alembic import op

revision = "platform_0006"
down_revision = "platform_0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        ALTER TABLE platform.generation
            ADD COLUMN model_version text,
            DROP CONSTRAINT generation_state_check,
            ADD CONSTRAINT generation_state_check CHECK (state IN ('building', 'effective', 'abandoned'));
        WITH made AS (
            SELECT tenant, model, generation, (
                SELECT b.model_version FROM platform.batch AS b
                WHERE b.tenant = g.tenant AND b.model = g.model AND b.kind = '(in order)'
                    AND (b.content_hash = 'generation ' || g.generation OR g.state = 'building')
                    AND b.batch_no > g.through_batch
                ORDER BY b.batch_no DESC LIMIT 1) AS model_version
            FROM platform.generation AS g)
        UPDATE platform.generation AS t SET model_version = made.model_version,
            seal = CASE WHEN seal = md5((to_jsonb(t) - 'seal' - 'model_version')::text)::uuid THEN
                md5((to_jsonb(t) - 'seal' || jsonb_build_object('model_version', made.model_version))::text)::uuid
                ELSE seal END
        FROM made WHERE made.tenant = t.tenant AND made.model = t.model AND made.generation = t.generation;
        """
    )


def downgrade() -> None:
    op.execute(
        """
        UPDATE platform.generation AS t SET seal = md5((to_jsonb(t) - 'seal' - 'model_version')::text)::uuid
        WHERE seal = md5((to_jsonb(t) - 'seal')::text)::uuid;
        ALTER TABLE platform.generation
            DROP COLUMN model_version,
            DROP CONSTRAINT generation_state_check,
            ADD CONSTRAINT generation_state_check CHECK (state IN ('building', 'effective')) NOT VALID;
        """
    )
