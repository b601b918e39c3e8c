"""What workers of reconciliation jobs are told of a model's scenarios: how they compare, and where their sides are."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from everycent.base.engine.local import LocalEngine
from everycent.base.platform.lake import file_digest
from everycent.flow.model.contract import LoadedModel
from everycent.flow.model.service import load_model
from everycent.flow.pipeline.contract import InputRefused
from everycent.flow.pipeline.service import Session, plan_model
from everycent.proof.recon.contract import ReconSpec
from everycent.proof.recon.jobs.arrivals import Watched
from everycent.proof.recon.jobs.scheduling import Timed
from everycent.proof.recon.jobs.store import Asked
from everycent.proof.recon.jobs.working import Loaded, Planned
from everycent.serve.reconciling import PlannedScenario, Prepared, plan_scenarios, prepare, sides_of
from everycent.serve.wiring import SECTIONS


@dataclass(frozen=True)
class Places:
    """A model, and where the files of its scenarios' sides are: files, folders or patterns."""

    model: Path
    records: tuple[str, ...] = ()
    bills: tuple[str, ...] = ()

    def asks(self) -> dict[str, Any]:
        """As a job keeps it; a worker may stand elsewhere."""
        return {
            "model": str(self.model.resolve()),
            "records": [_full(text) for text in self.records],
            "bills": [_full(text) for text in self.bills],
        }


def _full(text: str) -> str:
    return str(Path(text).absolute())


@dataclass(frozen=True)
class Offered:
    """The scenarios of a model that workers run by themselves, and all of its scenarios' words by name."""

    model: LoadedModel
    specs: dict[str, ReconSpec]
    timed: tuple[Timed, ...]
    watched: tuple[Watched, ...]


def offered(session: Session, places: Places) -> Offered:
    """Raises ModelRefused."""
    model = load_model(places.model, SECTIONS)
    planned = plan_scenarios(model, plan_model(model, session.tenant, model.files))
    specs, asks = {one.name: one.spec for one in planned}, places.asks()
    timed = [
        Timed(model.name, name, spec.schedule, model.calendar, asks, spec.shards)
        for name, spec in specs.items()
        if spec.schedule is not None
    ]
    watched = [
        Watched(
            model.name,
            name,
            spec.arrival,
            model.path.resolve().parent / spec.arrival.folder,
            [side.file for side in (spec.left, spec.right) if side.file],
            asks,
            spec.shards,
        )
        for name, spec in specs.items()
        if spec.arrival is not None
    ]
    return Offered(model, specs, tuple(timed), tuple(watched))


def by_hand(offer: Offered, places: Places, scenario: str, shards: int | None, now: str) -> Asked:
    """A job that a person asks for. Raises InputRefused where there is no such scenario."""
    spec = offer.specs.get(scenario)
    if spec is None:
        there = ", ".join(offer.specs) or "none"
        raise InputRefused(f"the model '{offer.model.name}' has no reconciliation '{scenario}'; there are: {there}")
    return Asked(offer.model.name, scenario, f"asked {now}", places.asks(), None, shards or spec.shards)


@dataclass(frozen=True)
class ModelScenarios:
    """Scenarios of models, as their files stand when a worker comes to a step."""

    session: Session

    def plan(self, asked: Asked) -> Planned:
        """Raises ModelRefused, InputRefused."""
        model = load_model(Path(asked.asks["model"]), SECTIONS)
        scenario = _named(plan_scenarios(model, plan_model(model, self.session.tenant, model.files)), asked)
        return Planned(scenario.plan, scenario.currency.code, scenario.spec.breaks)

    def load(self, asked: Asked, engine: LocalEngine) -> Loaded:
        """Raises ModelRefused, InputRefused, SourceError."""
        assert engine is self.session.engine, "a worker's engine is its session's"
        model = load_model(Path(asked.asks["model"]), SECTIONS)
        arrived = asked.asks.get("files")
        if arrived is None:
            prepared = prepare(self.session, model, asked.asks["records"], asked.asks["bills"])
        else:
            prepared = prepare(self.session, model, (), [str(path) for path in _unaltered(arrived)])
        scenario = _named(prepared.scenarios, asked)
        left, right = sides_of(self.session, model, prepared, scenario)
        if left is None or right is None:
            missing = "left" if left is None else "right"
            raise InputRefused(
                f"scenario '{asked.scenario}': there is no file for its {missing} side among those given"
                f" ({_listed(prepared)}); name their folder with --bill or --records"
            )
        told = tuple(str(stated) for stated in prepared.stated.get(asked.scenario, ()) if not stated.control.agrees)
        return Loaded(left, right, told)


def _named(planned: Sequence[PlannedScenario], asked: Asked) -> PlannedScenario:
    for scenario in planned:
        if scenario.name == asked.scenario:
            return scenario
    there = ", ".join(one.name for one in planned) or "none"
    raise InputRefused(
        f"the model '{asked.model}' has no reconciliation '{asked.scenario}' any more; there are: {there}"
    )


def _unaltered(files: Sequence[dict[str, str]]) -> Iterator[Path]:
    for file in files:
        path = Path(file["path"])
        if not path.is_file() or file_digest(path) != file["digest"]:
            raise InputRefused(
                f"{path} is gone, or is not the file any more that started the job; put it back, and resume"
            )
        yield path


def _listed(prepared: Prepared) -> str:
    return ", ".join(path.name for path in prepared.files[:5]) or "none"
