"""The life of a statement: laws over any sequence of moves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everycent.flow.settlement.contract import Refusal, Refused, StatementState
from everycent.flow.settlement.core.moves import MOVES, OF_RELEASED, Life, Move, moved

S = StatementState
lives = st.builds(Life, st.sampled_from(S), st.booleans(), st.booleans(), st.booleans())


@given(st.booleans(), st.booleans(), st.lists(st.sampled_from(Move), max_size=14))
def test_what_is_released_has_had_all_that_it_waited_for_in_this_round(
    confirms: bool, approves: bool, wanted: list[Move]
) -> None:
    life, said = Life(S.OPEN, confirms, approves), set[Move]()
    for move in wanted:
        after = moved(life, move)
        if isinstance(after, Refused):
            assert after.message
            continue
        said = {move} if move is Move.RESOLVE else said | {move}
        parked = move is Move.PARK or (life.parked and move is not Move.UNPARK)
        life = Life(after, confirms, approves, life.released or move is Move.RELEASE, parked)
    if life.released:
        assert not confirms or Move.CONFIRM in said
        assert not approves or Move.APPROVE in said
        assert not {Move.DISPUTE, Move.DECLINE} & said, "a dispute is resolved before anything is paid"


@given(lives)
def test_one_move_goes_on_where_all_goes_well(life: Life) -> None:
    if life.released:
        assert all(isinstance(moved(life, move), Refused) for move in Move if move not in OF_RELEASED)
    elif (life.state is S.CONFIRMED and not life.confirms) or (life.state is S.APPROVED and not life.approves):
        return  # nobody gets there
    else:
        assert not isinstance(moved(life, life.waits_for), Refused)


@given(lives, st.sampled_from(Move))
def test_a_move_leads_where_the_table_says_or_nowhere(life: Life, move: Move) -> None:
    after = moved(life, move)
    assert isinstance(after, Refused) or after is MOVES[move][life.state]


@pytest.mark.parametrize(
    ("life", "move", "refusal"),
    [
        (Life(S.CLOSED, confirms=True, released=True), Move.DISPUTE, Refusal.RELEASED),
        (Life(S.OPEN, confirms=True), Move.CONFIRM, Refusal.WRONG_STATE),
        (Life(S.CLOSED, approves=True), Move.CONFIRM, Refusal.NOT_ASKED),
        (Life(S.CLOSED, confirms=True), Move.APPROVE, Refusal.NOT_ASKED),
        (Life(S.CLOSED, confirms=True, approves=True), Move.APPROVE, Refusal.NOT_CONFIRMED),
        (Life(S.CONFIRMED, confirms=True, approves=True), Move.RELEASE, Refusal.WRONG_STATE),
        (Life(S.CLOSED), Move.CLOSE, Refusal.WRONG_STATE),
        (Life(S.CLOSED), Move.PARK, Refusal.NOT_RELEASED),
        (Life(S.CLOSED, released=True, parked=True), Move.PARK, Refusal.PARKED),
        (Life(S.CLOSED, released=True, settled=True), Move.PARK, Refusal.SETTLED),
        (Life(S.CLOSED, released=True), Move.UNPARK, Refusal.NOT_PARKED),
    ],
)
def test_each_rule_has_its_refusal(life: Life, move: Move, refusal: Refusal) -> None:
    said = moved(life, move)
    assert isinstance(said, Refused) and said.refusal is refusal
