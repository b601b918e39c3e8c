"""Money that came in and is kept for a party: parts of what it owes, what is too much, what pays several at once.

A receipt is a line of a bank's file, taken once. It stands on the party's account `on_account/` from then on; what of
it is set aside for an instruction leaves that account when the instruction is paid. Of an instruction that is not paid
after all it is free again.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from uuid import UUID

from everycent.flow.ledger.contract import BANK_ACCOUNT, ON_ACCOUNT, TRANSFER
from everycent.flow.payments.contract import InstructionState

#: Where a person was asked for the money, and nobody has said what became of that.
_ASKED = (InstructionState.FILED, InstructionState.PROCESSING)


@dataclass(frozen=True)
class Owed:
    """An instruction to collect that did not fail. `left_minor`: what no receipt is set aside for. `debited`: by direct
    debit. `references`: what may name it in a bank's text."""

    key: UUID
    model: str
    party_id: str
    legal_entity: str
    amount_minor: int
    left_minor: int
    currency: str
    state: InstructionState
    debited: bool
    references: tuple[str, ...] = ()

    @property
    def is_open(self) -> bool:
        """Whether its money is still to come."""
        return self.state is not InstructionState.SUCCEEDED

    @property
    def is_asked(self) -> bool:
        """Whether its party was asked to transfer it."""
        return self.state in _ASKED and not self.debited

    @property
    def whose(self) -> tuple[str, str, str, str]:
        """One receipt is for instructions of one such place."""
        return self.model, self.party_id, self.legal_entity, self.currency


@dataclass(frozen=True)
class Use:
    """What of a receipt is set aside for an instruction; `left_minor`: what that one lacks afterwards."""

    key: UUID
    amount_minor: int
    left_minor: int


@dataclass(frozen=True)
class Receipt:
    """What a line brings, for whom, and what of it is set aside. `cause`: where the line is told. `about`: the first
    instruction that it names."""

    cause: str
    about: UUID
    model: str
    party_id: str
    legal_entity: str
    amount_minor: int
    currency: str
    text: str
    uses: tuple[Use, ...]

    @property
    def free_minor(self) -> int:
        """What is for nothing yet."""
        return self.amount_minor - sum(use.amount_minor for use in self.uses)


@dataclass(frozen=True)
class Free:
    """A receipt that is stored, and what of it is for nothing."""

    receipt_id: UUID
    free_minor: int


class NotReceived(StrEnum):
    """Why money that came in is not set aside as a person said."""

    UNKNOWN_LINE = "unknown_line"
    TAKEN_BEFORE = "taken_before"
    NOT_COLLECTED = "not_collected"
    OTHER_PARTY = "other_party"
    OTHER_CURRENCY = "other_currency"
    DEBITED = "debited"
    NOT_ASKED = "not_asked"
    NOTHING_FREE = "nothing_free"
    NOT_FREE = "not_free"
    BEING_PAID_BACK = "being_paid_back"
    UNKNOWN_RECEIPT = "unknown_receipt"


class ReceiptRefused(Exception):
    """A person's word about money that came in is not followed; the message begins with the rule's name."""

    def __init__(self, name: NotReceived, said: str) -> None:
        super().__init__(f"{name}: {said}")
        self.name = name


def set_aside(amount_minor: int, owed: Sequence[Owed], left: dict[UUID, int]) -> tuple[Use, ...]:
    """What an amount pays of these, one after another. `left`: what each lacks by now where that is less than it says;
    kept up to date."""
    uses, rest = [], amount_minor
    for one in owed:
        lacks = left.get(one.key, one.left_minor)
        part = min(rest, lacks)
        if part > 0:
            uses.append(Use(one.key, part, lacks - part))
            left[one.key], rest = lacks - part, rest - part
    assert sum(use.amount_minor for use in uses) + rest == amount_minor and rest >= 0, "nothing is lost"
    return tuple(uses)


def from_free(one: Owed, free: Sequence[Free]) -> list[tuple[UUID, Use]]:
    """What an instruction takes of free receipts, in their order, each with the receipt's id."""
    uses, lacks = [], one.left_minor
    for receipt in free:
        part = min(receipt.free_minor, lacks)
        if part > 0:
            lacks -= part
            uses.append((receipt.receipt_id, Use(one.key, part, lacks)))
    assert 0 <= lacks <= one.left_minor, "no more than it lacks"
    return uses


def refuse_unfit(owed: Sequence[Owed], currency: str) -> None:
    """What a person says money is for has to be of one party, asked of it, in that currency; what is paid already
    lacks nothing, and all stays for the party. Raises ReceiptRefused."""
    if len({one.whose[:3] for one in owed}) > 1:
        said = "the instructions are of several parties, legal entities or models; name those of one"
        raise ReceiptRefused(NotReceived.OTHER_PARTY, said)
    for one in owed:
        if one.currency != currency:
            said = f"{one.key} is in {one.currency}, the money in {currency}"
            raise ReceiptRefused(NotReceived.OTHER_CURRENCY, said)
        if one.debited and one.is_open:
            said = f"{one.key} is with the bank as a direct debit; wait for its answer"
            raise ReceiptRefused(NotReceived.DEBITED, said)
        if one.is_open and not one.is_asked:
            said = f"{one.key} is {one.state}; it has to be filed first, or judged where it is parked"
            raise ReceiptRefused(NotReceived.NOT_ASKED, said)


def receipt_id(tenant: str, cause: str) -> UUID:
    """A line has one receipt."""
    return _id("receipt", tenant, cause)


def receipt_transfer(key: UUID, receipt: Receipt, as_of: date) -> dict[str, object]:
    """The cells of a TRANSFER row: the money is at the bank, and for the party."""
    at_bank, for_party = f"{BANK_ACCOUNT}{receipt.legal_entity}", f"{ON_ACCOUNT}{receipt.party_id}"
    values = (key, as_of, at_bank, for_party, receipt.amount_minor, receipt.currency, f"receipt {key}")
    return dict(zip(TRANSFER.columns.names, values, strict=True))


@dataclass(frozen=True)
class SetAside:
    """What of a stored receipt is set aside for an instruction that is paid now."""

    receipt_id: UUID
    instruction_id: UUID
    amount_minor: int


def use_transfer(use: SetAside, whose: tuple[str, str, str], as_of: date) -> Mapping[str, object]:
    """The cells of a TRANSFER row: the result of the instruction brings its whole amount to the bank, so what was there
    before leaves the party's account. `whose`: party, legal entity, currency."""
    party_id, legal_entity, code = whose
    key = _id("use", str(use.receipt_id), str(use.instruction_id))
    for_party, at_bank = f"{ON_ACCOUNT}{party_id}", f"{BANK_ACCOUNT}{legal_entity}"
    said = f"use {use.instruction_id} {use.receipt_id}"
    values = (key, as_of, for_party, at_bank, use.amount_minor, code, said)
    return dict(zip(TRANSFER.columns.names, values, strict=True))


def _id(*parts: str) -> UUID:
    return UUID(hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:32])
