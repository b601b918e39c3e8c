"""Settlement's commands: the day cut, which closes what is due, and what people say of closed statements."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

import psycopg
import pyarrow as pa

from everycent.base.engine.local import LocalEngine
from everycent.base.money.amount import grouped_minor
from everycent.base.money.currency import currency
from everycent.base.platform.database import Connection
from everycent.base.platform.details import Details
from everycent.flow.approvals.asked import Approvals
from everycent.flow.approvals.contract import (
    HOUSE,
    LevelSpec,
    Outcome,
    Request,
    RequestState,
    Subject,
    levels_of_data,
    person,
)
from everycent.flow.clearing.contract import OBLIGATION
from everycent.flow.settlement import invoice_store, line_store, store
from everycent.flow.settlement.contract import (
    STATEMENT,
    ClosedBefore,
    HandingOn,
    Held,
    HeldStatement,
    InvoiceSearch,
    Needs,
    Refusal,
    Refused,
    StatementState,
)
from everycent.flow.settlement.core.handing_on import hand_on, line_transfers, with_lines
from everycent.flow.settlement.core.holding import hold
from everycent.flow.settlement.core.invoice_moves import INVOICE_MOVES, InvoiceMove, InvoiceState
from everycent.flow.settlement.core.invoicing import any_invoiced, invoice
from everycent.flow.settlement.core.moves import NEED_REASON, Move, moved
from everycent.flow.settlement.core.plan import SettlementPlan
from everycent.flow.settlement.core.recount import Recount, RecountDiffers, recount
from everycent.flow.settlement.cycle_store import ends as ended_periods
from everycent.flow.settlement.cycle_store import keep_calendars
from everycent.flow.settlement.cycle_store import known as known_events
from everycent.flow.settlement.cycle_store import shown as shown_events
from everycent.flow.settlement.ending import Ending, end_periods, end_where_terms_change
from everycent.flow.settlement.paid_store import settle
from everycent.flow.settlement.store import Made, Statement, lives

_VIEW = "settlement_obligation"
#: The kind of subject that statements are to approvals.
STATEMENT_KIND = "statement"

__all__ = [
    "STATEMENT_KIND",
    "Answer",
    "Asking",
    "Closing",
    "Desk",
    "Ending",
    "InvoiceGiven",
    "InvoiceState",
    "Keeping",
    "Move",
    "RecountDiffers",
    "close_due",
    "confirm",
    "confirm_invoice",
    "content_now",
    "decided",
    "dispute",
    "end_periods",
    "end_where_terms_change",
    "ended_periods",
    "invoice_moves",
    "invoices",
    "issue_invoice",
    "keep_calendars",
    "known_events",
    "lines",
    "lives",
    "moves",
    "park",
    "receive_invoice",
    "resolve",
    "settle",
    "shown_events",
    "unpark",
    "void_invoice",
]  # fmt: skip


@dataclass(frozen=True)
class Asking:
    """What closed statements wait for, by role (`needs`), and who is asked for approval."""

    needs: Mapping[str, Needs]
    approvals: Approvals
    now: datetime


class PostTransfers(Protocol):
    """Posts TRANSFER rows inside the caller's transaction: the ledger's `store.write`, wired by the pipeline."""

    def __call__(
        self, connection: Connection, tenant: str, model: str, batch_no: int | None, transfers: pa.Table
    ) -> None: ...


@dataclass(frozen=True)
class Keeping:
    """What statements hand on as they close, where that is posted, and the model's version that says so (None: one that
    is not kept)."""

    plan: SettlementPlan
    post: PostTransfers
    version: str | None = None


@dataclass(frozen=True)
class Closing:
    """What a day cut did.

    `closed`: the STATEMENT rows that it closed, as they stand now, ordered by statement_id. `differing`: the statements
    that stayed open because their recount does not agree. `open_on`: the first day that is open for booking. `held`:
    the statements that stay open because a gate holds a record of theirs back. `silent`: earlier ones that count as
    confirmed now, for their party was silent for as long as was agreed. `expired`: those that nobody approved in time.
    `before`: what this cut, or one of a later day, had closed, perhaps while this one waited for it to end.
    """

    as_of: date
    open_on: date
    closed: pa.Table
    differing: tuple[RecountDiffers, ...]
    held: tuple[HeldStatement, ...] = ()
    silent: tuple[str, ...] = ()
    expired: tuple[str, ...] = ()
    before: tuple[ClosedBefore, ...] = ()


def close_due(
    connection: Connection,
    details: Details,
    engine: LocalEngine,
    tenant: str,
    model: str,
    as_of: date,
    *,
    held: Held | None = None,
    asking: Asking | None = None,
    keeping: Keeping | None = None,
    by: str = HOUSE,
    dry_run: bool = False,
) -> Closing:
    """The day cut that begins day `as_of`: closes, in one transaction, every statement whose closing day has come.

    Each is recounted in full from its obligations first; where the recount differs from what was accrued, that
    statement stays open and is named, and the others close. So does one with a record that is `held`: a later cut
    closes it. The open day moves to `as_of`, never back, so what arrives
    later is booked after every period that is closed. Doing it again changes nothing; of two at the same moment one
    closes, and the other says who did. `by`: who cuts the day. `connection` has to be the one of
    `details`. What waits for nothing is released for payment as it closes; without `asking` nothing waits. Balances
    below 0 are carried on, and parts held back and released, as `keeping` says; without it, none is.
    """
    with connection.transaction() as transaction:
        open_day = store.lock_books(connection, tenant, model, to_close=True)
        before = store.closed_before(connection, tenant, model, as_of) if open_day >= as_of else ()
        due = store.due(connection, tenant, model, as_of)
        invoiced = keeping is not None and any_invoiced(keeping.plan, due)
        beside = [*(["record_id"] if held is not None else []), *(["charge"] if invoiced else [])]
        counted = _recounted(details, engine, model, due, beside)
        closing_now, stopped = hold(counted.agreeing, held, _VIEW, engine)
        open_on = store.move_book_date(connection, tenant, model, as_of)
        assert open_on >= open_day, "the open day never moves back"
        if keeping is not None and invoiced:
            closing_now = _invoiced(connection, engine, tenant, closing_now, open_on, keeping)
        if keeping is not None:
            closing_now = _handed_on(connection, engine, tenant, model, closing_now, open_on, keeping)
        now = None if asking is None else asking.now
        cut = store.Cut(as_of, by, now, None if keeping is None else keeping.version)
        store.close(connection, tenant, model, closing_now, _terms(asking, keeping), cut)
        silent, expired = _ask_on(connection, tenant, model, closing_now, open_on, asking)
        closed = _as_closed(closing_now, as_of)
        closing = Closing(as_of, open_on, closed, counted.differing, stopped, silent, expired, before)
        if dry_run:
            raise psycopg.Rollback(transaction)
    return closing


def _terms(asking: Asking | None, keeping: Keeping | None) -> dict[str, store.Terms]:
    """By role, what is frozen on statements as they close."""
    needs = {} if asking is None else asking.needs
    kept = {} if keeping is None else {role.role: role.hands_on for role in keeping.plan.roles}
    roles = dict.fromkeys((*needs, *kept))
    return {role: (needs.get(role, Needs()), kept.get(role, HandingOn())) for role in roles}


def _invoiced(
    connection: Connection, engine: LocalEngine, tenant: str, closing: pa.Table, open_on: date, keeping: Keeping
) -> pa.Table:
    """Writes what the statements of `closing` are invoiced with; these statements with the taxes that are added."""
    plan = keeping.plan
    made = invoice(plan, tenant, closing, _VIEW, open_on, engine)
    invoice_store.write(connection, tenant, plan.model, made.lines)
    line_store.write(connection, tenant, plan.model, made.added)
    keeping.post(connection, tenant, plan.model, None, line_transfers(made.added, engine))
    return STATEMENT.check(with_lines(closing, made.added, engine))


def _handed_on(
    connection: Connection,
    engine: LocalEngine,
    tenant: str,
    model: str,
    closing: pa.Table,
    open_on: date,
    keeping: Keeping,
) -> pa.Table:
    """Writes what the statements of `closing` hand on, and what is released now; these statements with their lines."""
    held = line_store.held_until(connection, tenant, model, open_on)
    plan = keeping.plan
    if held.num_rows == 0 and closing.num_rows == 0:
        return closing
    if held.num_rows == 0 and plan.agreed.num_rows == 0 and not any(role.hands_on.any for role in plan.roles):
        return closing
    handed = hand_on(plan, tenant, closing, held, open_on, engine)
    store.accrue_on_open(connection, tenant, model, handed.opened)
    line_store.write(connection, tenant, model, handed.lines)
    keeping.post(connection, tenant, model, None, line_transfers(handed.lines, engine))
    return STATEMENT.check(with_lines(closing, handed.lines, engine))


def _recounted(details: Details, engine: LocalEngine, model: str, due: pa.Table, beside: Sequence[str]) -> Recount:
    """`beside`: further columns of obligations that whoever looks at the view later wants."""
    if due.num_rows == 0:
        return Recount(due, ())
    columns = ["amount_minor", "debtor_statement", "creditor_statement", *beside]
    details.attach(engine, _VIEW, OBLIGATION, model, columns=columns)
    return recount(due, _VIEW, engine)


def _as_closed(statements: pa.Table, as_of: date) -> pa.Table:
    for name, value in (("state", "closed"), ("closed_as_of", as_of)):
        field = statements.schema.field(name)
        column = pa.array([value] * statements.num_rows, field.type)
        statements = statements.set_column(statements.schema.get_field_index(name), field, column)
    return statements


def _ask_on(
    connection: Connection, tenant: str, model: str, closed: pa.Table, as_of: date, asking: Asking | None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Asks for what the closed ones wait for; the statements that silence confirmed, and those that nobody approved in
    time."""
    if asking is None:
        return (), ()
    desk = Desk(connection, tenant, asking.approvals, HOUSE, asking.now)
    at_once = {role for role, need in asking.needs.items() if need.approve}
    ids = [row["statement_id"] for row in closed.select(["statement_id", "role"]).to_pylist() if row["role"] in at_once]
    _go_on(desk, model, store.hold(connection, tenant, model, ids), as_of)
    silent = store.hold_silent(connection, tenant, model, as_of)
    _make(desk, model, silent, Move.CONFIRM, "nobody disputed it in time", as_of)
    _go_on(desk, model, store.hold(connection, tenant, model, [each.statement_id for each in silent]), as_of)
    over = [request.subject.subject_id for request in asking.approvals.expire(
        connection, tenant, model, STATEMENT_KIND, asking.now)]  # fmt: skip
    _make(desk, model, store.hold(connection, tenant, model, over), Move.DECLINE, "nobody approved it in time", as_of)
    return tuple(each.statement_id for each in silent), tuple(sorted(over))


