"""`everycent ledger vouchers`: vouchers are made, shown, written, handed over, acknowledged and corrected."""

import json
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any

from everycent.base.money.amount import grouped
from everycent.base.platform.settings import Settings
from everycent.flow.approvals.contract import HOUSE
from everycent.flow.ledger import service as ledger
from everycent.flow.ledger.contract import (
    AccountingSpec,
    Said,
    Voucher,
    VoucherCame,
    VoucherMove,
    VoucherState,
)
from everycent.flow.model.service import load_declared
from everycent.flow.pipeline.service import Session, legal_entities_of, open_session
from everycent.serve.cli import exits, voucher_files
from everycent.serve.cli.refusals import NothingStored, NotSaid
from everycent.serve.cli.simulated_books import simulated_books
from everycent.serve.cli.statements import person_of
from everycent.serve.cli.terminal import err, out, print_json, print_table
from everycent.serve.outside_accounting import Heard, receiving_acknowledgements
from everycent.serve.wiring import migrations


def make_command(path: Path, through: date, decimals: Mapping[str, int], by: str | None, *, as_json: bool) -> int:
    """Makes vouchers."""
    _, spec = load_declared(path, AccountingSpec)
    with open_session(Settings.load(), migrations()) as session:
        if spec.model not in (held := ledger.models(session.connection, session.tenant)):
            raise NothingStored(f"{path}: there are no books of '{spec.model}'; there are: {', '.join(held) or 'none'}")
        entities = partial(legal_entities_of, session.connection, session.tenant, spec.model)
        where = (session.connection, session.tenant, spec, through, entities)
        made = ledger.make_vouchers(*where, person_of(by, "--by"), datetime.now(UTC), decimals)
    if as_json:
        print_json({"model": spec.model, "through": through, "vouchers": [_data(one) for one in made]})
    else:
        entries = sum(one.entries for one in made)
        out.print(f"{len(made):,} vouchers made, with {entries:,} entries booked up to {through}", markup=False)
    return exits.OK


def list_command(
    model: str | None, state: str | None, on: date | None, legal_entity: str | None, limit: int, *, as_json: bool
) -> int:
    """Lists vouchers."""
    if state is not None and state not in {*VoucherState}:
        raise NotSaid(f"--state {state}: write one of {', '.join(VoucherState)}")
    with open_session(Settings.load(), migrations()) as session:
        found = ledger.vouchers_shown(
            session.connection, session.tenant, model, state=state, day=on, legal_entity=legal_entity, most=limit
        )
    if as_json:
        print_json({"vouchers": [_data(one) for one in found]})
        return exits.OK
    if not found:
        out.print("no voucher fits")
        return exits.OK
    rows = [
        [str(one.voucher_id)[:8], one.legal_entity, _number(one), one.booked_on, one.supplement or None,
         f"{one.entries:,}", _total(one), one.currency, one.state, one.number, one.reason] for one in found
    ]  # fmt: skip
    columns = ("voucher", "of", "number", "booked on", "later", "entries", "total", "", "state", "there", "why")
    print_table("Vouchers", columns, rows, right=frozenset({2, 4, 5, 6}))
    return exits.OK


def show_command(text: str, *, as_json: bool) -> int:
    """Shows one."""
    with open_session(Settings.load(), migrations()) as session:
        voucher = _named(session, text)
        moves = ledger.voucher_moves(session.connection, session.tenant, voucher.voucher_id)
    content = json.loads(voucher.content)
    if as_json:
        print_json({**_data(voucher), "content": content, "moves": moves})
        return exits.OK
    head = f"voucher {_number(voucher)} of {voucher.legal_entity}, {voucher.booked_on}, {voucher.currency}"
    rows = [
        [line["entry"], line["code"], line["account"], line["purpose"], f"{line['transfers']:,}",
         *(None if not line[side].strip("0.") else line[side] for side in ("debit", "credit"))]
        for line in content["lines"]
    ]  # fmt: skip
    columns = ("entry", "code", "account", "purpose", "transfers", "debit", "credit")
    print_table(head, columns, rows, right=frozenset({0, 4, 5, 6}))
    for one in moves:
        told = ", ".join(each for each in (one["number"], one["reason"]) if each)
        line = f"{one['moved_at']:%Y-%m-%d %H:%M} UTC  {one['move']} by {one['who']}: {one['came']}, {one['to_state']}"
        out.print(line + (f" ({told})" if told else ""), markup=False)
    return exits.OK


