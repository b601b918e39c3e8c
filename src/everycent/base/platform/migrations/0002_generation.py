"""Generations: which of a model's ordered rows are effective."""

from alembic import op

revision = "platform_0002"
down_revision = "platform_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE platform.generation (
            tenant text NOT NULL,
            model text NOT NULL,
            generation integer NOT NULL CHECK (generation > 0),  -- 0 is what was cleared first, and has no row
            starts_at bigint NOT NULL CHECK (starts_at > 0),     -- the first sequence number that it makes anew
            state text NOT NULL CHECK (state IN ('building', 'effective')),
            cause text NOT NULL,
            through_batch bigint NOT NULL,                       -- later batches wait until it is effective
            PRIMARY KEY (tenant, model, generation)
        );
        -- Two rewinds of one model exclude each other.
        CREATE UNIQUE INDEX generation_one_building ON platform.generation (tenant, model) WHERE state = 'building';
        """
    )


def downgrade() -> None:
    op.execute("DROP TABLE platform.generation")
