"""The life of closed statements: what each waits for, frozen on it, from when it may be paid, and each of its moves."""

from alembic import op

revision = "settlement_0002"
down_revision = "settlement_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        DO $$
        DECLARE known text;
        BEGIN
            FOR known IN SELECT conname FROM pg_constraint WHERE conrelid = 'settlement.statement'::regclass
                AND contype = 'c' AND pg_get_constraintdef(oid) LIKE '%(state = %'
            LOOP
                EXECUTE format('ALTER TABLE settlement.statement DROP CONSTRAINT %I', known);
            END LOOP;
        END $$;
        ALTER TABLE settlement.statement
            ADD COLUMN confirms boolean NOT NULL DEFAULT false,  -- its party is asked
            ADD COLUMN silent_days integer CHECK (silent_days >= 0),  -- then its silence confirms it; null: never
            ADD COLUMN confirm_by date,  -- until then its party may dispute it
            ADD COLUMN approve jsonb,  -- the levels that have to say yes; null: nobody has to
            ADD COLUMN approval_id uuid,  -- the request that is under way for it, or was approved
            ADD COLUMN rounds integer NOT NULL DEFAULT 0 CHECK (rounds >= 0),  -- how often a dispute was resolved
            ADD COLUMN released_as_of date,  -- the business day from which it may be paid
            ADD COLUMN moves integer NOT NULL DEFAULT 0;
        UPDATE settlement.statement SET released_as_of = closed_as_of, moves = 1 WHERE state = 'closed';
        ALTER TABLE settlement.statement
            ADD CHECK (state IN ('open', 'closed', 'disputed', 'confirmed', 'approved')),
            ADD CHECK ((state = 'open') = (closed_as_of IS NULL)),
            ADD CHECK (released_as_of IS NULL OR (released_as_of >= closed_as_of AND CASE
                WHEN approve IS NOT NULL THEN state = 'approved'
                WHEN confirms THEN state = 'confirmed'
                ELSE state = 'closed' END));
        CREATE INDEX statement_silent ON settlement.statement (tenant, model, confirm_by)
            WHERE state = 'closed' AND confirm_by IS NOT NULL;
        CREATE TABLE settlement.statement_move (
            tenant text NOT NULL,
            model text NOT NULL,
            statement_id text NOT NULL,
            move_no integer NOT NULL CHECK (move_no >= 1),
            move text NOT NULL,
            from_state text NOT NULL,
            to_state text NOT NULL,
            person text NOT NULL,
            reason text,
            as_of date NOT NULL,
            recorded_at timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (tenant, model, statement_id, move_no)
        );
        INSERT INTO settlement.statement_move (tenant, model, statement_id, move_no, move, from_state, to_state, person,
            as_of)
        SELECT tenant, model, statement_id, 1, 'close', 'open', 'closed', 'everycent', closed_as_of
        FROM settlement.statement WHERE state = 'closed';
        """
    )


def downgrade() -> None:
    op.execute("DROP TABLE settlement.statement_move")
