"""The life of an instruction: the table's cells, one by one where money depends on them, and its laws."""

from datetime import date
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everycent.flow.payments.contract import (
    ANSWERS,
    UNRESOLVED,
    Booking,
    Came,
    Capabilities,
    InstructionState,
    Move,
    Said,
)
from everycent.flow.payments.core.following import Known, follow, transfers, turned_back
from everycent.flow.payments.core.moves import Standing, allowed_from, judge
from everycent.flow.payments.core.next_step import Step, after_denial, next_step, without_answer

ID = UUID(int=7)
DAY = date(2026, 3, 2)
WORDS = st.lists(st.sampled_from(list(Move)), max_size=40)


def stands(state: str, finding: str | None = None) -> Standing:
    paid = {"succeeded": Booking.PAID, "failed": Booking.BACK, "returned": Booking.BACK}
    return Standing(InstructionState(state), paid.get(state, Booking.IN_FLIGHT), finding)


def known(standing: Standing, direction: str = "pay", **more: object) -> dict[UUID, Known]:
    given = {"proposed_by": None, **more}
    return {ID: Known(ID, "market", "merchant:a", "shanghai", "CNY", direction, 500, "rest", standing, **given)}  # type: ignore[arg-type]


def say(move: str, cause: str = "c", who: str = "bank", amount: int | None = None, code: str | None = None) -> Said:
    return Said(ID, Move(move), cause, who, None, amount, code)


def life(*moves: str, start: str = "created") -> tuple[str, list[str]]:
    followed = follow(known(stands(start)), [say(move, f"{at}") for at, move in enumerate(moves)], DAY)
    last = followed.taken[-1]
    return f"{last.state}{'' if last.finding is None else ' ' + last.finding}", [
        str(one.came) for one in followed.taken
    ]


@pytest.mark.parametrize(
    ("said", "stands_at"),
    [
        ("begin accept pay", "succeeded"),
        ("begin pay accept", "succeeded"),  # reordered
        ("file accept pay return", "returned"),
        ("file return pay", "returned"),  # the return overtook the payment
        ("begin lose deny send_again pay", "succeeded"),
        ("begin lose lose pay pay", "succeeded"),
        ("begin lose park refuse", "failed"),  # a late answer still decides
        ("begin unsend begin refuse accept", "failed"),
        ("begin refuse pay", "parked pay_after_failed"),
        ("begin pay refuse", "parked refuse_after_succeeded"),
        ("begin accept deny", "parked deny_after_processing"),
        ("pay", "parked pay_after_created"),  # a database restored from a copy has forgotten what it sent
        ("begin refuse pay pay refuse judge_paid", "succeeded"),
        ("begin pay refuse judge_failed", "failed"),
        ("cancel", "failed"),
        ("begin cancel", "submitted"),
    ],
)
def test_a_life(said: str, stands_at: str) -> None:
    assert life(*said.split())[0] == stands_at


def test_what_did_not_reach_its_channel_is_released_still() -> None:
    said = [say("release", who="ben"), say("begin"), say("unsend")]
    followed = follow(known(stands("created")), said, DAY)
    assert followed.taken[-1].state == "approved" and followed.now[ID].sent_on is None


def test_who_asked_does_not_release_it() -> None:
    asked = known(stands("created"), proposed_by="anna")
    both = follow(asked, [say("release", who="anna"), say("release", who="ben")], DAY)
    assert [one.came for one in both.taken] == [Came.OWN_REQUEST, Came.MOVED]


def test_another_amount_is_a_contradiction_and_nothing_is_booked() -> None:
    for amount, code in ((499, "CNY"), (500, "USD")):
        followed = follow(known(stands("submitted")), [say("pay", amount=amount, code=code)], DAY)
        (taken,) = followed.taken
        assert (taken.came, taken.state, taken.finding) == (Came.CONTRADICTED, "parked", "other_amount")
        assert transfers(followed, known(stands("submitted")), DAY) == []
    same = follow(known(stands("submitted")), [say("pay", amount=500, code="CNY")], DAY)
    assert same.taken[0].state == "succeeded"


def test_what_contradicts_is_kept_once_however_often_it_comes() -> None:
    said = [say("pay", "a"), say("pay", "a"), say("pay", "b"), say("pay", "b")]
    followed = follow(known(stands("failed")), said, DAY)
    assert [str(one.came) for one in followed.taken] == ["contradicted", "repeated", "noted", "repeated"]
    assert [one.move_no for one in followed.moved] == [1, 2]


