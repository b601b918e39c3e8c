"""What must be true of a house that pays, seen from outside: by what was booked, and by what its channel truly did."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from uuid import UUID

from money_house import MINIMUM_MINOR, RESERVE_DAYS, RESERVE_PERCENT, TAX_PERCENT, Asks, Covers, Fee, Office, Paper

from everycent.flow.approvals.contract import Request, RequestState
from everycent.flow.non_order.contract import Given
from everycent.flow.payments.contract import Booking, InstructionState
from everycent.flow.payments.core.following import Known
from everycent.flow.payments.core.sharing import Asked, Does


@dataclass
class Owed:
    """What parties are owed, added up beside the house. `due`: by (party, day), of each side of each statement that
    was closed; `taxes`: what their invoices add to it; `kept`: what is held back of a party until a day.

    Where the house carries, what ends below 0 ends with nothing, and the party's next one begins with that.
    """

    asks: Asks
    booked: Counter[str] = field(default_factory=Counter)
    today: dict[str, Counter[str]] = field(default_factory=dict)  # by party: payable, receivable and what comes in
    due: dict[tuple[str, date], Mapping[str, int]] = field(default_factory=dict)
    taxes: Counter[str] = field(default_factory=Counter)
    kept: list[tuple[date, str, int]] = field(default_factory=list)
    fees: dict[str, Given] = field(default_factory=dict)  # by their references, those that were taken
    shares: dict[UUID, Asked] = field(default_factory=dict)  # of customers' payments, all that were asked for
    seen: Counter[str] = field(default_factory=Counter)

    def book(self, party: str, amount_minor: int) -> None:
        self.booked[party] += amount_minor
        side = "payable" if amount_minor > 0 else "receivable"
        self.today.setdefault(party, Counter())[side] += abs(amount_minor)

    def close(self, day: date) -> None:
        ended, self.today = self.today, {}
        for party, total in ended.items():
            self._end(party, day, total)
        tomorrow = day + timedelta(days=1)
        for release_on, party, amount in [one for one in self.kept if one[0] <= tomorrow]:
            self.kept.remove((release_on, party, amount))
            self.today.setdefault(party, Counter())["comes in"] += amount
            self.seen["reserve: released"] += 1

    def _end(self, party: str, day: date, total: Counter[str]) -> None:
        own = total["payable"] - (0 if self.asks.gross else total["receivable"])
        tax = _tax(total["payable"]) - _tax(total["receivable"]) if self.asks.invoice else 0
        self.taxes[party] += tax
        ends = own + tax + total["comes in"]
        if self.asks.carry and ends < 0:
            self.today.setdefault(party, Counter())["comes in"] += ends
            self.seen["close: carried"] += 1
            ends = 0
        if self.asks.reserve and ends > 0 and own > 0:
            held = min(ends, int(Decimal(own * RESERVE_PERCENT).scaleb(-2).quantize(Decimal(1), ROUND_HALF_UP)))
            if held:
                self.kept.append((day + timedelta(days=1 + RESERVE_DAYS), party, held))
                self.seen["reserve: held"] += 1
            ends -= held
        self.due[party, day] = (
            {"payable": ends, "receivable": -total["receivable"]} if self.asks.gross else {"net": ends}
        )

    def fee(self, look: "Look", given: Given, came: str) -> None:
        """A fee was given; whether what became of it is right."""
        known = self.fees.get(given.reference)
        if known is not None:
            assert came == ("unchanged" if known == given else "other_content"), (known, given, came)
            return
        if given.kind in ("deposit_back", "deposit_used"):
            right = "booked" if _minor(given) <= self.left_of_deposit(look, given.party_id) else "above_paid_in"
        else:
            right = "asked" if given.kind == "fine" and self.asks.approve else "booked"
        assert came == right, f"{given} is {came}, it should be {right}"
        if came != "above_paid_in":
            self.fees[given.reference] = given

    @property
    def kept_of(self) -> Counter[str]:
        """What is held back, by party."""
        kept: Counter[str] = Counter()
        for _, party, amount in self.kept:
            kept[party] += amount
        return kept

    def left_of_deposit(self, look: "Look", party: str) -> int:
        """What was collected of a party's deposits, less what was given back."""
        collected = {one.statement_id for one in look.covers
                     if not one.opened and look.known[one.key].standing.booking is Booking.PAID}  # fmt: skip
        left = 0
        for name, fee in look.fees.items():
            counts = name in collected if fee.kind == "deposit" else fee.kind.startswith("deposit_")
            left -= fee.amount_minor if counts and fee.party_id == party else 0
        return left


