"""How far sums go that are kept so that history is not added up again."""

from alembic import op

revision = "platform_0007"
down_revision = "platform_0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE platform.kept_sum (
            tenant text NOT NULL,
            model text NOT NULL,
            table_name text NOT NULL,            -- <context>.<table> that has the sums
            through_batch bigint NOT NULL,       -- rows of this batch and earlier ones are in them
            generation integer NOT NULL,         -- as far as they stood when this was the last effective generation
            passed_over bigint NOT NULL,         -- so many later rows were found to have too many sums to keep; 0: none
            PRIMARY KEY (tenant, model, table_name)
        )
        """
    )


def downgrade() -> None:
    op.execute("DROP TABLE platform.kept_sum")
