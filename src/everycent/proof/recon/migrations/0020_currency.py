"""What breaks and write-offs are in, and what buckets hold of each currency, where a run has rows in others than its
scenario's.

Safe before deploy: new tables, and a column that is null of what was there; runs from before have no rows here, and
list no digest of them.
"""

from alembic import op

revision = "recon_0020"
down_revision = "recon_0019"
branch_labels = None
depends_on = None

#: A finding has a row here where it is not in the scenario's currency alone.
_OF_FINDINGS = """
    CREATE TABLE recon.{finding}_currency (
        tenant text NOT NULL,
        model text NOT NULL,
        run_id uuid NOT NULL,
        finding_no bigint NOT NULL CHECK (finding_no > 0),
        left_currency text,                             -- null: no row on that side, or rows in several
        right_currency text,
        left_amounts text,                              -- in several: minor units by currency, as a JSON object
        right_amounts text,
        PRIMARY KEY (tenant, model, run_id, finding_no),
        FOREIGN KEY (tenant, model, run_id) REFERENCES recon.run,
        CHECK (num_nonnulls(left_currency, left_amounts) <= 1 AND num_nonnulls(right_currency, right_amounts) <= 1
            AND num_nonnulls(left_currency, left_amounts, right_currency, right_amounts) > 0)
    );
"""


def upgrade() -> None:
    for finding in ("break", "write_off"):
        op.execute(_OF_FINDINGS.format(finding=finding))
    op.execute(
        """
        CREATE TABLE recon.total_currency (
            tenant text NOT NULL,
            model text NOT NULL,
            run_id uuid NOT NULL,
            bucket text NOT NULL,
            currency text NOT NULL,
            left_rows bigint NOT NULL CHECK (left_rows >= 0),
            right_rows bigint NOT NULL CHECK (right_rows >= 0),
            left_minor numeric(38, 0) NOT NULL,
            right_minor numeric(38, 0) NOT NULL,
            difference_minor numeric(38, 0) NOT NULL,
            PRIMARY KEY (tenant, model, run_id, bucket, currency),
            FOREIGN KEY (tenant, model, run_id) REFERENCES recon.run
        );
        ALTER TABLE recon.repair_attempt ADD COLUMN currency text;  -- null: the run's
        """
    )


def downgrade() -> None:
    op.execute(
        """ALTER TABLE recon.repair_attempt DROP COLUMN currency;
        DROP TABLE recon.total_currency, recon.write_off_currency, recon.break_currency"""
    )
