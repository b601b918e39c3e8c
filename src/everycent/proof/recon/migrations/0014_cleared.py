"""Events that are settled and old are cleared away; how many keys wait is counted, not looked up.

Safe before deploy: a new table, an index of a few pages, and a counter more.
"""

from alembic import op

revision = "recon_0014"
down_revision = "recon_0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE recon.cleared (                       -- up to when a scenario's settled events are gone
            tenant text NOT NULL,
            model text NOT NULL,
            scenario text NOT NULL,
            before timestamptz NOT NULL,
            PRIMARY KEY (tenant, model, scenario)
        );
        CREATE INDEX event_recorded ON recon.event USING brin (recorded_at);
        INSERT INTO recon.event_count (tenant, model, scenario, name, counted)
        SELECT tenant, model, scenario, 'asked', sum(keys) FROM (
            SELECT tenant, model, scenario, count(*) AS keys FROM recon.pending GROUP BY 1, 2, 3
            UNION ALL SELECT tenant, model, scenario, counted FROM recon.event_count WHERE name = 'checked') AS asked
        GROUP BY 1, 2, 3;
        """
    )


def downgrade() -> None:
    op.execute(
        "DROP TABLE recon.cleared; DROP INDEX recon.event_recorded; DELETE FROM recon.event_count WHERE name = 'asked'"
    )
