"""Standard cures: each attempt is written down before its handler is called, so that none is made twice.

A process that dies in between leaves an attempt that is begun. The next pass asks its handler what became of it, and
where that cannot say, the break is in doubt and waits for a person.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid5

from psycopg.pq import TransactionStatus

from everycent.base.engine.local import LocalEngine
from everycent.base.platform.database import Connection
from everycent.proof.recon.breaks.choosing import NotTried, choose
from everycent.proof.recon.breaks.desk import NotDone
from everycent.proof.recon.breaks.moving import HOUSE, Moving, apply, by_ids
from everycent.proof.recon.breaks.standing import Chosen, StandingBreak, find
from everycent.proof.recon.breaks.words import Words
from everycent.proof.recon.core.moves import Move, State
from everycent.proof.recon.cures import RepairAttempt, RepairEnd, RepairHandler, RepairOutcome
from everycent.proof.recon.handling import RepairRuleSpec

_PAGE = 200
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
    """What became of one break."""

    found: StandingBreak
    rule: str
    end: RepairEnd
    said: str
    dry_run: bool = False


@dataclass(frozen=True)
class RepairPass:
    """What one pass did: each repair, and how many breaks rules fit and may not repair now."""

    repaired: Sequence[Repaired]
    not_tried: Sequence[NotTried] = ()


def repair(shop: Workshop, meant: Sequence[StandingBreak] | None = None, *, dry_run: bool = False) -> RepairPass:
    """Repairs what the rules fit: all that is confirmed, or those that a person means. Limits hold for both.

    dry_run: handlers are told to change nothing, and nothing is kept. Raises NotDone where another pass repairs the
    scenario's breaks: two would each keep the limits, and both together not.
    """
    idle = shop.connection.info.transaction_status == TransactionStatus.IDLE
    assert idle, "an attempt is committed before it is made: repair outside of transactions"
    with _alone(shop):
        done = [] if dry_run else _clear_up(shop)
        states = _BY_ITSELF if meant is None else _BY_HAND
        ids = None if meant is None else [found.break_id for found in meant]
        chosen = choose(shop.connection, shop.engine, shop.tenant, shop.model, shop.words, states, ids)
        for each in chosen:
            for start in range(0, len(each.ids), _PAGE):
                page = Chosen(model=shop.model, break_ids=each.ids[start : start + _PAGE], states=states)
                repaired = (
                    _repair(each.rule, found, shop, dry_run)
                    for found in find(shop.connection, shop.tenant, page, shop.now)
                )
                done += [one for one in repaired if one is not None]
    return RepairPass(done, [one for each in chosen for one in each.not_tried])


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
                currency, idempotency_key, state, started_at)
            VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, 'begun', %s)""",
            (
                shop.tenant, shop.model, found.break_id, attempt.attempt_no, rule.name, free[0],
                abs(found.difference_minor or 0), found.currency, attempt.idempotency_key, shop.now,
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
        if not _locked(shop.connection, str(key)):
            continue
        try:
            handler = shop.handlers.get(rule)
            outcome = None if handler is None else handler.ask(key)
            outcome = outcome or RepairOutcome(RepairEnd.IN_DOUBT, "whoever made it died before it was known")
            _end(break_id, attempt_no, outcome, shop)
        finally:
            _unlock(shop.connection, str(key))
        chosen = Chosen(model=shop.model, break_ids=[break_id])
        cleared += [
            Repaired(found, rule, outcome.end, outcome.said)
            for found in find(shop.connection, shop.tenant, chosen, shop.now)
        ]
    return cleared


@contextmanager
def _alone(shop: Workshop) -> Iterator[None]:
    """Within it no other pass repairs the scenario's breaks. Raises NotDone where one does."""
    name = f"{shop.tenant}\x1f{shop.model}\x1f{shop.words.scenario}\x1frepair"
    if not _locked(shop.connection, name):
        raise NotDone(f"breaks of '{shop.words.scenario}' are being repaired right now; try again when that is done")
    try:
        yield
    finally:
        _unlock(shop.connection, name)


@contextmanager
def _alive(connection: Connection, key: UUID) -> Iterator[None]:
    """Within it, others see that the attempt's process lives: PostgreSQL lets the lock go with the connection."""
    connection.execute("SELECT pg_advisory_lock(hashtextextended(%s, 1))", (str(key),))
    try:
        yield
    finally:
        _unlock(connection, str(key))


def _locked(connection: Connection, key: str) -> bool:
    row = connection.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 1))", (key,)).fetchone()
    return row is not None and bool(row[0])


def _unlock(connection: Connection, key: str) -> None:
    connection.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 1))", (key,))
