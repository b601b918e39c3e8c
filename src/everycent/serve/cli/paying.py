"""`everycent payments`: what people see of payments and do with them."""

import json
import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from everycent.base.money.amount import NotAnAmount, format_minor, grouped_minor, parse_typed
from everycent.base.money.currency import currency
from everycent.base.platform.settings import Settings
from everycent.flow.approvals.contract import Outcome
from everycent.flow.model.contract import LoadedModel
from everycent.flow.model.service import load_model
from everycent.flow.payments import service as payments
from everycent.flow.payments.contract import Taken
from everycent.flow.payments.service import Came, Listed, Move, Receipt, Sent
from everycent.flow.pipeline.service import Cashier, call_back_secret, open_session
from everycent.serve.approving import Word, say
from everycent.serve.business_day import business_days
from everycent.serve.cli import exits
from everycent.serve.cli.refusals import NothingStored, NotSaid
from everycent.serve.cli.simulated_services import simulated_services
from everycent.serve.cli.statements import Told, person_of, tell
from everycent.serve.cli.terminal import err, out, print_json, print_table, shorten
from everycent.serve.payment_callbacks import Heard, receiving_payments
from everycent.serve.wiring import SECTIONS, migrations

#: What was not done as asked, or needs a person.
_UNDONE = (Came.NOT_ALLOWED, Came.OWN_REQUEST, Came.UNKNOWN_ORDER, Came.CONTRADICTED)
_COLUMNS = ("id", "state", "party", "amount", "", "channel", "as of", "why")


@contextmanager
def _cashier(as_of: date | None = None) -> Iterator[Cashier]:
    """Results are booked on `as_of`, else on the business day that each one's model has now."""
    now = datetime.now(UTC)
    with open_session(Settings.load(), migrations()) as session:
        days = {} if as_of is not None else business_days(session.connection, session.tenant, now)
        yield Cashier(session, now, as_of or max(days.values(), default=now.date()), days)


def list_command(states: Sequence[str], model: str | None, limit: int, *, as_json: bool) -> int:
    """Lists instructions."""
    with _cashier() as cashier:
        counts, rows = cashier.standing(states, model, limit)
    if as_json:
        print_json({"counts": counts, "instructions": [_told(row) for row in rows]})
        return exits.OK
    print_table("Payments and collections", ["state", "direction", "instructions", "amount", ""], [
        [each["state"], each["direction"], f"{each['instructions']:,}", _signed(each), each["currency"]]
        for each in counts
    ], right=frozenset({2, 3}))  # fmt: skip
    if rows:
        print_table("", _COLUMNS, [_line(row) for row in rows], right=frozenset({3}))
    return exits.OK


def show_command(wanted: str, *, as_json: bool) -> int:
    """Shows one instruction with its moves."""
    with _cashier() as cashier:
        row = _found(cashier, wanted)
        moves = cashier.moves(row["instruction_id"])
        sides = cashier.sides(row["instruction_id"])
        received = cashier.received(row["instruction_id"])
    if as_json:
        parts = [{**part, "amount_minor": int(part["amount_minor"])} for part in received]
        print_json({**_told(row), "moves": moves, "statements": sides, "received": parts})
        return exits.OK
    print_table("", _COLUMNS, [_line(row)], right=frozenset({3}))
    print_table("It pays", ["statement", "side", "amount", ""], [
        [side["statement_id"], side["side"], grouped_minor(int(side["amount_minor"]), currency(row["currency"])),
         "opened again" if side["opened"] else ""] for side in sides
    ], right=frozenset({2}))  # fmt: skip
    if received:
        print_table("Came in for it", ["on", "amount", "where it was told", "text"], [
            [part["as_of"], grouped_minor(int(part["amount_minor"]), currency(row["currency"])), part["cause"],
             shorten(part["text"])] for part in received
        ], right=frozenset({1}))  # fmt: skip
    print_table("Its life", ["", "move", "to", "who", "where it was said", "why"], [
        [move["move_no"], move["move"] if move["came"] == "moved" else f"{move['move']} ({move['came']})",
         move["to_state"], move["who"], move["cause"], shorten(move["why"] or move["finding"] or "")]
        for move in moves
    ], right=frozenset({0}))  # fmt: skip
    return exits.OK


def by_hand_command(
    ids: Sequence[str], move: str, who: str | None, why: str | None, as_of: date | None, *, as_json: bool
) -> int:
    """What a person says of instructions; 1 where something was not done as asked."""
    with _cashier(as_of) as cashier:
        keys = [_found(cashier, each)["instruction_id"] for each in ids]
        taken = cashier.by_hand(keys, Move(move), person_of(who, "--as"), why)
    return _tell(taken, {}, as_json=as_json)


