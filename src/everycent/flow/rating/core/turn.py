"""Charges computed in their turn: what is known by then is to them like a column of their record."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import identifier, literal
from everycent.base.engine.types import ColumnType
from everycent.flow.rating.contract import declared_total, told_factor
from everycent.flow.rating.core.again import RatingTerms
from everycent.flow.rating.core.plan import Factor, RatingPlan
from everycent.flow.rating.core.planning import plan_rating


@dataclass(frozen=True)
class TurnPlan:
    """How the charges of one kind that depend on what came before are computed.

    `plan` has these charges alone. Its columns beside the record's: `bases`, charges that were decided before;
    `frozen`, factors that were looked up when the record arrived; `history`, factors from what came before.
    """

    plan: RatingPlan
    columns: Mapping[str, ColumnType]
    bases: Mapping[str, ColumnType]
    frozen: tuple[Factor, ...]
    history: tuple[Factor, ...]

    @property
    def is_conditional(self) -> bool:
        """Whether a record may turn out to be without one of the charges."""
        return any(charge.when is not None for charge in self.plan.charges)


def plan_turn(terms: RatingTerms) -> TurnPlan:
    """What is left to be computed in strict order. Raises RatingRefused."""
    in_turn = terms.plan.in_turn
    used = {name for charge in terms.plan.charges if charge.name in in_turn for name in charge.names}
    bases = tuple(name for name in terms.enabled if name in used and name not in in_turn and name not in terms.columns)
    frozen = tuple(factor for factor in terms.plan.factors if factor.lookup is not None and factor.name in used)
    history = terms.plan.history
    money = {charge.name: ColumnType("money", charge.currency.exponent) for charge in terms.plan.charges}
    beside = {name: money[name] for name in bases} | {factor.name: factor.type for factor in (*frozen, *history)}
    given = {name: f"charge {name} is held, or the record has none" for name in bases}
    given |= {factor.name: f"{told_factor(factor.name)} was not found when the record arrived" for factor in frozen}
    given |= {factor.name: f"factor {declared_total(factor.name)} is not known: {_UNKNOWN}" for factor in history}
    plan = plan_rating(
        {name: spec for name, spec in terms.charges.items() if name in in_turn or not spec.enabled},
        {name: spec for name, spec in terms.factors.items() if name not in beside},
        terms.plan.kind,
        {**terms.columns, **beside},
        terms.roles,
        terms.tables,
        terms.currency,
        terms.decisions,
        terms.money_with(beside),
        given,
    )
    assert not plan.lookups and not plan.in_turn, "nothing is looked up in strict order"
    return TurnPlan(plan, terms.columns, {name: beside[name] for name in bases}, frozen, history)


_UNKNOWN = "a column that it is kept by is empty, it cannot be computed, or more goods go out than there are"


def widened(
    turn: TurnPlan, records: pa.Table, standing: pa.Table, snapshots: pa.Table, moved: pa.Table, engine: LocalEngine
) -> pa.Table:
    """The records (RECORD rows) with what is known beside in their bodies.

    `standing`: record_id, charge, amount_minor. `snapshots`: record_id and a column for each frozen factor. `moved`:
    record_id, factor, and the columns of MOVED.
    """
    beside = _beside(turn, records, standing, snapshots, moved, engine)
    body = _whole(records.column("body"))
    there = dict(zip([field.name for field in body.type], body.flatten(), strict=True))
    fields = [pa.field(name, kind.arrow) for name, kind in turn.columns.items()]
    arrays = [there[field.name] for field in fields]
    for at, (name, kind) in enumerate(_types(turn)):
        fields.append(pa.field(name, kind.arrow))
        arrays.append(_whole(beside.column(f"v{at}").cast(kind.arrow)))
    wider = pa.StructArray.from_arrays(arrays, fields=fields)
    place = records.schema.get_field_index("body")
    return records.set_column(place, pa.field("body", wider.type, nullable=False), wider)


def _types(turn: TurnPlan) -> Sequence[tuple[str, ColumnType]]:
    factors = (*turn.frozen, *turn.history)
    return [*turn.bases.items(), *((factor.name, factor.type) for factor in factors)]


def _beside(
    turn: TurnPlan, records: pa.Table, standing: pa.Table, snapshots: pa.Table, moved: pa.Table, engine: LocalEngine
) -> pa.Table:
    """v<n> for each record, in their order: what `_types` lists."""
    amounts = [f"max(amount_minor) FILTER (charge = {literal(name)})" for name in turn.bases]
    looked_up = [f"snapshots.{identifier(factor.name)}" for factor in turn.frozen]
    history = [_history_sql(factor) for factor in turn.history]
    first, second = len(amounts), len(amounts) + len(looked_up)
    if not amounts and not looked_up and not history:
        return pa.table({})
    named = [
        *(f"b.v{at}" for at in range(first)),
        *(f"{sql} AS v{first + at}" for at, sql in enumerate(looked_up)),
        *(f"h.v{second + at}" for at in range(len(history))),
    ]
    bases = "".join(f", {sql} AS v{at}" for at, sql in enumerate(amounts))
    totals = "".join(f", {sql} AS v{second + at}" for at, sql in enumerate(history))
    return engine.query(
        f"""
        SELECT {", ".join(named)} FROM places
            LEFT JOIN (SELECT record_id{bases} FROM standing GROUP BY record_id) AS b USING (record_id)
            LEFT JOIN snapshots USING (record_id)
            LEFT JOIN (SELECT record_id{totals} FROM moved GROUP BY record_id) AS h USING (record_id)
        ORDER BY pos
        """,
        places=pa.table({"pos": range(records.num_rows), "record_id": records.column("record_id")}),
        standing=standing,
        snapshots=snapshots,
        moved=moved,
    )


def _history_sql(factor: Factor) -> str:
    """SQL of the value that a factor has for a record, out of the row that says what the record moved."""
    number = {
        "before": "total_after - amount",
        "including": "total_after",
        "worth": "CASE WHEN quantity <> 0 THEN abs(amount) END",
    }[str(factor.column)]
    found = f"max({number}) FILTER (factor = {literal(declared_total(factor.name))})"
    if factor.type.kind != "decimal":
        return found
    unit = f"CAST('0.{'1'.zfill(factor.type.scale)}' AS DECIMAL({factor.type.scale}, {factor.type.scale}))"
    scaled = f"CAST({found} AS DECIMAL(20, 0))" + (f" * {unit}" if factor.type.scale else "")
    return f"TRY(CAST({scaled} AS {factor.type.duckdb}))"


def _whole(column: pa.ChunkedArray) -> pa.Array:
    one = column.combine_chunks()
    return pa.concat_arrays(one.chunks) if isinstance(one, pa.ChunkedArray) else one
