"""The life of requests on a real PostgreSQL."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from everycent.base.platform.database import connect
from everycent.flow.approvals import service
from everycent.flow.approvals.contract import (
    Answer,
    Delegation,
    LevelSpec,
    Outcome,
    Refusal,
    Request,
    RequestState,
    Subject,
    Verdict,
)

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
DAY = timedelta(days=1)
S1 = Subject("statement", "s-1", "d1", 20_000_00, "CNY", "ann")
BOTH = [LevelSpec(by="operations", within=DAY), LevelSpec(by="finance", above="10000")]


class Desk:
    """Approvals of a shop whose operations are ann, bob and cid, and whose finance is dora."""

    def __init__(self, database: Any) -> None:
        self.database, self.where = database, (database.connection, "t", "shop")
        for group, name in (("operations", "ann"), ("operations", "bob"), ("operations", "cid"), ("finance", "dora")):
            service.set_member(database.connection, "t", group, name, "chief", NOON, is_in=True)

    def ask(self, *subjects: Subject, levels: Sequence[LevelSpec] = BOTH) -> list[Request]:
        return service.ask(*self.where, subjects or (S1,), levels, NOON)

    def say(
        self, request: Request, by: str, *, yes: bool = True, why: str | None = None, now: datetime = NOON
    ) -> Answer:
        verdict = Verdict(by, yes, why, request.subject.digest)
        return service.decide(*self.where, request.request_id, verdict, now)

    def state(self, request: Request) -> RequestState:
        (found,) = service.requests(*self.where, ids=[request.request_id])
        return found.state


@pytest.fixture
def desk(database: Any) -> Desk:
    return Desk(database)


def test_each_level_says_yes_in_its_turn(desk: Desk) -> None:
    (request,) = desk.ask()
    assert desk.say(request, "dora").refusal is Refusal.NOT_IN_GROUP
    assert desk.say(request, " Ann").refusal is Refusal.OWN_REQUEST
    assert desk.say(request, "BOB", now=NOON + DAY).outcome is Outcome.DONE
    assert desk.state(request) is RequestState.PENDING
    answer = desk.say(request, "dora", now=NOON + 9 * DAY)
    assert answer.request is not None and answer.request.state is desk.state(request) is RequestState.APPROVED
    assert [(one.level, one.by) for one in answer.request.decisions] == [(1, "bob"), (2, "dora")]
    assert desk.say(request, "cid").refusal is Refusal.ALREADY_DECIDED
    assert desk.say(request, "bob").outcome is Outcome.UNCHANGED


def test_the_same_content_is_one_request_and_other_content_another(desk: Desk) -> None:
    (request,) = desk.ask()
    desk.say(request, "bob")
    again, changed = desk.ask(S1, replace(S1, digest="d2"))
    assert (again.request_id, [one.by for one in again.decisions]) == (request.request_id, ["bob"])
    assert changed.request_id != request.request_id and changed.decisions == ()


def test_a_small_amount_needs_fewer_levels_or_none(desk: Desk) -> None:
    small = replace(S1, amount_minor=10_000_00)
    (request,) = desk.ask(small)
    desk.say(request, "bob")
    assert desk.state(request) is RequestState.APPROVED
    (free,) = desk.ask(replace(S1, subject_id="s-2", amount_minor=1), levels=[LevelSpec(by="finance", above="10000")])
    assert (free.state, free.levels) == (RequestState.APPROVED, ())


def test_content_that_changed_is_not_approved(desk: Desk) -> None:
    (request,) = desk.ask()
    for digest in ("d2", None):
        answer = service.decide(*desk.where, request.request_id, Verdict("bob", True, None, digest), NOON)
        assert answer.refusal is Refusal.CONTENT_CHANGED
    assert desk.state(request) is RequestState.PENDING


def test_a_no_with_a_reason_ends_it(desk: Desk) -> None:
    (request,) = desk.ask()
    assert desk.say(request, "bob", yes=False, why=" ").refusal is Refusal.REASON_MISSING
    assert desk.say(request, "bob", yes=False, why="the fee is wrong").outcome is Outcome.DONE
    assert desk.state(request) is RequestState.REFUSED
    assert desk.say(request, "cid").refusal is Refusal.ALREADY_DECIDED


def test_its_requester_alone_takes_it_back(desk: Desk) -> None:
    (request,) = desk.ask()
    named = (*desk.where, request.request_id)
    assert service.withdraw(*named, "bob", NOON).refusal is Refusal.NOT_REQUESTER
    assert [service.withdraw(*named, "ann", NOON).outcome for _ in range(2)] == [Outcome.DONE, Outcome.UNCHANGED]
    assert desk.say(request, "bob").refusal is Refusal.ALREADY_DECIDED
    (other,) = desk.ask(replace(S1, digest="d2"))
    desk.say(other, "bob")
    desk.say(other, "dora")
    assert service.withdraw(*desk.where, other.request_id, "ann", NOON).refusal is Refusal.ALREADY_DECIDED


def test_what_nobody_decided_in_time_is_over(desk: Desk) -> None:
    patient = [LevelSpec(by="operations", within=DAY, then="escalate"), LevelSpec(by="finance", above="90000")]
    (over,), (goes_up,) = desk.ask(), desk.ask(replace(S1, subject_id="s-2"), levels=patient)
    assert service.expire(*desk.where, "statement", NOON + DAY) == []
    late = NOON + DAY + timedelta(seconds=1)
    assert desk.say(over, "bob", now=late).refusal is Refusal.TIMED_OUT, "before anybody wrote it down"
    assert [one.request_id for one in service.expire(*desk.where, "statement", late)] == [over.request_id]
    assert service.expire(*desk.where, "statement", late) == []
    assert (desk.state(over), desk.state(goes_up)) == (RequestState.EXPIRED, RequestState.PENDING)
    assert desk.say(goes_up, "dora", now=late).outcome is Outcome.DONE
    assert desk.state(goes_up) is RequestState.APPROVED


def test_a_voice_is_lent_for_some_days(desk: Desk) -> None:
    connection = desk.database.connection
    lent = Delegation("Bob", "eve", (), date(2026, 3, 2), date(2026, 3, 3))
    assert service.delegate(connection, "t", lent, "eve", NOON).refusal is Refusal.NOT_ONES_OWN
    assert [service.delegate(connection, "t", lent, "bob", NOON).outcome for _ in range(2)] == ["done", "unchanged"]
    back = Delegation("eve", "bob", ("statement",), date(2026, 3, 3), date(2026, 3, 9))
    assert service.delegate(connection, "t", back, "eve", NOON).refusal is Refusal.DELEGATION_CYCLE
    (request,) = desk.ask(levels=[LevelSpec(by="operations"), LevelSpec(by="operations")])
    assert desk.say(request, "eve", now=NOON + 2 * DAY).refusal is Refusal.DELEGATION_EXPIRED
    answer = desk.say(request, "eve")
    assert answer.request is not None and answer.request.decisions[0].on_behalf_of == "bob"
    assert desk.say(request, "bob").refusal is Refusal.DECIDED_TWICE, "his voice has spoken"
    assert desk.say(request, "cid").outcome is Outcome.DONE


def test_nobody_joins_alone_and_who_left_may_not(desk: Desk) -> None:
    connection = desk.database.connection
    joins = service.set_member(connection, "t", "finance", "bob", "Bob", NOON, is_in=True)
    assert joins.refusal is Refusal.OWN_MEMBERSHIP
    (request,) = desk.ask()
    service.set_member(connection, "t", "operations", "bob", "chief", NOON, is_in=False)
    assert desk.say(request, "bob").refusal is Refusal.NOT_IN_GROUP
    assert service.members_by_group(connection, "t") == {"finance": ["dora"], "operations": ["ann", "cid"]}
    service.set_member(connection, "t", "operations", "bob", "chief", NOON + DAY, is_in=True)
    assert desk.say(request, "bob").outcome is Outcome.DONE


def test_each_sees_what_waits_for_them(desk: Desk) -> None:
    (first, second) = desk.ask(S1, replace(S1, subject_id="s-2", requested_by="bob"))
    seen = {by: {each.subject.subject_id for each, _ in service.waiting(*desk.where, NOON, by=by)} for by in
            ("ann", "bob", "cid", "dora")}  # fmt: skip
    assert seen == {"ann": {"s-2"}, "bob": {"s-1"}, "cid": {"s-1", "s-2"}, "dora": set()}
    desk.say(first, "bob")
    assert [at.level for each, at in service.waiting(*desk.where, NOON, by="dora")] == [2]
    assert len(service.waiting(*desk.where, NOON)) == 2
    service.drop(*desk.where, [first.request_id, second.request_id], NOON)
    assert service.waiting(*desk.where, NOON) == [] and desk.state(second) is RequestState.WITHDRAWN


@pytest.mark.parametrize("name", ["", "  ", "everycent", "a\nb\x00"])
def test_who_is_nobody_decides_nothing(desk: Desk, name: str) -> None:
    (request,) = desk.ask()
    assert desk.say(request, name).refusal is Refusal.UNNAMED


def test_a_request_that_is_not_there_is_refused(desk: Desk) -> None:
    (request,) = desk.ask()
    other = replace(request, request_id=replace(S1, digest="x") and request.request_id.__class__(int=7))
    assert desk.say(other, "bob").refusal is Refusal.UNKNOWN_REQUEST
    assert service.withdraw(*desk.where, other.request_id, "ann", NOON).refusal is Refusal.UNKNOWN_REQUEST


def test_of_two_who_decide_at_the_same_moment_one_does(desk: Desk) -> None:
    requests = desk.ask(*(replace(S1, subject_id=f"s-{n}", amount_minor=1) for n in range(8)))

    def says(by: str, yes: bool) -> list[Answer]:
        with connect(desk.database.settings) as own:
            said = [Verdict(by, yes, "seen", "d1") for _ in requests]
            return [
                service.decide(own, "t", "shop", request.request_id, verdict, NOON)
                for request, verdict in zip(requests, said, strict=True)
            ]

    with ThreadPoolExecutor(2) as pool:
        for one, other in zip(*pool.map(says, ("bob", "cid"), (True, False)), strict=True):
            assert sorted((one.outcome, other.outcome)) == [Outcome.DONE, Outcome.REFUSED]
            first, second = (one, other) if one.outcome is Outcome.DONE else (other, one)
            assert second.refusal is Refusal.ALREADY_DECIDED and first.request is not None
            assert desk.state(first.request) is (RequestState.APPROVED if first is one else RequestState.REFUSED)
