"""Runs a model's reconciliations: fetches both sides, stored records or files, and hands them to recon."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
from pydantic import TypeAdapter, ValidationError

from everycent.base.engine.formula import FormulaError
from everycent.base.engine.types import ColumnType
from everycent.base.money.amount import NotAnAmount
from everycent.base.money.calendar import BusinessCalendar
from everycent.base.money.currency import Currency, UnknownCurrency, currency
from everycent.flow.intake.contract import RECORD, RECORDS_OWN, ColumnSpec, Control
from everycent.flow.intake.service import (
    TypedRows,
    UnknownFormat,
    check_file,
    declared_fields,
    format_written,
    read_rows,
    said,
)
from everycent.flow.model.contract import LoadedModel, ModelIssue, ModelRefused, Source
from everycent.flow.pipeline.contract import InputRefused
from everycent.flow.pipeline.service import ModelPlan, Session, given_files, plan_model, write_table
from everycent.proof.recon.contract import REFUSED, ReconSpec, SideSpec
from everycent.proof.recon.service import (
    ReconPlan,
    ReconRun,
    RuleRefused,
    SidePlan,
    SideRows,
    TotalRefused,
    plan_recon,
    plan_side,
    residual_minor,
    side_in_engine,
)
from everycent.proof.recon.service import run as run_recon
from everycent.serve.checking import seen_by_checkers
from everycent.serve.handling_words import handling_issues
from everycent.serve.links import link_issues
from everycent.serve.many_sides import ManySides, each_pair
from everycent.serve.recon_batches import Batches, batches_of
from everycent.serve.recon_modes import (
    RatesRefused,
    carried_as_dict,
    entries_as_dict,
    matches_as_dict,
    payouts_as_dict,
    rates_of,
    totals_as_dict,
)

_VIEW = "recon_records"
_TABLE = "recon_side"
_COUNTED = ("keys", "left_rows", "right_rows", "difference_minor")


class Scope(Protocol):
    """What scenarios stand in: a settlement model, or a scenario file."""

    @property
    def path(self) -> Path: ...
    @property
    def name(self) -> str: ...
    @property
    def source(self) -> Source: ...
    @property
    def spec(self) -> Any: ...
    @property
    def currency(self) -> Currency: ...
    @property
    def calendar(self) -> BusinessCalendar: ...


class Kinds(Protocol):
    """The record kinds there are, planned: a model's plan, or none."""

    @property
    def intake(self) -> Mapping[str, Any]: ...


class Report(Protocol):
    """Told how far the work has come."""

    def __call__(self, stage: str, done: int, total: int | None) -> None: ...


@dataclass(frozen=True)
class Side:
    """A side planned: its columns where it is a file, what their money is in, and its formulas."""

    columns: dict[str, ColumnSpec]
    currency: Currency
    plan: SidePlan


@dataclass(frozen=True)
class PlannedScenario:
    """A reconciliation whose words were all checked."""

    name: str
    spec: ReconSpec
    currency: Currency
    plan: ReconPlan
    left: Side
    right: Side
    of: str = ""  # of more than two sides: the name of all
    called: tuple[str, str] = ("left", "right")  # what the model calls them


@dataclass(frozen=True)
class Stated:
    """A figure that a side's file states of itself."""

    side: str  # left | right
    file: str
    control: Control

    def __str__(self) -> str:
        return f"{self.file}: {said(self.control)}"

    def as_dict(self) -> dict[str, Any]:
        """For programs."""
        found = self.control
        return {
            "side": self.side,
            "file": self.file,
            "name": found.name,
            "stated": found.stated,
            "found": found.found,
            "line": found.line,
            "agrees": found.agrees,
        }


