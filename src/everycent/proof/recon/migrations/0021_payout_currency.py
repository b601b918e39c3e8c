"""What parts of payouts are in, where that is not their scenario's currency.

Safe before deploy: a new table; runs from before have no rows here, and list no digest of them.
"""

from alembic import op

revision = "recon_0021"
down_revision = "recon_0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE recon.payout_currency (
            tenant text NOT NULL,
            model text NOT NULL,
            run_id uuid NOT NULL,
            part_no bigint NOT NULL CHECK (part_no > 0),
            currency text NOT NULL,
            PRIMARY KEY (tenant, model, run_id, part_no),
            FOREIGN KEY (tenant, model, run_id, part_no) REFERENCES recon.payout_part
        );
        CREATE INDEX payout_part_paid ON recon.payout_part (tenant, model, run_id, paid_key);
        """
    )


def downgrade() -> None:
    op.execute("DROP TABLE recon.payout_currency; DROP INDEX recon.payout_part_paid")
