"""The law over wallets: whatever is lost, late, repeated or contradicted, a transfer is made at most once, none is
forgotten, and none is above the wallet's limits."""

import random
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from uuid import UUID

import pyarrow as pa
import pytest
from wallet_simulator import WalletSimulator

from everycent.base.engine.local import LocalEngine
from everycent.flow.parties.contract import PartySpec
from everycent.flow.payments.contract import (
    ENDS,
    INSTRUCTION,
    Capabilities,
    InstructionState,
    Order,
    PayoutSpec,
    Said,
    Taken,
)
from everycent.flow.payments.core.following import Known, follow
from everycent.flow.payments.core.limits import SENT, beyond_limits
from everycent.flow.payments.core.moves import Standing
from everycent.flow.payments.core.plan import PaymentPlan, plan_payments
from everycent.flow.payments.submitting import ask, submit

MONDAY = date(2026, 3, 2)
PARTIES = ("merchant:a", "merchant:b", "merchant:c")
LIMITS = {"least": "0.10", "most": "50.00", "receiver_day": "80.00", "day": "150.00"}
READY = (InstructionState.CREATED, InstructionState.APPROVED)


def plan_of(wallet: str) -> PaymentPlan:
    service = {"url": "WALLET_URL", "secret": "WALLET_SECRET", "limits": LIMITS}
    spec = PayoutSpec.model_validate({"channels": [wallet], "wallets": {wallet: service}})
    roles = {"platform": PartySpec(operator="shanghai"), "merchant": PartySpec(key=("m",))}
    return plan_payments({"merchant": spec}, roles, {}, ["CNY"])


@dataclass
class WalletDesk:
    """Where transfers stand, in memory: what is decided, the cores decide."""

    plan: PaymentPlan
    wallet: str
    engine: LocalEngine
    known: dict[UUID, Known]
    today: date = MONDAY
    beyond: dict[object, str] = field(default_factory=dict)

    def ready(self) -> list[Order]:
        orders = [order for state in READY for order in self.at(state)]
        of_house = {"role": "merchant", "channel": self.wallet, "currency": "CNY", "legal_entity": "shanghai"}
        sent = [
            {**of_house, "party_id": one.party_id, "sent_minor": one.amount_minor}
            for one in self.known.values()
            if one.sent_on == self.today
        ]
        rows = [
            dict.fromkeys(INSTRUCTION.columns.names)
            | of_house
            | {"instruction_id": order.key, "party_id": order.account, "amount_minor": order.amount_minor}
            | {"direction": "pay", "as_of": MONDAY}
            for order in orders
        ]
        columns = pa.schema([each.with_nullable(True) for each in INSTRUCTION.columns])
        ready, gone = pa.Table.from_pylist(rows, schema=columns), pa.Table.from_pylist(sent, schema=SENT)
        self.beyond = beyond_limits(ready, gone, self.plan, self.engine)
        return orders

    def at(self, state: InstructionState) -> list[Order]:
        found = [one for key, one in sorted(self.known.items()) if one.standing.state is state]
        return [
            Order(one.instruction_id, "pay", one.amount_minor, "CNY", one.party_id, one.party_id, "shanghai")
            for one in found
        ]

    def say(self, said: Said) -> Taken:
        followed = follow(self.known, [said], self.today)
        self.known |= followed.now
        return followed.taken[0]

    def refusal(self, order: Order) -> str | None:
        return self.beyond.get(order.key)


@pytest.mark.parametrize("wallet", ["wechat", "alipay"])
@pytest.mark.parametrize("seed", range(3))
def test_each_transfer_is_made_once_and_within_the_limits(engine: LocalEngine, wallet: str, seed: int) -> None:
    """The first service has its best days: it gets no order that it would refuse. On other days an order of yesterday
    may arrive today; then the wallet keeps the day's limit itself."""
    plan, chance = plan_of(wallet), random.Random(f"{wallet} {seed}")
    amounts = {UUID(int=at): chance.choice((10, 1999, 3000, 5000)) for at in range(1, 13)}
    created = Standing(InstructionState.CREATED)
    known = {
        key: Known(key, "market", PARTIES[key.int % 3], "shanghai", "CNY", "pay", amount, wallet, created)
        for key, amount in amounts.items()
    }
    desk = WalletDesk(plan, wallet, engine, known)
    can = Capabilities(idempotent=True, queryable=True, tells_returns=seed % 2 == 1)
    service = WalletSimulator(
        can, chance.randrange, name=wallet, faults=seed > 0, limits=plan.wallets[wallet], today=MONDAY
    )
    refused = 0
    for _ in range(12):
        refused += len(submit(desk, service).refused)
        for _ in range(6):
            service.work()
            said = service.deliver()
            if said is not None:
                desk.say(said)
        ask(desk, service)
        desk.today = service.today = desk.today + timedelta(days=1)
    service.calm()
    for _ in range(len(amounts)):
        submit(desk, service)
        service.calm()
        for told in service.bill():
            desk.say(replace(told, cause=f"bill {told.cause}"))
        desk.today = service.today = desk.today + timedelta(days=1)
    assert refused > 0 or seed > 0, "limits were reached"
    assert service.broken == [] if seed == 0 else not any("at once" in each for each in service.broken)
    assert {len(ran) for ran in service.executions.values()} == {1}, "nothing is done twice"
    assert seed % 2 or 1 in service.truly_paid().values(), "all came back"
    assert {key for key, one in desk.known.items() if one.standing.state not in ENDS} == set(), "nothing is forgotten"
    truth = {key: ran[0].status for key, ran in service.executions.items()}
    assert {key: one.standing.state.value for key, one in desk.known.items()} == {
        key: {"paid": "succeeded", "refused": "failed", "returned": "returned"}[status] for key, status in truth.items()
    }
