"""A channel that does what channels do on their worst days, and knows what it truly paid.

Whatever may go one way or another is asked of `fate`: a number from 0 to n - 1 for n ways. A seeded random generator
gives the same day again; Hypothesis gives days that shrink.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from uuid import UUID

from bank_post import report, statement

from everycent.flow.payments.contract import Capabilities, Move, NoAnswer, NotSent, Order, Said

Fate = Callable[[int], int]


@dataclass
class Execution:
    """An order that the channel has taken. `status`: accepted, paid, refused or returned: the truth."""

    order: Order
    status: str = "accepted"


_SAYS = {"accepted": Move.ACCEPT, "paid": Move.PAY, "refused": Move.REFUSE, "returned": Move.RETURN}


@dataclass
class ChannelSimulator:
    """`lies`: it may say what is not true. `faults`: off, it is a channel on its best day."""

    capabilities: Capabilities
    fate: Fate
    lies: bool = False
    faults: bool = True
    name: str = "rest"
    executions: dict[UUID, list[Execution]] = field(default_factory=dict)
    under_way: list[Order] = field(default_factory=list)  # requests that still travel
    messages: list[Said] = field(default_factory=list)  # call-backs that still travel
    lied_about: set[UUID] = field(default_factory=set)
    stated: dict[UUID, str] = field(default_factory=dict)
    files: list[bytes] = field(default_factory=list)  # the bank's, in the order in which it wrote them
    came: set[int] = field(default_factory=set)  # those that came whole
    said: int = 0
    steps: int = 0

    def submit(self, order: Order) -> Said:
        """As a channel's."""
        self.steps += 1
        way = self.fate(6) if self.faults else 0
        if way == 1:
            raise NotSent("connection refused")
        if way == 2:
            raise NoAnswer("the request was lost")
        if way == 3:
            self.under_way.append(order)
            raise NoAnswer("the request is slow")
        execution = self._arrive(order)
        if way == 4:
            raise NoAnswer("the answer was lost")
        return self._say(execution)

    def ask(self, order: Order) -> Said:
        """As a channel's."""
        self.steps += 1
        assert self.capabilities.queryable, "a channel that cannot be asked is not asked"
        way = self.fate(4) if self.faults else 0
        if way == 1:
            raise NoAnswer("the answer was lost")
        if way == 2:
            raise NotSent("connection refused")
        known = self.executions.get(order.key)
        if not known:
            return Said(order.key, Move.DENY, "answer", self.name)
        return self._say(known[0])

    def work(self) -> None:
        """Something happens at the channel: a request arrives, a payment goes on."""
        self.steps += 1
        if self.under_way and self.fate(2):
            self._arrive(self.under_way.pop(self.fate(len(self.under_way))))
        going = [
            one for all_of_key in self.executions.values() for one in all_of_key if one.status in ("accepted", "paid")
        ]
        if going:
            one = going[self.fate(len(going))]
            self._go_on(one)

    def deliver(self) -> Said | None:
        """A call-back that arrives: any of those under way, perhaps not for the last time; None where none does."""
        self.steps += 1
        if not self.messages:
            return None
        at = self.fate(len(self.messages)) if self.faults else 0
        way = self.fate(4) if self.faults else 0
        if way == 1:  # it will come again
            return self.messages[at]
        said = self.messages.pop(at)
        return None if way == 2 else said  # lost

    def bring_back(self) -> None:
        """A payment that was made comes back, where the channel tells such things."""
        paid = [one for ran in self.executions.values() for one in ran if one.status == "paid"]
        if paid and self.capabilities.tells_returns:
            self.steps += 1
            self._turn(paid[self.fate(len(paid))], "returned")

    def calm(self) -> None:
        """The day ends well: no more faults, requests under way arrive, everything is decided and told."""
        self.faults = False
        while self.under_way:
            self._arrive(self.under_way.pop())
        for all_of_key in self.executions.values():
            for one in all_of_key:
                if one.status == "accepted":
                    self._turn(one, "paid")

    def write_files(self) -> None:
        """The bank writes files: of each order what became of it since the last ones, in truth."""
        reported, booked = [], []
        for one in [one for ran in self.executions.values() for one in ran]:
            before, self.stated[one.order.key] = self.stated.get(one.order.key), one.status
            if before == one.status:
                continue
            if one.status in ("accepted", "refused"):
                reported.append((one.order, one.status))
                continue
            if before != "paid":
                booked.append((one.order, "paid"))
            if one.status == "returned":
                booked.append((one.order, "returned"))
        number = len(self.files)
        self.files += [write(number, news) for write, news in ((report, reported), (statement, booked)) if news]
        self.steps += 1

    def truly_paid(self) -> Counter[UUID]:
        """How often each order's money is with its receiver."""
        return Counter({key: sum(one.status == "paid" for one in ran) for key, ran in self.executions.items()})

    def _arrive(self, order: Order) -> Execution:
        ran = self.executions.setdefault(order.key, [])
        if ran and self.capabilities.idempotent:
            return ran[0]
        ran.append(Execution(order))
        self.messages.append(self._say(ran[-1]))
        return ran[-1]

    def _go_on(self, one: Execution) -> None:
        if one.status == "accepted":
            self._turn(one, ("paid", "refused")[self.fate(4) == 0])
        elif self.capabilities.tells_returns and self.fate(4) == 0:
            self._turn(one, "returned")
        if self.lies and self.fate(5) == 0:
            self.lied_about.add(one.order.key)
            lie = self._said(one.order, (Move.PAY, Move.REFUSE)[self.fate(2)])
            off = int(self.fate(4) == 0)
            self.messages.append(replace(lie, amount_minor=one.order.amount_minor + off))

    def _turn(self, one: Execution, status: str) -> None:
        one.status = status
        self.messages.append(self._say(one))

    def _say(self, one: Execution) -> Said:
        return self._said(one.order, _SAYS[one.status])

    def _said(self, order: Order, move: Move) -> Said:
        self.said += 1
        return Said(order.key, move, f"message {self.said}", self.name, None, order.amount_minor, order.currency)
