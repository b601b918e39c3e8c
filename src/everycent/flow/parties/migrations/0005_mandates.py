"""Mandates: what parties signed so that what they owe may be taken from their accounts.

Safe before deploy. Before: mandates stand in attached tables alone. After: those of verified accounts stand here.
"""

from alembic import op

revision = "parties_0005"
down_revision = "parties_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE parties.mandate (
            tenant text NOT NULL,
            model text NOT NULL,
            account_id uuid NOT NULL,
            signed_on date NOT NULL,
            masked text NOT NULL,
            key_id text NOT NULL,
            sealed bytea NOT NULL,
            given_by text NOT NULL,
            recorded_at timestamptz NOT NULL,
            revoked_on date,
            revoked_by text,
            revoked_why text,
            PRIMARY KEY (tenant, model, account_id, signed_on),
            FOREIGN KEY (tenant, model, account_id) REFERENCES parties.payout_account,
            CHECK (revoked_on >= signed_on),
            CHECK ((revoked_on IS NULL) = (revoked_by IS NULL))
        );
        CREATE UNIQUE INDEX mandate_standing ON parties.mandate (tenant, model, account_id) WHERE revoked_on IS NULL;
        """
    )


def downgrade() -> None:
    op.execute(
        """
        DO $$ BEGIN
            IF EXISTS (SELECT FROM parties.mandate) THEN
                RAISE EXCEPTION 'accounts have mandates, which an older program does not know';
            END IF;
        END $$;
        DROP TABLE parties.mandate;
        """
    )
