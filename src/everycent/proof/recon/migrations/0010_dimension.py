"""Both sides of a reconciliation in total, by the columns that its scenario names.

Safe before deploy: runs that are not added up have no rows here, and list no digest of the table.
"""

from alembic import op

revision = "recon_0010"
down_revision = "recon_0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE recon.dimension (
            tenant text NOT NULL,
            model text NOT NULL,
            run_id uuid NOT NULL,
            dimension_no bigint NOT NULL CHECK (dimension_no > 0),
            dimension text NOT NULL,
            left_rows bigint NOT NULL,
            right_rows bigint NOT NULL,
            left_minor numeric(38, 0) NOT NULL,
            right_minor numeric(38, 0) NOT NULL,
            difference_minor numeric(38, 0) NOT NULL,
            detail_minor numeric(38, 0),         -- null: compared in total alone
            apart_minor numeric(38, 0) NOT NULL,
            limit_minor numeric(38, 0) CHECK (limit_minor >= 0),
            PRIMARY KEY (tenant, model, run_id, dimension_no),
            FOREIGN KEY (tenant, model, run_id) REFERENCES recon.run
        );
        """
    )


def downgrade() -> None:
    op.execute("DROP TABLE recon.dimension")
