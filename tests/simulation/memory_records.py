"""What the house in memory keeps: open and closed statements, invoices, non-order charges."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from uuid import UUID

from everycent.flow.non_order.contract import Direction, NonOrderCharge
from everycent.flow.settlement.contract import StatementState
from everycent.flow.settlement.core.invoice_moves import INVOICE_MOVES, InvoiceMove, InvoiceState
from everycent.flow.settlement.core.moves import Life


@dataclass
class Figures:
    """Of an open statement: what its party is owed, what it owes, and what stands on it beside."""

    payable: int = 0
    receivable: int = 0
    lines: int = 0


@dataclass
class Invoice:
    """As settlement keeps it. `last`: its last move, by whom, and why."""

    issuer: str
    side: str
    total_minor: int
    state: InvoiceState = InvoiceState.DUE
    number: str | None = None
    last: tuple[str, str, str | None] | None = None

    def moved(
        self,
        move: InvoiceMove,
        by: str,
        why: str | None,
        number: str | None,
        total_minor: int | None,
        numbers: set[tuple[str, str]],
    ) -> str:
        """What comes of a word about it. `numbers`: those that were given, by issuer."""
        has_given = move in (InvoiceMove.ISSUE, InvoiceMove.RECEIVE)
        why = None if has_given else why
        if self.last == (move, by, why) and (not has_given or number in (None, self.number)):
            return "unchanged"
        allowed = INVOICE_MOVES.get((self.side, move))
        if allowed is None:
            return "wrong_side"
        if self.state not in allowed:
            return "wrong_state"
        if move is InvoiceMove.VOID and not why:
            return "reason_missing"
        if has_given:
            if total_minor not in (None, self.total_minor):
                return "other_total"
            if number is not None and (self.issuer, number) in numbers:
                return "number_taken"
            self.number = number or f"own {len(numbers)}"
            numbers.add((self.issuer, self.number))
        self.state, self.last = allowed[self.state], (move, by, why)
        return "done"


@dataclass
class TakenFee:
    """A non-order charge as it is kept."""

    charge: NonOrderCharge
    state: str
    asked: UUID | None = None

    @property
    def amount_minor(self) -> int:
        """Below 0 its party owes it."""
        return self.charge.amount_minor if self.charge.direction is Direction.PAY else -self.charge.amount_minor


@dataclass
class Statement:
    """As settlement keeps it. `invoices`: by side, each after those that were voided."""

    party_id: str
    sides: Mapping[str, int]
    life: Life
    confirm_by: date | None
    rounds: int = 0
    asked: UUID | None = None
    settled: set[str] = field(default_factory=set)
    invoices: dict[str, list[Invoice]] = field(default_factory=dict)
    log: list[tuple[str, str, str | None]] = field(default_factory=list)

    @property
    def asked_minor(self) -> int:
        """What a yes to it is about."""
        return sum(map(abs, self.sides.values()))

    @property
    def waits_for(self) -> str:
        life = self.life
        if life.state is StatementState.DISPUTED:
            return "resolve"
        if life.released:
            return "nothing" if life.settled else "unpark" if life.parked else "payment"
        return life.waits_for.value
