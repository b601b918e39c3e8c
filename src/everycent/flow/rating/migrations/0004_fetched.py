"""Values fetched from outside, and what each batch's factors were read from."""

from alembic import op

revision = "rating_0004"
down_revision = "rating_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE rating.fetched (
            tenant text NOT NULL,
            model text NOT NULL,
            gathering text NOT NULL,             -- what it was gathered for: a batch, by its content
            factor text NOT NULL,
            key jsonb NOT NULL,                  -- the key columns' values
            value text,                          -- money in minor units
            why text,                            -- why there is no value
            source text NOT NULL,                -- the environment variable that names it; no address
            asked text NOT NULL,                 -- hash of what was asked of it, the address included
            fetched_at timestamptz NOT NULL,
            PRIMARY KEY (tenant, model, gathering, factor, key),
            CHECK ((value IS NULL) = (why IS NOT NULL))
        );
        CREATE INDEX fetched_lately ON rating.fetched (tenant, model, factor, asked, fetched_at)
            WHERE value IS NOT NULL;
        CREATE TABLE rating.batch_source (
            tenant text NOT NULL,
            model text NOT NULL,
            batch_no bigint NOT NULL,
            tables jsonb NOT NULL,               -- attached table -> SHA-256 of its content
            gathering text,                      -- of rating.fetched; null: nothing was looked up outside
            PRIMARY KEY (tenant, model, batch_no)
        );
        """
    )


def downgrade() -> None:
    op.execute("DROP TABLE rating.batch_source, rating.fetched")
