"""Standard cures: each attempt is written down before its handler is called, so that none is made twice.

A process that dies in between leaves an attempt that is begun. The next pass asks its handler what became of it, and
where that cannot say, the break is in doubt and waits for a person.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

import pyarrow as pa
from psycopg.pq import TransactionStatus

from everycent.base.engine.formula import compile_condition, parse_formula
from everycent.base.engine.local import LocalEngine
from everycent.base.engine.types import Column, ColumnType
from everycent.base.money.amount import parse_minor
from everycent.base.money.currency import Currency, currency
from everycent.base.platform.database import Connection
from everycent.proof.recon.breaks.moving import HOUSE, Moving, apply, by_ids
from everycent.proof.recon.breaks.standing import Chosen, StandingBreak, find
from everycent.proof.recon.breaks.words import Words
from everycent.proof.recon.core.moves import Move, State
from everycent.proof.recon.cures import RepairAttempt, RepairEnd, RepairHandler, RepairOutcome
from everycent.proof.recon.handling import RepairRuleSpec

_BY_ITSELF = (State.CONFIRMED, State.ALERTED)
_BY_HAND = (State.CONFIRMED, State.ALERTED, State.IN_HAND)
_MOVES = {RepairEnd.DONE: Move.SUCCEED, RepairEnd.FAILED: Move.FAIL, RepairEnd.IN_DOUBT: Move.DOUBT}


@dataclass(frozen=True)
class Workshop:
    """Where repairs are made: a scenario's words, and the handler of each of its rules, by name."""

    connection: Connection
    engine: LocalEngine
    tenant: str
    model: str
    words: Words
    handlers: Mapping[str, RepairHandler]
    now: datetime
    who: str = HOUSE


@dataclass(frozen=True)
class Repaired:
    """What became of one break. `end` None: it was not tried, and `said` tells why."""

    found: StandingBreak
    rule: str
    end: RepairEnd | None
    said: str
    dry_run: bool = False


def repair(shop: Workshop, meant: Sequence[StandingBreak] | None = None, *, dry_run: bool = False) -> list[Repaired]:
    """Repairs what the rules fit: all that is confirmed, or those that a person means. Limits hold for both.

    dry_run: handlers are told to change nothing, and nothing is kept.
    """
    idle = shop.connection.info.transaction_status == TransactionStatus.IDLE
    assert idle, "an attempt is committed before it is made: repair outside of transactions"
    done = [] if dry_run else _clear_up(shop)
    states = _BY_ITSELF if meant is None else _BY_HAND
    chosen = Chosen(model=shop.model, scenario=shop.words.scenario, states=states)
    open_now = find(shop.connection, shop.tenant, chosen, shop.now)
    if meant is not None:
        ids = {found.break_id for found in meant}
        open_now = [found for found in open_now if found.break_id in ids]
    for rule in shop.words.handling.repair:
        fitting = _fitting(rule, open_now, shop)
        fitted = {found.break_id for found in fitting}
        open_now = [found for found in open_now if found.break_id not in fitted]
        if meant is None:
            fitting = [found for found in fitting if found.repairs < rule.attempts]
        for found, refusal in _within_limits(rule, fitting, shop):
            one = Repaired(found, rule.name, None, refusal) if refusal else _repair(rule, found, shop, dry_run)
            done += [] if one is None else [one]
    return done


def check_rule(rule: RepairRuleSpec, money: Currency) -> None:
    """Raises FormulaError or ValueError for words that cannot be used."""
    if rule.most_amount is not None:
        parse_minor(rule.most_amount, money)
    if rule.when is not None:
        condition = parse_formula(rule.when, _scope(money))
        if condition.type.kind != "boolean":
            raise ValueError(f"when: '{rule.when}' is {condition.type}; write a condition")


_TEXTS = ("key", "kind", "cause", "left_status", "right_status")
_AMOUNTS = {
    "left_amount": "left_amount_minor",
    "right_amount": "right_amount_minor",
    "difference": "difference_minor",
}


def _scope(money: Currency) -> dict[str, Column]:
    texts = {name: Column(name, ColumnType("text"), f'b."{name}"') for name in _TEXTS}
    amounts = {
        name: Column(name, ColumnType("money", money.exponent), f'b."{column}"') for name, column in _AMOUNTS.items()
    }
    return {**texts, **amounts}


