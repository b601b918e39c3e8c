"""Charges per share: each bearer's part of an apportioned charge is rated by itself; what they come to adds up."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import identifier, literal
from everycent.base.engine.types import ColumnType
from everycent.flow.rating.contract import (
    BEARER,
    CHARGE,
    HELD,
    SHARE,
    WHOLE_RECORD,
    SharesOf,
    factor_of_bearer,
    told_factor,
)
from everycent.flow.rating.core.again import RatingTerms
from everycent.flow.rating.core.plan import Factor, PerShare
from everycent.flow.rating.core.planning import plan_rating
from everycent.flow.rating.core.turn import TurnPlan

#: What is rated of shares: each bearer's amount, by the number that it has among the base's bearers.
PARTS = pa.schema(
    [
        CHARGE.columns.field("record_id"),
        pa.field("bearer", pa.int16(), nullable=False),
        pa.field("amount_minor", pa.int64(), nullable=False),
    ]
)


@dataclass(frozen=True)
class SharePlan:
    """How one charge per share is computed once its base's shares are known.

    `turn.plan` has this charge alone. Its columns beside the record's are the share and the bearer, and what `turn`
    says: charges that stand, factors that were looked up when the record arrived. `by_bearer`: those of the latter that
    were looked up for each role; each goes by `factor_of_bearer` in a snapshot.
    """

    name: str
    of: SharesOf
    turn: TurnPlan
    by_bearer: tuple[str, ...]
    owed_by_bearer: bool

    @property
    def kept(self) -> tuple[Factor, ...]:
        """The factors that it takes from snapshots, under their names there."""
        roles = dict.fromkeys(self.of.rated.values())
        each = (
            [replace(factor, name=factor_of_bearer(factor.name, role)) for role in roles]
            if factor.name in self.by_bearer
            else [factor]
            for factor in self.turn.frozen
        )
        return tuple(factor for factors in each for factor in factors)


def plan_shares(terms: RatingTerms) -> tuple[SharePlan, ...]:
    """The plans of the kind's charges per share, in declared order. Raises RatingRefused."""
    return tuple(_plan(terms, charge) for charge in terms.plan.per_share)


def _plan(terms: RatingTerms, charge: PerShare) -> SharePlan:
    spec = terms.charges[charge.name]
    first = terms.plan
    money = {each.name: ColumnType("money", each.currency.exponent) for each in first.charges}
    bases = {name: money[name] for name in charge.names if name in money and name not in terms.columns}
    frozen = tuple(_frozen(name, charge, first.factors) for name in charge.looked_up)
    columns = {**terms.columns, SHARE: money[charge.of.base], BEARER: ColumnType("text")}
    beside = bases | {factor.name: factor.type for factor in frozen}
    given = {name: f"charge {name} is held, or the record has none" for name in bases}
    given |= {factor.name: f"{told_factor(factor.name)} was not found" for factor in frozen}
    known = terms.money_with(beside)
    plan = plan_rating(
        {charge.name: spec.model_copy(update={"per_share_of": None, "debtor": None, "creditor": charge.of.other})},
        {name: factor for name, factor in terms.factors.items() if name not in beside},
        first.kind,
        {**columns, **beside},
        terms.roles,
        terms.tables,
        terms.currency,
        terms.decisions,
        None if known is None else replace(known, of={**known.of, SHARE: first.money[charge.of.base]}),
        given,
    )
    assert not plan.lookups and not plan.in_turn, "what a share is rated with was looked up before"
    turn = TurnPlan(plan, columns, bases, frozen, ())
    return SharePlan(charge.name, charge.of, turn, charge.by_bearer, spec.debtor == BEARER)


def _frozen(name: str, charge: PerShare, factors: tuple[Factor, ...]) -> Factor:
    """The factor under its own name, whichever bearer it is looked up for."""
    role = next(iter(charge.of.rated.values()))
    kept = factor_of_bearer(name, role) if name in charge.by_bearer else name
    found = next(factor for factor in factors if factor.name == kept)
    return replace(found, name=name)


