"""Vouchers are made of what was booked, numbered, handed over once each, and acknowledged."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from itertools import groupby
from typing import Protocol
from uuid import UUID

from everycent.base.platform.database import Connection
from everycent.base.platform.signed_service import NotBelieved, NotReached
from everycent.flow.ledger import voucher_store as store
from everycent.flow.ledger.contract import (
    AccountingSpec,
    NoSuchVoucher,
    Said,
    SendersBusy,
    Voucher,
    VoucherCame,
    VoucherMove,
    VoucherRefusal,
    VouchersRefused,
    VoucherState,
)
from everycent.flow.ledger.core.commodities import commodity
from everycent.flow.ledger.core.vouchers.codes import Codes
from everycent.flow.ledger.core.vouchers.content import (
    ENTRIES_MOST,
    NO_VOUCHER,
    Entry,
    Head,
    chained,
    content,
    digest_of,
    id_of,
    revised,
    without_code,
)
from everycent.flow.ledger.core.vouchers.moves import allowed_from, judge
from everycent.flow.ledger.seals import seal

HOUSE = "everycent"
REST, FILES = "rest", "files"
_NAMED_MOST = 5

#: Transfers whose accounts are of no company (id, cause) -> the companies of those whose cause is of one.
Entities = Callable[[Sequence[tuple[UUID, str]]], Mapping[UUID, str]]
#: A pass may take long, and what is signed is of its moment.
Clock = Callable[[], datetime]


class AccountingSystem(Protocol):
    """What takes vouchers: it answers with what it says of one, or None where it has yet to decide."""

    def submit(self, voucher: Voucher, now: datetime) -> Said | None:
        """Hands one over. Raises NotReached, NotBelieved."""

    def ask(self, voucher_id: UUID, now: datetime) -> tuple[bool, Said | None]:
        """Whether it has the voucher, and what it says of it. Raises NotReached, NotBelieved."""


@dataclass(frozen=True)
class Taken:
    """What came of something that was said of a voucher. `message`: what would be right, where it was not allowed."""

    said: Said
    came: VoucherCame
    voucher: Voucher | None = None
    message: str = ""


@dataclass
class HandedOver:
    """What a pass did. `unclear`: vouchers whose answer cannot be believed, and why; `unreachable`: why it ended."""

    taken: list[Taken] = field(default_factory=list)
    waiting: list[Voucher] = field(default_factory=list)
    unclear: list[tuple[Voucher, str]] = field(default_factory=list)
    unreachable: str | None = None


@dataclass(frozen=True)
class _Books:
    """Whose vouchers are written, how."""

    connection: Connection
    tenant: str
    spec: AccountingSpec
    codes: Codes
    decimals: Mapping[str, int]


def make(
    connection: Connection,
    tenant: str,
    spec: AccountingSpec,
    through: date,
    entities: Entities,
    by: str,
    now: datetime,
    decimals: Mapping[str, int] | None = None,
) -> list[Voucher]:
    """Makes the vouchers of what was booked up to a day and is in none yet, in one transaction.

    What is posted of a day after its vouchers were made comes into supplementary ones, at the next call. Vouchers are
    of sealed transfers, so this seals first. Raises VouchersRefused; then nothing is made.
    """
    if seal(connection, tenant, spec.model).under_way:
        said = "others have been posting for long; ask again when they have ended"
        raise VouchersRefused(VoucherRefusal.POSTING_UNDER_WAY, said)
    books = _Books(connection, tenant, spec, Codes(spec.codes), decimals or {})
    with connection.transaction():
        store.begin(connection, tenant, spec.model)
        through_no = store.sealed_through(connection, tenant, spec.model)
        if not store.gather(connection, tenant, spec.model, through, through_no):
            return []
        _name_entities(books, entities)
        passes = store.keep_passes(connection, tenant, spec.model, through_no, spec.entries, by, now)
        coming = list(store.entries(connection, spec.legal_entity, each=spec.entries == "each"))
        _refuse_without_code(books.codes, [entry for _, entry in coming])
        made: list[Voucher] = []
        for legal_entity, of_entity in groupby(coming, key=lambda one: one[0][0]):
            kept = _numbered(books, legal_entity, list(of_entity), passes, through_no)
            store.keep(connection, tenant, kept)
            made += [one.voucher for one in kept]
        return made


def _name_entities(books: _Books, entities: Entities) -> None:
    """Raises VouchersRefused where a transfer is of no company."""
    store.part_between_companies(books.connection)
    unnamed = store.unnamed(books.connection)
    if unnamed:
        store.name(books.connection, entities(unnamed))
    nameless = store.nameless(books.connection, books.spec.legal_entity)
    if nameless is not None:
        said = "transfer {}, from {} to {}, is of no company; name the one that takes such: legal_entity: ..."
        raise VouchersRefused(VoucherRefusal.NO_ENTITY, said.format(*nameless))


def _refuse_without_code(codes: Codes, entries: Sequence[Entry]) -> None:
    """Raises VouchersRefused, with the accounts' names."""
    accounts = {account for entry in entries for account in (entry.debit_account, entry.credit_account)}
    missing = without_code(accounts, codes)
    if missing:
        more = f", and {len(missing) - _NAMED_MOST:,} more" if len(missing) > _NAMED_MOST else ""
        said = f"there is no code for {', '.join(missing[:_NAMED_MOST])}{more}; write them in codes"
        raise VouchersRefused(VoucherRefusal.NO_CODE, said)


