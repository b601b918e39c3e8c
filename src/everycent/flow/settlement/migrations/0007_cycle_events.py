"""Events that end periods of statements.

Safe after deploy. Before: periods end by the calendar. After: those of a cycle `until ...` end when an event comes.
"""

from alembic import op

revision = "settlement_0007"
down_revision = "settlement_0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE settlement.cycle_event (
            tenant text NOT NULL,
            model text NOT NULL,
            event_id text NOT NULL,
            kind text NOT NULL,
            party_id text NOT NULL,
            occurred_on date NOT NULL,  -- the last day of the period that it ends
            given_by text NOT NULL CHECK (trim(given_by) <> ''),
            why text,
            refusal text,  -- of an event that ended nothing
            message text,
            recorded_at timestamptz NOT NULL,
            PRIMARY KEY (tenant, model, event_id)
        );
        CREATE UNIQUE INDEX cycle_event_end ON settlement.cycle_event (tenant, model, party_id, occurred_on)
            WHERE refusal IS NULL;
        """
    )


def downgrade() -> None:
    op.execute(
        """
        DO $$ BEGIN
            IF EXISTS (SELECT FROM settlement.cycle_event) THEN
                RAISE EXCEPTION 'periods were ended by events, which an older program does not know';
            END IF;
        END $$;
        DROP TABLE settlement.cycle_event;
        """
    )
