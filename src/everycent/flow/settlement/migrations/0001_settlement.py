"""Statements, and the first day that is open for booking."""

from alembic import op

revision = "settlement_0001"
down_revision = None
branch_labels = ("settlement",)
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE SCHEMA settlement;
        CREATE TABLE settlement.statement (
            tenant text NOT NULL,
            model text NOT NULL,
            statement_id text NOT NULL,
            party_id text NOT NULL,
            role text NOT NULL,
            period text NOT NULL,
            period_first date NOT NULL,
            period_last date NOT NULL CHECK (period_last >= period_first),
            closes_on date NOT NULL CHECK (closes_on > period_last),
            currency text NOT NULL,
            legal_entity text NOT NULL,
            mode text NOT NULL CHECK (mode IN ('net', 'gross')),
            payable_minor numeric(38, 0) NOT NULL,
            receivable_minor numeric(38, 0) NOT NULL,
            obligations bigint NOT NULL CHECK (obligations >= 0),
            net_minor numeric(38, 0) GENERATED ALWAYS AS (payable_minor - receivable_minor) STORED,
            state text NOT NULL CHECK (state IN ('open', 'closed')),
            closed_as_of date CHECK (closed_as_of >= closes_on),
            PRIMARY KEY (tenant, model, statement_id),
            CHECK ((state = 'closed') = (closed_as_of IS NOT NULL))
        );
        CREATE INDEX statement_due ON settlement.statement (tenant, model, closes_on) WHERE state = 'open';
        CREATE TABLE settlement.book_date (
            tenant text NOT NULL,
            model text NOT NULL,
            open_on date NOT NULL,
            PRIMARY KEY (tenant, model)
        );
        """
    )


def downgrade() -> None:
    op.execute("DROP SCHEMA settlement CASCADE")
