"""Vouchers for an accounting system, and what became of them.

Safe before deploy. Before: nothing of what is booked is in a voucher. After: the same, until vouchers are made.
"""

from alembic import op

revision = "ledger_0005"
down_revision = "ledger_0004"
branch_labels = None
depends_on = None


_VOUCHERS = """
    -- the postings of a day that vouchers were made of: above one number, up to another
    CREATE TABLE ledger.voucher_pass (
        tenant text NOT NULL,
        model text NOT NULL,
        booked_on date NOT NULL,
        supplement integer NOT NULL CHECK (supplement >= 0),
        after_no bigint NOT NULL,
        through_no bigint NOT NULL CHECK (through_no > after_no),
        entries text NOT NULL CHECK (entries IN ('summed', 'each')),
        made_by text NOT NULL,
        made_at timestamptz NOT NULL,
        PRIMARY KEY (tenant, model, booked_on, supplement)
    );
    CREATE TABLE ledger.voucher (
        tenant text NOT NULL,
        model text NOT NULL,
        legal_entity text NOT NULL,
        voucher_no bigint NOT NULL CHECK (voucher_no > 0),
        revision integer NOT NULL CHECK (revision > 0),
        voucher_id uuid NOT NULL UNIQUE,
        chain_no bigint NOT NULL CHECK (chain_no > 0),
        booked_on date NOT NULL,
        supplement integer NOT NULL,
        currency text NOT NULL,
        total_minor numeric(38, 0) NOT NULL CHECK (total_minor > 0),
        entries integer NOT NULL CHECK (entries > 0),
        content text NOT NULL,
        digest text NOT NULL,
        previous text NOT NULL,
        chained text NOT NULL,
        state text NOT NULL,
        way text CHECK (way IN ('rest', 'files')),
        number text,
        reason text,
        moves integer NOT NULL DEFAULT 0,
        PRIMARY KEY (tenant, model, legal_entity, voucher_no, revision),
        UNIQUE (tenant, model, legal_entity, chain_no),
        FOREIGN KEY (tenant, model, booked_on, supplement) REFERENCES ledger.voucher_pass,
        CHECK ((state IN ('made', 'replaced', 'disputed')) OR way IS NOT NULL)
    );
"""
_MOVES = """
    -- whatever its revision, a number is accepted once
    CREATE UNIQUE INDEX voucher_accepted ON ledger.voucher (tenant, model, legal_entity, voucher_no)
        WHERE state = 'accepted';
    CREATE TABLE ledger.voucher_move (
        tenant text NOT NULL,
        model text NOT NULL,
        voucher_id uuid NOT NULL REFERENCES ledger.voucher (voucher_id),
        move_no integer NOT NULL CHECK (move_no > 0),
        move text NOT NULL,
        came text NOT NULL,
        from_state text NOT NULL,
        to_state text NOT NULL,
        number text,
        reason text,
        who text NOT NULL,
        moved_at timestamptz NOT NULL,
        PRIMARY KEY (voucher_id, move_no)
    );
"""


def upgrade() -> None:
    op.execute(_VOUCHERS)
    op.execute(_MOVES)


def downgrade() -> None:
    op.execute(
        """
        DO $$ BEGIN
            IF EXISTS (SELECT FROM ledger.voucher_pass) THEN
                RAISE EXCEPTION 'vouchers were made, which an older program would make again';
            END IF;
        END $$;
        DROP TABLE ledger.voucher_move;
        DROP TABLE ledger.voucher;
        DROP TABLE ledger.voucher_pass;
        """
    )
