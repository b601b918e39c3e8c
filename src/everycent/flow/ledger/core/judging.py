"""Which of the transfers that are asked for are posted: one after the other, each seeing what those before it did."""

from collections import ChainMap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from everycent.flow.ledger.contract import (
    AMOUNT_MAX_MINOR,
    Answer,
    Limit,
    Outcome,
    Refusal,
    Standing,
    Transfer,
    TransferKind,
)
from everycent.flow.ledger.core.moving import Account, moves, plus


@dataclass(frozen=True)
class Limited:
    """A limited account and where it stands."""

    limit: Limit
    standing: Standing


@dataclass
class Books:
    """What the judgement needs of the books: transfers that are there already, under their ids (those asked for, and
    pending ones that these settle); which pending ones were settled, by whom; and limited accounts."""

    known: dict[UUID, Transfer] = field(default_factory=dict)
    settled: dict[UUID, UUID] = field(default_factory=dict)
    limited: dict[Account, Limited] = field(default_factory=dict)


@dataclass(frozen=True)
class Judgement:
    """The answers in the order of what was asked, the transfers to post in their order, and where limited accounts
    stand then."""

    answers: tuple[Answer, ...]
    to_post: tuple[Transfer, ...]
    limited: Mapping[Account, Limited]


class _Refused(Exception):
    """A transfer is refused."""

    def __init__(self, refusal: Refusal, message: str) -> None:
        super().__init__(message)
        self.refusal = refusal


def judge(asked: Sequence[Transfer], books: Books) -> Judgement:
    """Judges each transfer, or each chain of linked ones, with all that was posted before it. `books` are left as they
    are. The last of a chain is not linked; a chain that the end cuts off ends there."""
    now = Books(dict(books.known), dict(books.settled), dict(books.limited))
    answers: list[Answer] = []
    to_post: list[Transfer] = []
    for chain in _chains(asked):
        tried = Books({}, {}, {})
        given = [_answer(transfer, now, tried) for transfer in chain]
        refused = [answer for answer in given if answer.outcome is Outcome.REFUSED]
        if refused:
            answers += [_of_chain(answer, refused[0]) for answer in given]
            continue
        answers += given
        to_post += [transfer for transfer, answer in zip(chain, given, strict=True) if answer.outcome is Outcome.POSTED]
        now.known |= tried.known
        now.settled |= tried.settled
        now.limited |= tried.limited
    return Judgement(tuple(answers), tuple(to_post), now.limited)


def _chains(asked: Sequence[Transfer]) -> Iterator[list[Transfer]]:
    chain: list[Transfer] = []
    for transfer in asked:
        chain.append(transfer)
        if not transfer.linked:
            yield chain
            chain = []
    if chain:
        yield chain


def _of_chain(answer: Answer, first_refused: Answer) -> Answer:
    """What becomes of a chain's transfer where one is refused. One that was posted before stays so."""
    if answer.outcome is not Outcome.POSTED:
        return answer
    return Answer(
        answer.transfer_id,
        Outcome.REFUSED,
        Refusal.LINKED_REFUSED,
        f"it is linked with {first_refused.transfer_id}, which is refused: {first_refused.message}",
    )


def _answer(transfer: Transfer, books: Books, tried: Books) -> Answer:
    """Judges one transfer; what it would change is put into `tried`, which its chain has before it."""
    try:
        before = tried.known.get(transfer.transfer_id) or books.known.get(transfer.transfer_id)
        if before is not None:
            if replace(before, linked=False) != replace(transfer, linked=False):
                raise _Refused(Refusal.OTHER_CONTENT, f"this id has another transfer: {_told(before)}")
            return Answer(transfer.transfer_id, Outcome.ALREADY_POSTED)
        _check_form(transfer)
        reserved = 0 if transfer.settles is None else _pending_of(transfer, transfer.settles, books, tried).amount_minor
        limited = ChainMap(tried.limited, books.limited)
        standing = _standing(transfer, reserved, limited) if books.limited else {}
    except _Refused as refused:
        return Answer(transfer.transfer_id, Outcome.REFUSED, refused.refusal, str(refused))
    tried.limited |= standing
    tried.known[transfer.transfer_id] = transfer
    if transfer.settles is not None:
        tried.settled[transfer.settles] = transfer.transfer_id
    return Answer(transfer.transfer_id, Outcome.POSTED)


