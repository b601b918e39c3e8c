"""What a house that owes, asks and pays has, whether it stands in memory or in a database; and the people around it."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

from channel_simulator import ChannelSimulator, Fate
from sharing_simulator import Killed as SharerKilled
from sharing_simulator import MortalKeeper, SharingSimulator

from everycent.base.money.currency import currency
from everycent.flow.approvals.contract import Request
from everycent.flow.non_order.contract import Given, NonOrderSpec
from everycent.flow.non_order.stage import NonOrderPlan, plan_non_order
from everycent.flow.payments.contract import Channel, InstructionState, Move, Order, PayoutSpec, Said, Taken
from everycent.flow.payments.core.following import Known
from everycent.flow.payments.core.sharing import PUBLISHED, Asked, Refused
from everycent.flow.payments.sharing import KeepsShares, share
from everycent.flow.payments.submitting import Desk, Sent
from everycent.flow.settlement.contract import StatementSpec
from everycent.flow.settlement.core.invoice_moves import InvoiceMove
from everycent.flow.settlement.core.moves import Move as StatementMove

FIRST_DAY = date(2026, 3, 2)
PARTIES = tuple(f"merchant:{name}" for name in "abc")
#: anna runs the closings; whoever speaks for a merchant is in no group.
GROUPS: Mapping[str, frozenset[str]] = {
    "operations": frozenset({"bob", "cid", "eve"}),
    "finance": frozenset({"dora", "bob", "fay"}),
    "treasury": frozenset({"anna", "cid", "dora", "gus"}),
}
PEOPLE = ("anna", "bob", "cid", "dora", "eve", "fay", "gus", "zoe")
_LEVELS = [{"by": "operations", "within": "1 day"}, {"by": "finance", "above": "1"}]
#: Of what is owed, the percent that is held back, and for how many days; the percent of tax that invoices add; the
#: least that is paid, in minor units.
RESERVE_PERCENT, RESERVE_DAYS, TAX_PERCENT, MINIMUM_MINOR = 10, 2, 6, 40
#: What of a customer's payment of 10.00 may be shared.
SHARED_MOST_MINOR = 300


@dataclass(frozen=True)
class Asks:
    """What the house's model asks for."""

    confirm: bool
    approve: bool
    release: bool
    carry: bool
    escalate: bool
    gross: bool
    reserve: bool
    minimum: bool
    invoice: bool

    @property
    def statements(self) -> StatementSpec:
        first = {**_LEVELS[0], "then": "escalate" if self.escalate else "refuse"}
        said: dict[str, Any] = {"cycle": "daily", "negative": "carry" if self.carry else "collect"}
        if self.gross:
            said["mode"] = "gross"
        if self.confirm:
            said["confirm"] = {"silent_after": "3 days"}
        if self.approve:
            said["approve"] = [first, _LEVELS[1]]
        if self.reserve:
            said["reserve"] = {"ratio": f"0.{RESERVE_PERCENT:02}", "release_after": f"{RESERVE_DAYS} days"}
        if self.invoice:
            taxes = {"goods": {"rate": f"0.{TAX_PERCENT:02}", "included": "no"}}
            said["invoice"] = {"before_payment": "yes", "charges": taxes}
        return StatementSpec.model_validate(said)

    def payouts(self, channel: ChannelSimulator) -> PayoutSpec:
        can = channel.capabilities
        rest = {"url": "PAY_URL", "secret": "PAY_SECRET", "idempotent": can.idempotent, "queryable": can.queryable}
        levels = [{"by": "treasury", "within": "2 days"}]
        minimum = f"0.{MINIMUM_MINOR}" if self.minimum else "0"
        return PayoutSpec.model_validate(
            {"channels": ["rest"], "rest": rest, "release": levels if self.release else None, "minimum": minimum}
        )

    @property
    def fees(self) -> NonOrderPlan:
        """Fines go with statements, people say yes where they do to these; deposits go by themselves."""
        kinds: dict[str, Any] = {
            "fine": {"of": ["merchant"], "settled_by": "statement"},
            "deposit": {"of": ["merchant"]},
            "deposit_back": {"returns": "deposit", "direction": "pay"},
            "deposit_used": {"returns": "deposit", "direction": "pay", "settled_by": "statement"},
        }
        if self.approve:
            kinds["fine"]["approve"] = ["finance"]
        specs = {name: NonOrderSpec.model_validate(spec) for name, spec in kinds.items()}
        return plan_non_order(specs, ["merchant"], ["goods"], [currency("CNY")], "shanghai", {})


