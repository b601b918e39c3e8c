"""What payments say of statements: the sides that are settled, and that a person holds one back from payment.

Safe after deploy. Before: a released statement says nothing of its payment. After: the same, until payments tell it.
"""

from alembic import op

revision = "settlement_0005"
down_revision = "settlement_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        ALTER TABLE settlement.statement
            ADD COLUMN settled_sides text[] NOT NULL DEFAULT '{}',  -- paid, collected, or settled without payment
            ADD COLUMN settled_as_of date,  -- the business day on which its last side was settled
            ADD COLUMN parked_as_of date,  -- a person holds it back from payment since
            ADD CHECK (settled_sides <@ CASE mode WHEN 'net' THEN '{net}'::text[] ELSE '{payable,receivable}' END),
            ADD CHECK ((settled_as_of IS NOT NULL)
                = (cardinality(settled_sides) = CASE mode WHEN 'net' THEN 1 ELSE 2 END)),
            ADD CHECK (released_as_of IS NOT NULL OR (settled_sides = '{}' AND parked_as_of IS NULL));
        ALTER TABLE settlement.statement_move
            ADD COLUMN side text,  -- of a settled or opened one: which of its sides
            ADD COLUMN cause text;  -- and what settled or opened it, the same each time that it is told
        CREATE UNIQUE INDEX statement_move_told ON settlement.statement_move (tenant, model, statement_id, side, cause)
            WHERE cause IS NOT NULL;
        """
    )


def downgrade() -> None:
    op.execute(
        """
        DO $$ BEGIN
            IF EXISTS (SELECT FROM settlement.statement_move WHERE move IN ('settle', 'reopen', 'park', 'unpark')) THEN
                RAISE EXCEPTION 'statements have moves that an older program does not know';
            END IF;
        END $$;
        ALTER TABLE settlement.statement_move DROP COLUMN side, DROP COLUMN cause;
        ALTER TABLE settlement.statement DROP COLUMN settled_sides, DROP COLUMN settled_as_of,
            DROP COLUMN parked_as_of;
        """
    )
