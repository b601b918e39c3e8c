"""Invoices of statements: their lines, where they stand, their numbers; and statements that wait for them.

Safe after deploy. Before: no statement is invoiced. After: those are that close under a model or contract that says so.
"""

from alembic import op

revision = "settlement_0006"
down_revision = "settlement_0005"
branch_labels = None
depends_on = None


_STATEMENTS = """
    ALTER TABLE settlement.statement
        ADD COLUMN invoice_sides smallint NOT NULL DEFAULT 0,  -- for how many of its sides there are invoices
        ADD COLUMN invoice_first boolean NOT NULL DEFAULT false,  -- it is not paid before they are there
        ADD COLUMN uninvoiced smallint NOT NULL DEFAULT 0,  -- how many it still waits for
        ADD CHECK (uninvoiced BETWEEN 0 AND CASE WHEN invoice_first THEN invoice_sides ELSE 0 END),
        ADD CHECK (uninvoiced = 0 OR released_as_of IS NULL)
"""
_INVOICES = """
    CREATE TABLE settlement.invoice_line (
        tenant text NOT NULL,
        model text NOT NULL,
        statement_id text NOT NULL,
        side text NOT NULL CHECK (side IN ('payable', 'receivable')),  -- its party's, its legal entity's
        charge text NOT NULL,
        rate bigint NOT NULL CHECK (rate >= 0),  -- of 100,000,000
        included boolean NOT NULL,
        rounding text NOT NULL,
        net_minor numeric(38, 0) NOT NULL,
        tax_minor numeric(38, 0) NOT NULL,
        PRIMARY KEY (tenant, model, statement_id, side, charge),
        FOREIGN KEY (tenant, model, statement_id) REFERENCES settlement.statement
    );
    CREATE TABLE settlement.invoice (
        tenant text NOT NULL,
        model text NOT NULL,
        statement_id text NOT NULL,
        side text NOT NULL CHECK (side IN ('payable', 'receivable')),
        issue_no integer NOT NULL CHECK (issue_no >= 1),  -- 2 takes the place of 1, which was voided
        issuer text NOT NULL,
        currency text NOT NULL,
        net_minor numeric(38, 0) NOT NULL,
        tax_minor numeric(38, 0) NOT NULL,
        state text NOT NULL CHECK (state IN ('due', 'issued', 'received', 'confirmed', 'voided')),
        number text,
        issued_on date,
        moves integer NOT NULL DEFAULT 0,
        PRIMARY KEY (tenant, model, statement_id, side, issue_no),
        FOREIGN KEY (tenant, model, statement_id) REFERENCES settlement.statement,
        CHECK ((state = 'due') = (number IS NULL) AND (state = 'due') = (issued_on IS NULL))
    );
    CREATE UNIQUE INDEX invoice_by_number ON settlement.invoice (tenant, issuer, number);
    CREATE UNIQUE INDEX invoice_that_holds ON settlement.invoice (tenant, model, statement_id, side)
        WHERE state <> 'voided'
"""
_MOVES = """
    CREATE TABLE settlement.invoice_move (
        tenant text NOT NULL,
        model text NOT NULL,
        statement_id text NOT NULL,
        side text NOT NULL,
        issue_no integer NOT NULL,
        move_no integer NOT NULL CHECK (move_no >= 1),
        move text NOT NULL,
        from_state text NOT NULL,
        to_state text NOT NULL,
        number text NOT NULL,
        person text NOT NULL,
        reason text,
        as_of date NOT NULL,
        recorded_at timestamptz NOT NULL,
        PRIMARY KEY (tenant, model, statement_id, side, issue_no, move_no),
        FOREIGN KEY (tenant, model, statement_id, side, issue_no) REFERENCES settlement.invoice
    );
    CREATE TABLE settlement.invoice_series (
        tenant text NOT NULL,
        issuer text NOT NULL,
        year integer NOT NULL,
        last_no bigint NOT NULL CHECK (last_no >= 1),
        PRIMARY KEY (tenant, issuer, year)
    )
"""


def upgrade() -> None:
    for part in (_STATEMENTS, _INVOICES, _MOVES):
        op.execute(part)


def downgrade() -> None:
    op.execute(
        """
        DO $$ BEGIN
            IF EXISTS (SELECT FROM settlement.invoice) THEN
                RAISE EXCEPTION 'there are invoices, which an older program does not know';
            END IF;
        END $$;
        DROP TABLE settlement.invoice_series;
        DROP TABLE settlement.invoice_move;
        DROP TABLE settlement.invoice;
        DROP TABLE settlement.invoice_line;
        ALTER TABLE settlement.statement DROP COLUMN invoice_sides, DROP COLUMN invoice_first, DROP COLUMN uninvoiced
        """
    )
