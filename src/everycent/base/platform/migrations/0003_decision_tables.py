"""Decision tables are kept with the version whose rules they are, so that what they decided can be explained."""

from alembic import op

revision = "platform_0003"
down_revision = "platform_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        # name -> text of each file; versions that were stored before have none
        "ALTER TABLE platform.model_version ADD COLUMN decision_tables jsonb NOT NULL DEFAULT '{}'"
    )


def downgrade() -> None:
    op.execute("ALTER TABLE platform.model_version DROP COLUMN decision_tables")