@dataclass(frozen=True)
class Scenario:
    """A reconciliation that was run, and what its sides' files state of themselves."""

    name: str
    run: ReconRun
    currency: Currency
    stated: tuple[Stated, ...] = ()
    across: pa.Table | None = None  # of the first pair of more than two sides: what each says of keys that part

    @property
    def changed(self) -> bool:
        """False where the same sides had been compared before."""
        return self.run.changed

    def as_dict(self) -> dict[str, Any]:
        """The totals, for programs."""
        found = self.run.reconciled
        return {
            "changed": self.changed,
            "left_minor": found.left_total.amount_minor,
            "right_minor": found.right_total.amount_minor,
            "difference_minor": found.difference_minor,
            "residual_minor": residual_minor(found),
            "breaks": found.breaks.num_rows,
            "buckets": {
                row["bucket"]: {
                    name: int(row[name]) for name in ("keys", "left_rows", "right_rows", "difference_minor")
                }
                for row in found.totals.to_pylist()
            },
            "matches": matches_as_dict(self.run),
            "totals": totals_as_dict(self.run),
            "payouts": payouts_as_dict(self.run),
            "entries": entries_as_dict(self.run),
            "carried": carried_as_dict(self.run),
            "controls": [stated.as_dict() for stated in self.stated],
        }


def plan_scenarios(model: Scope, plan: Kinds) -> list[PlannedScenario]:
    """Checks every word of the model's `recon` section. Raises ModelRefused with all that is wrong."""
    issues: list[ModelIssue] = []
    planned: list[PlannedScenario] = []
    for name, spec, path, words in each_pair(getattr(model.spec, "recon", {})):
        issues += link_issues(model.source, path, spec)
        try:
            money = model.currency if spec.currency is None else currency(spec.currency)
            recon_plan = plan_recon(name, spec, money, rates_of(model.path.parent, spec))
        except UnknownCurrency as unknown:
            issues.append(model.source.issue(str(unknown), (*path, "currency")))
            continue
        except (ValueError, NotAnAmount) as error:
            word = "total" if isinstance(error, TotalRefused) else "tolerance"
            word = "rules" if isinstance(error, RuleRefused | RatesRefused) else word
            issues.append(model.source.issue(str(error), (*path, word)))
            continue
        issues += handling_issues(model.source, path, spec, money, model.path.parent)
        sides = [
            _plan_side(model, plan, money, (*path, *word), side, issues)
            for word, side in zip(words, (spec.left, spec.right), strict=True)
        ]
        if sides[0] is not None and sides[1] is not None:
            names = (words[0][-1], words[1][-1])
            plans = seen_by_checkers(model.source, path, spec, (sides[0].plan, sides[1].plan), issues)
            left, right = (replace(sides[0], plan=plans[0]), replace(sides[1], plan=plans[1]))
            planned.append(PlannedScenario(name, spec, money, recon_plan, left, right, path[1], names))
    if issues:
        raise ModelRefused(str(model.path), issues)
    return planned


@dataclass(frozen=True)
class Prepared:
    """The scenarios of a model, the files given that their sides may be in, and by scenario what these state of
    themselves."""

    plan: ModelPlan
    scenarios: Sequence[PlannedScenario]
    files: Sequence[Path]
    stated: Mapping[str, tuple[Stated, ...]] = field(default_factory=dict)

    def unused(self, others: Sequence[Path]) -> tuple[Path, ...]:
        """Of a run's files that hold no records and no table, those that are no side either."""
        return tuple(path for path in dict.fromkeys(others) if not self.takes(path))

    def takes(self, path: Path) -> bool:
        """True where the file is a side of a scenario."""
        return any(path in _files(side.plan.spec, [path]) for one in self.scenarios for side in (one.left, one.right))


def prepare(session: Session, model: LoadedModel, records: Sequence[str], bills: Sequence[str]) -> Prepared:
    """Plans every scenario and reads its files through, so that what is wrong with them is told before money moves.

    Raises ModelRefused, InputRefused, SourceError.
    """
    plan = plan_model(model, session.tenant, model.files)
    other_side = given_files(model, bills)
    prepared = Prepared(plan, plan_scenarios(model, plan), [*other_side, *given_files(model, records)])
    if other_side and not any(prepared.takes(path) for path in other_side):
        names = ", ".join(path.name for path in other_side[:5])
        sides = [side.plan.spec.file for one in prepared.scenarios for side in (one.left, one.right)]
        patterns = ", ".join(dict.fromkeys(pattern for side in sides for pattern in side)) or "no file"
        raise InputRefused(f"no reconciliation takes {names}; the model's other sides are in {patterns}")
    stated = {scenario.name: tuple(_stated(model, scenario, prepared.files)) for scenario in prepared.scenarios}
    return replace(prepared, stated=stated)


