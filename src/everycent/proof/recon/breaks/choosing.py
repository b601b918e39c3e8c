"""Which breaks each cure takes up next: the first rule that fits takes a break, and no rule takes more than it may.

Open breaks are looked at in the engine, all at once; only those that are to be repaired leave it, by their ids.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import pyarrow as pa

from everycent.base.engine.formula import compile_condition, parse_formula
from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import among, literal
from everycent.base.engine.types import Column, ColumnType
from everycent.base.money.amount import parse_minor
from everycent.base.money.currency import Currency, currency
from everycent.base.platform.bulk import copy_into_engine
from everycent.base.platform.database import Connection
from everycent.proof.recon.breaks.standing import CAUSE, DIFFERENCE, FROM, ORDER
from everycent.proof.recon.breaks.words import Words
from everycent.proof.recon.handling import RepairRuleSpec

_TABLE = "repairable_break"
_TEXTS = ("key", "kind", "cause", "left_status", "right_status")
_AMOUNTS = {
    "left_amount": "left_amount_minor",
    "right_amount": "right_amount_minor",
    "difference": "difference_minor",
}
_SUM = pa.decimal128(38, 0)
_REPAIRABLE = pa.schema(
    [
        *((name, pa.string()) for name in ("break_id", *_TEXTS)),
        *((name, _SUM) for name in _AMOUNTS.values()),
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


def check_rule(rule: RepairRuleSpec, money: Currency) -> None:
    """Raises FormulaError or ValueError for words that cannot be used."""
    if rule.most_amount is not None:
        parse_minor(rule.most_amount, money)
    if rule.when is not None:
        condition = parse_formula(rule.when, _scope(money))
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
        f"""SELECT s.break_id::text, s.key, s.kind, {CAUSE}, f.left_status, f.right_status, f.left_amount_minor,
            f.right_amount_minor, {DIFFERENCE}, s.repairs, r.run_no, row_number() OVER (ORDER BY {ORDER})
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
    rules, money = words.handling.repair, currency(words.currency)
    rule = rules[number]
    taken = " OR ".join(f"({_fits(each, money)})" for each in rules[:number]) or "false"
    most_minor = _LARGEST if rule.most_amount is None else min(parse_minor(rule.most_amount, money), _LARGEST)
    again = "true" if meant is not None else f"repairs < {rule.attempts}"
    amounts = ", ".join(f"TRY_CAST({name} AS BIGINT) AS {name}" for name in _AMOUNTS.values())
    fitting = engine.query(
        f"""SELECT break_id, last_run_no, least(abs(exact), {most_minor + 1})::BIGINT AS amount_minor
        FROM (SELECT * REPLACE ({amounts}), difference_minor AS exact FROM repairable) AS b
        WHERE ({_fits(rule, money)}) AND NOT ({taken}) AND {again} ORDER BY place""",
        repairable=_TABLE,
    )
    used = _used(connection, whose, words.scenario, rule)
    chosen, too_many, too_much = _within(fitting, rule.most, most_minor, used)
    not_tried = (
        NotTried(rule.name, f"{rule.name} repairs at most {rule.most} breaks of a reconciliation", too_many),
        NotTried(rule.name, f"{rule.name} repairs at most {rule.most_amount} {money} of a reconciliation", too_much),
    )
    return ForRule(rule, [UUID(text) for text in chosen], [each for each in not_tried if each.breaks])


def _within(
    fitting: pa.Table, most: int, most_minor: int, used: Mapping[int, tuple[int, int]]
) -> tuple[list[str], int, int]:
    """The ids within the limits of their runs, in order; how many more than `most` there are, and how many more than
    the amount allows. A break that is too large is passed over, smaller ones behind it are not."""
    left = {run_no: [most - count, most_minor - amount] for run_no, (count, amount) in used.items()}
    chosen, too_much = [], 0
    columns = (fitting[name].to_pylist() for name in ("last_run_no", "amount_minor"))
    for place, (run_no, amount) in enumerate(zip(*columns, strict=True)):
        room = left.setdefault(run_no, [most, most_minor])
        if room[0] <= 0:
            continue
        if amount > room[1]:
            too_much += 1
            continue
        room[0], room[1] = room[0] - 1, room[1] - amount
        chosen.append(place)
    ids = fitting["break_id"].take(pa.array(chosen, pa.int64())).to_pylist()
    return ids, fitting.num_rows - len(chosen) - too_much, too_much


def _used(
    connection: Connection, whose: tuple[str, str], scenario: str, rule: RepairRuleSpec
) -> dict[int, tuple[int, int]]:
    """By run: how many attempts the rule has made, and their amounts."""
    rows = connection.execute(
        """SELECT r.run_no, count(*), sum(a.amount_minor)::text FROM recon.repair_attempt AS a
        JOIN recon.run AS r USING (tenant, model, run_id)
        WHERE a.tenant = %s AND a.model = %s AND a.rule = %s AND r.scenario = %s GROUP BY 1""",
        (*whose, rule.name, scenario),
    )
    return {run_no: (count, int(amount)) for run_no, count, amount in rows}


def _scope(money: Currency) -> dict[str, Column]:
    texts = {name: Column(name, ColumnType("text"), f'b."{name}"') for name in _TEXTS}
    amounts = {
        name: Column(name, ColumnType("money", money.exponent), f'b."{column}"') for name, column in _AMOUNTS.items()
    }
    return {**texts, **amounts}


def _fits(rule: RepairRuleSpec, money: Currency) -> str:
    """SQL over the break `b`: true or false. An amount beyond 64 bits is null to `when`."""
    parts = ["true"]
    if rule.kinds:
        parts.append(among("kind", rule.kinds))
    if rule.causes:
        parts.append(among("cause", rule.causes))
    if rule.when is not None:
        parts.append(f"({compile_condition(parse_formula(rule.when, _scope(money)))}) IS TRUE")
    return " AND ".join(parts)
