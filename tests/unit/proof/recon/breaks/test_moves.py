"""The life of a break as a machine: whatever happens in whatever order, state and history say the same."""

from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from everycent.proof.recon.breaks import desk as at
from everycent.proof.recon.breaks.alerting import write_alerts
from everycent.proof.recon.breaks.faults import KINDS
from everycent.proof.recon.breaks.standing import Chosen, find
from everycent.proof.recon.breaks.words import Words, written
from everycent.proof.recon.contract import CAUSES
from everycent.proof.recon.core.moves import BY_HAND, DECIDED, MOVES, Move, NotAllowed, Reason, State, moved
from everycent.proof.recon.cures import RepairEnd
from everycent.proof.recon.handling import HandlingSpec

from .conftest import MORNING, Desk, side
from .test_repairing import Told, go

WORDS = {
    "recheck": {"after": "30 minutes", "times": 2},
    "repair": [{"name": "cure", "handler": "told", "attempts": 3, "most": 9}],
    "alert": {"to": [{"log": "warning"}], "most_per_hour": 1000},
    "write_off": {"approve_above": "0.01", "limit": "5.00"},
}


def test_every_state_can_be_reached_and_left() -> None:
    reached = {State.WAITING, State.CONFIRMED} | {after for steps in MOVES.values() for after in steps.values()}
    assert reached == set(State)
    for state in State:
        assert any(steps.get(state, state) != state for steps in MOVES.values()), f"{state} is never left"


def test_what_is_not_in_the_table_is_refused_by_name() -> None:
    refused = moved(State.CLOSED, Move.ASSIGN)
    assert isinstance(refused, NotAllowed) and str(refused).startswith("it is closed; assign is allowed from waiting")
    assert moved(State.CLOSED, Move.REOPEN) == State.IN_HAND


def test_words_are_read_back_as_they_were_written() -> None:
    spec = HandlingSpec.model_validate(WORDS)
    assert HandlingSpec.model_validate(written(spec)) == spec
    assert spec.waits == timedelta(minutes=30)


def test_each_kind_and_cause_is_on_the_page_of_kinds(pytestconfig: pytest.Config) -> None:
    page = (pytestconfig.rootpath / "docs" / "reference-break-kinds.md").read_text(encoding="utf-8")
    kinds, causes = page.split("## Causes")
    for kind in KINDS:
        assert f"| `{kind}` |" in kinds, f"{kind}: say what it means and what to do"
    for cause, text in CAUSES.items():
        assert f"| `{cause}` | {text.en} | {text.zh} |" in causes, f"{cause}: say what it means and what to do"


