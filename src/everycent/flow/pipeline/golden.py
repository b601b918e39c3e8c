"""Runs a model's golden cases: facts through the very same stages, in memory, compared with what the case says."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from everycent.base.engine.local import LocalEngine
from everycent.base.money.amount import format_minor
from everycent.base.money.currency import currency
from everycent.flow.clearing.contract import OBLIGATION, REFUNDED, RefundState
from everycent.flow.intake import stage as intake
from everycent.flow.intake.contract import KNOWN, MALFORMED, ORIGINALS, RawRows, RecordSpec
from everycent.flow.intake.service import load_table
from everycent.flow.model.contract import GoldenSpec, LoadedModel
from everycent.flow.pipeline.compute import Batch, rate_and_clear
from everycent.flow.pipeline.contract import InputRefused
from everycent.flow.pipeline.golden_factors import ValuesOutside, tables_outside, values_outside
from everycent.flow.pipeline.golden_order import in_order
from everycent.flow.pipeline.golden_text import ExpectedTable, FactTable, GoldenTextError, read_expected, read_facts
from everycent.flow.pipeline.plan import ModelPlan, plan_model
from everycent.flow.rating.contract import CHARGE, HELD, with_made_factors

_OBLIGATION_COLUMNS = frozenset(
    {"record", "charge", "debtor", "creditor", "amount", "currency", "legal_entity", "booked_on"}
)
_CHARGE_COLUMNS = frozenset({"record", "charge", "rule", "debtor", "creditor", "amount", "currency", "booked_on"})


@dataclass(frozen=True)
class GoldenOutcome:
    """One case: `differences` is empty where what came out is what the case says."""

    name: str
    differences: tuple[str, ...]


def run_golden_cases(model: LoadedModel, tenant: str, engine: LocalEngine) -> list[GoldenOutcome]:
    """Runs every case of the model, in declared order. Raises ModelRefused, InputRefused."""
    model = _without_messages(model)
    kinds = {kind: _as_written(record) for kind, record in model.spec.records.items()}
    plan = plan_model(model, tenant, model.files, records=kinds)
    tables = {
        name: load_table(name, spec, model.files[spec.file or ""], model.currency, model.calendar, engine).rows
        for name, spec in plan.tables.items()
        if spec.file in model.files
    }
    for name, factor in with_made_factors(model.spec.factors, model.spec.charges, model.spec.parties).items():
        if factor.table is not None and factor.table not in tables and model.spec.tests:
            raise InputRefused(
                f"factor '{name}' is from {factor.table}, which is not beside {model.path}: golden cases need it there"
            )
    return [GoldenOutcome(name, _differences(plan, case, tables, engine)) for name, case in model.spec.tests.items()]


def _without_messages(model: LoadedModel) -> LoadedModel:
    """The model with the contracts of its facts' parties taken as given, where contracts come as messages."""
    parties = {
        role: party.model_copy(update={"contract": None})
        if party.contract is not None and party.contract.messages
        else party
        for role, party in model.spec.parties.items()
    }
    return replace(model, spec=model.spec.model_copy(update={"parties": parties}))


def _as_written(record: RecordSpec) -> RecordSpec:
    """The kind with its columns read under the model's own names, as facts are written, and already adjusted."""
    plain = {"sources": (), "unit": "major", "sign": "keep", "map": None, "format": None}
    columns = {name: column.model_copy(update=plain) for name, column in record.columns.items()}
    return record.model_copy(update={"columns": columns, "steps": (), "when": None})


def _differences(
    plan: ModelPlan, case: GoldenSpec, tables: Mapping[str, pa.Table], engine: LocalEngine
) -> tuple[str, ...]:
    try:
        facts = read_facts(case.facts, frozenset(plan.intake))
        given = values_outside(case.factors or "", plan.model.spec.factors)
        done: list[Batch] = []
        for fact in facts:
            batch = _take(plan, fact, done, tables, given, engine)
            for row in batch.intake.quarantine.to_pylist():
                return (f"facts: {fact.kind} {row['key'] or ''} is {row['outcome']}: {row['reason']}",)
            done.append(batch)
        charges, owed = [batch.charges for batch in done], [batch.obligations for batch in done]
        ordered = in_order(plan, done, engine)
        if ordered is not None:
            charges, owed = [*charges, ordered.charges], [*owed, ordered.obligations]
        return (
            *_compare(case.charges, _CHARGE_COLUMNS, "charges", charges, done),
            *_compare(case.obligations, _OBLIGATION_COLUMNS, "obligations", owed, done),
        )
    except GoldenTextError as error:
        return (str(error),)


