"""What a camt statement states of itself against what its entries give: balances, counts and sums."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from everycent.flow.intake.bills.amounts import EXACT, ZERO, amount, plain
from everycent.flow.intake.bills.camt_entries import Leaves
from everycent.flow.intake.contract import Control

_OPENING: Final = ("OPBD", "PRCD")
_CLOSING: Final = ("CLBD",)
_INTERIM: Final = ("ITBD",)


@dataclass
class Totals:
    """Figures of one statement, added up entry by entry. `unread` counts entries whose amount cannot be read."""

    entries: int = 0
    credits: int = 0
    credit_sum: Decimal = ZERO
    debit_sum: Decimal = ZERO
    booked: dict[str, Decimal] = field(default_factory=dict)  # by currency
    unread: int = 0
    summary: Leaves | None = None
    balances: list[tuple[str, str, str, Decimal]] = field(default_factory=list)  # kind, date, currency, amount

    def balance(self, leaves: Leaves, value: Decimal) -> None:
        """Takes in a balance; a sub-type marks one that is of a page or of a part only, so it is told apart."""
        kind = leaves.first("Tp/CdOrPrtry/Cd", "Tp/Cd") or ""
        date = leaves.first("Dt/Dt", "Dt/DtTm") or ""
        self.balances.append((kind, date, leaves.first("Amt@Ccy") or "", value))

    def entry(self, leaves: Leaves, value: Decimal) -> None:
        """Adds an entry; only booked ones move the booked balance."""
        self.entries += 1
        if leaves.first("CdtDbtInd") == "CRDT":
            self.credits += 1
            self.credit_sum = EXACT.add(self.credit_sum, value)
        else:
            self.debit_sum = EXACT.subtract(self.debit_sum, value)
        if leaves.first("Sts", "Sts/Cd") in ("BOOK", None):
            currency = leaves.first("Amt@Ccy") or ""
            self.booked[currency] = EXACT.add(self.booked.get(currency, ZERO), value)

    def controls(self, named: str, *, booked_in_full: bool) -> Iterator[Control]:
        """The statement's figures, those that it states. One that is `booked_in_full` (camt.053) owes its balances:
        without those of a currency that its entries are in, and without a summary, nothing proves them."""
        closing = list(self._closing(named))
        yield from (control for _, control in closing)
        proven = {currency for currency, _ in closing}
        for currency, moved in self.booked.items():
            if booked_in_full and self.summary is None and currency not in proven:
                unsaid = "nothing: there is no opening and closing balance that can be read"
                yield Control(f"{named}: closing balance in {currency}", unsaid, plain(moved), None)
        stated = self.summary or Leaves()
        found = {
            "TtlNtries/NbOfNtries": Decimal(self.entries),
            "TtlNtries/Sum": EXACT.add(self.credit_sum, self.debit_sum),
            "TtlCdtNtries/NbOfNtries": Decimal(self.credits),
            "TtlCdtNtries/Sum": self.credit_sum,
            "TtlDbtNtries/NbOfNtries": Decimal(self.entries - self.credits),
            "TtlDbtNtries/Sum": self.debit_sum,
        }
        for path, figure in found.items():
            if (said := amount(stated.first(path))) is not None:
                yield Control(f"{named}: {path}", plain(said), plain(figure), None)
        net = amount(stated.first("TtlNtries/TtlNetNtry/Amt", "TtlNtries/TtlNetNtryAmt"))
        way = stated.first("TtlNtries/TtlNetNtry/CdtDbtInd", "TtlNtries/CdtDbtInd")
        if net is not None and way is not None:
            said_net = EXACT.minus(net) if way == "DBIT" else net
            figure = EXACT.subtract(self.credit_sum, self.debit_sum)
            yield Control(f"{named}: TtlNtries/TtlNetNtry", plain(said_net), plain(figure), None)

    def _closing(self, named: str) -> Iterator[tuple[str, Control]]:
        """Opening and booked entries against closing; interim balances stand in for those of a page or of part of a
        day. The first opening and the last closing count, where a statement of several days has one for each."""
        interim = self._of(_INTERIM)
        opening = self._of(_OPENING[:1]) or self._of(_OPENING[1:]) or interim[:1]
        closing = self._of(_CLOSING) or [each for each in interim[-1:] if each not in opening]
        if not opening:
            return
        for currency in dict.fromkeys(each[2] for each in closing):
            before = next((each[3] for each in opening if each[2] == currency), ZERO)
            found = EXACT.add(before, self.booked.get(currency, ZERO))
            stated = [each[3] for each in closing if each[2] == currency][-1]
            yield currency, Control(f"{named}: closing balance in {currency}", plain(stated), plain(found), None)

    def _of(self, kinds: tuple[str, ...]) -> list[tuple[str, str, str, Decimal]]:
        return sorted((each for each in self.balances if each[0] in kinds), key=lambda each: each[1][:10])
