"""What each leaf of each pot has carried, kept so that a pass does not add all obligations up again.

Safe after deploy. Before: no sums. After: none; the next pass makes them from the obligations.
"""

from alembic import op

revision = "clearing_0006"
down_revision = "clearing_0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE clearing.accumulator (
            tenant text NOT NULL,
            model text NOT NULL,
            budget text NOT NULL,
            pot text NOT NULL,
            period text NOT NULL,
            bearer text NOT NULL,
            total_minor bigint NOT NULL,
            PRIMARY KEY (tenant, model, budget, pot, period, bearer)
        );
        -- What came after a batch is found without reading what came before it.
        CREATE INDEX ordered_obligation_batch ON clearing.ordered_obligation (batch_no);
        """
    )


def downgrade() -> None:
    op.execute("DROP INDEX clearing.ordered_obligation_batch; DROP TABLE clearing.accumulator")
    op.execute("DELETE FROM platform.kept_sum WHERE table_name = 'clearing.accumulator'")
