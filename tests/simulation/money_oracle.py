"""What must be true of a house that pays, seen from outside: by what was booked, and by what its channel truly did."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from uuid import UUID

from money_house import Asks, Covers, Office, Paper, side_of, sides_of

from everycent.flow.approvals.contract import Request, RequestState
from everycent.flow.payments.contract import Booking, InstructionState
from everycent.flow.payments.core.following import Known


@dataclass
class Owed:
    """What parties are owed, added up beside the house. `due`: by (party, day), of each side of each statement that
    was closed. Where the house carries, a net statement that ends below 0 ends with nothing, and the next one begins
    with that.
    """

    asks: Asks
    booked: Counter[str] = field(default_factory=Counter)
    today: dict[str, Counter[str]] = field(default_factory=dict)
    due: dict[tuple[str, date], Mapping[str, int]] = field(default_factory=dict)

    def book(self, party: str, amount_minor: int) -> None:
        self.booked[party] += amount_minor
        self.today.setdefault(party, Counter())[side_of(self.asks, amount_minor)] += amount_minor

    def close(self, day: date) -> None:
        ended, self.today = self.today, {}
        for party, total in ended.items():
            if self.asks.carry and total["net"] < 0:
                self.today[party] = total
                total = Counter()
            self.due[party, day] = {side: total[side] for side in sides_of(self.asks)}


@dataclass(frozen=True)
class Look:
    """A house at a moment."""

    house: Office
    owed: Owed
    papers: Mapping[str, Paper]
    known: Mapping[UUID, Known]
    covers: list[Covers]
    accounts: Mapping[str, int]

    @classmethod
    def at(cls, house: Office, owed: Owed) -> "Look":
        return cls(house, owed, house.papers(), house.instructions(), list(house.covers()), house.accounts())

    def signed(self, key: UUID) -> int:
        """What an instruction moves to its party."""
        one = self.known[key]
        return one.amount_minor if one.direction == "pay" else -one.amount_minor

    def truly_paid(self) -> Counter[str]:
        """What is with each party, by the channel's own memory."""
        paid: Counter[str] = Counter()
        for key, times in self.house.channel.truly_paid().items():
            paid[self.known[key].party_id] += times * self.signed(key)
        return paid


def check(house: Office, owed: Owed) -> None:
    """What holds at every moment."""
    look = Look.at(house, owed)
    assert sum(look.accounts.values()) == 0, "the trial balance"
    days = {name: date.fromisoformat(name.split("/")[2]) for name in look.papers}
    closed = {(one.party_id, days[name]): one.sides for name, one in look.papers.items()}
    assert closed == owed.due, "each statement ends as what was booked says"
    for key, ran in house.channel.executions.items():
        assert len(ran) <= 1, f"sent twice: {house.history(key)}"
        assert ran[0].order.amount_minor == look.known[key].amount_minor
    for key in look.known:
        if key not in house.channel.lied_about:
            _is_true(look, key)
    _is_covered(look)
    held: Counter[str] = Counter()
    for key, one in look.known.items():
        if one.standing.booking is not Booking.BACK:
            held[one.party_id] += look.signed(key)
    for party, booked in owed.booked.items():
        assert look.accounts[f"party/{party}"] == booked - held[party], party
    _is_approved(look)


def _is_covered(look: Look) -> None:
    """No side of a statement is paid twice, none is lost, each instruction moves what its sides are due."""
    by_side: dict[tuple[str, str], list[Covers]] = defaultdict(list)
    sums: Counter[UUID] = Counter()
    for one in look.covers:
        by_side[one.statement_id, one.side].append(one)
        sums[one.key] += one.amount_minor
        assert one.amount_minor == look.papers[one.statement_id].sides[one.side]
    assert sums == {key: look.signed(key) for key in look.known}, "an instruction moves what its statements are due"
    truly = look.house.channel.truly_paid()
    for name, side in [(name, side) for name, paper in look.papers.items() for side in paper.sides]:
        ways, paper = by_side[name, side], look.papers[name]
        lied = any(one.key in look.house.channel.lied_about for one in ways)
        assert lied or sum(truly[one.key] for one in ways) <= 1, f"{name} is paid twice"
        now = [one for one in ways if not one.opened]
        assert len(now) <= 1, f"{name} is instructed twice"
        bookings = {look.known[one.key].standing.booking for one in now}
        if paper.waits_for in ("close", "confirm", "approve", "resolve"):
            assert not ways, f"{name} waits for {paper.waits_for}, and is instructed"
        elif paper.waits_for == "nothing":
            assert bookings <= {Booking.PAID}, f"{name} is settled, and its payment is not made"
        else:
            # no payment now: it is open for the next instructing, or a person holds it back
            others_paid = {Booking.PAID} if len(paper.sides) > 1 else set()
            assert bookings <= {Booking.IN_FLIGHT} | others_paid, f"{name} waits for {paper.waits_for}, and is paid"