def received_command(ids: Sequence[str], who: str | None, why: str, as_of: date | None, *, as_json: bool) -> int:
    """A person says that what instructions collect came in; 1 where something was not done as asked."""
    with _cashier(as_of) as cashier:
        rows = [_found(cashier, each) for each in ids]
        paid = [row for row in rows if row["direction"] != "collect"]
        if paid:
            raise NotSaid(f"{paid[0]['instruction_id']} is a payment: nothing comes in of it; name what is collected")
        taken = cashier.by_hand([row["instruction_id"] for row in rows], Move.PAY, person_of(who, "--as"), why)
    return _tell(taken, {}, as_json=as_json)


def release_command(ids: Sequence[str], who: str | None, why: str | None, *, yes: bool, as_json: bool) -> int:
    """Says yes or no to instructions, each by itself; 1 where one was refused."""
    with _cashier() as cashier:
        rows = [_found(cashier, each) for each in dict.fromkeys(ids)]
        told = [_released(cashier, row, Word(person_of(who, "--as"), yes, why)) for row in rows]
    return tell("instruction_id", told, as_json=as_json)


def _released(cashier: Cashier, row: dict[str, Any], word: Word) -> Told:
    key = str(row["instruction_id"])
    if row["approval_id"] is None:
        return Told(key, Outcome.REFUSED, "not_asked", f"nobody is asked to release it: it is {row['state']}")
    where = (cashier.session.connection, cashier.session.tenant, row["model"])
    answer = say(*where, row["approval_id"], word, cashier.now)
    return Told(key, answer.outcome, answer.refusal and str(answer.refusal), answer.message)


def send_command(path: Path, as_of: date | None, *, only_ask: bool, bills: Path | None = None, as_json: bool) -> int:
    """Sends or asks; 1 where something needs a person, 75 where the service could not be reached. `bills`: where
    services that are made up here, and stand in for the model's, write them."""
    model = load_model(path, SECTIONS)
    with _cashier(as_of or model.calendar.today(datetime.now(UTC))) as cashier:
        if bills is not None:
            return _simulated(cashier, model, bills, as_json=as_json)
        sent: Sent = (cashier.ask if only_ask else cashier.submit)(model, os.environ)
    return _tell_sent(sent, {}, as_json=as_json)


def _simulated(cashier: Cashier, model: LoadedModel, folder: Path, *, as_json: bool) -> int:
    """Sends to services that are made up here; they call back before they end."""
    with simulated_services(cashier.session, model, folder) as services:
        sent = cashier.submit(model, services.environment)
        services.deliver()
    sent.taken += [heard.taken for heard in services.heard if heard.taken is not None]
    code = _tell_sent(sent, {"bills": [str(path) for path in services.bills]}, as_json=as_json)
    if not as_json:
        for bill in services.bills:
            out.print(str(bill), markup=False)
    return code


def _tell_sent(sent: Sent, more: dict[str, Any], *, as_json: bool) -> int:
    refused = [{"instruction": order.key, "why": why} for order, why in sent.refused]
    code = _tell(sent.taken, {"refused": refused, "unreachable": sent.unreachable, **more}, as_json=as_json)
    if not as_json:
        for each in refused:
            err.print(f"everycent: {each['instruction']} was not sent: {each['why']}", markup=False)
    if sent.unreachable is not None:
        if not as_json:
            err.print(f"everycent: {sent.unreachable}; nothing was lost, try again later", markup=False)
        return exits.UNAVAILABLE
    return code


def read_command(files: Sequence[Path], as_of: date | None, *, as_json: bool) -> int:
    """Takes in banks' files, one after another; 1 where something in them needs a person."""
    taken: list[Taken] = []
    receipts: list[Receipt] = []
    not_ours, repeated, refused, incoming = 0, 0, [], []
    with _cashier(as_of) as cashier:
        for file in files:
            read = cashier.read(file)
            taken += read.taken
            not_ours += read.not_ours
            refused += [f"{file.name}: {why}" for why in read.refused]
            receipts += read.receipts
            repeated += len(read.repeated)
            incoming += [_listed(each) for each in read.incoming]
    more = {"not_ours": not_ours, "refused": refused, "incoming": incoming, "on_account": _receipts(receipts)}
    code = _tell(taken, {**more, "on_account_before": repeated}, as_json=as_json)
    if not as_json:
        if not_ours:
            out.print(f"{not_ours:,} lines are of no payment of ours")
        _print_receipts(receipts, repeated)
        if incoming:
            titles = ["line", "amount", "", "why", "may be", "text"]
            print_table("Money that came in, for a person to look at", titles, [
                [each["line"], _amount(each), each["currency"], each["fit"],
                 " ".join(str(key)[:8] for key in each["candidates"][:3]),
                 shorten(each["text"])] for each in incoming
            ], right=frozenset({1}))  # fmt: skip
        for why in refused:
            err.print(f"everycent: {why}", markup=False)
    return exits.FAILED if refused or incoming else code


