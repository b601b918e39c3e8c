"""Statements, approvals and payments under everything that people, channels, networks and kills do.

Never paid twice, never lost, every end explained. A machine in Hypothesis's hands: it books and cuts days; people
confirm, dispute, approve, refuse, hold back and lend their voices, give and accept invoices, ask for fines and deposits
and give these back; balances below 0 and small sums are carried, parts are held back and released; a worker works (and
dies), the channel works (and lies), messages and the bank's files arrive (late, twice, in any order, cut off, or not).
The oracle is what was booked, and the channel's own memory.
The machine runs in memory, on the real cores, and on a real PostgreSQL, by the contexts' services.
"""

import random
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import pytest
from channel_simulator import ChannelSimulator
from database_house import DatabaseHouse
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from memory_house import MemoryHouse
from money_house import PARTIES, Asks, Office
from money_oracle import Owed, check, check_end
from money_people import all_is_done, at_the_wallet, on_its_books, somebody
from small_books import NOON, Books

from everycent.base.engine.local import LocalEngine
from everycent.flow.payments.contract import Capabilities
from everycent.flow.payments.submitting import ask, submit
from everycent.proof.verify import service as verifying
from everycent.proof.verify.core import (
    approvals,
    invoices,
    ledger,
    lines,
    lives,
    non_order,
    payments,
    profit_sharing,
    statements,
)

STEPS, STEPS_ON_POSTGRES = 100_000, 1_500
ROUNDS = 8
#: Obligations stand here without the records and parties that they come from, and no version of a model is kept: other
#: rules have something to say.
_OF_OTHERS = {statements.PARTY_KNOWN.name, statements.STATEMENT_NAMED.name, invoices.RATED.name}
_PROVING = (approvals, invoices, ledger, lines, lives, non_order, payments, profit_sharing, statements)
PROVEN = tuple(rule for rules in _PROVING for rule in rules.RULES if rule.name not in _OF_OTHERS)
SEEDS = st.integers(0, 2**32)
#: What must have happened, or the machine shows less than it says.
ALWAYS = (
    "refund after payout: booked", "close: done", "confirm: done", "dispute: done", "resolve: done",
    "dispute: released", "park: done", "unpark: done", "yes: done", "yes: own_request", "yes: not_in_group",
    "yes: decided_twice", "no: done", "a lent voice: used", "withdraw: done", "withdraw: not_requester",
    "decline: by the house",
    "instruct: pay", "instruct: collect", "pay: moved", "pay: repeated", "refuse: moved", "return: moved",
    "accept: overtaken", "cancel: moved", "worker: killed",
    "close: carried", "reserve: held", "reserve: released", "end: below the minimum",
    "fine: booked", "end: a fine that was declined",
    "deposit: booked", "deposit: unchanged", "deposit_back: booked", "deposit_back: above_paid_in",
    "deposit_used: booked", "fine: other_content", "receive: done", "receive: other_total",
    "issue: done", "confirm an invoice: done", "void: done",
    "read: moved", "read: unchanged", "read: refused",
    "share: sent", "share: repeated", "share: unknown", "share: refused", "share: killed", "share: taken back",
    "end: shared with a party", "end: shared with others", "end: given back", "end: a share is taken off",
)  # fmt: skip
UNRESOLVED = ("park: moved", "judge_failed: moved")
LIES = ("pay: contradicted", "refuse: contradicted", "judge_paid: moved")
#: In many steps.
RARELY = ("receive: number_taken", "void: reason_missing")
#: In the few steps that there is time for at each change.
ON_POSTGRES = (
    "refund after payout: booked", "return: moved", "resolve: done", "park: done",
    "unpark: done", "yes: done", "park: moved", "worker: killed",
    "reserve: held", "reserve: released", "fine: booked", "deposit: booked", "receive: done",
    "issue: done", "read: moved", "read: unchanged",
    "share: sent", "share: repeated", "end: a share is taken off",
)  # fmt: skip


