"""Payments in one model's session: what is sent, what comes back, and what persons say of it."""

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

from everycent.base.platform.database import Connection
from everycent.flow.approvals import service as approvals
from everycent.flow.intake.contract import BillFormat
from everycent.flow.intake.service import contradiction, controls_of, format_named, open_bill
from everycent.flow.ledger import store as ledger_store
from everycent.flow.model.contract import LoadedModel
from everycent.flow.payments import service as payments
from everycent.flow.payments.service import BankLine, PayBack, Read, Receipt, Sent, Taken, Use
from everycent.flow.pipeline.plan import plan_model
from everycent.flow.pipeline.session import Session
from everycent.flow.pipeline.verified import VerifiedAccounts
from everycent.flow.settlement import service as settlement

#: How many rows of a bank's file are held at once while it is read.
_ROWS_AT_ONCE = 1 << 16
#: Where a statement in SWIFT's MT940 names its account, and how far from its beginning that may be.
_MT940 = re.compile(rb"^:25P?:", re.MULTILINE)
_CAMT = re.compile(rb"BkToCstmr(Stmt|AcctRpt|DbtCdtNtfctn)")
_HEAD_BYTES = 1 << 12

#: The rest of the house, as payments use it.
PAYMENT_OTHERS = payments.Others(ledger_store.write, settlement.settle, VerifiedAccounts(), approvals)

_Work = Callable[[payments.Desk, payments.Channel], Sent]


@dataclass(frozen=True)
class Cashier:
    """Where payments are made: `now` and the day on which results are booked, that of their model in `days`, else
    `as_of`."""

    session: Session
    now: datetime
    as_of: date
    days: Mapping[str, date] = field(default_factory=dict)

    def standing(
        self, states: Sequence[str], model: str | None, limit: int
    ) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """How many instructions stand where, and some of them."""
        where = self.session.connection, self.session.tenant, states, model
        return payments.counted(*where), payments.shown(*where, limit)

    def named(self, digits: str) -> list[dict[str, Any]]:
        """The instructions whose ids begin so; three at most."""
        return payments.named(self.session.connection, self.session.tenant, digits)

    def moves(self, instruction_id: UUID) -> list[dict[str, Any]]:
        """The moves of an instruction."""
        return payments.history(self.session.connection, self.session.tenant, instruction_id)

    def sides(self, instruction_id: UUID) -> list[dict[str, Any]]:
        """The sides of statements that an instruction pays, or did not pay."""
        return payments.sides(self.session.connection, self.session.tenant, instruction_id)

    def events(self, model: str | None, after: int, limit: int, kind: str | None = None) -> list[dict[str, Any]]:
        """What source systems are told of payments' ends, after event number `after`; of a kind alone where given."""
        return payments.events(self.session.connection, self.session.tenant, model, after, limit, kind)

    def submit(self, model: LoadedModel, environment: Mapping[str, str]) -> Sent:
        """Sends what is ready by the model's services, one after the other.

        Raises ModelRefused, InputRefused, ChannelBusy.
        """
        return self._at_service(model, environment, payments.submit)

    def ask(self, model: LoadedModel, environment: Mapping[str, str]) -> Sent:
        """Asks the model's services about what is not at its end. Raises as `submit`."""
        return self._at_service(model, environment, payments.ask)

    def _at_service(self, model: LoadedModel, environment: Mapping[str, str], work: _Work) -> Sent:
        plan = plan_model(model, self.session.tenant, model.files).payments
        where = (self.session.connection, self.session.engine, plan, self.session.tenant, model.name)
        names: Sequence[str | None] = [*plan.services] or [None]
        channels = [payments.service_channel(plan, name, environment, lambda: int(time.time())) for name in names]
        done = Sent()
        for channel in channels:
            desk = payments.StoredDesk(*where, channel.name, self.as_of, PAYMENT_OTHERS, self.now)
            with payments.sending(self.session.connection, self.session.tenant, model.name, channel.name):
                sent = work(desk, channel)
            done.taken += sent.taken
            done.refused += sent.refused
            done.unreachable = done.unreachable or sent.unreachable
        return done

    def read(self, path: Path) -> Read:
        """Takes in a bank's file: pain.002, camt.052, .053, .054 or MT940. All of it, or nothing.

        Raises ComeBackRefused, SourceError.
        """
        return self._receiving(f"bank file {path.name}", None).read(bank_lines(path))

    def take(self, path: Path, handle: str, ids: Sequence[UUID], who: str, why: str) -> tuple[Receipt, list[Taken]]:
        """A person says which instructions a line of a bank's file is for. Raises as `read`, ReceiptRefused."""
        return self._receiving(who, why).take(bank_lines(path), handle, ids)

    def use(self, ids: Sequence[UUID], who: str, why: str) -> tuple[list[Use], list[Taken]]:
        """A person says that what is free of a party pays these instructions. Raises ReceiptRefused."""
        return self._receiving(who, why).use(ids)

    def pay_back(self, receipt_id: UUID, amount_minor: int | None, who: str, why: str) -> PayBack:
        """A person says that what is free of a receipt, or so much of it, goes back. Raises ReceiptRefused."""
        return self._receiving(who, why).pay_back(receipt_id, amount_minor)

    def on_account(self, party: str | None, model: str | None, *, all_of_them: bool) -> list[dict[str, Any]]:
        """What came in and is kept for parties."""
        return payments.kept(self.session.connection, self.session.tenant, party, model, all_of_them=all_of_them)

    def received(self, instruction_id: UUID) -> list[dict[str, Any]]:
        """What came in for an instruction in parts."""
        return payments.received_of(self.session.connection, self.session.tenant, instruction_id)

    def _receiving(self, who: str, why: str | None) -> payments.Receiving:
        where = (self.session.connection, PAYMENT_OTHERS, self.session.tenant)
        return payments.Receiving(*where, who, self.now, self.as_of, why, self.days)

    def by_hand(self, ids: Sequence[UUID], move: payments.Move, who: str, why: str | None) -> list[Taken]:
        """What a person says of instructions; the first who releases one asks for it. Raises InstructionAltered."""
        where = (self.session.connection, PAYMENT_OTHERS, self.session.tenant)
        return payments.by_hand(*where, ids, move, who, why, self.now, self.as_of, self.days)


