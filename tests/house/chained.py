"""Runs scenarios through their chains in a test's own database, as `everycent recon run` does."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from everycent.base.engine.local import LocalEngine
from everycent.flow.pipeline.service import Session
from everycent.proof.recon.contract import Surroundings
from everycent.serve.chaining import Chained, run_chain, run_due
from everycent.serve.loading import Place
from everycent.serve.many_sides import ManySides
from everycent.serve.reconciling import PlannedScenario, plan_scenarios
from everycent.serve.scenario_files import load_scenario_file

HEAD = "name: checks\ncurrency: CNY\ncalendar: {time_zone: Asia/Shanghai}\nrecon:\n"
DAY = date(2026, 3, 1)


class Chains:
    """A folder with files and a scenario, and the place where it is run."""

    def __init__(self, database: Any, engine: LocalEngine, folder: Path) -> None:
        self.session = Session(database.settings, database.connection, engine, database.details)
        self.folder = folder
        self.environ: dict[str, str] = {}
        self.across: dict[str, pa.Table] = {}

    def write(self, name: str, text: str) -> Path:
        """A file in the folder."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def _planned(self, recon: str, day: date = DAY) -> tuple[Place, list[PlannedScenario]]:
        file = load_scenario_file(self.write("scenario.yaml", HEAD + recon))
        temp = self.folder / "temp"
        temp.mkdir(exist_ok=True)
        around = Surroundings(self.folder, day, temp, self.environ, self.session.settings)
        return Place(self.session, file, file, around), plan_scenarios(file, file)

    def run(self, recon: str, given: Mapping[str, Sequence[Path]] | None = None, day: date = DAY) -> dict[str, Chained]:
        """All scenarios of a file whose `recon` section is this."""
        place, scenarios = self._planned(recon, day)
        beside = ManySides(self.session.engine)
        done = {planned.name: run_chain(place, planned, given or {}, beside=beside) for planned in scenarios}
        self.across = beside.told()
        return done

    def due(self, recon: str, now: datetime, events: pa.Table | None = None) -> list[Chained]:
        """What the scenarios' triggers fire."""
        place, scenarios = self._planned(recon)
        beside = ManySides(self.session.engine)
        fired = [done for planned in scenarios for done in run_due(place, planned, now, events, beside)]
        self.across = beside.told()
        return fired

    def one(self, recon: str, given: Mapping[str, Sequence[Path]] | None = None) -> Chained:
        """The only scenario."""
        (found,) = self.run(recon, given).values()
        return found


def keys(done: Chained) -> dict[str, str]:
    """Of each break its key and bucket."""
    assert done.result is not None, done.failure
    return {row["key"]: row["bucket"] for row in done.result.breaks.to_pylist()}


@contextmanager
def package(
    folder: Path, module: str, text: str, offers: Mapping[str, Mapping[str, str]], patch: Any
) -> Iterator[None]:
    """An installed package, as an installer would leave it. offers: group -> name -> object."""
    import sys

    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{module}.py").write_text(text, encoding="utf-8")
    info = folder / f"{module}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    lines = "\n".join(
        f"[{group}]\n" + "\n".join(f"{name} = {module}:{object_name}" for name, object_name in names.items())
        for group, names in offers.items()
    )
    (info / "entry_points.txt").write_text(lines + "\n")
    patch.syspath_prepend(str(folder))
    patch.delitem(sys.modules, module, raising=False)
    yield
