"""A tolerance holds in its own currency: 0.05 CNY writes off no 5 JPY. A key in several currencies has none."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import pyarrow as pa

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import identifier, literal
from everycent.proof.recon.contract import ROW
from everycent.proof.recon.core.plan import ReconPlan
from everycent.proof.recon.core.row_currency import code_sql, has_others

_SIDES = ("left", "right")
_KEYS = "recon_tolerance"

#: A plan and both sides.
Part = tuple[ReconPlan, pa.Table | str, pa.Table | str]


@contextmanager
def parted_by_tolerance(
    plan: ReconPlan, left: pa.Table | str, right: pa.Table | str, engine: LocalEngine
) -> Iterator[Sequence[Part]]:
    """The sides, parted by their keys: in each part one tolerance holds for all rows. Mostly there is one part."""
    sides = (left, right)
    tolerances = {plan.currency: plan.tolerance_minor, **plan.tolerances}
    codes = [code_sql(side, plan.currency, engine) for side in sides]
    if not any(tolerances.values()) or not any(has_others(side, plan.currency, engine) for side in sides):
        yield [(plan, left, right)]
        return
    keys = engine.query(_keys_sql(codes, tolerances, plan.tolerance_minor), recon_given_left=left,
                        recon_given_right=right)  # fmt: skip
    if not keys.num_rows:
        yield [(plan, left, right)]
        return
    engine.query(f"CREATE OR REPLACE TEMP TABLE {_KEYS} AS FROM found", found=keys)
    try:
        others = engine.query(f"SELECT DISTINCT tolerance FROM {_KEYS} ORDER BY tolerance")["tolerance"].to_pylist()
        parts: list[Part] = []
        for number, tolerance in enumerate([None, *others]):
            ours, theirs = (
                _rows(name, number, side, tolerance, engine) for name, side in zip(_SIDES, sides, strict=True)
            )
            parts.append((replace(plan, tolerance_minor=plan.tolerance_minor if tolerance is None else tolerance), ours,
                          theirs))  # fmt: skip
        yield parts
    finally:
        for name in _SIDES:
            for number in range(len(tolerances) + 2):
                engine.connection.execute(f"DROP VIEW IF EXISTS recon_tolerance_{name}_{number}")
        engine.connection.execute(f"DROP TABLE {_KEYS}")


def _keys_sql(codes: Sequence[str], tolerances: dict[str, int], ours: int) -> str:
    """SQL for the keys that another tolerance than `ours` holds for, and which."""
    arms = " ".join(f"WHEN {literal(code)} THEN {minor}" for code, minor in sorted(tolerances.items()))
    grouped = ", ".join(
        f"""given_{name} AS (SELECT key, min(code) AS first, max(code) AS last
            FROM (SELECT key, {code} AS code FROM recon_given_{name}) GROUP BY key)"""
        for name, code in zip(_SIDES, codes, strict=True)
    )
    return f"""WITH {grouped},
        met AS (SELECT coalesce(l.key, r.key) AS key, least(l.first, r.first) AS first, greatest(l.last, r.last) AS last
            FROM given_left AS l FULL JOIN given_right AS r ON l.key = r.key),
        told AS (SELECT key, CASE WHEN first <> last THEN 0 ELSE CASE first {arms} ELSE 0 END END::BIGINT AS tolerance
            FROM met)
    SELECT key, tolerance FROM told WHERE tolerance <> {ours} ORDER BY key"""


def _rows(name: str, number: int, side: pa.Table | str, tolerance: int | None, engine: LocalEngine) -> pa.Table | str:
    """The side's rows of the keys that this tolerance holds for; None: of all keys that are not listed."""
    join = "ANTI" if tolerance is None else "SEMI"
    of = _KEYS if tolerance is None else f"(FROM {_KEYS} WHERE tolerance = {tolerance})"
    columns = engine.query("FROM recon_looked LIMIT 0", recon_looked=side).column_names
    kept = f"* EXCLUDE ({ROW})" if ROW in columns else "*"  # numbers that leave rows out are no numbers of rows
    rows = f"SELECT {kept} FROM %s AS s {join} JOIN {of} AS k ON k.key = s.key"
    if not isinstance(side, str):
        return engine.query(rows % "given", given=side)
    view = f"recon_tolerance_{name}_{number}"
    engine.connection.execute(f"CREATE OR REPLACE VIEW {view} AS {rows % identifier(side)}")
    return view
