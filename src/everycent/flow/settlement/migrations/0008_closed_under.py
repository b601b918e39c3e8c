"""The version of its model under which a statement closed: what it was invoiced with can be compared with it.

Safe before deploy. Before: no statement says it. After: those that close from then on; the verifier compares what was
invoiced earlier with all versions that are kept.
"""

from alembic import op

revision = "settlement_0008"
down_revision = "settlement_0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        ALTER TABLE settlement.statement
            ADD COLUMN closed_under text,  -- a platform.model_version
            ADD CHECK (state <> 'open' OR closed_under IS NULL)
        """
    )


def downgrade() -> None:
    op.execute("ALTER TABLE settlement.statement DROP COLUMN closed_under")
