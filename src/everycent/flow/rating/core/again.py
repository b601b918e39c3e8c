"""Rating parked charges again: what stands and what is frozen is to them like a column of their record.

A charge that stands keeps its amount, and a factor that it was computed from keeps its value, whatever the model and
its tables say by now. So records that differ in what stands or is frozen are rated by plans of their own: there are as
many as there are different sets of charges that wait, which are few.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import pyarrow as pa

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import identifier, literal
from everycent.base.engine.types import ColumnType
from everycent.base.money.currency import Currency
from everycent.flow.intake.contract import RecordMoney, TableSpec
from everycent.flow.parties.contract import PartySpec
from everycent.flow.rating.contract import SNAPSHOT, WHOLE_RECORD, FactorSpec, RatedChargeSpec, SharesOf
from everycent.flow.rating.core.decisions import DecisionTable
from everycent.flow.rating.core.plan import RatingPlan
from everycent.flow.rating.core.planning import plan_rating


@dataclass(frozen=True)
class RatingTerms:
    """What a model says about rating the records of one kind: what `plan_rating` takes, and its plan."""

    plan: RatingPlan
    charges: Mapping[str, RatedChargeSpec]
    factors: Mapping[str, FactorSpec]
    columns: Mapping[str, ColumnType]
    roles: Mapping[str, PartySpec]
    tables: Mapping[str, TableSpec]
    currency: Currency
    decisions: Mapping[str, DecisionTable]
    money: RecordMoney | None = None
    shares: Mapping[str, SharesOf] = field(default_factory=dict)

    def money_with(self, names: Iterable[str]) -> RecordMoney | None:
        """What money is in when `names`, charges or factors, are columns too."""
        if self.money is None:
            return None
        of = {name: self.plan.money[name] for name in names if name in self.plan.money}
        return replace(self.money, of={**self.money.of, **of})

    @property
    def enabled(self) -> list[str]:
        """The names of the kind's charges, as declared; behind them those per share."""
        return list(self.plan.computed_from)


@dataclass(frozen=True)
class Waiting:
    """Records with the same charges that wait: their plan, and RECORD rows whose body has what is known beside."""

    plan: RatingPlan
    records: pa.Table


@dataclass(frozen=True)
class Known:
    """What is known of parked records before they are rated again.

    `parked`: record_id, charge. `standing`: record_id, charge, amount_minor of their charges that stand. `frozen`:
    record_id and a column for each factor of the plan, NULL where a value is not frozen.
    """

    parked: pa.Table
    standing: pa.Table
    frozen: pa.Table


def frozen_values(plan: RatingPlan, snapshots: pa.Table, standing: pa.Table, engine: LocalEngine) -> pa.Table:
    """`Known.frozen`: the values from which charges that stand were computed; a constant is the model's own.

    `snapshots`: record_id, attempt and body of what was looked up so far. `standing`: record_id, charge.
    """
    columns = []
    computed_from = plan.computed_from
    for factor in plan.factors:
        value = f"arg_max(body.{identifier(factor.name)}, attempt) FILTER (body.{identifier(factor.name)} IS NOT NULL)"
        users = ", ".join(literal(charge) for charge, names in computed_from.items() if factor.name in names)
        used = f"bool_or(charge IN ({users}))" if users and factor.lookup is not None else "FALSE"
        columns.append(f"CASE WHEN {used} THEN {value} END AS {identifier(factor.name)}")
    return engine.query(
        f"SELECT record_id, {', '.join(columns)} FROM snapshots JOIN standing USING (record_id) GROUP BY record_id",
        snapshots=snapshots,
        standing=standing.select(["record_id", "charge"]),
    )


def filled(plan: RatingPlan, records: pa.Table, snapshots: pa.Table, values: pa.Table, engine: LocalEngine) -> pa.Table:
    """SNAPSHOT rows of all records, in which what was not looked up is what was given (`Known.frozen`)."""
    if not plan.factors:
        return snapshots
    fields = []
    for factor in plan.factors:
        name = identifier(factor.name)
        fields.append(f"{name} := CAST(coalesce(snapshots.body.{name}, given.{name}) AS {factor.type.duckdb})")
    rows = engine.query(
        f"SELECT record_id, struct_pack({', '.join(fields)}) AS body FROM ids"
        " LEFT JOIN snapshots USING (record_id) LEFT JOIN given USING (record_id) ORDER BY record_id",
        ids=records.select(["record_id"]),
        snapshots=snapshots,
        given=values,
    )
    return SNAPSHOT.check(rows.cast(SNAPSHOT.with_body(plan.snapshot_type)))


def waiting(terms: RatingTerms, records: pa.Table, known: Known, engine: LocalEngine) -> Iterator[Waiting]:
    """The parked records among `records` (RECORD rows), in groups; what the model does not charge any more is left out.

    Raises RatingRefused.
    """
    sheet = _sheet(terms, records, known, engine)
    for key in engine.query("SELECT DISTINCT waits FROM sheet ORDER BY waits", sheet=sheet).column(0).to_pylist():
        held, frozen = (tuple(names) for names in (key["held"], key["frozen"]))
        if held:
            group = engine.query(_GROUP.format(key=_struct(held, frozen)), sheet=sheet)
            yield _group(terms, records.take(group.column("pos")), group, held, frozen)


