"""Shares of customers' payments at their wallet are kept, and those of parties booked.

Safe before deploy. Before: a share was asked of the wallet, and nothing of it was kept. After: the same, and what is
asked, what the wallet says, and what of it its parties have stands in tables of its own.
"""

from alembic import op

revision = "payments_0010"
down_revision = "payments_0009"
branch_labels = None
depends_on = None

_TABLES = """
    CREATE TABLE payments.share (
        tenant text NOT NULL,
        model text NOT NULL,
        share_id uuid NOT NULL,
        channel text NOT NULL,
        payment text NOT NULL,
        request text NOT NULL,
        does text NOT NULL CHECK (does IN ('share', 'finish', 'return')),
        paid_minor numeric(38, 0) NOT NULL,
        paid_on date NOT NULL,
        legal_entity text NOT NULL,
        who text NOT NULL,
        recorded_at timestamptz NOT NULL,
        seal uuid NOT NULL,
        PRIMARY KEY (tenant, model, share_id)
    );
    CREATE INDEX share_by_payment ON payments.share (tenant, payment);
    CREATE TABLE payments.share_part (
        tenant text NOT NULL,
        model text NOT NULL,
        share_id uuid NOT NULL,
        receiver text NOT NULL,
        amount_minor numeric(38, 0) NOT NULL CHECK (amount_minor > 0),
        party_id text,
        seal uuid NOT NULL,
        PRIMARY KEY (tenant, model, share_id, receiver),
        FOREIGN KEY (tenant, model, share_id) REFERENCES payments.share
    );
    CREATE TABLE payments.share_move (
        tenant text NOT NULL,
        model text NOT NULL,
        share_id uuid NOT NULL,
        move_no bigint NOT NULL,
        state text NOT NULL CHECK (state IN ('asked', 'accepted', 'paid', 'refused', 'returned')),
        who text NOT NULL,
        as_of date NOT NULL,
        recorded_at timestamptz NOT NULL,
        seal uuid NOT NULL,
        PRIMARY KEY (tenant, model, share_id, move_no),
        FOREIGN KEY (tenant, model, share_id) REFERENCES payments.share
    );
    -- above 0 is owed to the party: it gave back; below, it has so much already
    CREATE TABLE payments.share_entry (
        tenant text NOT NULL,
        model text NOT NULL,
        entry_id uuid NOT NULL,
        share_id uuid NOT NULL,
        receiver text NOT NULL,
        party_id text NOT NULL,
        legal_entity text NOT NULL,
        currency text NOT NULL,
        amount_minor numeric(38, 0) NOT NULL CHECK (amount_minor <> 0),
        as_of date NOT NULL,
        recorded_at timestamptz NOT NULL,
        seal uuid NOT NULL,
        PRIMARY KEY (tenant, model, entry_id),
        FOREIGN KEY (tenant, model, share_id, receiver) REFERENCES payments.share_part
    );
    CREATE INDEX share_entry_by_share ON payments.share_entry (tenant, model, share_id);
"""


def upgrade() -> None:
    op.execute(_TABLES)


def downgrade() -> None:
    op.execute(
        """
        DO $$ BEGIN
            IF EXISTS (SELECT FROM payments.share) THEN
                RAISE EXCEPTION 'shares of payments are kept and booked, which an older program does not know';
            END IF;
        END $$;
        DROP TABLE payments.share_entry, payments.share_move, payments.share_part, payments.share;
        """
    )