def _fitting(rule: RepairRuleSpec, found: Sequence[StandingBreak], shop: Workshop) -> list[StandingBreak]:
    some = [
        each
        for each in found
        if (not rule.kinds or each.kind in rule.kinds) and (not rule.causes or each.cause in rule.causes)
    ]
    if rule.when is None or not some:
        return some
    money = currency(shop.words.currency)
    condition = compile_condition(parse_formula(rule.when, _scope(money)))
    columns: dict[str, Any] = {name: pa.array([getattr(each, name) for each in some], pa.string()) for name in _TEXTS}
    for column in _AMOUNTS.values():
        columns[column] = pa.array([getattr(each, column) for each in some], pa.int64())
    held = shop.engine.query(
        f"SELECT ({condition}) IS TRUE AS holds FROM given AS b ORDER BY place",
        given=pa.table({**columns, "place": pa.array(range(len(some)), pa.int64())}),
    )["holds"].to_pylist()
    return [each for each, holds in zip(some, held, strict=True) if holds]


def _within_limits(
    rule: RepairRuleSpec, fitting: Sequence[StandingBreak], shop: Workshop
) -> Iterator[tuple[StandingBreak, str]]:
    """Each with why it is not repaired now, or nothing. What was attempted of the same run before counts, too."""
    money = currency(shop.words.currency)
    most_minor = None if rule.most_amount is None else parse_minor(rule.most_amount, money)
    used: dict[int, tuple[int, int]] = {}
    for run_no, count, amount in shop.connection.execute(
        """SELECT r.run_no, count(*), sum(a.amount_minor) FROM recon.repair_attempt AS a
        JOIN recon.run AS r USING (tenant, model, run_id)
        WHERE a.tenant = %s AND a.model = %s AND a.rule = %s AND r.scenario = %s GROUP BY 1""",
        (shop.tenant, shop.model, rule.name, shop.words.scenario),
    ):
        used[run_no] = (count, int(amount))
    for found in fitting:
        count, amount = used.get(found.last_run_no, (0, 0))
        more = abs(found.difference_minor)
        if count >= rule.most:
            yield found, f"{rule.name} repairs at most {rule.most} breaks of a reconciliation"
        elif most_minor is not None and amount + more > most_minor:
            yield found, f"{rule.name} repairs at most {rule.most_amount} {money} of a reconciliation"
        else:
            used[found.last_run_no] = (count + 1, amount + more)
            yield found, ""


def _repair(rule: RepairRuleSpec, found: StandingBreak, shop: Workshop, dry_run: bool) -> Repaired | None:
    if dry_run or rule.dry_run != "never":
        outcome = _called(shop.handlers[rule.name], _attempt(rule, found, found.repairs + 1, shop, dry_run=True))
        if dry_run or rule.dry_run == "only" or outcome.end is not RepairEnd.DONE:
            if not dry_run:
                _note_trial(rule, found, outcome, shop)
            return Repaired(found, rule.name, outcome.end, outcome.said, dry_run=True)
    attempt_no = found.repairs + 1
    attempt = _attempt(rule, found, attempt_no, shop, dry_run=False)
    with _alive(shop.connection, attempt.idempotency_key):
        if not _begin(rule, found, attempt, shop):
            return None
        outcome = _called(shop.handlers[rule.name], attempt)
        _end(found.break_id, attempt_no, outcome, shop)
    return Repaired(found, rule.name, outcome.end, outcome.said)


def _called(handler: RepairHandler, attempt: RepairAttempt) -> RepairOutcome:
    try:
        return handler.repair(attempt)
    except Exception as error:
        return RepairOutcome(RepairEnd.IN_DOUBT, f"it threw {type(error).__name__}: {error}"[:500])


def _attempt(
    rule: RepairRuleSpec, found: StandingBreak, attempt_no: int, shop: Workshop, *, dry_run: bool
) -> RepairAttempt:
    key = uuid5(found.break_id, f"{shop.tenant}/{attempt_no}" + ("/dry run" if dry_run else ""))
    return RepairAttempt(shop.tenant, rule.name, attempt_no, key, dry_run, found.as_dict())


def _begin(rule: RepairRuleSpec, found: StandingBreak, attempt: RepairAttempt, shop: Workshop) -> bool:
    """Writes the attempt down; False where the break is no longer as it was, or another makes the same attempt."""
    with shop.connection.transaction():
        free = shop.connection.execute(
            """SELECT s.run_id FROM recon.standing_break AS s JOIN recon.run AS r USING (tenant, model, run_id)
            WHERE s.tenant = %s AND s.model = %s AND s.break_id = %s AND s.repairs = %s AND r.run_no = %s
            FOR UPDATE OF s""",
            (shop.tenant, shop.model, found.break_id, attempt.attempt_no - 1, found.last_run_no),
        ).fetchone()
        if free is None:
            return False
        chosen, ids = by_ids([found.break_id])
        detail = {"rule": rule.name, "attempt": attempt.attempt_no, "key": str(attempt.idempotency_key)}
        moving = Moving(
            shop.tenant, shop.model, Move.REPAIR, shop.now, who=shop.who, sets={"repairs": "s.repairs + 1"},
            values={**ids, "detail": json.dumps(detail)},
        )  # fmt: skip
        if not apply(shop.connection, moving, chosen):
            return False
        shop.connection.execute(
            """INSERT INTO recon.repair_attempt (tenant, model, break_id, attempt_no, rule, run_id, amount_minor,
                idempotency_key, state, started_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, 'begun', %s)""",
            (
                shop.tenant, shop.model, found.break_id, attempt.attempt_no, rule.name, free[0],
                abs(found.difference_minor), attempt.idempotency_key, shop.now,
            ),
        )  # fmt: skip
    return True


