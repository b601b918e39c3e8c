"""A wallet that takes transfers: on its worst days as any channel, and strict about its limits."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import date

from channel_simulator import ChannelSimulator, Execution

from everycent.flow.payments.contract import Order, Said
from everycent.flow.payments.core.wallets import WalletLimits


@dataclass
class WalletSimulator(ChannelSimulator):
    """`broken`: the limits that orders broke when they arrived; it carries none of them out."""

    limits: WalletLimits = field(kw_only=True)
    today: date = field(kw_only=True)
    broken: list[str] = field(default_factory=list)
    sent: Counter[tuple[date, str]] = field(default_factory=Counter)  # by day, whose

    def bill(self) -> list[Said]:
        """The day's bill: of each order what became of it since the last one, in truth."""
        news = [one for ran in self.executions.values() for one in ran if self.stated.get(one.order.key) != one.status]
        self.stated |= {one.order.key: one.status for one in news}
        return [self._say(one) for one in news]

    def _arrive(self, order: Order) -> Execution:
        if order.key not in self.executions:
            self._judge(order)
        return super()._arrive(order)

    def _judge(self, order: Order) -> None:
        amount, limits = order.amount_minor, self.limits
        if not limits.least_minor <= amount <= limits.most_minor or order.currency != "CNY":
            self.broken.append(f"{amount} {order.currency} at once")
        for whose, most in ((order.account, limits.receiver_day_minor), (order.legal_entity, limits.day_minor)):
            self.sent[self.today, whose] += amount
            if most is not None and self.sent[self.today, whose] > most:
                self.broken.append(f"{self.sent[self.today, whose]} of {most} on {self.today} for {whose}")
