"""A worker's step: load a job's sides, compare one shard of them, or gather what all shards found and store the run.

Each step ends in one transaction, with its files on disk before; whatever dies, the next worker goes on at that step.
"""

import hashlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import structlog

from everycent.base.engine.local import LocalEngine
from everycent.base.platform.database import Connection
from everycent.base.platform.lake import write_file
from everycent.proof.recon.core.came import Came
from everycent.proof.recon.core.plan import ReconPlan
from everycent.proof.recon.core.reconciled import gathered, totals_told
from everycent.proof.recon.core.side import SideRows
from everycent.proof.recon.handling import HandlingSpec
from everycent.proof.recon.jobs import spool, store
from everycent.proof.recon.jobs.store import Asked, Job, JobRefused, JobState, Stage, Step
from everycent.proof.recon.service import Batches, Compare, ReconRun, run, run_key
from everycent.proof.recon.stage import Reconciled, reconcile
from everycent.proof.recon.store import run_no_of

_log = structlog.get_logger()
_LEFT, _RIGHT = _VIEWS = ("job_left", "job_right")


@dataclass(frozen=True)
class Planned:
    """How a scenario compares, in which currency (its code), and what becomes of its breaks."""

    plan: ReconPlan
    currency: str
    handling: HandlingSpec | None = None

    @property
    def fingerprint(self) -> str:
        """Of all that decides what comes of two sides."""
        return hashlib.sha256(f"{self.plan!r}\x1f{self.currency}".encode()).hexdigest()


@dataclass(frozen=True)
class Loaded:
    """Both sides. `told`: what loading found worth telling, for those who look at the job. `batches`: those
    whose stored records are on them. `came`: their rows as they came."""

    left: SideRows
    right: SideRows
    told: tuple[str, ...] = ()
    batches: Batches | None = None
    came: tuple[Came, ...] = ()


class Scenarios(Protocol):
    """What a worker has to be told of scenarios."""

    def plan(self, asked: Asked) -> Planned:
        """The same for every worker."""

    def load(self, asked: Asked, engine: LocalEngine) -> Loaded:
        """Both sides. Called once for a job, unless a worker dies while it loads."""

    def stored(
        self, asked: Asked, ran: ReconRun, sides: tuple[SideRows, SideRows], came: Sequence[Came]
    ) -> Callable[[], Sequence[str]]:
        """In the transaction that stores the run: what else is kept of it. Gives what is to be done once that is
        committed; it is done again where a worker dies meanwhile, and returns what is worth telling."""


@dataclass(frozen=True)
class Ended:
    """A step that a worker came to the end of. `error`: why the job stopped there."""

    job: Job
    step: Step
    error: str | None = None