def _stated(model: LoadedModel, scenario: PlannedScenario, files: Sequence[Path]) -> Iterator[Stated]:
    """Reads the files of both sides through. Raises SourceError."""
    for word, side in (("left", scenario.left), ("right", scenario.right)):
        columns, spec = ("recon", scenario.name, word, "columns"), side.plan.spec
        for path in _files(spec, files):
            for control in check_file(columns, side.columns, path, spec, scenario.currency, model.calendar):
                yield Stated(word, path.name, control)


def _files(spec: SideSpec, files: Sequence[Path]) -> list[Path]:
    return [path for path in dict.fromkeys(files) if any(fnmatch(path.name, pattern) for pattern in spec.file)]


def reconcile_all(
    session: Session, model: LoadedModel, prepared: Prepared, report: Report, day: date | None = None
) -> tuple[Scenario, ...]:
    """Runs every scenario whose files are there; a scenario without any of its files is left out. `day`: the run's, to
    which scenarios that carry on are cut; of stored records these take the ones that came after the cut before."""
    scenarios = prepared.scenarios
    done: list[Scenario] = []
    sides_of_all = ManySides(session.engine)
    for at, scenario in enumerate(scenarios):
        report("reconciling", at, len(scenarios))
        taken = batches_of(session, model.name, scenario.name, day) if scenario.plan.carry else Batches()
        sides = sides_of(session, model, prepared, scenario, taken.after)
        if sides[0] is None or sides[1] is None:
            continue
        run = run_recon(
            session.connection,
            session.engine,
            session.tenant,
            model.name,
            scenario.currency.code,
            scenario.plan,
            sides[0],
            sides[1],
            scenario.spec.breaks,
            day=day,
            through_batch=taken.through,
        )
        done.append(Scenario(scenario.name, run, scenario.currency, prepared.stated.get(scenario.name, ())))
        if scenario.called != ("left", "right"):
            sides_of_all.keep(scenario.of, scenario.called, (f"{_TABLE}_left", f"{_TABLE}_right"), run)
        for word in ("left", "right"):
            session.engine.connection.execute(f"DROP TABLE IF EXISTS {_TABLE}_{word}")
    across = sides_of_all.told()
    return tuple(replace(one, across=across.pop(one.name.partition("/")[0], None)) for one in done)


def sides_of(
    session: Session, model: LoadedModel, prepared: Prepared, scenario: PlannedScenario, after_batch: int = 0
) -> tuple[SideRows | None, SideRows | None]:
    """The left side and the right, as tables of the engine; None where none of its files is there. `after_batch`:
    stored records up to this batch are left out."""
    left, right = (
        _rows(session, model, prepared.plan, (scenario.name, word), side, prepared.files, after_batch)
        for word, side in (("left", scenario.left), ("right", scenario.right))
    )
    return left, right


def write_breaks(folder: Path, scenarios: Sequence[Scenario]) -> Path:
    """breaks.parquet: what does not agree, of all scenarios, in their order."""
    parts = [
        scenario.run.reconciled.breaks.add_column(
            0, "scenario", pa.array([scenario.name] * scenario.run.reconciled.breaks.num_rows, pa.string())
        )
        for scenario in scenarios
    ]
    empty = pa.table({"scenario": pa.array([], pa.string())})
    return write_table(folder / "breaks.parquet", pa.concat_tables(parts) if parts else empty)


