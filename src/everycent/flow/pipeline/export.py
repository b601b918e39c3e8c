"""Writes what a model's runs gave as Parquet files, and the bank files of the day, into one folder.

Each Parquet file holds all stored rows of the model in key order; `amount` in major units stands beside `amount_minor`,
with as many decimals as the model's currency with most of them has. Obligations have the numbers of the contracts that
their ends are settled under, where party roles have any.
"""

from collections.abc import Callable, Sequence
from datetime import date
from itertools import chain
from pathlib import Path
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import identifier, literal
from everycent.base.engine.tables import CORRECTED_KEY, TableSchema
from everycent.base.money.currency import currency
from everycent.base.platform.batches import run_lock
from everycent.flow.clearing.contract import OBLIGATION
from everycent.flow.intake.contract import QUARANTINE, RECORD
from everycent.flow.ledger import store as ledger_store
from everycent.flow.model.contract import LoadedModel
from everycent.flow.payments import service as payments
from everycent.flow.payments import store as payments_store
from everycent.flow.pipeline.paying import PAYMENT_OTHERS
from everycent.flow.pipeline.plan import ModelPlan, plan_model
from everycent.flow.pipeline.session import Session
from everycent.flow.rating.contract import CHARGE, HELD, RETRY, RETRY_SNAPSHOT, SNAPSHOT, contract_factor
from everycent.flow.settlement import store as settlement_store

_DETAIL: dict[str, TableSchema] = {
    "quarantine": QUARANTINE,
    "charges": CHARGE,
    "held_charges": HELD,
    "retries": RETRY,
    "obligations": OBLIGATION,
}
_VIEW = "exported"
#: So many rows are ordered at once for each MB of the engine's memory.
_ROWS_PER_MB = 8_000


def export(session: Session, model: LoadedModel, as_of: date, folder: Path) -> tuple[Path, ...]:
    """The files written: detail tables, records by kind, statements, instructions, account balances, bank files.

    No other run of the model changes anything meanwhile.
    """
    plan = plan_model(model, session.tenant, model.files)
    under = [role for role, party in model.spec.parties.items() if party.contract is not None]
    codes = model.spec.currency_codes
    where = (session.connection, session.tenant, model.name)
    with run_lock(session.details, model.name):
        paths = [
            _detail(session, model.name, name, schema, codes, folder, model.spec.order is not None, under)
            for name, schema in _DETAIL.items()
        ]
        paths.append(_records(session, model.name, folder / "records.parquet", pa.string(), None))
        for kind, kind_plan in plan.intake.items():
            paths.append(_records(session, model.name, folder / f"records_{kind}.parquet", kind_plan.body_type, kind))
        bank_files = _bank_files(session, plan, as_of, folder)  # before the instructions, which say what was filed
        for name, table in (
            ("statements", settlement_store.statements(*where)),
            ("instructions", payments_store.instructions(*where)),
            ("accounts", ledger_store.balances(*where)),
        ):
            paths.append(write_table(folder / f"{name}.parquet", table))
    return (*paths, *bank_files)


def write_table(path: Path, table: pa.Table) -> Path:
    """Writes one Parquet file: beside, then renamed, so that nobody sees a part of it."""
    return _replaced(path, lambda beside: pq.write_table(table, beside))


def _bank_files(session: Session, plan: ModelPlan, as_of: date, folder: Path) -> Sequence[Path]:
    return payments.write_files(
        session.connection,
        session.engine,
        plan.payments,
        PAYMENT_OTHERS,
        session.tenant,
        plan.model.name,
        as_of,
        folder,
    )


def _detail(
    session: Session,
    model: str,
    name: str,
    schema: TableSchema,
    codes: Sequence[str],
    folder: Path,
    in_order: bool,
    under: Sequence[str],
) -> Path:
    names = schema.columns.names
    if in_order and schema.in_order is not None:  # the generation is how rows came to be, not what they say
        names = [column for column in schema.ordered.columns.names if column != "generation"]
    is_corrected = schema.corrections is not None and bool(session.details.parts(schema.corrected, model))
    revised = CORRECTED_KEY if is_corrected else ()
    session.details.attach(session.engine, _VIEW, schema, model, columns=[*names, *revised])
    columns = []
    for column in names:
        columns.append(identifier(column))
        if column == "amount_minor":
            columns.append(f"{_amount_sql(codes)} AS amount")
    columns += [f"coalesce({column}, {first}) AS {column}" for column, first in zip(revised, (0, False), strict=False)]
    order = [*schema.key, *revised, *(["debtor", "creditor"] if revised else [])]
    order += ["booked_on"] if "adjusts" in names else []
    source = _VIEW
    if schema is OBLIGATION and under:
        _contracts(session, model, under)
        columns += [f"{end}_contract" for end in ("debtor", "creditor")]
        source = f"(SELECT o.*, {_contract_of('debtor')}, {_contract_of('creditor')} FROM {_VIEW} AS o {_ENDS})"
    rows = _ordered(session.engine, f"SELECT {', '.join(columns)} FROM {source}", order)
    return _copied(rows, folder / f"{name}.parquet")