@dataclass(frozen=True)
class Desk:
    """Where a person stands who says something of statements."""

    connection: Connection
    tenant: str
    approvals: Approvals
    by: str
    now: datetime


@dataclass(frozen=True)
class Answer:
    """What became of a command about a statement; of a refused one why, and what would be right."""

    statement_id: str
    outcome: Outcome
    refused: Refused | None = None
    waits_for: Move | None = None


def confirm(desk: Desk, statement_id: str, why: str | None = None) -> Answer:
    """Says for its party that it is right."""
    return _act(desk, statement_id, Move.CONFIRM, why)


def dispute(desk: Desk, statement_id: str, why: str) -> Answer:
    """Says what is wrong with it. Whoever was asked to approve it is no longer."""
    return _act(desk, statement_id, Move.DISPUTE, why)


def resolve(desk: Desk, statement_id: str, why: str) -> Answer:
    """Says what was done about a dispute. Its figures stay: what was wrong is put right on the next statement. Its
    party, and who has to approve it, are asked anew."""
    return _act(desk, statement_id, Move.RESOLVE, why)


def park(desk: Desk, statement_id: str, why: str) -> Answer:
    """Holds a released one back from payment: it is not instructed, nor anew where its payment comes back."""
    return _act(desk, statement_id, Move.PARK, why)


