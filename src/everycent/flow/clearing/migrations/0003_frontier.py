"""How far a model's ordered records have been gone through, so that history is not read again."""

from alembic import op

revision = "clearing_0003"
down_revision = "clearing_0002"
branch_labels = None
depends_on = None


_FRONTIER = """
CREATE TABLE clearing.frontier (
    tenant text NOT NULL,
    model text NOT NULL,
    reads text NOT NULL,                 -- what the model takes as ordered; where that was changed, this row is void
    through_batch bigint NOT NULL,       -- no record of this batch or an earlier one waits, but for parked ones
    last_no bigint NOT NULL,             -- the highest number given then, 0 for none
    cleared_to timestamptz,              -- the latest business time that had been cleared then
    PRIMARY KEY (tenant, model)
);
-- What came after a batch is found without reading what came before it.
CREATE INDEX sequenced_record_batch ON clearing.sequenced_record (batch_no);
CREATE INDEX waiting_charge_batch ON clearing.waiting_charge (batch_no);
"""


def upgrade() -> None:
    op.execute(_FRONTIER)


def downgrade() -> None:
    op.execute(
        "DROP TABLE clearing.frontier; DROP INDEX clearing.sequenced_record_batch, clearing.waiting_charge_batch"
    )