@dataclass(frozen=True)
class Paper:
    """A closed statement. `sides`: what each is due; below 0 its party owes it. `settled`: those that are. `asked`: the
    request that is under way for it, or was the last."""

    statement_id: str
    party_id: str
    sides: Mapping[str, int]
    settled: frozenset[str]
    state: str
    waits_for: str
    asked: UUID | None


@dataclass(frozen=True)
class Fee:
    """A non-order charge. `amount_minor`: below 0 its party owes it. `outcome`: what became of it at a closing:
    instructed, zero or carried, as part of the `side`; None: it waits for one."""

    kind: str
    party_id: str
    amount_minor: int
    state: str
    outcome: str | None
    side: str | None
    asked: UUID | None


@dataclass(frozen=True)
class Bill:
    """An invoice."""

    statement_id: str
    side: str
    state: str
    total_minor: int


@dataclass(frozen=True)
class Covers:
    """An instruction pays a side of a statement, or a fee; `opened`: it was to, and did not."""

    statement_id: str
    side: str
    amount_minor: int
    key: UUID
    opened: bool


@dataclass
class MoneyHouse:
    """`happened`: how often each thing was done, and what came of it."""

    asks: Asks
    channel: ChannelSimulator
    today: date = FIRST_DAY
    happened: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.fee_plan = self.asks.fees
        self.wallet = SharingSimulator(self.channel.fate, SHARED_MOST_MINOR, takes_back=40)

    def share(self, requests: Sequence[tuple[str, str, Asked | Refused]] | None) -> None:
        """Shares customers' payments, or asks about all that have no end; the program may be killed on the way."""
        kept = self.shares()
        keeper = MortalKeeper(kept, self.wallet.fate) if self.wallet.faults else kept
        given = kept.unended() if requests is None else requests
        try:
            for each in share(self.wallet, keeper, given, PUBLISHED["wechat"], self.today):
                self.did("share", each.came)
        except SharerKilled:
            self.did("share", "killed")

    def shares(self) -> "Sharer":
        raise NotImplementedError

    @property
    def now(self) -> datetime:
        return datetime(self.today.year, self.today.month, self.today.day, 12, tzinfo=UTC)

    @property
    def steps(self) -> int:
        """All that was done here and at the channel."""
        return self.happened.total() + self.channel.steps

    def did(self, what: str, outcome: object) -> str:
        self.happened[f"{what}: {outcome}"] += 1
        return str(outcome)

    def next_day(self) -> None:
        self.today += timedelta(days=1)


class Sharer(KeepsShares, Protocol):
    """Where shares are kept."""

    def unended(self) -> Sequence[tuple[str, str, Asked | Refused]]: ...