def unpark(desk: Desk, statement_id: str, why: str | None = None) -> Answer:
    """Lets a parked one go: it is instructed with what is released next."""
    return _act(desk, statement_id, Move.UNPARK, why)


def _beside(move: Move) -> tuple[Move, ...]:
    """The moves of which the last one tells whether `move` is said again: the house's own in between do not count."""
    if move in (Move.PARK, Move.UNPARK):
        return (Move.PARK, Move.UNPARK)
    return (Move.CONFIRM, Move.DISPUTE, Move.RESOLVE, Move.DECLINE)


def _act(desk: Desk, statement_id: str, move: Move, why: str | None) -> Answer:
    by = person(desk.by)
    if by is None:
        return _refused(statement_id, Refusal.UNNAMED, f"'{desk.by}' is not a person's name; say who you are")
    model = statement_id.partition("/")[0]
    with desk.connection.transaction():
        held = store.hold(desk.connection, desk.tenant, model, [statement_id])
        if not held:
            said = f"there is no statement {statement_id}; `everycent statement list` shows them"
            return _refused(statement_id, Refusal.UNKNOWN_STATEMENT, said)
        (statement,) = held
        before = store.last_move(desk.connection, desk.tenant, model, statement_id, _beside(move))
        if before == (move, by, why):
            return Answer(statement_id, Outcome.UNCHANGED, None, statement.life.waits_for)
        after = moved(statement.life, move)
        if isinstance(after, Refused):
            return Answer(statement_id, Outcome.REFUSED, after, statement.life.waits_for)
        if move in NEED_REASON and not (why or "").strip():
            return _refused(statement_id, Refusal.REASON_MISSING, f"a {move} needs a reason; say why")
        as_of = store.open_on(desk.connection, desk.tenant, model)
        named = Desk(desk.connection, desk.tenant, desk.approvals, by, desk.now)
        _make(named, model, held, move, why, as_of)
        _go_on(named, model, store.hold(desk.connection, desk.tenant, model, [statement_id]), as_of)
        (statement,) = store.hold(desk.connection, desk.tenant, model, [statement_id])
    return Answer(statement_id, Outcome.DONE, None, statement.life.waits_for)


