"""Charges per share: each bearer's part of an apportioned charge is rated by itself; what they come to adds up."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
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
    given = {
        "places": pa.table({"record_id": records.column("record_id"), "place": np.arange(records.num_rows)}),
        "rated": _numbered(CHARGE.columns, charged),
        "lacking": _numbered(HELD.columns, held),
        "base_held": base_held,
    }
    roles = " ".join(f"WHEN {number} THEN {literal(role)}" for number, role in plan.of.bearers.items())
    name, base = literal(plan.name), literal(plan.of.base)
    why = engine.query(
        f"""
        WITH told AS (
            SELECT record_id, -1 AS bearer, 'held' AS state, 'held because charge ' || {base} || ' is held' AS reason
            FROM base_held
            UNION ALL
            SELECT record_id, bearer, state, 'for ' || (CASE bearer {roles} END) || ': ' || reason
            FROM lacking WHERE charge <> {literal(WHOLE_RECORD)}
            UNION ALL
            SELECT record_id, {_LAST}, 'held', 'it is owed to some bearers and by others (' || min(amount_minor)
                || ' to ' || max(amount_minor) || ' minor units); make two charges of it, each with a when'
            FROM rated GROUP BY record_id HAVING min(amount_minor) < 0 AND max(amount_minor) > 0
            UNION ALL
            SELECT record_id, {_LAST}, 'quarantined', 'its bearers'' amounts add up to more than 64 bits hold'
            FROM rated GROUP BY record_id HAVING TRY_CAST(sum(amount_minor) AS BIGINT) IS NULL
        )
        SELECT record_id, {name} AS charge, arg_min(state, bearer) AS state, arg_min(reason, bearer) AS reason
        FROM told JOIN places USING (record_id) GROUP BY record_id, place ORDER BY place
        """,
        **given,
    ).cast(HELD.columns)
    stands = engine.query(
        "SELECT rated.*, place FROM rated JOIN places USING (record_id) ANTI JOIN why USING (record_id)"
        " ORDER BY place, bearer",
        why=why,
        **given,
    )
    bearer, other = ("debtor", "creditor") if plan.owed_by_bearer else ("creditor", "debtor")
    sums = engine.query(
        f"""
        SELECT record_id, {name} AS charge, {name} AS rule, CAST(sum(amount_minor) AS BIGINT) AS amount_minor,
            any_value(currency) AS currency, NULL AS {bearer}, any_value(creditor) AS {other},
            any_value(booked_on) AS booked_on, NULL AS refund_of
        FROM stands GROUP BY record_id, place ORDER BY place
        """,
        stands=stands,
    )
    return SharesRated(
        sums.select(CHARGE.columns.names).cast(CHARGE.columns), stands.select(PARTS.names).cast(PARTS), why
    )


#: Behind every bearer.
_LAST = 1 << 15


def _numbered(schema: pa.Schema, parts: Mapping[int, pa.Table]) -> pa.Table:
    rows = [schema.empty_table(), *(part.cast(schema) for part in parts.values())]
    numbers = np.repeat(np.array([0, *parts], dtype=np.int16), [part.num_rows for part in rows])
    return pa.concat_tables(rows).append_column("bearer", pa.array(numbers))


def _storage(rows: pa.Table) -> pa.Array:
    return _whole(rows.column("record_id").cast(pa.binary(16)))


def _whole(column: pa.ChunkedArray) -> pa.Array:
    one = column.combine_chunks()
    return pa.concat_arrays(one.chunks) if isinstance(one, pa.ChunkedArray) else one
