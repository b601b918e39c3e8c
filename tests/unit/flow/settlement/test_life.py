"""Closed statements on a real PostgreSQL: confirmed, disputed, approved, and only then paid."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from everycent.base.platform.database import connect
from everycent.base.platform.details import Details
from everycent.flow.approvals import service as approvals
from everycent.flow.approvals.contract import Outcome, Verdict
from everycent.flow.settlement import service
from everycent.flow.settlement.contract import ClosedBefore, ConfirmSpec, Refusal, Search, StatementSpec
from everycent.flow.settlement.service import Answer, Asking, Closing, Desk

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
DAY_1 = "market/merchant:m/2026-03-01/CNY/shanghai"
SALES = """
    record debtor    creditor    amount booked_on
    A1     platform  merchant:m   89.99  2026-03-01
    A2     platform  merchant:n    2.00  2026-03-01
"""
BOTH = ({"by": "operations", "within": "2 days"}, {"by": "finance", "above": "50"})


class House:
    """Books whose merchants' statements wait for what a test says; ann speaks for merchant m."""

    def __init__(self, books: Any, **asks: Any) -> None:
        self.books = books
        daily = StatementSpec.model_validate({"cycle": "daily", **asks})
        books.statements = {"merchant": daily, "brand": StatementSpec(cycle="monthly")}
        for group, name in (("operations", "bob"), ("operations", "cid"), ("finance", "dora")):
            approvals.set_member(books.connection, books.tenant, group, name, "chief", NOON, is_in=True)
        books.book(SALES)

    def close(self, as_of: str = "2026-03-02", **how: Any) -> Any:
        return self.books.close(as_of, asking=Asking(self.books.plan.needs, approvals, NOON), **how)

    def desk(self, by: str) -> Desk:
        return Desk(self.books.connection, self.books.tenant, approvals, by, NOON)

    def life(self, statement_id: str = DAY_1) -> tuple[Any, ...]:
        (found,) = service.lives(self.books.connection, self.books.tenant, Search(ids=(statement_id,)))
        released = found["released_as_of"]
        return found["state"], found["waits_for"], None if released is None else str(released)

    def request(self, statement_id: str = DAY_1) -> Any:
        where = (self.books.connection, self.books.tenant, "market")
        return approvals.requests(*where, subject_id=statement_id)

    def say(self, by: str, *, yes: bool = True, why: str | None = None) -> Any:
        """A person's word on the request that is under way, and what follows from it."""
        where = (self.books.connection, self.books.tenant, "market")
        (request,) = [each for each in self.request() if each.state == "pending"]
        digest = service.content_now(*where, DAY_1)
        answer = approvals.decide(*where, request.request_id, Verdict(by, yes, why, digest), NOON)
        if answer.request is not None and answer.request.state != "pending":
            service.decided(self.desk(by), "market", answer.request)
        return answer.refusal or answer.outcome

    def paid(self, as_of: str) -> list[str]:
        return sorted(self.books.instruct(as_of)["party_id"].to_pylist())

    def log(self, statement_id: str = DAY_1) -> list[tuple[Any, ...]]:
        told = service.moves(self.books.connection, self.books.tenant, statement_id)
        return [(row["move"], row["to_state"], row["person"], row["reason"]) for row in told]


def refused(answer: Answer) -> Refusal | None:
    return None if answer.refused is None else answer.refused.refusal


def test_what_asks_for_nothing_is_released_as_it_closes(books: Any) -> None:
    house = House(books)
    house.close()
    assert house.life() == ("closed", "payment", "2026-03-02")
    assert house.log() == [("close", "closed", "everycent", None)]
    assert house.paid("2026-03-02") == ["merchant:m", "merchant:n"]
    assert refused(service.dispute(house.desk("ann"), DAY_1, "too little")) is Refusal.RELEASED


def test_nothing_is_paid_before_it_is_confirmed_and_approved(books: Any) -> None:
    house = House(books, confirm={}, approve=BOTH)
    assert house.close().closed.num_rows == 2
    assert (house.life(), house.paid("2026-03-02")) == (("closed", "confirm", None), [])
    assert service.confirm(house.desk(" Ann"), DAY_1).outcome is Outcome.DONE
    assert (house.life(), house.paid("2026-03-03")) == (("confirmed", "approve", None), [])
    assert house.say("ann") == "own_request"
    assert house.say("bob") == "done"
    assert (house.life(), house.paid("2026-03-03")) == (("confirmed", "approve", None), [])
    assert house.say("dora", why="fine") == "done"
    assert house.life() == ("approved", "payment", "2026-03-02")
    assert house.paid("2026-03-03") == ["merchant:m"], "the other one waits"
    assert house.log() == [
        ("close", "closed", "everycent", None),
        ("confirm", "confirmed", "ann", None),
        ("approve", "approved", "dora", "fine"),
        ("release", "approved", "everycent", None),
    ]


