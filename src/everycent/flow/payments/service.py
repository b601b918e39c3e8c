"""Payments' commands: instruct what was closed, file what is ready, and take in what is said of it."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import date, datetime
from pathlib import Path
from typing import BinaryIO
from zoneinfo import ZoneInfo

import psycopg
import pyarrow as pa
import pyarrow.compute as pc

from everycent.base.engine.local import LocalEngine
from everycent.base.platform.database import Connection
from everycent.flow.approvals.contract import HOUSE
from everycent.flow.payments import charge_store, desk_store, pay_back_store, stage, store
from everycent.flow.payments.channels.rest import CALL_BACK_BYTES_MAX, read_call_back
from everycent.flow.payments.channels.signing import refuse_unsigned, signed
from everycent.flow.payments.contract import (
    BANK_FILE,
    INSTRUCTION,
    REST,
    Came,
    Channel,
    ComeBackRefused,
    InstructionState,
    Move,
    Outcome,
    Said,
    Taken,
)
from everycent.flow.payments.core.bank_answers import BankLine, mt940_lines, statement_lines
from everycent.flow.payments.core.bank_file import validate_pain001, write_pain001
from everycent.flow.payments.core.debit_file import debit_terms, validate_pain008, write_pain008
from everycent.flow.payments.core.ends import is_statement
from everycent.flow.payments.core.filing import assign_files
from everycent.flow.payments.core.incoming import Listed
from everycent.flow.payments.core.iso20022 import FileHead
from everycent.flow.payments.core.moves import allowed_from
from everycent.flow.payments.core.numbers import (
    account_ids,
    debited_accounts,
    with_mandates,
    with_numbers,
    without_mandate,
)
from everycent.flow.payments.core.paying_back import PayBack
from everycent.flow.payments.core.payment_csv import write_csv
from everycent.flow.payments.core.plan import PaymentPlan
from everycent.flow.payments.core.receipts import Receipt, ReceiptRefused, Use
from everycent.flow.payments.core.sharing import CHARGE_COLUMN, PARTY_COLUMN, read_requests
from everycent.flow.payments.core.sharing import COLUMNS as SHARE_COLUMNS
from everycent.flow.payments.desk import (
    ChannelBusy,
    ChannelNotSet,
    StoredDesk,
    ready_now,
    sending,
    service_channel,
    sharing_wallet,
    start,
    status_lines,
    stop,
)
from everycent.flow.payments.desk_store import is_of
from everycent.flow.payments.hearing import by_hand, take_in
from everycent.flow.payments.incoming_store import kept, received_of
from everycent.flow.payments.keeping_shares import StoredShares
from everycent.flow.payments.others import Others
from everycent.flow.payments.prepaid import move_balances
from everycent.flow.payments.prepaid_store import prepaid
from everycent.flow.payments.receiving import Read, Receiving
from everycent.flow.payments.releasing import PAYMENT_KIND, ask_for_release, content_now, decided
from everycent.flow.payments.share_store import At
from everycent.flow.payments.sharing import Shared, share
from everycent.flow.payments.shown_store import counted, events, history, named, of_statements, shown, sides
from everycent.flow.payments.submitting import Desk, Sent, ask, submit
from everycent.flow.settlement.contract import SideEnd

__all__ = [
    "CALL_BACK_BYTES_MAX",
    "CHARGE_COLUMN",
    "PARTY_COLUMN",
    "PAYMENT_KIND",
    "REST",
    "SHARE_COLUMNS",
    "At",
    "BankLine",
    "Came",
    "Channel",
    "ChannelBusy",
    "ChannelNotSet",
    "ComeBackRefused",
    "Desk",
    "Listed",
    "Move",
    "Others",
    "PayBack",
    "Read",
    "Receipt",
    "ReceiptRefused",
    "Receiving",
    "Said",
    "Sent",
    "Shared",
    "StoredDesk",
    "StoredShares",
    "Taken",
    "Use",
    "allowed_from",
    "ask",
    "by_hand",
    "content_now",
    "counted",
    "decided",
    "events",
    "history",
    "instruct",
    "is_of",
    "kept",
    "mt940_lines",
    "named",
    "of_statements",
    "read_call_back",
    "read_requests",
    "ready_now",
    "received_of",
    "refuse_unsigned",
    "sending",
    "service_channel",
    "share",
    "sharing_wallet",
    "shown",
    "sides",
    "signed",
    "start",
    "statement_lines",
    "status_lines",
    "stop",
    "submit",
    "take_in",
    "write_files",
]

#: Parties whose statements are netted together: what they need fits into memory, however many there are.
_PARTIES_AT_ONCE = 20_000


def instruct(
    connection: Connection,
    engine: LocalEngine,
    plan: PaymentPlan,
    tables: Mapping[str, pa.Table],
    others: Others,
    tenant: str,
    model: str,
    as_of: date,
    *,
    by: str,
    now: datetime,
    dry_run: bool = False,
) -> pa.Table:
    """Instructs, in one transaction, every released statement and booked non-order charge that is not settled, and
    posts the transfers.

    Those whose payout account is verified no longer are taken back first, unless they are sent; those that waited are
    looked at again. Who has to release what is ready is asked, on behalf of `by`; what is paid onto balances, or taken
    from them, is paid. Doing it again changes nothing. `tables`: the model's attached tables by name. Returns the new
    instructions: INSTRUCTION rows by instruction_id.
    """
    with connection.transaction() as transaction:
        store.alone(connection)
        _take_back_unverified(connection, others, tenant, model, as_of, now)
        _look_again(connection, engine, plan, tables, others, tenant, model, as_of, now)
        made = [INSTRUCTION.empty()]
        reopenings = store.reopenings(connection, tenant, model)
        charged = charge_store.parties_with_charges(connection, tenant, model, as_of)
        # by their bytes, as the database orders them
        parties = sorted({*store.parties_with_closed(connection, tenant, model), *charged}, key=str.encode)
        for at in range(0, len(parties), _PARTIES_AT_ONCE):
            some = parties[at : at + _PARTIES_AT_ONCE]
            statements, settled = store.unsettled(connection, tenant, model, some[0], some[-1])
            new = stage.instruct(
                plan,
                statements,
                settled,
                tables,
                engine,
                tenant=tenant,
                model=model,
                as_of=as_of,
                reopenings=reopenings,
                charges=charge_store.unsettled(connection, tenant, model, as_of, some[0], some[-1])
                if charged
                else None,
                prepaid=_prepaid(connection, plan, tenant, model),
                at=now.astimezone(ZoneInfo(plan.time_zone)),
            )
            store.write(connection, tenant, model, new.instructions, new.statements)
            others.post(connection, tenant, model, None, new.transfers)
            others.settle(connection, tenant, model, _without_payment(new.statements), as_of, now)
            made.append(new.instructions)
        ask_for_release(connection, others, plan, tenant, model, by, now)
        move_balances(connection, engine, plan, others, tenant, model, as_of, now)
        if dry_run:
            raise psycopg.Rollback(transaction)
    ordered = engine.query("SELECT * FROM made ORDER BY instruction_id", made=pa.concat_tables(made))
    return ordered.cast(INSTRUCTION.columns)


def _prepaid(connection: Connection, plan: PaymentPlan, tenant: str, model: str) -> pa.Table | None:
    """What balances have free; None where no role has any."""
    return prepaid(connection, tenant, model, promised=True) if plan.with_balance else None


def _look_again(
    connection: Connection,
    engine: LocalEngine,
    plan: PaymentPlan,
    tables: Mapping[str, pa.Table],
    others: Others,
    tenant: str,
    model: str,
    as_of: date,
    now: datetime,
) -> None:
    """Those that waited go on where their reason is gone. What another channel takes now is cancelled: it is instructed
    anew, for that one."""
    waiting = store.in_state(connection, tenant, model, InstructionState.WAITING)
    waiting = waiting.filter(pc.is_in(waiting["role"], pa.array([role.role for role in plan.roles], pa.string())))
    if waiting.num_rows == 0:
        return
    free = _prepaid(connection, plan, tenant, model)
    keys = waiting["instruction_id"].to_pylist()
    back = pay_back_store.pays_back(connection, tenant, keys)
    waiting = waiting.append_column("pays_back", pa.array([key in back for key in keys], pa.bool_()))
    routed = stage.look_up(plan, waiting, tables, free, as_of, now.astimezone(ZoneInfo(plan.time_zone)), engine)
    stays = pc.equal(routed["channel"], waiting["channel"])
    store.set_accounts(connection, tenant, model, routed.filter(stays).select(store.ACCOUNTS.names))
    said = [
        Said(row["instruction_id"], Move.CANCEL, "closing", HOUSE, f"it can be paid by {row['channel']} now")
        for row in routed.filter(pc.invert(stays)).to_pylist()
    ]
    if said:
        take_in(connection, others, tenant, said, now, as_of)


def _take_back_unverified(
    connection: Connection, others: Others, tenant: str, model: str, as_of: date, now: datetime
) -> None:
    """Cancels what is not sent yet and would go to an account that is verified no longer, or debit one under a mandate
    that was taken back: it is instructed anew."""
    states = (InstructionState.CREATED, InstructionState.APPROVED)
    waiting = pa.concat_tables([store.in_state(connection, tenant, model, state) for state in states])
    waiting = waiting.filter(pc.is_valid(waiting["account_id"]))
    verified = others.accounts.verified(connection, tenant, account_ids(waiting)) if waiting.num_rows else set()
    said = [
        Said(row["instruction_id"], Move.CANCEL, "closing", HOUSE, "its payout account is no longer verified")
        for row in waiting.select(["instruction_id", "account_id"]).to_pylist()
        if row["account_id"] not in verified
    ]
    mandated = others.accounts.mandated(connection, tenant, debited_accounts(waiting), as_of)
    gone = {one.key for one in said}
    said += [
        Said(key, Move.CANCEL, "closing", HOUSE, "its mandate was revoked")
        for key in without_mandate(waiting, mandated)
        if key not in gone
    ]
    if said:
        take_in(connection, others, tenant, said, now, as_of)


def _without_payment(statements: pa.Table) -> list[SideEnd]:
    """The sides (of INSTRUCTED_STATEMENT rows) that are settled as they are."""
    zero = statements.filter(pc.equal(statements["outcome"], Outcome.ZERO.value))
    said = ("without payment", "settled without payment")
    rows = [row for row in zero.to_pylist() if is_statement(row["statement_id"])]
    return [SideEnd(row["statement_id"], row["side"], True, *said) for row in rows]


def write_files(
    connection: Connection,
    engine: LocalEngine,
    plan: PaymentPlan,
    others: Others,
    tenant: str,
    model: str,
    as_of: date,
    directory: Path,
) -> list[Path]:
    """Files every instruction that is ready and within limits, then writes the files of day `as_of` into `directory`;
    their paths. Nothing more is filed while payments are stopped.

    Payments: pain.001 (.xml) and CSV, one pair per legal entity. Direct debits: pain.008 (.xml) and CSV. Other
    collections: CSV. What was filed that day before is
    written again to the byte, so a call that was cut off is simply repeated.
    """
    with connection.transaction():
        store.alone(connection)
        if desk_store.stopped(connection, tenant, BANK_FILE) is None:
            ready, _ = ready_now(connection, engine, plan, others, tenant, model, BANK_FILE, as_of)
            store.set_files(connection, tenant, model, assign_files(ready, as_of, engine), as_of)
        filed = store.filed(connection, tenant, model, as_of)
        filed = with_numbers(filed, others.accounts.numbers(connection, tenant, account_ids(filed)))
        filed = with_mandates(filed, others.accounts.mandates(connection, tenant, debited_accounts(filed)))
    directory.mkdir(parents=True, exist_ok=True)
    paths: list[Path] = []
    for file in sorted(pc.unique(filed["file"]).to_pylist()):
        paths += _write_file(plan, file, filed.filter(pc.equal(filed["file"], file)), as_of, directory)
    return paths


def _write_file(plan: PaymentPlan, file: str, rows: pa.Table, as_of: date, directory: Path) -> list[Path]:
    paths = [_write(directory / f"{file}.csv", lambda out: write_csv(out, rows))]
    pays, debits = rows["direction"][0].as_py() == "pay", rows["mandate"].null_count < rows.num_rows
    if pays or debits:
        legal_entity = rows["legal_entity"][0].as_py()
        head = FileHead(file, legal_entity, plan.payer_accounts.get(legal_entity), as_of)

        def write_valid(out: BinaryIO) -> None:
            if pays:
                write_pain001(out, head, rows)
            else:
                write_pain008(out, head, debit_terms(plan, legal_entity), rows)
            out.seek(0)
            (validate_pain001 if pays else validate_pain008)(out)

        paths.append(_write(directory / f"{file}.xml", write_valid))
    return paths


def _write(path: Path, write: Callable[[BinaryIO], None]) -> Path:
    """Writes beside, then renames: nobody ever sees a part of a file, nor one that its schema refuses."""
    beside = path.with_name(f".{path.name}.part")
    with ExitStack() as undo:
        undo.callback(beside.unlink, missing_ok=True)
        with beside.open("w+b") as out:
            write(out)
        beside.replace(path)
        undo.pop_all()
    return path
