"""Events of both sides as they happen, the keys that wait to be checked, and each key's verdict.

Safe before deploy: new tables alone.
"""

from alembic import op

revision = "recon_0005"
down_revision = "recon_0004"
branch_labels = None
depends_on = None

_KEY = """
    tenant text NOT NULL,
    model text NOT NULL,
    scenario text NOT NULL,
    key text NOT NULL"""


_EVENTS = """
CREATE TABLE recon.event (
    tenant text NOT NULL,
    model text NOT NULL,
    scenario text NOT NULL,
    side text NOT NULL CHECK (side IN ('left', 'right')),
    event_id text NOT NULL,
    arrived_no bigint GENERATED ALWAYS AS IDENTITY,    -- in the order of arrival, with gaps
    occurred_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    key text,                                          -- this and the amount: null where it is not compared
    amount_minor bigint,
    status text,
    source_file text NOT NULL,                         -- its place: its own, or its id and line 1
    source_line bigint NOT NULL,
    reason text,                                       -- why it is not compared
    record_id uuid,                                    -- where it is a record of ours
    columns jsonb,                                     -- as they came
    content_hash uuid NOT NULL,
    PRIMARY KEY (tenant, model, scenario, side, event_id),
    CHECK ((reason IS NULL) = (key IS NOT NULL AND amount_minor IS NOT NULL))
);
CREATE INDEX event_of_key ON recon.event (tenant, model, scenario, key) WHERE key IS NOT NULL;
"""

_VERDICTS = f"""
CREATE TABLE recon.pending (                           -- a key with an event later than its verdict
{_KEY},
    due_at timestamptz NOT NULL,                       -- when the last of its events is due
    PRIMARY KEY (tenant, model, scenario, key)
);
CREATE INDEX pending_due ON recon.pending (tenant, model, scenario, due_at, key);
CREATE TABLE recon.verdict (
{_KEY},
    outcome text NOT NULL CHECK (outcome IN ('equal', 'within_tolerance', 'break')),
    left_events bigint NOT NULL,
    right_events bigint NOT NULL,
    arrived_no bigint NOT NULL,                        -- of the last event that it knew
    checks bigint NOT NULL CHECK (checks > 0),
    checked_at timestamptz NOT NULL,
    PRIMARY KEY (tenant, model, scenario, key)
);
CREATE TABLE recon.verdict_break (                     -- the breaks and write-offs of a key's verdict
{_KEY},
    finding_no bigint NOT NULL CHECK (finding_no > 0),
    bucket text NOT NULL,
    cause text NOT NULL,
    left_amount_minor numeric(38, 0),
    right_amount_minor numeric(38, 0),
    difference_minor numeric(38, 0) NOT NULL,
    left_status text,
    right_status text,
    left_rows bigint NOT NULL,
    right_rows bigint NOT NULL,
    left_file text,
    left_line bigint,
    right_file text,
    right_line bigint,
    PRIMARY KEY (tenant, model, scenario, key, finding_no),
    FOREIGN KEY (tenant, model, scenario, key) REFERENCES recon.verdict,
    CHECK (difference_minor = coalesce(left_amount_minor, 0) - coalesce(right_amount_minor, 0))
);
"""

_METER = """
CREATE TABLE recon.event_count (                       -- what became of events, and how many keys were checked
    tenant text NOT NULL,
    model text NOT NULL,
    scenario text NOT NULL,
    name text NOT NULL,
    counted bigint NOT NULL,
    PRIMARY KEY (tenant, model, scenario, name)
);
CREATE TABLE recon.records_seen (                      -- up to which batch a side's records are events
    tenant text NOT NULL,
    model text NOT NULL,
    scenario text NOT NULL,
    side text NOT NULL,
    batch_no bigint NOT NULL,
    PRIMARY KEY (tenant, model, scenario, side)
);
CREATE TABLE recon.pace (                              -- where checks are limited: when some may be made again
    tenant text NOT NULL,
    model text NOT NULL,
    scenario text NOT NULL,
    next_at timestamptz NOT NULL,
    PRIMARY KEY (tenant, model, scenario)
);
"""


def upgrade() -> None:
    for tables in (_EVENTS, _VERDICTS, _METER):
        op.execute(tables)


def downgrade() -> None:
    op.execute(
        "DROP TABLE recon.event, recon.pending, recon.verdict_break, recon.verdict, recon.event_count,"
        " recon.records_seen, recon.pace"
    )
