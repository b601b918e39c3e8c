"""Where a request stands, and who may decide it: laws over any people, levels, voices and times."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from everycent.flow.approvals.contract import (
    Decision,
    Delegation,
    Level,
    Refusal,
    Request,
    RequestState,
    Standing,
    Subject,
    Verdict,
)
from everycent.flow.approvals.core.deciding import Refused, judge
from everycent.flow.approvals.core.lending import refused_delegation
from everycent.flow.approvals.core.standing import standing, standing_of

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
DAY = timedelta(days=1)
PEOPLE = ("ann", "bob", "cid", "dora", "eve")
GROUPS = ("operations", "finance")

people = st.sampled_from(PEOPLE)
groups = st.sampled_from(GROUPS)
levels = st.lists(
    st.builds(Level, groups, st.none() | st.integers(1, 5).map(lambda days: days * 86_400), st.none() | groups),
    min_size=1,
    max_size=3,
)
members = st.fixed_dictionaries({group: st.frozensets(people) for group in GROUPS})
march = st.dates(date(2026, 3, 1), date(2026, 3, 9))
delegations = st.lists(
    st.builds(Delegation, people, people, st.sampled_from([(), ("statement",), ("payment",)]), march, march),
    max_size=6,
)
words = st.lists(
    st.tuples(
        people, st.sampled_from([True, True, True, False]), st.integers(0, 50), st.sampled_from(["d1"] * 9 + ["d2"])
    ),
    max_size=8,
)


def asked(*needed: Level, by: str = "ann") -> Request:
    subject = Subject("statement", "s-1", "d1", 100_00, "CNY", by)
    return Request(UUID(int=1), subject, needed, RequestState.PENDING, NOON)


def after(request: Request, decision: Decision) -> Request:
    decisions = (*request.decisions, decision)
    state = standing_of(request.levels, decisions, NOON, decision.at).state
    return Request(request.request_id, request.subject, request.levels, state, NOON, decisions)


@given(levels, members, delegations, words, people)
def test_what_is_approved_was_approved_by_as_many_others_as_there_are_levels(
    needed: list[Level],
    who: dict[str, frozenset[str]],
    lent: list[Delegation],
    said: list[tuple[str, bool, int, str]],
    requester: str,
) -> None:
    request, now = asked(*needed, by=requester), NOON
    for by, yes, hours, digest in said:
        now += timedelta(hours=hours)
        mine = [each for each in lent if each.lent_to == by]
        before = request
        decided = judge(before, Verdict(by, yes, "seen", digest), who, mine, now)
        if isinstance(decided, Refused):
            assert decided.message, "a refusal says what would be right"
            continue
        assert (before.state, digest) == (RequestState.PENDING, "d1")
        assert standing(before, now).state is RequestState.PENDING, "nothing is decided after its time"
        voice = decided.on_behalf_of or by
        assert any(voice in who[group] for group in standing(before, now).groups)
        request = after(before, decided)
    voices = [name for decision in request.decisions for name in decision.people]
    assert len(voices) == len(set(voices)), "no voice counts twice"
    assert requester not in voices, "nobody approves what one asked for"
    if request.state is RequestState.APPROVED:
        assert [decision.level for decision in request.decisions] == [*range(1, len(needed) + 1)]
        assert all(decision.yes for decision in request.decisions)
    if request.state is RequestState.REFUSED:
        assert [decision.yes for decision in request.decisions][-1] is False


@given(levels, st.integers(0, 400), st.integers(0, 400))
def test_time_alone_only_escalates_or_ends(needed: list[Level], one: int, other: int) -> None:
    sooner, later = (standing(asked(*needed), NOON + timedelta(hours=hours)) for hours in sorted((one, other)))
    assert later.state in (RequestState.PENDING, RequestState.EXPIRED)
    if sooner.state is RequestState.EXPIRED:
        assert later.state is RequestState.EXPIRED
    elif later.state is RequestState.PENDING:
        assert later.level == sooner.level == 1
        assert {*sooner.groups} <= {*later.groups}


def test_a_level_waits_from_when_it_is_asked() -> None:
    request = asked(Level("operations", 86_400), Level("finance", 86_400, "operations"))
    assert standing(request, NOON + DAY) == Standing(RequestState.PENDING, 1, ("operations",), NOON + DAY)
    assert standing(request, NOON + DAY * 1.01).state is RequestState.EXPIRED
    request = after(request, Decision(1, "bob", None, True, None, NOON + DAY))
    assert standing(request, NOON + 2 * DAY) == Standing(RequestState.PENDING, 2, ("finance",), NOON + 2 * DAY)
    assert standing(request, NOON + 3 * DAY) == Standing(RequestState.PENDING, 2, ("finance", "operations"), None)


def test_each_rule_has_its_refusal() -> None:
    who = {"operations": frozenset({"ann", "bob", "cid"}), "finance": frozenset({"bob", "dora"})}
    lent = Delegation("cid", "eve", ("statement",), date(2026, 3, 1), date(2026, 3, 2))
    request = asked(Level("operations", 86_400), Level("finance"))

    def refusal(of: Request, by: str, *, hours: int = 0, yes: bool = True, digest: str | None = "d1") -> object:
        said = judge(
            of, Verdict(by, yes, None, digest), who, [lent] if by == "eve" else [], NOON + timedelta(hours=hours)
        )
        return said.refusal if isinstance(said, Refused) else said

    assert refusal(request, "ann") is Refusal.OWN_REQUEST
    assert refusal(request, "dora") is Refusal.NOT_IN_GROUP
    assert refusal(request, "bob", digest=None) is Refusal.CONTENT_CHANGED
    assert refusal(request, "bob", yes=False) is Refusal.REASON_MISSING
    assert refusal(request, "bob", hours=25) is Refusal.TIMED_OUT
    assert refusal(request, "eve", hours=23) is Refusal.DELEGATION_EXPIRED
    assert refusal(request, "eve") == Decision(1, "eve", "cid", True, None, NOON)
    second = after(request, Decision(1, "bob", None, True, None, NOON))
    assert refusal(second, "bob") is Refusal.DECIDED_TWICE
    done = after(second, Decision(2, "dora", None, True, None, NOON))
    assert refusal(done, "cid") is Refusal.ALREADY_DECIDED


def test_a_voice_that_the_requester_lent_is_the_requesters() -> None:
    who = {"operations": frozenset({"ann"})}
    lent = Delegation("ann", "bob", (), date(2026, 3, 1), date(2026, 3, 9))
    said = judge(asked(Level("operations")), Verdict("bob", True, None, "d1"), who, [lent], NOON)
    assert isinstance(said, Refused) and said.refusal is Refusal.OWN_REQUEST


@given(people, people, people, march, march, st.lists(st.builds(Delegation, people, people, st.just(()), march, march)))
def test_nobody_lends_to_who_lends_back_at_that_time(
    by: str, to: str, giver: str, first: date, last: date, known: list[Delegation]
) -> None:
    lent = Delegation(by, to, (), first, last)
    refused = refused_delegation(lent, giver, known)
    if refused is None:
        assert giver == by != to and first <= last
        back = [each for each in known if (each.lent_by, each.lent_to) == (to, by)]
        assert not any(each.covers("statement", day) and lent.covers("statement", day) for each in back
                       for day in (each.valid_from, first))  # fmt: skip
