"""`everycent ledger`: balances of any day, exports, seals and proofs."""

import errno
import os
from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

from everycent.base.money.amount import grouped_minor
from everycent.base.platform.settings import Settings
from everycent.flow.ledger import service as ledger
from everycent.flow.ledger.contract import AlteredSinceSealed, Seal
from everycent.flow.pipeline.contract import InputRefused
from everycent.flow.pipeline.service import Session, open_session
from everycent.serve.cli import exits
from everycent.serve.cli.refusals import NothingStored
from everycent.serve.cli.terminal import err, out, print_json, print_table
from everycent.serve.wiring import migrations

_UNDER_WAY = "nothing was sealed, for others are posting; ask again when they have ended"


def balance_command(
    model: str | None, account: str | None, on: date | None, limit: int, decimals: Mapping[str, int], *, as_json: bool
) -> int:
    """Shows accounts with what they are debited and credited, and what is pending."""
    with open_session(Settings.load(), migrations()) as session:
        name = _model(session, model)
        most = None if as_json else limit + 1
        found = ledger.accounts_at(session.connection, session.tenant, name, account, on, most)
    if not found and account is not None:
        until = "" if on is None else f" booked up to {on}"
        raise NothingStored(
            f"the books of {name} have nothing of '{account}'{until}; `everycent ledger balance` lists all"
        )
    if as_json:
        rows = [
            {"account": one.account, "currency": one.currency, **one.standing._asdict(),
             "balance_minor": one.standing.balance_minor} for one in found
        ]  # fmt: skip
        print_json({"model": name, "on": on, "accounts": rows})
        return exits.OK
    shown = []
    for one in found[:limit]:
        of, stands = ledger.commodity(one.currency, decimals), one.standing
        amounts = (stands.debits_minor, stands.credits_minor, stands.balance_minor, stands.debits_pending_minor,
                   stands.credits_pending_minor)  # fmt: skip
        shown.append([one.account, *(grouped_minor(amount, of) for amount in amounts), one.currency])
    columns = ["account", "debits", "credits", "balance", "debits pending", "credits pending", ""]
    print_table(f"{name}{_until(on)}", columns, shown, right=frozenset(range(1, 6)))
    if len(found) > limit:
        out.print(f"... and more; the first {limit} are shown: --limit, or name the beginning of accounts")
    return exits.OK


def trial_balance_command(model: str | None, on: date | None, decimals: Mapping[str, int], *, as_json: bool) -> int:
    """Shows each commodity's debits and credits; exit code 1 where they differ."""
    with open_session(Settings.load(), migrations()) as session:
        name = _model(session, model)
        lines = ledger.trial_balance(session.connection, session.tenant, name, on)
    balanced = all(line.debits_minor == line.credits_minor for line in lines)
    if as_json:
        print_json({"model": name, "on": on, "balanced": balanced, "lines": [asdict(line) for line in lines]})
        return exits.OK if balanced else exits.FAILED
    rows = []
    for line in lines:
        of = ledger.commodity(line.currency, decimals)
        totals = (line.debits_minor, line.credits_minor, line.debits_minor - line.credits_minor)
        rows.append([line.currency, f"{line.accounts:,}", *(grouped_minor(total, of) for total in totals)])
    columns = ["commodity", "accounts", "debits", "credits", "difference"]
    print_table(f"{name}: trial balance{_until(on)}", columns, rows, right=frozenset(range(1, 5)))
    if not balanced:
        err.print("everycent: debits and credits differ; `everycent verify` names the first row that does not add up")
    return exits.OK if balanced else exits.FAILED