def _listed(each: Listed) -> dict[str, Any]:
    came = each.came
    told = {"line": came.handle, "cause": came.cause, "amount_minor": came.amount_minor, "currency": came.currency}
    return {**told, "text": came.text, "fit": each.fit, "candidates": list(each.candidates)}


def _receipts(receipts: Sequence[Receipt]) -> list[dict[str, Any]]:
    return [
        {**vars(each), "uses": [vars(use) for use in each.uses], "free_minor": each.free_minor} for each in receipts
    ]


def _print_receipts(receipts: Sequence[Receipt], repeated: int) -> None:
    rows = []
    for each in receipts:
        money = currency(each.currency)
        rest = [[grouped_minor(each.free_minor, money), "free", ""]] if each.free_minor else []
        for amount, key, left in [
            *([grouped_minor(use.amount_minor, money), str(use.key)[:13], grouped_minor(use.left_minor, money)]
              for use in each.uses),
            *rest,
        ]:  # fmt: skip
            rows.append([each.party_id, _amount(vars(each)), each.currency, amount, key, left])
    if rows:
        titles = ["party", "came in", "", "of it", "for", "still owed"]
        print_table("Money that is kept on account", titles, rows, right=frozenset({1, 3, 5}))
    if repeated:
        out.print(f"{repeated:,} lines were taken on account before")


def take_command(
    path: Path, line: str, ids: Sequence[str], who: str | None, why: str, as_of: date | None, *, as_json: bool
) -> int:
    """A person says what a line of a bank's file is for."""
    with _cashier(as_of) as cashier:
        keys = [_found(cashier, each)["instruction_id"] for each in ids]
        receipt, taken = cashier.take(path, line, keys, person_of(who, "--as"), why)
    if not as_json:
        _print_receipts([receipt], 0)
    return _tell(taken, {"on_account": _receipts([receipt])}, as_json=as_json)


def use_command(ids: Sequence[str], who: str | None, why: str, as_of: date | None, *, as_json: bool) -> int:
    """A person says that what is free of a party pays what it owes."""
    with _cashier(as_of) as cashier:
        keys = [_found(cashier, each)["instruction_id"] for each in ids]
        uses, taken = cashier.use(keys, person_of(who, "--as"), why)
    if not as_json:
        out.print(f"{len(uses):,} parts of what is on account are set aside")
    return _tell(taken, {"uses": [vars(use) for use in uses]}, as_json=as_json)


def pay_back_command(
    receipt: str, amount: str | None, who: str | None, why: str, as_of: date | None, *, as_json: bool
) -> int:
    """A person says that money on account goes back to its party."""
    with _cashier(as_of) as cashier:
        rows = cashier.on_account(None, None, all_of_them=True)
        named = receipt.replace("-", "").lower()
        whose = [row for row in rows if row["party_id"] == receipt and row["free_minor"]]
        found = whose or [row for row in rows if row["receipt_id"].hex.startswith(named)]
        if len(found) != 1:
            said = f"{len(found)} receipts are called '{receipt}'; `everycent payments on-account` shows them"
            raise NotSaid(f"{said}, name one by the first digits of its id")
        (row,) = found
        minor = None if amount is None else _amount_of(amount, row["currency"])
        one = cashier.pay_back(row["receipt_id"], minor, person_of(who, "--as"), why)
    if as_json:
        print_json({"pay_back": vars(one)})
    else:
        said = f"{_amount(vars(one))} {one.currency} goes back to {one.party_id}; the next run instructs it"
        out.print(said, markup=False)
    return exits.OK


def _amount_of(text: str, code: str) -> int:
    try:
        return parse_typed(text, currency(code))
    except NotAnAmount as error:
        raise NotSaid(f"--amount {text}: {error}") from error


def on_account_command(party: str | None, model: str | None, *, all_of_them: bool, as_json: bool) -> int:
    """Shows what is kept on account."""
    with _cashier() as cashier:
        rows = cashier.on_account(party, model, all_of_them=all_of_them)
    minor = ("amount_minor", "set_aside_minor", "paid_minor", "paid_back_minor", "free_minor")
    told = [{**row, **{name: int(row[name]) for name in minor}} for row in rows]
    if as_json:
        print_json({"on_account": told})
        return exits.OK
    titles = ["receipt", "party", "came in", "", "on", "set aside", "has paid", "goes back", "free",
              "where it is told", "text"]  # fmt: skip
    print_table("Money that is kept on account", titles, [
        [str(row["receipt_id"])[:8], row["party_id"], _amount(row), row["currency"], row["as_of"],
         *(grouped_minor(row[name], currency(row["currency"])) for name in minor[1:]), row["cause"],
         shorten(row["text"])] for row in told
    ], right=frozenset({2, 5, 6, 7, 8}))  # fmt: skip
    return exits.OK


