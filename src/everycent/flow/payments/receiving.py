"""Banks' files are taken in, and money that came in is kept for whom it is from: by the files' words, and persons'."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from uuid import UUID

import pyarrow as pa

from everycent.base.platform.database import Connection
from everycent.flow.ledger.contract import TRANSFER
from everycent.flow.payments import incoming_store, life_store, pay_back_store
from everycent.flow.payments.contract import Move, Said, Taken
from everycent.flow.payments.core.bank_answers import BankLine, Resolved, as_key, keys_of, resolve
from everycent.flow.payments.core.ends import Event
from everycent.flow.payments.core.incoming import Came, Listed, Matched, coming, match
from everycent.flow.payments.core.paying_back import PayBack, owed_again, paid_back
from everycent.flow.payments.core.receipts import (
    NotReceived,
    Owed,
    Receipt,
    ReceiptRefused,
    Use,
    from_free,
    receipt_id,
    receipt_transfer,
    refuse_unfit,
    set_aside,
)
from everycent.flow.payments.hearing import take_in_each
from everycent.flow.payments.others import Others


@dataclass(frozen=True)
class Read:
    """What came of a bank's file. `not_ours`: lines of no payment of ours; `refused`: lines that cannot be right;
    `incoming`: money that came in and may be ours, for a person to look at; `receipts`: money that is kept on account
    now, and `repeated` such that was before, by where it is told."""

    taken: tuple[Taken, ...]
    not_ours: int
    refused: tuple[str, ...]
    incoming: tuple[Listed, ...] = ()
    receipts: tuple[Receipt, ...] = ()
    repeated: tuple[str, ...] = ()


@dataclass(frozen=True)
class Receiving:
    """Where money is received: `who` brings it, `why` in words, `now` and the day on which it is booked, that of its
    model in `days`, else `as_of`."""

    connection: Connection
    others: Others
    tenant: str
    who: str
    now: datetime
    as_of: date
    why: str | None = None
    days: Mapping[str, date] = field(default_factory=dict)

    def read(self, lines: Sequence[BankLine]) -> Read:
        """Takes in what a bank's file says, all of it or nothing. Again, it changes nothing. Raises
        InstructionAltered."""
        with self.connection.transaction():
            resolved = self._resolved(lines)
            came = coming(resolved.not_ours)
            matched = self._matched(came)
            said = [*resolved.said, *matched.said]
            taken = self._take_in(said)
            taken += self._bring(matched.receipts)
        not_ours = len(resolved.not_ours) - len(came) + matched.others
        refused, listed = resolved.refused, matched.listed
        return Read(tuple(taken), not_ours, refused, listed, matched.receipts, matched.repeated)

    def take(self, lines: Sequence[BankLine], handle: str, ids: Sequence[UUID]) -> tuple[Receipt, list[Taken]]:
        """A person says what a line of a bank's file is for: these instructions, one after another; what is left is
        free for their party. Raises ReceiptRefused, InstructionAltered."""
        with self.connection.transaction():
            incoming_store.alone(self.connection, self.tenant)
            came = self._line(lines, handle)
            owed = self._owed(ids)
            refuse_unfit(owed, came.currency)
            place = (owed[0].model, owed[0].party_id, owed[0].legal_entity)
            uses = set_aside(came.amount_minor, owed, {})
            receipt = Receipt(came.cause, owed[0].key, *place, came.amount_minor, came.currency, came.text, uses)
            return receipt, self._bring([receipt])

    def use(self, ids: Sequence[UUID]) -> tuple[list[Use], list[Taken]]:
        """A person says that what is free of a party pays these instructions of it, each as far as it goes. Raises
        ReceiptRefused, InstructionAltered."""
        uses: list[Use] = []
        with self.connection.transaction():
            incoming_store.alone(self.connection, self.tenant)
            for one in self._owed(ids):
                refuse_unfit([one], one.currency)
                found = from_free(one, incoming_store.free(self.connection, self.tenant, one))
                if not found:
                    said = f"nothing of {one.party_id} is free that {one.key} lacks; `payments on-account` shows it"
                    raise ReceiptRefused(NotReceived.NOTHING_FREE, said)
                for key, use in found:
                    told = (self.who, self.why, self._day(one.model), self.now)
                    incoming_store.keep_use(self.connection, self.tenant, one.model, key, use, *told)
                    uses.append(use)
            return uses, self._pay("on account", uses)

    def pay_back(self, receipt_id: UUID, amount_minor: int | None) -> PayBack:
        """A person says that what is free of a receipt, or so much of it, goes back to its party: the next run
        instructs it. Raises ReceiptRefused."""
        assert self.why is not None, "money goes back for a reason"
        with self.connection.transaction():
            incoming_store.alone(self.connection, self.tenant)
            found = pay_back_store.receipt(self.connection, self.tenant, receipt_id)
            if found is None:
                said = f"there is no receipt {receipt_id}; `everycent payments on-account` shows them"
                raise ReceiptRefused(NotReceived.UNKNOWN_RECEIPT, said)
            one = paid_back(found, amount_minor)
            told = (self.who, self.why, self._day(one.model), self.now)
            pay_back_store.keep(self.connection, self.tenant, one, *told)
            posted = pa.Table.from_pylist([dict(owed_again(one, self._day(one.model)))], schema=TRANSFER.columns)
            self.others.post(self.connection, self.tenant, one.model, None, posted)
            return one

    def _resolved(self, lines: Sequence[BankLine]) -> Resolved:
        """What of lines is said of our instructions. What a party transfers itself is matched, whatever it calls it."""
        keys, groups = keys_of(lines)
        by_itself = incoming_store.transferred(self.connection, self.tenant, keys)
        told = [
            replace(line, key=None, group=None) if line.came_in and as_key(line.key) in by_itself else line
            for line in lines
        ]
        named = life_store.directions(self.connection, self.tenant, keys)
        return resolve(told, named, life_store.members(self.connection, self.tenant, groups), self.who)

    def _matched(self, came: Sequence[Came]) -> Matched:
        if not came:
            return Matched((), (), (), (), 0)
        incoming_store.alone(self.connection, self.tenant)
        owed = incoming_store.owed(self.connection, self.tenant, sorted({one.currency for one in came}))
        heard = incoming_store.heard(self.connection, self.tenant, [one.cause for one in came])
        return match(came, owed, heard, self.who)

    def _line(self, lines: Sequence[BankLine], handle: str) -> Came:
        found = [came for came in coming(self._resolved(lines).not_ours) if came.handle == handle]
        if len(found) != 1:
            said = f"no line {handle} of money that came in is in it; `everycent payments read` lists them"
            raise ReceiptRefused(NotReceived.UNKNOWN_LINE, said)
        heard = incoming_store.heard(self.connection, self.tenant, [found[0].cause])
        if heard.paid or heard.receipts:
            said = f"line {handle} ({found[0].cause}) was taken before; `everycent payments on-account` shows it"
            raise ReceiptRefused(NotReceived.TAKEN_BEFORE, said)
        return found[0]

    def _owed(self, ids: Sequence[UUID]) -> list[Owed]:
        known = {one.key: one for one in incoming_store.owed(self.connection, self.tenant, None, ids)}
        missing = [key for key in ids if key not in known]
        if missing:
            said = f"{missing[0]} is nothing that is collected, or it failed; `everycent payments show` tells"
            raise ReceiptRefused(NotReceived.NOT_COLLECTED, said)
        return [known[key] for key in dict.fromkeys(ids)]

    def _bring(self, receipts: Sequence[Receipt]) -> list[Taken]:
        """Keeps and books receipts, and pays what they make whole."""
        taken: list[Taken] = []
        for receipt in receipts:
            key = receipt_id(self.tenant, receipt.cause)
            day = self._day(receipt.model)
            told = (self.who, self.why, day, self.now)
            incoming_store.keep(self.connection, self.tenant, key, receipt, *told)
            cells = [receipt_transfer(key, receipt, day)]
            posted = pa.Table.from_pylist(cells, schema=TRANSFER.columns)
            self.others.post(self.connection, self.tenant, receipt.model, None, posted)
            life_store.tell(self.connection, self.tenant, [_event(key, receipt, day)], self.now)
            taken += self._pay(receipt.cause, receipt.uses)
        return taken

    def _pay(self, cause: str, uses: Sequence[Use]) -> list[Taken]:
        whole = [Said(use.key, Move.PAY, cause, self.who, self.why) for use in uses if use.left_minor == 0]
        return self._take_in(whole) if whole else []

    def _take_in(self, said: Sequence[Said]) -> list[Taken]:
        return take_in_each(self.connection, self.others, self.tenant, said, self.now, self.as_of, self.days)

    def _day(self, model: str) -> date:
        return self.days.get(model, self.as_of)


def _event(key: UUID, receipt: Receipt, as_of: date) -> Event:
    """What source systems are told of money that is kept on account."""
    uses = [
        {"instruction_id": str(use.key), "amount_minor": use.amount_minor, "left_minor": use.left_minor}
        for use in receipt.uses
    ]
    content = {
        "receipt_id": str(key), "party_id": receipt.party_id, "legal_entity": receipt.legal_entity,
        "amount_minor": receipt.amount_minor, "currency": receipt.currency, "free_minor": receipt.free_minor,
        "uses": uses, "as_of": as_of.isoformat(),
    }  # fmt: skip
    name = hashlib.sha256(f"event\x1freceipt\x1f{key}".encode()).digest()
    return Event(UUID(bytes=name[:16]), receipt.model, "money_on_account", receipt.about, content)
