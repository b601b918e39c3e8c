"""Seals: a Merkle root for each batch of postings, chained to the one before it."""

from alembic import op

revision = "ledger_0003"
down_revision = "ledger_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        -- postings lie on disk nearly in the order of their numbers: this finds a range, at next to no cost of writing
        CREATE INDEX transfer_posting_no ON ledger.transfer USING brin (posting_no) WITH (pages_per_range = 32);
        CREATE TABLE ledger.seal (
            tenant text NOT NULL,
            model text NOT NULL,
            seal_no bigint NOT NULL CHECK (seal_no > 0),
            after_no bigint NOT NULL,
            through_no bigint NOT NULL CHECK (through_no > after_no),
            transfers bigint NOT NULL CHECK (transfers > 0),
            leaves bytea NOT NULL,
            root bytea NOT NULL,
            previous bytea NOT NULL,
            chained bytea NOT NULL,
            sealed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            PRIMARY KEY (tenant, model, seal_no)
        );
        -- hashes cannot be compressed, and a part of them is read at a time
        ALTER TABLE ledger.seal ALTER COLUMN leaves SET STORAGE EXTERNAL;
        """
    )


def downgrade() -> None:
    op.execute("DROP TABLE ledger.seal; DROP INDEX ledger.transfer_posting_no")
