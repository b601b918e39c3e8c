"""The people around a house that pays: they say what comes into their heads, or what is theirs to say."""

from collections.abc import Callable
from pathlib import Path

from channel_simulator import Fate
from money_house import GROUPS, PARTIES, PEOPLE, Bill, Office, judge_by_truth
from money_oracle import Look, Owed, unfinished

from everycent.flow.approvals.contract import RequestState
from everycent.flow.non_order.contract import Given
from everycent.flow.payments.contract import InstructionState, Move, Said
from everycent.flow.payments.core.sharing import Asked, Does
from everycent.flow.payments.submitting import ask, submit
from everycent.flow.settlement.core.invoice_moves import InvoiceMove
from everycent.flow.settlement.core.moves import Move as StatementMove

_ACTS = (
    StatementMove.CONFIRM, StatementMove.DISPUTE, StatementMove.RESOLVE, StatementMove.PARK, StatementMove.UNPARK,
)  # fmt: skip
_FEES = ("fine", "deposit", "deposit", "deposit_back", "deposit_used")
#: What somebody says who sees what a statement waits for.
_FITTING = {"confirm": StatementMove.CONFIRM, "resolve": StatementMove.RESOLVE, "unpark": StatementMove.UNPARK}
#: And who wants to hold it back.
_AT_WILL = {**_FITTING, "payment": StatementMove.PARK}


def somebody(house: Office, owed: Owed, fate: Fate) -> None:
    """Anybody says anything."""
    way, by = fate(11), PEOPLE[fate(len(PEOPLE))]
    why = None if fate(8) == 0 else f"word {fate(3)}"
    if way < 3:
        _on_a_request(house, fate, by, why)
    elif way < 6:
        _on_a_statement(house, fate, by, why)
    elif way < 8:
        _on_an_instruction(house, fate, by, why)
    else:
        on_its_books(house, owed, fate)


def on_its_books(house: Office, owed: Owed, fate: Fate) -> None:
    """Anybody says something of an invoice, or of a fee or deposit."""
    by, why = PEOPLE[fate(len(PEOPLE))], None if fate(3) == 0 else f"word {fate(3)}"
    if house.asks.invoice and fate(4):
        _on_an_invoice(house, fate, by, why)
    else:
        _gives_a_fee(house, owed, fate, by)


def _gives_a_fee(house: Office, owed: Owed, fate: Fate, by: str) -> None:
    """Mostly another one; sometimes one that was given before, perhaps with another amount."""
    reference = f"F-{len(owed.fees) if fate(6) else fate(len(owed.fees) + 1)}"
    kind, party, amount = _FEES[fate(len(_FEES))], PARTIES[fate(len(PARTIES))], 1 + fate(150)
    amount = 1 + amount // 4 if kind.startswith("deposit_") else amount
    before = owed.fees.get(reference)
    given = before if before is not None and fate(2) else Given(
        "operations", reference, kind, party, f"{amount / 100:.2f}", "CNY", house.today.isoformat(), "")  # fmt: skip
    look = Look.at(house, owed)
    owed.fee(look, given, house.give(given, by))


#: Who gets shares of customers' payments, and the parties that they are.
_RECEIVERS = {**{f"openid-{party[-1]}": party for party in PARTIES}, "friend": None}


def at_the_wallet(house: Office, owed: Owed, fate: Fate) -> None:
    """Somebody shares a customer's payment, mostly another one, or asks what became of all; or the wallet goes on."""
    way = fate(6)
    if way == 0:
        house.share(None)
    elif way in (1, 2):
        asked = _asked_of_the_wallet(house, owed, fate)
        owed.shares[asked.key] = asked
        house.share([(asked.payment, asked.request, asked)])
    elif way == 3 and owed.shares:
        again = list(owed.shares.values())[fate(len(owed.shares))]
        house.share([(again.payment, again.request, again)])
    else:
        house.wallet.work()


def _asked_of_the_wallet(house: Office, owed: Owed, fate: Fate) -> Asked:
    """Each payment has four requests; some are to give back what one of them gave."""
    number = len(owed.shares)
    payment, before = f"P{number // 4}", [one for one in owed.shares.values() if one.payment == f"P{number // 4}"]
    if before and fate(3) == 0:
        ((receiver, fen), *_) = before[0].shares
        return Asked(payment, f"r{number}", 1000, house.today, Does.RETURN, ((receiver, 1 + fate(fen)),))
    names = sorted(_RECEIVERS)[fate(3) :]
    shares = tuple((name, 1 + fate(40)) for name in names[: 1 + fate(3)])
    parties = tuple((name, party) for name, _ in shares if (party := _RECEIVERS[name]) is not None)
    return Asked(payment, f"r{number}", 1000, house.today, Does.SHARE, shares, parties)


def _on_an_invoice(house: Office, fate: Fate, by: str, why: str | None) -> None:
    bills = house.bills()
    names = sorted(name for name, one in bills.items() if one.state != "voided" or fate(8) == 0)
    if not names:
        return
    due = [name for name in names if bills[name].state == "due"]
    among = due if due and fate(2) else names
    name = among[fate(len(among))]
    move = list(InvoiceMove)[fate(4)] if fate(2) else _next_of(bills[name])
    number = f"M-{fate(2)}" if move is InvoiceMove.RECEIVE else None
    total = bills[name].total_minor + (fate(3) == 0)
    house.act_on_bill(move, name, by, why, number, total)


