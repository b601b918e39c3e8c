"""The second witness: both sides added up by a dimension from their raw rows, beside what the details say of it."""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import identifier, literal
from everycent.base.money.currency import currency as currency_of
from everycent.proof.recon.contract import DIMENSION
from everycent.proof.recon.core.seen import exponent_sql


@dataclass(frozen=True)
class TotalPlan:
    """What both sides are added up by, and by how much a total may part; None: whatever it is, it is only told."""

    by: tuple[str, ...]
    limit_minor: int | None
    currency: str  # of rows that name none


def dimensions(
    plan: TotalPlan,
    left: pa.Table | str,
    right: pa.Table | str,
    found: pa.Table | None,
    sums: tuple[bool, bool],
    engine: LocalEngine,
) -> pa.Table:
    """DIMENSION. `found` (BREAK): the breaks and write-offs of pass one, None where nothing was compared row by row;
    `sums`: of each side, whether rows of a key add up.

    Equal rows cancel in a total where both have the same value of the dimension. Where they have not, as a payment that
    is in today's on one side and in tomorrow's on the other, total and detail part.
    """
    sides = {"left_side": left, "right_side": right}
    if found is not None:
        sides["found"] = found
    both = " UNION ALL ".join(
        f"""SELECT {_value_sql(plan, sides[f"{side}_side"], engine)} AS dimension, {number} AS side, count(*) AS n,
            sum(amount_minor)::HUGEINT AS minor,
            {_apart_sql(side, summed) if found is not None else "NULL"}::HUGEINT AS unequal
        FROM {side}_side AS s GROUP BY dimension"""
        for number, (side, summed) in enumerate(zip(("left", "right"), sums, strict=True))
    )
    sign = "CASE side WHEN 0 THEN 1 ELSE -1 END"
    limit = _limit_sql(plan)
    return engine.query(
        f"""WITH summed AS (
            SELECT dimension, {
            ", ".join(
                f"coalesce(sum({what}) FILTER (side = {number}), 0)::{kind} AS {side}_{name}"
                for number, side in enumerate(("left", "right"))
                for what, kind, name in (("n", "BIGINT", "rows"), ("minor", "DECIMAL(38, 0)", "minor"))
            )
        }, sum({sign} * unequal)::DECIMAL(38, 0) AS detail_minor
            FROM ({both}) GROUP BY dimension)
        SELECT row_number() OVER (ORDER BY dimension) AS dimension_no, dimension, left_rows, right_rows, left_minor,
            right_minor, left_minor - right_minor AS difference_minor, detail_minor,
            left_minor - right_minor - coalesce(detail_minor, 0) AS apart_minor, {limit} AS limit_minor
        FROM summed ORDER BY dimension""",
        **sides,
    ).cast(DIMENSION)


def _limit_sql(plan: TotalPlan) -> str:
    """The limit: as written in each line's own currency, where there is one; what is less than its least unit is 0."""
    if plan.limit_minor is None:
        return "NULL"
    if "currency" not in plan.by:
        return str(int(plan.limit_minor))
    code, ours = "json_extract_string(dimension, '$.currency')", currency_of(plan.currency).exponent
    arms = " ".join(f"WHEN {places} THEN {plan.limit_minor * 10**places // 10**ours}" for places in (0, 2, 3, 4))
    return f"CASE {exponent_sql(code, ours)} {arms} END"


def _value_sql(plan: TotalPlan, side: pa.Table | str, engine: LocalEngine) -> str:
    has = engine.query("FROM side LIMIT 0", side=side).column_names
    values: list[str] = []
    for name in plan.by:
        value = f"s.{identifier(name)}" if name in has else "NULL"
        values.append(f"coalesce({value}, {literal(plan.currency)})" if name == "currency" else value)
    parts = ", ".join(f"{literal(name)}, {value}" for name, value in zip(plan.by, values, strict=True))
    return f"json_object({parts})::VARCHAR"


def _apart_sql(side: str, sums: bool) -> str:
    """What the rows add up to that `found` lists: by their key where rows of a key add up, else by their place."""
    if sums:
        listed = f"s.key IN (SELECT key FROM found WHERE {side}_rows > 0)"
    else:
        places = f"SELECT {side}_file, {side}_line, key FROM found WHERE {side}_rows > 0"
        listed = f"(s.source_file, s.source_line, s.key) IN ({places})"
    return f"coalesce(sum(amount_minor) FILTER ({listed}), 0)"


def beyond_limit(found: pa.Table) -> list[dict[str, object]]:
    """The lines that part by more than their limit."""
    return [
        row
        for row in found.to_pylist()
        if row["limit_minor"] is not None and abs(row["apart_minor"]) > row["limit_minor"]
    ]


def apart(found: pa.Table) -> Sequence[dict[str, object]]:
    """The lines that part."""
    return [row for row in found.to_pylist() if row["apart_minor"]]