def with_share(plan: SharePlan, number: int, records: pa.Table, shares: pa.Table) -> pa.Table:
    """The records (RECORD rows) of which this bearer has a share, with it and the bearer in their bodies.

    `shares`: record_id, bearer, amount_minor.
    """
    mine = shares.filter(pc.equal(shares.column("bearer"), pa.scalar(number, pa.int16())))
    at = pc.index_in(_storage(records), value_set=_storage(mine))
    there = pc.is_valid(at)
    rows, places = records.filter(there), at.filter(there)
    body = _whole(rows.column("body"))
    amounts = _whole(mine.column("amount_minor")).take(places)
    bearer = pa.array([plan.of.bearers[number]] * rows.num_rows, pa.string())
    fields = [*body.type, pa.field(SHARE, pa.int64()), pa.field(BEARER, pa.string())]
    wider = pa.StructArray.from_arrays([*body.flatten(), amounts, bearer], fields=fields)
    place = rows.schema.get_field_index("body")
    return rows.set_column(place, pa.field("body", wider.type, nullable=False), wider)


def frozen_for(plan: SharePlan, number: int, snapshots: pa.Table) -> pa.Table:
    """record_id and a column for each factor that the charge takes, for one bearer, out of `plan.kept`."""
    role = plan.of.bearers[number]
    columns = {"record_id": snapshots.column("record_id")}
    for factor in plan.turn.frozen:
        kept = factor_of_bearer(factor.name, role) if factor.name in plan.by_bearer else factor.name
        columns[factor.name] = snapshots.column(kept)
    return pa.table(columns)


def lacking(plan: SharePlan, ids: pa.Table, snapshots: pa.Table, engine: LocalEngine) -> pa.Table:
    """HELD rows of the records (`ids`: record_id) for which something was not found that a bearer may be rated with."""
    missing = [
        f"WHEN {identifier(factor.name)} IS NULL THEN {literal(f'{told_factor(factor.name)} was not found')}"
        for factor in plan.kept
    ]
    if not missing:
        return HELD.empty()
    return engine.query(
        f"""
        SELECT record_id, {literal(plan.name)} AS charge, 'held' AS state, reason FROM (
            SELECT record_id, CASE {" ".join(missing)} END AS reason FROM ids LEFT JOIN snapshots USING (record_id))
        WHERE reason IS NOT NULL ORDER BY record_id
        """,
        ids=ids,
        snapshots=snapshots,
    ).cast(HELD.columns)


@dataclass(frozen=True)
class SharesRated:
    """`charges`: CHARGE rows, the sums; the bearers' end is null. `parts`: PARTS rows that add up to them. `held`: HELD
    rows; all of a record's bearers are rated, or none. All in the records' order."""

    charges: pa.Table
    parts: pa.Table
    held: pa.Table


def folded(
    plan: SharePlan,
    records: pa.Table,
    charged: Mapping[int, pa.Table],
    held: Mapping[int, pa.Table],
    base_held: pa.Table,
    engine: LocalEngine,
) -> SharesRated:
    """The charge out of what each bearer's share was rated to, by the bearers' numbers: CHARGE and HELD rows.

    `base_held`: record_id of records whose base is held, so that there are no shares.
    """
    numbers = np.array([*charged], dtype=np.int16)
    rows = pa.concat_tables([CHARGE.empty(), *(part.cast(CHARGE.columns) for part in charged.values())])
    # Each bearer's row of each record; behind them nobody's, so that there is one column at least.
    row_of = np.full((records.num_rows, len(numbers) + 1), -1, dtype=np.int64)
    start = 0
    for at, part in enumerate(charged.values()):
        places = pc.index_in(_storage(part), value_set=_storage(records)).to_numpy()
        row_of[places, at] = np.arange(start, start + part.num_rows)
        start += part.num_rows
    amounts = np.append(rows.column("amount_minor").to_numpy(), 0)[row_of]
    sums, fits = _added(amounts)
    mixed = (amounts < 0).any(axis=1) & (amounts > 0).any(axis=1)
    why = HELD.empty()
    if base_held.num_rows or any(part.num_rows for part in held.values()) or mixed.any() or not fits.all():
        doubtful = records.select(["record_id"]).append_column("fits", pa.array(fits)).append_column(
            "mixed", pa.array(mixed)
        )  # fmt: skip
        why = _held(plan, doubtful, held, base_held, engine)
    stands = (row_of >= 0).any(axis=1) & ~np.asarray(pc.is_in(_storage(records), value_set=_storage(why)))
    places = np.flatnonzero(stands)
    first = row_of[places, (row_of[places] >= 0).argmax(axis=1)]
    of_first = rows.take(pa.array(first))
    name, nobody = pa.repeat(pa.scalar(plan.name), len(places)), pa.nulls(len(places), pa.string())
    ends = [nobody, of_first.column("creditor")] if plan.owed_by_bearer else [of_first.column("creditor"), nobody]
    ids, currency, booked_on, refund_of = (
        of_first.column(each) for each in ("record_id", "currency", "booked_on", "refund_of")
    )
    columns = [ids, name, name, pa.array(sums[places]), currency, *ends, booked_on, refund_of]
    taken = row_of[places] >= 0
    place, bearer = np.nonzero(taken)
    parts = [ids.take(pa.array(place)), pa.array(numbers[bearer]), pa.array(amounts[places][taken])]
    return SharesRated(pa.table(columns, schema=CHARGE.columns), pa.table(parts, schema=PARTS), why)


