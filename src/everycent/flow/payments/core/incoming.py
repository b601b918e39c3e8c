"""Money that came in and names no instruction of ours: whose debts it pays, by reference and amount, never guessed."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from everycent.base.money.amount import NotAnAmount, parse_minor
from everycent.base.money.currency import UnknownCurrency, currency
from everycent.flow.payments.contract import Move, Said
from everycent.flow.payments.core.bank_answers import BankLine
from everycent.flow.payments.core.receipts import Owed, Receipt, set_aside

#: Shorter references are in too many texts by chance.
_REFERENCE_CHARACTERS_MIN = 8
#: So many that no two lines of a large file share them.
_HANDLE_CHARACTERS = 12


class Fit(StrEnum):
    """Why a person has to look at money that came in."""

    NO_REFERENCE = "no_reference"  # somebody owes this amount, and the text names nothing of it
    OTHER_AMOUNT = "other_amount"  # it is a part of what it names, and would not be known when it comes again
    SEVERAL = "several"  # it names several debts, paid ones among them, and is not what they lack; or several parties'
    TWICE = "twice"  # other lines of the file pay the same, together more than is owed
    PAID_ALREADY = "paid_already"  # what it names is paid
    DEBITED = "debited"  # what it names is with the bank as a direct debit
    NOT_ASKED = "not_asked"  # what it names waits, is not filed yet, or is parked
    TAKEN_OTHERWISE = "taken_otherwise"  # the bank's reference of it was taken before, with another amount


@dataclass(frozen=True)
class Came:
    """A line of money that came in. `own`: the bank's reference is this line's alone, so a repeat is known."""

    cause: str
    amount_minor: int
    currency: str
    text: str
    own: bool

    @property
    def handle(self) -> str:
        """What a person calls the line by."""
        return hashlib.sha256(self.cause.encode()).hexdigest()[:_HANDLE_CHARACTERS]


@dataclass(frozen=True)
class Listed:
    """Money that came in, why a person has to look at it, and the instructions that it may be for."""

    came: Came
    fit: Fit
    candidates: tuple[UUID, ...]


@dataclass(frozen=True)
class Matched:
    """`said`: what lines pay beyond doubt, whole debts by lines of their own first; `receipts`: what lines bring that
    pay parts, too much or several, in the file's order; `repeated`: such that were taken before. `listed`: what a
    person looks at. `others`: how many lines are none of these."""

    said: tuple[Said, ...]
    receipts: tuple[Receipt, ...]
    repeated: tuple[str, ...]
    listed: tuple[Listed, ...]
    others: int


@dataclass(frozen=True)
class Heard:
    """What lines that were read before did, by their causes: what they paid, and what they brought."""

    paid: Mapping[str, UUID]
    receipts: Mapping[str, tuple[int, str]]


def coming(lines: Sequence[BankLine]) -> list[Came]:
    """The lines of money that came in; without those whose amounts cannot be read, or are nothing."""
    shared = Counter(line.bank_reference for line in lines if line.came_in)
    return [came for line in lines if (came := _came(line, shared)) is not None]


def match(coming: Sequence[Came], owed: Sequence[Owed], heard: Heard, who: str) -> Matched:
    """Lines that name no instruction against what is owed.

    A line pays what its text names: one debt, of which it may be a part, or, to the cent, several of one party. What
    is too much for one is kept for the party. Nothing is taken that other lines of the file contest.
    """
    by_reference, by_amount = _indexed(owed)
    certain: list[tuple[Came, list[Owed]]] = []
    said, listed, repeated = [], [], []
    for came in coming:
        before = heard.receipts.get(came.cause)
        if before == (came.amount_minor, came.currency):
            repeated.append(came.cause)
            continue
        if before is None and came.cause in heard.paid:
            said.append(_paid(came, heard.paid[came.cause], who))
            continue
        named = _named(came, by_reference)
        still = [one for one in named if one.is_open]
        fit = Fit.TAKEN_OTHERWISE if before is not None else _fit(came, named, still)
        if fit is None and still:
            certain.append((came, still))
            continue
        candidates = named or [one for one in by_amount.get((came.currency, came.amount_minor), ()) if one.is_open]
        if candidates or before is not None:
            listed.append(_listed(came, fit or Fit.NO_REFERENCE, candidates))
    contested = _contested(certain)
    listed += [_listed(came, Fit.TWICE, some) for came, some in certain if came in contested]
    whole, receipts = _settle([each for each in certain if each[0] not in contested], who)
    done = len(said) + len(whole) + len(receipts) + len(repeated) + len(listed)
    assert len(whole) + len(receipts) + len(contested) == len(certain), "each certain line has one end"
    return Matched((*said, *whole), tuple(receipts), tuple(repeated), tuple(listed), len(coming) - done)


def _settle(certain: Sequence[tuple[Came, Sequence[Owed]]], who: str) -> tuple[list[Said], list[Receipt]]:
    """Lines that pay a whole debt by themselves, and what all others bring."""
    whole, receipts = [], []
    left: dict[UUID, int] = {}
    for came, some in certain:
        first = some[0]
        if len(some) == 1 and first.left_minor == first.amount_minor == came.amount_minor:
            whole.append(_paid(came, first.key, who))
            continue
        uses = set_aside(came.amount_minor, some, left)
        place = (first.model, first.party_id, first.legal_entity)
        receipts.append(Receipt(came.cause, first.key, *place, came.amount_minor, came.currency, came.text, uses))
    return whole, receipts


def _contested(certain: Sequence[tuple[Came, Sequence[Owed]]]) -> set[Came]:
    """Lines that name a debt which other lines name, too, unless they are parts of it that fit into it."""
    claims: dict[UUID, list[tuple[Came, Sequence[Owed]]]] = {}
    for came, some in certain:
        for one in some:
            claims.setdefault(one.key, []).append((came, some))
    contested = set()
    for by in claims.values():
        (first, *_) = by[0][1]
        fits = all(len(some) == 1 for _, some in by) and sum(came.amount_minor for came, _ in by) <= first.left_minor
        if len(by) > 1 and not fits:
            contested |= {came for came, _ in by}
    return contested


def _listed(came: Came, fit: Fit, candidates: Sequence[Owed]) -> Listed:
    return Listed(came, fit, tuple(one.key for one in candidates))


def _paid(came: Came, key: UUID, who: str) -> Said:
    return Said(key, Move.PAY, came.cause, who, came.text or None, came.amount_minor, came.currency)


def _came(line: BankLine, shared: Mapping[str | None, int]) -> Came | None:
    """None for what went out or is nothing, and for amounts that cannot be read.

    Where it is told: by the bank's own reference, which is the same in each of its files; else by its place and what
    it says.
    """
    if not line.came_in or line.amount is None or line.code is None:
        return None
    try:
        amount_minor = parse_minor(line.amount, currency(line.code))
    except (NotAnAmount, UnknownCurrency):
        return None
    if amount_minor <= 0:
        return None
    own = line.bank_reference is not None and shared[line.bank_reference] == 1
    if own:
        return Came(str(line.bank_reference), amount_minor, line.code, line.text, own)
    content = hashlib.sha256(f"{amount_minor}\x1f{line.code}\x1f{line.text}".encode()).hexdigest()
    return Came(f"{line.cause} {content[:_HANDLE_CHARACTERS]}", amount_minor, line.code, line.text, own)


def _folded(text: str) -> str:
    """Letters and digits alone: banks break lines anywhere, and leave signs out."""
    return "".join(character for character in text.casefold() if character.isalnum())


def _indexed(owed: Iterable[Owed]) -> tuple[dict[str, list[Owed]], dict[tuple[str, int], list[Owed]]]:
    by_reference: dict[str, list[Owed]] = {}
    by_amount: dict[tuple[str, int], list[Owed]] = {}
    for one in owed:
        by_amount.setdefault((one.currency, one.left_minor), []).append(one)
        for folded in dict.fromkeys(_folded(reference) for reference in one.references):
            if len(folded) >= _REFERENCE_CHARACTERS_MIN:
                by_reference.setdefault(folded, []).append(one)
    return by_reference, by_amount


def _named(came: Came, by_reference: Mapping[str, Sequence[Owed]]) -> list[Owed]:
    """What the line's text names, of its currency, each once: first what is open."""
    words = _folded(came.text)
    found: dict[UUID, Owed] = {}
    for length in sorted({len(reference) for reference in by_reference}):
        for at in range(len(words) - length + 1):
            for one in by_reference.get(words[at : at + length], ()):
                if one.currency == came.currency:
                    found[one.key] = one
    return sorted(found.values(), key=lambda one: (not one.is_open, one.key))


def _fit(came: Came, named: Sequence[Owed], still: Sequence[Owed]) -> Fit | None:
    """Why what is named is not paid by the line beyond doubt; None where it is, or nothing is named. `still`: what of
    it is open."""
    if not named:
        return None
    if not still:
        return Fit.PAID_ALREADY
    due = sum(one.left_minor for one in still)
    if len(named) > 1 and (due != came.amount_minor or len({one.whose for one in still}) > 1):
        return Fit.SEVERAL
    if any(one.debited for one in still):
        return Fit.DEBITED
    if not all(one.is_asked for one in still):
        return Fit.NOT_ASKED
    return Fit.OTHER_AMOUNT if came.amount_minor < due and not came.own else None