def write_command(
    model: str | None, ids: Sequence[str], folder: Path, by: str | None, *, hands_over: bool, as_json: bool
) -> int:
    """Writes vouchers; 1 where one that is to be handed over may not be any more, or is and has no files there."""
    now, done = datetime.now(UTC), voucher_files.Written()
    who = person_of(by, "--by") if hands_over else HOUSE
    with open_session(Settings.load(), migrations()) as session:
        where = (session.connection, session.tenant)
        named = [_named(session, text) for text in dict.fromkeys(ids)]
        models = sorted({one.model for one in named}) or (ledger.models(*where) if model is None else [model])
        folder.mkdir(parents=True, exist_ok=True)
        for name in models:
            chosen = [one.voucher_id for one in named if one.model == name] if named else None
            if hands_over:
                voucher_files.hand_over(session, name, chosen, folder, who, now, done)
                continue
            for one in [each for each in named if each.model == name] or ledger.vouchers_ready(*where, name):
                done.files += voucher_files.write(one, folder)
                done.vouchers += 1
    if as_json:
        print_json({
            "written": [str(path) for path in done.files], "not_handed_over": [_data(one) for one in done.gone],
            "not_in_place": [{**_data(one), "why": why} for one, why in done.beside],
        })  # fmt: skip
    else:
        out.print(f"{len(done.files):,} files of {done.vouchers:,} vouchers in {folder}", markup=False)
        for one in done.gone:
            err.print(f"not handed over: {_number(one)} of {one.legal_entity} is {one.state}", markup=False)
        for one, why in done.beside:
            said = "is handed over, but its files are not there yet"
            err.print(f"{_number(one)} of {one.legal_entity} {said}: {why}; mend that, then write again", markup=False)
    return exits.FAILED if done.gone or done.beside else exits.OK


def send_command(model: str | None, *, simulated: bool, as_json: bool) -> int:
    """Hands over what is ready; 1 where one was refused, is disputed or unclear, 75 where the system is not there."""
    heard: Sequence[Heard] = ()
    with ExitStack() as running:
        session = running.enter_context(open_session(Settings.load(), migrations()))
        books = running.enter_context(simulated_books(session)) if simulated else None
        system = ledger.RestAccounting.load() if books is None else books.system
        where = (session.connection, session.tenant)
        models = ledger.models(*where) if model is None else [model]
        passes = [ledger.send_vouchers(*where, name, system, lambda: datetime.now(UTC)) for name in models]
        if books is not None:
            books.simulator.deliver()
            heard = books.heard
    down = next((one.unreachable for one in passes if one.unreachable is not None), None)
    return _tell_sent(
        [each for one in passes for each in one.taken],
        [each for one in passes for each in one.waiting],
        [each for one in passes for each in one.unclear],
        heard, down, as_json=as_json,
    )  # fmt: skip


def _tell_sent(
    taken: Sequence[ledger.Taken], waiting: Sequence[Voucher], unclear: Sequence[tuple[Voucher, str]],
    heard: Sequence[Heard], down: str | None, *, as_json: bool,
) -> int:  # fmt: skip
    bad = [each for each in taken if each.voucher is None or each.voucher.state is not VoucherState.ACCEPTED]
    refused = [each for each in heard if each.state != VoucherState.ACCEPTED]
    if as_json:
        said = {
            "answered": [_taken(each) for each in taken],
            "waiting": [_data(each) for each in waiting],
            "unclear": [{**_data(voucher), "why": why} for voucher, why in unclear],
            "called_back": [vars(each) for each in heard],
            "unreachable": down,
        }
        print_json(said)
    else:
        accepted = len(taken) - len(bad)
        out.print(f"{accepted:,} accepted, {len(bad):,} not, {len(waiting):,} taken and not decided yet", markup=False)
        if heard:
            out.print(f"by call-back: {len(heard) - len(refused):,} accepted, {len(refused):,} not", markup=False)
        for each in bad:
            told = _taken(each)
            err.print(f"{told['state']}: voucher {told['voucher']}: {told['reason'] or told['message']}", markup=False)
        for voucher, why in unclear:
            err.print(f"unclear: voucher {_number(voucher)} of {voucher.legal_entity}: {why}", markup=False)
        if refused:
            why = "`everycent ledger vouchers list` says why"
            err.print(f"{len(refused):,} were not accepted by call-back; {why}", markup=False)
        if down is not None:
            err.print(f"everycent: {down}; what has no answer is asked about the next time", markup=False)
    if down is not None:
        return exits.UNAVAILABLE
    return exits.FAILED if bad or unclear or refused else exits.OK