def _plan_side(
    model: Scope,
    plan: Kinds,
    money: Currency,
    path: tuple[str, ...],
    spec: SideSpec,
    issues: list[ModelIssue],
) -> Side | None:
    given = [spec.records is not None, bool(spec.file), spec.load is not None].count(True)
    if given > 1 or (not given and not _of_events(model, path)):
        message = "a side is one of 'records' (a kind of this model), 'file' and 'load'"
        issues.append(model.source.issue(message, path, key=True))
        return None
    if spec.records is not None and spec.records not in plan.intake:
        there = ", ".join(plan.intake) or "none"
        issues.append(
            model.source.issue(f"there is no record kind '{spec.records}'; declared are: {there}", (*path, "records"))
        )
        return None
    try:
        _ = None if spec.format is None else format_written(spec.format)
        columns = TypeAdapter(dict[str, ColumnSpec]).validate_python(spec.columns)
        fields = declared_fields((*path, "columns"), columns, money, model.calendar)
        if spec.records is None:
            return Side(
                columns,
                money,
                plan_side(spec, {field.reader.name: field.reader.type for field in fields}, money, model.calendar),
            )
        records = plan.intake[spec.records]
        types = {name: column.type for name, column in records.columns.items()}
        own = {name: ColumnType("money", money.exponent) for name, of in records.money.of.items() if of == RECORDS_OWN}
        in_one = _in_currency(spec, records.money.column, money)
        return Side(columns, money, plan_side(in_one, {**types, **own}, money, model.calendar))
    except UnknownFormat as unknown:
        issues.append(model.source.issue(str(unknown), (*path, "format")))
    except ValidationError as error:
        issues += [model.source.issue(found["msg"], (*path, "columns", *found["loc"])) for found in error.errors()]
    except FormulaError as error:
        issues.append(model.source.issue(error.message, getattr(error, "path", path)))
    except ValueError as error:
        issues.append(model.source.issue(str(error), path))
    return None


def _of_events(model: Scope, path: tuple[str, ...]) -> bool:
    """True where the side's rows may come as events alone: the scenario has the word `live`."""
    spec = getattr(model.spec, "recon", {})[path[1]]
    return spec.live is not None and getattr(spec, path[2]).records is None


def _in_currency(spec: SideSpec, column: str | None, money: Currency) -> SideSpec:
    """The side with those of its records alone that are in the scenario's currency."""
    if spec.currency is not None:
        raise ValueError("currency: of records those in the scenario's currency take part; leave the word out")
    if column is None:
        return spec
    own = f"\"{column}\" = '{money.code}'"
    return spec.model_copy(update={"when": own if spec.when is None else f"({spec.when}) and {own}"})


def _rows(
    session: Session,
    model: LoadedModel,
    plan: ModelPlan,
    name: tuple[str, str],
    side: Side,
    files: Sequence[Path],
    after_batch: int,
) -> SideRows | None:
    """The side's rows, those that are compared as a table in the engine; None where none of its files is there."""
    spec, table = side.plan.spec, f"{_TABLE}_{name[1]}"
    if spec.records is not None:
        body_type = plan.intake[spec.records].body_type
        session.details.attach(
            session.engine,
            _VIEW,
            RECORD,
            model.name,
            kind=spec.records,
            body_type=body_type,
            columns=["source_file", "source_line", "body"],
            after_batch=after_batch,
        )
        return side_in_engine(side.plan, [_VIEW], session.engine, table)
    found = _files(spec, files)
    if not found:
        return None
    refused = [REFUSED.empty_table()]

    def parts() -> Iterator[pa.Table]:
        for path in found:
            for part in _read(session, model, name, side, path):
                refused.append(part.refused.cast(REFUSED))
                yield part.rows

    compared = side_in_engine(side.plan, parts(), session.engine, table)
    ordered = pa.concat_tables([compared.refused, *refused]).sort_by(
        [("source_file", "ascending"), ("source_line", "ascending")]
    )
    return replace(compared, refused=ordered)


def _read(session: Session, model: LoadedModel, name: tuple[str, str], side: Side, path: Path) -> Iterator[TypedRows]:
    spec = side.plan.spec
    word = ("recon", *name, "columns")
    how = (word, side.columns, path, spec, side.currency, model.calendar, session.engine)
    return read_rows(*how, rows_per_part=session.settings.batch_rows)
