"""The ends of payments: the day of each, the events that tell source systems of them, and statements that know them.

Safe after deploy. Before: an instruction at its end does not say since when, and no statement is settled. After: each
has the day on which its end was booked, and what is paid, or settled without payment, is settled on its statements.
"""

from alembic import op

revision = "payments_0004"
down_revision = "payments_0003"
branch_labels = None
depends_on = ("settlement_0005",)


_EVENTS = """
    -- what source systems are told: written with what it tells of, numbered in the order of its commits
    CREATE TABLE payments.event (
        tenant text NOT NULL,
        model text NOT NULL,
        event_no bigint NOT NULL,
        event_id uuid NOT NULL,
        kind text NOT NULL,
        instruction_id uuid NOT NULL,
        content jsonb NOT NULL,
        recorded_at timestamptz NOT NULL,
        PRIMARY KEY (tenant, event_no),
        UNIQUE (tenant, event_id),
        FOREIGN KEY (tenant, model, instruction_id) REFERENCES payments.instruction
    );
"""

_SETTLED = """
    WITH side AS (
        SELECT o.tenant, o.model, o.statement_id, o.side, coalesce(i.ended_as_of, o.as_of) AS as_of,
            CASE o.outcome WHEN 'zero' THEN 'settled without payment'
                ELSE 'payment ' || o.instruction_id || ' succeeded' END AS why,
            CASE o.outcome WHEN 'zero' THEN 'without payment'
                ELSE 'payment ' || o.instruction_id || ', move ' || i.moves END AS cause,
            row_number() OVER (PARTITION BY o.tenant, o.model, o.statement_id ORDER BY o.side) AS place
        FROM payments.instruction_statement AS o
            LEFT JOIN payments.instruction AS i USING (tenant, model, instruction_id)
        WHERE o.outcome = 'zero' OR i.booking = 'paid'),
    gathered AS (
        SELECT tenant, model, statement_id, array_agg(side ORDER BY side) AS sides, max(as_of) AS as_of,
            count(*) AS moves
        FROM side GROUP BY tenant, model, statement_id),
    moved AS (
        UPDATE settlement.statement AS held
        SET settled_sides = g.sides, moves = held.moves + g.moves, settled_as_of = CASE
            WHEN cardinality(g.sides) = CASE held.mode WHEN 'net' THEN 1 ELSE 2 END THEN g.as_of END
        FROM gathered AS g
        WHERE held.tenant = g.tenant AND held.model = g.model AND held.statement_id = g.statement_id
        RETURNING held.tenant, held.model, held.statement_id, held.state, held.moves - g.moves AS moves_before)
    INSERT INTO settlement.statement_move (tenant, model, statement_id, move_no, move, from_state, to_state, person,
        reason, as_of, side, cause)
    SELECT tenant, model, statement_id, moves_before + place, 'settle', state, state, 'everycent', why, as_of, side,
        cause
    FROM side JOIN moved USING (tenant, model, statement_id)
"""


def upgrade() -> None:
    op.execute(
        """
        ALTER TABLE payments.instruction ADD COLUMN ended_as_of date;
        UPDATE payments.instruction AS t SET seal = md5((to_jsonb(t) - 'seal')::text)::uuid
        WHERE seal = md5((to_jsonb(t) - 'seal' - 'ended_as_of')::text)::uuid;
        WITH ended AS (
            SELECT t.tenant, t.instruction_id, max(m.recorded_at)::date AS day
            FROM payments.instruction AS t JOIN payments.instruction_move AS m USING (tenant, model, instruction_id)
            WHERE t.state IN ('succeeded', 'failed', 'returned') AND m.came = 'moved'
                AND t.seal = md5((to_jsonb(t) - 'seal')::text)::uuid
            GROUP BY t.tenant, t.instruction_id)
        UPDATE payments.instruction AS t
        SET ended_as_of = ended.day, seal = md5(((to_jsonb(t) - 'seal')
            || jsonb_build_object('ended_as_of', ended.day))::text)::uuid
        FROM ended WHERE t.tenant = ended.tenant AND t.instruction_id = ended.instruction_id;
        """
    )
    op.execute(_EVENTS)
    op.execute(_SETTLED)


def downgrade() -> None:
    op.execute(
        """
        DROP TABLE payments.event;
        ALTER TABLE payments.instruction DROP COLUMN ended_as_of;
        UPDATE payments.instruction AS t SET seal = md5((to_jsonb(t) - 'seal')::text)::uuid;
        """
    )
