"""Which breaks each cure takes up next: the first rule that fits takes a break, and no rule takes more than it may.

Open breaks are looked at in the engine, all at once; only those that are to be repaired leave it, by their ids.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

import pyarrow as pa

from everycent.base.engine.formula import compile_condition, parse_formula
from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import among, literal
from everycent.base.engine.types import Column, ColumnType
from everycent.base.platform.bulk import copy_into_engine
from everycent.base.platform.database import Connection
from everycent.proof.recon.breaks.amounts import limit_of
from everycent.proof.recon.breaks.standing import AMOUNTS, CAUSE, CURRENCY, DIFFERENCE, FROM, ORDER
from everycent.proof.recon.breaks.words import Words
from everycent.proof.recon.core.seen import FINEST, exponent_sql, finer_sql
from everycent.proof.recon.handling import RepairRuleSpec

_TABLE = "repairable_break"
_TEXTS = ("key", "kind", "cause", "left_status", "right_status", "currency")
#: By what conditions call an amount: its column, and that of its currency.
_AMOUNTS = {
    "left_amount": ("left_amount_minor", "left_currency"),
    "right_amount": ("right_amount_minor", "right_currency"),
    "difference": ("difference_minor", "currency"),
}
_SUM = pa.decimal128(38, 0)
_REPAIRABLE = pa.schema(
    [
        *((name, pa.string()) for name in ("break_id", *_TEXTS)),
        ("left_amount_minor", _SUM),
        ("left_currency", pa.string()),
        ("right_amount_minor", _SUM),
        ("right_currency", pa.string()),
        ("difference_minor", _SUM),
        ("repairs", pa.int64()),
        ("last_run_no", pa.int64()),
        ("place", pa.int64()),
    ]
)
_LARGEST = 2**63 - 2


@dataclass(frozen=True)
class NotTried:
    """How many breaks a rule fits and may not repair now, and why."""

    rule: str
    why: str
    breaks: int


@dataclass(frozen=True)
class ForRule:
    """What a rule is to repair, in order, and what it would and may not."""

    rule: RepairRuleSpec
    ids: Sequence[UUID]
    not_tried: Sequence[NotTried]


def check_rule(rule: RepairRuleSpec) -> None:
    """Raises FormulaError or ValueError for a condition that cannot be used."""
    if rule.when is not None:
        condition = parse_formula(rule.when, _SCOPE)
        if condition.type.kind != "boolean":
            raise ValueError(f"when: '{rule.when}' is {condition.type}; write a condition")


def choose(
    connection: Connection,
    engine: LocalEngine,
    tenant: str,
    model: str,
    words: Words,
    states: Sequence[str],
    meant: Sequence[UUID] | None,
) -> list[ForRule]:
    """What each rule repairs of the scenario's breaks in these `states`, or of those that a person means.

    A person's breaks are repaired however often that was tried before; the limits hold for both. What was attempted of
    the same run before counts.
    """
    rules = words.handling.repair
    if not rules:
        return []
    of = {"s.tenant": tenant, "s.model": model, "s.scenario": words.scenario}
    scope = " AND ".join(f"{column} = {literal(value)}" for column, value in of.items())
    if meant is not None:
        scope += f" AND s.break_id IN (SELECT unnest({literal('{' + ','.join(map(str, meant)) + '}')}::uuid[]))"
    copy_into_engine(
        connection,
        f"""SELECT s.break_id::text, s.key, s.kind, {CAUSE}, f.left_status, f.right_status, {CURRENCY}, {AMOUNTS},
            {DIFFERENCE}, s.repairs, r.run_no, row_number() OVER (ORDER BY {ORDER})
        {FROM} WHERE {scope} AND {among("state", states)}""",
        _REPAIRABLE,
        engine.connection,
        _TABLE,
    )
    try:
        return [_of_rule(connection, engine, (tenant, model), words, number, meant) for number in range(len(rules))]
    finally:
        engine.connection.execute(f"DROP TABLE {_TABLE}")


def _of_rule(
    connection: Connection,
    engine: LocalEngine,
    whose: tuple[str, str],
    words: Words,
    number: int,
    meant: Sequence[UUID] | None,
) -> ForRule:
    """Those that no rule before this one takes, and that it may still repair."""
    rules = words.handling.repair
    rule = rules[number]
    taken = " OR ".join(f"({_fits(each, words)})" for each in rules[:number]) or "false"
    again = "true" if meant is not None else f"repairs < {rule.attempts}"
    exact = ", ".join(f"TRY_CAST({name} AS BIGINT) AS {name}" for name, _ in _AMOUNTS.values())
    units = ", ".join(f"{finer_sql(exponent_sql(code, 0))} AS {name}_unit" for name, (_, code) in _AMOUNTS.items())
    fitting = engine.query(
        f"""SELECT break_id, last_run_no, currency, least(abs(exact), {_LARGEST + 1})::BIGINT AS amount_minor
        FROM (SELECT * REPLACE ({exact}), difference_minor AS exact, {units} FROM repairable) AS b
        WHERE ({_fits(rule, words)}) AND NOT ({taken}) AND {again} ORDER BY place""",
        repairable=_TABLE,
    )
    used = _used(connection, whose, words.scenario, rule)
    ids, passed_over = _within(fitting, rule, words, used)
    return ForRule(rule, [UUID(text) for text in ids], [NotTried(rule.name, why, n) for why, n in passed_over.items()])


def _within(
    fitting: pa.Table, rule: RepairRuleSpec, words: Words, used: Mapping[tuple[int, str], tuple[int, int]]
) -> tuple[list[str], dict[str, int]]:
    """The ids within the limits of their runs, in order; and how many are passed over, by why. A break that is too
    large is passed over, smaller ones behind it are not."""
    counts, amounts = dict[int, int](), dict[tuple[int, str], int]()
    for (run_no, code), (count, amount) in used.items():
        counts[run_no] = counts.get(run_no, 0) + count
        amounts[run_no, code] = amount
    chosen, over, limits = [], dict[str, int](), dict[str | None, tuple[str, int] | None]()
    columns = (fitting[name].to_pylist() for name in ("last_run_no", "currency", "amount_minor"))
    for place, (run_no, code, amount) in enumerate(zip(*columns, strict=True)):
        why = None
        if counts.get(run_no, 0) >= rule.most:
            why = f"{rule.name} repairs at most {rule.most} breaks of a reconciliation"
        elif rule.most_amount is not None:
            if code not in limits:
                limits[code] = limit_of(rule.most_amount, words, code)
            if (limit := limits[code]) is None:
                why = f"{rule.name} says with `most_amount` nothing of {code or 'breaks in several currencies'}"
            elif amounts.get((run_no, code), 0) + amount > min(limit[1], _LARGEST):
                why = f"{rule.name} repairs at most {limit[0]} of a reconciliation"
        if why is not None:
            over[why] = over.get(why, 0) + 1
            continue
        counts[run_no] = counts.get(run_no, 0) + 1
        if code is not None:
            amounts[run_no, code] = amounts.get((run_no, code), 0) + amount
        chosen.append(place)
    return fitting["break_id"].take(pa.array(chosen, pa.int64())).to_pylist(), over


def _used(
    connection: Connection, whose: tuple[str, str], scenario: str, rule: RepairRuleSpec
) -> dict[tuple[int, str], tuple[int, int]]:
    """By run and currency: how many attempts the rule has made, and their amounts."""
    rows = connection.execute(
        """SELECT r.run_no, coalesce(a.currency, r.currency), count(*), sum(a.amount_minor)::text
        FROM recon.repair_attempt AS a JOIN recon.run AS r USING (tenant, model, run_id)
        WHERE a.tenant = %s AND a.model = %s AND a.rule = %s AND r.scenario = %s GROUP BY 1, 2""",
        (*whose, rule.name, scenario),
    )
    return {(run_no, code): (count, int(amount)) for run_no, code, count, amount in rows}


#: What conditions see. Amounts have the decimals of the finest currency, whichever it is that they are in.
_SCOPE: Mapping[str, Column] = {
    **{name: Column(name, ColumnType("text"), f'b."{name}"') for name in _TEXTS},
    **{
        name: Column(name, ColumnType("money", FINEST), f'TRY(b."{column}" * b."{name}_unit")')
        for name, (column, _) in _AMOUNTS.items()
    },
}


def _of_one(code: str) -> Mapping[str, Column]:
    """The same, where an amount in any other currency has no value: what is written once holds for one."""
    ours = {
        name: replace(_SCOPE[name], sql=f"CASE WHEN b.{held} = {literal(code)} THEN {_SCOPE[name].sql} END")
        for name, (_, held) in _AMOUNTS.items()
    }
    return {**_SCOPE, **ours}


def _fits(rule: RepairRuleSpec, words: Words) -> str:
    """SQL over the break `b`: true or false. An amount beyond 64 bits is null to `when`, as is one in another currency
    than the scenario's where the condition does not say in which it is."""
    parts = ["true"]
    if rule.kinds:
        parts.append(among("kind", rule.kinds))
    if rule.causes:
        parts.append(among("cause", rule.causes))
    if rule.when is not None:
        says = "currency" in parse_formula(rule.when, _SCOPE).columns
        condition = parse_formula(rule.when, _SCOPE if says else _of_one(words.currency))
        parts.append(f"({compile_condition(condition)}) IS TRUE")
    return " AND ".join(parts)
