"""The stored tables as DuckDB sees them, under their stored names, narrowed to one tenant and model.

Names and types are restated here on purpose: the verifier shares no code with what wrote them. Detail tables are the
hot rows as they are in PostgreSQL, listed or not, and the lake files that the manifest lists and that are whole.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pyarrow as pa

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import identifier, literal
from everycent.base.platform.bulk import copy_into_engine, copy_into_file, empty_in_engine, path_of
from everycent.base.platform.database import Connection

_UUID, _TEXT, _LONG, _DAY, _SUM = pa.uuid(), pa.string(), pa.int64(), pa.date32(), pa.decimal128(38, 0)


def _columns(**types: pa.DataType) -> pa.Schema:
    return pa.schema(list(types.items()))


#: Rows made in strict order have a number and a generation.
_NUMBERED: dict[str, pa.DataType] = {"sequence_no": _LONG, "generation": pa.int32()}
#: Those that draw on a budget tell the total of its pot.
_POT: dict[str, pa.DataType] = {
    "total_before_minor": _LONG, "total_after_minor": _LONG, "budget": _TEXT, "pot": _TEXT, "period": _TEXT,
    "leaf": _TEXT, "adjusts": pa.bool_(),
}  # fmt: skip
#: Rows of a correction tell which one it is, and whether they take back what stood.
_REVISION: dict[str, pa.DataType] = {"revision": pa.int32(), "reverses": pa.bool_()}

#: Detail tables: the columns that are checked. `batch_no` is a column of the hot rows, a lake file's is its part's.
DETAILS = {
    "intake.record": _columns(record_id=_UUID, kind=_TEXT, key=_TEXT, refund_of=_UUID, booked_on=_DAY),
    "intake.quarantine": _columns(source_file=_TEXT, source_line=_LONG, outcome=_TEXT),
    "rating.charge": _columns(
        record_id=_UUID, charge=_TEXT, amount_minor=_LONG, currency=_TEXT, debtor=_TEXT, creditor=_TEXT,
        booked_on=_DAY, refund_of=_UUID,
    ),
    "rating.held_charge": _columns(record_id=_UUID, charge=_TEXT),
    "rating.retry": _columns(record_id=_UUID, charge=_TEXT, attempt=pa.int32(), outcome=_TEXT),
    "clearing.obligation": _columns(
        record_id=_UUID, charge=_TEXT, bearer=pa.int16(), debtor=_TEXT, creditor=_TEXT, amount_minor=_LONG,
        currency=_TEXT, legal_entity=_TEXT, booked_on=_DAY, refund_of=_UUID, debtor_statement=_TEXT,
        creditor_statement=_TEXT,
    ),
    "clearing.waiting_charge": _columns(record_id=_UUID, charge=_TEXT, amount_minor=_LONG, currency=_TEXT),
    "clearing.sequenced_record": _columns(record_id=_UUID, **_NUMBERED),
    "rating.ordered_charge": _columns(
        record_id=_UUID, charge=_TEXT, amount_minor=_LONG, currency=_TEXT, refund_of=_UUID, **_NUMBERED
    ),
    "rating.ordered_held_charge": _columns(record_id=_UUID, charge=_TEXT, **_NUMBERED),
    "rating.running_total": _columns(
        record_id=_UUID, factor=_TEXT, pot=_TEXT, period=_TEXT, amount=_LONG, total_after=_LONG, quantity=_LONG,
        quantity_after=_LONG, **_NUMBERED,
    ),
    "clearing.ordered_obligation": _columns(
        record_id=_UUID, charge=_TEXT, bearer=pa.int16(), debtor=_TEXT, creditor=_TEXT, amount_minor=_LONG,
        currency=_TEXT, legal_entity=_TEXT, booked_on=_DAY, refund_of=_UUID, debtor_statement=_TEXT,
        creditor_statement=_TEXT, **_POT, **_NUMBERED,
    ),
    "rating.corrected_charge": _columns(
        record_id=_UUID, charge=_TEXT, amount_minor=_LONG, currency=_TEXT, **_NUMBERED, **_REVISION,
    ),
    "clearing.corrected_obligation": _columns(
        record_id=_UUID, charge=_TEXT, bearer=pa.int16(), debtor=_TEXT, creditor=_TEXT, amount_minor=_LONG,
        currency=_TEXT, legal_entity=_TEXT, booked_on=_DAY, refund_of=_UUID, debtor_statement=_TEXT,
        creditor_statement=_TEXT, **_POT, **_NUMBERED, **_REVISION,
    ),
}  # fmt: skip

#: Decided rows: in PostgreSQL only.
DECIDED = {
    "platform.batch": _columns(
        batch_no=_LONG, model_version=_TEXT, kind=_TEXT, source_file=_TEXT, content_hash=_TEXT, rows_read=_LONG,
        accepted=_LONG, duplicates=_LONG, conflicts=_LONG, quarantined=_LONG,
    ),
    "platform.generation": _columns(generation=pa.int32(), starts_at=_LONG, state=_TEXT),
    "platform.kept_sum": _columns(table_name=_TEXT, through_batch=_LONG, generation=pa.int32()),
    "clearing.frontier": _columns(through_batch=_LONG, last_no=_LONG),
    "clearing.accumulator": _columns(budget=_TEXT, pot=_TEXT, period=_TEXT, bearer=_TEXT, total_minor=_LONG),
    "rating.standing_total": _columns(
        factor=_TEXT, pot=_TEXT, period=_TEXT, total_after=_LONG, quantity_after=_LONG
    ),
    "parties.party": _columns(party_id=_TEXT, role=_TEXT, party_key=_TEXT),
    "parties.payout_account": _columns(
        account_id=_UUID, party_id=_TEXT, state=_TEXT, is_change=pa.bool_(), given_by=_TEXT, usable_on=_DAY,
    ),
    "parties.account_move": _columns(
        account_id=_UUID, move_no=_LONG, move=_TEXT, from_state=_TEXT, to_state=_TEXT, moved_by=_TEXT
    ),
    "parties.mandate": _columns(account_id=_UUID, signed_on=_DAY, masked=_TEXT),
    "parties.contract": _columns(
        party_id=_TEXT, contract_no=_TEXT, revision=pa.int32(), valid_from=_DAY, valid_to=_DAY, cycle=_TEXT, mode=_TEXT,
        reserve_ratio=pa.decimal128(9, 8), minimum_payout_minor=_TEXT, silent_days=pa.int32(), negative=_TEXT,
        invoice=_TEXT, charge_groups=_TEXT,
    ),
    "settlement.statement": _columns(
        model=_TEXT, statement_id=_TEXT, party_id=_TEXT, role=_TEXT, period=_TEXT, period_first=_DAY, period_last=_DAY,
        currency=_TEXT, legal_entity=_TEXT, charge_group=_TEXT, mode=_TEXT, payable_minor=_SUM, receivable_minor=_SUM,
        obligations=_LONG,
        net_minor=_SUM, state=_TEXT, closes_on=_DAY, closed_as_of=_DAY, confirms=pa.bool_(), approve=_TEXT,
        approval_id=_UUID, rounds=pa.int32(), released_as_of=_DAY, moves=pa.int32(), lines_minor=_SUM,
        parked_as_of=_DAY, settled_sides=_TEXT, settled_as_of=_DAY,
        agreed=_TEXT, silent_days=pa.int32(), carries=pa.bool_(), reserve_ratio=pa.decimal128(9, 8),
        reserve_days=pa.int32(), invoice_sides=pa.int16(), invoice_first=pa.bool_(), uninvoiced=pa.int16(),
        closed_under=_TEXT,
    ),
    "settlement.invoice_line": _columns(
        statement_id=_TEXT, side=_TEXT, charge=_TEXT, rate=_LONG, included=pa.bool_(), rounding=_TEXT, net_minor=_SUM,
        tax_minor=_SUM,
    ),
    "settlement.invoice": _columns(
        statement_id=_TEXT, side=_TEXT, issue_no=pa.int32(), issuer=_TEXT, currency=_TEXT, net_minor=_SUM,
        tax_minor=_SUM, state=_TEXT, number=_TEXT, moves=pa.int32(),
    ),
    "settlement.invoice_move": _columns(
        statement_id=_TEXT, side=_TEXT, issue_no=pa.int32(), move_no=pa.int32(), move=_TEXT, from_state=_TEXT,
        to_state=_TEXT, number=_TEXT, person=_TEXT, reason=_TEXT,
    ),
    "settlement.statement_line": _columns(
        line_id=_UUID, statement_id=_TEXT, kind=_TEXT, amount_minor=_SUM, other_statement=_TEXT, party_id=_TEXT,
        currency=_TEXT, legal_entity=_TEXT, as_of=_DAY, release_on=_DAY, settled_by=_UUID,
    ),
    "settlement.cycle_event": _columns(party_id=_TEXT, occurred_on=_DAY, refusal=_TEXT),
    "settlement.calendar_period": _columns(period=_TEXT, first_on=_DAY, last_on=_DAY),
    "settlement.book_date": _columns(open_on=_DAY),
    "settlement.statement_move": _columns(
        statement_id=_TEXT, move_no=pa.int32(), move=_TEXT, from_state=_TEXT, to_state=_TEXT, person=_TEXT,
        reason=_TEXT, as_of=_DAY, side=_TEXT,
    ),
    "approvals.request": _columns(
        request_id=_UUID, kind=_TEXT, subject_id=_TEXT, amount_minor=_SUM, currency=_TEXT, levels=_TEXT, state=_TEXT,
        requested_by=_TEXT,
    ),
    "approvals.decision": _columns(
        request_id=_UUID, level=pa.int16(), person=_TEXT, on_behalf_of=_TEXT, yes=pa.bool_()
    ),
    "non_order.charge": _columns(
        charge_id=_UUID, kind=_TEXT, account=_TEXT, party_id=_TEXT, legal_entity=_TEXT, direction=_TEXT,
        settled_by=_TEXT, amount_minor=_LONG, currency=_TEXT, approval_id=_UUID, given_by=_TEXT, state=_TEXT,
        booked_on=_DAY,
    ),
    "payments.instruction": _columns(
        instruction_id=_UUID, party_id=_TEXT, legal_entity=_TEXT, currency=_TEXT, direction=_TEXT, amount_minor=_SUM,
        channel=_TEXT, as_of=_DAY, state=_TEXT, booking=_TEXT, finding=_TEXT, ended_as_of=_DAY, moves=_LONG,
        account_id=_UUID, approval_id=_UUID, mandate=_TEXT, mandate_signed_on=_DAY,
    ),
    "payments.instruction_move": _columns(
        instruction_id=_UUID, move_no=_LONG, move=_TEXT, came=_TEXT, from_state=_TEXT, to_state=_TEXT, booking=_TEXT,
        who=_TEXT,
    ),
    "payments.receipt": _columns(
        receipt_id=_UUID, party_id=_TEXT, legal_entity=_TEXT, currency=_TEXT, amount_minor=_SUM, as_of=_DAY
    ),
    "payments.receipt_use": _columns(receipt_id=_UUID, instruction_id=_UUID, amount_minor=_SUM),
    "payments.pay_back": _columns(pay_back_id=_UUID, receipt_id=_UUID, amount_minor=_SUM, as_of=_DAY),
    "payments.pay_back_undone": _columns(pay_back_id=_UUID, instruction_id=_UUID, as_of=_DAY),
    "payments.share": _columns(share_id=_UUID, channel=_TEXT, payment=_TEXT, does=_TEXT, legal_entity=_TEXT),
    "payments.share_part": _columns(share_id=_UUID, receiver=_TEXT, amount_minor=_SUM, party_id=_TEXT),
    "payments.share_move": _columns(share_id=_UUID, move_no=_LONG, state=_TEXT, as_of=_DAY),
    "payments.share_entry": _columns(
        entry_id=_UUID, share_id=_UUID, receiver=_TEXT, party_id=_TEXT, legal_entity=_TEXT, currency=_TEXT,
        amount_minor=_SUM, as_of=_DAY,
    ),
    "payments.reopened_statement": _columns(
        statement_id=_TEXT, side=_TEXT, amount_minor=_SUM, instruction_id=_UUID, as_of=_DAY
    ),
    "payments.instruction_statement": _columns(
        statement_id=_TEXT, side=_TEXT, amount_minor=_SUM, outcome=_TEXT, instruction_id=_UUID, as_of=_DAY
    ),
    "ledger.transfer": _columns(
        batch_no=_LONG, transfer_id=_UUID, booked_on=_DAY, debit_account=_TEXT, credit_account=_TEXT,
        amount_minor=_SUM, currency=_TEXT, cause=_TEXT, kind=_TEXT, settles=_UUID, posting_no=_LONG,
    ),
    "ledger.voucher_pass": _columns(booked_on=_DAY, supplement=pa.int32(), after_no=_LONG, through_no=_LONG),
    "ledger.voucher": _columns(
        tenant=_TEXT, model=_TEXT, legal_entity=_TEXT, voucher_no=_LONG, revision=pa.int32(), voucher_id=_UUID,
        chain_no=_LONG, booked_on=_DAY, supplement=pa.int32(), currency=_TEXT, total_minor=_SUM, entries=pa.int32(),
        content=_TEXT, digest=_TEXT, previous=_TEXT, chained=_TEXT, state=_TEXT, number=_TEXT, reason=_TEXT,
        moves=pa.int32(),
    ),
    "ledger.voucher_move": _columns(
        voucher_id=_UUID, move_no=pa.int32(), move=_TEXT, came=_TEXT, from_state=_TEXT, to_state=_TEXT, number=_TEXT,
        reason=_TEXT, who=_TEXT,
    ),
    "ledger.account": _columns(
        account=_TEXT, currency=_TEXT, booked_on=_DAY, debits_minor=_SUM, credits_minor=_SUM,
        debits_pending_minor=_SUM, credits_pending_minor=_SUM,
    ),
    "ledger.account_limit": _columns(
        account=_TEXT, currency=_TEXT, debits_minor=_SUM, credits_minor=_SUM, debits_pending_minor=_SUM,
        credits_pending_minor=_SUM,
    ),
    "recon.run": _columns(
        run_id=_UUID, scenario=_TEXT, run_no=_LONG, currency=_TEXT, left_rows=_LONG, right_rows=_LONG, left_minor=_SUM,
        right_minor=_SUM, difference_minor=_SUM,
    ),
    "recon.total_currency": _columns(
        run_id=_UUID, bucket=_TEXT, currency=_TEXT, left_rows=_LONG, right_rows=_LONG, left_minor=_SUM,
        right_minor=_SUM, difference_minor=_SUM,
    ),
    "recon.total": _columns(
        run_id=_UUID, bucket=_TEXT, left_rows=_LONG, right_rows=_LONG, left_minor=_SUM, right_minor=_SUM,
        difference_minor=_SUM,
    ),
    "recon.observation": _columns(scenario=_TEXT, observation_no=_LONG, run_id=_UUID),
    "recon.standing_break": _columns(
        break_id=_UUID, scenario=_TEXT, kind=_TEXT, key=_TEXT, occurrence=_LONG, state=_TEXT, reason=_TEXT,
        run_id=_UUID, finding_no=_LONG, repairs=_LONG, moves=_LONG,
    ),
    "recon.standing_finding": _columns(break_id=_UUID, checker=_TEXT, cause=_TEXT, said=_TEXT),
    "recon.finding": _columns(run_id=_UUID, checker=_TEXT, key=_TEXT, kind=_TEXT, reason=_TEXT),
    "recon.move": _columns(
        break_id=_UUID, move_no=_LONG, move=_TEXT, from_state=_TEXT, to_state=_TEXT, reason=_TEXT, who=_TEXT
    ),
    "recon.repair_attempt": _columns(break_id=_UUID, attempt_no=_LONG),
    "recon.break": (_FINDING := _columns(
        run_id=_UUID, finding_no=_LONG, key=_TEXT, bucket=_TEXT, left_rows=_LONG, right_rows=_LONG,
        left_amount_minor=_SUM, right_amount_minor=_SUM, difference_minor=_SUM,
    )),
    "recon.write_off": _FINDING,
    "recon.break_currency": (_MONEY := _columns(
        run_id=_UUID, finding_no=_LONG, left_currency=_TEXT, right_currency=_TEXT, left_amounts=_TEXT,
        right_amounts=_TEXT,
    )),
    "recon.write_off_currency": _MONEY,
    "recon.match": _columns(
        run_id=_UUID, match_no=_LONG, label=_TEXT, side=_TEXT, row_no=_LONG, amount_minor=_SUM, currency=_TEXT,
        rows=_LONG,
    ),
    "recon.dimension": _columns(
        run_id=_UUID, dimension=_TEXT, left_rows=_LONG, right_rows=_LONG, left_minor=_SUM, right_minor=_SUM,
        difference_minor=_SUM, detail_minor=_SUM, apart_minor=_SUM,
    ),
    "recon.cut": _columns(run_id=_UUID, scenario=_TEXT, day=_DAY),
    "recon.carried": _columns(run_id=_UUID, side=_TEXT, amount_minor=_LONG, occurred_on=_DAY),
    "recon.match_difference": _columns(
        run_id=_UUID, match_no=_LONG, cause=_TEXT, difference_minor=_SUM, currency=_TEXT
    ),
    "recon.entry": _columns(
        run_id=_UUID, entry_no=_LONG, cause=_TEXT, key=_TEXT, match_no=_LONG, debit_account=_TEXT, credit_account=_TEXT,
        amount_minor=_SUM, currency=_TEXT,
    ),
    "recon.booked_entry": _columns(
        transfer_id=_UUID, scenario=_TEXT, run_id=_UUID, entry_no=_LONG, break_id=_UUID, cause=_TEXT, key=_TEXT,
        debit_account=_TEXT, credit_account=_TEXT, amount_minor=_SUM, currency=_TEXT, booked_on=_DAY, back_id=_UUID,
        back_on=_DAY,
    ),
    "recon.payout_part": _columns(
        run_id=_UUID, part_no=_LONG, payout=_TEXT, paid_key=_TEXT, paid_minor=_SUM, amount_minor=_SUM
    ),
    "recon.payout_currency": _columns(run_id=_UUID, part_no=_LONG, currency=_TEXT),
    "recon.match_alternative": _columns(
        run_id=_UUID, match_no=_LONG, alternative_no=_LONG, side=_TEXT, row_no=_LONG
    ),
}  # fmt: skip


_OF_BATCH = (
    "(getvariable('batch_slices') IS NULL OR hash(batch_no) % getvariable('batch_slices') = getvariable('slice'))"
)
_OF_RECORD = (
    "(getvariable('record_slices') IS NULL OR hash(record_id) % getvariable('record_slices') = getvariable('slice'))"
)

#: The tables of which rules may look at slices, with the condition of the slice at hand.
_SLICED = {
    **{name: f"{_OF_RECORD} AND {_OF_BATCH}" for name, columns in DETAILS.items() if "record_id" in columns.names},
    "ledger.transfer": _OF_BATCH,
}


#: DuckDB writes decimals into a message through a float, whole numbers not.
_KEPT_AS = {_SUM: "HUGEINT"}


@dataclass(frozen=True)
class LakeFile:
    """A file that the manifest lists and that is as it was written."""

    table: str
    batch_no: int
    file: Path


@contextmanager
def stored_tables(
    connection: Connection, engine: LocalEngine, tenant: str, model: str, files: Sequence[LakeFile]
) -> Iterator[frozenset[str]]:
    """Within it, the engine's DuckDB has every table of DETAILS and DECIDED as `<context>.<table>`; which have rows."""
    names = [*DETAILS, *DECIDED]
    filled = _filled(connection, tenant, model) | {file.table for file in files}
    contexts = sorted({name.partition(".")[0] for name in names})
    duck = engine.connection
    for context in contexts:
        duck.execute(f"CREATE SCHEMA IF NOT EXISTS {identifier(context)}")
    with ExitStack() as held:
        try:
            for name, columns in DECIDED.items():
                query = _query(name, columns, tenant, model)
                table = _quoted(_whole(name, columns))
                if name in filled:
                    copy_into_engine(connection, query, columns, duck, table, _KEPT_AS)
                else:
                    empty_in_engine(columns, duck, table, _KEPT_AS)
            for name, columns in DETAILS.items():
                listed = [file for file in files if file.table == name]
                shape = columns.append(pa.field("batch_no", _LONG))
                query = _query(name, shape, tenant, model)
                if listed:
                    hot = held.enter_context(copy_into_file(connection, query, shape, engine.temp_dir))
                    whole = _quoted(_whole(name, shape))
                    duck.execute(f"CREATE OR REPLACE VIEW {whole} AS {_all_files(columns, listed, hot)}")
                elif name in filled:
                    copy_into_engine(connection, query, shape, duck, _quoted(_whole(name, shape)))
                else:
                    empty_in_engine(shape, duck, _quoted(_whole(name, shape)))
            for name in names:
                if name in _SLICED:
                    duck.execute(
                        f"CREATE VIEW {_quoted(name)} AS FROM {_quoted(f'{name}__whole')} WHERE {_SLICED[name]}"
                    )
            yield filled
        finally:
            for context in contexts:
                duck.execute(f"DROP SCHEMA {identifier(context)} CASCADE")