def _numbered(
    books: _Books,
    legal_entity: str,
    coming: Sequence[tuple[tuple[str, date, str], Entry]],
    passes: Mapping[date, tuple[int, int]],
    through_no: int,
) -> list[store.Kept]:
    """The vouchers of a company, under its next numbers, each chained to the one before."""
    last = store.last_of(books.connection, books.tenant, books.spec.model, legal_entity)
    kept: list[store.Kept] = []
    for (_, day, currency), rows in groupby(coming, key=lambda one: one[0]):
        entries = [entry for _, entry in rows]
        supplement, after_no = passes[day]
        for at in range(0, len(entries), ENTRIES_MOST):
            number = last.voucher_no + 1
            head = Head(
                books.tenant, books.spec.model, legal_entity, number, 1, day, supplement, after_no, through_no, currency
            )
            part = entries[at : at + ENTRIES_MOST]
            text = content(head, part, books.codes, commodity(currency, books.decimals))
            kept.append(_kept(head, text, part, last))
            last = store.Last(number, last.chain_no + 1, kept[-1].chained)
    return kept


def _kept(head: Head, text: str, entries: Sequence[Entry], last: store.Last) -> store.Kept:
    digest, previous = digest_of(text), last.chained or NO_VOUCHER
    voucher = Voucher(
        head.model, head.legal_entity, head.number, head.revision, id_of(digest), head.booked_on, head.supplement,
        head.currency, sum(entry.amount_minor for entry in entries), len(entries), text, digest, VoucherState.MADE,
    )  # fmt: skip
    return store.Kept(voucher, last.chain_no + 1, previous, chained(previous, digest))


def correct(
    connection: Connection, tenant: str, spec: AccountingSpec, voucher_id: UUID, by: str, now: datetime
) -> Voucher:
    """Makes the next revision of a refused voucher: the same number and transfers, with the codes of now.

    Raises VouchersRefused, NoSuchVoucher.
    """
    codes = Codes(spec.codes)
    with connection.transaction():
        store.begin(connection, tenant, spec.model)
        before = store.hold(connection, tenant, voucher_id)
        if before is None or before.model != spec.model:
            raise NoSuchVoucher(f"{spec.model} has no voucher {voucher_id}")
        taken = _take(connection, tenant, before, Said(voucher_id, VoucherMove.CORRECT, by), now)
        if taken.came is not VoucherCame.MOVED:
            raise VouchersRefused(VoucherRefusal.NOT_REFUSED, taken.message)
        text, entries = revised(before.content, codes)
        _refuse_without_code(codes, entries)
        last = store.last_of(connection, tenant, spec.model, before.legal_entity)
        digest, previous = digest_of(text), last.chained or NO_VOUCHER
        after = replace(
            before, revision=before.revision + 1, voucher_id=id_of(digest), content=text, digest=digest,
            state=VoucherState.MADE, number=None, reason=None,
        )  # fmt: skip
        store.keep(connection, tenant, [store.Kept(after, last.chain_no + 1, previous, chained(previous, digest))])
    return after


def say(connection: Connection, tenant: str, said: Said, now: datetime) -> Taken:
    """Takes in what is said of a voucher, in one transaction. Said again, it changes nothing."""
    with connection.transaction():
        known = store.shown(connection, tenant, None, ids=[said.voucher_id])
        if not known:
            return Taken(said, VoucherCame.UNKNOWN, message=f"no voucher {said.voucher_id} was made")
        store.begin(connection, tenant, known[0].model)
        voucher = store.hold(connection, tenant, said.voucher_id)
        assert voucher is not None, "vouchers stay"
        return _take(connection, tenant, voucher, said, now)