def _added(amounts: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """The sum of each row, and whether 64 bits hold it; parts of one sign are expected."""
    total = np.zeros(len(amounts), dtype=np.int64)
    fits = np.ones(len(amounts), dtype=np.bool_)
    for column in amounts.T:
        after = total + column
        fits &= ((total ^ after) & (column ^ after)) >= 0  # it overflows where both signs differ from the sum's
        total = after
    return total, fits


def _held(
    plan: SharePlan, doubtful: pa.Table, held: Mapping[int, pa.Table], base_held: pa.Table, engine: LocalEngine
) -> pa.Table:
    """HELD rows of the records that cannot be charged, in order, with the reason of the first bearer that has one.

    `doubtful`: record_id, and whether the sum `fits` and the signs are `mixed`.
    """
    rows = [HELD.columns.empty_table(), *(part.cast(HELD.columns) for part in held.values())]
    numbers = np.repeat(np.array([0, *held], dtype=np.int16), [part.num_rows for part in rows])
    roles = " ".join(f"WHEN {number} THEN {literal(role)}" for number, role in plan.of.bearers.items())
    return engine.query(
        f"""
        WITH told AS (
            SELECT record_id, -1 AS bearer, 'held' AS state,
                'held because charge ' || {literal(plan.of.base)} || ' is held' AS reason
            FROM base_held
            UNION ALL
            SELECT record_id, bearer, state, 'for ' || (CASE bearer {roles} END) || ': ' || reason
            FROM lacking WHERE charge <> {literal(WHOLE_RECORD)}
            UNION ALL
            SELECT record_id, {_LAST}, 'held', 'it is owed to some bearers and by others; make two charges of it, each'
                || ' with a when'
            FROM places WHERE mixed
            UNION ALL
            SELECT record_id, {_LAST}, 'quarantined', 'its bearers'' amounts add up to more than 64 bits hold'
            FROM places WHERE NOT fits AND NOT mixed
        )
        SELECT record_id, {literal(plan.name)} AS charge, arg_min(state, bearer) AS state,
            arg_min(reason, bearer) AS reason
        FROM told JOIN places USING (record_id) GROUP BY record_id, place ORDER BY place
        """,
        places=doubtful.append_column("place", pa.array(np.arange(doubtful.num_rows))),
        lacking=pa.concat_tables(rows).append_column("bearer", pa.array(numbers)),
        base_held=base_held,
    ).cast(HELD.columns)


#: Behind every bearer.
_LAST = 1 << 15


def _storage(rows: pa.Table) -> pa.Array:
    return _whole(rows.column("record_id").cast(pa.binary(16)))


def _whole(column: pa.ChunkedArray) -> pa.Array:
    one = column.combine_chunks()
    return pa.concat_arrays(one.chunks) if isinstance(one, pa.ChunkedArray) else one
