"""`everycent statement`: what people see of statements, and what they say of closed ones."""

import getpass
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from everycent.base.money.amount import NotAnAmount, grouped_minor, parse_typed
from everycent.base.money.currency import currency
from everycent.base.money.cycle import BEGINNING, day_told
from everycent.base.platform.database import Connection
from everycent.base.platform.settings import Settings
from everycent.flow.approvals import service as approvals
from everycent.flow.approvals.contract import Outcome, Request, RequestState, person
from everycent.flow.payments import service as payments
from everycent.flow.pipeline.session import Session, open_session
from everycent.flow.settlement import service as settlement
from everycent.flow.settlement.contract import InvoiceSearch, LineKind, Search, StatementState
from everycent.serve.approving import Word, say
from everycent.serve.cli import exits
from everycent.serve.cli.payment_words import payment_words
from everycent.serve.cli.refusals import NothingStored, NotSaid
from everycent.serve.cli.terminal import err, out, print_json, print_table
from everycent.serve.wiring import migrations

_WAITS_FOR = ("close", "confirm", "approve", "resolve", "invoice", "payment", "unpark", "nothing")
#: What lines are called, as narrow as the other names.
_KINDS = {kind.value: kind.value.replace("_", " ") for kind in LineKind}
_ACTS: dict[str, Callable[[settlement.Desk, str, Any], settlement.Answer]] = {
    "confirm": settlement.confirm,
    "dispute": settlement.dispute,
    "resolve": settlement.resolve,
    "park": settlement.park,
    "unpark": settlement.unpark,
}


@dataclass(frozen=True)
class Chosen:
    """Which statements of a command line are meant."""

    model: str | None
    state: str | None
    waits_for: str | None
    party: str | None
    since: date | None
    until: date | None
    currency: str | None
    least: str | None
    most: str | None
    limit: int

    def search(self) -> Search:
        """Raises NotSaid, UnknownCurrency."""
        if self.state is not None and self.state not in {*StatementState}:
            raise NotSaid(f"--state {self.state}: write one of {', '.join(StatementState)}")
        if self.waits_for is not None and self.waits_for not in _WAITS_FOR:
            raise NotSaid(f"--waits-for {self.waits_for}: write one of {', '.join(_WAITS_FOR)}")
        if self.currency is not None:
            currency(self.currency)
        least, most = (self._minor(name, text) for name, text in (("--least", self.least), ("--most", self.most)))
        about = (self.model, None, self.state, self.waits_for, self.party, self.since, self.until, self.currency)
        return Search(*about, least, most, self.limit)

    def _minor(self, name: str, text: str | None) -> int | None:
        if text is None:
            return None
        if self.currency is None:
            raise NotSaid(f"{name} {text}: an amount is of a currency; say which with --currency")
        try:
            return parse_typed(text, currency(self.currency))
        except NotAnAmount as error:
            raise NotSaid(f"{name}: {error}") from None


def _closes_on(found: dict[str, object]) -> str:
    day = found["closes_on"]
    assert isinstance(day, date), day
    return day_told(day)


def user(by: str | None) -> str:
    """Who gives a command."""
    return by if by is not None else getpass.getuser()


def person_of(by: str | None, option: str) -> str:
    """Who gives a command that a person has to stand for, as names are kept. Raises NotSaid."""
    given = user(by)
    name = person(given)
    if name is None:
        raise NotSaid(f"{option} '{given}' is not a person's name; say who you are")
    return name