def _end(break_id: UUID, attempt_no: int, outcome: RepairOutcome, shop: Workshop) -> None:
    with shop.connection.transaction():
        shop.connection.execute(
            """UPDATE recon.repair_attempt SET state = %s, said = %s, finished_at = %s
            WHERE tenant = %s AND model = %s AND break_id = %s AND attempt_no = %s AND state = 'begun'""",
            (outcome.end, outcome.said, shop.now, shop.tenant, shop.model, break_id, attempt_no),
        )
        chosen, ids = by_ids([break_id])
        due = {"due_at": "%(due_at)s::timestamptz"} if outcome.end is RepairEnd.DONE else {}
        moving = Moving(
            shop.tenant, shop.model, _MOVES[outcome.end], shop.now, who=shop.who, why=outcome.said, sets=due,
            values={**ids, "detail": None, "due_at": shop.now + shop.words.handling.waits},
        )  # fmt: skip
        apply(shop.connection, moving, chosen)


def _note_trial(rule: RepairRuleSpec, found: StandingBreak, outcome: RepairOutcome, shop: Workshop) -> None:
    """The history keeps what a trial said, once."""
    detail = json.dumps({"rule": rule.name, "dry_run": outcome.end})
    chosen = """SELECT w.break_id, %(detail)s::jsonb AS detail FROM recon.standing_break AS w
        JOIN recon.move AS l ON (l.tenant, l.model, l.break_id, l.move_no) = (w.tenant, w.model, w.break_id, w.moves)
        WHERE w.tenant = %(tenant)s AND w.model = %(model)s AND w.break_id = %(break_id)s
            AND (l.move, l.why, l.detail) IS DISTINCT FROM ('try', %(why)s, %(detail)s::jsonb)"""
    values = {"detail": detail, "break_id": found.break_id}
    moving = Moving(shop.tenant, shop.model, Move.TRY, shop.now, who=shop.who, why=outcome.said, values=values)
    with shop.connection.transaction():
        apply(shop.connection, moving, chosen)


def _clear_up(shop: Workshop) -> list[Repaired]:
    """Attempts whose process is gone: their handlers are asked; what nobody knows is in doubt."""
    begun = shop.connection.execute(
        """SELECT a.break_id, a.attempt_no, a.rule, a.idempotency_key FROM recon.repair_attempt AS a
        JOIN recon.standing_break AS s USING (tenant, model, break_id)
        WHERE a.tenant = %s AND a.model = %s AND s.scenario = %s AND a.state = 'begun' ORDER BY 1, 2""",
        (shop.tenant, shop.model, shop.words.scenario),
    ).fetchall()
    cleared = []
    for break_id, attempt_no, rule, key in begun:
        if not _locked(shop.connection, key):
            continue
        try:
            handler = shop.handlers.get(rule)
            outcome = None if handler is None else handler.ask(key)
            outcome = outcome or RepairOutcome(RepairEnd.IN_DOUBT, "whoever made it died before it was known")
            _end(break_id, attempt_no, outcome, shop)
        finally:
            _unlock(shop.connection, key)
        chosen = Chosen(model=shop.model, ids=[str(break_id)])
        cleared += [
            Repaired(found, rule, outcome.end, outcome.said)
            for found in find(shop.connection, shop.tenant, chosen, shop.now)
        ]
    return cleared


@contextmanager
def _alive(connection: Connection, key: UUID) -> Iterator[None]:
    """Within it, others see that the attempt's process lives: PostgreSQL lets the lock go with the connection."""
    connection.execute("SELECT pg_advisory_lock(hashtextextended(%s, 1))", (str(key),))
    try:
        yield
    finally:
        _unlock(connection, key)


def _locked(connection: Connection, key: UUID) -> bool:
    row = connection.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 1))", (str(key),)).fetchone()
    return row is not None and bool(row[0])


def _unlock(connection: Connection, key: UUID) -> None:
    connection.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 1))", (str(key),))
