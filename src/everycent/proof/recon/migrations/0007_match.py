"""What rules claimed: the rows of each match, what it leaves by cause, and the ways to explain what is not sure.

Safe before deploy: runs without rules have no rows here, and list no digest of these tables.
"""

from alembic import op

revision = "recon_0007"
down_revision = "recon_0006"
branch_labels = None
depends_on = None

_RUN = """
            tenant text NOT NULL,
            model text NOT NULL,
            run_id uuid NOT NULL,
            match_no bigint NOT NULL CHECK (match_no > 0),
"""


def upgrade() -> None:
    op.execute(
        f"""
        CREATE TABLE recon.match ({_RUN}
            rule text NOT NULL,
            label text NOT NULL CHECK (label IN ('unique', 'ambiguous', 'budget_exhausted')),
            side text NOT NULL CHECK (side IN ('left', 'right')),
            row_no bigint NOT NULL CHECK (row_no > 0),
            differing text,
            key text NOT NULL,
            amount_minor numeric(38, 0) NOT NULL,
            currency text,
            status text,
            rows bigint NOT NULL CHECK (rows > 0),
            source_file text,
            source_line bigint,
            PRIMARY KEY (tenant, model, run_id, side, row_no),   -- a row is claimed once
            FOREIGN KEY (tenant, model, run_id) REFERENCES recon.run
        );
        CREATE TABLE recon.match_difference ({_RUN}
            cause text NOT NULL,
            difference_minor numeric(38, 0) NOT NULL CHECK (difference_minor <> 0),
            currency text,
            PRIMARY KEY (tenant, model, run_id, match_no, cause),
            FOREIGN KEY (tenant, model, run_id) REFERENCES recon.run
        );
        CREATE TABLE recon.match_alternative ({_RUN}
            alternative_no bigint NOT NULL CHECK (alternative_no > 0),
            side text NOT NULL CHECK (side IN ('left', 'right')),
            row_no bigint NOT NULL,
            PRIMARY KEY (tenant, model, run_id, match_no, alternative_no, side, row_no),
            FOREIGN KEY (tenant, model, run_id, side, row_no) REFERENCES recon.match
        );
        """
    )


def downgrade() -> None:
    op.execute("DROP TABLE recon.match_alternative, recon.match_difference, recon.match")