def _next_of(bill: Bill) -> InvoiceMove:
    """What follows where all goes well."""
    if bill.state == "due":
        return InvoiceMove.RECEIVE if bill.side == "payable" else InvoiceMove.ISSUE
    return InvoiceMove.CONFIRM


def _on_a_request(house: Office, fate: Fate, by: str, why: str | None) -> None:
    asked = house.requests()
    # mostly what waits, sometimes what is over
    keys = sorted(key for key, one in asked.items() if fate(16) == 0 or one.state is RequestState.PENDING)
    if fate(6) == 0:
        house.lend(by, PEOPLE[fate(len(PEOPLE))])
    if not keys:
        return
    key = keys[fate(len(keys))]
    if fate(2):
        by = "bob"  # who is in two groups, and may speak in one of them
    if fate(8) == 0:
        house.withdraw(key, asked[key].subject.requested_by if fate(2) else by)
    else:
        house.decide(key, by, why, yes=fate(8) > 0)


def _on_a_statement(house: Office, fate: Fate, by: str, why: str | None) -> None:
    papers = house.papers()
    names = sorted(name for name, one in papers.items() if fate(8) == 0 or one.waits_for != "nothing")
    if names:
        name = names[fate(len(names))]
        move = _ACTS[fate(len(_ACTS))]
        if fate(2):
            move = _AT_WILL.get(papers[name].waits_for, move)
        house.act(move, name, by, why)


def _on_an_instruction(house: Office, fate: Fate, by: str, why: str | None) -> None:
    known = house.instructions()
    parked = sorted(key for key, one in known.items() if one.standing.state is InstructionState.PARKED)
    keys = parked if parked and fate(2) else sorted(known)
    if not keys:
        return
    key = keys[fate(len(keys))]
    state = known[key].standing.state
    if state is InstructionState.PARKED:
        judge_by_truth(house, key)
    elif state is InstructionState.PROCESSING and fate(4) == 0:
        house.say(Said(key, Move.PARK, "by hand", by, "it takes too long"))
    elif fate(8) == 0:
        house.say(Said(key, Move.CANCEL, "by hand", by, why))


def all_is_done(house: Office, owed: Owed, file: Path, close: Callable[[], None]) -> None:
    """Everybody does what is theirs to do, the channel has its best days after the first, until nothing is left to do.
    `close`: begins the next day. `file`: where a bank's file is put."""
    _the_wallet_tells(house, owed)
    for _ in range(12):
        _all_invoice(house)
        for name, paper in house.papers().items():
            if paper.waits_for in _FITTING:
                house.act(_FITTING[paper.waits_for], name, "zoe", "the day ends")
        _all_decide(house)
        house.instruct()
        _all_decide(house)
        house.work(submit, house.channel.fate)
        house.work(ask, house.channel.fate)
        _the_bank_tells(house, file)
        if not unfinished(Look.at(house, owed)):
            return
        close()


def _all_invoice(house: Office) -> None:
    """Each invoice that something waits for is given and accepted."""
    for name, bill in list(house.bills().items()):
        if bill.state == "due":
            number = f"M-{name}" if bill.side == "payable" else None
            house.act_on_bill(_next_of(bill), name, "zoe", "the day ends", number, bill.total_minor)
        if bill.state in ("due", "received", "issued"):
            house.act_on_bill(InvoiceMove.CONFIRM, name, "zoe", "the day ends", None, None)


def _all_decide(house: Office) -> None:
    """Each request is decided, by somebody who may; one that nobody may decide is taken back."""
    pending = [one for one in house.requests().values() if one.state is RequestState.PENDING]
    for request in pending:
        for level in request.levels[len(request.decisions) :]:
            able = sorted(GROUPS[level.group] - {request.subject.requested_by})
            _ = any(house.decide(request.request_id, by, "the day ends", yes=True) == "done" for by in able)
    for key, request in house.requests().items():
        if request.state is RequestState.PENDING:
            house.withdraw(key, request.subject.requested_by)
    known, asked = house.instructions(), house.requests()
    refused = {one.subject.subject_id for one in asked.values() if one.state is not RequestState.APPROVED}
    approved = {one.subject.subject_id for one in asked.values() if one.state is RequestState.APPROVED}
    for key, at in known.items():
        if at.standing.state is InstructionState.CREATED and str(key) in refused - approved:
            house.say(Said(key, Move.CANCEL, "by hand", "zoe", "somebody said no"))


def _the_wallet_tells(house: Office, owed: Owed) -> None:
    """What was asked is asked again until the wallet has done all of it, and said so."""
    for _ in range(3):
        house.wallet.calm()
        house.share([(one.payment, one.request, one) for one in owed.shares.values()])


def _the_bank_tells(house: Office, file: Path) -> None:
    """The day's files, and what nobody can tell even then is found out."""
    house.channel.calm()
    house.channel.write_files()
    for place, content in enumerate(house.channel.files):
        if place not in house.channel.came:
            file.write_bytes(content)
            assert house.read(file) != "refused"
            house.channel.came.add(place)
            if house.channel.fate(4) == 0:
                assert house.read(file) == "unchanged", "a file that comes twice says nothing new"
    for key, one in list(house.instructions().items()):
        if one.standing.state in (InstructionState.PROCESSING, InstructionState.UNKNOWN):
            house.say(Said(key, Move.PARK, "no answer", "zoe", "three days without an answer"))
        if house.instructions()[key].standing.state is InstructionState.PARKED:
            judge_by_truth(house, key)
