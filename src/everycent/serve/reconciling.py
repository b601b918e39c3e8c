"""Runs a model's reconciliations: fetches both sides, stored records or files, and hands them to recon."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
from pydantic import TypeAdapter, ValidationError

from everycent.base.engine.formula import FormulaError
from everycent.base.engine.types import ColumnType
from everycent.base.money.amount import NotAnAmount
from everycent.flow.intake.contract import RECORD, ColumnSpec
from everycent.flow.intake.service import TypedRows, read_rows
from everycent.flow.model.contract import LoadedModel, ModelIssue, ModelRefused
from everycent.flow.pipeline.service import ModelPlan, Session, given_files, plan_model, write_table
from everycent.proof.recon.contract import REFUSED, ReconSpec, SideSpec
from everycent.proof.recon.service import ReconPlan, ReconRun, SidePlan, SideRows, plan_recon, plan_side, side_from_rows
from everycent.proof.recon.service import run as run_recon

_VIEW = "recon_records"


class Report(Protocol):
    """Told how far the work has come."""

    def __call__(self, stage: str, done: int, total: int | None) -> None: ...


@dataclass(frozen=True)
class Side:
    """A side planned: its columns where it is a file, and its formulas."""

    columns: dict[str, ColumnSpec]
    plan: SidePlan


@dataclass(frozen=True)
class PlannedScenario:
    """A reconciliation whose words were all checked."""

    name: str
    spec: ReconSpec
    plan: ReconPlan
    left: Side
    right: Side


@dataclass(frozen=True)
class Scenario:
    """A reconciliation that was run."""

    name: str
    run: ReconRun

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
            "residual_minor": found.residual_minor,
            "breaks": found.breaks.num_rows,
            "buckets": {
                row["bucket"]: {name: int(row[name]) for name in ("left_rows", "right_rows", "difference_minor")}
                for row in found.totals.to_pylist()
            },
        }


def plan_scenarios(model: LoadedModel, plan: ModelPlan) -> list[PlannedScenario]:
    """Checks every word of the model's `recon` section. Raises ModelRefused with all that is wrong."""
    issues: list[ModelIssue] = []
    planned: list[PlannedScenario] = []
    for name, spec in getattr(model.spec, "recon", {}).items():
        path = ("recon", name)
        try:
            recon_plan = plan_recon(name, spec, model.currency)
        except (ValueError, NotAnAmount) as error:
            issues.append(model.source.issue(str(error), (*path, "tolerance")))
            continue
        sides = [_plan_side(model, plan, (*path, word), getattr(spec, word), issues) for word in ("left", "right")]
        if sides[0] is not None and sides[1] is not None:
            planned.append(PlannedScenario(name, spec, recon_plan, sides[0], sides[1]))
    if issues:
        raise ModelRefused(str(model.path), issues)
    return planned


def reconcile_all(
    session: Session, model: LoadedModel, records: Sequence[str], bills: Sequence[str], report: Report
) -> tuple[Scenario, ...]:
    """Runs every scenario whose files are there; a scenario without any of its files is left out."""
    plan = plan_model(model, session.tenant, model.files)
    scenarios = plan_scenarios(model, plan)
    files = [*given_files(model, bills), *given_files(model, records)]
    done = []
    for at, scenario in enumerate(scenarios):
        report("reconciling", at, len(scenarios))
        sides = [
            _rows(session, model, plan, (scenario.name, word), side, files)
            for word, side in (("left", scenario.left), ("right", scenario.right))
        ]
        if sides[0] is None or sides[1] is None:
            continue
        run = run_recon(
            session.connection,
            session.engine,
            session.tenant,
            model.name,
            model.currency.code,
            scenario.plan,
            sides[0],
            sides[1],
        )
        done.append(Scenario(scenario.name, run))
    return tuple(done)


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
    model: LoadedModel, plan: ModelPlan, path: tuple[str, ...], spec: SideSpec, issues: list[ModelIssue]
) -> Side | None:
    if (spec.records is None) == (not spec.file):
        issues.append(model.source.issue("a side is either 'records' (a kind of this model) or 'file'", path, key=True))
        return None
    if spec.records is not None and spec.records not in plan.intake:
        there = ", ".join(plan.intake)
        issues.append(
            model.source.issue(f"there is no record kind '{spec.records}'; declared are: {there}", (*path, "records"))
        )
        return None
    try:
        columns = TypeAdapter(dict[str, ColumnSpec]).validate_python(spec.columns)
        if spec.records is None:
            exponent = model.currency.exponent
            types = {name: ColumnType.parse(column.type, money_scale=exponent) for name, column in columns.items()}
        else:
            types = {name: column.type for name, column in plan.intake[spec.records].columns.items()}
        return Side(columns, plan_side(spec, types, model.currency))
    except ValidationError as error:
        issues += [model.source.issue(found["msg"], (*path, "columns", *found["loc"])) for found in error.errors()]
    except FormulaError as error:
        issues.append(model.source.issue(error.message, path))
    except ValueError as error:
        issues.append(model.source.issue(str(error), path))
    return None


def _rows(
    session: Session, model: LoadedModel, plan: ModelPlan, name: tuple[str, str], side: Side, files: Sequence[Path]
) -> SideRows | None:
    spec = side.plan.spec
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
        )
        rows = session.engine.query(f"SELECT source_file, source_line, body FROM {_VIEW}")
        return side_from_rows(side.plan, rows, session.engine)
    found = [path for path in dict.fromkeys(files) if any(fnmatch(path.name, pattern) for pattern in spec.file)]
    if not found:
        return None
    read = [_read(session, model, name, side, path) for path in found]
    rows = pa.concat_tables([part.rows for part in read])
    compared = side_from_rows(side.plan, rows, session.engine)
    refused = pa.concat_tables([compared.refused, *(part.refused.cast(REFUSED) for part in read)])
    ordered = refused.sort_by([("source_file", "ascending"), ("source_line", "ascending")])
    return SideRows(compared.rows, ordered, compared.left_out)


def _read(session: Session, model: LoadedModel, name: tuple[str, str], side: Side, path: Path) -> TypedRows:
    spec = side.plan.spec
    word = ("recon", *name, "columns")
    return read_rows(word, side.columns, path, spec, model.currency, model.calendar, session.engine)