@dataclass(frozen=True)
class InvoiceGiven:
    """What an invoice has: its number (None: the issuer's next), its day (None: the day that is open for booking), and
    its total in minor units, which is compared where it is said."""

    number: str | None = None
    issued_on: date | None = None
    total_minor: int | None = None


def issue_invoice(desk: Desk, invoice_id: str, given: InvoiceGiven) -> Answer:
    """Writes down that the legal entity issued its own invoice."""
    return _act_on_invoice(desk, invoice_id, InvoiceMove.ISSUE, None, given)


def receive_invoice(desk: Desk, invoice_id: str, given: InvoiceGiven) -> Answer:
    """Takes in a party's invoice; its total has to be what its statement says."""
    return _act_on_invoice(desk, invoice_id, InvoiceMove.RECEIVE, None, given)


def confirm_invoice(desk: Desk, invoice_id: str, why: str | None = None) -> Answer:
    """Says that an invoice is accepted: a party's by the legal entity, its own by the party."""
    return _act_on_invoice(desk, invoice_id, InvoiceMove.CONFIRM, why, None)


def void_invoice(desk: Desk, invoice_id: str, why: str) -> Answer:
    """Says that an invoice holds no longer; another is due. What is released for payment stays so."""
    return _act_on_invoice(desk, invoice_id, InvoiceMove.VOID, why, None)


