"""Jobs of reconciliation on the terminal: a worker's loop, what is due next, how far jobs are."""

import os
import signal
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from everycent.base.platform.settings import Settings
from everycent.flow.pipeline.service import Session, open_session
from everycent.proof.recon.contract import LinkFailed
from everycent.proof.recon.jobs import store
from everycent.proof.recon.jobs.firing import ask_fired
from everycent.proof.recon.jobs.progress import Progress, progress_of
from everycent.proof.recon.jobs.scheduling import ask_due
from everycent.proof.recon.jobs.store import Job, JobState, Stage
from everycent.proof.recon.jobs.working import Ended, Worker
from everycent.serve.cli import exits
from everycent.serve.cli.terminal import err, out, print_json, print_table, shorten
from everycent.serve.loading import surrounded
from everycent.serve.wiring import migrations
from everycent.serve.working import DeclaredScenarios, Places, by_hand, offered


def _now() -> datetime:
    return datetime.now(UTC)


class Stop:
    """Set once somebody asks the program to end: the step that was begun is ended before."""

    def __init__(self) -> None:
        self.asked = False

    @contextmanager
    def listening(self) -> Iterator["Stop"]:
        """SIGTERM asks."""

        def ask(*_: object) -> None:
            self.asked = True

        before = signal.signal(signal.SIGTERM, ask)
        try:
            yield self
        finally:
            signal.signal(signal.SIGTERM, before)


def work_command(places: Sequence[Places], poll_s: float | None, *, as_json: bool) -> int:
    """Works; with `poll_s` None only on what is due now. 1 where a job stopped with an error."""
    ended: list[Ended] = []
    asked: list[int] = []
    told: set[str] = set()
    with open_session(Settings.load(), migrations()) as session, Stop().listening() as stop:
        worker = _worker(session)
        worker.sweep()
        while not stop.asked:
            asked += _look(session, places, told)
            seen = time.monotonic()
            while not stop.asked and (one := worker.work()) is not None:
                ended.append(one)
                if not as_json:
                    _tell(one)
                if poll_s is not None and time.monotonic() - seen > poll_s:
                    break
            else:
                if poll_s is None:
                    break
                _sleep(poll_s, stop)
    stopped = [each for each in ended if each.error is not None]
    if as_json:
        print_json({
            "asked": asked,
            "steps": len(ended),
            "stopped": [{"job": each.job.number, "error": each.error} for each in stopped],
        })  # fmt: skip
    return exits.FAILED if stopped else exits.OK


def _sleep(poll_s: float, stop: Stop) -> None:
    until = time.monotonic() + poll_s
    while not stop.asked and (left := until - time.monotonic()) > 0:
        time.sleep(min(left, 0.2))


def _worker(session: Session) -> Worker:
    folder = session.settings.data_dir / "jobs"
    name = f"{socket.gethostname()}/{os.getpid()}"
    return Worker(session.connection, session.engine, session.tenant, folder, name, DeclaredScenarios(session), _now)


def _look(session: Session, places: Sequence[Places], told: set[str]) -> list[int]:
    """Asks for what is due; the jobs' numbers. A trigger that fails is told once, and keeps none from firing."""
    asked: list[int] = []
    for place in places:
        offer, now = offered(session, place), _now()
        for timed in offer.timed:
            asked += ask_due(session.connection, session.tenant, timed, now)
        if not offer.triggered:
            continue
        with surrounded(session, offer.scope, offer.scope.calendar.today(now)) as around:
            for triggered in offer.triggered:
                try:
                    asked += ask_fired(session.connection, session.tenant, triggered, around, now)
                except LinkFailed as failed:
                    if str(failed) not in told:
                        err.print(f"{triggered.scenario} was not looked at: {failed}", markup=False)
                    told.add(str(failed))
    return asked


def _tell(ended: Ended) -> None:
    job, step = ended.job, ended.step
    name = f"job {job.number} ({job.asked.scenario})"
    if ended.error is not None:
        err.print(f"{name} stopped: {ended.error}", markup=False)
    elif step.stage is Stage.LOAD:
        out.print(f"{name}: both sides loaded", markup=False)
    elif step.stage is Stage.COMPARE:
        out.print(f"{name}: shard {step.number} of {job.asked.shards} compared", markup=False)
    else:
        out.print(f"{name}: done", markup=False)


