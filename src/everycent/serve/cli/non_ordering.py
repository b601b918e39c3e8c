"""`everycent non-order`: charges that no order causes are given, listed, and deposits looked at."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from everycent.base.money.amount import grouped_minor, ungrouped
from everycent.base.money.currency import all_currencies, currency
from everycent.base.platform.settings import Settings
from everycent.flow.model.service import load_model
from everycent.flow.non_order.contract import ChargeState, Given
from everycent.flow.non_order.service import Answer
from everycent.flow.pipeline.service import Fees, open_session
from everycent.serve.cli import exits
from everycent.serve.cli.refusals import NotSaid
from everycent.serve.cli.statements import Told, tell, user
from everycent.serve.cli.terminal import out, print_json, print_table
from everycent.serve.wiring import SECTIONS, migrations


@dataclass(frozen=True)
class Wanted:
    """A charge as a command line says it."""

    kind: str
    party: str
    amount: str
    reference: str
    on: date | None
    currency: str | None
    why: str
    source: str


def give_command(model_path: Path, wanted: Wanted, by: str | None, *, as_json: bool) -> int:
    """Gives one; 1 where it is refused."""
    model = load_model(model_path, SECTIONS)
    now = datetime.now(UTC)
    day = wanted.on or model.calendar.today(now)
    code = wanted.currency or model.spec.currency
    known = {each.code for each in all_currencies()}
    amount = ungrouped(wanted.amount, currency(code)) if code in known else wanted.amount
    given = Given(
        wanted.source, wanted.reference, wanted.kind, wanted.party, amount, code, day.isoformat(), wanted.why,
    )  # fmt: skip
    with open_session(Settings.load(), migrations()) as session:
        (answer,) = Fees(session, user(by), now).give(model, [given])
    return _tell([(wanted.reference, answer)], as_json=as_json)


def take_command(model_path: Path, files: Sequence[Path], source: str, by: str | None, *, as_json: bool) -> int:
    """Gives those in files; 1 where one is refused. A file that cannot be read is refused before any is given."""
    model = load_model(model_path, SECTIONS)
    with open_session(Settings.load(), migrations()) as session:
        fees = Fees(session, user(by), datetime.now(UTC))
        read = [each for path in files for each in fees.read(model, path, source)]
        answers = fees.give(model, [given for _, given in read])
    return _tell(
        [(f"{place} ({given.reference})", answer) for (place, given), answer in zip(read, answers, strict=True)],
        as_json=as_json,
    )


def _tell(answers: Iterable[tuple[str, Answer]], *, as_json: bool) -> int:
    told = [
        Told(what, answer.outcome, None if answer.refused is None else str(answer.refused.refusal),
             "" if answer.refused is None else answer.refused.message) for what, answer in answers
    ]  # fmt: skip
    return tell("reference", told, as_json=as_json)


def list_command(
    model: str | None, state: str | None, party: str | None, kind: str | None, limit: int, *, as_json: bool
) -> int:
    """Lists charges."""
    if state is not None and state not in {*ChargeState}:
        raise NotSaid(f"--state {state}: write one of {', '.join(ChargeState)}")
    with open_session(Settings.load(), migrations()) as session:
        found = Fees(session, user(None), datetime.now(UTC)).shown(model, state, party, kind, limit)
    if as_json:
        print_json({"charges": found})
        return exits.OK
    if not found:
        out.print("no charge fits")
        return exits.OK
    rows = [
        [each["source"], each["reference"], each["kind"], each["party_id"], each["direction"], _amount(each),
         each["currency"], each["occurred_on"], each["state"], each["settlement"] or each["declined_why"]]
        for each in found
    ]  # fmt: skip
    columns = ("from", "reference", "kind", "party", "", "amount", "", "owed from", "state", "its money")
    print_table("Non-order charges", columns, rows, right=frozenset({5}))
    return exits.OK


def deposits_command(model_path: Path, party: str | None, *, as_json: bool) -> int:
    """Shows deposits."""
    model = load_model(model_path, SECTIONS)
    with open_session(Settings.load(), migrations()) as session:
        found = Fees(session, user(None), datetime.now(UTC)).deposits(model, party)
    if as_json:
        print_json({"deposits": [{**asdict(each), "left_minor": each.left_minor} for each in found]})
        return exits.OK
    if not found:
        out.print("no deposit was asked for")
        return exits.OK
    rows = []
    for each in found:
        amounts = (each.owed_minor, each.paid_in_minor, each.given_back_minor, each.left_minor)
        money = currency(each.currency)
        rows.append([each.party_id, each.kind, each.legal_entity, *(grouped_minor(one, money) for one in amounts),
                     each.currency])  # fmt: skip
    columns = ("party", "deposit", "with", "asked of it", "paid in", "given back", "left", "")
    print_table("Deposits", columns, rows, right=frozenset(range(3, 7)))
    return exits.OK


def _amount(found: dict[str, Any]) -> str:
    return grouped_minor(int(found["amount_minor"]), currency(found["currency"]))