class Life(RuleBasedStateMachine):
    """One key; the oracle is the table of moves, and what each step may make of a state."""

    desk: ClassVar[Desk]
    letter: ClassVar[Path]

    def __init__(self) -> None:
        super().__init__()
        self.desk.sql("TRUNCATE recon.run, recon.alert CASCADE")
        self.desk.now, self.runs = MORNING, 0
        self.run(differs=True)

    def found(self) -> Any:
        (one,) = find(self.desk.connection, "default", Chosen(states=tuple(State)), self.desk.now)
        return one

    def sits(self, who: str) -> at.Desk:
        return at.Desk(self.desk.connection, "default", who, self.desk.now)

    @rule(differs=st.booleans())
    def run(self, differs: bool) -> None:
        self.runs += 1
        before = self.found() if self.runs > 1 else None
        self.desk.run(side("l", A=105, Z=self.runs), side("r", A=100 if differs else 105, Z=self.runs))
        after = self.found()
        if not differs:
            assert after.state == "closed"
        elif before is not None and before.state == "closed" and before.reason not in DECIDED:
            assert after.state == "waiting"

    @rule(minutes=st.sampled_from([10, 30]))
    def wait(self, minutes: int) -> None:
        self.desk.later(minutes=minutes)

    @rule(end=st.sampled_from(RepairEnd))
    def repair(self, end: RepairEnd) -> None:
        before, told = self.found().state, Told([end])
        go(self.desk, told)
        assert not told.made or before in ("confirmed", "alerted")

    @rule()
    def alert(self) -> None:
        write_alerts(self.desk.connection, "default", "shop", Words("bill", "CNY", self.desk.words), self.desk.now)
        assert self.found().state != "confirmed"

    @rule(repaired=st.booleans())
    def settle(self, repaired: bool) -> None:
        before = self.found()
        done = at.settle(self.sits("ann"), [before], None, repaired=repaired)
        assert bool(done.moved) == (before.state == "in_doubt")
        if done.moved:
            assert self.found().state == ("repaired" if repaired else "confirmed")
        else:
            assert done.refused[0][1] == f"it is {before.state}; only what is in_doubt is settled"

    @rule()
    def approve_what_oneself_asked_for(self) -> None:
        before = self.found()
        ((_, why),) = at.approve(self.sits("ann"), [before]).refused
        if before.state == "to_approve":
            assert why == "ann asked for it; a second person must approve"
        assert self.found() == before

    @rule(differs_minor=st.sampled_from([5, 501]))
    def write_off_within_limits(self, differs_minor: int) -> None:
        """With another difference it is another decision: what is above the limit is refused, whatever its state."""
        self.runs += 1
        self.desk.run(side("l", A=100 + differs_minor, Z=self.runs), side("r", A=100, Z=self.runs))
        before = self.found()
        done = at.write_off(self.sits("ann"), [before], None)
        if differs_minor == 501:
            assert done.refused[0][1] == "its difference of 5.01 CNY is above the limit of 5.00 CNY"
            assert self.found() == before

    @rule(move=st.sampled_from(["assign", "comment", "attach", "write_off", "approve", "decline", "close", "reopen"]))
    def person(self, move: str) -> None:
        before = self.found()
        who, meant = self.sits("bob" if move in ("approve", "decline") else "ann"), [before]
        if move == "write_off" and abs(before.difference_minor) > 500:
            return
        if move == "approve" and before.state == "to_approve" and self.asked_minor() != before.difference_minor:
            return
        done = {
            "assign": lambda: at.assign(who, meant, "cy"),
            "comment": lambda: at.comment(who, meant, "hm"),
            "attach": lambda: at.attach(who, meant, self.letter),
            "write_off": lambda: at.write_off(who, meant, None),
            "approve": lambda: at.approve(who, meant),
            "decline": lambda: at.decline(who, meant, None),
            "close": lambda: at.close(who, meant, Reason.HANDLED, None),
            "reopen": lambda: at.reopen(who, meant, None),
        }[move]()
        made = Move.ASK_WRITE_OFF if move == "write_off" else Move(move)
        allowed = before.state in MOVES[made]
        assert bool(done.moved) == (allowed and not done.unchanged)
        assert bool(done.refused) == (not allowed and not done.unchanged)

    def asked_minor(self) -> int:
        """What a second person was last asked to agree to."""
        ((asked,),) = self.desk.sql(
            "SELECT (detail ->> 'difference_minor')::bigint FROM recon.move WHERE move = 'ask_write_off'"
            " ORDER BY move_no DESC LIMIT 1"
        )
        return int(asked)

    @invariant()
    def history_leads_to_the_state(self) -> None:
        steps = self.desk.sql("SELECT move, from_state, to_state FROM recon.move ORDER BY move_no")
        assert steps[0] == ("find", None, "waiting")
        for (_, _, before), (move, start, end) in pairwise(steps):
            assert start == before and MOVES[Move(move)][State(start)] == end
        assert steps[-1][2] == self.found().state


def test_a_life_of_any_order_is_told_by_its_history(desk: Desk, tmp_path: Path) -> None:
    desk.words = HandlingSpec.model_validate(WORDS)
    Life.desk, Life.letter = desk, tmp_path / "letter.txt"
    Life.letter.write_text("seen")
    quick = settings(max_examples=5, stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(Life, settings=quick)
    assert set(BY_HAND) < set(Reason)
