"""What receivers who are no parties get of customers' payments is booked.

Safe before deploy. Before: an entry of a share is a party's; what others got was kept, and not booked. After: an entry
without a party is what another got; those of before are booked when `payments share` next asks about what has no end.
"""

from alembic import op

revision = "payments_0011"
down_revision = "payments_0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE payments.share_entry ALTER COLUMN party_id DROP NOT NULL")


def downgrade() -> None:
    op.execute(
        """
        DO $$ BEGIN
            IF EXISTS (SELECT FROM payments.share_entry WHERE party_id IS NULL) THEN
                RAISE EXCEPTION 'what others than parties got is booked, which an older program does not know';
            END IF;
        END $$;
        ALTER TABLE payments.share_entry ALTER COLUMN party_id SET NOT NULL;
        """
    )
