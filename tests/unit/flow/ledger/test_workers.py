"""Fifty workers post at once: to one hot account, a limited one, many others; each transfer is asked for by two."""

import multiprocessing
import random
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from datetime import date
from itertools import accumulate
from threading import Event
from typing import Any
from uuid import UUID

import pytest

from everycent.base.platform.database import Connection, connect
from everycent.base.platform.settings import Settings
from everycent.flow.ledger import store
from everycent.flow.ledger.contract import Limit, Outcome, Seal, Transfer, TransferKind
from everycent.flow.ledger.service import post, seal, set_limit
from everycent.proof.verify.sealed import check_sealed

WORKERS = 50
DAY = date(2026, 3, 1)
Posted = Counter[UUID]


def asked_by(worker: int, steps: int) -> list[list[Transfer]]:
    """What a worker asks for, step by step; its neighbour asks for the same."""
    draw = random.Random(worker // 2)

    def transfer(debit: str, credit: str, **more: Any) -> Transfer:
        amount = more.pop("amount", 1 + draw.randrange(9))
        return Transfer(UUID(int=draw.getrandbits(128)), DAY, debit, credit, amount, "CNY", "test", **more)

    made: list[list[Transfer]] = []
    for step in range(steps):
        shop = f"party/{draw.randrange(300)}"
        match step % 4:
            case 0:
                made.append([transfer(shop, "hot")])
            case 1:
                made.append([transfer("deposit", shop, linked=True), transfer(shop, "operator/fee")])
            case 2:
                names = [f"party/{at}" for at in draw.sample(range(300), 20)]
                made.append([transfer(one, other) for one, other in zip(names[::2], names[1::2], strict=True)])
            case 3:
                held = transfer("deposit", shop, kind=TransferKind.PENDING)
                end = draw.choice([TransferKind.POST_PENDING, TransferKind.VOID_PENDING])
                ends = transfer("deposit", shop, amount=held.amount_minor, kind=end, settles=held.transfer_id)
                made += [[held], [ends]]
    return made


def work(settings: Settings, worker: int, steps: int) -> Posted:
    """How often each transfer was answered to be posted, by this worker's asking."""
    posted: Posted = Counter()
    with connect(settings) as connection:
        for asked in asked_by(worker, steps):
            answers = post(connection, "t", "shop", asked)
            posted.update(answer.transfer_id for answer in answers if answer.outcome is Outcome.POSTED)
    return posted


def watch(settings: Settings, done: Event) -> list[Seal]:
    """Looks at the books again and again, and seals them. At no moment are they out of balance, or the deposit
    overdrawn."""
    seals: list[Seal] = []
    with connect(settings) as connection:
        last = False
        while not last:
            last = done.is_set()
            with connection.transaction():
                connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
                lines = store.trial_balance(connection, "t", "shop")
                deposit = store.standing(connection, "t", "shop", "deposit", "CNY")
            assert all(line.debits_minor == line.credits_minor for line in lines), lines
            assert deposit.balance_minor - deposit.debits_pending_minor >= 0, deposit
            seals += seal(connection, "t", "shop").seals
    return seals


def race(settings: Settings, connection: Connection, workers: Executor, steps: int, deposit: int) -> None:
    """All workers at once, and then: what was answered is what is there, and what is there adds up."""
    set_limit(connection, "t", "shop", Limit("deposit", "CNY", least_minor=0))
    start = Transfer(UUID(int=1), DAY, "bank", "deposit", deposit, "CNY", "test")
    post(connection, "t", "shop", [start])
    done = Event()
    with ThreadPoolExecutor(1) as watching:
        watcher = watching.submit(watch, settings, done)
        try:
            told = list(workers.map(work, [settings] * WORKERS, range(WORKERS), [steps] * WORKERS))
        finally:
            done.set()
        seals = watcher.result()
    posted = sum(told, Posted()) + Counter([start.transfer_id])
    known = {one.transfer_id: one for worker in range(WORKERS) for step in asked_by(worker, steps) for one in step}
    known[start.transfer_id] = start
    rows = connection.execute("SELECT transfer_id FROM ledger.transfer ORDER BY posting_no").fetchall()
    in_order = [known[ident] for (ident,) in rows]
    assert posted == Counter(one.transfer_id for one in in_order), "each was answered to be posted once, and is there"
    assert {one.transfer_id for one in known.values() if "deposit" not in one.debit_account} <= set(posted) | _fees(
        known
    )
    _adds_up(connection, in_order)
    assert sum(one.transfers for one in seals) == len(in_order), "each is sealed, though all went on posting"
    with connection.transaction():
        assert all(check.ok for check in check_sealed(connection, "t", "shop"))
    assert min(accumulate(_of_deposit(in_order))) >= 0, "in the order of posting, the deposit was never overdrawn"


def _fees(known: dict[UUID, Transfer]) -> set[UUID]:
    """Those that are linked with a payment of the deposit, and refused with it."""
    return {one.transfer_id for one in known.values() if one.credit_account == "operator/fee"}


def _of_deposit(in_order: Sequence[Transfer]) -> list[int]:
    """What each transfer leaves to spare of the deposit, more or less than before."""
    change = {TransferKind.POSTED: -1, TransferKind.PENDING: -1, TransferKind.POST_PENDING: 0}
    return [
        one.amount_minor if one.credit_account == "deposit" else one.amount_minor * change.get(one.kind, 1)
        for one in in_order
        if "deposit" in (one.debit_account, one.credit_account)
    ]


def _adds_up(connection: Connection, posted: Sequence[Transfer]) -> None:
    balances: Counter[str] = Counter()
    for one in posted:
        if one.kind in (TransferKind.POSTED, TransferKind.POST_PENDING):
            balances[one.credit_account] += one.amount_minor
            balances[one.debit_account] -= one.amount_minor
    table = store.balances(connection, "t", "shop").to_pylist()
    held = {row["account"]: int(row["balance_minor"]) for row in table if row["balance_minor"]}
    assert held == {account: balance for account, balance in balances.items() if balance}
    [line] = store.trial_balance(connection, "t", "shop")
    assert line.debits_minor == line.credits_minor


def test_fifty_workers_lose_nothing_and_overdraw_nothing(database: Any) -> None:
    with ThreadPoolExecutor(WORKERS) as workers:
        race(database.settings, database.connection, workers, steps=8, deposit=150)


@pytest.mark.soak
def test_fifty_processes_lose_nothing_and_overdraw_nothing(database: Any) -> None:
    with ProcessPoolExecutor(WORKERS, multiprocessing.get_context("fork")) as workers:
        race(database.settings, database.connection, workers, steps=400, deposit=10_000)