def list_command(chosen: Chosen, *, as_json: bool) -> int:
    """Lists statements with what they wait for."""
    search = chosen.search()
    with open_session(Settings.load(), migrations()) as session:
        found = settlement.lives(session.connection, session.tenant, search)
        ids = [str(each["statement_id"]) for each in found]
        paid = payments.of_statements(session.connection, session.tenant, ids)
    if as_json:
        print_json({"statements": [_plain(each) | {"payments": _sides(paid, each)} for each in found]})
        return exits.OK
    if not found:
        out.print("no statement fits")
        return exits.OK
    rows = [
        [each["statement_id"], _due(each), each["currency"], each["state"], each["waits_for"],
         payment_words(each, paid.get(str(each["statement_id"]), [])),
         _closes_on(each), each["released_as_of"]]
        for each in found
    ]  # fmt: skip
    columns = ("statement", "due", "", "state", "waits for", "payment", "closes on", "released")
    print_table("Statements", columns, rows, right=frozenset({1}))
    return exits.OK


def show_command(statement_id: str, *, as_json: bool) -> int:
    """Shows one with its figures and with who has to say yes."""
    now = datetime.now(UTC)
    with open_session(Settings.load(), migrations()) as session:
        found = _one(session, statement_id)
        paid = payments.of_statements(session.connection, session.tenant, [statement_id])
        asked = _requests(session, statement_id)
        beside = settlement.lines(session.connection, session.tenant, statement_id)
        billed = settlement.invoices(session.connection, session.tenant, InvoiceSearch(statement=statement_id))
        waiting = {
            request.request_id: at
            for request, at in approvals.waiting(session.connection, session.tenant, found["model"], now)
        }
    levels = [_levels(request) for request in asked]
    if as_json:
        print_json(
            {**_plain(found), "lines": [_plain(each) for each in beside], "approvals": levels}
            | {"payments": _sides(paid, found), "invoices": [_plain(each) for each in billed]}
        )
        return exits.OK
    out.print(f"{'terms':>16}  {_terms(found['agreed'])}", markup=False)
    for name, value in found.items():
        if value not in (None, []) and name not in ("moves", "approval_id", "agreed"):
            out.print(f"{name.removesuffix('_minor'):>16}  {_shown(found, name)}", markup=False)
    for each in beside:
        out.print(f"{_KINDS[str(each['kind'])]:>16}  {_amount(each, 'amount_minor')}{_of_line(each)}", markup=False)
    for each in billed:
        number = "" if each["number"] is None else f" {each['number']}"
        told = f"{each['state']}{number}, by {each['issuer']}: {_amount(each, 'total_minor')}"
        out.print(f"{'invoice':>16}  {told}", markup=False)
    if statement_id in paid:
        out.print(f"{'payment':>16}  {payment_words(found, paid[statement_id])}", markup=False)
    for request in asked:
        at = waiting.get(request.request_id)
        for_whom = "" if at is None else f", waits for {' or '.join(at.groups)}"
        said = ", ".join(f"{each.by}: {'yes' if each.yes else 'no'}" for each in request.decisions)
        line = f"{str(request.request_id)[:8]} {request.state}{for_whom} {said}".rstrip()
        out.print(f"{'approval':>16}  {line}", markup=False)
    return exits.OK


def _shown(found: dict[str, Any], name: str) -> str:
    """A figure of a statement, as people read it; `…`: a day that no event has said."""
    value = found[name]
    if name.endswith("_minor"):
        return _amount(found, name)
    if isinstance(value, date):
        return "…" if value == BEGINNING else day_told(value)
    return ", ".join(value) if isinstance(value, list) else str(value)