def _tax(amount_minor: int) -> int:
    return int(Decimal(amount_minor * TAX_PERCENT).scaleb(-2).quantize(Decimal(1), ROUND_HALF_UP))


def _minor(given: Given) -> int:
    return int(Decimal(given.amount).scaleb(2))


@dataclass(frozen=True)
class Look:
    """A house at a moment."""

    house: Office
    owed: Owed
    papers: Mapping[str, Paper]
    fees: Mapping[str, Fee]
    known: Mapping[UUID, Known]
    covers: list[Covers]
    accounts: Mapping[str, int]

    @classmethod
    def at(cls, house: Office, owed: Owed) -> "Look":
        covers, accounts = list(house.covers()), house.accounts()
        return cls(house, owed, house.papers(), house.fees(), house.instructions(), covers, accounts)

    def due_of(self, name: str, side: str) -> int:
        """What a side of a statement, or a fee, is due."""
        fee = self.fees.get(name)
        return self.papers[name].sides[side] if fee is None else fee.amount_minor

    def owes(self) -> Counter[str]:
        """What each party is owed until something is paid."""
        owes = Counter(self.owed.booked)
        owes.update(self.owed.taxes)
        owes.subtract(self.owed.kept_of)
        for fee in self.fees.values():
            owes[fee.party_id] += fee.amount_minor if fee.state == "booked" else 0
        return owes

    def left_over(self) -> dict[tuple[str, str], int]:
        """What is not settled, by party and side: it is looked at together, and waits while it is too little."""
        left: dict[tuple[str, str], int] = defaultdict(int)
        for paper in self.papers.values():
            for side in paper.sides.keys() - paper.settled:
                left[paper.party_id, side] += paper.sides[side]
        for fee in self.fees.values():
            if fee.outcome == "carried":
                assert fee.side is not None, "what is carried stands beside a side"
                left[fee.party_id, fee.side] += fee.amount_minor
        return left

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
    _is_shared(look)
    _is_booked(look)
    _is_approved(look)


def _is_booked(look: Look) -> None:
    """Each account holds what was booked, held back and instructed."""
    owed, accounts = look.owed, look.accounts
    moved: Counter[str] = Counter()
    for key, one in look.known.items():
        if one.standing.booking is not Booking.BACK:
            moved[one.party_id] += look.signed(key)
    kept, owes = owed.kept_of, look.owes()
    for party in owed.booked:
        assert accounts[f"party/{party}"] == owes[party] - moved[party], party
        assert accounts.get(f"reserve/{party}", 0) == kept[party], f"held back of {party}"
    taken = [fee for fee in look.fees.values() if fee.kind != "share"]
    deposits = -sum(fee.amount_minor for fee in taken if fee.kind != "fine" and fee.state == "booked")
    assert accounts.get("tax/shanghai", 0) == -owed.taxes.total(), "added taxes"
    assert accounts.get("operator/shanghai/deposit", 0) == deposits, "deposits that the house holds"
    given = {(one.kind, one.party_id, _minor(one)) for one in owed.fees.values()}
    assert given == {(fee.kind, fee.party_id, abs(fee.amount_minor)) for fee in taken}, "fees"
    assert len(owed.fees) == len(taken), "each fee is taken once"