def _asked(seed: int) -> Asks:
    """What a house asks for: each with the same chance."""
    chance = random.Random(seed)
    return Asks(*(chance.random() < 0.5 for _ in fields(Asks)))


class Kind(NamedTuple):
    """Of a channel: it takes a key once; it can be asked; it may say what is not true."""

    idempotent: bool
    queryable: bool
    lies: bool


class Fates:
    """Fate by a seed that Hypothesis draws for each stretch of steps, another one in each round."""

    def __init__(self, number: int) -> None:
        self.chance, self._beyond = random.Random(0), number << 40

    def __call__(self, ways: int) -> int:
        return self.chance.randrange(ways)

    def begin(self, seed: int) -> int:
        """Begins a stretch; how long it is."""
        self.chance = random.Random(seed + self._beyond)
        return self.chance.randrange(5, 40)


class Money(RuleBasedStateMachine):
    """`kinds`: of channels. `house_of`: begins a house; `left`: what is looked at when it is given up. `number`: of the
    round."""

    number: ClassVar[int]
    steps: ClassVar[int]
    happened: ClassVar[Counter[str]]
    kinds: ClassVar[Sequence[Kind]]
    house_of: ClassVar[Callable[[Asks, ChannelSimulator], Office]]
    left: ClassVar[Callable[[Office], None]]

    @initialize(asks=SEEDS.map(_asked), kind=st.integers(0, 7), tells_returns=st.integers(0, 3))
    def begin(self, asks: Asks, kind: int, tells_returns: int) -> None:
        self.fate = Fates(type(self).number)
        idempotent, queryable, lies = self.kinds[kind % len(self.kinds)]
        can = Capabilities(idempotent=idempotent, queryable=queryable, tells_returns=tells_returns > 0)
        self.channel = ChannelSimulator(can, self.fate, lies=lies)
        self.house = type(self).house_of(asks, self.channel)
        self.owed = Owed(asks)
        self.folder = tempfile.TemporaryDirectory(prefix="everycent-bank-")
        self.file = Path(self.folder.name) / "bank.xml"

    @rule(amounts=st.lists(st.integers(-300, 500).filter(bool), min_size=1, max_size=6))
    def book(self, amounts: list[int]) -> None:
        self._book([(PARTIES[at % len(PARTIES)], amount) for at, amount in enumerate(amounts)])

    def _book(self, owed: list[tuple[str, int]]) -> None:
        if not owed:
            return
        self.house.book(owed)
        paid = self.channel.truly_paid()
        for party, amount in owed:
            self.owed.book(party, amount)
            if amount < 0 and any(paid[key] for key, one in self.house.instructions().items() if one.party_id == party):
                self.house.did("refund after payout", "booked")

    @rule(dies=st.booleans())
    def cut_the_day(self, dies: bool) -> None:
        """`dies`: the run ends between its two transactions."""
        self._close()
        if not dies:
            self.house.instruct()
        self.look()

    def _close(self) -> None:
        self.owed.close(self.house.today)
        self.house.close()

    @rule()
    def run_again(self) -> None:
        self.house.instruct()
        self.look()

    @rule(seed=SEEDS)
    def worker_submits(self, seed: int) -> None:
        self.fate.begin(seed)
        self.house.work(submit, self.fate)
        self.look()

    @rule(seed=SEEDS)
    def worker_asks(self, seed: int) -> None:
        self.fate.begin(seed)
        self.house.work(ask, self.fate)
        self.look()

    @rule(seed=SEEDS)
    def a_day_at_the_channel(self, seed: int) -> None:
        for _ in range(self.fate.begin(seed)):
            self._channel_goes_on()
        self.look()

    @rule(seed=SEEDS)
    def people(self, seed: int) -> None:
        for _ in range(self.fate.begin(seed)):
            somebody(self.house, self.owed, self.fate)
        self.look()

    @rule(seed=SEEDS)
    def bookkeepers(self, seed: int) -> None:
        """Somebody sees to invoices, deposits and fines."""
        for _ in range(self.fate.begin(seed)):
            on_its_books(self.house, self.owed, self.fate)
        self.look()

    @rule(seed=SEEDS)
    def a_day_at_the_wallet(self, seed: int) -> None:
        """Customers' payments are shared, and the wallet loses, repeats and takes back what it said."""
        for _ in range(self.fate.begin(seed) // 2):
            at_the_wallet(self.house, self.owed, self.fate)
        self.look()

    @rule(seed=SEEDS)
    def the_banks_post(self, seed: int) -> None:
        """The bank writes files; one of the last comes cut off, then some whole and again, in any order."""
        self.fate.begin(seed)
        self.channel.write_files()
        last = range(len(self.channel.files))[-4:]
        if not last:
            return
        content = self.channel.files[last[self.fate(len(last))]]
        self._come(content[: self.fate(len(content))], ["refused"], "half of a file was taken in")
        for _ in last[:2]:
            place = last[self.fate(len(last))]
            self.channel.came.add(place)
            self._come(self.channel.files[place], ["moved", "unchanged"], None)
            self._come(self.channel.files[place], ["unchanged"], "a file was taken in twice")
        self.look()

    def _come(self, content: bytes, outcomes: Sequence[str], otherwise: str | None) -> None:
        """A file comes. `otherwise`: what would be so if it changed anything."""
        before = None if otherwise is None else self._stands()
        self.file.write_bytes(content)
        assert self.house.read(self.file) in outcomes
        assert before is None or before == self._stands(), otherwise

    def _stands(self) -> Any:
        known = self.house.instructions()
        return dict(self.house.accounts()), {key: (one.standing, one.moves) for key, one in known.items()}

    @rule(seed=SEEDS)
    def quiet_days(self, seed: int) -> None:
        """All is done, everybody is paid; then something is refunded, and a payment comes back."""
        self._end()
        self.channel.faults = self.house.wallet.faults = True
        self.fate.begin(seed)
        self._book([(party, -self.fate(300) - 1) for party in PARTIES])
        self.channel.bring_back()

    @rule(seed=SEEDS)
    def a_busy_day(self, seed: int) -> None:
        """All at once: bookings, cuts, workers, the channel, messages and people, in any order."""
        chance = random.Random(seed)
        for _ in range(60):
            self.fate.begin(chance.randrange(2**32))
            match chance.randrange(12):
                case 0 if chance.randrange(2):
                    self._book([(party, chance.choice((-200, -9, 100, 300, 500))) for party in PARTIES])
                case 1 if chance.randrange(3) == 0:
                    self.cut_the_day(chance.randrange(4) == 0)
                case 2 | 3:
                    self.house.work(submit, self.fate)
                case 4:
                    self.house.work(ask, self.fate)
                case 5 | 6 | 7 | 8:
                    somebody(self.house, self.owed, self.fate)
                case _:
                    self._channel_goes_on()
        self.look()

    def _channel_goes_on(self) -> None:
        self.channel.work()
        said = self.channel.deliver()
        if said is not None:
            self.house.say(said)

    def _end(self) -> None:
        all_is_done(self.house, self.owed, self.file, self._close)
        check_end(self.house, self.owed)

    def look(self) -> None:
        check(self.house, self.owed)

    def teardown(self) -> None:
        if not hasattr(self, "owed"):
            return
        self._book([(party, 400) for party in PARTIES])
        self._close()
        self.quiet_days(self.fate(2**32))
        self._end()
        self._book([(party, 400) for party in PARTIES])  # what waits for a statement goes with this one, and arrives
        self._close()
        self._end()
        assert all(fee.outcome is not None for fee in self.house.fees().values() if fee.state == "booked"), (
            "a fee is lost"
        )
        type(self).left(self.house)
        type(self).steps += self.house.steps
        type(self).happened.update(self.house.happened)
        type(self).happened.update(self.owed.seen)
        self.folder.cleanup()


def run(made: type[Money], examples: int, wanted: Sequence[str]) -> None:
    """Runs a machine, and says what it did; again with other examples until all that is wanted happened.

    Hypothesis draws constants of all modules that are loaded, so its examples depend on what else is tested beside.
    """
    unhurried = {"deadline": None, "suppress_health_check": list(HealthCheck)}
    # a failure is told as it was found: its seeds find it again, and shrinking would take longer than the test may
    how = settings(max_examples=examples, stateful_step_count=20, phases=[Phase.generate], **unhurried)
    for number in range(ROUNDS):
        # of another name, for which Hypothesis draws other examples
        again = type(f"{made.__name__}{number}", (made,), {"number": number, "steps": 0})
        run_state_machine_as_test(again, settings=how)
        made.steps += again.steps
        if all(made.happened[what] for what in wanted):
            break
    print(f"{made.steps:,} steps")
    for what, times in sorted(made.happened.items()):
        print(f"{times:9,} {what}")


def machine(house_of: Any, left: Any, kinds: Sequence[Kind]) -> type[Money]:
    begun = {"steps": 0, "happened": Counter(), "house_of": staticmethod(house_of), "left": staticmethod(left)}
    return type("MoneyNow", (Money,), {**begun, "kinds": kinds})


def expected(kinds: Sequence[Kind]) -> list[str]:
    """What should happen with such channels."""
    blind, lies = any(not kind.idempotent for kind in kinds), any(kind.lies for kind in kinds)
    return [*ALWAYS, *(UNRESOLVED if blind else ()), *(LIES if lies else ())]


@pytest.mark.parametrize("lies", [False, True], ids=["honest", "lying"])
@pytest.mark.parametrize("queryable", [False, True], ids=["mute", "queryable"])
@pytest.mark.parametrize("idempotent", [False, True], ids=["sends twice", "idempotent"])
def test_money_is_never_paid_twice_and_never_lost(idempotent: bool, queryable: bool, lies: bool) -> None:
    kinds = [Kind(idempotent, queryable, lies)]
    made = machine(MemoryHouse, lambda house: None, kinds)
    run(made, 55, wanted := expected(kinds))
    assert made.steps >= STEPS / 8, f"{made.steps:,} steps: too few"
    assert not [what for what in wanted if not made.happened[what]]


class Houses:
    """Houses of one database: each has a model of its own, and is verified when it is given up."""

    def __init__(self, database: Any, engine: LocalEngine) -> None:
        self.database, self.engine, self.begun = database, engine, 0
        DatabaseHouse.settle_people(self._books(), NOON)

    def _books(self) -> Books:
        self.begun += 1
        return Books(self.database, self.engine, f"market{self.begun}")

    def begin(self, asks: Asks, channel: ChannelSimulator) -> DatabaseHouse:
        return DatabaseHouse(asks, channel, books=self._books())

    def verified(self, house: Office) -> None:
        assert isinstance(house, DatabaseHouse)
        books = house.books
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(verifying, "RULES", PROVEN)
            verdict = verifying.verify(books.connection, self.database.details, self.engine, books.tenant, books.model)
        names = {rule.name for rule in PROVEN}
        assert not {check.name: check.first_bad for check in verdict.findings if check.name in names}


ALL_KINDS = [Kind(*(bool(number >> bit & 1) for bit in range(3))) for number in range(8)]


def on_postgres(database: Any, engine: LocalEngine, examples: int, steps: int, wanted: Sequence[str]) -> None:
    houses = Houses(database, engine)
    made = machine(houses.begin, houses.verified, ALL_KINDS)
    run(made, examples, wanted)
    assert made.steps >= steps, f"{made.steps:,} steps: too few"
    assert not [what for what in wanted if not made.happened[what]]


def test_money_on_postgres_is_never_paid_twice_and_never_lost(database: Any, engine: LocalEngine) -> None:
    on_postgres(database, engine, 3, STEPS_ON_POSTGRES, ON_POSTGRES)


@pytest.mark.soak
def test_much_money_on_postgres(database: Any, engine: LocalEngine) -> None:
    on_postgres(database, engine, 400, 40 * STEPS_ON_POSTGRES, [*expected(ALL_KINDS), *RARELY])
