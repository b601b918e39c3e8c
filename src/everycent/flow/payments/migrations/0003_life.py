"""The life of an instruction: what moved it, what its results reopened, and the stop button.

Safe after deploy. Before: instructions are waiting, created or filed. After: they are so still, in flight, with no
move; those whose seal was right have a right one, of what they hold now.
"""

from alembic import op

revision = "payments_0003"
down_revision = "payments_0002"
branch_labels = None
depends_on = None


_TABLES = """
    CREATE TABLE payments.instruction_move (
        tenant text NOT NULL,
        model text NOT NULL,
        instruction_id uuid NOT NULL,
        move_no bigint NOT NULL,
        move text NOT NULL,
        came text NOT NULL CHECK (came IN ('moved', 'noted', 'contradicted')),
        from_state text NOT NULL,
        to_state text NOT NULL,
        booking text NOT NULL,
        finding text,
        cause text NOT NULL,
        who text NOT NULL,
        why text,
        recorded_at timestamptz NOT NULL,
        seal uuid NOT NULL,
        PRIMARY KEY (tenant, model, instruction_id, move_no),
        FOREIGN KEY (tenant, model, instruction_id) REFERENCES payments.instruction
    );

    -- sides of statements that an instruction was to pay, and did not: they are instructed anew
    CREATE TABLE payments.reopened_statement (
        tenant text NOT NULL,
        model text NOT NULL,
        statement_id text NOT NULL,
        side text NOT NULL,
        amount_minor numeric(38, 0) NOT NULL,
        instruction_id uuid NOT NULL,
        as_of date NOT NULL,
        PRIMARY KEY (tenant, model, instruction_id, statement_id, side),
        FOREIGN KEY (tenant, model, instruction_id) REFERENCES payments.instruction
    );
    CREATE INDEX reopened_statement_by_side ON payments.reopened_statement (tenant, model, statement_id, side);

    CREATE TABLE payments.stop (
        tenant text NOT NULL,
        stop_no bigint NOT NULL,
        channel text,
        stopped_by text NOT NULL,
        why text NOT NULL,
        recorded_at timestamptz NOT NULL,
        lifted_by text,
        lifted_at timestamptz,
        PRIMARY KEY (tenant, stop_no),
        CHECK ((lifted_by IS NULL) = (lifted_at IS NULL))
    );
"""


def upgrade() -> None:
    op.execute(
        """
        ALTER TABLE payments.instruction
            DROP CONSTRAINT instruction_state_check,
            DROP CONSTRAINT instruction_check,
            DROP CONSTRAINT instruction_check1,
            DROP CONSTRAINT instruction_check2,
            DROP CONSTRAINT instruction_check3,
            ADD COLUMN booking text NOT NULL DEFAULT 'in_flight' CHECK (booking IN ('in_flight', 'paid', 'back')),
            ADD COLUMN finding text,
            ADD COLUMN proposed_by text,
            ADD COLUMN released_by text,
            ADD COLUMN moves bigint NOT NULL DEFAULT 0,
            ADD CHECK (state IN ('waiting', 'created', 'approved', 'filed', 'submitted', 'processing', 'unknown',
                'parked', 'succeeded', 'failed', 'returned')),
            ADD CHECK (state <> 'waiting' OR account IS NULL),
            ADD CHECK (state NOT IN ('created', 'approved', 'filed', 'submitted', 'processing', 'unknown')
                OR account IS NOT NULL),
            ADD CHECK (state <> 'waiting' OR reason IS NOT NULL),
            ADD CHECK (state <> 'filed' OR file IS NOT NULL),
            ADD CHECK (file IS NULL OR filed_as_of IS NOT NULL),
            ADD CHECK (state NOT IN ('waiting', 'created', 'approved', 'submitted') OR file IS NULL),
            ADD CHECK ((state = 'parked') = (finding IS NOT NULL));
        UPDATE payments.instruction AS t SET seal = md5((to_jsonb(t) - 'seal')::text)::uuid
        WHERE seal = md5((to_jsonb(t) - 'seal' - 'booking' - 'finding' - 'proposed_by' - 'released_by'
            - 'moves')::text)::uuid;
        CREATE INDEX instruction_by_id ON payments.instruction (tenant, instruction_id);
        CREATE INDEX instruction_open ON payments.instruction (tenant, model, state)
            WHERE state IN ('created', 'approved', 'submitted', 'processing', 'unknown', 'parked');
        """
    )
    op.execute(_TABLES)


def downgrade() -> None:
    op.execute(
        """
        DO $$ BEGIN
            IF EXISTS (SELECT FROM payments.instruction_move) THEN
                RAISE EXCEPTION 'payments have moved on; an older program does not know where they stand';
            END IF;
        END $$;
        DROP TABLE payments.stop, payments.reopened_statement, payments.instruction_move;
        DROP INDEX payments.instruction_open, payments.instruction_by_id;
        ALTER TABLE payments.instruction DROP COLUMN booking, DROP COLUMN finding, DROP COLUMN proposed_by,
            DROP COLUMN released_by, DROP COLUMN moves;
        UPDATE payments.instruction AS t SET seal = md5((to_jsonb(t) - 'seal')::text)::uuid;
        """
    )