def bank_lines(path: Path) -> list[BankLine]:
    """What a bank's file says, whatever its format. Raises ComeBackRefused, SourceError."""
    lines = payments.status_lines(path)
    if lines is not None:
        return lines
    if _is_mt940(path):
        return payments.mt940_lines(_rows(path, "mt940"))
    return payments.statement_lines(_rows(path, "camt"), _kind(path))


def _rows(path: Path, form: str) -> Iterator[Mapping[str, str | None]]:
    source = open_bill(path, _format(form))
    for shard in source.shards(_ROWS_AT_ONCE):
        if shard.malformed.num_rows:
            why = shard.malformed["reason"][0].as_py()
            raise payments.ComeBackRefused(f"{path} is cut off, or has a part that is wrong: {why}; {_NOTHING_TAKEN}")
        yield from shard.table.to_pylist()
    wrong = [contradiction(control) for control in controls_of(source) if not control.agrees]
    if wrong:
        raise payments.ComeBackRefused(f"{path} contradicts itself: {'; '.join(wrong)}; {_NOTHING_TAKEN}")


_NOTHING_TAKEN = "nothing of it was taken in; ask the bank for it anew"


@cache
def _format(name: str) -> BillFormat:
    """Looking for it among the installed packages takes longer than reading a day's file."""
    return format_named(name)


def _is_mt940(path: Path) -> bool:
    with path.open("rb") as file:
        return _MT940.search(file.read(_HEAD_BYTES)) is not None


def _kind(path: Path) -> str:
    """The kind of a camt message, as its second element says: a statement, a report, a notification."""
    with path.open("rb") as file:
        found = _CAMT.search(file.read(_HEAD_BYTES))
    return "camt" if found is None else found[1].decode()


def take_call_back(
    connection: Connection,
    tenant: str,
    model: str,
    secret: str,
    path: str,
    headers: Mapping[str, str],
    body: bytes,
    now: datetime,
    as_of: date,
    channel: str = payments.REST,
) -> Taken:
    """Takes in a call-back of the service of one of the model's channels. Delivered again, it changes nothing.

    Raises ComeBackRefused, its message led by the name of the rule that is broken; InstructionAltered.
    """
    said = payments.read_call_back(secret, int(now.timestamp()), path, headers, body, channel)
    if not payments.is_of(connection, tenant, model, channel, said.key):
        raise payments.ComeBackRefused(f"unknown_order: the service was given no order {said.key.hex}")
    (taken,) = payments.take_in(connection, PAYMENT_OTHERS, tenant, [said], now, as_of)
    return taken


def share_payments(
    session: Session,
    model: LoadedModel,
    environment: Mapping[str, str],
    channel: str | None,
    rows: Sequence[Mapping[str, str | None]] | None,
    who: str,
    now: datetime,
    as_of: date | None,
) -> list[payments.Shared]:
    """Shares customers' payments at a wallet of the model, as the rows of a file ask; what came of each request. With
    no rows, what is kept and has no end is asked about, and asked for again where the wallet does not have it. `as_of`:
    the day by which they are judged and booked; today if None.

    Raises ModelRefused, ChannelNotSet, ChannelBusy.
    """
    of_model = plan_model(model, session.tenant, model.files)
    plan, charges = of_model.payments, of_model.clearing.charges
    settled = {one.name: one.settled for one in charges} or {"": ((date.min, model.operator),)}
    name = payments.service_channel(plan, channel, environment, lambda: 0).name
    wallet, limits = payments.sharing_wallet(plan, name, environment, lambda: int(time.time()))
    today = as_of or model.calendar.today(now)
    at = payments.At(session.connection, session.tenant, model.name, who, now, today)
    with payments.sending(session.connection, session.tenant, model.name, f"shares of {name}"):
        keeper = payments.StoredShares(at, PAYMENT_OTHERS, name, settled)
        requests = keeper.unended() if rows is None else list(payments.read_requests(rows))
        return payments.share(wallet, keeper, requests, limits, today)


def call_back_secret(
    model: LoadedModel, tenant: str, environment: Mapping[str, str], channel: str | None
) -> tuple[str, str]:
    """The channel whose service calls back, the model's only one where none is named, and what it signs with.

    Raises ChannelNotSet.
    """
    plan = plan_model(model, tenant, model.files).payments
    opened = payments.service_channel(plan, channel, environment, lambda: 0)
    return opened.name, opened.secret