def export_command(
    model: str | None, form: str, path: Path, on: date | None, decimals: Mapping[str, int], *, as_json: bool
) -> int:
    """Writes the journal; whole, or not at all."""
    if form not in list(ledger.JournalFormat):
        raise InputRefused(f"--format {form}: write one of {', '.join(ledger.JournalFormat)}")
    if not path.parent.is_dir():  # told of the file that was asked for, not of the one beside it
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    beside = path.with_name(f".{path.name}.part")
    with open_session(Settings.load(), migrations()) as session:
        name = _model(session, model)
        try:
            with beside.open("wb") as file:
                where = (session.connection, session.tenant, name)
                written = ledger.export(*where, ledger.JournalFormat(form), file, on, decimals)
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
    if as_json:
        print_json({"model": name, "on": on, "format": form, **asdict(written), "written": str(path)})
    else:
        counted = ", ".join(_some(count, what) for what, count in asdict(written).items())
        out.print(f"{path}: {counted} of {name}{_until(on)}", markup=False)
    return exits.OK


def _some(count: int, what: str) -> str:
    """1 commodity, 20 accounts."""
    one = f"{what[:-3]}y" if what.endswith("ies") else what[:-1]
    return f"1 {one}" if count == 1 else f"{count:,} {what}"


def seal_command(model: str | None, *, as_json: bool) -> int:
    """Seals, and says the chained roots that are new; 75 where others are posting for long."""
    with open_session(Settings.load(), migrations()) as session:
        name = _model(session, model)
        sealed = ledger.seal(session.connection, session.tenant, name)
    if as_json:
        print_json({"model": name, "under_way": sealed.under_way, "seals": [_seal(one) for one in sealed.seals]})
    elif sealed.under_way:
        err.print(f"everycent: {_UNDER_WAY}")
    elif not sealed.seals:
        out.print("nothing was posted since the last seal")
    for one in () if as_json else sealed.seals:
        out.print(f"seal {one.seal_no}: {one.transfers:,} transfers, chained root {one.chained.hex()}", markup=False)
    return exits.UNAVAILABLE if sealed.under_way else exits.OK


def prove_command(model: str | None, transfer_id: UUID, *, as_json: bool) -> int:
    """Shows the proof; exit code 1 where the transfer is not as it was sealed."""
    with open_session(Settings.load(), migrations()) as session:
        name, tenant = _model(session, model), session.tenant
        try:
            found = ledger.prove(session.connection, tenant, name, transfer_id)
        except AlteredSinceSealed as altered:
            err.print(f"everycent: {altered}", markup=False)
            return exits.FAILED
    path = [{"side": side, "hash": beside.hex()} for side, beside in found.path]
    if as_json:
        proof = {"leaf": found.leaf, "path": path, "seals": [_seal(one) for one in found.seals]}
        print_json({"tenant": tenant, "model": name, "transfer_id": str(transfer_id), **proof})
        return exits.OK
    first, last = found.seals[0], found.seals[-1]
    out.print(f"transfer     {transfer_id}, of {first.transfers:,} in seal {first.seal_no}", markup=False)
    out.print(f"leaf         {found.leaf}", markup=False)
    for step in path:
        out.print(f"{step['side']:13}{step['hash']}", markup=False)
    out.print(f"root         {first.root.hex()}", markup=False)
    out.print(f"chained      {first.chained.hex()}, seal {first.seal_no}", markup=False)
    out.print(f"last         {last.chained.hex()}, seal {last.seal_no}", markup=False)
    return exits.OK


def _seal(seal: Seal) -> dict[str, Any]:
    return {name: value.hex() if isinstance(value, bytes) else value for name, value in asdict(seal).items()}


def _until(on: date | None) -> str:
    return "" if on is None else f", at the end of {on}"


def _model(session: Session, model: str | None) -> str:
    """Whose books are meant."""
    held = ledger.models(session.connection, session.tenant)
    if not held:
        raise NothingStored("the ledger is empty; `everycent demo` or `everycent run` fills it")
    if model is None and len(held) > 1:
        raise NothingStored(f"the ledger has the books of {', '.join(held)}; name one with --model")
    if model is not None and model not in held:
        raise NothingStored(f"the ledger has no books of '{model}'; it has those of {', '.join(held)}")
    return model or held[0]
