"""A house in memory that owes parties money and pays it through a channel: the real core, without a database.

`fate` decides what the channel does, and where the worker dies: before or after whatever it commits or sends.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from uuid import UUID

from channel_simulator import ChannelSimulator, Fate

from everycent.flow.payments.contract import (
    Booking,
    Came,
    Channel,
    InstructionState,
    Move,
    Order,
    Said,
    Taken,
)
from everycent.flow.payments.core.following import Known, follow, transfers, turned_back
from everycent.flow.payments.core.moves import Standing
from everycent.flow.payments.submitting import Sent

DAY = date(2026, 3, 2)
_READY = (InstructionState.CREATED, InstructionState.APPROVED)


class Killed(BaseException):
    """The worker got SIGKILL."""


@dataclass
class House:
    """Dues (party, amount) are covered by instructions; those whose money is back are open, and instructed anew."""

    four_eyes: bool = False
    known: dict[UUID, Known] = field(default_factory=dict)
    covers: dict[UUID, tuple[int, ...]] = field(default_factory=dict)  # instruction -> the dues that it pays
    dues: list[tuple[str, int]] = field(default_factory=list)
    open: list[int] = field(default_factory=list)
    accounts: Counter[str] = field(default_factory=Counter)  # credits less debits
    history: dict[UUID, list[str]] = field(default_factory=lambda: defaultdict(list))
    steps: int = 0

    def owe(self, party: str, amount_minor: int) -> None:
        """A statement is closed."""
        self.dues.append((party, amount_minor))
        self.open.append(len(self.dues) - 1)
        self.accounts["operator"] -= amount_minor
        self.accounts[f"party/{party}"] += amount_minor

    def close(self) -> None:
        """Instructs all that is open, party by party."""
        for party in sorted({self.dues[due][0] for due in self.open}):
            covered = tuple(due for due in self.open if self.dues[due][0] == party)
            key = UUID(int=len(self.known) + 1)
            total = sum(self.dues[due][1] for due in covered)
            standing = Standing(InstructionState.CREATED)
            self.known[key] = Known(
                key, "m", party, "shanghai", "CNY", "pay", total, "rest", standing, proposed_by="anna"
            )
            self.covers[key] = covered
            self.accounts[f"party/{party}"] -= total
            self.accounts["channel/rest"] += total
        self.open = []

    def ready(self) -> Sequence[Order]:
        return [
            self.order(key)
            for key, one in self.known.items()
            if one.standing.state in _READY and (one.standing.released or not self.four_eyes)
        ]

    def at(self, state: InstructionState) -> Sequence[Order]:
        return [self.order(key) for key, one in self.known.items() if one.standing.state is state]

    def refusal(self, order: Order) -> str | None:
        return None

    def order(self, key: UUID) -> Order:
        one = self.known[key]
        return Order(key, one.direction, one.amount_minor, one.currency, "6222", one.party_id, one.legal_entity)

    def say(self, said: Said) -> Taken:
        self.steps += 1
        followed = follow(self.known, [said], DAY)
        for result in transfers(followed, self.known, DAY):
            amount = int(str(result.cells["amount_minor"]))
            self.accounts[str(result.cells["debit_account"])] -= amount
            self.accounts[str(result.cells["credit_account"])] += amount
        back, after_all = turned_back(followed, self.known)
        for key in back:
            self.open += self.covers[key]
        for key in after_all:
            self.open = [due for due in self.open if due not in self.covers[key]]
        self.known.update(followed.now)
        (taken,) = followed.taken
        if taken.came is not Came.OVERTAKEN and taken.came is not Came.REPEATED:
            self.history[said.key].append(f"{said.move} -> {taken.state} {taken.finding or ''} ({taken.came})")
        return taken


@dataclass
class Mortal:
    """The house and its channel as a worker has them: it may die before or after each of its steps."""

    house: House
    channel: ChannelSimulator
    fate: Fate

    def run(self, work: Callable[["Mortal", Channel], Sent]) -> None:
        """The worker works, perhaps not to the end."""
        try:
            work(self, self)
        except Killed:
            return

    name = "rest"

    @property
    def capabilities(self):  # type: ignore[no-untyped-def]
        return self.channel.capabilities

    def ready(self) -> Sequence[Order]:
        return self.house.ready()

    def at(self, state: InstructionState) -> Sequence[Order]:
        return self.house.at(state)

    def refusal(self, order: Order) -> str | None:
        return self.house.refusal(order)

    def say(self, said: Said) -> Taken:
        self._may_die()
        taken = self.house.say(said)
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


def judge_by_truth(house: House, channel: ChannelSimulator, key: UUID) -> None:
    """A person finds out what became of a parked instruction, once it is decided at the channel, and says so."""
    ran = channel.executions.get(key, [])
    if any(one.status == "accepted" for one in ran) or any(order.key == key for order in channel.under_way):
        return
    paid = [one for one in ran if one.status == "paid"]
    returned = [one for one in ran if one.status == "returned"]
    move = Move.JUDGE_PAID if paid else Move.JUDGE_RETURNED if returned else Move.JUDGE_FAILED
    house.say(Said(key, move, "a call to the bank", "anna", "found out"))


def check(house: House, channel: ChannelSimulator) -> None:
    """What holds at every moment."""
    assert sum(house.accounts.values()) == 0, "the books balance"
    for key, ran in channel.executions.items():
        assert len(ran) <= 1, f"sent twice: {house.history[key]}"
    held: Counter[str] = Counter()
    covered: Counter[int] = Counter()
    for key, one in house.known.items():
        if one.standing.booking is not Booking.BACK:
            held[one.party_id] += one.amount_minor
            covered.update(house.covers[key])
        if key not in channel.lied_about:
            _is_true(house, channel, key)
    owed: Counter[str] = Counter()
    for party, amount in house.dues:
        owed[party] += amount
    for party, amount in owed.items():
        assert house.accounts[f"party/{party}"] == amount - held[party], party
    twice = [due for due, times in covered.items() if times > 1]
    assert all(_lied(house, channel, due) for due in twice), "paid twice where nobody lied"
    lost = set(range(len(house.dues))) - set(covered) - set(house.open)
    assert not lost, f"forgotten: {lost}"


def _lied(house: House, channel: ChannelSimulator, due: int) -> bool:
    return any(due in dues and key in channel.lied_about for key, dues in house.covers.items())


def _is_true(house: House, channel: ChannelSimulator, key: UUID) -> None:
    """What stands of an instruction whose channel never lied about it is so."""
    ran = [one.status for one in channel.executions.get(key, [])]
    truth = {
        InstructionState.SUCCEEDED: ran in (["paid"], ["returned"]),
        # a copy of a refused order may still travel: it goes to a channel that takes a key once
        InstructionState.FAILED: ran == ["refused"] or (not ran and all(one.key != key for one in channel.under_way)),
        InstructionState.RETURNED: ran == ["returned"],
        InstructionState.CREATED: not ran,
        InstructionState.PROCESSING: len(ran) == 1,
    }
    state = house.known[key].standing.state
    assert truth.get(state, True), f"{state}, in truth {ran}: {house.history[key]}"