def _filled(connection: Connection, tenant: str, model: str) -> frozenset[str]:
    """The tables in which PostgreSQL has rows of the model: most have none, and to copy none takes as long as a few."""
    asked = " UNION ALL ".join(
        f"SELECT {literal(name)} WHERE EXISTS (SELECT FROM {_quoted(name)} WHERE tenant = %(tenant)s"
        " AND model = %(model)s)"
        for name in [*DETAILS, *DECIDED]
    )
    return frozenset(str(name) for (name,) in connection.execute(asked, {"tenant": tenant, "model": model}))


def rows_of_largest(engine: LocalEngine) -> int:
    """How many rows the largest table has that rules may look at in slices."""
    counts = " UNION ALL ".join(f"SELECT count(*) AS rows FROM {_quoted(name)}" for name in _SLICED)
    ((rows,),) = engine.connection.execute(f"SELECT max(rows) FROM ({counts})").fetchall()
    return int(rows)


def each_slice(engine: LocalEngine, by: str | None, slices: int) -> Iterator[int]:
    """Goes through the slices of what is stored, by record or by batch; within each, the tables hold its rows alone.

    One slice, or none to slice `by`: everything at once.
    """
    if by is None or slices == 1:
        yield 0
        return
    try:
        for at in range(slices):
            engine.connection.execute(f"SET VARIABLE {by}_slices = {slices}")
            engine.connection.execute(f"SET VARIABLE slice = {at}")
            yield at
    finally:
        engine.connection.execute(f"RESET VARIABLE {by}_slices")