@dataclass(frozen=True)
class Worker:
    """One of any number, each with a connection and an engine of its own. `folder`: where jobs keep their files, the
    same for all workers."""

    connection: Connection
    engine: LocalEngine
    tenant: str
    folder: Path
    name: str
    scenarios: Scenarios
    clock: Callable[[], datetime]

    def work(self) -> Ended | None:
        """Does the first step that is ready; None where there is none for this worker. What goes wrong with it stops
        that job alone, with its reason, and is no exception; losing the database is."""
        with store.claimed(self.connection, self.tenant, self.name) as found:
            if found is None:
                return None
            job, step = found
            error = None
            try:
                self._refuse_deadly(job, step)
                {Stage.LOAD: self._load, Stage.COMPARE: self._compare, Stage.GATHER: self._gather}[step.stage](
                    job, step
                )
            except (psycopg.OperationalError, psycopg.InterfaceError):
                raise
            except Exception as wrong:
                error = f"{type(wrong).__name__}: {wrong}"
                _log.warning("job stopped", job=job.number, step=step.number, error=error, exc_info=True)
                store.failed(self.connection, self.tenant, job.number, error)
        if error is None and step.stage is Stage.GATHER:
            self.sweep()
        return Ended(job, step, error)

    def sweep(self) -> None:
        """Removes the files of jobs that have come to their end."""
        mine = self.folder / self.tenant
        numbers = [int(each.name) for each in mine.iterdir() if each.name.isdigit()] if mine.exists() else []
        ended = (JobState.DONE, JobState.CANCELLED)
        for number in sorted(numbers):
            if store.job(self.connection, self.tenant, number).state in ended:
                shutil.rmtree(self._folder(number), ignore_errors=True)

    def _refuse_deadly(self, job: Job, step: Step) -> None:
        if step.begun > store.DEATHS_MAX:
            raise JobRefused(
                f"step {step.number} of job {job.number} was begun {store.DEATHS_MAX} times, and each time its worker "
                "died; see whether it has memory enough, then resume the job"
            )

    def _load(self, job: Job, step: Step) -> None:
        planned = self.scenarios.plan(job.asked)
        loaded = self.scenarios.load(job.asked, self.engine)
        sides = (loaded.left, loaded.right)
        key = run_key(self.engine, self.tenant, job.asked.model, planned.currency, planned.plan, *sides)
        told = {
            "run_id": str(key.run_id),
            "left_out": [side.left_out for side in sides],
            "told": list(loaded.told),
        }
        counted = [_rows(side, self.engine) for side in sides]
        # what a day takes in of the cut before is known when it is stored, so such sides are compared whole, and there
        if planned.plan.carry or run_no_of(self.connection, key) is not None:
            self._end(job, step, planned, sides, reconcile, {"rows": sum(counted), **told}, loaded)
            return
        shards = spool.cut(
            sides, job.asked.shards or spool.shards_for(max(counted)), self._folder(job.number), self.engine
        )
        came = spool.keep(loaded.came, self._folder(job.number), self.engine)
        refused = [self._written(job, side.refused) for side in sides]
        with self.connection.transaction():
            result = {"rows": sum(counted), **told, "refused": refused, "came": came}
            store.step_done(self.connection, self.tenant, job.number, step, result)
            compare = [_compare_step(number, files) for number, files in enumerate(shards, 1)]
            store.loaded(self.connection, self.tenant, job.number, planned.fingerprint, compare)
        for side in sides:
            if isinstance(side.rows, str):
                self.engine.connection.execute(f'DROP TABLE IF EXISTS "{side.rows}"')

    def _compare(self, job: Job, step: Step) -> None:
        planned = self._planned(job)
        for word, view in zip(spool.WORDS, _VIEWS, strict=True):
            spool.attach(self._folder(job.number), step.given[word], view, self.engine)
        found = reconcile(planned.plan, _LEFT, _RIGHT, self.engine)
        result = {
            "rows": step.rows,
            "totals": totals_told(found),
            "breaks": self._written(job, found.breaks),
            "write_offs": self._written(job, found.write_offs),
        }
        with self.connection.transaction():
            store.step_done(self.connection, self.tenant, job.number, step, result)

    def _gather(self, job: Job, step: Step) -> None:
        planned = self._planned(job)
        load, *compared = store.steps(self.connection, self.tenant, job.number)[:-1]
        sides = []
        for at, (word, view) in enumerate(zip(spool.WORDS, _VIEWS, strict=True)):
            files = [file for each in compared for file in each.given[word]]
            spool.attach(self._folder(job.number), files, view, self.engine)
            sides.append(SideRows(view, self._read(job, load.result["refused"][at]), load.result["left_out"][at]))

        def found(*_: object) -> Reconciled:
            parts = {
                name: [self._read(job, each.result[name]) for each in compared] for name in ("breaks", "write_offs")
            }
            return gathered([each.result["totals"] for each in compared], **parts, engine=self.engine)

        result = {"rows": sum(each.rows for each in compared), "run_id": load.result["run_id"], "told": []}
        came = spool.bring(load.result.get("came", []), self._folder(job.number), self.engine)
        self._end(job, step, planned, (sides[0], sides[1]), found, result, Loaded(sides[0], sides[1], came=came))

    def _end(
        self,
        job: Job,
        step: Step,
        planned: Planned,
        sides: tuple[SideRows, SideRows],
        compare: Compare,
        result: Mapping[str, Any],
        loaded: Loaded,
    ) -> None:
        """Stores the run, does what follows, and ends the job; who dies before that begins again here, and finds the
        run stored."""
        how = (planned.currency, planned.plan, *sides, planned.handling, self.clock(), compare, job.asked.day)
        with self.connection.transaction():
            ran = run(self.connection, self.engine, self.tenant, job.asked.model, *how, loaded.batches)
            assert planned.plan.carry or str(ran.run_id) == result["run_id"], "the sides are those that were loaded"
            follow = self.scenarios.stored(job.asked, ran, sides, loaded.came)
        told = [*result["told"], *follow()]
        with self.connection.transaction():
            store.step_done(self.connection, self.tenant, job.number, step, {**result, "told": told})
            changed = ran.changed or step.begun > 1
            store.finished(self.connection, self.tenant, job.number, ran.run_id, ran.run_no, changed=changed)

    def _planned(self, job: Job) -> Planned:
        planned = self.scenarios.plan(job.asked)
        if planned.fingerprint != job.compares:
            raise JobRefused(
                f"scenario '{job.asked.scenario}' compares in another way than when the sides of job {job.number} were "
                "loaded; cancel the job and ask for it again, or take the change back and resume it"
            )
        return planned

    def _folder(self, number: int) -> Path:
        return self.folder / self.tenant / str(number)

    def _written(self, job: Job, rows: pa.Table) -> dict[str, Any]:
        path, digest = write_file(self.folder, f"{self.tenant}/{job.number}", rows)
        return spool.SpooledFile(Path(path).name, digest, rows.num_rows).as_dict()

    def _read(self, job: Job, file: Mapping[str, Any]) -> pa.Table:
        return pq.read_table(spool.checked(self._folder(job.number), file))


def _compare_step(number: int, files: Mapping[str, Sequence[spool.SpooledFile]]) -> Step:
    rows = sum(file.rows for side in files.values() for file in side)
    given = {word: [file.as_dict() for file in side] for word, side in files.items()}
    return Step(number, Stage.COMPARE, rows, given)


def _rows(side: SideRows, engine: LocalEngine) -> int:
    return int(engine.query("SELECT count(*) AS n FROM side", side=side.rows)["n"][0].as_py())


def work_off(worker: Worker, tell: Callable[[Ended], None]) -> int:
    """Does steps until none is ready; how many."""
    done = 0
    while (ended := worker.work()) is not None:
        tell(ended)
        done += 1
    return done
