"""The ordered pass: after the files of a run, what waits is cleared in strict order; late records rewind or join."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import date

import psycopg

from everycent.base.platform.batches import run_lock
from everycent.base.platform.database import Connection
from everycent.base.platform.generations import generations
from everycent.flow.clearing.contract import Late
from everycent.flow.ledger import stage as ledger
from everycent.flow.ledger import store as ledger_store
from everycent.flow.model.contract import LoadedModel
from everycent.flow.pipeline import ordering, store
from everycent.flow.pipeline.contract import InputRefused
from everycent.flow.pipeline.contract_terms import under_its_contracts
from everycent.flow.pipeline.plan import ModelPlan
from everycent.flow.pipeline.refund_order import give_back_in_order
from everycent.flow.pipeline.rewinding import Rewound, building, resume, rewind
from everycent.flow.pipeline.session import Session
from everycent.flow.pipeline.versions import is_other_version, refuse_left_behind
from everycent.flow.pipeline.windows import Window, Windows, placed_on_statements, with_obligations
from everycent.flow.settlement import store as settlement_store

#: Told how far a stage has come.
Progress = Callable[[str, int, int | None], None]


@dataclass(frozen=True)
class Ordered:
    """What the pass did: records cleared in order, records that wait for stragglers, rewinds because of late ones, and
    charges without a turn that refunds give back otherwise than they did on arrival."""

    cleared: int = 0
    waiting: int = 0
    rewound: tuple[Rewound, ...] = ()
    given_back_anew: int = 0

    @property
    def changed(self) -> bool:
        return self.cleared > 0 or self.given_back_anew > 0 or bool(self.rewound)


def clear_waiting(session: Session, plan: ModelPlan, as_of: date, report: Progress) -> Ordered:
    """Clears what waits up to the watermark. Inside the run lock, before the day cut to `as_of`.

    A rewind that was begun is ended first: what arrived meanwhile is queued behind it.
    """
    if plan.model.spec.order is None:
        return Ordered()
    rewound: list[Rewound] = []
    if building(session, plan.model.name) is not None:
        rewound.append(resume(session, plan, lambda at, total: report("rewind", at, total)))
    through = store.last_batch(session.connection)
    placed = ordering.place(session, plan, as_of, through)
    given_back = give_back_in_order(session, plan)
    if placed.late_from is not None and ordering.order_of(plan).late is Late.REWIND:
        cause = f"{placed.late} late records"
        rewound.append(rewind(session, plan, placed.late_from, cause, lambda at, total: report("rewind", at, total)))
        placed = ordering.place(session, plan, as_of, through)
    open_on = settlement_store.open_on(session.connection, session.tenant, plan.model.name)
    turns = ordering.turns(session, open_on, placed)
    known = generations(session.connection, session.tenant, plan.model.name)
    number = max((each.number for each in known if each.state == "effective"), default=0)
    windows = Windows(session, plan, session.details, number, turns, placed.reach, _Posting(session, plan).finish)
    cleared = windows.clear(lambda done, total: report("in order", done, total))
    ordering.keep_frontier(session, plan, placed, through, turns)
    return Ordered(cleared, placed.waiting, tuple(rewound), given_back)


@dataclass(frozen=True)
class _Posting:
    """Windows that go on where the effective rows end: each accrues and posts as a batch does."""

    session: Session
    plan: ModelPlan

    def finish(self, window: Window) -> tuple[Window, Callable[[Connection, int], None]]:
        session, model = self.session, self.plan.model.name
        obligations, accruals = placed_on_statements(session, self.plan, window.obligations)
        occasion = f"in order {window.turns.column('sequence_no')[0]}"
        transfers = ledger.post(obligations, self.plan.operators, session.engine, occasion)

        def in_transaction(connection: Connection, batch_no: int) -> None:
            settlement_store.write(connection, session.tenant, model, accruals)
            ledger_store.write(connection, session.tenant, model, batch_no, transfers)

        return with_obligations(window, obligations), in_transaction


def rewind_from(
    session: Session,
    plan: ModelPlan,
    start: str,
    report: Progress,
    tell: Callable[[str], None],
    *,
    dry_run: bool = False,
) -> Rewound:
    """Rewinds to a record (by its uuid or key) or to a time, `start`. Raises InputRefused, StorageFailed.

    Where a rewind was begun and broke off, that one is ended; where another version of the model began it, it is
    abandoned. `tell` gets a message of that, and where one has to wait. A dry run is the same path, rolled back.
    """
    model: LoadedModel = plan.model
    if model.spec.order is None:
        raise InputRefused(f"the model '{model.name}' has no order, so there is nothing to rewind")
    with (
        run_lock(session.details, model.name, tell, dry_run=dry_run),
        session.connection.transaction() if dry_run else nullcontext() as transaction,
    ):
        refuse_left_behind(session, plan, always=True)
        plan = under_its_contracts(session, plan)
        store.register_version(session.connection, session.tenant, plan)
        _abandon_other(session, plan, tell)
        done = _rewound(session, plan, start, lambda at, total: report("rewind", at, total))
        if transaction is not None:
            raise psycopg.Rollback(transaction)
    return done


def _abandon_other(session: Session, plan: ModelPlan, tell: Callable[[str], None]) -> None:
    """Drops a rewind that another version began; the records that it took in stand where they stood."""
    model, begun = plan.model.name, building(session, plan.model.name)
    if begun is None or not is_other_version(session, plan, begun):
        return
    assert begun.model_version is not None, "it is another"
    with_it = store.version_named(session.connection, session.tenant, model, begun.model_version)
    tell(f"the rewind from number {begun.starts_at} on that was begun with {with_it} and broke off is dropped")
    store.abandon(session.connection, session.tenant, model, begun.number)


def _rewound(session: Session, plan: ModelPlan, start: str, report: Callable[[int, int], None]) -> Rewound:
    if building(session, plan.model.name) is not None:
        return resume(session, plan, report)
    number = ordering.number_of(session, plan, start)
    if number is None:
        raise InputRefused(
            f"nothing that was cleared in order is '{start}' or after it; name a record by its key, kind:key or uuid,"
            " or a time like 2026-03-01T00:00:00+08:00"
        )
    late_from = ordering.place(session, plan, None, store.last_batch(session.connection)).late_from
    give_back_in_order(session, plan)
    if late_from is not None and ordering.order_of(plan).late is Late.REWIND:
        number = min(number, late_from)  # late records that no pass came to yet have their places too
    return rewind(session, plan, number, f"to {start}", report)