def schedule_command(places: Sequence[Places], count: int, *, as_json: bool) -> int:
    """What is due next; times on the model's wall."""
    rows: list[dict[str, Any]] = []
    now = _now()
    with open_session(Settings.load(), migrations()) as session:
        for place in places:
            offer = offered(session, place)
            zone = ZoneInfo(offer.scope.calendar.time_zone)
            for timed in offer.timed:
                at: datetime = now
                for _ in range(count):
                    due = timed.next_due(at)
                    if due is None:
                        break
                    at = due.at
                    named = {"model": timed.model, "scenario": timed.scenario}
                    rows.append({**named, "at": at.astimezone(zone).isoformat(), "day": due.day.isoformat()})
    rows.sort(key=lambda row: (datetime.fromisoformat(row["at"]), row["model"], row["scenario"]))
    if as_json:
        print_json({"due": rows})
    elif rows:
        print_table("Due next", ["at", "model", "scenario", "for the day"], [
            [row["at"][:16].replace("T", " "), row["model"], row["scenario"], row["day"]] for row in rows
        ])  # fmt: skip
    else:
        out.print("no scenario has a schedule", markup=False)
    return exits.OK


def start_command(place: Places, scenario: str, shards: int | None, *, as_json: bool) -> int:
    """Asks for a job by hand."""
    with open_session(Settings.load(), migrations()) as session:
        asked = by_hand(offered(session, place), place, scenario, shards, _now())
        with session.connection.transaction():
            number = store.ask(session.connection, session.tenant, asked)
        assert number is not None, "the moment is its occasion"
        found = progress_of(session.connection, session.tenant, number, _now())
    _show(found, as_json=as_json)
    return exits.OK


def list_command(count: int, *, as_json: bool) -> int:
    """The newest jobs."""
    with open_session(Settings.load(), migrations()) as session:
        now = _now()
        numbers = [job.number for job in store.jobs(session.connection, session.tenant, count)]
        found = [progress_of(session.connection, session.tenant, number, now) for number in numbers]
    if as_json:
        print_json({"jobs": [each.as_dict() for each in found]})
        return exits.OK
    rows = [
        [each.job.number, each.job.asked.scenario, each.job.asked.occasion, each.job.asked.day or "", each.job.state,
         each.said, shorten(each.job.error or "", 40)]
        for each in found
    ]  # fmt: skip
    print_table("Jobs", ["job", "scenario", "because of", "for the day", "state", "how far", "error"], rows)
    return exits.OK


def show_command(number: int, *, as_json: bool) -> int:
    """One job."""
    with open_session(Settings.load(), migrations()) as session:
        found = progress_of(session.connection, session.tenant, number, _now())
    _show(found, as_json=as_json)
    return exits.OK


def turn_command(number: int, state: str, *, as_json: bool) -> int:
    """Pauses, resumes or cancels a job."""
    with open_session(Settings.load(), migrations()) as session:
        store.turn(session.connection, session.tenant, number, JobState(state))
        if state == JobState.CANCELLED:
            _worker(session).sweep()
        found = progress_of(session.connection, session.tenant, number, _now())
    _show(found, as_json=as_json)
    return exits.OK


def _show(found: Progress, *, as_json: bool) -> None:
    if as_json:
        print_json(found.as_dict())
        return
    job: Job = found.job
    out.print(f"job {job.number}: {job.asked.model}, {job.asked.scenario}, {job.state}: {found.said}", markup=False)
    day = "" if job.asked.day is None else f", for the day {job.asked.day}"
    out.print(f"because of: {job.asked.occasion}{day}", markup=False)
    for step in found.busy:
        out.print(f"step {step.number} was begun by {step.worker}, {step.begun} times", markup=False)
    for line in found.told:
        err.print(line, markup=False)
    if job.error is not None:
        err.print(f"stopped: {job.error}", markup=False)
    if job.run_no is not None:
        new = "" if job.changed else ", which had been stored before"
        out.print(f"run {job.run_no} of the scenario{new}: {job.run_id}", markup=False)