def log_command(statement_id: str, *, as_json: bool) -> int:
    """Shows its moves and what was decided about it, in order of time."""
    with open_session(Settings.load(), migrations()) as session:
        _one(session, statement_id)
        told = settlement.moves(session.connection, session.tenant, statement_id)
        billed = settlement.invoice_moves(session.connection, session.tenant, statement_id)
        asked = _requests(session, statement_id)
    blank = {"on_behalf_of": None, "level": None, "invoice": None}
    events = [{**move, **blank} for move in told]
    events += [{**each, **blank, "invoice": f"{each['side']}/{each['issue_no']}"} for each in billed]
    events += [
        {
            "move_no": None, "move": "yes" if each.yes else "no", "from_state": None, "to_state": None,
            "person": each.by, "reason": each.reason, "as_of": None, "recorded_at": each.at,
            "on_behalf_of": each.on_behalf_of, "level": each.level, "invoice": None,
        }
        for request in asked for each in request.decisions
    ]  # fmt: skip
    events.sort(key=lambda each: (str(each["recorded_at"]), each["move_no"] or 0))
    if as_json:
        print_json({"statement_id": statement_id, "log": events})
        return exits.OK
    rows = [
        [f"{each['recorded_at']:%Y-%m-%d %H:%M}", _happened(each), each["to_state"],
         each["person"] if each["on_behalf_of"] is None else f"{each['person']} for {each['on_behalf_of']}",
         each["reason"], each["as_of"]] for each in events
    ]  # fmt: skip
    print_table(statement_id, ("at (UTC)", "what", "state", "who", "why", "business day"), rows)
    return exits.OK


def _happened(event: dict[str, Any]) -> str:
    if event["invoice"] is not None:
        return f"{event['move']} invoice {event['invoice']}, {event['number']}"
    return str(event["move"]) if event["level"] is None else f"{event['move']}, level {event['level']}"


def _each(ids: Sequence[str]) -> list[str]:
    """The statements that are meant, each once; `-` stands for those on standard input, one a line."""
    named: list[str] = []
    for each in ids:
        named += [line.strip() for line in sys.stdin] if each == "-" else [each]
    return [each for each in dict.fromkeys(named) if each]


def act_command(act: str, ids: Sequence[str], by: str | None, why: str | None, *, as_json: bool) -> int:
    """Confirms, disputes or resolves statements, each by itself; 1 where one was refused."""
    with open_session(Settings.load(), migrations()) as session:
        desk = settlement.Desk(session.connection, session.tenant, approvals, user(by), datetime.now(UTC))
        answers = [_ACTS[act](desk, statement_id, why) for statement_id in _each(ids)]
    told = [
        Told(each.statement_id, each.outcome, None if each.refused is None else str(each.refused.refusal),
             "" if each.refused is None else each.refused.message) for each in answers
    ]  # fmt: skip
    return tell("statement_id", told, as_json=as_json)


def approve_command(ids: Sequence[str], by: str | None, why: str | None, *, yes: bool, as_json: bool) -> int:
    """Says yes or no to statements, each by itself; 1 where one was refused."""
    now = datetime.now(UTC)
    with open_session(Settings.load(), migrations()) as session:
        told = [_approve(session, each, Word(user(by), yes, why), now) for each in _each(ids)]
    return tell("statement_id", told, as_json=as_json)


def _approve(session: Session, statement_id: str, word: Word, now: datetime) -> "Told":
    found = _one(session, statement_id)
    asked = _requests(session, statement_id)
    under_way = [each for each in asked if each.request_id == found["approval_id"]]
    if not under_way:
        said = f"nobody is asked to approve it: it is {found['state']} and waits for {found['waits_for']}"
        return Told(statement_id, Outcome.REFUSED, "not_asked", said)
    where = (session.connection, session.tenant, found["model"])
    answer = say(*where, under_way[0].request_id, word, now)
    return Told(statement_id, answer.outcome, answer.refusal and str(answer.refusal), answer.message)


@dataclass(frozen=True)
class Told:
    """What became of a command about one thing."""

    what: str
    outcome: Outcome
    refusal: str | None = None
    message: str = ""