def _is_shared(look: Look) -> None:
    """Each share of a customer's payment is done once at the wallet, and booked once or not."""
    assert set(look.house.wallet.done.values()) <= {1}, "a request is done twice"
    booked = _booked_of_shares(look)
    for (key, receiver), minor in booked.items():
        asked = look.owed.shares[key]
        due = dict(asked.shares)[receiver] * (1 if asked.does is Does.RETURN else -1)
        assert minor in (0, due), f"{asked} has {minor} for {receiver}"
    others = sum(minor for (_, receiver), minor in booked.items() if receiver == "friend")
    assert look.accounts.get("shared/shanghai", 0) == others, "what others got"


def _booked_of_shares(look: Look) -> Counter[tuple[UUID, str]]:
    booked: Counter[tuple[UUID, str]] = Counter()
    for key, receiver, minor in look.house.shared():
        booked[key, receiver] += minor
    return booked


def _all_shares_are_booked(look: Look) -> None:
    """What is booked of shares is what the wallet did."""
    wallet, seen = look.house.wallet, look.owed.seen
    got: Counter[str] = Counter()
    for (_, receiver), minor in _booked_of_shares(look).items():
        got[receiver] -= minor
        seen["share: taken back"] += minor == 0
    truly = wallet.truly()
    assert {name: fen for name, fen in got.items() if fen} == {name: fen for name, fen in truly.items() if fen}
    seen["end: shared with a party"] += any(name != "friend" for name in +truly)
    seen["end: shared with others"] += truly["friend"] > 0
    seen["end: given back"] += any(fee.kind == "share" and fee.amount_minor > 0 for fee in look.fees.values())
    seen["end: a share is taken off"] += any(fee.kind == "share" and fee.outcome for fee in look.fees.values())


def _is_covered(look: Look) -> None:
    """No side of a statement is paid twice, none is lost, each instruction moves what its sides are due."""
    by_side: dict[tuple[str, str], list[Covers]] = defaultdict(list)
    sums: Counter[UUID] = Counter()
    for one in look.covers:
        by_side[one.statement_id, one.side].append(one)
        sums[one.key] += one.amount_minor
        assert one.amount_minor == look.due_of(one.statement_id, one.side)
    assert sums == {key: look.signed(key) for key in look.known}, "an instruction moves what its statements are due"
    truly = look.house.channel.truly_paid()
    for name, side in [(name, side) for name, paper in look.papers.items() for side in paper.sides]:
        ways, paper = by_side[name, side], look.papers[name]
        lied = any(one.key in look.house.channel.lied_about for one in ways)
        assert lied or sum(truly[one.key] for one in ways) <= 1, f"{name} is paid twice"
        now = [one for one in ways if not one.opened]
        assert len(now) <= 1, f"{name} is instructed twice"
        bookings = {look.known[one.key].standing.booking for one in now}
        if paper.waits_for in ("close", "confirm", "approve", "invoice", "resolve"):
            assert not ways, f"{name} waits for {paper.waits_for}, and is instructed"
        elif paper.waits_for == "nothing":
            assert bookings <= {Booking.PAID}, f"{name} is settled, and its payment is not made"
        else:
            # no payment now: it is open for the next instructing, or a person holds it back
            others_paid = {Booking.PAID} if len(paper.sides) > 1 else set()
            assert bookings <= {Booking.IN_FLIGHT} | others_paid, f"{name} waits for {paper.waits_for}, and is paid"
    for name, fee in look.fees.items():
        ways = [one for one in look.covers if one.statement_id == name]
        assert len([one for one in ways if not one.opened]) <= 1, f"{fee} is instructed twice"
        assert fee.state == "booked" or not ways, f"{fee} is instructed, and is not booked"
        lied = any(one.key in look.house.channel.lied_about for one in ways)
        assert lied or sum(truly[one.key] for one in ways) <= 1, f"{fee} is paid twice"


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
        if look.house.asks.approve and paper.waits_for in ("payment", "unpark", "nothing", "invoice"):
            assert paper.asked is not None and asked[paper.asked].state is RequestState.APPROVED, name
    if look.house.asks.invoice:
        _is_invoiced(look)
    for name, fee in look.fees.items():
        if fee.kind == "fine" and fee.state == "booked" and look.house.asks.approve:
            assert fee.asked is not None and asked[fee.asked].state is RequestState.APPROVED, name
    for key, one in look.known.items():
        sent = one.standing.state not in (InstructionState.WAITING, InstructionState.CREATED, InstructionState.FAILED)
        assert not look.house.asks.release or not sent or str(key) in said, f"{key} is sent without its release"