def _act_on_invoice(
    desk: Desk, invoice_id: str, move: InvoiceMove, why: str | None, given: InvoiceGiven | None
) -> Answer:
    by, key = person(desk.by), invoice_store.InvoiceKey.parse(invoice_id)
    if by is None:
        return _refused(invoice_id, Refusal.UNNAMED, f"'{desk.by}' is not a person's name; say who you are")
    with desk.connection.transaction():
        statement = [] if key is None else store.hold(desk.connection, desk.tenant, key.model, [key.statement_id])
        held = None if key is None else invoice_store.hold(desk.connection, desk.tenant, key)
        if key is None or held is None:
            said = f"there is no invoice '{invoice_id}'; `everycent invoice list` shows them"
            return _refused(invoice_id, Refusal.UNKNOWN_INVOICE, said)
        again = given is None or given.number in (None, held.number)
        if held.last == (move, by, why) and again:
            return Answer(invoice_id, Outcome.UNCHANGED, None, statement[0].life.waits_for)
        refused = _why_not(desk, held, move, why, given)
        if refused is not None:
            return Answer(invoice_id, Outcome.REFUSED, refused, statement[0].life.waits_for)
        as_of = store.open_on(desk.connection, desk.tenant, key.model)
        made = Made(by, why, as_of, desk.now)
        after = INVOICE_MOVES[key.side, move][held.state]
        invoice_store.move(
            desk.connection, desk.tenant, held, move, after, _number_and_day(desk, held, given, as_of), made
        )
        named = Desk(desk.connection, desk.tenant, desk.approvals, by, desk.now)
        _go_on(named, key.model, store.hold(desk.connection, desk.tenant, key.model, [key.statement_id]), as_of)
        (left,) = store.hold(desk.connection, desk.tenant, key.model, [key.statement_id])
    return Answer(invoice_id, Outcome.DONE, None, left.life.waits_for)


def _number_and_day(
    desk: Desk, held: invoice_store.Invoice, given: InvoiceGiven | None, as_of: date
) -> tuple[str, date]:
    """What an invoice has from now on: what it had, what was given, or its issuer's next number and the open day."""
    if held.number is not None and held.issued_on is not None:
        return held.number, held.issued_on
    assert given is not None, "an invoice gets its number with the first move"
    on = given.issued_on or as_of
    number = given.number or invoice_store.next_number(desk.connection, desk.tenant, held.issuer, on.year)
    return number.strip(), on


def _why_not(
    desk: Desk, held: invoice_store.Invoice, move: InvoiceMove, why: str | None, given: InvoiceGiven | None
) -> Refused | None:
    """Why an invoice is not moved so."""
    allowed = INVOICE_MOVES.get((held.key.side, move))
    if allowed is None:
        right = "issue" if move is InvoiceMove.RECEIVE else "receive"
        return Refused(Refusal.WRONG_SIDE, f"{held.issuer} gives this one; {right} is what happens to it")
    if held.state not in allowed:
        return Refused(Refusal.WRONG_STATE, f"it is {held.state}; {move} is allowed from {', '.join(allowed)}")
    if move is InvoiceMove.VOID and not (why or "").strip():
        return Refused(Refusal.REASON_MISSING, "voiding an invoice needs a reason; say why")
    if given is None:
        return None
    if not (given.number or "").strip() and (move is InvoiceMove.RECEIVE or given.number is not None):
        return Refused(Refusal.NUMBER_MISSING, "an invoice that was received has a number; give it")
    if given.total_minor not in (None, held.total_minor):
        stated, due = (grouped_minor(minor, currency(held.currency)) for minor in (given.total_minor, held.total_minor))
        said = f"it is of {stated}, and what is to be invoiced comes to {due} {held.currency}"
        return Refused(Refusal.OTHER_TOTAL, f"{said}; `everycent invoice list` has its lines")
    taken = given.number and invoice_store.of_number(desk.connection, desk.tenant, held.issuer, given.number.strip())
    if taken:
        return Refused(Refusal.NUMBER_TAKEN, f"{held.issuer} gave {given.number} for {taken}; each has its own")
    return None


def invoices(connection: Connection, tenant: str, search: InvoiceSearch) -> list[dict[str, object]]:
    """Invoices with their lines, in the order of their statements, voided ones before what took their place."""
    return invoice_store.invoices(connection, tenant, search)


def invoice_moves(connection: Connection, tenant: str, statement_id: str) -> list[dict[str, object]]:
    """All moves of a statement's invoices, in order of time."""
    return invoice_store.moves(connection, tenant, statement_id)


def _refused(statement_id: str, refusal: Refusal, message: str) -> Answer:
    return Answer(statement_id, Outcome.REFUSED, Refused(refusal, message))


