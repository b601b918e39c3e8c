"""Payments under everything that channels, networks and kills do: never paid twice, never lost, every end explained.

A machine in Hypothesis's hands: it closes statements, lets a worker work (and die), the channel work (and lie),
messages arrive (late, twice, in any order, or not), persons release, cancel and judge. The oracle is the channel's own
memory.
"""

import random
from typing import ClassVar

import pytest
from channel_simulator import ChannelSimulator
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from payment_house import House, Mortal, check, judge_by_truth

from everycent.flow.payments.contract import Capabilities, InstructionState, Move, Said
from everycent.flow.payments.submitting import ask, submit

STEPS = 100_000
PARTIES = ("a", "b", "c")
SEEDS = st.integers(0, 2**32)
_ENDS = (InstructionState.SUCCEEDED, InstructionState.FAILED, InstructionState.RETURNED)


class Fates:
    """Fate by a seed that Hypothesis draws for each stretch of steps."""

    def __init__(self) -> None:
        self.chance = random.Random(0)
        self.asked = 0

    def __call__(self, ways: int) -> int:
        self.asked += 1
        return self.chance.randrange(ways)

    def begin(self, seed: int) -> int:
        """Begins a stretch; how long it is."""
        self.chance = random.Random(seed)
        return self.chance.randrange(5, 40)


class Payments(RuleBasedStateMachine):
    """`idempotent`, `queryable`, `lies`: of the channel."""

    steps: ClassVar[int] = 0
    idempotent: ClassVar[bool]
    queryable: ClassVar[bool]
    lies: ClassVar[bool]

    @initialize(four_eyes=st.booleans(), tells_returns=st.booleans())
    def begin(self, four_eyes: bool, tells_returns: bool) -> None:
        self.fate = Fates()
        can = Capabilities(idempotent=self.idempotent, queryable=self.queryable, tells_returns=tells_returns)
        self.channel = ChannelSimulator(can, self.fate, lies=self.lies)
        self.house = House(four_eyes)

    @rule(amounts=st.lists(st.integers(1, 500), min_size=1, max_size=6))
    def close(self, amounts: list[int]) -> None:
        for at, amount in enumerate(amounts):
            self.house.owe(PARTIES[at % len(PARTIES)], amount)
        self.house.close()
        self.look()

    @rule(seed=SEEDS)
    def worker_submits(self, seed: int) -> None:
        self.fate.begin(seed)
        Mortal(self.house, self.channel, self.fate).run(submit)
        self.look()

    @rule(seed=SEEDS)
    def worker_asks(self, seed: int) -> None:
        self.fate.begin(seed)
        Mortal(self.house, self.channel, self.fate).run(ask)
        self.look()

    @rule(seed=SEEDS)
    def a_day_at_the_channel(self, seed: int) -> None:
        for _ in range(self.fate.begin(seed)):
            self.channel.work()
            said = self.channel.deliver()
            if said is not None:
                self.house.say(said)
        self.look()

    @rule(seed=SEEDS)
    def persons(self, seed: int) -> None:
        keys = list(self.house.known)
        for _ in range(min(self.fate.begin(seed), 2 * len(keys))):
            key, who = keys[self.fate(len(keys))], ("anna", "ben")[self.fate(2)]
            move = (Move.RELEASE, Move.RELEASE, Move.CANCEL, Move.PARK)[self.fate(4)]
            if self.house.known[key].standing.state is InstructionState.PARKED:
                judge_by_truth(self.house, self.channel, key)
            elif move is Move.RELEASE:
                self.house.say(Said(key, move, "by hand", who))
            elif self.fate(8) == 0:
                self.house.say(Said(key, move, "by hand", who, "a person"))
        self.look()

    @rule(seed=SEEDS)
    def a_busy_day(self, seed: int) -> None:
        """All at once: closings, workers, the channel, messages and persons, in any order."""
        chance = random.Random(seed)
        for _ in range(30):
            inner = chance.randrange(2**32)
            match chance.randrange(8):
                case 0:
                    self.close([chance.randint(1, 500)])
                case 1 | 2:
                    self.worker_submits(inner)
                case 3:
                    self.worker_asks(inner)
                case 4:
                    self.persons(inner)
                case _:
                    self.fate.begin(inner)
                    self.channel.work()
                    said = self.channel.deliver()
                    if said is not None:
                        self.house.say(said)
        self.look()

    def look(self) -> None:
        check(self.house, self.channel)

    def teardown(self) -> None:
        if not hasattr(self, "house"):
            return
        type(self).steps += self.fate.asked + self.house.steps
        settle(self.house, self.channel)


def settle(house: House, channel: ChannelSimulator) -> None:
    """The day ends well, and then everything is at its end, as it is in truth."""
    channel.calm()
    for _ in range(3):
        for key in house.known:
            for who in ("anna", "ben"):
                house.say(Said(key, Move.RELEASE, "by hand", who))
        Mortal(house, channel, channel.fate).run(submit)
        channel.calm()
        statement = channel.statement()
        for said in statement:
            house.say(said)
        for key, one in list(house.known.items()):
            if one.standing.state in (InstructionState.PROCESSING, InstructionState.UNKNOWN):
                house.say(Said(key, Move.PARK, "no answer", "anna", "three days without an answer"))
            if house.known[key].standing.state is InstructionState.PARKED:
                judge_by_truth(house, channel, key)
        house.close()
    check(house, channel)
    truly = channel.truly_paid()
    assert house.accounts["bank/shanghai"] == sum(house.known[key].amount_minor * n for key, n in truly.items())
    for key, one in house.known.items():
        if one.standing.state in _ENDS:
            assert house.history[key], "each end is explained"
            assert (one.standing.state is InstructionState.SUCCEEDED) == (truly[key] == 1)
        else:
            assert not channel.executions.get(key), f"forgotten: {one.standing.state}, {house.history[key]}"


def machine(idempotent: bool, queryable: bool, lies: bool) -> type[Payments]:
    return type(
        "PaymentsNow", (Payments,), {"idempotent": idempotent, "queryable": queryable, "lies": lies, "steps": 0}
    )


def run(made: type[Payments], examples: int) -> int:
    """Runs it; how many steps were made."""
    how = settings(
        max_examples=examples, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
    )
    run_state_machine_as_test(made, settings=how)
    return made.steps


@pytest.mark.parametrize("lies", [False, True], ids=["honest", "lying"])
@pytest.mark.parametrize("queryable", [False, True], ids=["mute", "queryable"])
@pytest.mark.parametrize("idempotent", [False, True], ids=["sends twice", "idempotent"])
def test_money_is_never_paid_twice_and_never_lost(idempotent: bool, queryable: bool, lies: bool) -> None:
    made = run(machine(idempotent, queryable, lies), 20)
    print(f"{made:,} steps")
    assert made >= STEPS / 8, f"{made:,} steps: too few"
