"""What stands on statements beside obligations: balances that were carried on, reserves held back and released."""

from alembic import op

revision = "settlement_0004"
down_revision = "settlement_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        ALTER TABLE settlement.statement
            ADD COLUMN agreed text,  -- JSON: the contract it is settled under; null: the model's terms hold
            ADD COLUMN lines_minor numeric(38, 0) NOT NULL DEFAULT 0,
            -- frozen as it closes
            ADD COLUMN carries boolean NOT NULL DEFAULT false,  -- what ends below 0 is taken from the next one
            ADD COLUMN reserve_ratio numeric(9, 8) NOT NULL DEFAULT 0 CHECK (reserve_ratio BETWEEN 0 AND 1),
            ADD COLUMN reserve_days integer NOT NULL DEFAULT 0 CHECK (reserve_days >= 0);
        CREATE TABLE settlement.statement_line (
            tenant text NOT NULL,
            model text NOT NULL,
            line_id uuid NOT NULL,
            statement_id text NOT NULL,
            kind text NOT NULL,
            amount_minor numeric(38, 0) NOT NULL CHECK (amount_minor <> 0),
            other_statement text,
            party_id text NOT NULL,
            currency text NOT NULL,
            legal_entity text NOT NULL,
            as_of date NOT NULL,
            release_on date,
            settled_by uuid,  -- of what is held back: the line that released it
            PRIMARY KEY (tenant, model, line_id),
            FOREIGN KEY (tenant, model, statement_id) REFERENCES settlement.statement,
            CHECK ((kind = 'reserve_held') = (release_on IS NOT NULL))
        );
        CREATE INDEX statement_line_by_statement ON settlement.statement_line (tenant, model, statement_id);
        CREATE INDEX statement_line_held ON settlement.statement_line (tenant, model, release_on)
            WHERE kind = 'reserve_held' AND settled_by IS NULL;
        """
    )


def downgrade() -> None:
    op.execute(
        """
        DROP TABLE settlement.statement_line;
        ALTER TABLE settlement.statement DROP COLUMN agreed, DROP COLUMN lines_minor, DROP COLUMN carries,
            DROP COLUMN reserve_ratio, DROP COLUMN reserve_days
        """
    )
