"""Runs a model's reconciliations: fetches both sides, stored records or files, and hands them to recon."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
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
from everycent.flow.intake.contract import RECORDS_OWN, ColumnSpec, Control
from everycent.flow.intake.service import (
    UnknownFormat,
    check_file,
    contradiction,
    declared_fields,
    format_written,
)
from everycent.flow.model.contract import LoadedModel, ModelIssue, ModelRefused, Source
from everycent.flow.pipeline.contract import InputRefused
from everycent.flow.pipeline.service import ModelPlan, Session, given_files, plan_model, write_table
from everycent.proof.recon.contract import ReconSpec, SideSpec
from everycent.proof.recon.service import (
    FINEST,
    ReconPlan,
    ReconRun,
    RuleRefused,
    SidePlan,
    TotalRefused,
    plan_recon,
    plan_side,
    residual_minor,
)
from everycent.serve.checking import seen_by_checkers
from everycent.serve.handling_words import handling_issues
from everycent.serve.in_currency import each_currency, with_currencies
from everycent.serve.links import link_issues
from everycent.serve.many_sides import each_pair
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
        return f"{self.file}: {contradiction(self.control)}"

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
    called: tuple[str, str] = ("left", "right")  # what the model calls its sides
    has_amounts: bool = True  # False: only which rows there are, and their status, is compared
    across: pa.Table | None = None  # of the first pair of more than two sides: what each says of keys that part

    @property
    def changed(self) -> bool:
        """False where the same sides had been compared before."""
        return self.run.changed

    def as_dict(self) -> dict[str, Any]:
        """The totals, for programs. What adds up minor units of several currencies is None: `currencies` has them."""
        found, parts = self.run.reconciled, each_currency(self.run, self.currency)
        alone = len(parts) == 1
        return {
            "changed": self.changed,
            "left_minor": found.left_total.amount_minor if alone else None,
            "right_minor": found.right_total.amount_minor if alone else None,
            "difference_minor": found.difference_minor if alone else None,
            "residual_minor": residual_minor(found),
            "breaks": found.breaks.num_rows,
            "buckets": {
                row["bucket"]: {
                    name: int(row[name]) if alone or not name.endswith("_minor") else None
                    for name in ("keys", "left_rows", "right_rows", "difference_minor")
                }
                for row in found.totals.to_pylist()
            },
            "currencies": {} if alone else {part.currency.code: part.as_dict() for part in parts},
            "matches": matches_as_dict(self.run, self.currency),
            "totals": totals_as_dict(self.run),
            "payouts": payouts_as_dict(self.run),
            "entries": entries_as_dict(self.run, self.currency),
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
            recon_plan = plan_recon(name, spec, money, rates_of(model.path.parent, spec), model.calendar)
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
    """The scenarios of a model, and the files given that their sides may be in."""

    plan: ModelPlan
    scenarios: Sequence[PlannedScenario]
    files: Sequence[Path]

    def given(self, scenario: PlannedScenario) -> dict[str, list[Path]] | None:
        """The files of both sides; None where one of them is a file, and none is there, or comes as events alone."""
        sides = {"left": scenario.left.plan.spec, "right": scenario.right.plan.spec}
        files = {word: _files(spec, self.files) for word, spec in sides.items()}
        there = (files[word] or spec.records is not None or spec.load is not None for word, spec in sides.items())
        return files if all(there) else None

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
    for scenario in prepared.scenarios:
        for word, side in (("left", scenario.left), ("right", scenario.right)):
            columns, spec = ("recon", scenario.name, word, "columns"), side.plan.spec
            for path in _files(spec, prepared.files):
                check_file(columns, side.columns, path, spec, side.currency, model.calendar)
    return prepared


def _files(spec: SideSpec, files: Sequence[Path]) -> list[Path]:
    return [path for path in dict.fromkeys(files) if any(fnmatch(path.name, pattern) for pattern in spec.file)]


def write_breaks(folder: Path, scenarios: Sequence[Scenario]) -> Path:
    """breaks.parquet: what does not agree, of all scenarios, in their order."""
    parts = [
        with_currencies(scenario.run, scenario.currency).add_column(
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
        if spec.records is None:
            in_minor = [name for name, column in columns.items() if column.unit == "minor" and column.currency is None]
            columns, read_in = _as_read(spec, columns, money)
            fields = declared_fields((*path, "columns"), columns, read_in, model.calendar)
            types = {field.reader.name: field.reader.type for field in fields}
            return Side(columns, read_in, plan_side(spec, types, money, model.calendar, in_minor))
        declared_fields((*path, "columns"), columns, money, model.calendar)
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


def _as_read(spec: SideSpec, columns: dict[str, ColumnSpec], money: Currency) -> tuple[dict[str, ColumnSpec], Currency]:
    """The columns and the currency that money is read in, where each row names its own: with the decimals of the
    finest, until it is known which one it is. Minor units are whole, whatever they are of."""
    if spec.currency is None:
        return columns, money
    minor = {
        name: column.model_copy(update={"currency": money.code})
        for name, column in columns.items()
        if column.unit == "minor" and column.currency is None
    }
    return {**columns, **minor}, Currency("the finest currency", FINEST)


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
