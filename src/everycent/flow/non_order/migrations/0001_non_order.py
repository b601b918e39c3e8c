"""Charges that no order causes.

Safe before deploy. Before: nothing. After: an empty table.
"""

from alembic import op

revision = "non_order_0001"
down_revision = None
branch_labels = ("non_order",)
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE SCHEMA non_order;
        CREATE TABLE non_order.charge (
            tenant text NOT NULL,
            model text NOT NULL,
            charge_id uuid NOT NULL,
            source text NOT NULL,
            reference text NOT NULL,
            kind text NOT NULL,
            account text NOT NULL,  -- the kind in whose account of the ledger it stands
            party_id text NOT NULL,
            role text NOT NULL,
            legal_entity text NOT NULL,
            direction text NOT NULL CHECK (direction IN ('collect', 'pay')),
            settled_by text NOT NULL CHECK (settled_by IN ('instruction', 'statement')),
            amount_minor bigint NOT NULL CHECK (amount_minor > 0),
            currency text NOT NULL,
            occurred_on date NOT NULL,
            reason text NOT NULL,
            given_by text NOT NULL,
            approval_id uuid,  -- the request that was made for it; null: nobody had to say yes
            state text NOT NULL CHECK (state IN ('asked', 'booked', 'declined')),
            booked_on date CHECK (booked_on >= occurred_on),
            declined_why text,
            recorded_at timestamptz NOT NULL,
            seal uuid NOT NULL,
            PRIMARY KEY (tenant, model, charge_id),
            UNIQUE (tenant, model, source, reference),
            CHECK ((state = 'booked') = (booked_on IS NOT NULL)),
            CHECK ((state = 'declined') = (declined_why IS NOT NULL))
        );
        CREATE INDEX charge_by_party ON non_order.charge (tenant, model, party_id, account);
        """
    )


def downgrade() -> None:
    op.execute("DROP SCHEMA non_order CASCADE")
