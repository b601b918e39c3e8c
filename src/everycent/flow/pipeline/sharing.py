"""Apportion, then rate: what charges per share come to, once the charges that they are on were cleared."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.tables import TableSchema
from everycent.flow.clearing import stage as clearing
from everycent.flow.clearing.contract import OBLIGATION, Cleared
from everycent.flow.pipeline.plan import ModelPlan
from everycent.flow.rating import stage as rating
from everycent.flow.rating.contract import CHARGE, HELD, WHOLE_RECORD


@dataclass(frozen=True)
class Standing:
    """What stands of the records before their charges per share do.

    `charges`, `obligations`, `held`: CHARGE, OBLIGATION and HELD rows, those of the charges that are shared among them.
    `snapshots`: SNAPSHOT rows. `waits`: record_id, charge of what is to be computed; None for everything.
    """

    charges: pa.Table
    obligations: pa.Table
    held: pa.Table
    snapshots: pa.Table
    waits: pa.Table | None = None


def per_share(plan: ModelPlan, kind: str, records: pa.Table, standing: Standing, engine: LocalEngine) -> Cleared:
    """Charges per share of `records` (RECORD rows with their body): charge by charge, each in the records' order."""
    found: list[Cleared] = []
    for share in plan.shares.get(kind, ()):
        shares = _of(standing.obligations, share.of.base)
        mine = records if standing.waits is None else records.filter(_waiting(records, share.name, standing.waits))
        base_held = _of(standing.held, share.of.base).select(["record_id"])
        known = standing.charges.select(["record_id", "charge", "amount_minor"])
        rated = rating.rate_shares(share, mine, shares, base_held, known, standing.snapshots, engine)
        owed = clearing.clear_shares(plan.clearing, rated.charges, rated.parts, shares, engine)
        found.append(Cleared(rated.charges, owed, rated.held))
    return _joined(found)


def with_per_share(
    plan: ModelPlan, kind: str, records: pa.Table, cleared: Cleared, held: pa.Table, snapshots: pa.Table,
    engine: LocalEngine,
) -> Cleared:  # fmt: skip
    """What was cleared of a batch, with its charges per share: in the records' order, then as declared, then by bearer.

    `held`: HELD rows of rating.
    """
    if not plan.shares.get(kind):
        return cleared
    plain = _joined([cleared])
    standing = Standing(plain.charges, plain.obligations, pa.concat_tables([held.cast(HELD.columns), plain.held]),
                        snapshots)  # fmt: skip
    more = per_share(plan, kind, records, standing, engine)
    both = _joined([plain, more])
    ids, names = records.column("record_id"), plan.clearing.names
    return Cleared(_in_order(both.charges, ids, names), _in_order(both.obligations, ids, names), both.held)


def _joined(parts: Sequence[Cleared]) -> Cleared:
    def all_of(name: str, schema: TableSchema) -> pa.Table:
        return pa.concat_tables([schema.empty(), *(getattr(part, name).cast(schema.columns) for part in parts)])

    return Cleared(all_of("charges", CHARGE), all_of("obligations", OBLIGATION), all_of("held", HELD))


def _in_order(rows: pa.Table, ids: pa.ChunkedArray, names: Sequence[str]) -> pa.Table:
    record = pc.index_in(_storage(rows.column("record_id")), value_set=_storage(ids)).to_numpy()
    charge = pc.index_in(rows.column("charge"), value_set=pa.array(names, pa.string())).to_numpy()
    # Within a charge the rows come by bearer already, and sorting keeps that.
    return rows.take(pa.array(np.lexsort([charge, record])))


def _of(rows: pa.Table, charge: str) -> pa.Table:
    return rows.filter(pc.equal(rows.column("charge"), charge))


def _waiting(records: pa.Table, charge: str, waits: pa.Table) -> pa.Array:
    named = waits.filter(pc.is_in(waits.column("charge"), pa.array([charge, WHOLE_RECORD], pa.string())))
    return pc.is_in(_storage(records.column("record_id")), value_set=_storage(named.column("record_id")))


def _storage(ids: pa.ChunkedArray) -> pa.Array:
    whole = ids.cast(pa.binary(16)).combine_chunks()
    return pa.concat_arrays(whole.chunks) if isinstance(whole, pa.ChunkedArray) else whole
