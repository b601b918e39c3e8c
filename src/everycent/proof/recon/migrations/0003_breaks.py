"""Standing breaks: what runs found, across runs, with the moves of each break's life.

Safe before deploy: new tables alone. Before: none of them. After: they are empty; runs of before are observed
when their sides are compared again.
"""

from alembic import op

revision = "recon_0003"
down_revision = "recon_0002"
branch_labels = None
depends_on = None


_OBSERVATION = """
    CREATE TABLE recon.observation (
        tenant text NOT NULL,
        model text NOT NULL,
        scenario text NOT NULL,
        observation_no bigint NOT NULL CHECK (observation_no > 0),
        run_id uuid NOT NULL,
        currency text NOT NULL,
        handling jsonb NOT NULL,                -- the words that hold from then on
        recorded_at timestamptz NOT NULL,
        seal uuid NOT NULL,
        PRIMARY KEY (tenant, model, scenario, observation_no),
        FOREIGN KEY (tenant, model, run_id) REFERENCES recon.run
    );
"""

_STANDING_BREAK = """
    CREATE TABLE recon.standing_break (
        tenant text NOT NULL,
        model text NOT NULL,
        break_id uuid NOT NULL,                 -- from scenario, kind, key and occurrence: the same in every run
        scenario text NOT NULL,
        kind text NOT NULL,
        key text NOT NULL,
        occurrence bigint NOT NULL CHECK (occurrence > 0),  -- of several findings of one kind and key
        state text NOT NULL,
        reason text,                            -- why it is closed
        owner text,
        first_run_id uuid NOT NULL,
        run_id uuid NOT NULL,                   -- the last observed run that found it, and where in it
        finding_no bigint NOT NULL,
        rechecks bigint NOT NULL,               -- looks that found it again, since it was found
        repairs bigint NOT NULL,                -- attempts to repair it, ever
        moves bigint NOT NULL CHECK (moves > 0),
        found_at timestamptz NOT NULL,
        moved_at timestamptz NOT NULL,
        due_at timestamptz,                     -- when it is to be looked at again
        PRIMARY KEY (tenant, model, break_id),
        UNIQUE (tenant, model, scenario, kind, key, occurrence),
        FOREIGN KEY (tenant, model, first_run_id) REFERENCES recon.run,
        FOREIGN KEY (tenant, model, run_id, finding_no) REFERENCES recon.break,
        CHECK ((state = 'closed') = (reason IS NOT NULL))
    );
    CREATE INDEX ON recon.standing_break (tenant, model, scenario) WHERE state <> 'closed';
"""

_MOVE = """
    CREATE TABLE recon.move (
        tenant text NOT NULL,
        model text NOT NULL,
        break_id uuid NOT NULL,
        move_no bigint NOT NULL CHECK (move_no > 0),
        move text NOT NULL,
        from_state text,                        -- null: it was found
        to_state text NOT NULL,
        reason text,                            -- why it is closed, where it was
        who text NOT NULL,
        why text,
        detail jsonb,
        run_id uuid,                            -- the run that moved it, where one did
        recorded_at timestamptz NOT NULL,
        seal uuid NOT NULL,
        PRIMARY KEY (tenant, model, break_id, move_no),
        FOREIGN KEY (tenant, model, break_id) REFERENCES recon.standing_break
    );
"""


def upgrade() -> None:
    op.execute(_OBSERVATION + _STANDING_BREAK + _MOVE)


def downgrade() -> None:
    op.execute("DROP TABLE recon.move; DROP TABLE recon.standing_break; DROP TABLE recon.observation")
