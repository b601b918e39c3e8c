"""`everycent approvals`: what waits for whom, yes and no, groups and lent voices."""

import json
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from everycent.base.money.amount import grouped_minor
from everycent.base.money.currency import currency
from everycent.base.platform.settings import Settings
from everycent.flow.approvals import service as approvals
from everycent.flow.approvals.contract import Answer, Delegation
from everycent.flow.pipeline.session import Session, open_session
from everycent.serve.approving import Word, say
from everycent.serve.cli import exits
from everycent.serve.cli.refusals import NothingStored, NotSaid
from everycent.serve.cli.statements import Told, tell, user
from everycent.serve.cli.terminal import err, out, print_json, print_table
from everycent.serve.demo.approval_system import ApprovalSimulator, approval_simulator
from everycent.serve.outside_approvals import ApprovalSystem, Heard, ToldRequest, receiving_decisions, tell_waiting
from everycent.serve.wiring import migrations


def list_command(model: str | None, by: str | None, *, as_json: bool) -> int:
    """Lists what waits, for all or for one person."""
    now = datetime.now(UTC)
    with open_session(Settings.load(), migrations()) as session:
        models = session.models() if model is None else [model]
        found = [
            (name, request, at)
            for name in models
            for request, at in approvals.waiting(session.connection, session.tenant, name, now, by=by)
        ]
    if as_json:
        requests = [
            {
                "request_id": str(request.request_id), "model": name, "kind": request.subject.kind,
                "subject_id": request.subject.subject_id, "amount_minor": request.subject.amount_minor,
                "currency": request.subject.currency, "requested_by": request.subject.requested_by,
                "requested_at": request.requested_at, "level": at.level, "levels": len(request.levels),
                "groups": list(at.groups), "due_at": at.due_at,
            }
            for name, request, at in found
        ]  # fmt: skip
        print_json({"requests": requests})
        return exits.OK
    if not found:
        out.print("nothing waits")
        return exits.OK
    rows = [
        [str(request.request_id)[:8], request.subject.kind, request.subject.subject_id,
         grouped_minor(request.subject.amount_minor, currency(request.subject.currency)), request.subject.currency,
         f"{at.level} of {len(request.levels)}", " or ".join(at.groups), request.subject.requested_by,
         None if at.due_at is None else f"{at.due_at:%Y-%m-%d %H:%M} UTC"] for _, request, at in found
    ]  # fmt: skip
    columns = ("request", "of", "what", "amount", "", "level", "waits for", "asked by", "until")
    print_table("Waiting for approval", columns, rows, right=frozenset({3}))
    return exits.OK


def say_command(text: str, by: str | None, why: str | None, *, yes: bool, withdraws: bool, as_json: bool) -> int:
    """Decides a request, or takes it back; 1 where that is refused."""
    now = datetime.now(UTC)
    with open_session(Settings.load(), migrations()) as session:
        model, request_id = _named(session, text)
        word = Word(user(by), yes, why, withdraws)
        answer = say(session.connection, session.tenant, model, request_id, word, now)
    return tell("request_id", [_told(str(request_id), answer)], as_json=as_json)


def _named(session: Session, text: str) -> tuple[str, UUID]:
    """The request whose id begins so, and its model. Raises NothingStored."""
    fitting = [
        (name, request.request_id)
        for name in session.models()
        for request in approvals.requests(session.connection, session.tenant, name)
        if str(request.request_id).startswith(text.lower())
    ]
    if not text or not fitting:
        raise NothingStored(f"there is no request '{text}'; `everycent approvals list` shows those that wait")
    if len(fitting) > 1:
        some = ", ".join(str(request_id) for _, request_id in fitting[:5])
        raise NothingStored(f"several requests are called '{text}': {some}; write more of the id")
    return fitting[0]


def send_command(model: str | None, *, simulated: bool, as_json: bool) -> int:
    """Tells the approval system what waits; 1 where it did not hear all of it, or what it said was refused."""
    heard: list[Heard] = []
    with ExitStack() as running:
        session = running.enter_context(open_session(Settings.load(), migrations()))
        made_up = running.enter_context(_simulated(session, heard)) if simulated else None
        system = ApprovalSystem.load() if made_up is None else ApprovalSystem(made_up.url, made_up.secret)
        models = session.models() if model is None else [model]
        told = tell_waiting(session.connection, session.tenant, models, system, datetime.now(UTC))
        if made_up is not None:
            made_up.deliver()
    decisions = {} if made_up is None else {said["request"]: said for said in made_up.said.values()}
    came = {each.request: each for each in heard}
    if as_json:
        sent = [
            {"request_id": str(each.request.request_id), "model": each.model, "level": each.standing.level,
             "not_reached": each.not_reached} for each in told
        ]  # fmt: skip
        print_json({"sent": sent, "called_back": [{"said": decisions[at], **vars(came[at])} for at in decisions]})
    else:
        some = f"{len(told):,} request that waits" if len(told) == 1 else f"{len(told):,} requests that wait"
        out.print(f"the approval system was told {some}", markup=False)
        if made_up is not None:
            _tell_decisions(told, decisions, came)
        for each in told:
            if each.not_reached is not None:
                err.print(f"{str(each.request.request_id)[:8]}: {each.not_reached}", markup=False)
    unheard = any(each.not_reached is not None for each in told)
    return exits.FAILED if unheard or any(each.refusal is not None for each in heard) else exits.OK


