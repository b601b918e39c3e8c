"""Payment instructions, and what became of each closed statement."""

from alembic import op

revision = "payments_0001"
down_revision = None
branch_labels = ("payments",)
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE SCHEMA payments;
        CREATE TABLE payments.instruction (
            tenant text NOT NULL,
            model text NOT NULL,
            instruction_id uuid NOT NULL,
            party_id text NOT NULL,
            role text NOT NULL,
            legal_entity text NOT NULL,
            currency text NOT NULL,
            direction text NOT NULL CHECK (direction IN ('pay', 'collect')),
            amount_minor numeric(38, 0) NOT NULL CHECK (amount_minor > 0),
            channel text NOT NULL,
            as_of date NOT NULL,
            account text,
            account_name text,
            state text NOT NULL CHECK (state IN ('waiting', 'created', 'filed')),
            reason text,
            file text,
            filed_as_of date,
            PRIMARY KEY (tenant, model, instruction_id),
            CHECK ((state = 'waiting') = (account IS NULL)),
            CHECK ((state = 'waiting') = (reason IS NOT NULL)),
            CHECK ((state = 'filed') = (file IS NOT NULL)),
            CHECK ((file IS NULL) = (filed_as_of IS NULL))
        );
        CREATE TABLE payments.instruction_statement (
            tenant text NOT NULL,
            model text NOT NULL,
            statement_id text NOT NULL,
            side text NOT NULL CHECK (side IN ('net', 'payable', 'receivable')),
            amount_minor numeric(38, 0) NOT NULL,
            outcome text NOT NULL CHECK (outcome IN ('instructed', 'zero', 'carried')),
            instruction_id uuid,
            as_of date NOT NULL,
            PRIMARY KEY (tenant, model, statement_id, side),
            FOREIGN KEY (tenant, model, instruction_id) REFERENCES payments.instruction,
            CHECK ((outcome = 'instructed') = (instruction_id IS NOT NULL))
        );
        CREATE INDEX instruction_statement_by_instruction
            ON payments.instruction_statement (tenant, model, instruction_id);
        """
    )


def downgrade() -> None:
    op.execute("DROP SCHEMA payments CASCADE")