def _whole(name: str, columns: pa.Schema) -> str:
    """Where a table's rows are: behind a view of its slices, if it has any."""
    assert name not in _SLICED or "batch_no" in columns.names, "a slice is of records or of batches"
    return f"{name}__whole" if name in _SLICED else name


def _query(name: str, columns: pa.Schema, tenant: str, model: str) -> str:
    listed = ", ".join(identifier(column) for column in columns.names)
    return f"SELECT {listed} FROM {_quoted(name)} WHERE tenant = {literal(tenant)} AND model = {literal(model)}"


def _all_files(columns: pa.Schema, files: Sequence[LakeFile], hot: IO[bytes]) -> str:
    """One scan of the lake files, which lack the batch_no, and of the hot rows.

    Not two scans and UNION ALL: over that, DuckDB 2.0 cannot aggregate more than fits into its memory.
    """
    inside = ", ".join(identifier(column) for column in columns.names)
    paths = ", ".join(literal(str(path)) for path in [*(each.file for each in files), path_of(hot)])
    numbers = ", ".join([*(str(each.batch_no) for each in files), "NULL"])
    return (
        f"SELECT {inside}, coalesce(batch_no, ([{numbers}]::BIGINT[])[file_index::BIGINT + 1]) AS batch_no"
        f" FROM read_parquet([{paths}], union_by_name = true)"
    )


def _quoted(name: str) -> str:
    context, _, table = name.partition(".")
    return f"{identifier(context)}.{identifier(table)}"
