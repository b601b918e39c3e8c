"""Reconciliations without a settlement model: a YAML file with a `recon` section of its own."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field

from everycent.base.engine.declaration import Declaration, Name
from everycent.base.money.calendar import BusinessCalendar
from everycent.base.money.currency import Currency, UnknownCurrency, currency
from everycent.flow.model.contract import CalendarSpec, ModelIssue, ModelRefused, Source
from everycent.flow.model.service import load_declared, load_model
from everycent.flow.pipeline.service import Session, plan_model
from everycent.proof.recon.contract import ReconSpec
from everycent.serve.reconciling import Kinds, Scope
from everycent.serve.wiring import SECTIONS


class ScenarioFileSpec(Declaration):
    """Reconciliations, in the words of a model's `recon` section."""

    name: Name = Field(description="the file's name; what is found stands under it", examples=["order-checks"])
    title: str | None = Field(default=None, description="a name for readers")
    currency: str = Field(description="of amounts that say no other, by its ISO 4217 code", examples=["CNY"])
    calendar: CalendarSpec = Field(description="whose midnight ends a day")
    recon: dict[Name, ReconSpec] = Field(description="the reconciliations, by name")


@dataclass(frozen=True)
class ScenarioFile:
    """A file of reconciliations that is well-formed. It has no record kinds."""

    path: Path
    source: Source
    spec: ScenarioFileSpec

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def currency(self) -> Currency:
        return currency(self.spec.currency)

    @property
    def calendar(self) -> BusinessCalendar:
        return BusinessCalendar(self.spec.calendar.time_zone, self.spec.calendar.day_cut)

    @property
    def intake(self) -> Mapping[str, Any]:
        """Its plan's part for records: there are none."""
        return {}


def is_scenario_file(path: Path) -> bool:
    """Whether a file has reconciliations and is no settlement model, by the words at its left edge."""
    if not path.is_file():
        return False
    text = path.read_bytes()
    begins = {word: re.search(rb"^" + word + rb"\s*:", text, re.MULTILINE) is not None for word in (b"model", b"recon")}
    return begins[b"recon"] and not begins[b"model"]


def load_scenario_file(path: Path) -> ScenarioFile:
    """Raises ModelRefused."""
    source, spec = load_declared(path, ScenarioFileSpec)
    issues: list[ModelIssue] = []
    if not spec.recon:
        issues.append(source.issue("no reconciliation is declared; write at least one", ("recon",)))
    try:
        currency(spec.currency)
    except UnknownCurrency as unknown:
        issues.append(source.issue(str(unknown), ("currency",)))
    try:
        BusinessCalendar(spec.calendar.time_zone, spec.calendar.day_cut)
    except ValueError as error:
        issues.append(source.issue(str(error), ("calendar", "time_zone")))
    if issues:
        raise ModelRefused(str(path), issues)
    return ScenarioFile(path, source, spec)


def open_scope(session: Session, path: Path) -> tuple[Scope, Kinds]:
    """A settlement model with its plan, or a file of scenarios. Raises ModelRefused."""
    if path.is_file() and re.search(rb"^model\s*:", path.read_bytes(), re.MULTILINE) is None:
        file = load_scenario_file(path)
        return file, file
    model = load_model(path, SECTIONS)
    return model, plan_model(model, session.tenant, model.files)
