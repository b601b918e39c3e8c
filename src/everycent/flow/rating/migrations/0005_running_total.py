"""What each record moved of running totals and stocks, in strict order, in generations."""

from alembic import op

revision = "rating_0005"
down_revision = "rating_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE rating.running_total (
            tenant text NOT NULL,
            model text NOT NULL,
            record_id uuid NOT NULL,
            factor text NOT NULL,
            pot text NOT NULL,
            period text NOT NULL,
            refund_of uuid,
            amount bigint NOT NULL,
            total_after bigint NOT NULL,
            quantity bigint,
            quantity_after bigint,
            sequence_no bigint NOT NULL,
            generation integer NOT NULL,
            batch_no bigint NOT NULL,
            seal uuid NOT NULL,
            PRIMARY KEY (tenant, model, record_id, factor, generation)
        );
        CREATE INDEX running_total_refund_of ON rating.running_total (tenant, model, refund_of)
            WHERE refund_of IS NOT NULL;
        """
    )


def downgrade() -> None:
    op.execute("DROP TABLE rating.running_total")
