"""Payments go when whoever has to said yes, by way of approvals, on a real PostgreSQL."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from everycent.flow.approvals import service as approvals
from everycent.flow.approvals.contract import Delegation
from everycent.flow.payments import service
from everycent.flow.payments.contract import Move, PayoutSpec
from everycent.flow.pipeline.paying import PAYMENT_OTHERS
from everycent.proof.verify.service import verify
from everycent.serve.approving import Word, say

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
BOTH = [{"by": "treasury", "within": "2 days"}, {"by": "finance", "above": "50"}]
RELEASED = "each released instruction was released by those who have to"


class Treasury:
    """Merchant a is to be paid 90.00, b 5.00; anna instructed it. bob and cid are of the treasury, dora of finance."""

    def __init__(self, books: Any, levels: Any = BOTH) -> None:
        self.books = books
        books.payouts = {"merchant": PayoutSpec.model_validate({"release": levels})}
        for group, name in (("treasury", "bob"), ("treasury", "cid"), ("treasury", "anna"), ("finance", "dora")):
            approvals.set_member(books.connection, books.tenant, group, name, "chief", NOON, is_in=True)
        books.book("""record debtor creditor amount booked_on
            A1 platform merchant:a 90.00 2026-03-01
            B1 platform merchant:b  5.00 2026-03-01""")
        books.close("2026-03-02")
        books.instruct("2026-03-02", by="anna")

    def row(self, party: str = "a") -> dict[str, Any]:
        rows = service.shown(self.books.connection, self.books.tenant, [], None, 9)
        return next(row for row in rows if row["party_id"] == f"merchant:{party}" and row["state"] != "failed")

    def say(self, by: str, party: str = "a", *, yes: bool = True, why: str | None = None, now: datetime = NOON) -> str:
        where = (self.books.connection, self.books.tenant, self.books.model)
        answer = say(*where, self.row(party)["approval_id"], Word(by, yes, why), now)
        return str(answer.refusal or answer.outcome)

    def states(self) -> dict[str, str]:
        return {party: self.row(party)["state"] for party in "ab"}

    def moves(self, key: UUID) -> list[tuple[Any, ...]]:
        rows = service.history(self.books.connection, self.books.tenant, key)
        return [(row["move"], row["to_state"], row["who"], row["why"]) for row in rows]

    def found(self) -> set[str]:
        verdict = verify(self.books.connection, self.books.database.details, self.books.engine, self.books.tenant)
        return {check.name for check in verdict.findings if "releas" in check.name or "request" in check.name}


def test_who_instructs_does_not_release_and_larger_amounts_need_more(books: Any, tmp_path: Path) -> None:
    house = Treasury(books)
    assert [house.say(by) for by in ("anna", "dora", "bob", "bob")] == [
        "own_request",
        "not_in_group",
        "done",
        "unchanged",
    ]
    assert house.say("cid", "b") == "done"
    assert house.states() == {"a": "created", "b": "approved"}, "a waits for finance"
    books.write_files("2026-03-02", tmp_path / "one")
    assert house.states() == {"a": "created", "b": "filed"}
    assert house.say("dora", why="seen") == "done"
    books.write_files("2026-03-02", tmp_path / "two")
    assert house.states() == {"a": "filed", "b": "filed"}
    assert house.moves(house.row()["instruction_id"])[0] == ("release", "approved", "dora", "seen")
    assert house.found() == set()


def test_a_lent_voice_releases(books: Any) -> None:
    house = Treasury(books)
    lent = Delegation("bob", "eve", ("payment",), date(2026, 3, 1), date(2026, 3, 9))
    approvals.delegate(books.connection, books.tenant, lent, "bob", NOON)
    assert house.say("eve", "b") == "done"
    assert house.states()["b"] == "approved"


def test_a_no_keeps_it_until_a_person_cancels_it(books: Any) -> None:
    house = Treasury(books)
    before = house.row("b")["instruction_id"]
    assert house.say("bob", "b", yes=False, why="another account was promised") == "done"
    assert house.row("b")["reason"] == "another account was promised"
    assert books.instruct("2026-03-03").num_rows == 0 and house.states()["b"] == "created", "nobody is asked again"
    where = (books.connection, PAYMENT_OTHERS, books.tenant, [before], Move.CANCEL, "cid", "as said", NOON, NOON.date())
    assert [str(one.came) for one in service.by_hand(*where)] == ["moved"]
    assert books.instruct("2026-03-03", by="anna").num_rows == 1
    assert house.say("bob", "b") == "done" and house.states()["b"] == "approved"
    assert house.found() == set()


def test_what_is_cancelled_is_asked_about_no_longer(books: Any) -> None:
    house = Treasury(books)
    row = house.row("b")
    where = (books.connection, PAYMENT_OTHERS, books.tenant, [row["instruction_id"]], Move.CANCEL, "cid", "no", NOON)
    service.by_hand(*where, NOON.date())
    asked = approvals.requests(books.connection, books.tenant, books.model, ids=[row["approval_id"]])
    assert [request.state for request in asked] == ["withdrawn"]


def test_who_did_not_decide_in_time_is_asked_anew(books: Any) -> None:
    house = Treasury(books)
    first = house.row("b")["approval_id"]
    late = NOON + timedelta(days=3)
    assert house.say("bob", "b", now=late) == "timed_out"
    books.instruct("2026-03-05", by="anna", now=late)
    assert house.row("b")["approval_id"] != first
    assert house.say("bob", "b", now=late) == "done" and house.states()["b"] == "approved"
    assert [move for move, *_ in house.moves(house.row("b")["instruction_id"])] == ["decline", "release"]
    assert house.found() == set()


def test_small_amounts_that_nobody_has_to_release_go_at_once(books: Any) -> None:
    house = Treasury(books, [{"by": "finance", "above": "50"}])
    assert house.states() == {"a": "created", "b": "approved"}
    assert house.found() == set()


def test_a_yes_to_a_payment_that_was_altered_is_refused(books: Any) -> None:
    house = Treasury(books)
    books.connection.execute("UPDATE payments.instruction SET account = 'mine'")
    assert house.say("bob") == "content_changed"


def test_a_release_without_those_who_have_to_is_named(books: Any, tmp_path: Path) -> None:
    house = Treasury(books)
    house.say("bob", "b")
    books.write_files("2026-03-02", tmp_path)
    for alteration in (
        "UPDATE payments.instruction SET approval_id = gen_random_uuid() WHERE released_by IS NOT NULL",
        "UPDATE approvals.request SET requested_by = 'bob'",
        "UPDATE approvals.request SET amount_minor = amount_minor + 1",
        "DELETE FROM payments.instruction_move WHERE move = 'release'",
    ):
        with books.connection.transaction(force_rollback=True):
            books.connection.execute(alteration)
            assert RELEASED in house.found(), alteration