def test_a_small_amount_needs_fewer_levels(books: Any) -> None:
    house = House(books, approve=[{"by": "finance", "above": "50"}])
    house.close()
    assert house.life() == ("closed", "approve", None)
    small = DAY_1.replace(":m/", ":n/")
    assert house.life(small) == ("approved", "payment", "2026-03-02")
    assert house.log(small)[1:] == [
        ("approve", "approved", "everycent", "no level is asked for so small an amount"),
        ("release", "approved", "everycent", None),
    ]


def test_a_dispute_stops_it_until_it_is_resolved_and_asks_everybody_anew(books: Any) -> None:
    house = House(books, confirm={}, approve=BOTH)
    house.close()
    service.confirm(house.desk("ann"), DAY_1)
    house.say("bob")
    before = books.statement(DAY_1)
    assert refused(service.dispute(house.desk("ann"), DAY_1, " ")) is Refusal.REASON_MISSING
    assert service.dispute(house.desk("ann"), DAY_1, "a refund is missing").outcome is Outcome.DONE
    assert house.life() == ("disputed", "resolve", None)
    assert [each.state for each in house.request()] == ["withdrawn"]
    assert refused(service.confirm(house.desk("ann"), DAY_1)) is Refusal.WRONG_STATE
    assert service.resolve(house.desk("bob"), DAY_1, "it is on the next one").outcome is Outcome.DONE
    assert house.life() == ("closed", "confirm", None)
    service.confirm(house.desk("ann"), DAY_1, "agreed")
    assert sorted(each.state for each in house.request()) == ["pending", "withdrawn"]
    assert [house.say(by) for by in ("bob", "dora")] == ["done", "done"], "what bob said before no longer counts"
    assert house.life()[0] == "approved"
    assert {**before, "state": "approved"} == books.statement(DAY_1), "its figures are closed for good"


def test_a_no_and_a_time_out_lead_back_to_operations(books: Any) -> None:
    house = House(books, approve=BOTH)
    house.close()
    assert house.say("bob", yes=False, why="the fee is wrong") == "done"
    assert house.life() == ("disputed", "resolve", None)
    service.resolve(house.desk("cid"), DAY_1, "corrected on the next one")
    assert house.say("cid") == "own_request", "who resolved it asks for it"
    late = Asking(books.plan.needs, approvals, NOON + timedelta(days=3))
    assert DAY_1 in books.close("2026-03-05", asking=late).expired
    assert house.life() == ("disputed", "resolve", None)
    assert house.log()[-1] == ("decline", "disputed", "everycent", "nobody approved it in time")


def test_silence_confirms_after_the_days_that_were_agreed(books: Any) -> None:
    house = House(books, confirm={"silent_after": "60 hours"})
    house.close("2026-03-02")
    service.dispute(house.desk("zoe"), DAY_1.replace(":m/", ":n/"), "not mine")
    assert house.close("2026-03-04").silent == ()
    assert house.close("2026-03-05").silent == (DAY_1,)
    assert house.life() == ("confirmed", "payment", "2026-03-05")
    assert house.life(DAY_1.replace(":m/", ":n/"))[0] == "disputed", "who said something was not silent"
    assert house.close("2026-03-06").silent == ()
    assert house.log()[1:] == [
        ("confirm", "confirmed", "everycent", "nobody disputed it in time"),
        ("release", "confirmed", "everycent", None),
    ]


def test_a_later_model_changes_no_closed_statements_way(books: Any) -> None:
    house = House(books, confirm={}, approve=BOTH)
    house.close()
    books.statements["merchant"] = StatementSpec(cycle="daily")
    house.close("2026-03-03")
    assert house.life() == ("closed", "confirm", None)
    service.confirm(house.desk("ann"), DAY_1)
    assert [level.group for each in house.request() for level in each.levels] == ["operations", "finance"]


def test_the_same_word_again_changes_nothing_and_strangers_are_refused(books: Any) -> None:
    house = House(books, confirm=ConfirmSpec())
    house.close()
    desk = house.desk("ann")
    assert refused(service.confirm(desk, "market/none")) is Refusal.UNKNOWN_STATEMENT
    assert refused(service.confirm(replace(desk, by="everycent"), DAY_1)) is Refusal.UNNAMED
    assert service.dispute(desk, DAY_1, "why").outcome is Outcome.DONE
    log = house.log()
    assert service.dispute(desk, DAY_1, "why").outcome is Outcome.UNCHANGED
    assert refused(service.dispute(replace(desk, by="bea"), DAY_1, "why")) is Refusal.WRONG_STATE
    assert house.log() == log


