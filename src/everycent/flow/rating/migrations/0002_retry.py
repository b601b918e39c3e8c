"""Held charges rated again: what became of them, from which values, and when the next try is due."""

from alembic import op

revision = "rating_0002"
down_revision = "rating_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE rating.retry (
            tenant text NOT NULL,
            model text NOT NULL,
            record_id uuid NOT NULL,
            charge text NOT NULL,
            attempt integer NOT NULL CHECK (attempt > 1),
            outcome text NOT NULL CHECK (outcome IN ('charged', 'not_charged', 'held', 'quarantined')),
            reason text CHECK ((reason IS NULL) = (outcome IN ('charged', 'not_charged'))),
            batch_no bigint NOT NULL,
            seal uuid NOT NULL,
            PRIMARY KEY (tenant, model, record_id, charge, attempt)
        );
        CREATE TABLE rating.retry_snapshot (
            tenant text NOT NULL,
            model text NOT NULL,
            record_id uuid NOT NULL,
            attempt integer NOT NULL CHECK (attempt > 1),
            body jsonb NOT NULL,
            batch_no bigint NOT NULL,
            seal uuid NOT NULL,
            PRIMARY KEY (tenant, model, record_id, attempt)
        );
        CREATE TABLE rating.retry_schedule (
            tenant text NOT NULL,
            model text NOT NULL,
            configuration text NOT NULL,         -- hash of what the parked charges were rated with last
            attempts integer NOT NULL,           -- tries since it changed
            next_try_at timestamptz NOT NULL,
            PRIMARY KEY (tenant, model)
        );
        """
    )


def downgrade() -> None:
    op.execute("DROP TABLE rating.retry_schedule, rating.retry_snapshot, rating.retry")
