"""Reconciliations as jobs: cut into shards, done by workers; schedules and files that arrive.

Safe before deploy: new tables only.
"""

from alembic import op

revision = "recon_0004"
down_revision = "recon_0003"
branch_labels = None
depends_on = None

_JOBS = """
        CREATE TABLE recon.job (
            tenant text NOT NULL,
            job_no bigint GENERATED ALWAYS AS IDENTITY,
            model text NOT NULL,
            scenario text NOT NULL,
            occasion text NOT NULL,              -- why it is there; one job for each
            day date,                            -- the business day that it reconciles
            asks jsonb NOT NULL,                 -- what its loader has to know
            state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'paused', 'done', 'failed', 'cancelled')),
            shards integer CHECK (shards > 0),   -- as asked, then as cut
            compares text,                       -- hash of how it compares, once the sides are loaded
            run_id uuid,                         -- what came of it
            run_no bigint,
            changed boolean,                     -- false: the same sides had been compared before
            error text,
            asked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            finished_at timestamptz,
            PRIMARY KEY (tenant, job_no),
            UNIQUE (tenant, model, scenario, occasion),
            CHECK ((state = 'done') = (run_id IS NOT NULL)),
            CHECK ((state = 'failed') = (error IS NOT NULL))
        );
        CREATE TABLE recon.job_step (
            tenant text NOT NULL,
            job_no bigint NOT NULL,
            step_no integer NOT NULL CHECK (step_no >= 0),
            stage smallint NOT NULL CHECK (stage IN (0, 1, 2)),   -- load, then compare each shard, then gather
            rows bigint NOT NULL DEFAULT 0,      -- of both sides
            given jsonb,                         -- the files that it reads
            begun integer NOT NULL DEFAULT 0,    -- how often; more than once where a worker died
            begun_at timestamptz,
            worker text,
            result jsonb,                        -- null: not done yet
            done_at timestamptz,
            PRIMARY KEY (tenant, job_no, step_no),
            FOREIGN KEY (tenant, job_no) REFERENCES recon.job,
            CHECK ((result IS NULL) = (done_at IS NULL))
        );
        CREATE INDEX ON recon.job_step (tenant, job_no, stage) WHERE result IS NULL;
"""
_OCCASIONS = """
        CREATE TABLE recon.schedule (
            tenant text NOT NULL,
            model text NOT NULL,
            scenario text NOT NULL,
            reached timestamptz NOT NULL,        -- what was due up to then has its job, or was skipped
            PRIMARY KEY (tenant, model, scenario)
        );
        CREATE TABLE recon.arriving_file (
            tenant text NOT NULL,
            model text NOT NULL,
            scenario text NOT NULL,
            path text NOT NULL,
            bytes bigint NOT NULL,
            modified_ns bigint NOT NULL,
            since timestamptz NOT NULL,          -- when it was first seen so
            PRIMARY KEY (tenant, model, scenario, path)
        );
        CREATE TABLE recon.arrived_file (
            tenant text NOT NULL,
            model text NOT NULL,
            scenario text NOT NULL,
            content_hash text NOT NULL,
            path text NOT NULL,
            job_no bigint NOT NULL,
            PRIMARY KEY (tenant, model, scenario, content_hash),
            FOREIGN KEY (tenant, job_no) REFERENCES recon.job
        );
"""


def upgrade() -> None:
    op.execute(_JOBS)
    op.execute(_OCCASIONS)


def downgrade() -> None:
    op.execute("DROP TABLE recon.arrived_file, recon.arriving_file, recon.schedule, recon.job_step, recon.job")