def _is_true(look: Look, key: UUID) -> None:
    """What stands of an instruction whose channel never lied about it is so."""
    channel = look.house.channel
    ran = [one.status for one in channel.executions.get(key, [])]
    truth = {
        InstructionState.SUCCEEDED: ran in (["paid"], ["returned"]),
        # a copy of a refused order may still travel: it goes to a channel that takes a key once
        InstructionState.FAILED: ran == ["refused"] or (not ran and all(one.key != key for one in channel.under_way)),
        InstructionState.RETURNED: ran == ["returned"],
        InstructionState.CREATED: not ran,
        InstructionState.APPROVED: not ran,
        InstructionState.PROCESSING: len(ran) == 1,
    }
    state = look.known[key].standing.state
    assert truth.get(state, True), f"{state}, in truth {ran}: {look.house.history(key)}"


def _is_approved(look: Look) -> None:
    """Nothing goes on without all who have to say yes, each another person, none who asked."""
    asked = look.house.requests()
    for request in asked.values():
        if request.state is RequestState.APPROVED:
            _has_its_signatures(request)
    said = {request.subject.subject_id for request in asked.values() if request.state is RequestState.APPROVED}
    for name, paper in look.papers.items():
        if look.house.asks.approve and paper.waits_for in ("payment", "unpark", "nothing"):
            assert paper.asked is not None and asked[paper.asked].state is RequestState.APPROVED, name
    for key, one in look.known.items():
        sent = one.standing.state not in (InstructionState.WAITING, InstructionState.CREATED, InstructionState.FAILED)
        assert not look.house.asks.release or not sent or str(key) in said, f"{key} is sent without its release"


def _has_its_signatures(request: Request) -> None:
    assert len(request.decisions) == len(request.levels) and all(each.yes for each in request.decisions)
    voices = [name for each in request.decisions for name in each.people]
    assert len(set(voices)) == len(voices), f"a voice counts twice: {request}"
    assert request.subject.requested_by not in voices, f"who asked for it approved it: {request}"


def check_end(house: Office, owed: Owed) -> None:
    """What holds once everybody did what was theirs to do: everybody has what they are owed, and each end is
    explained."""
    check(house, owed)
    look, channel = Look.at(house, owed), house.channel
    truly, paid = channel.truly_paid(), look.truly_paid()
    assert look.accounts.get("bank/shanghai", 0) == sum(paid.values()), "the books' bank is the channel's"
    assert look.accounts.get("channel/rest", 0) == 0, "nothing is left in flight"
    for name, paper in look.papers.items():
        assert paper.waits_for == "nothing", f"{name} is lost: it waits for {paper.waits_for}: {house.log(name)}"
        told = [move for move, _, _ in house.log(name) if move in ("settle", "reopen")]
        assert told[-1] == "settle", f"{name} is settled, and its log does not say how"
    for key, one in look.known.items():
        assert one.standing.state in (InstructionState.SUCCEEDED, InstructionState.FAILED, InstructionState.RETURNED)
        assert house.history(key), "each end is explained"
        assert (one.standing.state is InstructionState.SUCCEEDED) == (truly[key] == 1), house.history(key)
    due: Counter[str] = Counter()
    for (party, _), sides in owed.due.items():
        due[party] += sum(sides.values())
    for party, booked in owed.booked.items():
        assert look.accounts[f"party/{party}"] == booked - paid[party], "what was paid too much is owed by its party"
        if not channel.lied_about:
            assert paid[party] == due[party], f"{party} has what it is owed"
