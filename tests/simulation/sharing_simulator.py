"""A wallet that shares payments, on its worst days, and knows what it truly shared."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from everycent.flow.payments.contract import NoAnswer, NotSent
from everycent.flow.payments.core.sharing import Asked, Does, Had, Refused
from everycent.flow.payments.sharing import KeepsShares


@dataclass
class SharingSimulator:
    """`fate`: a number from 0 to n - 1 for n ways. What comes again under its key is done once.

    `most_minor`: how much of a payment may be shared: it keeps that itself for what comes late. `done`: how often each
    request was taken, by payment and name. `takes_back`: of so many moments, one at which what was paid turns out not
    to have been. `faults`: off, it is a wallet on its best day.
    """

    fate: Callable[[int], int]
    most_minor: int
    has: dict[str, list[Had]] = field(default_factory=dict)
    under_way: list[Asked] = field(default_factory=list)
    done: dict[tuple[str, str], int] = field(default_factory=dict)
    takes_back: int = 300
    faults: bool = True

    def had(self, payment: str) -> list[Had]:
        """As a wallet's, in any order."""
        if self.faults and self.fate(5) == 1:
            raise NoAnswer("the answer was lost")
        return sorted(self.has.get(payment, []), key=lambda _: self.fate(7))

    def send(self, asked: Asked) -> str:
        """As a wallet's."""
        way = self.fate(6) if self.faults else 0
        if way == 1:
            raise NotSent("connection refused")
        if way == 2:
            raise NoAnswer("the request was lost")
        if way == 3:
            self.under_way.append(asked)
            raise NoAnswer("the request is slow")
        state = self._arrive(asked)
        if way == 4:
            raise NoAnswer("the answer was lost")
        return state

    def work(self) -> None:
        """A request arrives that was slow, perhaps twice; what is accepted is carried out, or refused."""
        if self.under_way and self.fate(2):
            asked = self.under_way.pop(self.fate(len(self.under_way)))
            self._arrive(asked)
            if self.fate(3) == 0:
                self.under_way.append(asked)
        for payment, had in self.has.items():
            self.has[payment] = [
                replace(each, state=self._next(each.state)) if each.state in ("accepted", "paid") else each
                for each in had
            ]

    def calm(self) -> None:
        """The day ends well: no more faults, requests under way arrive, what is accepted is paid."""
        self.faults = False
        while self.under_way:
            self._arrive(self.under_way.pop())
        for payment, had in self.has.items():
            self.has[payment] = [replace(each, state="paid") if each.state == "accepted" else each for each in had]

    def truly(self) -> Counter[str]:
        """What is with each receiver."""
        got: Counter[str] = Counter()
        for each in [each for had in self.has.values() for each in had if each.state == "paid"]:
            for receiver, fen in each.shares:
                got[receiver] += -fen if each.does is Does.RETURN else fen
        return got

    def _next(self, state: str) -> str:
        """Seldom, what was paid turns out not to have been."""
        if state == "accepted":
            return ("paid", "refused")[self.fate(6) == 0]
        return "returned" if self.fate(self.takes_back) == 1 else "paid"

    def _arrive(self, asked: Asked) -> str:
        known = self.has.setdefault(asked.payment, [])
        twin = next((each for each in known if each.key == asked.key), None)
        if twin is not None:
            return twin.state
        standing = [each for each in known if each.state != "refused" and each.does is not Does.RETURN]
        shared = sum(amount for each in standing for _, amount in each.shares) + asked.amount_minor
        late = any(each.does is Does.FINISH for each in standing) or shared > self.most_minor
        late = late and asked.does is not Does.RETURN
        known.append(Had(asked.key, asked.does, asked.shares, "refused" if late else "accepted"))
        self.done[asked.payment, asked.request] = self.done.get((asked.payment, asked.request), 0) + 1
        return known[-1].state


class Killed(Exception):
    """The program ends here."""


@dataclass
class MortalKeeper:
    """A keeper whose program is killed at any moment around what it commits."""

    keeper: KeepsShares
    fate: Callable[[int], int]

    def ask(self, asked: Asked) -> Refused | None:
        return self._around(lambda: self.keeper.ask(asked))

    def heard(self, asked: Asked, state: str) -> None:
        self._around(lambda: self.keeper.heard(asked, state))

    def _around(self, work: Callable[[], Any]) -> Any:
        way = self.fate(9)
        if way == 1:
            raise Killed
        done = work()
        if way == 2:
            raise Killed
        return done
