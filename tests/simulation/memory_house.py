"""A house in memory that owes parties money, asks people and pays through a channel: the real cores, no database."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path
from uuid import UUID

from approval_office import ApprovalOffice
from channel_simulator import Fate
from memory_records import Figures, Invoice, Statement, TakenFee
from memory_shares import MemoryShares
from money_house import (
    GROUPS,
    MINIMUM_MINOR,
    PARTIES,
    RESERVE_DAYS,
    RESERVE_PERCENT,
    TAX_PERCENT,
    Bill,
    Covers,
    Fee,
    Killed,
    MoneyHouse,
    Mortal,
    Paper,
)

from everycent.flow.approvals.contract import HOUSE, Delegation, LevelSpec, Request, RequestState, Subject, Verdict
from everycent.flow.intake.contract import SourceError
from everycent.flow.non_order.contract import NON_ORDER_KIND, Deposit, Given, NonOrderCharge, SettledBy
from everycent.flow.non_order.contract import Refused as FeeRefused
from everycent.flow.non_order.core.judging import judge, left_enough
from everycent.flow.payments.contract import (
    Booking,
    Came,
    Channel,
    ComeBackRefused,
    InstructionState,
    Move,
    Order,
    Said,
    Taken,
)
from everycent.flow.payments.core.bank_answers import resolve
from everycent.flow.payments.core.ends import Covered, side_ends
from everycent.flow.payments.core.following import Followed, Known, follow, transfers, turned_back
from everycent.flow.payments.core.moves import Standing
from everycent.flow.payments.submitting import Desk, Sent
from everycent.flow.pipeline.paying import bank_lines
from everycent.flow.settlement.contract import HandingOn, Needs, Refused, SideEnd, StatementState
from everycent.flow.settlement.core.invoice_moves import SUFFICES, InvoiceMove
from everycent.flow.settlement.core.moves import NEED_REASON, Life, moved
from everycent.flow.settlement.core.moves import Move as StatementMove

_READY = (InstructionState.CREATED, InstructionState.APPROVED)
_SAID = (StatementMove.CONFIRM, StatementMove.DISPUTE, StatementMove.RESOLVE, StatementMove.DECLINE)
_HELD_BACK = (StatementMove.PARK, StatementMove.UNPARK)


@dataclass
class MemoryHouse(MoneyHouse):
    """The services' work is done here; what is decided, the cores decide."""

    office: ApprovalOffice = field(default_factory=lambda: ApprovalOffice(GROUPS))
    figures: dict[str, Figures] = field(default_factory=dict)  # of the open statements, by party
    kept: dict[str, tuple[date, str, int]] = field(default_factory=dict)  # by statement: until when, whose, how much
    taken: dict[str, TakenFee] = field(default_factory=dict)  # by the charges' ids
    pays: dict[tuple[str, str], UUID | None] = field(default_factory=dict)  # what pays a side or a fee; None: nothing
    carried: dict[tuple[str, str], None] = field(default_factory=dict)  # sides and fees that are too little to be paid
    statements: dict[str, Statement] = field(default_factory=dict)
    known: dict[UUID, Known] = field(default_factory=dict)
    asked: dict[UUID, UUID] = field(default_factory=dict)  # instruction -> the request of its release
    covered: dict[UUID, dict[tuple[str, str], bool]] = field(default_factory=dict)  # instruction -> side -> opened
    books: Counter[str] = field(default_factory=Counter)  # credits less debits
    told: dict[UUID, list[str]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        super().__post_init__()
        self.numbers: set[tuple[str, str]] = set()
        self.kept_shares = MemoryShares(self._post)
        spec = self.asks.statements
        self.needs, self.kept_for_later = Needs.of(spec), HandingOn.of(spec)
        self.release: Sequence[LevelSpec] = self.asks.payouts(self.channel).release or ()

    def book(self, owed: Sequence[tuple[str, int]]) -> None:
        for party, amount in owed:
            self.did("book", "owed" if amount > 0 else "refund")
            at = self.figures.setdefault(party, Figures())
            if amount > 0:
                at.payable += amount
            else:
                at.receivable -= amount
            self._post("operator", f"party/{party}", amount)

    def _post(self, debit: str, credit: str, amount_minor: int) -> None:
        self.books[debit] -= amount_minor
        self.books[credit] += amount_minor

    def close(self) -> None:
        closes, self.today = self.today, self.today + timedelta(days=1)
        ended, self.figures = self.figures, {}
        new = [f"market/{party}/{closes}/CNY/shanghai" for party in sorted(ended)]
        for name in new:
            party = name.split("/")[1]
            self.statements[name] = self._closed(name, party, ended[party])
            self.did("close", "done")
        for name, (until, party, amount) in list(self.kept.items()):
            if until <= self.today:
                del self.kept[name]
                self.figures.setdefault(party, Figures()).lines += amount
                self._post(f"reserve/{party}", f"party/{party}", amount)
        self._go_on(new, HOUSE)
        silent = [
            name for name, one in self.statements.items() if one.life.state is StatementState.CLOSED
            and one.confirm_by is not None and one.confirm_by <= self.today
        ]  # fmt: skip
        self._make(silent, StatementMove.CONFIRM, HOUSE, "nobody disputed it in time")
        self._go_on(silent, HOUSE)
        over = [request.subject.subject_id for request in self.office.expire("statement", self.now)]
        self._make(over, StatementMove.DECLINE, HOUSE, "nobody approved it in time")

    def _closed(self, name: str, party: str, at: Figures) -> Statement:
        """What a statement ends with, and what it keeps for later."""
        need, owed = self.needs, {"payable": at.payable, "receivable": at.receivable}
        bills = {side: self._invoice(party, side, minor) for side, minor in owed.items() if minor and need.invoices}
        tax = 0
        for side, (bill,) in bills.items():
            added = (bill.total_minor - owed[side]) * (1 if side == "payable" else -1)
            tax += added
            self._post("tax/shanghai", f"party/{party}", added)
        own = at.payable if self.asks.gross else at.payable - at.receivable
        ends = own + at.lines + tax
        if self.kept_for_later.carries and ends < 0:
            self.figures.setdefault(party, Figures()).lines += ends
            ends = 0
        if self.asks.reserve:
            held = min(max(ends, 0), (max(own, 0) * RESERVE_PERCENT + 50) // 100)
            if held:
                self.kept[name] = (self.today + timedelta(days=RESERVE_DAYS), party, held)
                self._post(f"party/{party}", f"reserve/{party}", held)
            ends -= held
        sides = {"payable": ends, "receivable": -at.receivable} if self.asks.gross else {"net": ends}
        life = Life(StatementState.CLOSED, need.confirms, bool(need.approve), uninvoiced=bool(bills))
        life = replace(life, released=not need.asks and not bills)
        made = Statement(party, sides, life, self._silent_on() if need.confirms else None, invoices=bills)
        made.log.append(("close", HOUSE, None))
        return made

    def _invoice(self, party: str, side: str, minor: int) -> list[Invoice]:
        total = minor + (minor * TAX_PERCENT + 50) // 100
        return [Invoice(party if side == "payable" else "shanghai", side, total)]

    def _silent_on(self) -> date | None:
        return None if self.needs.silent_days is None else self.today + timedelta(days=self.needs.silent_days)

    def act(self, move: StatementMove, statement_id: str, by: str, why: str | None) -> str:
        return self.did(move, self._acted(move, statement_id, by, why))

    def _acted(self, move: StatementMove, statement_id: str, by: str, why: str | None) -> str:
        one = self.statements[statement_id]
        among = _HELD_BACK if move in _HELD_BACK else _SAID
        last = next((said for said in reversed(one.log) if said[0] in among), None)
        if last == (move, by, why):
            return "unchanged"
        after = moved(one.life, move)
        if isinstance(after, Refused):
            return str(after.refusal)
        if move in NEED_REASON and not why:
            return "reason_missing"
        self._make([statement_id], move, by, why)
        self._go_on([statement_id], by)
        return "done"

    def _make(self, ids: Sequence[str], move: StatementMove, by: str, why: str | None) -> None:
        for statement_id in ids:
            one = self.statements[statement_id]
            after = moved(one.life, move)
            assert not isinstance(after, Refused), after
            one.life = replace(one.life, state=after)
            one.log.append((move.value, by, why))
            if by == HOUSE:
                self.did(move, "by the house")
            match move:
                case StatementMove.CONFIRM | StatementMove.APPROVE:
                    one.confirm_by = None
                case StatementMove.DISPUTE | StatementMove.DECLINE:
                    self.office.drop(one.asked)
                    one.asked = None
                case StatementMove.RESOLVE:
                    one.asked, one.rounds = None, one.rounds + 1
                    one.confirm_by = self._silent_on() if one.life.confirms else None
                case StatementMove.RELEASE:
                    one.life = replace(one.life, released=True)
                case StatementMove.PARK | StatementMove.UNPARK:
                    one.life = replace(one.life, parked=move is StatementMove.PARK)
                case _:
                    raise AssertionError(f"{move} is not made here")

    def _go_on(self, ids: Sequence[str], by: str) -> None:
        for statement_id in ids:
            one = self.statements[statement_id]
            if one.life.waits_for is StatementMove.APPROVE and one.asked is None:
                subject = Subject("statement", statement_id, self._digest(one), one.asked_minor, "CNY", by)
                request = self.office.ask(subject, self.needs.approve, self.now)
                one.asked = request.request_id
                if request.state is RequestState.APPROVED:
                    self._make([statement_id], StatementMove.APPROVE, HOUSE, "no level is asked for so small an amount")
            if one.life.waits_for is StatementMove.RELEASE and not one.life.released:
                self._make([statement_id], StatementMove.RELEASE, HOUSE, None)

    @staticmethod
    def _digest(one: Statement) -> str:
        return f"{sorted(one.sides.items())} {one.rounds}"

    def decide(self, key: UUID, by: str, why: str | None, *, yes: bool) -> str:
        request = self.office.requests[key]
        verdict = Verdict(by, yes, why, self._content_now(request.subject))
        outcome = self.office.decide(key, verdict, self.now)
        after = self.office.requests[key]
        if outcome == "done":
            lent = after.decisions[-1].on_behalf_of is not None
            self.did("a lent voice", "used") if lent else None
        if outcome == "done" and after.state is not RequestState.PENDING:
            self._decided(after, by, after.decisions[-1].reason)
        return self.did("yes" if yes else "no", outcome)

    def withdraw(self, key: UUID, by: str) -> str:
        outcome = self.office.withdraw(key, by)
        if outcome == "done":
            self._decided(self.office.requests[key], by, "its request is withdrawn")
        return self.did("withdraw", outcome)

    def lend(self, by: str, to: str) -> str:
        return self.did("lend", self.office.lend(Delegation(by, to, (), self.today, self.today + timedelta(days=3))))

    def _content_now(self, subject: Subject) -> str | None:
        if subject.kind == "statement":
            one = self.statements[subject.subject_id]
            waits = one.life.waits_for is StatementMove.APPROVE
            return self._digest(one) if waits else None
        if subject.kind == NON_ORDER_KIND:
            return subject.subject_id if self.taken[subject.subject_id].state == "asked" else None
        at = self.known[UUID(subject.subject_id)]
        waits = at.standing.state is InstructionState.CREATED and not at.standing.released
        return str(at.moves) if waits else None

    def _decided(self, request: Request, by: str, why: str | None) -> None:
        subject, yes = request.subject, request.state is RequestState.APPROVED
        if subject.kind == "payment":
            key = UUID(subject.subject_id)
            if self.asked.get(key) == request.request_id:
                cause = f"request {request.request_id}"
                self.say(Said(key, Move.RELEASE if yes else Move.DECLINE, cause, by, why or str(request.state)))
                if request.state is RequestState.EXPIRED:
                    del self.asked[key]
            return
        if subject.kind == NON_ORDER_KIND:
            fee = self.taken[subject.subject_id]
            if yes:
                self._book_fee(fee)
            else:
                fee.state = "declined"
            return
        if self.statements[subject.subject_id].asked != request.request_id:
            return
        self._make([subject.subject_id], StatementMove.APPROVE if yes else StatementMove.DECLINE, by, why or "no")
        self._go_on([subject.subject_id], by)

    def requests(self) -> Mapping[UUID, Request]:
        return self.office.requests

    def papers(self) -> Mapping[str, Paper]:
        return {
            name: Paper(
                name, one.party_id, one.sides, frozenset(one.settled), one.life.state.value, one.waits_for, one.asked
            )
            for name, one in self.statements.items()
        }

    def give(self, given: Given, by: str) -> str:
        outcome = self._given(given, by)
        return self.did(given.kind, outcome)

    def _given(self, given: Given, by: str) -> str:
        charge = judge(self.fee_plan, given, PARTIES, "default", "market", by)
        if isinstance(charge, FeeRefused):
            return str(charge.refusal)
        key = str(charge.charge_id)
        if key in self.taken:
            known = self.taken[key].charge
            return "unchanged" if replace(charge, given_by=known.given_by) == known else "other_content"
        if charge.gives_back:
            refused = left_enough(charge, self._deposit(charge), "")
            if refused is not None:
                return str(refused.refusal)
        self.taken[key] = fee = TakenFee(charge, "asked")
        levels = self.fee_plan.kinds[charge.kind].approve
        if not levels:
            return self._book_fee(fee)
        subject = Subject(NON_ORDER_KIND, key, key, charge.amount_minor, "CNY", charge.given_by)
        fee.asked = self.office.ask(subject, levels, self.now).request_id
        return "asked"

    def _deposit(self, charge: NonOrderCharge) -> Deposit:
        of_it = [one for one in self.taken.values() if one.charge.party_id == charge.party_id]
        of_it = [one for one in of_it if one.charge.account == charge.account and one.state != "declined"]
        back = sum(one.charge.amount_minor for one in of_it if one.charge.gives_back)
        owed = [one for one in of_it if not one.charge.gives_back]
        paid_in = 0
        for one in owed:
            key = self.pays.get((str(one.charge.charge_id), "receivable"))
            if key is not None and self.known[key].standing.booking is Booking.PAID:
                paid_in += one.charge.amount_minor
        total = sum(one.charge.amount_minor for one in owed)
        return Deposit(charge.party_id, charge.account, charge.legal_entity, "CNY", total, paid_in, back)

    def _book_fee(self, fee: TakenFee) -> str:
        fee.state = "booked"
        of = fee.charge
        self._post(f"operator/{of.legal_entity}/{of.account}", f"party/{of.party_id}", fee.amount_minor)
        return "booked"

    def fees(self) -> Mapping[str, Fee]:
        fees = {}
        for key, one in self.taken.items():
            of = one.charge
            fees[key] = Fee(of.kind, of.party_id, one.amount_minor, one.state, *self._became(key), one.asked)
        for key, entry in self.kept_shares.entries.items():
            if entry.party_id is not None:
                fees[key] = Fee("share", entry.party_id, entry.amount_minor, "booked", *self._became(key), None)
        return fees

    def _became(self, key: str) -> tuple[str | None, str | None]:
        """What became of something beside statements, and as part of which side."""
        sides = ("net", "payable", "receivable")
        paid = next((side for side in sides if (key, side) in self.pays), None)
        side = paid or next((side for side in sides if (key, side) in self.carried), None)
        return None if side is None else "carried" if paid is None else "done", side

    def shares(self) -> MemoryShares:
        return self.kept_shares

    def shared(self) -> Sequence[tuple[UUID, str, int]]:
        return [(one.share_id, one.receiver, one.amount_minor) for one in self.kept_shares.entries.values()]

    def act_on_bill(
        self, move: InvoiceMove, bill_id: str, by: str, why: str | None, number: str | None, total_minor: int | None
    ) -> str:
        name, side, no = bill_id.rsplit("/", 2)
        bills = self.statements[name].invoices[side]
        outcome = bills[int(no) - 1].moved(move, by, why, number, total_minor, self.numbers)
        if outcome == "done":
            if move is InvoiceMove.VOID:
                bills.append(Invoice(bills[-1].issuer, side, bills[-1].total_minor))
            one = self.statements[name]
            if not one.life.released:
                left = [each for all_of in one.invoices.values() for each in all_of if each.state != "voided"]
                missing = any(each.state not in SUFFICES[each.side] for each in left)
                one.life = replace(one.life, uninvoiced=missing)
            self._go_on([name], by)
        return self.did("confirm an invoice" if move is InvoiceMove.CONFIRM else move, outcome)

    def bills(self) -> Mapping[str, Bill]:
        return {
            f"{name}/{side}/{no}": Bill(name, side, bill.state.value, bill.total_minor)
            for name, one in self.statements.items()
            for side, bills in one.invoices.items()
            for no, bill in enumerate(bills, 1)
        }

    def instruct(self) -> None:
        """Party by party, all that is released and that nothing pays, with the fees that go with it."""
        groups: dict[tuple[str, str, str], list[tuple[str, int]]] = defaultdict(list)
        netted: dict[str, bool] = {}
        fresh = set()
        in_doubt = self._in_doubt()
        for name, one in self.statements.items():
            if not one.life.released:
                continue
            if not any((name, side) in self.pays or (name, side) in self.carried for side in one.sides):
                fresh.add(one.party_id)
            for side in one.sides if not one.life.parked else ():
                if (name, side) not in self.pays and (name, side) not in in_doubt:
                    groups[one.party_id, side, ""].append((name, one.sides[side]))
                    netted[one.party_id] = side == "net"
        for key, fee in self.fees().items():
            if fee.state != "booked" or fee.outcome == "done" or key in {name for name, _ in in_doubt}:
                continue
            own_side = "payable" if fee.amount_minor > 0 or fee.kind == "share" else "receivable"
            if fee.kind != "share" and self.taken[key].charge.settled_by is SettledBy.INSTRUCTION:
                groups[fee.party_id, own_side, key].append((key, fee.amount_minor))
            elif fee.party_id in netted and (fee.outcome == "carried" or fee.party_id in fresh):
                side = "net" if netted[fee.party_id] else own_side
                groups[fee.party_id, side, ""].append((key, fee.amount_minor))
        for (party, side, apart), parts in sorted(groups.items()):
            self._decided_on(party, side, parts, is_apart=bool(apart))
        for request in self.office.expire("payment", self.now) if self.release else ():
            self._decided(request, HOUSE, None)
        for unasked, at in list(self.known.items()) if self.release else ():
            if at.standing.state is InstructionState.CREATED and unasked not in self.asked:
                self._ask_for_release(unasked, at)

    def _in_doubt(self) -> set[tuple[str, str]]:
        """What may be paid after all, and waits for a person."""
        parked = [key for key, at in self.known.items() if at.standing.state is InstructionState.PARKED]
        return {place for key in parked for place, opened in self.covered[key].items() if opened}

    def _settle(self, end: SideEnd) -> None:
        one = self.statements[end.statement_id]
        one.settled = one.settled | {end.side} if end.settled else one.settled - {end.side}
        one.life = replace(one.life, settled=one.settled == one.sides.keys())
        one.log.append(("settle" if end.settled else "reopen", HOUSE, end.why))
        self.did("settle" if end.settled else "reopen", "told")

    def _decided_on(self, party: str, side: str, parts: Sequence[tuple[str, int]], *, is_apart: bool) -> None:
        """What becomes of parts that are settled together."""
        total = sum(amount for _, amount in parts)
        if total == 0:
            for name, _ in parts:
                self.pays[name, side] = None
                if name in self.statements:
                    self._settle(SideEnd(name, side, True, "", "settled without payment"))
        elif self.asks.minimum and abs(total) < MINIMUM_MINOR and not is_apart:
            self.carried |= dict.fromkeys((name, side) for name, _ in parts)
        else:
            self._instructed(party, side, [name for name, _ in parts], total)

    def _instructed(self, party: str, side: str, ids: Sequence[str], total: int) -> None:
        key, amount = UUID(int=len(self.known) + 1), abs(total)
        at = Standing(InstructionState.CREATED)
        self.known[key] = Known(
            key, "market", party, "shanghai", "CNY", "pay" if total > 0 else "collect", amount, "rest", at
        )
        self.covered[key] = {(name, side): False for name in ids}
        self.pays |= dict.fromkeys(self.covered[key], key)
        self._post(f"party/{party}", "channel/rest", total)
        self.did("instruct", self.known[key].direction)

    def _ask_for_release(self, key: UUID, at: Known) -> None:
        subject = Subject("payment", str(key), str(at.moves), at.amount_minor, "CNY", "anna")
        self.asked[key] = self.office.ask(subject, self.release, self.now).request_id
        self.known[key] = replace(at, proposed_by="anna")

    def work(self, what: Callable[[Desk, Channel], Sent], fate: Fate) -> None:
        worker = Mortal(self, self.channel, fate)
        try:
            what(worker, worker)
        except Killed:
            self.did("worker", "killed")

    def ready(self) -> Sequence[Order]:
        """As a desk."""
        return [
            self._order(key)
            for key, one in self.known.items()
            if one.standing.state in _READY and (one.standing.released or not self.release)
        ]

    def at(self, state: InstructionState) -> Sequence[Order]:
        """As a desk."""
        return [self._order(key) for key, one in self.known.items() if one.standing.state is state]

    def refusal(self, order: Order) -> str | None:
        """As a desk."""
        return None

    def _order(self, key: UUID) -> Order:
        one = self.known[key]
        return Order(key, one.direction, one.amount_minor, one.currency, "6222", one.party_id, one.legal_entity)

    def say(self, said: Said) -> Taken:
        followed = follow(self.known, [said], self.today)
        if said.move is Move.CANCEL and followed.now and said.key in self.asked:
            self.office.drop(self.asked[said.key])
        self._book(followed)
        self.known.update(followed.now)
        (taken,) = followed.taken
        self.did(said.move, taken.came)
        if followed.moved:
            self.told[said.key].append(f"{said.move} -> {taken.state} {taken.finding or ''} ({taken.came})")
        return taken

    def _book(self, followed: Followed) -> None:
        for result in transfers(followed, self.known, self.today):
            amount = int(str(result.cells["amount_minor"]))
            self.books[str(result.cells["debit_account"])] -= amount
            self.books[str(result.cells["credit_account"])] += amount
        back, after_all = turned_back(followed, self.known)
        for key in back:
            for part in self.covered[key]:
                if self.pays.get(part) == key:
                    self.covered[key][part] = True
                    del self.pays[part]
                    self.carried.pop(part, None)
        for key in after_all:
            for part in self.covered[key]:
                if part not in self.pays:
                    self.covered[key][part] = False
                    self.pays[part] = key
        covered = [
            Covered(key, name, side, self._due(name, side), opened)
            for key in followed.now for (name, side), opened in self.covered[key].items()
        ]  # fmt: skip
        for end in side_ends(followed, self.known, covered).get("market", ()):
            self._settle(end)

    def _due(self, name: str, side: str) -> int:
        fee = self.taken.get(name) or self.kept_shares.entries.get(name)
        return self.statements[name].sides[side] if fee is None else fee.amount_minor

    def read(self, file: Path) -> str:
        try:
            lines = bank_lines(file)
        except (ComeBackRefused, SourceError):
            return self.did("read", "refused")
        resolved = resolve(lines, {key: one.direction for key, one in self.known.items()}, {}, "bank file")
        assert not resolved.refused and not resolved.not_ours
        taken = [self.say(said) for said in resolved.said]
        return self.did("read", "moved" if any(one.came is Came.MOVED for one in taken) else "unchanged")

    def instructions(self) -> Mapping[UUID, Known]:
        return self.known

    def covers(self) -> Sequence[Covers]:
        return [
            Covers(name, side, self._due(name, side), key, opened)
            for key, sides in self.covered.items() for (name, side), opened in sides.items()
        ]  # fmt: skip

    def accounts(self) -> Mapping[str, int]:
        return self.books

    def history(self, key: UUID) -> Sequence[str]:
        return self.told[key]

    def log(self, statement_id: str) -> Sequence[tuple[str, str, str | None]]:
        return self.statements[statement_id].log
