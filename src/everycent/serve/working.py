"""What workers of reconciliation jobs are told of scenarios, of models and of files of their own: how they compare,
where their sides are, and what follows a run."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pyarrow as pa

from everycent.base.engine.local import LocalEngine
from everycent.base.platform.lake import file_digest
from everycent.flow.pipeline.contract import InputRefused
from everycent.flow.pipeline.service import Session
from everycent.proof.recon.contract import CheckerFindings, ReconSpec
from everycent.proof.recon.jobs.firing import Triggered
from everycent.proof.recon.jobs.scheduling import Timed
from everycent.proof.recon.jobs.store import Asked
from everycent.proof.recon.jobs.working import Loaded, Planned
from everycent.proof.recon.service import Came, ReconRun, RunKey, SideRows, keep_checked, keep_raw_rows
from everycent.serve.booking import book_entries
from everycent.serve.chaining import checks_of, handled_by, result_of, trigger_of
from everycent.serve.handling import words_for
from everycent.serve.links import links_of
from everycent.serve.loading import LoadedSides, Place, RawTables, load_sides, surrounded
from everycent.serve.recon_batches import batches_of
from everycent.serve.recon_modes import parts_beyond_limit, parts_told
from everycent.serve.reconciling import PlannedScenario, Scope, plan_scenarios
from everycent.serve.scenario_files import open_scope

_SIDES = ("left", "right")


class TotalsPart(Exception):
    """A total and its details, or two totals, part by more than their limit: the run is kept, the job fails."""


@dataclass(frozen=True)
class Places:
    """A model or a file of scenarios, and where the files of their sides are: files, folders or patterns."""

    model: Path
    records: tuple[str, ...] = ()
    bills: tuple[str, ...] = ()

    def asks(self) -> dict[str, Any]:
        """As a job keeps it; a worker may stand elsewhere."""
        return {
            "model": str(self.model.resolve()),
            "records": [str(Path(text).absolute()) for text in self.records],
            "bills": [str(Path(text).absolute()) for text in self.bills],
        }


@dataclass(frozen=True)
class Offered:
    """The scenarios of a model or file: all of them by name, and those that workers run by themselves."""

    scope: Scope
    specs: Mapping[str, ReconSpec]
    timed: tuple[Timed, ...]
    triggered: tuple[Triggered, ...]


def offered(session: Session, places: Places) -> Offered:
    """Raises ModelRefused."""
    scope, kinds = open_scope(session, places.model)
    planned, asks = plan_scenarios(scope, kinds), places.asks()
    specs = {one.name: one.spec for one in planned}
    timed = [
        Timed(scope.name, name, spec.schedule, scope.calendar, asks, spec.shards)
        for name, spec in specs.items()
        if spec.schedule is not None
    ]
    triggered = [trigger_of(scope, one, asks) for one in planned if one.spec.trigger is not None]
    return Offered(scope, specs, tuple(timed), tuple(triggered))


def by_hand(offer: Offered, places: Places, scenario: str, shards: int | None, now: datetime) -> Asked:
    """A job that a person asks for. Raises InputRefused where there is no such scenario."""
    spec = offer.specs.get(scenario)
    if spec is None:
        there = ", ".join(offer.specs) or "none"
        raise InputRefused(f"'{offer.scope.name}' has no reconciliation '{scenario}'; there are: {there}")
    day = offer.scope.calendar.today(now)
    return Asked(offer.scope.name, scenario, f"asked {now.isoformat()}", places.asks(), day, shards or spec.shards)


@dataclass(frozen=True)
class DeclaredScenarios:
    """Scenarios as their files stand when a worker comes to a step. `environ` holds what their links name of it."""

    session: Session

    def plan(self, asked: Asked) -> Planned:
        """Raises ModelRefused, InputRefused."""
        scenario = _named(plan_scenarios(*open_scope(self.session, Path(asked.asks["model"]))), asked)
        return Planned(scenario.plan, scenario.currency.code, scenario.spec.breaks)

    def load(self, asked: Asked, engine: LocalEngine) -> Loaded:
        """Raises ModelRefused, InputRefused, SourceError, LinkFailed."""
        assert engine is self.session.engine, "a worker's engine is its session's"
        with self._place(asked) as (place, scenario):
            spec, day, carries = scenario.spec, place.around.as_of, scenario.plan.carry
            taken = batches_of(self.session, place.scope.name, scenario.name, day, carries=carries)
            place = replace(place, batches=taken)
            paths = _paths(asked)
            given = {word: _of_side(getattr(spec, word).file, paths) for word in _SIDES}
            _refuse_missing(asked, spec, given, paths)
            sides = load_sides(place, scenario, links_of(spec), given, asked.asks.get("keys"))
            came = tuple(rows for raw in sides.raw.values() for rows in raw.all_in_tables(self.session))
            told = tuple(str(stated) for stated in sides.stated if not stated.control.agrees)
            return Loaded(sides.left, sides.right, told, taken, came)

    def stored(
        self, asked: Asked, ran: ReconRun, sides: tuple[SideRows, SideRows], came: Sequence[Came]
    ) -> Callable[[], Sequence[str]]:
        """Rows of breaks are kept as they came, and further checkers look at both sides now; handlers are called once
        that is committed. What follows raises TotalsPart where a total parts beyond its limit."""
        with self._place(asked) as (place, scenario):
            loaded = LoadedSides(*sides, (), {word: RawTables(word, came) for word in _SIDES})
            raw = loaded.raw_rows(place, ran)
            checked = checks_of(place, scenario, links_of(scenario.spec), sides, ran.reconciled.breaks)
        session, key = self.session, RunKey(self.session.tenant, place.scope.name, ran.run_id)
        keep_raw_rows(session.connection, key, raw)
        keep_checked(session.connection, session.engine, key, words_for(scenario), sides, checked, ran.again)
        book_entries(session, key, scenario.name, ran, sides, place.around.as_of)

        def follow() -> Sequence[str]:
            told = [*_failures(checked), *self._handled(asked, ran, raw, checked)]
            if parts_beyond_limit(ran):
                raise TotalsPart("; ".join([*parts_told(scenario.name, ran, scenario.currency), *told]))
            return [*told, *parts_told(scenario.name, ran, scenario.currency)]

        return follow

    def _handled(
        self, asked: Asked, ran: ReconRun, raw: pa.Table, checked: tuple[CheckerFindings, ...]
    ) -> Iterator[str]:
        with self._place(asked) as (place, scenario):
            result = result_of(place, scenario, ran, raw, checked)
            for handler in links_of(scenario.spec).handlers:
                done = handled_by(handler, result, scenario, place.around)
                if done.failure is not None:
                    yield f"handler {done.handler} failed: {done.failure}"

    @contextmanager
    def _place(self, asked: Asked) -> Iterator[tuple[Place, PlannedScenario]]:
        scope, kinds = open_scope(self.session, Path(asked.asks["model"]))
        scenario = _named(plan_scenarios(scope, kinds), asked)
        with surrounded(self.session, scope, asked.day) as around:
            yield Place(self.session, scope, kinds, around), scenario


def _failures(checked: Sequence[CheckerFindings]) -> list[str]:
    return [f"checker {each.checker} failed: {each.failure}" for each in checked if each.failure is not None]


def _named(planned: Sequence[PlannedScenario], asked: Asked) -> PlannedScenario:
    for scenario in planned:
        if scenario.name == asked.scenario:
            return scenario
    there = ", ".join(one.name for one in planned) or "none"
    raise InputRefused(f"'{asked.model}' has no reconciliation '{asked.scenario}' any more; there are: {there}")


def _paths(asked: Asked) -> list[Path]:
    """The files that a job's sides may be in."""
    arrived = asked.asks.get("files")
    if arrived is not None:
        return list(_arrived(arrived))
    found: list[Path] = []
    for text in (*asked.asks["records"], *asked.asks["bills"]):
        path = Path(text)
        found += sorted(path.iterdir()) if path.is_dir() else sorted(Path(path.anchor).glob(text.lstrip(path.anchor)))
    return list(dict.fromkeys(path for path in found if path.is_file()))


def _refuse_missing(asked: Asked, spec: ReconSpec, given: Mapping[str, Sequence[Path]], paths: Sequence[Path]) -> None:
    """Raises InputRefused where a side is a file and none is there."""
    for word in _SIDES:
        if getattr(spec, word).file and not given[word]:
            listed = ", ".join(path.name for path in paths[:5]) or "none"
            raise InputRefused(
                f"scenario '{asked.scenario}': there is no file for its {word} side among those given"
                f" ({listed}); name their folder with --bill or --records"
            )


def _of_side(patterns: Sequence[str], paths: Sequence[Path]) -> list[Path]:
    return [path for path in paths if any(fnmatch(path.name, pattern) for pattern in patterns)]


def _arrived(files: Sequence[Mapping[str, str]]) -> Iterator[Path]:
    for file in files:
        path = Path(file["path"])
        if not path.is_file() or file_digest(path) != file["digest"]:
            raise InputRefused(
                f"{path} is gone, or is not the file any more that started the job; put it back, and resume"
            )
        yield path
