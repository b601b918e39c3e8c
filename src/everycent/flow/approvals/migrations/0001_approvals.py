"""Requests for approval, what was decided, who is in which group, and who lends whom a voice."""

from alembic import op

revision = "approvals_0001"
down_revision = None
branch_labels = ("approvals",)
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE SCHEMA approvals;
        CREATE TABLE approvals.request (
            tenant text NOT NULL,
            model text NOT NULL,
            request_id uuid NOT NULL,
            kind text NOT NULL,
            subject_id text NOT NULL,
            digest text NOT NULL,
            amount_minor numeric(38, 0) NOT NULL CHECK (amount_minor >= 0),
            currency text NOT NULL,
            requested_by text NOT NULL,
            levels jsonb NOT NULL,
            state text NOT NULL CHECK (state IN ('pending', 'approved', 'refused', 'withdrawn', 'expired')),
            recorded_at timestamptz NOT NULL,
            due_at timestamptz CHECK (due_at IS NULL OR state = 'pending'),
            finished_at timestamptz,
            PRIMARY KEY (tenant, model, request_id),
            UNIQUE (tenant, model, kind, subject_id, digest),
            CHECK ((state = 'pending') = (finished_at IS NULL))
        );
        CREATE INDEX request_pending ON approvals.request (tenant, model, due_at) WHERE state = 'pending';
        CREATE TABLE approvals.decision (
            tenant text NOT NULL,
            model text NOT NULL,
            request_id uuid NOT NULL,
            level smallint NOT NULL CHECK (level >= 1),
            person text NOT NULL,
            on_behalf_of text CHECK (on_behalf_of <> person),
            yes boolean NOT NULL, reason text,
            recorded_at timestamptz NOT NULL,
            PRIMARY KEY (tenant, model, request_id, level),
            FOREIGN KEY (tenant, model, request_id) REFERENCES approvals.request
        );
        CREATE TABLE approvals.member (
            tenant text NOT NULL,
            group_name text NOT NULL,
            person text NOT NULL,
            added_by text NOT NULL CHECK (added_by <> person),
            recorded_at timestamptz NOT NULL,
            removed_by text,
            finished_at timestamptz CHECK (finished_at >= recorded_at),
            PRIMARY KEY (tenant, group_name, person, recorded_at),
            CHECK ((removed_by IS NULL) = (finished_at IS NULL))
        );
        CREATE UNIQUE INDEX member_now ON approvals.member (tenant, group_name, person) WHERE finished_at IS NULL;
        CREATE TABLE approvals.delegation (
            tenant text NOT NULL,
            lent_by text NOT NULL,
            lent_to text NOT NULL CHECK (lent_to <> lent_by),
            kinds text[] NOT NULL,
            valid_from date NOT NULL,
            valid_to date NOT NULL CHECK (valid_to >= valid_from),
            recorded_at timestamptz NOT NULL,
            PRIMARY KEY (tenant, lent_by, lent_to, kinds, valid_from, valid_to)
        );
        """
    )


def downgrade() -> None:
    op.execute("DROP SCHEMA approvals CASCADE")
