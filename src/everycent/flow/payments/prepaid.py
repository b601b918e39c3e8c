"""Prepaid balances: what is paid onto them arrives at once, what is taken from them is there, or stays where it is."""

from datetime import date, datetime

from everycent.base.engine.local import LocalEngine
from everycent.base.platform.database import Connection
from everycent.flow.approvals.contract import HOUSE
from everycent.flow.payments import desk_store
from everycent.flow.payments.contract import BALANCE, Move, Said
from everycent.flow.payments.core.plan import PaymentPlan
from everycent.flow.payments.core.routing import place
from everycent.flow.payments.desk import ready_now
from everycent.flow.payments.hearing import take_in
from everycent.flow.payments.others import Others
from everycent.flow.payments.prepaid_store import prepaid


def move_balances(
    connection: Connection,
    engine: LocalEngine,
    plan: PaymentPlan,
    others: Others,
    tenant: str,
    model: str,
    as_of: date,
    now: datetime,
) -> None:
    """Puts onto balances what is ready to be paid there, then takes from them what parties owe, the oldest first, as
    far as it is there: in the caller's transaction, which keeps other instructing out.

    What is not there stays ready, until it is. Raises InstructionAltered.
    """
    if not plan.with_balance or desk_store.stopped(connection, tenant, BALANCE) is not None:
        return
    ready, _ = ready_now(connection, engine, plan, others, tenant, model, BALANCE, as_of)
    left = {
        place(row): int(row["left_minor"]) for row in prepaid(connection, tenant, model, promised=False).to_pylist()
    }
    said = []
    for row in sorted(
        ready.to_pylist(), key=lambda row: (row["direction"] != "pay", row["as_of"], row["instruction_id"])
    ):
        amount, at, key = int(row["amount_minor"]), place(row), row["instruction_id"]
        after = left.get(at, 0) + (amount if row["direction"] == "pay" else -amount)
        if after >= 0:
            left[at] = after
            said.append(Said(key, Move.BEGIN, f"key {key.hex}", HOUSE))
            said.append(Said(key, Move.PAY, "prepaid balance", HOUSE, None, amount, row["currency"]))
    if said:
        take_in(connection, others, tenant, said, now, as_of)
