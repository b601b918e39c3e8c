"""What contracts say of their statements: when silence confirms, what becomes of a negative balance, invoices."""

from alembic import op

revision = "parties_0004"
down_revision = "parties_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        ALTER TABLE parties.contract
            ADD COLUMN silent_days integer CHECK (silent_days >= 0),
            ADD COLUMN negative text CHECK (negative IN ('collect', 'carry')),
            ADD COLUMN invoice text CHECK (invoice IN ('before_payment', 'none'))
        """
    )


def downgrade() -> None:
    op.execute("ALTER TABLE parties.contract DROP COLUMN silent_days, DROP COLUMN negative, DROP COLUMN invoice")