def test_a_confirmation_that_comes_again_after_release_changes_nothing(books: Any) -> None:
    house = House(books, confirm={})
    house.close()
    assert service.confirm(house.desk("ann"), DAY_1).outcome is Outcome.DONE
    log = house.log()
    assert service.confirm(house.desk("ann"), DAY_1).outcome is Outcome.UNCHANGED
    assert refused(service.confirm(house.desk("bea"), DAY_1)) is Refusal.RELEASED
    assert house.log() == log


def test_what_a_person_holds_back_is_paid_once_it_is_let_go(books: Any) -> None:
    house = House(books, confirm={})
    house.close()
    service.confirm(house.desk("ann"), DAY_1)
    assert refused(service.park(house.desk("ann"), DAY_1, "")) is Refusal.REASON_MISSING
    assert service.park(house.desk("ann"), DAY_1, "her account is in doubt").outcome is Outcome.DONE
    assert service.park(house.desk("ann"), DAY_1, "her account is in doubt").outcome is Outcome.UNCHANGED
    assert (house.life()[1], house.paid("2026-03-02")) == ("unpark", [])
    assert service.unpark(house.desk("bob"), DAY_1).outcome is Outcome.DONE
    assert house.paid("2026-03-02") == ["merchant:m"]
    assert [move for move, *_ in house.log()] == ["close", "confirm", "release", "park", "unpark"]


def test_content_that_was_altered_is_not_approved(books: Any) -> None:
    house = House(books, approve=BOTH)
    house.close()
    books.connection.execute("UPDATE settlement.statement SET payable_minor = payable_minor + 1")
    assert house.say("bob") == "content_changed"


def test_a_dry_run_asks_nobody(books: Any) -> None:
    house = House(books, approve=BOTH)
    house.close(dry_run=True)
    assert (house.life()[0], house.request()) == ("open", [])


@pytest.mark.parametrize("asks", [{}, {"confirm": {"silent_after": "1 day"}, "approve": BOTH}])
def test_of_two_cuts_at_the_same_moment_one_closes(books: Any, asks: dict[str, Any]) -> None:
    house = House(books, **asks)
    settings, given = books.database.settings, books.database.details

    def cut(by: str) -> Closing:
        with connect(settings) as own, books.engine.__class__(1, 256, books.engine.temp_dir) as engine:
            details = Details(own, given.lake_dir, given.tenant, given.lake_from_rows)
            asking = Asking(books.plan.needs, approvals, NOON)
            where = (own, details, engine, "default", "market", NOON.date())
            return service.close_due(*where, asking=asking, by=by)

    with ThreadPoolExecutor(2) as pool:
        cuts = dict(zip(("ann", "bea"), pool.map(cut, ("ann", "bea")), strict=True))
    closer, other = sorted(cuts, key=lambda by: -cuts[by].closed.num_rows)
    assert [cuts[by].closed.num_rows for by in (closer, other)] == [2, 0]
    assert cuts[closer].before == ()
    assert cuts[other].before == (ClosedBefore(NOON.date(), closer, NOON, 2),)
    assert str(cuts[other].before[0]).startswith(
        f"already_closed: 2 statements were closed as of 2026-03-02 by {closer}"
    )
    assert [(move, by) for move, _, by, _ in house.log()] == [("close", closer)]


def test_a_cut_says_what_it_would_have_closed_and_others_did(books: Any) -> None:
    """A day that was cut before, a day before it, and one after it."""
    house = House(books)
    assert house.close("2026-03-03").before == ()
    books.book(SALES.replace("03-01", "03-03").replace("A1", "B1").replace("A2", "B2"))
    assert [(each.as_of.day, each.statements) for each in house.close("2026-03-02").before] == [(3, 2)]
    assert house.close("2026-03-01").before == (), "nothing was due then"
    assert house.close("2026-03-04").before == (), "what it closes, it closes itself"
    assert [(each.as_of.day, each.statements) for each in house.close("2026-03-03").before] == [(3, 2)]


def test_of_a_confirmation_and_a_dispute_at_the_same_moment_one_is_refused(books: Any) -> None:
    house = House(books, confirm={})
    house.close()

    def says(act: Any, by: str) -> Answer:
        with connect(books.database.settings) as own:
            return act(replace(house.desk(by), connection=own), DAY_1, "word")  # type: ignore[no-any-return]

    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(says, (service.confirm, service.dispute), ("ann", "bea")))
    assert sorted(str(refused(each)) for each in answers) in (["None", "released"], ["None", "wrong_state"])
    assert len([move for move, *_ in house.log() if move != "release"]) == 2
