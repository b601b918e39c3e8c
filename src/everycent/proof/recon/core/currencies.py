"""Rows of one key in different currencies never agree, whatever their amounts: 5.00 CNY is not 5.00 USD."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pyarrow as pa

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import identifier
from everycent.proof.recon.core.plan import ReconPlan
from everycent.proof.recon.core.row_currency import code_sql, names_currency
from everycent.proof.recon.core.seen import exponent_sql, written_minor_sql

_SIDES = ("left", "right")
_OTHER_MONEY = "recon_other_money"

#: A sum of minor units as people write it, exactly.
_DECIMAL = written_minor_sql(exponent_sql("code", 0), "minor")


@contextmanager
def currencies_told(
    plan: ReconPlan, left: pa.Table | str, right: pa.Table | str, engine: LocalEngine
) -> Iterator[tuple[ReconPlan, pa.Table | str, pa.Table | str]]:
    """The sides, with the currency as part of the status of those keys' rows that are in different ones: each row's
    own, or, where rows of a key add up in several, what they add up to in each of them.

    Rules see the currency by itself: where there are some, only keys whose amounts would agree are told.
    """
    sides = (left, right)
    if not any(names_currency(side, engine) for side in sides):
        yield plan, left, right
        return
    codes = [code_sql(side, plan.currency, engine) for side in sides]
    keys = engine.query(_keys_sql(plan, codes), recon_given_left=left, recon_given_right=right)
    if not keys.num_rows:
        yield plan, left, right
        return
    engine.query(f"CREATE OR REPLACE TEMP TABLE {_OTHER_MONEY} AS FROM found", found=keys)
    ours, theirs = (
        _told(plan, name, side, code, engine) for name, side, code in zip(_SIDES, sides, codes, strict=True)
    )
    try:
        yield replace(plan, compares_status=True), ours, theirs
    finally:
        for name in _SIDES:
            engine.connection.execute(f"DROP VIEW IF EXISTS recon_money_{name}")
        engine.connection.execute(f"DROP TABLE {_OTHER_MONEY}")


def _keys_sql(plan: ReconPlan, codes: list[str]) -> str:
    """SQL for the keys with rows in different currencies; `left_told` and `right_told`: what is told of rows that add
    up in the same several currencies, else NULL."""
    grouped = ", ".join(
        f"""{name[0]} AS (SELECT key, list(code ORDER BY code) AS codes, sum(minor) AS minor,
            string_agg(code || ' ' || {_DECIMAL}, ' + ' ORDER BY code) AS told
        FROM (SELECT key, {code} AS code, sum(amount_minor) AS minor FROM recon_given_{name} GROUP BY key, code)
        GROUP BY key)"""
        for name, code in zip(_SIDES, codes, strict=True)
    )
    sums = plan.left_sums or plan.right_sums
    apart = "l.told <> r.told" if sums else "len(l.codes) > 1"
    agree = "true" if plan.rules is None else f"abs(l.minor - r.minor) <= {plan.tolerance_minor}"
    told = ", ".join(
        f"CASE WHEN l.codes = r.codes AND {sums} THEN {name[0]}.told END AS {name}_told" for name in _SIDES
    )
    return f"""WITH {grouped} SELECT key, {told} FROM l JOIN r USING (key)
        WHERE (l.codes <> r.codes OR (len(l.codes) > 1 AND {apart})) AND {agree} ORDER BY key"""


def _told(plan: ReconPlan, name: str, side: pa.Table | str, code: str, engine: LocalEngine) -> pa.Table | str:
    """The side with those statuses."""
    status = "nullif(s.status, '')" if plan.compares_status else "NULL"
    rows = f"""SELECT s.* REPLACE ((CASE WHEN o.key IS NULL THEN {status}
            ELSE concat_ws(' ', {status}, coalesce(o.{name}_told, {code})) END)::VARCHAR AS status)
        FROM %s AS s LEFT JOIN {_OTHER_MONEY} AS o ON o.key = s.key"""
    if not isinstance(side, str):
        return engine.query(rows % "given", given=side)
    engine.connection.execute(f"CREATE OR REPLACE VIEW recon_money_{name} AS {rows % identifier(side)}")
    return f"recon_money_{name}"
