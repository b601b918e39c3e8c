"""One transfer between accounts without limits, posted inside of the database: its statements are planned once."""

from alembic import op

revision = "ledger_0004"
down_revision = "ledger_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE FUNCTION ledger.post_one(
            a_tenant text, a_model text, an_id uuid, a_day date, debited text, credited text, amount numeric,
            a_currency text, a_cause text
        ) RETURNS boolean LANGUAGE plpgsql AS $body$
        BEGIN
            INSERT INTO ledger.transfer (tenant, model, transfer_id, booked_on, debit_account, credit_account,
                amount_minor, currency, cause)
            SELECT a_tenant, a_model, an_id, a_day, debited, credited, amount, a_currency, a_cause
            WHERE NOT EXISTS (
                SELECT FROM ledger.account_limit
                WHERE tenant = a_tenant AND model = a_model AND account IN (debited, credited)
                    AND currency = a_currency)
            ON CONFLICT DO NOTHING;
            IF NOT FOUND THEN
                RETURN false;
            END IF;
            -- each session adds to rows of its own (its stripe of the day): none waits for another
            INSERT INTO ledger.account AS held
                (tenant, model, account, currency, booked_on, stripe, debits_minor, credits_minor)
            VALUES
                (a_tenant, a_model, least(debited, credited), a_currency, a_day, 1 + pg_backend_pid() % 256,
                    CASE WHEN debited < credited THEN amount ELSE 0 END,
                    CASE WHEN debited < credited THEN 0 ELSE amount END),
                (a_tenant, a_model, greatest(debited, credited), a_currency, a_day, 1 + pg_backend_pid() % 256,
                    CASE WHEN debited < credited THEN 0 ELSE amount END,
                    CASE WHEN debited < credited THEN amount ELSE 0 END)
            ON CONFLICT (tenant, model, account, currency, booked_on, stripe) DO UPDATE
            SET debits_minor = held.debits_minor + excluded.debits_minor,
                credits_minor = held.credits_minor + excluded.credits_minor;
            RETURN true;
        END
        $body$
        """
    )


def downgrade() -> None:
    op.execute("DROP FUNCTION ledger.post_one")
