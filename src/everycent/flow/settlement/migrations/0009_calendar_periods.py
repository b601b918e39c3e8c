"""Periods of a business's own calendars, as its model's tables say them: what a statement's period is can be proven.

Safe before deploy. Before: no calendar has its periods in a table. After: each run keeps those of its model.
"""

from alembic import op

revision = "settlement_0009"
down_revision = "settlement_0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE settlement.calendar_period (
            tenant text NOT NULL,
            model text NOT NULL,
            calendar text NOT NULL,
            period text NOT NULL,
            first_on date NOT NULL,
            last_on date NOT NULL,
            PRIMARY KEY (tenant, model, period),
            CHECK (first_on <= last_on)
        );
        CREATE INDEX statement_of_period ON settlement.statement (tenant, model, period);
        """
    )


def downgrade() -> None:
    op.execute(
        """
        DO $$ BEGIN
            IF EXISTS (SELECT FROM settlement.calendar_period) THEN
                RAISE EXCEPTION 'statements go by a calendar from a table, which an older program does not know';
            END IF;
        END $$;
        DROP INDEX settlement.statement_of_period;
        DROP TABLE settlement.calendar_period;
        """
    )
