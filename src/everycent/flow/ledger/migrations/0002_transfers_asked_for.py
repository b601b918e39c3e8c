"""Transfers that are asked for: pending ones, limits, and totals of a day that many can add to without waiting."""

from alembic import op

revision = "ledger_0002"
down_revision = "ledger_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        ALTER TABLE ledger.transfer
            ADD COLUMN kind text NOT NULL DEFAULT 'posted'
                CHECK (kind IN ('posted', 'pending', 'post_pending', 'void_pending')),
            ADD COLUMN settles uuid,
            ADD COLUMN recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            ADD COLUMN posting_no bigint GENERATED ALWAYS AS IDENTITY,
            ADD CHECK ((settles IS NOT NULL) = (kind IN ('post_pending', 'void_pending')));
        -- a pending transfer is settled once
        CREATE UNIQUE INDEX transfer_settles ON ledger.transfer (tenant, model, settles) WHERE settles IS NOT NULL;

        ALTER TABLE ledger.account RENAME TO account_before;
        CREATE TABLE ledger.account (
            tenant text NOT NULL,
            model text NOT NULL,
            account text NOT NULL,
            currency text NOT NULL,
            booked_on date NOT NULL,
            stripe smallint NOT NULL DEFAULT 0,
            debits_minor numeric(38, 0) NOT NULL CHECK (debits_minor >= 0),
            credits_minor numeric(38, 0) NOT NULL CHECK (credits_minor >= 0),
            debits_pending_minor numeric(38, 0) NOT NULL DEFAULT 0,
            credits_pending_minor numeric(38, 0) NOT NULL DEFAULT 0,
            PRIMARY KEY (tenant, model, account, currency, booked_on, stripe)
        ) WITH (fillfactor = 70);
        INSERT INTO ledger.account (tenant, model, account, currency, booked_on, debits_minor, credits_minor)
        SELECT tenant, model, account, currency, booked_on, sum(debits), sum(credits)
        FROM (
            SELECT tenant, model, debit_account AS account, currency, booked_on, amount_minor AS debits, 0 AS credits
            FROM ledger.transfer
            UNION ALL
            SELECT tenant, model, credit_account, currency, booked_on, 0, amount_minor FROM ledger.transfer
        ) AS moved
        GROUP BY tenant, model, account, currency, booked_on;
        DROP TABLE ledger.account_before;

        -- whoever moves money of a limited account locks its row, so these wait for each other and nobody else
        CREATE TABLE ledger.account_limit (
            tenant text NOT NULL,
            model text NOT NULL,
            account text NOT NULL,
            currency text NOT NULL,
            least_minor numeric(38, 0),
            most_minor numeric(38, 0),
            debits_minor numeric(38, 0) NOT NULL,
            credits_minor numeric(38, 0) NOT NULL,
            debits_pending_minor numeric(38, 0) NOT NULL,
            credits_pending_minor numeric(38, 0) NOT NULL,
            PRIMARY KEY (tenant, model, account, currency)
        ) WITH (fillfactor = 50);
        """
    )


def downgrade() -> None:
    op.execute(
        """
        DROP TABLE ledger.account_limit;
        DELETE FROM ledger.transfer WHERE kind <> 'posted';
        ALTER TABLE ledger.transfer DROP COLUMN kind, DROP COLUMN settles, DROP COLUMN recorded_at,
            DROP COLUMN posting_no;
        CREATE TABLE ledger.account_before (
            tenant text NOT NULL,
            model text NOT NULL,
            account text NOT NULL,
            currency text NOT NULL,
            debits_minor numeric(38, 0) NOT NULL CHECK (debits_minor >= 0),
            credits_minor numeric(38, 0) NOT NULL CHECK (credits_minor >= 0),
            PRIMARY KEY (tenant, model, account, currency)
        );
        INSERT INTO ledger.account_before
        SELECT tenant, model, account, currency, sum(debits_minor), sum(credits_minor)
        FROM ledger.account GROUP BY 1, 2, 3, 4;
        DROP TABLE ledger.account;
        ALTER TABLE ledger.account_before RENAME TO account;
        """
    )
