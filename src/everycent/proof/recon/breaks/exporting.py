"""Breaks as tables for people: all that fit, and how old they are by whose they are. Amounts are in major units."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa
from psycopg import ClientCursor
from psycopg.rows import dict_row

from everycent.base.engine.sql import literal
from everycent.base.money.currency import currency
from everycent.base.platform.bulk import copy_out
from everycent.base.platform.database import Connection
from everycent.proof.recon.breaks.standing import (
    AGE,
    AGES,
    CAUSE,
    COLUMNS,
    CURRENCY,
    DIFFERENCE,
    FROM,
    NOBODY,
    ORDER,
    OVERDUE,
    Chosen,
    whole,
)

_TIME, _TEXT, _LONG = pa.timestamp("us", "UTC"), pa.string(), pa.int64()
#: What is worth something, and the column of its currency.
AMOUNTS_IN = {"left_amount": "left_currency", "right_amount": "right_currency", "difference": "currency"}
_EXPORTED: dict[str, pa.DataType] = {
    **dict.fromkeys(("break_id", "model", "scenario", "kind", "key", "cause", "state", "reason", "owner"), _TEXT),
    **dict.fromkeys(("age_days",), _LONG), "overdue": pa.bool_(), "currency": _TEXT, **dict.fromkeys(AMOUNTS_IN, _LONG),
    "left_currency": _TEXT, "right_currency": _TEXT,
    "left_status": _TEXT, "right_status": _TEXT, "said": _TEXT,
    "left_file": _TEXT, "left_line": _LONG, "right_file": _TEXT, "right_line": _LONG,
    **dict.fromkeys(("first_run_no", "last_run_no", "rechecks", "repairs"), _LONG),
    **dict.fromkeys(("found_at", "moved_at", "due_at"), _TIME),
}  # fmt: skip
#: SQL of a side's currency; where its rows are in several, of all of them.
_CURRENCIES_OF = {
    f"{side}_currency": f"""coalesce({side}_currency,
        (SELECT string_agg(code, '+' ORDER BY code) FROM jsonb_object_keys({side}_amounts::jsonb) AS c(code)))"""
    for side in ("left", "right")
}
#: What open breaks are counted by.
BY = {"owner": "s.owner", "scenario": "s.scenario", "kind": "s.kind", "cause": CAUSE, "state": "s.state"}


def export_of(connection: Connection, tenant: str, chosen: Chosen, now: datetime) -> pa.Table:
    """All that are meant, in the order of `find`. Amounts are exact decimals, with as many digits behind the point as
    the currencies among them have; what is in several currencies has none, and `left_currency` and `right_currency`
    say what it is in."""
    condition, values = chosen.condition(now)
    given = {**values, "tenant": tenant, "now": now}
    codes = connection.execute(
        f"""SELECT DISTINCT code {FROM}, LATERAL (VALUES (r.currency), (m.left_currency), (m.right_currency)) AS v(code)
        WHERE s.tenant = %(tenant)s AND code IS NOT NULL AND {condition} ORDER BY 1""",
        given,
    ).fetchall()
    exponents = {code: currency(code).exponent for (code,) in codes}
    exact = pa.decimal128(38, max(exponents.values(), default=0))
    unit = " ".join(f"WHEN {literal(code)} THEN 1e-{exponent}" for code, exponent in exponents.items())
    major = ", ".join(f"{name}_minor * CASE {code} {unit} END AS {name}" for name, code in AMOUNTS_IN.items())
    schema = pa.schema({**_EXPORTED, **dict.fromkeys(AMOUNTS_IN, exact)}.items())
    columns = ", ".join(_CURRENCIES_OF.get(name, name) for name in schema.names)
    query = f"""SELECT {columns} FROM (SELECT *, {major if unit else "NULL"} FROM (
            SELECT {COLUMNS}, coalesce({OVERDUE}, false) AS overdue, row_number() OVER (ORDER BY {ORDER}) AS place,
                floor(extract(epoch FROM %(now)s - s.found_at) / 86400)::bigint AS age_days
            {FROM} WHERE s.tenant = %(tenant)s AND {condition}) AS found) AS told ORDER BY place"""
    if not unit:
        return schema.empty_table()
    return copy_out(connection, ClientCursor(connection).mogrify(query, given), schema)


def ageing(connection: Connection, tenant: str, chosen: Chosen, by: str, now: datetime) -> Sequence[dict[str, Any]]:
    """Of those that are meant, by `by` (of BY) and currency: how many there are, what their differences add up to
    (`difference_minor`, and without regard to sign `at_stake_minor`; None of those in several currencies), how many of
    each age (`ages`, in the order of AGES), how old the oldest is, and how many are overdue. Who has most overdue comes
    first."""
    condition, values = chosen.condition(now)
    aged = ", ".join(f"count(*) FILTER (WHERE age = {place})" for place in range(len(AGES)))
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            f"""SELECT coalesce(name, {literal(NOBODY)}) AS name, currency, count(*) AS breaks,
                sum(difference_minor)::text AS difference_minor, sum(abs(difference_minor))::text AS at_stake_minor,
                ARRAY[{aged}] AS ages, min(found_at) AS oldest_at, count(*) FILTER (WHERE overdue) AS overdue
            FROM (SELECT {BY[by]} AS name, {CURRENCY} AS currency, {DIFFERENCE} AS difference_minor, {AGE} AS age,
                    s.found_at, {OVERDUE} AS overdue
                {FROM} WHERE s.tenant = %(tenant)s AND {condition}) AS aged
            GROUP BY 1, 2 ORDER BY overdue DESC, breaks DESC, 1, 2""",
            {**values, "tenant": tenant, "now": now},
        ).fetchall()
    return [
        {
            **row,
            "ages": {name: number for (name, _), number in zip(AGES, row["ages"], strict=True)},
            "difference_minor": whole(row["difference_minor"]),
            "at_stake_minor": whole(row["at_stake_minor"]),
        }
        for row in rows
    ]
