"""The same house on a real PostgreSQL: the contexts' services, called as the pipeline and the commands call them."""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from channel_simulator import Fate
from money_house import GROUPS, PARTIES, Bill, Covers, Fee, Killed, MoneyHouse, Mortal, Paper
from small_books import Books, obligation_rows

from everycent.flow.approvals import service as approvals
from everycent.flow.approvals.contract import Delegation, Request
from everycent.flow.intake.contract import SourceError
from everycent.flow.non_order import service as non_order
from everycent.flow.non_order.contract import Given
from everycent.flow.payments import service as payments
from everycent.flow.payments.channels.signing import signed
from everycent.flow.payments.contract import (
    ANSWERS,
    Booking,
    Came,
    Channel,
    ComeBackRefused,
    InstructionState,
    Move,
    Said,
    Taken,
)
from everycent.flow.payments.core.following import Known
from everycent.flow.payments.core.moves import Standing
from everycent.flow.payments.submitting import Desk, Sent
from everycent.flow.pipeline.paying import PAYMENT_OTHERS, Cashier, take_call_back
from everycent.flow.pipeline.service import ChargeHouse, Session
from everycent.flow.settlement import service as settlement
from everycent.flow.settlement.contract import InvoiceSearch, Needs, Search
from everycent.flow.settlement.core.invoice_moves import InvoiceMove
from everycent.flow.settlement.core.moves import Move as StatementMove
from everycent.serve.approving import Word, say

_SECRET, _PATH = "between us", "/callbacks/payments"
_STATES = {Move.ACCEPT: "accepted", Move.PAY: "paid", Move.REFUSE: "refused", Move.RETURN: "returned"}
_ACTS: Mapping[StatementMove, Callable[[settlement.Desk, str, Any], settlement.Answer]] = {
    StatementMove.CONFIRM: settlement.confirm,
    StatementMove.DISPUTE: settlement.dispute,
    StatementMove.RESOLVE: settlement.resolve,
    StatementMove.PARK: settlement.park,
    StatementMove.UNPARK: settlement.unpark,
}


_INVOICING = {InvoiceMove.ISSUE: settlement.issue_invoice, InvoiceMove.RECEIVE: settlement.receive_invoice}
_ON_INVOICES = {InvoiceMove.CONFIRM: settlement.confirm_invoice, InvoiceMove.VOID: settlement.void_invoice}


def _sides(life: Mapping[str, Any]) -> Mapping[str, int]:
    """What the sides of a statement are due."""
    payable, receivable, lines = (int(life[f"{name}_minor"]) for name in ("payable", "receivable", "lines"))
    if life["mode"] == "net":
        return {"net": payable - receivable + lines}
    return {"payable": payable + lines, "receivable": -receivable}


class CountedDesk(payments.StoredDesk):
    """A desk that tells `did` what came of what is said at it."""

    did: Callable[[str, object], str]

    def say(self, said: Said) -> Taken:
        taken = super().say(said)
        self.did(said.move, taken.came)
        return taken