@contextmanager
def _simulated(session: Session, heard: list[Heard]) -> Iterator[ApprovalSimulator]:
    """A system that is made up here while it runs; what came of its call-backs is added to `heard`."""
    secret = secrets.token_bytes(32)
    people = approvals.members_by_group(session.connection, session.tenant)
    with (
        receiving_decisions(session.settings, secret, told=heard.append) as call_back,
        approval_simulator(secret, call_back, people) as simulator,
    ):
        yield simulator


def _tell_decisions(
    told: Sequence[ToldRequest], decisions: Mapping[str, Mapping[str, Any]], came: Mapping[str | None, Heard]
) -> None:
    rows = []
    for each in told:
        key, request = str(each.request.request_id), each.request
        money = currency(request.subject.currency)
        said, then = decisions.get(key), came.get(key)
        rows.append([
            key[:8], request.subject.kind, request.subject.subject_id,
            grouped_minor(request.subject.amount_minor, money), money.code,
            f"{each.standing.level} of {len(request.levels)}", " or ".join(each.standing.groups),
            None if said is None else f"{'yes' if said['yes'] else 'no'}, by {said['by']}",
            None if then is None else then.refusal or then.state,
        ])  # fmt: skip
    if rows:
        columns = ("request", "of", "what", "amount", "", "level", "group", "said by call-back", "now")
        print_table("Decided by a made-up approval system", columns, rows, right=frozenset({3}))


def listen_command(port: int) -> int:
    """Takes the approval system's decisions until stopped, a line of JSON each."""
    system = ApprovalSystem.load()

    def told(heard: Heard) -> None:
        out.print(json.dumps(vars(heard)), markup=False)

    with (
        open_session(Settings.load(), migrations()) as session,
        receiving_decisions(session.settings, system.secret, port=port, told=told) as address,
    ):
        err.print(f"everycent: call-backs are taken at {address}", markup=False)
        while True:
            time.sleep(3600)


def delegate_command(
    to: str, since: date | None, until: date | None, days: int | None, kinds: Sequence[str], by: str | None, *,
    as_json: bool,
) -> int:  # fmt: skip
    """Lends a voice; 1 where that is refused. `since`: today if not given."""
    if (until is None) == (days is None):
        raise NotSaid("for how long? write --days 10, or --until with the last day, one of the two")
    now = datetime.now(UTC)
    first = since or now.date()
    given = Delegation(user(by), to, tuple(kinds), first, until or first + timedelta(days=(days or 0) - 1))
    with open_session(Settings.load(), migrations()) as session:
        answer = approvals.delegate(session.connection, session.tenant, given, given.lent_by, now)
    return tell("lent_to", [_told(to, answer)], as_json=as_json)


def group_command(
    group: str | None, add: Sequence[str], remove: Sequence[str], by: str | None, *, as_json: bool
) -> int:
    """Shows who is in which group; puts people in and out. 1 where one of them is refused."""
    if group is None and (add or remove):
        raise NotSaid("--add and --remove need a group; name it, for example: approvals group finance --add ann")
    now = datetime.now(UTC)
    with open_session(Settings.load(), migrations()) as session:
        told = []
        for name, is_in in (*((name, True) for name in add), *((name, False) for name in remove)):
            where = (session.connection, session.tenant, group or "", name, user(by), now)
            told.append(_told(name, approvals.set_member(*where, is_in=is_in)))
        known = approvals.members_by_group(session.connection, session.tenant)
    if told:
        return tell("person", told, as_json=as_json)
    shown = {name: people for name, people in known.items() if group in (None, name)}
    if as_json:
        print_json({"groups": shown})
        return exits.OK
    print_table("Groups", ("group", "people"), [[name, ", ".join(people)] for name, people in shown.items()])
    return exits.OK


def _told(what: str, answer: Answer) -> Told:
    return Told(what, answer.outcome, answer.refusal and str(answer.refusal), answer.message)
