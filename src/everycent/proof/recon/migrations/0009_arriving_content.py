"""A file that arrives is read once: what was read of it is kept beside it.

Safe before deploy: a new column, empty.
"""

from alembic import op

revision = "recon_0009"
down_revision = "recon_0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE recon.arriving_file ADD COLUMN content_hash text")


def downgrade() -> None:
    op.execute("ALTER TABLE recon.arriving_file DROP COLUMN content_hash")
