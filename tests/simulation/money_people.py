"""The people around a house that pays: they say what comes into their heads, or what is theirs to say."""

from collections.abc import Callable

from channel_simulator import Fate
from money_house import GROUPS, PEOPLE, Office, judge_by_truth

from everycent.flow.approvals.contract import RequestState
from everycent.flow.payments.contract import InstructionState, Move, Said
from everycent.flow.payments.submitting import ask, submit
from everycent.flow.settlement.core.moves import Move as StatementMove

_ACTS = (
    StatementMove.CONFIRM, StatementMove.DISPUTE, StatementMove.RESOLVE, StatementMove.PARK, StatementMove.UNPARK,
)  # fmt: skip
#: What somebody says who sees what a statement waits for.
_FITTING = {"confirm": StatementMove.CONFIRM, "resolve": StatementMove.RESOLVE, "unpark": StatementMove.UNPARK}


def somebody(house: Office, fate: Fate) -> None:
    """Anybody says anything."""
    way, by = fate(8), PEOPLE[fate(len(PEOPLE))]
    why = None if fate(8) == 0 else f"word {fate(3)}"
    if way < 3:
        _on_a_request(house, fate, by, why)
    elif way < 6:
        _on_a_statement(house, fate, by, why)
    else:
        _on_an_instruction(house, fate, by, why)


def _on_a_request(house: Office, fate: Fate, by: str, why: str | None) -> None:
    asked = house.requests()
    # mostly what waits, sometimes what is over
    keys = sorted(key for key, one in asked.items() if fate(16) == 0 or one.state is RequestState.PENDING)
    if fate(6) == 0:
        house.lend(by, PEOPLE[fate(len(PEOPLE))])
    if not keys:
        return
    key = keys[fate(len(keys))]
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
            move = _FITTING.get(papers[name].waits_for, move)
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


def all_is_done(house: Office, close: Callable[[], None]) -> None:
    """Everybody does what is theirs to do, the channel has its best days after the first, until nothing is left to do.
    `close`: begins the next day."""
    for _ in range(12):
        for name, paper in house.papers().items():
            if paper.waits_for in _FITTING:
                house.act(_FITTING[paper.waits_for], name, "zoe", "the day ends")
        _all_decide(house)
        house.instruct()
        _all_decide(house)
        house.work(submit, house.channel.fate)
        house.work(ask, house.channel.fate)
        _the_bank_tells(house)
        if all(paper.waits_for == "nothing" for paper in house.papers().values()):
            return
        close()


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


def _the_bank_tells(house: Office) -> None:
    """The day's statement, and what nobody can tell even then is found out."""
    house.channel.calm()
    for said in house.channel.statement():
        house.say(said)
    for key, one in list(house.instructions().items()):
        if one.standing.state in (InstructionState.PROCESSING, InstructionState.UNKNOWN):
            house.say(Said(key, Move.PARK, "no answer", "zoe", "three days without an answer"))
        if house.instructions()[key].standing.state is InstructionState.PARKED:
            judge_by_truth(house, key)
