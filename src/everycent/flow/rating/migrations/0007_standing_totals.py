"""Running totals as they stand, kept so that a pass does not read all that moved them again.

Safe after deploy. Before: no totals. After: none; the next pass makes them from what records moved.
"""

from alembic import op

revision = "rating_0007"
down_revision = "rating_0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE rating.standing_total (
            tenant text NOT NULL,
            model text NOT NULL,
            factor text NOT NULL,
            pot text NOT NULL,
            period text NOT NULL,
            total_after bigint NOT NULL,         -- in the last decimal of the factor's type
            quantity_after bigint,               -- of stock
            PRIMARY KEY (tenant, model, factor, pot, period)
        );
        -- What came after a batch is found without reading what came before it.
        CREATE INDEX running_total_batch ON rating.running_total (batch_no);
        """
    )


def downgrade() -> None:
    op.execute("DROP INDEX rating.running_total_batch; DROP TABLE rating.standing_total")
    op.execute("DELETE FROM platform.kept_sum WHERE table_name = 'rating.standing_total'")