_CONTRACTS = "exported_contract"
#: A batch's number after all that are given.
_NO_END = (1 << 63) - 1
_ENDS = " ".join(
    f"LEFT JOIN {_CONTRACTS} AS {end}_under ON {end}_under.record_id = coalesce(o.refund_of, o.record_id)"
    f" AND {end}_under.role = split_part(o.{end}, ':', 1)"
    f" AND o.batch_no >= {end}_under.since AND o.batch_no < {end}_under.until"
    for end in ("debtor", "creditor")
)


def _contract_of(end: str) -> str:
    return f"{end}_under.contract AS {end}_contract"


def _contracts(session: Session, model: str, roles: Sequence[str]) -> None:
    """The contract of each record's party in each role, `since` a batch `until` the next that found another: a later
    look-up found what was missing before, or was asked for by a correction."""
    body = pa.struct([pa.field(contract_factor(role), pa.string()) for role in roles])
    for view, schema in (("arrived", SNAPSHOT), ("retried", RETRY_SNAPSHOT)):
        session.details.attach(session.engine, f"exported_{view}", schema, model, body_type=body)
    looked_up = " UNION ALL ".join(
        f"SELECT record_id, {literal(role)} AS role, batch_no, body.{identifier(contract_factor(role))} AS contract"
        f" FROM exported_{view}"
        for role in roles
        for view in ("arrived", "retried")
    )
    session.engine.connection.execute(
        f"""
        CREATE OR REPLACE TABLE {_CONTRACTS} AS
        WITH looked_up AS (FROM ({looked_up}) WHERE contract IS NOT NULL)
        SELECT record_id, role, contract, 0 AS since, {_NO_END} AS until
        FROM looked_up ANTI JOIN exported_retried USING (record_id)
        UNION ALL
        SELECT record_id, role, contract,
            CASE WHEN row_number() OVER found > 1 THEN batch_no ELSE 0 END AS since,
            lead(batch_no, 1, {_NO_END}) OVER found AS until
        FROM looked_up SEMI JOIN exported_retried USING (record_id)
        WINDOW found AS (PARTITION BY record_id, role ORDER BY batch_no)
        """
    )


def _amount_sql(codes: Sequence[str]) -> str:
    """The row's amount in major units of its currency, exactly."""
    exponents = {code: currency(code).exponent for code in codes}
    places = max(exponents.values())

    def scaled(exponent: int) -> str:
        unit = literal("1" if exponent == 0 else "0." + "0" * (exponent - 1) + "1")
        return f"CAST(amount_minor * CAST({unit} AS DECIMAL({exponent + 1}, {exponent})) AS DECIMAL(38, {places}))"

    if len(exponents) == 1:
        return scaled(places)
    arms = " ".join(f"WHEN {literal(code)} THEN {scaled(exponent)}" for code, exponent in exponents.items())
    return f"CASE currency {arms} END"


def _records(session: Session, model: str, path: Path, body_type: pa.DataType, kind: str | None) -> Path:
    """Records with their body as JSON text, or those of one kind with the body's columns beside the others."""
    session.details.attach(session.engine, _VIEW, RECORD, model, kind=kind, body_type=body_type)
    known = {*RECORD.columns.names}
    columns = [identifier(name) for name in RECORD.columns.names if name != RECORD.body]
    if kind is None:
        columns.append(f"{identifier(RECORD.body or '')}::VARCHAR AS body")
    else:
        columns += [
            f"body.{identifier(field.name)} AS {identifier(field.name + ('_' if field.name in known else ''))}"
            for field in body_type
        ]
    rows = _ordered(session.engine, f"SELECT {', '.join(columns)} FROM {_VIEW}", RECORD.key)
    return _copied(rows, path)


def _ordered(engine: LocalEngine, sql: str, order: Sequence[str]) -> pa.RecordBatchReader:
    """The rows of `sql`, which reads the view, in order. Those of many records are ordered range by range of their ids.

    DuckDB 2.0 keeps a block of each sorted run in memory while it merges them: too many runs do not fit.
    """
    (found,) = engine.query(f"SELECT count(*) AS rows FROM {_VIEW}").to_pylist()
    ranges = 1 + found["rows"] // (engine.memory_mb * _ROWS_PER_MB) if order[0] == "record_id" else 1
    if ranges == 1:
        return engine.ordered(sql, order)
    bounds = [UUID(int=(at << 128) // ranges) for at in range(ranges)]  # ids are evenly spread
    within = [f"record_id >= '{since}'" for since in bounds]
    within = [f"{since} AND record_id < '{until}'" for since, until in zip(within, bounds[1:], strict=False)] + within[
        -1:
    ]
    readers = (engine.ordered(f"SELECT * FROM ({sql}) AS every WHERE {each}", order) for each in within)
    first = next(readers)
    return pa.RecordBatchReader.from_batches(first.schema, chain(first, chain.from_iterable(readers)))


def _copied(rows: pa.RecordBatchReader, path: Path) -> Path:
    """Writes rows as they are computed. Not by DuckDB's COPY: whether a column may be null would follow the rows."""

    def write(beside: Path) -> None:
        with pq.ParquetWriter(beside, rows.schema, compression="zstd", compression_level=1) as file:
            for batch in rows:
                file.write_batch(batch)

    return _replaced(path, write)


def _replaced(path: Path, write: Callable[[Path], object]) -> Path:
    beside = path.with_name(f".{path.name}.part")
    try:
        write(beside)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    return path
