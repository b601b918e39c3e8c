"""Accounts and the transfers between them."""

from alembic import op

revision = "ledger_0001"
down_revision = None
branch_labels = ("ledger",)
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE SCHEMA ledger;
        CREATE TABLE ledger.transfer (
            tenant text NOT NULL,
            model text NOT NULL,
            batch_no bigint,
            transfer_id uuid NOT NULL,
            booked_on date NOT NULL,
            debit_account text NOT NULL,
            credit_account text NOT NULL CHECK (credit_account <> debit_account),
            amount_minor numeric(38, 0) NOT NULL CHECK (amount_minor > 0),
            currency text NOT NULL,
            cause text NOT NULL,
            PRIMARY KEY (tenant, model, transfer_id)
        );
        CREATE TABLE ledger.account (
            tenant text NOT NULL,
            model text NOT NULL,
            account text NOT NULL,
            currency text NOT NULL,
            debits_minor numeric(38, 0) NOT NULL CHECK (debits_minor >= 0),
            credits_minor numeric(38, 0) NOT NULL CHECK (credits_minor >= 0),
            PRIMARY KEY (tenant, model, account, currency)
        );
        """
    )


def downgrade() -> None:
    op.execute("DROP SCHEMA ledger CASCADE")