class Office(Protocol):
    """The doors that houses have for people, workers and channels."""

    asks: Asks
    channel: ChannelSimulator
    wallet: SharingSimulator
    happened: Counter[str]

    @property
    def today(self) -> date: ...

    @property
    def steps(self) -> int: ...

    def did(self, what: str, outcome: object) -> str: ...

    def book(self, owed: Sequence[tuple[str, int]]) -> None:
        """Parties are owed these amounts as of today; below 0, they owe them."""

    def close(self) -> None:
        """The next day begins: what was open is closed, who was silent and what is too late is looked at."""

    def instruct(self) -> None:
        """What is released is instructed, on behalf of anna."""

    def papers(self) -> Mapping[str, Paper]:
        """The closed statements."""

    def act(self, move: StatementMove, statement_id: str, by: str, why: str | None) -> str:
        """A person says something of a statement; done, unchanged or the refusal's name."""

    def requests(self) -> Mapping[UUID, Request]:
        """All that anybody was asked."""

    def decide(self, key: UUID, by: str, why: str | None, *, yes: bool) -> str: ...

    def withdraw(self, key: UUID, by: str) -> str: ...

    def give(self, given: Given, by: str) -> str:
        """A fee is given; its state, unchanged or the refusal's name."""

    def fees(self) -> Mapping[str, Fee]:
        """All that were taken; and what parties had by shares of customers' payments, of the kind `share`."""

    def share(self, requests: Sequence[tuple[str, str, Asked | Refused]] | None) -> None:
        """Shares customers' payments, or asks about all that have no end."""

    def shared(self) -> Sequence[tuple[UUID, str, int]]:
        """What is booked of shares: the request, the receiver, and above 0 what it gave back."""

    def act_on_bill(
        self, move: InvoiceMove, bill_id: str, by: str, why: str | None, number: str | None, total_minor: int | None
    ) -> str:
        """A person says something of an invoice; done, unchanged or the refusal's name."""

    def bills(self) -> Mapping[str, Bill]:
        """The invoices, voided ones too."""

    def read(self, file: Path) -> str:
        """A bank's file comes; what became of all of it: moved, unchanged, or refused."""

    def lend(self, by: str, to: str) -> str: ...

    def work(self, what: Callable[[Desk, Channel], Sent], fate: Fate) -> None:
        """A worker works, perhaps not to the end."""

    def say(self, said: Said) -> Taken:
        """A call-back or a person says something of an instruction."""

    def instructions(self) -> Mapping[UUID, Known]: ...

    def covers(self) -> Sequence[Covers]: ...

    def accounts(self) -> Mapping[str, int]:
        """Credits less debits."""

    def history(self, key: UUID) -> Sequence[str]: ...

    def log(self, statement_id: str) -> Sequence[tuple[str, str, str | None]]:
        """A statement's moves, by whom, and why."""


def side_of(asks: Asks, amount_minor: int) -> str:
    """The side of a statement that an obligation stands on."""
    return "net" if not asks.gross else "payable" if amount_minor > 0 else "receivable"


def sides_of(asks: Asks) -> tuple[str, ...]:
    """Of a statement."""
    return ("payable", "receivable") if asks.gross else ("net",)


class Killed(BaseException):
    """The worker got SIGKILL."""


@dataclass
class Mortal:
    """A desk and its channel as a worker has them: it may die before or after each of its steps."""

    desk: Desk
    channel: ChannelSimulator
    fate: Fate
    name: str = "rest"

    @property
    def capabilities(self):  # type: ignore[no-untyped-def]
        return self.channel.capabilities

    def ready(self) -> Sequence[Order]:
        return self.desk.ready()

    def at(self, state: InstructionState) -> Sequence[Order]:
        return self.desk.at(state)

    def refusal(self, order: Order) -> str | None:
        return self.desk.refusal(order)

    def say(self, said: Said) -> Taken:
        self._may_die()
        taken = self.desk.say(said)
        self._may_die()
        return taken

    def submit(self, order: Order) -> Said:
        self._may_die()
        said = self.channel.submit(order)
        self._may_die()
        return said

    def ask(self, order: Order) -> Said:
        return self.channel.ask(order)

    def _may_die(self) -> None:
        if self.channel.faults and self.fate(16) == 15:
            raise Killed


def judge_by_truth(house: Office, key: UUID) -> None:
    """A person finds out what became of a parked instruction, once it is decided at the channel, and says so."""
    ran = house.channel.executions.get(key, [])
    if any(one.status == "accepted" for one in ran) or any(order.key == key for order in house.channel.under_way):
        return
    paid = [one for one in ran if one.status == "paid"]
    returned = [one for one in ran if one.status == "returned"]
    move = Move.JUDGE_PAID if paid else Move.JUDGE_RETURNED if returned else Move.JUDGE_FAILED
    house.say(Said(key, move, "a call to the bank", "anna", "found out"))
