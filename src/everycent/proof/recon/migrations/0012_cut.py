"""Day cuts of reconciliations, and the rows that are open at each: the next cut takes them in.

Safe before deploy: runs of scenarios without `carry` have no rows here, and list no digest of these tables.
"""

from alembic import op

revision = "recon_0012"
down_revision = "recon_0011"
branch_labels = None
depends_on = None

_RUN = """
            tenant text NOT NULL,
            model text NOT NULL,
            run_id uuid NOT NULL,
"""


def upgrade() -> None:
    op.execute(
        f"""
        CREATE TABLE recon.cut ({_RUN}
            scenario text NOT NULL,
            day date NOT NULL,
            before_run_id text,                  -- of the cut before; null: this is the first
            through_batch bigint NOT NULL,
            PRIMARY KEY (tenant, model, run_id),
            FOREIGN KEY (tenant, model, run_id) REFERENCES recon.run
        );
        CREATE INDEX ON recon.cut (tenant, model, scenario, day);
        CREATE TABLE recon.carried ({_RUN}
            carried_no bigint NOT NULL CHECK (carried_no > 0),
            side text NOT NULL CHECK (side IN ('left', 'right')),
            source_file text,
            source_line bigint,
            key text NOT NULL,
            amount_minor bigint NOT NULL,
            status text,
            currency text,
            occurred_on date,
            reference text,
            counterparty text,
            "group" text,
            fee_minor bigint,
            kind text,
            opened_on date NOT NULL,
            age_days bigint NOT NULL CHECK (age_days >= 0),
            PRIMARY KEY (tenant, model, run_id, carried_no),
            FOREIGN KEY (tenant, model, run_id) REFERENCES recon.cut
        );
        """
    )


def downgrade() -> None:
    op.execute("DROP TABLE recon.carried, recon.cut")
