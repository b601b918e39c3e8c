"""What a run writes off, as entries, is kept with it: two accounts, one amount, and the cause; and what payouts are
made of, order by order, so that an order is found in the line of the bank that paid it.

Safe before deploy: new tables; runs from before have no rows here, and list no digest of them.
"""

from alembic import op

revision = "recon_0016"
down_revision = "recon_0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE recon.entry (
            tenant text NOT NULL,
            model text NOT NULL,
            run_id uuid NOT NULL,
            entry_no bigint NOT NULL CHECK (entry_no > 0),
            cause text NOT NULL,
            key text NOT NULL,
            match_no bigint CHECK (match_no > 0),          -- null: of pass one
            debit_account text NOT NULL,
            credit_account text NOT NULL CHECK (credit_account <> debit_account),
            amount_minor numeric(38, 0) NOT NULL CHECK (amount_minor > 0),
            currency text NOT NULL,
            PRIMARY KEY (tenant, model, run_id, entry_no),
            FOREIGN KEY (tenant, model, run_id) REFERENCES recon.run
        );
        CREATE TABLE recon.payout_part (
            tenant text NOT NULL,
            model text NOT NULL,
            run_id uuid NOT NULL,
            part_no bigint NOT NULL CHECK (part_no > 0),
            payout text,                                    -- null: of a payment that several or none make up
            paid_key text,                                  -- null: not paid
            paid_minor numeric(38, 0),
            part text NOT NULL,
            "order" text,                                   -- null: of no order
            rows bigint NOT NULL,
            amount_minor numeric(38, 0) NOT NULL,
            PRIMARY KEY (tenant, model, run_id, part_no),
            FOREIGN KEY (tenant, model, run_id) REFERENCES recon.run
        );
        CREATE INDEX payout_part_order ON recon.payout_part (tenant, model, "order" text_pattern_ops);
        """
    )


def downgrade() -> None:
    op.execute("DROP TABLE recon.payout_part, recon.entry")
