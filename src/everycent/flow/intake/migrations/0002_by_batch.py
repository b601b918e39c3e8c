"""Records by their batch: what came after a batch is found without reading what came before it."""

from alembic import op

revision = "intake_0002"
down_revision = "intake_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE INDEX record_batch ON intake.record (batch_no)")


def downgrade() -> None:
    op.execute("DROP INDEX intake.record_batch")
