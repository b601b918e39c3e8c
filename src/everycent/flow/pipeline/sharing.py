"""Apportion, then rate: what charges per share come to, once the charges that they are on were cleared."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.tables import TableSchema
from everycent.flow.clearing import stage as clearing
from everycent.flow.clearing.contract import OBLIGATION, WAITING_CHARGE, Cleared
from everycent.flow.intake.contract import RECORDS_OWN
from everycent.flow.pipeline.plan import ModelPlan
from everycent.flow.rating import stage as rating
from everycent.flow.rating.contract import CHARGE, HELD, WHOLE_RECORD


@dataclass(frozen=True)
class Standing:
    """What stands of the records before their charges per share do.

    `charges`, `obligations`, `held`: CHARGE, OBLIGATION and HELD rows, those of the charges that are shared among them.
    `snapshots`: record_id and a column for each factor of the kind. `waits`: record_id, charge of what is to be
    computed; None for everything.
    """

    charges: pa.Table
    obligations: pa.Table
    held: pa.Table
    snapshots: pa.Table
    waits: pa.Table | None = None


def per_share(plan: ModelPlan, kind: str, records: pa.Table, standing: Standing, engine: LocalEngine) -> Cleared:
    """Charges per share of `records` (RECORD rows with their body): charge by charge, each in the records' order.

    Those of charges that are cleared in strict order are left out: they wait for their turn too.
    """
    found: list[Cleared] = []
    for share in plan.shares.get(kind, ()):
        if share.name in plan.clearing.ordered:
            continue
        shares = _of(standing.obligations, share.of.base)
        mine = records if standing.waits is None else records.filter(_waiting(records, share.name, standing.waits))
        base_held = _of(standing.held, share.of.base).select(["record_id"])
        known = standing.charges.select(["record_id", "charge", "amount_minor"])
        rated = rating.rate_shares(share, mine, shares, base_held, known, standing.snapshots, engine)
        owed = clearing.clear_shares(plan.clearing, mine, rated.charges, rated.parts, shares, engine)
        found.append(Cleared(rated.charges, owed, rated.held))
    return _joined(found)


def with_per_share(
    plan: ModelPlan, kind: str, records: pa.Table, cleared: Cleared, held: pa.Table, snapshots: pa.Table,
    engine: LocalEngine,
) -> Cleared:  # fmt: skip
    """What was cleared of a batch, with its charges per share behind, charge by charge.

    `held`: HELD rows of rating; `snapshots`: SNAPSHOT rows.
    """
    if not plan.shares.get(kind):
        return cleared
    plain = _joined([cleared])
    all_held = pa.concat_tables([held.cast(HELD.columns), plain.held])
    standing = Standing(plain.charges, plain.obligations, all_held, flat(snapshots))
    more = per_share(plan, kind, records, standing, engine)
    return _joined([plain, more])


def awaiting(
    plan: ModelPlan, kind: str, records: pa.Table, waiting: pa.Table, standing: Standing, engine: LocalEngine
) -> tuple[pa.Table, pa.Table]:
    """Charges per share of what waits for its turn (`waiting`: WAITING_CHARGE rows of `records`): WAITING_CHARGE rows
    without an amount, or HELD rows where it is known already that they cannot be computed then."""
    rows, held = [WAITING_CHARGE.empty()], [HELD.empty()]
    for share in plan.shares.get(kind, ()):
        if share.name not in plan.clearing.ordered:
            continue
        mine = records if standing.waits is None else records.filter(_waiting(records, share.name, standing.waits))
        base = _among(_of(waiting, share.of.base), mine)
        parked = _among(_of(standing.held, share.of.base), mine).select(["record_id"])
        lacking = rating.lacking(share, base.select(["record_id"]), standing.snapshots, engine)
        why = pa.repeat(pa.scalar(f"held because charge {share.of.base} is held"), parked.num_rows)
        name, state = (pa.repeat(pa.scalar(text), parked.num_rows) for text in (share.name, "held"))
        held += [lacking, pa.table([parked.column("record_id"), name, state, why], schema=HELD.columns)]
        stands = base.filter(pc.invert(pc.is_in(_ids(base), value_set=_ids(lacking))))
        rows.append(_without_amount(share, stands, mine))
    return pa.concat_tables(rows), pa.concat_tables(held)


def _without_amount(share: rating.SharePlan, base: pa.Table, records: pa.Table) -> pa.Table:
    """A row of the charge for each row of its base."""
    plan, count = share.turn.plan, base.num_rows
    code = pa.repeat(pa.scalar(plan.charges[0].currency.code), count)
    if plan.currency_column is not None and plan.charges[0].said == RECORDS_OWN:
        own = pc.struct_field(records.column("body"), plan.currency_column)
        code = own.take(pc.index_in(_ids(base), value_set=_ids(records)))
    name, nobody = pa.repeat(pa.scalar(share.name), count), pa.nulls(count, pa.string())
    amount = pa.nulls(count, pa.int64())
    ids, booked_on, refund_of = (base.column(each) for each in ("record_id", "booked_on", "refund_of"))
    columns = [ids, name, name, amount, code, nobody, nobody, booked_on, refund_of]
    return pa.table(columns, names=WAITING_CHARGE.columns.names).cast(WAITING_CHARGE.columns)


def in_turn(
    plan: ModelPlan,
    records: Mapping[str, pa.Table],
    waiting: pa.Table,
    standing: Standing,
    snapshots: Mapping[str, pa.Table],
    engine: LocalEngine,
) -> Cleared:
    """The charges per share that waited (`waiting`: WAITING_CHARGE rows), now that what they are on was cleared.

    `records`: RECORD rows by kind; `snapshots`: by kind, record_id and a column for each factor that they take.
    """
    found: list[Cleared] = []
    for kind, share in plan.shares_in_order:
        waits = _of(waiting, share.name)
        if kind not in records or waits.num_rows == 0:
            continue
        mine = records[kind].filter(pc.is_in(_ids(records[kind]), value_set=_ids(waits)))
        shares = _of(standing.obligations, share.of.base)
        base_held = _of(standing.held, share.of.base).select(["record_id"])
        rated = rating.rate_shares(share, mine, shares, base_held, standing.charges, snapshots[kind], engine)
        owed = clearing.clear_shares(plan.clearing, mine, rated.charges, rated.parts, shares, engine)
        found.append(Cleared(rated.charges, owed, rated.held))
    return _joined(found)


def kept_factors(plan: ModelPlan) -> dict[str, tuple[rating.Factor, ...]]:
    """By kind, the factors that charges per share take from snapshots in their turn."""
    found: dict[str, dict[str, rating.Factor]] = {}
    for kind, share in plan.shares_in_order:
        found.setdefault(kind, {}).update({factor.name: factor for factor in share.kept})
    return {kind: tuple(factors.values()) for kind, factors in found.items()}


def flat(snapshots: pa.Table) -> pa.Table:
    """SNAPSHOT rows with a column for each factor."""
    body = snapshots.column("body")
    fields = {field.name: pc.struct_field(body, field.name) for field in body.type}
    return pa.table({"record_id": snapshots.column("record_id"), **fields})


def _joined(parts: Sequence[Cleared]) -> Cleared:
    def all_of(name: str, schema: TableSchema) -> pa.Table:
        return pa.concat_tables([schema.empty(), *(getattr(part, name).cast(schema.columns) for part in parts)])

    return Cleared(all_of("charges", CHARGE), all_of("obligations", OBLIGATION), all_of("held", HELD))


def _of(rows: pa.Table, charge: str) -> pa.Table:
    return rows.filter(pc.equal(rows.column("charge"), charge))


def _among(rows: pa.Table, records: pa.Table) -> pa.Table:
    return rows.filter(pc.is_in(_ids(rows), value_set=_ids(records)))


def _ids(rows: pa.Table) -> pa.Array:
    return _storage(rows.column("record_id"))


def _waiting(records: pa.Table, charge: str, waits: pa.Table) -> pa.Array:
    named = waits.filter(pc.is_in(waits.column("charge"), pa.array([charge, WHOLE_RECORD], pa.string())))
    return pc.is_in(_storage(records.column("record_id")), value_set=_storage(named.column("record_id")))


def _storage(ids: pa.ChunkedArray) -> pa.Array:
    whole = ids.cast(pa.binary(16)).combine_chunks()
    return pa.concat_arrays(whole.chunks) if isinstance(whole, pa.ChunkedArray) else whole