def _take(
    connection: Connection, tenant: str, voucher: Voucher, said: Said, now: datetime, way: str | None = None
) -> Taken:
    same = said.number is None or said.number == voucher.number
    accepted, latest = store.other_revisions(connection, tenant, voucher)
    state, came = judge(
        voucher.state, said.move, same_number=same, other_accepted=accepted is not None,
        corrected=voucher.revision < latest,
    )  # fmt: skip
    if came is VoucherCame.NOT_ALLOWED:
        return Taken(said, came, voucher, _not_allowed(voucher, said.move, accepted))
    if came is VoucherCame.REPEATED or (came is VoucherCame.NOTED and store.is_noted(connection, tenant, said)):
        return Taken(said, VoucherCame.REPEATED, voucher)
    kept, message = said, ""
    if came is VoucherCame.CONTRADICTED:
        first = voucher.state is VoucherState.SENT
        message = f"{said.move}_beside_revision_{accepted}" if first else f"{said.move}_after_{voucher.state}"
        told = ", ".join(text for text in (said.number, said.reason) if text)
        kept = replace(said, number=None, reason=f"{message}: {told}")
    store.move(connection, tenant, kept, came, (voucher.state, state), now, way)
    if came is VoucherCame.NOTED:
        return Taken(said, came, voucher)
    after = replace(voucher, state=state, number=kept.number or voucher.number, reason=kept.reason or voucher.reason)
    return Taken(said, came, after, message)


def _not_allowed(voucher: Voucher, move: VoucherMove, accepted: int | None) -> str:
    """Why, and what would be right."""
    right = allowed_from(move)
    if voucher.state in right and accepted is not None:
        return (
            f"revision {accepted} of it is accepted, and a number is accepted once; where this one is booked there "
            "too, have it taken out there and say that it is refused"
        )
    return f"it is {voucher.state}; {move} is allowed from {', '.join(right)}"


def hand_over(
    connection: Connection, tenant: str, voucher: Voucher, way: str, now: datetime, by: str = HOUSE
) -> Taken | None:
    """Writes down, and commits, that a voucher goes out; None where it may not any more."""
    with connection.transaction():
        store.begin(connection, tenant, voucher.model)
        held = store.hold(connection, tenant, voucher.voucher_id)
        if held is None or not store.is_free(connection, tenant, voucher.voucher_id):
            return None
        taken = _take(connection, tenant, held, Said(voucher.voucher_id, VoucherMove.HAND_OVER, by), now, way)
    return taken if taken.came is VoucherCame.MOVED else None


def send(connection: Connection, tenant: str, model: str, system: AccountingSystem, clock: Clock) -> HandedOver:
    """Asks about what was sent and has no answer, then hands over what is ready, in the order of its numbers.

    A voucher's key, its id, is committed before it goes out. So one whose sender died stands as sent, and goes again,
    under the same key, only when the system says that it does not have it, and while no other revision of it may be
    booked there. Raises SendersBusy.
    """
    done = HandedOver()
    with alone(connection, tenant, model):
        try:
            for voucher in store.sent(connection, tenant, model):
                _find_out(connection, tenant, voucher, system, clock, done)
            for voucher in store.ready(connection, tenant, model):
                begun = hand_over(connection, tenant, voucher, REST, clock())
                if begun is not None:
                    _heard(connection, tenant, voucher, lambda one: system.submit(one, clock()), clock, done)
        except NotReached as down:
            done.unreachable = str(down)
    return done


def _find_out(
    connection: Connection, tenant: str, voucher: Voucher, system: AccountingSystem, clock: Clock, done: HandedOver
) -> None:
    def answer(one: Voucher) -> Said | None:
        has_it, said = system.ask(one.voucher_id, clock())
        if has_it:
            return said
        _refuse_beside_another(connection, tenant, one)
        return system.submit(one, clock())

    _heard(connection, tenant, voucher, answer, clock, done)


class _StaysHere(Exception):
    """The system does not have it, and it may not go out again; the message says why."""


def _refuse_beside_another(connection: Connection, tenant: str, voucher: Voucher) -> None:
    """Raises _StaysHere."""
    with connection.transaction():
        store.begin(connection, tenant, voucher.model)
        held = store.hold(connection, tenant, voucher.voucher_id)
        if held is None or held.state is not VoucherState.SENT:
            raise _StaysHere("the system does not have it, and meanwhile it was answered")
        if not store.is_free(connection, tenant, voucher.voucher_id):
            raise _StaysHere(
                "the system does not have it, and another revision may be booked there: answer each of them"
            )


def _heard(
    connection: Connection,
    tenant: str,
    voucher: Voucher,
    answer: Callable[[Voucher], Said | None],
    clock: Clock,
    done: HandedOver,
) -> None:
    try:
        said = answer(voucher)
    except (NotBelieved, _StaysHere) as odd:
        done.unclear.append((voucher, str(odd)))
        return
    if said is None:
        done.waiting.append(voucher)
    else:
        done.taken.append(say(connection, tenant, said, clock()))


@contextmanager
def alone(connection: Connection, tenant: str, model: str) -> Iterator[None]:
    """While one hands vouchers over, no other does. Raises SendersBusy.

    The lock goes with its session, so whoever has it knows that the one before is gone.
    """
    key = f"everycent vouchers {tenant}/{model}"
    free = connection.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", (key,)).fetchone()
    if free != (True,):
        raise SendersBusy(f"another sender of {model}'s vouchers is at work; try again when it has ended")
    try:
        yield
    finally:
        if not connection.closed:
            connection.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", (key,))
