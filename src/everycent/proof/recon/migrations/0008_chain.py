"""Rows of breaks as they came, and what further checkers found.

Safe before deploy: nothing reads these tables yet. They stand apart from a run's findings, whose digests stay the same.
"""

from alembic import op

revision = "recon_0008"
down_revision = "recon_0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE recon.raw_row (
            tenant text NOT NULL,
            model text NOT NULL,
            run_id uuid NOT NULL,
            side text NOT NULL CHECK (side IN ('left', 'right')),
            source_file text NOT NULL,
            source_line bigint NOT NULL,
            key text NOT NULL,
            raw text NOT NULL,                   -- a JSON object of its columns, as they were loaded
            PRIMARY KEY (tenant, model, run_id, side, source_file, source_line),
            FOREIGN KEY (tenant, model, run_id) REFERENCES recon.run
        );
        CREATE INDEX raw_row_key ON recon.raw_row (tenant, model, run_id, key);
        CREATE TABLE recon.finding (
            tenant text NOT NULL,
            model text NOT NULL,
            run_id uuid NOT NULL,
            checker text NOT NULL,
            finding_no bigint NOT NULL CHECK (finding_no > 0),
            key text NOT NULL,
            kind text NOT NULL,                  -- a name of the checker's, or checker_failed
            reason text NOT NULL,
            left_file text,
            left_line bigint,
            right_file text,
            right_line bigint,
            PRIMARY KEY (tenant, model, run_id, finding_no),
            FOREIGN KEY (tenant, model, run_id) REFERENCES recon.run
        );
        """
    )


def downgrade() -> None:
    op.execute("DROP TABLE recon.finding, recon.raw_row")