def tell(name: str, told: Iterable[Told], *, as_json: bool) -> int:
    """Prints what became of each; 1 where one was refused."""
    by_outcome: dict[Outcome, list[Told]] = {outcome: [] for outcome in Outcome}
    for each in told:
        by_outcome[each.outcome].append(each)
    refused = by_outcome[Outcome.REFUSED]
    if as_json:
        print_json(
            {
                "done": [each.what for each in by_outcome[Outcome.DONE]],
                "unchanged": [each.what for each in by_outcome[Outcome.UNCHANGED]],
                "refused": [{name: each.what, "refusal": each.refusal, "why": each.message} for each in refused],
            }
        )
    else:
        again = by_outcome[Outcome.UNCHANGED]
        as_were = f", {len(again):,} as they were" if again else ""
        out.print(f"{len(by_outcome[Outcome.DONE]):,} done{as_were}", markup=False)
        for each in refused:
            err.print(f"refused: {each.what}: {each.message} ({each.refusal})", markup=False)
    return exits.FAILED if refused else exits.OK


def _one(session: Session, statement_id: str) -> dict[str, Any]:
    """Raises NothingStored."""
    found = settlement.lives(session.connection, session.tenant, Search(ids=(statement_id,)))
    if not found:
        raise NothingStored(f"there is no statement '{statement_id}'; `everycent statement list` shows their ids")
    return found[0]


def _requests(session: Session, statement_id: str) -> list[Request]:
    return requests_of(session.connection, session.tenant, statement_id)


def requests_of(connection: Connection, tenant: str, statement_id: str) -> list[Request]:
    """All requests about a statement, the oldest first."""
    model = statement_id.partition("/")[0]
    kind = settlement.STATEMENT_KIND
    found = approvals.requests(connection, tenant, model, kind=kind, subject_id=statement_id)
    return sorted(found, key=lambda each: (each.requested_at, str(each.request_id)))


def _levels(request: Request) -> dict[str, Any]:
    decided = {each.level: each for each in request.decisions}
    return {
        "request_id": str(request.request_id),
        "state": request.state,
        "requested_by": request.subject.requested_by,
        "levels": [
            {
                "group": level.group,
                "yes": decided[at].yes if at in decided else None,
                "by": decided[at].by if at in decided else None,
                "waits": request.state is RequestState.PENDING and at == len(request.decisions) + 1,
            }
            for at, level in enumerate(request.levels, 1)
        ],
    }


def _plain(found: dict[str, Any]) -> dict[str, Any]:
    """Amounts as integers of minor units, what was agreed as an object."""
    plain = {name: int(value) if name.endswith("_minor") else value for name, value in found.items()}
    agreed = found.get("agreed")
    return plain if agreed is None else {**plain, "agreed": json.loads(agreed)}


def _terms(agreed: Any) -> str:
    """Under which contract a statement is settled, and what that says; the model's words hold for the rest."""
    if agreed is None:
        return "the model's"
    words = json.loads(agreed)
    told = {name: value for name, value in words.items() if name not in ("contract", "revision", "minimum_minor")}
    for code, minor in words.get("minimum_minor", {}).items():
        told["minimum"] = f"{grouped_minor(minor, currency(code))} {code}"
    rest = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in told.items())
    return f"contract {words['contract']}, revision {words['revision']}: {rest}; else the model's"


def _due(found: dict[str, Any]) -> str:
    """What its party is owed, or owes (below 0), with its lines."""
    return grouped_minor(int(found["net_minor"] + found["lines_minor"]), currency(found["currency"]))


def _of_line(line: dict[str, Any]) -> str:
    """Where it comes from, or goes to."""
    if line["release_on"] is not None:
        return f" until {line['release_on']}{', released' if line['is_released'] else ''}"
    if line["other_statement"] is None:
        return ""
    return f" {'to' if line['kind'] == 'carried_out' else 'from'} {line['other_statement']}"


def _sides(paid: dict[str, list[dict[str, Any]]], found: dict[str, Any]) -> list[dict[str, Any]]:
    """What became of its sides, for JSON."""
    return [_plain(side) for side in paid.get(str(found["statement_id"]), [])]


def _amount(found: dict[str, Any], name: str) -> str:
    return grouped_minor(int(found[name]), currency(found["currency"]))