@dataclass
class DatabaseHouse(MoneyHouse):
    """`books`: of a model of this house's own."""

    books: Books = None  # type: ignore[assignment]
    booked: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.books.statements["merchant"] = self.asks.statements
        self.books.payouts = {"merchant": self.asks.payouts(self.channel)}
        self.where = (self.books.connection, self.books.tenant, self.books.model)
        self.needs = {"merchant": Needs.of(self.asks.statements)}
        self.books.connection.execute("DELETE FROM approvals.delegation")  # voices lent in the house before
        for party in PARTIES:
            self.books.connection.execute(
                """INSERT INTO parties.party (tenant, model, party_id, role, party_key, first_batch_no)
                VALUES (%s, %s, %s, 'merchant', %s, 1)""",
                (*self.where[1:], party, party[-1]),
            )

    @staticmethod
    def settle_people(books: Books, began: datetime) -> None:
        """Puts everybody into their groups, once for all houses of a database."""
        for group, people in GROUPS.items():
            for name in sorted(people):
                approvals.set_member(books.connection, books.tenant, group, name, "chief", began, is_in=True)

    def book(self, owed: Sequence[tuple[str, int]]) -> None:
        given = []
        for party, amount in owed:
            self.did("book", "owed" if amount > 0 else "refund")
            self.booked += 1
            ends = ("platform", party) if amount > 0 else (party, "platform")
            cells = {"debtor": ends[0], "creditor": ends[1], "amount": f"{abs(amount) / 100:.2f}"}
            given.append({"record": f"R{self.booked}", **cells, "booked_on": self.today.isoformat()})
        self.books.book(obligation_rows(given))

    def close(self) -> None:
        self.next_day()
        asking = settlement.Asking(self.needs, approvals, self.now)
        closing = self.books.close(self.today.isoformat(), asking=asking)
        assert closing.differing == (), "each recount agrees"
        for what, ids in (("done", closing.closed["statement_id"]), ("silent", closing.silent)):
            for _ in ids:
                self.did("close", what)
        for _ in closing.expired:
            self.did("decline", "by the house")

    def instruct(self) -> None:
        made = self.books.instruct(self.today.isoformat(), by="anna", now=self.now)
        for direction in made["direction"].to_pylist():
            self.did("instruct", direction)

    def act(self, move: StatementMove, statement_id: str, by: str, why: str | None) -> str:
        desk = settlement.Desk(self.books.connection, self.books.tenant, approvals, by, self.now)
        answer = _ACTS[move](desk, statement_id, why)
        return self.did(move, answer.outcome if answer.refused is None else answer.refused.refusal)

    def papers(self) -> Mapping[str, Paper]:
        connection, tenant, model = self.where
        return {
            each["statement_id"]: Paper(
                each["statement_id"], each["party_id"], _sides(each), frozenset(each["settled_sides"]), each["state"],
                each["waits_for"], each["approval_id"],
            )
            for each in settlement.lives(connection, tenant, Search(model=model)) if each["state"] != "open"
        }  # type: ignore[misc]  # fmt: skip

    def requests(self) -> Mapping[UUID, Request]:
        return {each.request_id: each for each in approvals.requests(*self.where)}

    def decide(self, key: UUID, by: str, why: str | None, *, yes: bool) -> str:
        answer = say(*self.where, key, Word(by, yes, why), self.now)
        if answer.request is not None and answer.request.decisions and answer.request.decisions[-1].on_behalf_of:
            self.did("a lent voice", "used")
        return self.did("yes" if yes else "no", answer.refusal or answer.outcome)

    def give(self, given: Given, by: str) -> str:
        connection, tenant, model = self.where
        counter = non_order.Counter(connection, tenant, model, ChargeHouse(), by, self.now)
        answer = non_order.give(counter, self.fee_plan, given)
        outcome = answer.state if answer.refused is None else answer.refused.refusal
        return self.did(given.kind, "unchanged" if answer.outcome == "unchanged" else outcome)

    def fees(self) -> Mapping[str, Fee]:
        rows = self.books.connection.execute(
            """SELECT charge_id::text, kind, party_id, state, outcome, side, approval_id,
                CASE direction WHEN 'pay' THEN c.amount_minor ELSE -c.amount_minor END
            FROM (SELECT tenant, model, charge_id, kind, party_id, state, approval_id, direction, amount_minor
                FROM non_order.charge UNION ALL
                SELECT tenant, model, entry_id, 'share', party_id, 'booked', NULL, 'pay', amount_minor
                FROM payments.share_entry WHERE party_id IS NOT NULL) AS c
                LEFT JOIN payments.instruction_statement AS s
                ON s.tenant = c.tenant AND s.model = c.model AND s.statement_id = c.charge_id::text
            WHERE c.tenant = %s AND c.model = %s""",
            self.where[1:],
        )
        names = ("kind", "party_id", "state", "outcome", "side", "asked", "amount_minor")
        return {key: Fee(**dict(zip(names, rest, strict=True))) for key, *rest in rows.fetchall()}

    def shares(self) -> payments.StoredShares:
        at = payments.At(*self.where, "anna", self.now, self.today)
        return payments.StoredShares(at, PAYMENT_OTHERS, "wechat", {"goods": ((date.min, "shanghai"),)})

    def shared(self) -> Sequence[tuple[UUID, str, int]]:
        rows = self.books.connection.execute(
            "SELECT share_id, receiver, amount_minor FROM payments.share_entry WHERE tenant = %s AND model = %s",
            self.where[1:],
        )
        return [(key, receiver, int(amount)) for key, receiver, amount in rows.fetchall()]

    def act_on_bill(
        self, move: InvoiceMove, bill_id: str, by: str, why: str | None, number: str | None, total_minor: int | None
    ) -> str:
        desk = settlement.Desk(self.books.connection, self.books.tenant, approvals, by, self.now)
        if move in _INVOICING:
            given = settlement.InvoiceGiven(number, None, total_minor)
            answer = _INVOICING[move](desk, bill_id, given)
        else:
            answer = _ON_INVOICES[move](desk, bill_id, why)  # type: ignore[operator]
        outcome = answer.outcome if answer.refused is None else answer.refused.refusal
        return self.did("confirm an invoice" if move is InvoiceMove.CONFIRM else move, outcome)

    def bills(self) -> Mapping[str, Bill]:
        connection, tenant, model = self.where
        found: Any = settlement.invoices(connection, tenant, InvoiceSearch(model=model))
        return {
            each["invoice_id"]: Bill(each["statement_id"], each["side"], each["state"], int(each["total_minor"]))
            for each in found
        }

    def read(self, file: Path) -> str:
        books: Any = self.books
        session = Session(books.database.settings, books.connection, books.engine, books.database.details)
        try:
            read = Cashier(session, self.now, self.today).read(file)
        except (ComeBackRefused, SourceError):
            return self.did("read", "refused")
        assert not read.refused and not read.not_ours and not read.incoming
        for taken in read.taken:
            self.did(taken.said.move, taken.came)
        return self.did("read", "moved" if any(each.came is Came.MOVED for each in read.taken) else "unchanged")

    def withdraw(self, key: UUID, by: str) -> str:
        answer = say(*self.where, key, Word(by, withdraws=True), self.now)
        return self.did("withdraw", answer.refusal or answer.outcome)

    def lend(self, by: str, to: str) -> str:
        connection, tenant, _ = self.where
        lent = Delegation(by, to, (), self.today, self.today + timedelta(days=3))
        answer = approvals.delegate(connection, tenant, lent, by, self.now)
        return self.did("lend", answer.refusal or answer.outcome)

    def work(self, what: Callable[[Desk, Channel], Sent], fate: Fate) -> None:
        books = self.books
        place = (books.connection, books.engine, books.payment_plan, books.tenant, books.model, "rest")
        desk = CountedDesk(*place, self.today, PAYMENT_OTHERS, self.now)
        desk.did = self.did
        worker = Mortal(desk, self.channel, fate)
        with suppress(Killed), payments.sending(*self.where, "rest"):
            what(worker, worker)
            return
        self.did("worker", "killed")

    def say(self, said: Said) -> Taken:
        connection, tenant, model = self.where
        if said.move in ANSWERS:
            told = {"order": said.key.hex, "state": _STATES[said.move], "amount_minor": said.amount_minor}
            body = json.dumps({**told, "currency": said.currency, "reference": said.cause}).encode()
            headers = signed(_SECRET, int(self.now.timestamp()), "POST", _PATH, body)
            call = (_SECRET, _PATH, headers, body, self.now, self.today)
            taken = take_call_back(connection, tenant, model, *call)
        else:
            word = ([said.key], said.move, said.who, said.why, self.now, self.today)
            (taken,) = payments.by_hand(connection, PAYMENT_OTHERS, tenant, *word)
        self.did(said.move, taken.came)
        return taken

    def instructions(self) -> Mapping[UUID, Known]:
        rows = self.books.connection.execute(
            """SELECT instruction_id, model, party_id, legal_entity, currency, direction, amount_minor, channel, state,
                booking, finding, moves, released_by
            FROM payments.instruction WHERE tenant = %s AND model = %s ORDER BY as_of, instruction_id""",
            self.where[1:],
        )
        return {
            row[0]: Known(*row[:6], int(row[6]), row[7],  # type: ignore[misc]
                Standing(InstructionState(row[8]), Booking(row[9]), row[10], row[12] is not None), int(row[11]))
            for row in rows.fetchall()
        }  # fmt: skip

    def covers(self) -> Sequence[Covers]:
        rows = self.books.connection.execute(
            """SELECT statement_id, side, amount_minor, instruction_id, false FROM payments.instruction_statement
            WHERE tenant = %(tenant)s AND model = %(model)s AND instruction_id IS NOT NULL
            UNION ALL SELECT statement_id, side, amount_minor, instruction_id, true FROM payments.reopened_statement
            WHERE tenant = %(tenant)s AND model = %(model)s ORDER BY 4, 1, 2""",
            {"tenant": self.books.tenant, "model": self.books.model},
        )
        return [Covers(name, side, int(amount), *rest) for name, side, amount, *rest in rows.fetchall()]

    def accounts(self) -> Mapping[str, int]:
        rows = self.books.connection.execute(
            """SELECT account, sum(credits_minor - debits_minor) FROM ledger.account
            WHERE tenant = %s AND model = %s GROUP BY account""",
            self.where[1:],
        )
        return {account: int(balance) for account, balance in rows.fetchall()}

    def history(self, key: UUID) -> Sequence[str]:
        return [str(row) for row in payments.history(self.books.connection, self.books.tenant, key)]

    def log(self, statement_id: str) -> Sequence[tuple[str, str, str | None]]:
        rows = settlement.moves(self.books.connection, self.books.tenant, statement_id)
        return [(str(row["move"]), str(row["person"]), row["reason"]) for row in rows]  # type: ignore[misc]
