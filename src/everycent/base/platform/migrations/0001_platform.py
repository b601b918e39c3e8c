"""The platform's own tables: model versions, batches and their parts, sharded tasks."""

from alembic import op

revision = "platform_0001"
down_revision = None
branch_labels = ("platform",)
depends_on = None

_BATCHES = """
create table platform.model_version (
    tenant text not null,
    model text not null,
    model_version text not null,
    source text not null,                -- the model as it was written
    files jsonb not null,                -- name -> SHA-256 of each file that it names
    recorded_at timestamptz not null default clock_timestamp(),
    primary key (tenant, model, model_version)
);

create table platform.batch (
    batch_no bigint primary key check (batch_no > 0),    -- gapless, in the order of commits
    tenant text not null,
    model text not null,
    model_version text not null,
    kind text not null,
    source_file text not null,
    source_shard integer not null check (source_shard >= 0),
    content_hash text not null,
    rows_read bigint not null,
    accepted bigint not null,
    duplicates bigint not null,
    conflicts bigint not null,
    quarantined bigint not null,
    committed_at timestamptz not null default clock_timestamp(),
    unique (tenant, model, model_version, kind, content_hash, source_shard),
    check (rows_read = accepted + duplicates + conflicts + quarantined)
);

create table platform.batch_part (
    batch_no bigint not null references platform.batch,
    table_name text not null,            -- <context>.<table>
    part_no integer not null,            -- 1, 2, ... within the table
    kind text not null,
    tier text not null check (tier in ('postgres', 'lake')),
    rows bigint not null check (rows > 0),
    path text,                           -- below the lake folder
    digest text not null,                -- see details.py
    primary key (batch_no, table_name, part_no),
    check ((path is null) = (tier = 'postgres'))
);
create unique index batch_part_one_hot on platform.batch_part (batch_no, table_name) where tier = 'postgres';
create index batch_part_by_table on platform.batch_part (table_name, kind);
"""

_TASKS = """
create table platform.task (
    tenant text not null,
    task_id text not null,               -- from the task's name and the content of its input
    name text not null,
    state text not null check (state in ('running', 'done')),
    shards integer not null check (shards >= 0),
    result jsonb,
    started_at timestamptz not null default clock_timestamp(),
    finished_at timestamptz,
    primary key (tenant, task_id)
);

create table platform.shard (
    tenant text not null,
    task_id text not null,
    shard_no integer not null check (shard_no >= 0),
    result jsonb not null,               -- a shard has a row once it is done
    batch_no bigint references platform.batch,
    finished_at timestamptz not null default clock_timestamp(),
    primary key (tenant, task_id, shard_no),
    foreign key (tenant, task_id) references platform.task
);
"""


def upgrade() -> None:
    op.execute(_BATCHES)
    op.execute(_TASKS)