#: Records whose key is the one given, in their order.
_GROUP = "SELECT * FROM sheet WHERE waits = {key} ORDER BY pos"


def _struct(held: tuple[str, ...], frozen: tuple[str, ...]) -> str:
    lists = [f"[{', '.join(map(literal, names))}]::VARCHAR[]" for names in (held, frozen)]
    return f"{{'held': {lists[0]}, 'frozen': {lists[1]}}}"


def _sheet(terms: RatingTerms, records: pa.Table, known: Known, engine: LocalEngine) -> pa.Table:
    """For each record its place `pos`; `waits`, what waits and what is frozen; a<n>, the amounts that stand; v<n>, the
    values of factors."""
    charges, factors = terms.enabled, terms.plan.factors
    places = pa.table({"pos": pa.array(range(records.num_rows), pa.int64()), "record_id": records.column("record_id")})
    amounts = [f"max(amount_minor) FILTER (WHERE charge = {literal(name)}) AS a{at}" for at, name in enumerate(charges)]
    marks = [
        f"coalesce(bool_or(charge IN ({literal(name)}, {literal(WHOLE_RECORD)})), FALSE) AS h{at}"
        for at, name in enumerate(charges)
    ]
    values = [f"frozen.{identifier(factor.name)} AS v{at}" for at, factor in enumerate(factors)]
    held = _names([(name, f"h{at} AND a{at} IS NULL") for at, name in enumerate(charges)])
    kept = _names([(factor.name, f"v{at} IS NOT NULL") for at, factor in enumerate(factors)])
    return engine.query(
        f"""
        WITH standing_wide AS (SELECT record_id, {", ".join([*amounts, "TRUE AS stands"])}
            FROM standing GROUP BY record_id),
        parked_wide AS (SELECT record_id, {", ".join([*marks, "TRUE AS waits"])} FROM parked GROUP BY record_id)
        SELECT *, {{'held': {held}, 'frozen': {kept}}} AS waits FROM (
            SELECT pos, standing_wide.* EXCLUDE (record_id, stands), parked_wide.* EXCLUDE (record_id, waits)
                {"".join(f", {value}" for value in values)}
            FROM places JOIN parked_wide USING (record_id) LEFT JOIN standing_wide USING (record_id)
                LEFT JOIN frozen USING (record_id)
        ) ORDER BY pos
        """,
        places=places,
        parked=known.parked,
        standing=known.standing,
        frozen=known.frozen,
    )


def _names(conditions: list[tuple[str, str]]) -> str:
    """SQL: the names whose condition holds, as declared."""
    listed = ", ".join(f"CASE WHEN {condition} THEN {literal(name)} END" for name, condition in conditions)
    return f"list_filter([{listed}]::VARCHAR[], lambda name: name IS NOT NULL)"


def _group(
    terms: RatingTerms, records: pa.Table, group: pa.Table, held: tuple[str, ...], frozen: tuple[str, ...]
) -> Waiting:
    """The plan of the charges that wait, with the amounts of the others and the frozen values as columns."""
    used = {name for charge, names in terms.plan.computed_from.items() if charge in held for name in names}
    beside = [
        (name, ColumnType("money", terms.plan.charges[at].currency.exponent), f"a{at}")
        for at, name in enumerate(terms.enabled)
        if name in used and name not in held and name not in terms.columns
    ]
    beside += [
        (factor.name, factor.type, f"v{at}")
        for at, factor in enumerate(terms.plan.factors)
        if factor.name in used and factor.name in frozen
    ]
    plan = plan_rating(
        {name: spec for name, spec in terms.charges.items() if name in held or not spec.enabled},
        {name: spec for name, spec in terms.factors.items() if name not in frozen},
        terms.plan.kind,
        {**terms.columns, **{name: kind for name, kind, _ in beside}},
        terms.roles,
        terms.tables,
        terms.currency,
        terms.decisions,
        terms.money_with(name for name, _, _ in beside),
        shares=terms.shares,
    )
    body = _whole(records.column("body"))
    fields = [*body.type, *(pa.field(name, kind.arrow) for name, kind, _ in beside)]
    arrays = [*body.flatten(), *(_whole(group.column(at).cast(kind.arrow)) for _, kind, at in beside)]
    wider = pa.StructArray.from_arrays(arrays, fields=fields)
    at = records.schema.get_field_index("body")
    return Waiting(plan, records.set_column(at, pa.field("body", wider.type, nullable=False), wider))


def _whole(column: pa.ChunkedArray) -> pa.Array:
    one = column.combine_chunks()
    return pa.concat_arrays(one.chunks) if isinstance(one, pa.ChunkedArray) else one