def _standing(transfer: Transfer, reserved_minor: int, limited: Mapping[Account, Limited]) -> dict[Account, Limited]:
    """Where the limited ones of its accounts stand after it; refuses what goes beyond a limit."""
    changes = moves(transfer, reserved_minor)
    return {
        account: Limited(limited[account].limit, _within(limited[account], change))
        for account, change in changes.items()
        if account in limited
    }


def _check_form(transfer: Transfer) -> None:
    """Refuses what no books could make right."""
    if transfer.amount_minor <= 0:
        raise _Refused(
            Refusal.NOT_POSITIVE,
            f"the amount is {transfer.amount_minor}; it is above 0, and to move it back the accounts change places",
        )
    if transfer.amount_minor > AMOUNT_MAX_MINOR:
        raise _Refused(Refusal.TOO_LARGE, f"the amount is {transfer.amount_minor}; the most is {AMOUNT_MAX_MINOR}")
    texts = transfer.debit_account, transfer.credit_account, transfer.currency, transfer.cause
    if not all(texts):
        raise _Refused(Refusal.UNNAMED, "both accounts, the currency and the cause are named")
    if any("\x00" in text for text in texts):
        raise _Refused(Refusal.UNSTORABLE, "a name holds a NUL character (U+0000), which no database keeps")
    if transfer.debit_account == transfer.credit_account:
        raise _Refused(Refusal.SAME_ACCOUNT, f"it debits and credits {transfer.debit_account}; two accounts are needed")
    settling = transfer.kind in (TransferKind.POST_PENDING, TransferKind.VOID_PENDING)
    if settling != (transfer.settles is not None):
        raise _Refused(
            Refusal.SETTLES_NOTHING,
            f"a transfer of kind {transfer.kind} {'names' if settling else 'does not name'} a pending one to settle",
        )


def _pending_of(transfer: Transfer, settles: UUID, books: Books, tried: Books) -> Transfer:
    """The pending transfer that this one settles; refuses what cannot be settled so."""
    pending = tried.known.get(settles) or books.known.get(settles)
    if pending is None or pending.kind is not TransferKind.PENDING:
        raise _Refused(Refusal.NO_SUCH_PENDING, f"there is no pending transfer {settles}")
    by = tried.settled.get(settles) or books.settled.get(settles)
    if by is not None:
        raise _Refused(Refusal.SETTLED_BEFORE, f"{settles} was settled before, by {by}")
    ends = (transfer.debit_account, transfer.credit_account, transfer.currency)
    if ends != (pending.debit_account, pending.credit_account, pending.currency):
        raise _Refused(
            Refusal.UNLIKE_PENDING, f"accounts and currency are those of the pending transfer: {_told(pending)}"
        )
    if transfer.amount_minor > pending.amount_minor:
        raise _Refused(
            Refusal.MORE_THAN_PENDING,
            f"the amount is {transfer.amount_minor}; {settles} reserved {pending.amount_minor}",
        )
    if transfer.kind is TransferKind.VOID_PENDING and transfer.amount_minor != pending.amount_minor:
        raise _Refused(
            Refusal.UNLIKE_PENDING,
            f"a void takes back all of it: {pending.amount_minor}, not {transfer.amount_minor}",
        )
    return pending


def _within(limited: Limited, change: Standing) -> Standing:
    """The standing after the change; refuses a change that makes worse what is, or would be, beyond the limit."""
    was, limit = limited.standing, limited.limit
    new = plus(was, change)
    least, least_before = (one.balance_minor - one.debits_pending_minor for one in (new, was))
    if limit.least_minor is not None and least < limit.least_minor and least < least_before:
        raise _Refused(
            Refusal.BELOW_LEAST,
            f"{limit.account} has {least_before} {limit.currency} to spare and would have {least}, "
            f"its least is {limit.least_minor} (minor units)",
        )
    most, most_before = (one.balance_minor + one.credits_pending_minor for one in (new, was))
    if limit.most_minor is not None and most > limit.most_minor and most > most_before:
        raise _Refused(
            Refusal.ABOVE_MOST,
            f"{limit.account} has {most_before} {limit.currency} and would have {most}, its most is "
            f"{limit.most_minor} (minor units)",
        )
    return new


def _told(transfer: Transfer) -> str:
    return (
        f"{transfer.kind} {transfer.amount_minor} {transfer.currency} from {transfer.debit_account} to "
        f"{transfer.credit_account} on {transfer.booked_on}, {transfer.cause}"
    )
