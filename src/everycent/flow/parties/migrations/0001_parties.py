"""The parties found in records."""

from alembic import op

revision = "parties_0001"
down_revision = None
branch_labels = ("parties",)
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE SCHEMA parties;
        CREATE TABLE parties.party (
            tenant text NOT NULL,
            model text NOT NULL,
            party_id text NOT NULL,
            role text NOT NULL,
            party_key text NOT NULL,
            first_batch_no bigint NOT NULL,
            PRIMARY KEY (tenant, model, party_id)
        );
        """
    )


def downgrade() -> None:
    op.execute("DROP SCHEMA parties CASCADE")
