"""A house in memory that owes parties money, asks people and pays through a channel: the real cores, no database."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from uuid import UUID

from approval_office import ApprovalOffice
from channel_simulator import Fate
from money_house import GROUPS, Covers, Killed, MoneyHouse, Mortal, Paper, side_of, sides_of

from everycent.flow.approvals.contract import HOUSE, Delegation, LevelSpec, Request, RequestState, Subject, Verdict
from everycent.flow.payments.contract import Channel, InstructionState, Move, Order, Said, Taken
from everycent.flow.payments.core.ends import Covered, side_ends
from everycent.flow.payments.core.following import Followed, Known, follow, transfers, turned_back
from everycent.flow.payments.core.moves import Standing
from everycent.flow.payments.submitting import Desk, Sent
from everycent.flow.settlement.contract import HandingOn, Needs, Refused, SideEnd, StatementState
from everycent.flow.settlement.core.moves import NEED_REASON, Life, moved
from everycent.flow.settlement.core.moves import Move as StatementMove

_READY = (InstructionState.CREATED, InstructionState.APPROVED)
_SAID = (StatementMove.CONFIRM, StatementMove.DISPUTE, StatementMove.RESOLVE, StatementMove.DECLINE)
_HELD_BACK = (StatementMove.PARK, StatementMove.UNPARK)


@dataclass
class Statement:
    """As settlement keeps it. `pays`: by side, the instruction that pays it; None where nothing is to pay."""

    party_id: str
    sides: Mapping[str, int]
    life: Life
    confirm_by: date | None
    rounds: int = 0
    asked: UUID | None = None
    pays: dict[str, UUID | None] = field(default_factory=dict)
    settled: set[str] = field(default_factory=set)
    log: list[tuple[str, str, str | None]] = field(default_factory=list)

    @property
    def asked_minor(self) -> int:
        """What a yes to it is about."""
        return sum(map(abs, self.sides.values()))

    @property
    def waits_for(self) -> str:
        life = self.life
        if life.state is StatementState.DISPUTED:
            return "resolve"
        if life.released:
            return "nothing" if life.settled else "unpark" if life.parked else "payment"
        return life.waits_for.value


@dataclass
class MemoryHouse(MoneyHouse):
    """The services' work is done here; what is decided, the cores decide."""

    office: ApprovalOffice = field(default_factory=lambda: ApprovalOffice(GROUPS))
    figures: Counter[tuple[str, str]] = field(default_factory=Counter)  # of the open statements, by party and side
    opened: set[str] = field(default_factory=set)
    statements: dict[str, Statement] = field(default_factory=dict)
    known: dict[UUID, Known] = field(default_factory=dict)
    asked: dict[UUID, UUID] = field(default_factory=dict)  # instruction -> the request of its release
    covered: dict[UUID, dict[tuple[str, str], bool]] = field(default_factory=dict)  # instruction -> side -> opened
    books: Counter[str] = field(default_factory=Counter)  # credits less debits
    told: dict[UUID, list[str]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        self.needs, self.kept = Needs.of(self.asks.statements), HandingOn.of(self.asks.statements)
        self.release: Sequence[LevelSpec] = self.asks.payouts(self.channel).release or ()

    def book(self, owed: Sequence[tuple[str, int]]) -> None:
        for party, amount in owed:
            self.did("book", "owed" if amount > 0 else "refund")
            self.figures[party, side_of(self.asks, amount)] += amount
            self.opened.add(party)
            self.books["operator"] -= amount
            self.books[f"party/{party}"] += amount

    def close(self) -> None:
        closes, self.today = self.today, self.today + timedelta(days=1)
        now_open, self.opened = sorted(self.opened), set()
        new = []
        for party in now_open:
            total = {side: self.figures.pop((party, side), 0) for side in sides_of(self.asks)}
            if self.kept.carries and total.get("net", 0) < 0:
                self.figures[party, "net"] = total["net"]
                self.opened.add(party)
                self.did("close", "carried")
                total = {"net": 0}
            need = self.needs
            life = Life(StatementState.CLOSED, need.confirms, bool(need.approve), released=not need.any)
            made = Statement(party, total, life, self._silent_on() if need.confirms else None)
            new.append(f"market/{party}/{closes}/CNY/shanghai")
            self.statements[new[-1]] = made
            made.log.append(("close", HOUSE, None))
            self.did("close", "done")
        self._go_on(new, HOUSE)
        silent = [
            name for name, one in self.statements.items() if one.life.state is StatementState.CLOSED
            and one.confirm_by is not None and one.confirm_by <= self.today
        ]  # fmt: skip
        self._make(silent, StatementMove.CONFIRM, HOUSE, "nobody disputed it in time")
        self._go_on(silent, HOUSE)
        over = [request.subject.subject_id for request in self.office.expire("statement", self.now)]
        self._make(over, StatementMove.DECLINE, HOUSE, "nobody approved it in time")

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
        if self.statements[subject.subject_id].asked != request.request_id:
            return
        self._make([subject.subject_id], StatementMove.APPROVE if yes else StatementMove.DECLINE, by, why or "no")
        self._go_on([subject.subject_id], by)

    def requests(self) -> Mapping[UUID, Request]:
        return self.office.requests

    def papers(self) -> Mapping[str, Paper]:
        return {
            name: Paper(name, one.party_id, one.sides, one.life.state.value, one.waits_for, one.asked)
            for name, one in self.statements.items()
        }

    def instruct(self) -> None:
        """Party by party, all that is released and that nothing pays."""
        free: dict[tuple[str, str], list[str]] = defaultdict(list)
        for name, one in self.statements.items():
            if one.life.released and not one.life.parked:
                for side in one.sides.keys() - one.pays.keys():
                    free[one.party_id, side].append(name)
        for (party, side), ids in sorted(free.items()):
            total = sum(self.statements[name].sides[side] for name in ids)
            if total:
                self._instructed(party, side, ids, total)
                continue
            for name in ids:
                self.statements[name].pays[side] = None
                self._settle(SideEnd(name, side, True, "", "settled without payment"))
        for request in self.office.expire("payment", self.now) if self.release else ():
            self._decided(request, HOUSE, None)
        for key, at in list(self.known.items()) if self.release else ():
            if at.standing.state is InstructionState.CREATED and key not in self.asked:
                self._ask_for_release(key, at)

    def _settle(self, end: SideEnd) -> None:
        one = self.statements[end.statement_id]
        one.settled = one.settled | {end.side} if end.settled else one.settled - {end.side}
        one.life = replace(one.life, settled=one.settled == one.sides.keys())
        one.log.append(("settle" if end.settled else "reopen", HOUSE, end.why))
        self.did("settle" if end.settled else "reopen", "told")

    def _instructed(self, party: str, side: str, ids: Sequence[str], total: int) -> None:
        key, amount = UUID(int=len(self.known) + 1), abs(total)
        at = Standing(InstructionState.CREATED)
        self.known[key] = Known(
            key, "market", party, "shanghai", "CNY", "pay" if total > 0 else "collect", amount, "rest", at
        )
        self.covered[key] = {(name, side): False for name in ids}
        for name in ids:
            self.statements[name].pays[side] = key
        self.books[f"party/{party}"] -= total
        self.books["channel/rest"] += total
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
            for name, side in self.covered[key]:
                if self.statements[name].pays.get(side) == key:
                    self.covered[key][name, side] = True
                    del self.statements[name].pays[side]
        for key in after_all:
            for name, side in self.covered[key]:
                if side not in self.statements[name].pays:
                    self.covered[key][name, side] = False
                    self.statements[name].pays[side] = key
        covered = [
            Covered(key, name, side, self.statements[name].sides[side], opened)
            for key in followed.now for (name, side), opened in self.covered[key].items()
        ]  # fmt: skip
        for end in side_ends(followed, self.known, covered).get("market", ()):
            self._settle(end)

    def instructions(self) -> Mapping[UUID, Known]:
        return self.known

    def covers(self) -> Sequence[Covers]:
        return [
            Covers(name, side, self.statements[name].sides[side], key, opened)
            for key, sides in self.covered.items() for (name, side), opened in sides.items()
        ]  # fmt: skip

    def accounts(self) -> Mapping[str, int]:
        return self.books

    def history(self, key: UUID) -> Sequence[str]:
        return self.told[key]

    def log(self, statement_id: str) -> Sequence[tuple[str, str, str | None]]:
        return self.statements[statement_id].log