def listen_command(port: int) -> int:
    """Takes acknowledgements until stopped, a line of JSON each."""
    system = ledger.RestAccounting.load()

    def told(heard: Heard) -> None:
        out.print(json.dumps(vars(heard)), markup=False)

    with (
        open_session(Settings.load(), migrations()) as session,
        receiving_acknowledgements(session.settings, system.secret, port=port, told=told) as address,
    ):
        err.print(f"everycent: acknowledgements are taken at {address}", markup=False)
        while True:
            time.sleep(3600)


def answer_command(text: str, accepted: str | None, refused: str | None, by: str | None, *, as_json: bool) -> int:
    """Says what became of one; 1 where that is not allowed."""
    if (accepted or "").strip() == (refused or "").strip() or (accepted is not None and refused is not None):
        raise NotSaid("say what became of it: --accepted NUMBER, or --refused WHY")
    move = VoucherMove.JUDGE_ACCEPTED if refused is None else VoucherMove.JUDGE_REFUSED
    with open_session(Settings.load(), migrations()) as session:
        voucher = _named(session, text)
        said = Said(voucher.voucher_id, move, person_of(by, "--by"), accepted, refused)
        taken = ledger.say_of_voucher(session.connection, session.tenant, said, datetime.now(UTC))
    if as_json:
        print_json(_taken(taken))
    elif taken.came is VoucherCame.NOT_ALLOWED:
        err.print(f"refused: voucher {_number(voucher)}: {taken.message} ({taken.came})", markup=False)
    else:
        out.print(f"voucher {_number(voucher)} of {voucher.legal_entity}: {_taken(taken)['state']}", markup=False)
    return exits.FAILED if taken.came is VoucherCame.NOT_ALLOWED else exits.OK


def correct_command(path: Path, text: str, by: str | None, *, as_json: bool) -> int:
    """Makes the next revision of one."""
    _, spec = load_declared(path, AccountingSpec)
    with open_session(Settings.load(), migrations()) as session:
        where = (session.connection, session.tenant, spec, _named(session, text).voucher_id)
        made = ledger.correct_voucher(*where, person_of(by, "--by"), datetime.now(UTC))
    if as_json:
        print_json(_data(made))
    else:
        out.print(f"voucher {_number(made)} of {made.legal_entity} is {made.voucher_id}", markup=False)
    return exits.OK


def _named(session: Session, text: str) -> Voucher:
    """The voucher whose id begins so. Raises NothingStored."""
    found = ledger.vouchers_named(session.connection, session.tenant, text)
    if not text or not found:
        raise NothingStored(f"there is no voucher '{text}'; `everycent ledger vouchers list` shows them")
    if len(found) > 1:
        some = ", ".join(str(one.voucher_id) for one in found)
        raise NothingStored(f"several vouchers are called '{text}': {some}; write more of the id")
    return found[0]


def _data(voucher: Voucher) -> dict[str, Any]:
    return {
        "voucher": str(voucher.voucher_id), "model": voucher.model, "legal_entity": voucher.legal_entity,
        "number": voucher.voucher_no, "revision": voucher.revision, "booked_on": voucher.booked_on,
        "supplement": voucher.supplement, "currency": voucher.currency, "total_minor": voucher.total_minor,
        "entries": voucher.entries, "digest": voucher.digest, "state": voucher.state.value,
        "their_number": voucher.number, "reason": voucher.reason,
    }  # fmt: skip


def _taken(taken: ledger.Taken) -> dict[str, Any]:
    voucher = taken.voucher
    return {
        "voucher": str(taken.said.voucher_id), "outcome": taken.came.value,
        "state": None if voucher is None else voucher.state.value,
        "their_number": None if voucher is None else voucher.number,
        "reason": None if voucher is None else voucher.reason, "message": taken.message,
    }  # fmt: skip


def _number(voucher: Voucher) -> str:
    return f"{voucher.voucher_no}" if voucher.revision == 1 else f"{voucher.voucher_no} (revision {voucher.revision})"


def _total(voucher: Voucher) -> str:
    said = json.loads(voucher.content)["debit"]
    assert int(said.replace(".", "")) == voucher.total_minor, "its lines are its total"
    return grouped(voucher.total_minor, len(said.partition(".")[2]))
