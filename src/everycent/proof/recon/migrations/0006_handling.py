"""What is done about breaks: attempts to repair them, alerts on their way, files that people attach.

Safe before deploy: new tables alone. Before: none of them. After: they are empty.
"""

from alembic import op

revision = "recon_0006"
down_revision = "recon_0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE recon.repair_attempt (
            tenant text NOT NULL,
            model text NOT NULL,
            break_id uuid NOT NULL,
            attempt_no bigint NOT NULL CHECK (attempt_no > 0),
            rule text NOT NULL,
            run_id uuid NOT NULL,                   -- whose finding is repaired: limits are for each run
            amount_minor numeric(38, 0) NOT NULL CHECK (amount_minor >= 0),
            idempotency_key uuid NOT NULL UNIQUE,   -- what the handler is told; the same for all of its tries
            state text NOT NULL CHECK (state IN ('begun', 'done', 'failed', 'in_doubt')),
            said text,                              -- by the handler
            started_at timestamptz NOT NULL,        -- committed before the handler is called
            finished_at timestamptz,
            PRIMARY KEY (tenant, model, break_id, attempt_no),
            FOREIGN KEY (tenant, model, break_id) REFERENCES recon.standing_break,
            FOREIGN KEY (tenant, model, run_id) REFERENCES recon.run
        );
        CREATE INDEX ON recon.repair_attempt (tenant, model, run_id, rule);
        CREATE TABLE recon.alert (
            tenant text NOT NULL,
            model text NOT NULL,
            alert_id uuid NOT NULL,                 -- what receivers know it by, however often it comes
            scenario text NOT NULL,
            target jsonb NOT NULL,                  -- the words of who is told
            body jsonb NOT NULL,
            tries bigint NOT NULL,
            failure text,                           -- of the last try
            recorded_at timestamptz NOT NULL,
            due_at timestamptz NOT NULL,            -- when it is to be tried next
            delivered_at timestamptz,
            PRIMARY KEY (tenant, model, alert_id)
        );
        CREATE INDEX ON recon.alert (tenant, model, due_at) WHERE delivered_at IS NULL;
        CREATE TABLE recon.attachment (
            tenant text NOT NULL,
            digest text NOT NULL,                   -- SHA-256, in hex
            content bytea NOT NULL,
            PRIMARY KEY (tenant, digest)
        );
        """
    )


def downgrade() -> None:
    op.execute("DROP TABLE recon.attachment; DROP TABLE recon.alert; DROP TABLE recon.repair_attempt")
