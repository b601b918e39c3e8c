"""Reconciliation runs, their totals, and what they found."""

from alembic import op

revision = "recon_0001"
down_revision = None
branch_labels = ("recon",)
depends_on = None

_FINDINGS = """
            tenant text NOT NULL,
            model text NOT NULL,
            run_id uuid NOT NULL,
            finding_no bigint NOT NULL CHECK (finding_no > 0),
            key text NOT NULL,
            bucket text NOT NULL,
            cause text NOT NULL,
            left_amount_minor numeric(38, 0),
            right_amount_minor numeric(38, 0),
            difference_minor numeric(38, 0) NOT NULL,
            left_status text,
            right_status text,
            left_rows bigint NOT NULL,
            right_rows bigint NOT NULL,
            left_file text,
            left_line bigint,
            right_file text,
            right_line bigint,
            PRIMARY KEY (tenant, model, run_id, finding_no),
            FOREIGN KEY (tenant, model, run_id) REFERENCES recon.run,
            CHECK (difference_minor = coalesce(left_amount_minor, 0) - coalesce(right_amount_minor, 0))
"""


def upgrade() -> None:
    op.execute(
        f"""
        CREATE SCHEMA IF NOT EXISTS recon;
        CREATE TABLE recon.run (
            tenant text NOT NULL,
            model text NOT NULL,
            run_id uuid NOT NULL,                -- from the scenario, how it compares, and both sides' content
            scenario text NOT NULL,
            run_no bigint NOT NULL CHECK (run_no > 0),     -- 1, 2, ... within the scenario: the highest is the newest
            currency text NOT NULL,
            tolerance_minor numeric(38, 0) NOT NULL CHECK (tolerance_minor >= 0),
            left_rows bigint NOT NULL,           -- these four are added from the raw sides, not from the buckets
            right_rows bigint NOT NULL,
            left_minor numeric(38, 0) NOT NULL,
            right_minor numeric(38, 0) NOT NULL,
            difference_minor numeric(38, 0) NOT NULL CHECK (difference_minor = left_minor - right_minor),
            left_not_taken bigint NOT NULL,       -- rows that do not take part, by `when`
            right_not_taken bigint NOT NULL,
            PRIMARY KEY (tenant, model, run_id),
            UNIQUE (tenant, model, scenario, run_no)
        );
        CREATE TABLE recon.total (
            tenant text NOT NULL,
            model text NOT NULL,
            run_id uuid NOT NULL,
            bucket text NOT NULL,
            keys bigint NOT NULL,
            left_rows bigint NOT NULL,
            right_rows bigint NOT NULL,
            left_minor numeric(38, 0) NOT NULL,
            right_minor numeric(38, 0) NOT NULL,
            difference_minor numeric(38, 0) NOT NULL,
            PRIMARY KEY (tenant, model, run_id, bucket),
            FOREIGN KEY (tenant, model, run_id) REFERENCES recon.run
        );
        CREATE TABLE recon.break ({_FINDINGS});
        CREATE TABLE recon.write_off ({_FINDINGS});
        CREATE TABLE recon.refused (
            tenant text NOT NULL,
            model text NOT NULL,
            run_id uuid NOT NULL,
            side text NOT NULL CHECK (side IN ('left', 'right')),
            source_file text NOT NULL,
            source_line bigint NOT NULL,
            reason text NOT NULL,
            PRIMARY KEY (tenant, model, run_id, side, source_file, source_line),
            FOREIGN KEY (tenant, model, run_id) REFERENCES recon.run
        );
        """
    )


def downgrade() -> None:
    op.execute("DROP SCHEMA recon CASCADE")
