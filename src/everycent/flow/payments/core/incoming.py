"""Money that came in and names no instruction of ours: whose debt it pays, by reference and amount, never guessed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from everycent.base.money.amount import NotAnAmount, parse_minor
from everycent.base.money.currency import UnknownCurrency, currency
from everycent.flow.payments.contract import InstructionState, Move, Said
from everycent.flow.payments.core.bank_answers import BankLine

#: Shorter references are in too many texts by chance.
_REFERENCE_CHARACTERS_MIN = 8
#: Where a person was asked for the money, and nobody has said what became of that.
_ASKED = (InstructionState.FILED, InstructionState.PROCESSING)


class Fit(StrEnum):
    """Why a person has to look at money that came in."""

    NO_REFERENCE = "no_reference"  # somebody owes this amount, and the text names nothing of it
    OTHER_AMOUNT = "other_amount"  # it names what is owed, which is another amount
    SEVERAL = "several"  # it names several debts
    TWICE = "twice"  # another line of the file pays the same
    PAID_ALREADY = "paid_already"  # what it names is paid
    DEBITED = "debited"  # what it names is with the bank as a direct debit
    NOT_ASKED = "not_asked"  # what it names waits, is not filed yet, or is parked


@dataclass(frozen=True)
class Owed:
    """An instruction to collect that did not fail. `references`: what may name it in a bank's text."""

    key: UUID
    amount_minor: int
    currency: str
    state: InstructionState
    debited: bool
    references: tuple[str, ...]

    @property
    def is_open(self) -> bool:
        """Whether its money is still to come."""
        return self.state is not InstructionState.SUCCEEDED


@dataclass(frozen=True)
class Listed:
    """Money that came in, why a person has to look at it, and the instructions that it may be for."""

    cause: str
    amount_minor: int
    currency: str
    text: str
    fit: Fit
    candidates: tuple[UUID, ...]


@dataclass(frozen=True)
class Matched:
    """`said`: what lines pay beyond doubt. `listed`: what a person looks at. `others`: how many lines are neither."""

    said: tuple[Said, ...]
    listed: tuple[Listed, ...]
    others: int


@dataclass(frozen=True)
class _Came:
    """A line of money that came in."""

    cause: str
    amount_minor: int
    currency: str
    text: str


def cause_of(line: BankLine) -> str:
    """Where money that came in is told: by the bank's own reference, which is the same in each of its files."""
    return line.bank_reference or line.cause


def match(lines: Sequence[BankLine], owed: Sequence[Owed], heard: Mapping[str, UUID], who: str) -> Matched:
    """Lines that name no instruction against what is owed. `heard`: by cause, what lines that were read before paid.

    A line pays an instruction where its text names that one alone, its amount is the whole, and no other line does.
    """
    by_reference, by_amount = _indexed(owed)
    certain: dict[UUID, list[_Came]] = {}
    said, listed = [], []
    for line in lines:
        came = _came(line)
        if came is None:
            continue
        if came.cause in heard:
            said.append(_paid(came, heard[came.cause], who))
            continue
        named = _named(came, by_reference)
        fit = _fit(came, named)
        if fit is None and named:
            certain.setdefault(named[0].key, []).append(came)
            continue
        candidates = named or [one for one in by_amount.get((came.currency, came.amount_minor), ()) if one.is_open]
        if candidates:
            keys = tuple(one.key for one in candidates)
            listed.append(
                Listed(came.cause, came.amount_minor, came.currency, came.text, fit or Fit.NO_REFERENCE, keys)
            )
    for key, some in certain.items():
        if len(some) == 1:
            said.append(_paid(some[0], key, who))
        else:
            listed += [_listed(one, Fit.TWICE, [owing for owing in owed if owing.key == key]) for one in some]
    assert len({one.key for one in said if one.cause not in heard}) == len(certain) - _twice(certain)
    return Matched(tuple(said), tuple(listed), len(lines) - len(said) - len(listed))


def _twice(certain: Mapping[UUID, Sequence[_Came]]) -> int:
    return sum(len(some) > 1 for some in certain.values())


def _listed(came: _Came, fit: Fit, candidates: Sequence[Owed]) -> Listed:
    keys = tuple(one.key for one in candidates)
    return Listed(came.cause, came.amount_minor, came.currency, came.text, fit, keys)


def _paid(came: _Came, key: UUID, who: str) -> Said:
    return Said(key, Move.PAY, came.cause, who, came.text or None, came.amount_minor, came.currency)


def _came(line: BankLine) -> _Came | None:
    """None for what went out, and for amounts that cannot be read."""
    if not line.came_in or line.amount is None or line.code is None:
        return None
    try:
        return _Came(cause_of(line), parse_minor(line.amount, currency(line.code)), line.code, line.text)
    except (NotAnAmount, UnknownCurrency):
        return None


def _folded(text: str) -> str:
    """Letters and digits alone: banks break lines anywhere, and leave signs out."""
    return "".join(character for character in text.casefold() if character.isalnum())


def _indexed(owed: Iterable[Owed]) -> tuple[dict[str, list[Owed]], dict[tuple[str, int], list[Owed]]]:
    by_reference: dict[str, list[Owed]] = {}
    by_amount: dict[tuple[str, int], list[Owed]] = {}
    for one in owed:
        by_amount.setdefault((one.currency, one.amount_minor), []).append(one)
        for folded in dict.fromkeys(_folded(reference) for reference in one.references):
            if len(folded) >= _REFERENCE_CHARACTERS_MIN:
                by_reference.setdefault(folded, []).append(one)
    return by_reference, by_amount


def _named(came: _Came, by_reference: Mapping[str, Sequence[Owed]]) -> list[Owed]:
    """What the line's text names, of its currency, each once: first what is open."""
    words = _folded(came.text)
    found: dict[UUID, Owed] = {}
    for length in sorted({len(reference) for reference in by_reference}):
        for at in range(len(words) - length + 1):
            for one in by_reference.get(words[at : at + length], ()):
                if one.currency == came.currency:
                    found[one.key] = one
    return sorted(found.values(), key=lambda one: (not one.is_open, one.key))


def _fit(came: _Came, named: Sequence[Owed]) -> Fit | None:
    """Why what is named is not paid by the line beyond doubt; None where it is, or nothing is named."""
    still = [one for one in named if one.is_open]
    if not named:
        return None
    if not still:
        return Fit.PAID_ALREADY
    if len(still) > 1:
        return Fit.SEVERAL
    if still[0].amount_minor != came.amount_minor:
        return Fit.OTHER_AMOUNT
    if still[0].debited:
        return Fit.DEBITED
    return None if still[0].state in _ASKED else Fit.NOT_ASKED
