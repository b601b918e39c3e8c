"""Payout accounts: sealed numbers, what moved them, and what the verification service answered."""

from alembic import op

revision = "parties_0003"
down_revision = "parties_0002"
branch_labels = None
depends_on = None

_ACCOUNTS = """
    CREATE TABLE parties.payout_account (
        tenant text NOT NULL,
        model text NOT NULL,
        account_id uuid NOT NULL,
        party_id text NOT NULL,
        method text NOT NULL CHECK (method IN ('bank_card', 'alipay', 'wechat')),
        holder text NOT NULL,
        masked text NOT NULL,
        key_id text NOT NULL,
        sealed bytea NOT NULL,
        number_digest bytea NOT NULL,
        state text NOT NULL CHECK (state IN
            ('given', 'confirmed', 'verifying', 'verified', 'refused', 'declined', 'withdrawn')),
        is_change boolean NOT NULL,
        given_by text NOT NULL,
        confirmed_by text CHECK (confirmed_by <> given_by),
        confirmed_at timestamptz,
        usable_on date,
        recorded_at timestamptz NOT NULL,
        arrived_no bigint GENERATED ALWAYS AS IDENTITY,
        PRIMARY KEY (tenant, model, account_id),
        CHECK (NOT is_change OR usable_on IS NULL OR confirmed_by IS NOT NULL),
        CHECK ((state = 'verified') <= (usable_on IS NOT NULL)),
        CHECK (usable_on IS NULL OR state IN ('verified', 'withdrawn'))
    );
    CREATE INDEX ON parties.payout_account (tenant, model, party_id);
    CREATE INDEX ON parties.payout_account (tenant, number_digest);
"""

_MOVES_AND_ANSWERS = """
    CREATE TABLE parties.account_move (
        tenant text NOT NULL,
        model text NOT NULL,
        account_id uuid NOT NULL,
        move_no integer NOT NULL,
        move text NOT NULL,
        from_state text,
        to_state text NOT NULL,
        moved_by text NOT NULL,
        reason text,
        recorded_at timestamptz NOT NULL,
        PRIMARY KEY (tenant, model, account_id, move_no),
        FOREIGN KEY (tenant, model, account_id) REFERENCES parties.payout_account
    );
    -- Call-backs as they came, once each; those that were refused too.
    CREATE TABLE parties.verification_answer (
        tenant text NOT NULL,
        digest text NOT NULL,
        content bytea NOT NULL,
        account_id uuid,
        outcome text NOT NULL CHECK (outcome IN ('taken', 'refused')),
        refusal text,
        reason text,
        recorded_at timestamptz NOT NULL,
        arrived_no bigint GENERATED ALWAYS AS IDENTITY,
        PRIMARY KEY (tenant, digest),
        CHECK ((refusal IS NULL) = (outcome = 'taken'))
    );
"""


def upgrade() -> None:
    op.execute(_ACCOUNTS)
    op.execute(_MOVES_AND_ANSWERS)


def downgrade() -> None:
    op.execute(
        """
        DROP TABLE parties.verification_answer;
        DROP TABLE parties.account_move;
        DROP TABLE parties.payout_account;
        """
    )
