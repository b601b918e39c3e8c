"""Statements and source systems hear of the ends of payments, on a real PostgreSQL."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from everycent.flow.approvals import service as approvals
from everycent.flow.payments import service
from everycent.flow.payments.contract import Move, Said
from everycent.flow.pipeline.paying import PAYMENT_OTHERS
from everycent.flow.settlement import service as settlement
from everycent.flow.settlement.contract import Search, SideEnd, StatementSpec
from everycent.proof.verify.core import lives, payments
from everycent.proof.verify.service import verify
from everycent.serve.cli.payment_words import payment_words

NOW = datetime(2026, 3, 3, 9, tzinfo=UTC)
DAY = date(2026, 3, 3)
HEAD = "record debtor creditor amount booked_on\n"
A = "market/merchant:a/2026-03-01/CNY/shanghai"
SETTLED = "each statement is settled where its payments are made"
#: Obligations stand here without their records, so that other rules have something to say.
PROVEN = {rule.name for rule in (*lives.RULES, *payments.RULES)}


class Desk:
    """Books whose merchant a is to be paid 90.00; `gross`: and owes 30.00 apart. Merchant z is owed nothing."""

    def __init__(self, books: Any, *, gross: bool = False) -> None:
        self.books = books
        mode = "gross" if gross else "net"
        books.statements = {
            "merchant": StatementSpec(cycle="daily", mode=mode),
            "brand": StatementSpec(cycle="monthly"),
        }
        fee = "A2 merchant:a platform 30.00 2026-03-01" if gross else ""
        books.book(f"""{HEAD}
            A1 platform merchant:a 90.00 2026-03-01
            Z1 platform merchant:z  5.00 2026-03-01
            Z2 merchant:z platform  5.00 2026-03-01
            {fee}""")
        books.close("2026-03-02")
        books.instruct("2026-03-02")

    def key(self, direction: str = "pay") -> UUID:
        """The newest instruction of merchant a."""
        rows = service.shown(self.books.connection, self.books.tenant, [], None, 9)
        mine = [row for row in rows if row["party_id"] == "merchant:a" and row["direction"] == direction]
        return max(mine, key=lambda row: (row["as_of"], row["state"] == "created"))["instruction_id"]  # type: ignore[no-any-return]

    def say(self, *moves: str, direction: str = "pay", why: str | None = None, day: date = DAY) -> list[str]:
        said = [Said(self.key(direction), Move(move), f"{move} {day}", "bank", why) for move in moves]
        taken = service.take_in(self.books.connection, PAYMENT_OTHERS, self.books.tenant, said, NOW, day)
        return [str(one.came) for one in taken]

    def told(self, statement_id: str = A) -> tuple[str, str]:
        """What a statement waits for, and what people read of its payment."""
        where = (self.books.connection, self.books.tenant)
        (life,) = settlement.lives(*where, Search(ids=(statement_id,)))
        return str(life["waits_for"]), payment_words(life, service.of_statements(*where, [statement_id])[statement_id])

    def log(self, statement_id: str = A) -> list[tuple[Any, ...]]:
        rows = settlement.moves(self.books.connection, self.books.tenant, statement_id)
        return [(row["move"], row["side"], str(row["as_of"])) for row in rows]

    def events(self, after: int = 0) -> list[tuple[Any, ...]]:
        found = service.events(self.books.connection, self.books.tenant, None, after, 99)
        return [(row["event_no"], row["kind"], row["content"]["statements"]) for row in found]

    def verified(self) -> None:
        verdict = verify(self.books.connection, self.books.database.details, self.books.engine, self.books.tenant)
        found = {check.name: check.first_bad for check in verdict.findings}
        assert not {name: bad for name, bad in found.items() if name in PROVEN}


def test_a_payment_settles_its_statement(books: Any, tmp_path: Path) -> None:
    desk = Desk(books)
    assert desk.told() == ("payment", "instructed")
    assert desk.told(A.replace(":a/", ":z/")) == ("nothing", "settled without payment")
    books.write_files("2026-03-02", tmp_path)
    assert desk.told() == ("payment", "filed with the bank on 2026-03-02")
    desk.say("accept", "pay")
    assert desk.told() == ("nothing", "paid on 2026-03-03")
    assert desk.log() == [("close", None, "2026-03-02"), ("settle", "net", "2026-03-03")]
    side = {"statement_id": A, "side": "net", "amount_minor": 9000}
    assert desk.events() == [(1, "payment_succeeded", [side])]
    assert desk.say("pay") == ["repeated"]
    assert (len(desk.log()), len(desk.events())) == (2, 1)
    desk.verified()


def test_what_came_back_is_open_again_and_paid_anew(books: Any) -> None:
    desk = Desk(books)
    desk.say("file", "pay")
    desk.say("return", why="account closed", day=date(2026, 3, 5))
    assert desk.told() == ("payment", "returned: account closed")
    assert desk.log()[-1] == ("reopen", "net", "2026-03-05")
    assert [kind for _, kind, _ in desk.events()] == ["payment_succeeded", "payment_returned"]
    desk.verified()
    assert books.instruct("2026-03-05").num_rows == 1
    assert desk.told() == ("payment", "instructed")
    desk.say("file", "pay", day=date(2026, 3, 6))
    assert desk.told() == ("nothing", "paid on 2026-03-06")
    assert [move for move, *_ in desk.log()] == ["close", "settle", "reopen", "settle"]
    desk.verified()


def test_what_came_back_and_is_parked_waits_for_a_person(books: Any) -> None:
    desk = Desk(books)
    desk.say("file", "refuse", why="no such account")
    by = settlement.Desk(books.connection, books.tenant, approvals, "anna", NOW)
    assert settlement.park(by, A, "asks for its new account").outcome == "done"
    assert desk.told() == ("unpark", "failed: no such account; parked")
    assert books.instruct("2026-03-05").num_rows == 0
    desk.verified()
    assert settlement.unpark(by, A).outcome == "done"
    assert books.instruct("2026-03-05").num_rows == 1
    desk.verified()


def test_of_two_sides_one_may_be_paid_and_the_other_not(books: Any) -> None:
    desk = Desk(books, gross=True)
    desk.say("file", "pay")
    assert desk.told() == ("payment", "partly paid: payable paid on 2026-03-03; receivable instructed")
    desk.say("file", "refuse", direction="collect", why="no funds")
    assert desk.told()[1] == "partly paid: payable paid on 2026-03-03; receivable failed: no funds"
    desk.verified()
    books.instruct("2026-03-04")
    desk.say("file", "pay", direction="collect", day=date(2026, 3, 4))
    assert desk.told()[0] == "nothing"
    desk.verified()


def test_a_refused_payment_that_was_made_after_all_settles(books: Any) -> None:
    desk = Desk(books)
    desk.say("begin", "refuse", "pay")
    assert desk.told()[0] == "payment", "a contradiction is parked, and moves nothing"
    desk.say("judge_paid")
    assert desk.told()[0] == "nothing"
    assert [move for move, *_ in desk.log()] == ["close", "reopen", "settle"]
    desk.verified()


def test_what_is_told_again_changes_nothing(books: Any) -> None:
    desk = Desk(books)
    end = SideEnd(A, "net", True, "payment 1, move 1", "paid")
    for _ in range(2):
        settlement.settle(books.connection, books.tenant, "market", [end], DAY, NOW)
    assert desk.log() == [("close", None, "2026-03-02"), ("settle", "net", "2026-03-03")]
    with pytest.raises(AssertionError, match="not all are of released statements"), books.connection.transaction():
        unknown = SideEnd(A.replace(":a/", ":b/"), "net", True, "payment 1, move 1", "paid")
        settlement.settle(books.connection, books.tenant, "market", [unknown], DAY, NOW)


def test_a_statement_that_is_settled_without_its_payment_is_named(books: Any) -> None:
    desk = Desk(books)
    desk.say("file", "pay")
    for alteration in (
        "UPDATE settlement.statement SET settled_sides = '{}', settled_as_of = NULL",
        "UPDATE settlement.statement SET settled_as_of = settled_as_of + 1 WHERE settled_as_of IS NOT NULL",
        "DELETE FROM settlement.statement_move WHERE move = 'settle'",
        "UPDATE payments.instruction SET state = 'submitted', booking = 'in_flight', file = NULL",
    ):
        with books.connection.transaction(force_rollback=True):
            books.connection.execute(alteration)
            verdict = verify(books.connection, books.database.details, books.engine, books.tenant)
            assert SETTLED in {check.name for check in verdict.findings}, alteration