def _is_invoiced(look: Look) -> None:
    """What is invoiced is what was booked and its tax, and nothing waits in vain or goes on too early."""
    held: dict[tuple[str, str], list[str]] = defaultdict(list)
    for bill in look.house.bills().values():
        if bill.state != "voided":
            held[bill.statement_id, bill.side].append(bill.state)
    enough = {"payable": ("confirmed",), "receivable": ("issued", "confirmed")}
    for name, paper in look.papers.items():
        states = {side: held.get((name, side), []) for side in enough}
        assert all(len(some) <= 1 for some in states.values()), f"{name} is invoiced twice"
        there = all(set(some) <= set(enough[side]) for side, some in states.items())
        assert not there or paper.waits_for != "invoice", f"{name} waits for invoices that are there"


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
    _all_shares_are_booked(look)
    at_banks = sum(paid.values()) + house.wallet.truly().total()
    assert look.accounts.get("bank/shanghai", 0) == at_banks, "the books' bank is the channel's and the wallet's"
    assert look.accounts.get("channel/rest", 0) == 0, "nothing is left in flight"
    left, lost = look.left_over(), unfinished(look)
    owed.seen["end: below the minimum"] += len(left)
    owed.seen["end: a fine that was declined"] += sum(fee.state == "declined" for fee in look.fees.values())
    assert not lost, f"lost: {[(name, house.log(name)) for name in lost if '/' in name] or lost}"
    for name, paper in look.papers.items():
        told = [move for move, _, _ in house.log(name) if move in ("settle", "reopen")]
        assert paper.waits_for != "nothing" or told[-1] == "settle", f"{name} is settled, and its log does not say how"
    for key, one in look.known.items():
        assert one.standing.state in (InstructionState.SUCCEEDED, InstructionState.FAILED, InstructionState.RETURNED)
        assert house.history(key), "each end is explained"
        assert (one.standing.state is InstructionState.SUCCEEDED) == (truly[key] == 1), house.history(key)
    due: Counter[str] = Counter()
    for (party, _), sides in owed.due.items():
        due[party] += sum(sides.values())
    for fee in look.fees.values():
        due[fee.party_id] += fee.amount_minor if fee.outcome is not None else 0
    for (party, _), waits in left.items():
        due[party] -= waits
    owes = look.owes()
    for party in owed.booked:
        assert look.accounts[f"party/{party}"] == owes[party] - paid[party], (
            "what was paid too much is owed by its party"
        )
        if not channel.lied_about:
            assert paid[party] == due[party], f"{party} has what it is owed"


def unfinished(look: Look) -> list[str]:
    """The statements, fees and sums that still wait for something, but for sums below the minimum and fees that wait
    for a statement."""
    least = MINIMUM_MINOR if look.house.asks.minimum else 1
    left = {f"{party}, {side}": waits for (party, side), waits in look.left_over().items()}
    waiting = {"payment", "nothing"}
    return [
        *(name for name, paper in look.papers.items() if paper.waits_for not in waiting),
        *(str(fee) for fee in look.fees.values() if fee.state == "asked"),
        *(str(fee) for fee in look.fees.values() if fee.state == "booked" and fee.kind in ("deposit", "deposit_back")
          and fee.outcome is None),
        *(str(key) for key, one in look.known.items() if one.standing.booking is Booking.IN_FLIGHT),
        *(who for who, waits in left.items() if waits == 0 or abs(waits) >= least),
    ]  # fmt: skip
