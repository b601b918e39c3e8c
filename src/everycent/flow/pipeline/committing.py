"""Commits a computed batch: its detail rows, parties, accruals and transfers, in one transaction."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pyarrow as pa

from everycent.base.engine.tables import TableSchema
from everycent.base.platform.batches import open_batch
from everycent.base.platform.database import Connection
from everycent.flow.clearing.contract import OBLIGATION, WAITING_CHARGE
from everycent.flow.intake.contract import QUARANTINE, RECORD
from everycent.flow.ledger import store as ledger_store
from everycent.flow.model.contract import LoadedModel
from everycent.flow.parties import store as parties_store
from everycent.flow.pipeline.compute import Batch
from everycent.flow.pipeline.session import Session
from everycent.flow.rating.contract import CHARGE, HELD, SNAPSHOT
from everycent.flow.settlement import store as settlement_store


@dataclass(frozen=True)
class Origin:
    """Where a batch's rows came from: the same content under the same model version is one batch."""

    kind: str
    source_file: str
    shard: int
    content_hash: str


def commit(
    session: Session,
    model: LoadedModel,
    origin: Origin,
    batch: Batch,
    and_then: Callable[[Connection, int], None] = lambda _connection, _batch_no: None,
    more: Sequence[tuple[TableSchema, pa.Table]] = (),
    more_kind: str | None = None,
) -> int:
    """The batch's number. `and_then` adds what belongs to the same transaction; it gets the connection and the number.

    `more`: rows of further detail tables, of records of `more_kind` where the batch is filed under another kind.
    Raises StorageFailed.
    """
    opened = open_batch(
        session.details,
        model.name,
        model.version_hash,
        origin.kind,
        origin.source_file,
        origin.shard,
        origin.content_hash,
    )
    for schema, table in (
        (RECORD, batch.intake.records),
        (QUARANTINE, batch.intake.quarantine),
        (SNAPSHOT, batch.snapshots),
        (CHARGE, batch.charges),
        (HELD, batch.held),
        (OBLIGATION, batch.obligations),
        (WAITING_CHARGE, batch.waiting),
    ):
        opened.write(schema, table)
    for schema, table in more:
        opened.write(schema, table, more_kind)
    found = batch.intake.counts
    counts = {
        "accepted": found["accepted"],
        "duplicates": found["duplicate"],
        "conflicts": found["conflict"],
        "quarantined": found["quarantined"],
    }

    def with_the_rows(connection: Connection, batch_no: int) -> None:
        parties_store.write(connection, session.tenant, model.name, batch_no, batch.parties)
        settlement_store.write(connection, session.tenant, model.name, batch.accruals)
        ledger_store.write(connection, session.tenant, model.name, batch_no, batch.transfers)
        and_then(connection, batch_no)

    return opened.commit({"rows_read": sum(counts.values()), **counts}, with_the_rows)
