"""Runs a scenario through its chain: load, parse, compare, check, keep, handle. A link that fails harms no other."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pyarrow as pa

from everycent.flow.intake.contract import SourceError
from everycent.flow.model.contract import LoadedModel
from everycent.flow.pipeline.service import Session
from everycent.proof.recon.contract import (
    CheckerFindings,
    Handled,
    LinkFailed,
    RunResult,
    SideSpec,
    Surroundings,
)
from everycent.proof.recon.jobs.firing import Triggered, firings
from everycent.proof.recon.service import (
    Chosen,
    CutRefused,
    ReconRun,
    RunKey,
    SideRows,
    asked,
    keep_checked,
    keep_fired,
    keep_raw_rows,
)
from everycent.proof.recon.service import run as run_recon
from everycent.serve.booking import book_entries
from everycent.serve.checking import checked_by
from everycent.serve.handling import words_for
from everycent.serve.links import Links, links_of
from everycent.serve.loading import LoadedSides, Place, load_sides, surrounded
from everycent.serve.many_sides import DAY_APART, ManySides
from everycent.serve.recon_batches import batches_of
from everycent.serve.recon_modes import parts_beyond_limit
from everycent.serve.reconciling import PlannedScenario, Prepared, Report, Scenario, Scope


@dataclass(frozen=True)
class Chained:
    """A scenario that went through its chain. `refused`: of each side, rows (REFUSED) that cannot be compared;
    `failure`: why it did not get as far as a comparison."""

    name: str
    scenario: Scenario | None = None
    result: RunResult | None = None
    refused: tuple[pa.Table, ...] = ()
    handled: tuple[Handled, ...] = ()
    failure: str | None = None

    @property
    def agrees(self) -> bool:
        """Compared without a break, finding or refused row, no file contradicting itself, and every link worked."""
        if self.scenario is None or self.result is None or any(each.failure for each in self.handled):
            return False
        if any(table.num_rows for table in self.refused) or parts_beyond_limit(self.scenario.run):
            return False
        return self.result.agrees and all(stated.control.agrees for stated in self.scenario.stated)

    @property
    def failures(self) -> tuple[str, ...]:
        """What did not work, for people: the comparison, or links beside it."""
        if self.result is None:
            return (f"{self.name} was not compared: {self.failure}",)
        told = (*(each.failure for each in self.result.checked), *(each.failure for each in self.handled))
        return tuple(f"{self.name}: {failure}" for failure in told if failure is not None)

    def as_dict(self) -> dict[str, Any]:
        """For programs."""
        if self.scenario is None or self.result is None:
            return {"agrees": False, "failure": self.failure}
        return {
            **self.scenario.as_dict(),
            "agrees": self.agrees,
            "run_id": str(self.result.run_id),
            "run_no": self.result.run_no,
            "refused": {side: table.num_rows for side, table in zip(("left", "right"), self.refused, strict=True)},
            "checkers": [
                {"checker": each.checker, "findings": each.findings.num_rows, "failure": each.failure}
                for each in self.result.checked
            ],
            "handlers": [
                {"handler": each.handler, "said": each.said, "failure": each.failure} for each in self.handled
            ],
        }


def reconcile_all(
    session: Session, model: LoadedModel, prepared: Prepared, report: Report, day: date | None = None
) -> tuple[Chained, ...]:
    """Runs every scenario of a model through its chain; one that lacks the files of a side is left out. `day`: the
    run's, to which scenarios that carry on are cut."""
    done: list[Chained] = []
    beside = ManySides(session.engine)
    with surrounded(session, model, day) as around:
        place = Place(session, model, prepared.plan, around)
        for at, scenario in enumerate(prepared.scenarios):
            report("reconciling", at, len(prepared.scenarios))
            given = prepared.given(scenario)
            if given is not None:
                done.append(run_chain(place, scenario, given, beside=beside))
        across = beside.told()
    return tuple(_with_across(each, across) for each in done)


def _with_across(done: Chained, across: dict[str, pa.Table]) -> Chained:
    """The first pair of more than two sides has what each says of keys that part."""
    if done.scenario is None:
        return done
    return replace(done, scenario=replace(done.scenario, across=across.pop(done.name.partition("/")[0], None)))


def run_due(
    place: Place,
    scenario: PlannedScenario,
    now: datetime,
    events: pa.Table | None,
    beside: ManySides | None = None,
) -> Iterator[Chained]:
    """What the scenario's trigger fires, run by run. What became a run is not fired again. beside: gets the sides where
    they are two of more, day by day."""
    session, name = place.session, place.scope.name
    if scenario.spec.trigger is None:
        return
    try:
        fired = firings(
            session.connection, session.tenant, trigger_of(place.scope, scenario), place.around, now, events
        )
    except (LinkFailed, SourceError) as error:
        yield Chained(scenario.name, failure=str(error))
        return
    for firing in fired:
        around = replace(place.around, as_of=firing.as_of or place.around.as_of)
        given = {
            word: [path for path in firing.files if any(fnmatch(path.name, pattern) for pattern in side.plan.spec.file)]
            for word, side in (("left", scenario.left), ("right", scenario.right))
        }
        done = run_chain(replace(place, around=around), scenario, given, firing.keys, beside, by_day=True)
        if done.result is not None:
            here = (session.tenant, name, scenario.name)
            keep_fired(session.connection, here, firing.marks, done.result.run_id)
        yield done