def _take(
    plan: ModelPlan,
    fact: FactTable,
    done: list[Batch],
    tables: Mapping[str, pa.Table],
    given: ValuesOutside,
    engine: LocalEngine,
) -> Batch:
    kind = plan.intake[fact.kind]
    unknown = [column for column in fact.columns if column not in kind.spec.columns]
    if unknown:
        raise GoldenTextError(
            f"facts: {fact.kind} has no column '{unknown[0]}'; there are {', '.join(kind.spec.columns)}"
        )
    cells = dict(zip(fact.columns, zip(*fact.rows, strict=True), strict=True)) if fact.rows else {}
    rows = RawRows(
        0,
        pa.table({name: pa.array(cells.get(name, [None] * len(fact.rows)), pa.string()) for name in kind.spec.columns}),
        pa.array(range(1, len(fact.rows) + 1), pa.int64()),
        MALFORMED.empty_table(),
        "facts",
    )
    prepared = intake.prepare(kind, rows, tables, engine)
    known = KNOWN.empty_table()
    originals = _known_originals(plan, done)
    taken = intake.decide(kind, prepared, known, originals, None, engine)
    state = None
    if kind.spec.refunds is not None:
        state = _refund_state(done, originals)
    if fact.kind in plan.rating:
        tables = {**tables, **tables_outside(plan.rating[fact.kind], taken.records, given, engine)}
    batch = rate_and_clear(plan, fact.kind, taken, state, tables, engine)
    return replace(  # in the tables' own schema, as storing them would: batches are put together
        batch,
        charges=batch.charges.cast(CHARGE.columns),
        obligations=batch.obligations.cast(OBLIGATION.columns),
        held=batch.held.cast(HELD.columns),
    )


def _known_originals(plan: ModelPlan, done: list[Batch]) -> pa.Table:
    """The case's records so far, with what was refunded of them."""
    worth: dict[Any, int | None] = {}
    refunded: Counter[Any] = Counter()
    code: dict[Any, str] = {}
    for batch in done:
        records = batch.intake.records
        for record_id, kind, body in zip(
            *(records[name].to_pylist() for name in ("record_id", "kind", "body")), strict=True
        ):
            code[record_id] = body.get(plan.model.spec.records[kind].currency)
        for record_id, refund_of, amount in zip(
            *(records[name].to_pylist() for name in ("record_id", "refund_of", "amount_minor")), strict=True
        ):
            if refund_of is None:
                worth[record_id] = amount
            else:
                refunded[refund_of] += amount or 0
    ids = list(worth)
    columns = [ids, [worth[i] for i in ids], [refunded[i] for i in ids], [code[i] for i in ids]]
    return pa.table(
        [pa.array(values, field.type) for values, field in zip(columns, ORIGINALS, strict=True)], schema=ORIGINALS
    )


def _refund_state(done: list[Batch], originals: pa.Table) -> RefundState:
    obligations = pa.concat_tables([batch.obligations for batch in done])
    back: Counter[tuple[Any, str, int]] = Counter()
    for row in obligations.to_pylist():
        if row["refund_of"] is not None:
            back[(row["refund_of"], row["charge"], row["bearer"])] -= row["amount_minor"]
    refunded = [
        {"refund_of": of, "charge": charge, "bearer": bearer, "refunded_minor": minor}
        for (of, charge, bearer), minor in back.items()
    ]
    return RefundState(
        originals,
        pa.concat_tables([batch.charges for batch in done]),
        obligations,
        pa.Table.from_pylist(refunded, REFUNDED),
        pa.concat_tables([batch.held for batch in done]),
    )


def _compare(
    expected: str | None, allowed: frozenset[str], what: str, found: list[pa.Table], done: list[Batch]
) -> list[str]:
    if expected is None:
        return []
    table = read_expected(expected, allowed, what)
    keys = {key: name for batch in done for key, name in _record_names(batch)}
    rows = [row for part in found for row in part.to_pylist()]
    want = Counter(tuple(cell or "" for cell in row) for row in table.rows)
    have = Counter(_row(table, row, keys) for row in rows)
    lines = [f"{what}: not there: {_shown(table, row)}{_times(n)}" for row, n in sorted((want - have).items())]
    lines += [f"{what}: not expected: {_shown(table, row)}{_times(n)}" for row, n in sorted((have - want).items())]
    return lines + [
        f"held: {row['charge']}: {row['reason']}" for batch in done for row in batch.held.to_pylist() if lines
    ]


def _record_names(batch: Batch) -> list[tuple[Any, str]]:
    records = batch.intake.records
    return list(zip(records["record_id"].to_pylist(), records["key"].to_pylist(), strict=True))


def _row(table: ExpectedTable, row: Mapping[str, Any], keys: Mapping[Any, str]) -> tuple[str, ...]:
    """A row's cells under the case's columns; parties without their role, amounts in major units."""
    cells: dict[str, Any] = {**row, "record": keys[row["record_id"]]}
    cells["amount"] = format_minor(row["amount_minor"], currency(row["currency"]))
    for end in ("debtor", "creditor"):
        party = row[end]
        cells[end] = None if party is None else party.partition(":")[2] or party
    return tuple("" if cells[column] is None else str(cells[column]) for column in table.columns)


def _shown(table: ExpectedTable, row: tuple[str, ...]) -> str:
    return "  ".join(f"{name} {cell or '-'}" for name, cell in zip(table.columns, row, strict=True))


def _times(count: int) -> str:
    return "" if count == 1 else f"  ({count} times)"