def test_nobody_knows_such_an_order() -> None:
    followed = follow({}, [say("pay")], DAY)
    assert [one.came for one in followed.taken] == [Came.UNKNOWN_ORDER] and not followed.now


@pytest.mark.parametrize(
    ("direction", "moves", "booked"),
    [
        ("pay", "pay", [("channel/rest", "bank/shanghai")]),
        ("pay", "refuse", [("channel/rest", "party/merchant:a")]),
        ("pay", "pay return", [("channel/rest", "bank/shanghai"), ("bank/shanghai", "party/merchant:a")]),
        ("pay", "return", [("channel/rest", "party/merchant:a")]),
        ("pay", "refuse pay judge_paid", [("channel/rest", "party/merchant:a"), ("party/merchant:a", "bank/shanghai")]),
        ("collect", "pay", [("bank/shanghai", "channel/rest")]),
        ("collect", "pay return", [("bank/shanghai", "channel/rest"), ("party/merchant:a", "bank/shanghai")]),
        ("collect", "refuse", [("party/merchant:a", "channel/rest")]),
    ],
)
def test_what_the_ledger_moves(direction: str, moves: str, booked: list[tuple[str, str]]) -> None:
    before = known(stands("processing"), direction)
    followed = follow(before, [say(move, f"{at}") for at, move in enumerate(moves.split())], DAY)
    results = transfers(followed, before, DAY)
    assert [(one.cells["debit_account"], one.cells["credit_account"]) for one in results] == booked
    assert len({one.cells["transfer_id"] for one in results}) == len(results)
    ends_back = booked[-1][1 if direction == "pay" else 0] == "party/merchant:a"
    assert turned_back(followed, before) == (([ID] if ends_back else []), [])


@given(WORDS)
def test_an_answer_again_changes_nothing_and_money_moves_only_on_answers(moves: list[Move]) -> None:
    at = stands("created")
    for move in moves:
        before = at
        at, came = judge(at, move)
        assert (at == before) == (came not in (Came.MOVED, Came.CONTRADICTED)) or move is Move.DECLINE
        if came is Came.CONTRADICTED:
            assert at.state == "parked" and at.finding not in (None, UNRESOLVED) and at.booking is before.booking
        if at.booking is not before.booking:
            assert move in (*ANSWERS, Move.CANCEL, Move.JUDGE_PAID, Move.JUDGE_FAILED, Move.JUDGE_RETURNED)
        again, came_again = judge(at, move)
        if move in ANSWERS:
            assert again == at and came_again not in (Came.MOVED, Came.CONTRADICTED), "a repeat changes nothing"


@given(WORDS)
def test_an_end_is_never_overwritten_by_an_answer(moves: list[Move]) -> None:
    """Once an answer ended it, a later one returns it, or parks it under a name; nothing else."""
    at = stands("created")
    for move in moves:
        before, (at, came) = at, judge(at, move)
        if before.state in ("succeeded", "failed", "returned") and move in ANSWERS:
            returned = (before.state, move) == ("succeeded", Move.RETURN)
            assert at == before or came is Came.CONTRADICTED or returned


@pytest.mark.parametrize("queryable", [False, True])
@pytest.mark.parametrize("idempotent", [False, True])
def test_nothing_is_sent_again_blindly(idempotent: bool, queryable: bool) -> None:
    channel = Capabilities(idempotent=idempotent, queryable=queryable)
    unknown = next_step(InstructionState.UNKNOWN, channel)
    assert unknown is (Step.ASK if queryable else Step.SEND_AGAIN if idempotent else Step.PARK)
    assert after_denial(channel) is (Step.SEND_AGAIN if idempotent else Step.PARK)
    senders = {state for state in InstructionState if next_step(state, channel) is Step.SEND}
    assert senders == {InstructionState.CREATED, InstructionState.APPROVED}
    assert allowed_from(Move.BEGIN) == ["created", "approved"] and allowed_from(Move.SEND_AGAIN) == ["unknown"]
    assert without_answer(Move.BEGIN) is Move.UNSEND and without_answer(Move.SEND_AGAIN) is Move.LOSE