def trigger_of(scope: Scope, scenario: PlannedScenario, asks: Mapping[str, Any] | None = None) -> Triggered:
    """A scenario's trigger, which it has. `asks`: what its jobs' loader has to know."""
    spec, trigger = scenario.spec, links_of(scenario.spec).trigger
    assert trigger is not None, f"{scenario.name} has a trigger"
    sides = tuple(side.file for side in (spec.left, spec.right) if side.file)
    return Triggered(scope.name, scenario.name, trigger, spec.limits, sides, asks or {}, spec.shards)


def run_chain(
    place: Place,
    scenario: PlannedScenario,
    given: Mapping[str, Sequence[Path]],
    keys: Sequence[str] | None = None,
    beside: ManySides | None = None,
    *,
    by_day: bool = False,
) -> Chained:
    """given: files by side. keys: what alone is looked at; None: everything. beside: gets the sides where they are two
    of more, under the scenario's name; by_day: those of each day apart.

    Never raises for what a link or a source does wrong: the next scenario is run all the same.
    """
    links, day = links_of(scenario.spec), place.around.as_of
    carries = scenario.plan.carry
    place = replace(place, batches=batches_of(place.session, place.scope.name, scenario.name, day, carries=carries))
    try:
        sides = load_sides(place, scenario, links, given, keys)
        try:
            done, result = _compared(place, scenario, links, sides)
        finally:
            for word in ("left", "right"):
                sides.raw[word].drop(place.session)
    except (LinkFailed, SourceError, CutRefused) as error:
        return Chained(scenario.name, failure=str(error))
    if beside is not None and scenario.called != ("left", "right"):
        name = f"{scenario.of}{DAY_APART}{place.around.as_of}" if by_day else scenario.of
        tables = (str(sides.left.rows), str(sides.right.rows))
        beside.keep(name, scenario.called, tables, done.run, scenario.currency.code)
    handled = tuple(handled_by(each, result, scenario, place.around) for each in links.handlers)
    return Chained(scenario.name, done, result, (sides.left.refused, sides.right.refused), handled)


def _compared(place: Place, scenario: PlannedScenario, links: Links, sides: LoadedSides) -> tuple[Scenario, RunResult]:
    """Compares, checks and keeps, in one transaction. Raises CutRefused."""
    session, name = place.session, place.scope.name
    with session.connection.transaction():
        run = run_recon(
            session.connection,
            session.engine,
            session.tenant,
            name,
            scenario.currency.code,
            scenario.plan,
            sides.left,
            sides.right,
            scenario.spec.breaks,
            day=place.around.as_of,
            batches=place.batches,
        )
        found = run.reconciled
        raw = sides.raw_rows(place, run)
        checked = checks_of(place, scenario, links, (sides.left, sides.right), found.breaks)
        key = RunKey(session.tenant, name, run.run_id)
        keep_raw_rows(session.connection, key, raw)
        given = (sides.left, sides.right)
        keep_checked(session.connection, session.engine, key, words_for(scenario), given, checked, run.again)
        book_entries(session, key, scenario.name, run, given, place.around.as_of)
    result = result_of(place, scenario, run, raw, checked)
    return Scenario(scenario.name, run, scenario.currency, sides.stated, scenario.called, has_amounts(scenario)), result


def has_amounts(scenario: PlannedScenario) -> bool:
    """False where no side names an amount: then only which rows there are, and their status, is compared."""
    return any(
        side.amount != SideSpec.model_fields["amount"].default for side in (scenario.spec.left, scenario.spec.right)
    )


def result_of(
    place: Place, scenario: PlannedScenario, run: ReconRun, raw: pa.Table, checked: tuple[CheckerFindings, ...]
) -> RunResult:
    """A run as handlers get it. raw: RAW_ROW of the rows in breaks."""
    found = run.reconciled
    return RunResult(
        tenant=place.session.tenant,
        model=place.scope.name,
        scenario=scenario.name,
        run_id=run.run_id,
        run_no=run.run_no,
        changed=run.changed,
        as_of=place.around.as_of,
        currency=scenario.currency.code,
        exponent=scenario.currency.exponent,
        left_minor=found.left_total.amount_minor,
        right_minor=found.right_total.amount_minor,
        breaks=found.breaks,
        totals=found.totals,
        raw_rows=raw,
        checked=checked,
        break_currencies=run.beyond.money.breaks,
        total_currencies=run.beyond.money.totals,
    )


def checks_of(
    place: Place, scenario: PlannedScenario, links: Links, sides: tuple[SideRows, SideRows], breaks: pa.Table
) -> tuple[CheckerFindings, ...]:
    """What the scenario's checkers find, in their order."""
    plans, how = (scenario.left.plan, scenario.right.plan), (scenario.spec, place.around, place.session.engine)
    return tuple(checked_by(checker, plans, sides, breaks, *how) for checker in links.checkers)


def handled_by(handler: Chosen, result: RunResult, scenario: PlannedScenario, around: Surroundings) -> Handled:
    """What becomes of a result in a handler's hands; that it failed is told, too."""
    try:
        return Handled(handler.name, str(asked(handler, "handle", (result, around), scenario.spec.limits)))
    except (LinkFailed, SourceError) as error:
        return Handled(handler.name, failure=str(error))