def listen_command(path: Path, port: int, channel: str | None) -> int:
    """Takes call-backs until stopped."""
    model = load_model(path, SECTIONS)
    with open_session(Settings.load(), migrations()) as session:
        name, secret = call_back_secret(model, session.tenant, os.environ, channel)
        where = (session.settings, model, secret)
        with receiving_payments(*where, port=port, told=_print_heard, channel=name) as address:
            err.print(f"everycent: call-backs are taken at {address}", markup=False)
            while True:
                time.sleep(3600)


def _print_heard(heard: Heard) -> None:
    out.print(json.dumps(heard.plain), markup=False)


def events_command(model: str | None, after: int, limit: int, kind: str | None) -> int:
    """Prints events as lines of JSON."""
    with _cashier() as cashier:
        for event in cashier.events(model, after, limit, kind):
            print_json(event)
    return exits.OK


def stop_command(channel: str | None, who: str | None, why: str | None, *, as_json: bool) -> int:
    """Stops payments, or with no `why` starts them."""
    with _cashier() as cashier:
        where = (cashier.session.connection, cashier.session.tenant, channel, person_of(who, "--as"))
        changed = payments.start(*where, cashier.now) if why is None else payments.stop(*where, why, cashier.now)
    stopped = why is not None
    if as_json:
        print_json({"stopped": stopped, "channel": channel, "changed": changed})
    else:
        what = "payments" if channel is None else f"payments by {channel}"
        out.print(f"{what} are {'stopped' if stopped else 'not stopped'}{'' if changed else ', as before'}")
    return exits.OK


def _tell(taken: Sequence[Taken], more: dict[str, Any], *, as_json: bool) -> int:
    undone = [one for one in taken if one.came in _UNDONE]
    if as_json:
        told = [
            {"instruction": one.said.key, "said": one.said.move, "came": one.came, "state": one.state,
             "finding": one.finding}
            for one in taken
        ]  # fmt: skip
        print_json({"taken": told, **more})
        return exits.FAILED if undone else exits.OK
    counts = Counter((str(one.said.move), str(one.came), str(one.state or "")) for one in taken)
    print_table("", ["said", "came", "now", "instructions"], [
        [*words, f"{count:,}"] for words, count in sorted(counts.items())
    ], right=frozenset({3}))  # fmt: skip
    for one in undone:
        err.print(f"everycent: {one.said.key}: {_undone(one)}", markup=False)
    return exits.FAILED if undone else exits.OK


def _undone(one: Taken) -> str:
    match one.came:
        case Came.OWN_REQUEST:
            return "own_request: who asked for it does not release it; a second person does"
        case Came.UNKNOWN_ORDER:
            return "unknown_order: there is no such instruction"
        case Came.CONTRADICTED:
            return f"{one.finding}: a contradiction; parked, find out and say it with payments judge"
        case _:
            right = ", ".join(payments.allowed_from(one.said.move))
            return f"it is {one.state}; {one.said.move} is allowed from {right}"


def _found(cashier: Cashier, wanted: str) -> dict[str, Any]:
    rows = cashier.named(wanted)
    if not rows:
        raise NothingStored(f"there is no instruction {wanted}; `everycent payments list` shows them")
    if len(rows) > 1:
        raise NothingStored(f"{len(rows)} instructions are named {wanted}; give more digits of one")
    return rows[0]


def _amount(row: dict[str, Any]) -> str:
    return grouped_minor(int(row["amount_minor"]), currency(row["currency"]))


def _signed(row: dict[str, Any]) -> str:
    """What is collected is below 0."""
    return f"{'' if row['direction'] == 'pay' else '-'}{_amount(row)}"


def _line(row: dict[str, Any]) -> list[Any]:
    why = row["finding"] if row["reason"] is None else row["reason"]
    if row["received_minor"] and row["booking"] == "in_flight":
        left = grouped_minor(int(row["amount_minor"] - row["received_minor"]), currency(row["currency"]))
        why = f"{left} is left: the rest came in"
    head = (str(row["instruction_id"])[:13], row["state"], row["party_id"], _signed(row), row["currency"])
    return [*head, row["channel"], row["as_of"], shorten(why or "")]


def _told(row: dict[str, Any]) -> dict[str, Any]:
    minor = {name: int(row[name]) for name in ("amount_minor", "received_minor")}
    return {**row, **minor, "amount": format_minor(minor["amount_minor"], currency(row["currency"]))}