def _make(desk: Desk, model: str, statements: Sequence[Statement], move: Move, why: str | None, as_of: date) -> None:
    """Moves statements that may be moved so. A request that is under way for them is taken back where they leave it."""
    made = Made(desk.by, why, as_of, desk.now)
    for before in StatementState:
        ids = [each.statement_id for each in statements if each.life.state is before]
        if ids:
            store.move(desk.connection, desk.tenant, model, ids, move, before, made)
    if move in (Move.DISPUTE, Move.DECLINE):
        under_way = [each.approval_id for each in statements if each.approval_id is not None]
        desk.approvals.drop(desk.connection, desk.tenant, model, under_way, desk.now)


def _go_on(desk: Desk, model: str, statements: Sequence[Statement], as_of: date) -> None:
    """Asks for approval of those that wait for it now, and releases those that wait for nothing."""
    waiting = [each for each in statements if each.life.waits_for is Move.APPROVE and each.approval_id is None]
    approved = []
    for levels in dict.fromkeys(each.levels for each in waiting):
        some = [each for each in waiting if each.levels == levels]
        subjects = [
            Subject(STATEMENT_KIND, each.statement_id, each.digest, each.amount_minor, each.currency, desk.by)
            for each in some
        ]
        asked = desk.approvals.ask(desk.connection, desk.tenant, model, subjects, _levels(levels), desk.now)
        by_id = {one.statement_id: request for one, request in zip(some, asked, strict=True)}
        ids = {statement_id: request.request_id for statement_id, request in by_id.items()}
        store.set_approval(desk.connection, desk.tenant, model, ids)
        approved += [each for each in some if by_id[each.statement_id].state is RequestState.APPROVED]
    house = Desk(desk.connection, desk.tenant, desk.approvals, HOUSE, desk.now)
    _make(house, model, approved, Move.APPROVE, "no level is asked for so small an amount", as_of)
    released = [each for each in statements if each.life.waits_for is Move.RELEASE and not each.life.released]
    again = store.hold(desk.connection, desk.tenant, model, [each.statement_id for each in approved])
    _make(house, model, [*released, *again], Move.RELEASE, None, as_of)


def _levels(frozen: str | None) -> tuple[LevelSpec, ...]:
    return levels_of_data(json.loads(frozen or "[]"))


def content_now(connection: Connection, tenant: str, model: str, statement_id: str) -> str | None:
    """The digest of what a yes to it would be about; None where nothing is to approve. It stays so until the
    transaction ends."""
    held = store.hold(connection, tenant, model, [statement_id])
    return next((each.digest for each in held if each.life.waits_for is Move.APPROVE), None)


def decided(desk: Desk, model: str, request: Request) -> None:
    """Does what follows from a request that ended: approved, its statement is released for payment; else it goes back
    to operations, who resolve it."""
    assert request.subject.kind == STATEMENT_KIND and request.state is not RequestState.PENDING
    with desk.connection.transaction():
        held = store.hold(desk.connection, desk.tenant, model, [request.subject.subject_id])
        mine = [each for each in held if each.approval_id == request.request_id]
        as_of = store.open_on(desk.connection, desk.tenant, model)
        if request.state is RequestState.APPROVED:
            _make(desk, model, mine, Move.APPROVE, _word_of(request), as_of)
            _go_on(desk, model, store.hold(desk.connection, desk.tenant, model, [each.statement_id for each in mine]),
                   as_of)  # fmt: skip
        else:
            _make(desk, model, mine, Move.DECLINE, _word_of(request) or f"its request is {request.state}", as_of)


def _word_of(request: Request) -> str | None:
    """What was said with the last decision."""
    return next((each.reason for each in request.decisions[-1:] if each.reason), None)


def moves(connection: Connection, tenant: str, statement_id: str) -> list[dict[str, object]]:
    """All moves of a statement, in their order: from where to where, who, why, on which business day and when."""
    return store.moves(connection, tenant, statement_id.partition("/")[0], statement_id)


def lines(connection: Connection, tenant: str, statement_id: str) -> list[dict[str, object]]:
    """What stands on a statement beside its obligations, in the order in which it came."""
    return line_store.lines(connection, tenant, statement_id.partition("/")[0], statement_id)
