"""What triggers fired, so that each of it is run once.

Safe before deploy: nothing reads this table yet.
"""

from alembic import op

revision = "recon_0011"
down_revision = "recon_0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE recon.fired (
            tenant text NOT NULL,
            model text NOT NULL,
            scenario text NOT NULL,
            mark text NOT NULL,                  -- the trigger's own name of what it fired
            run_id uuid NOT NULL,                -- the run that came of it
            PRIMARY KEY (tenant, model, scenario, mark),
            FOREIGN KEY (tenant, model, run_id) REFERENCES recon.run
        );
        """
    )


def downgrade() -> None:
    op.execute("DROP TABLE recon.fired")
