"""Jobs of declared scenarios: of a model, and of a file of its own with loaders, checkers and handlers."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from everycent.base.engine.local import LocalEngine
from everycent.flow.pipeline.contract import InputRefused
from everycent.flow.pipeline.service import Session
from everycent.proof.recon.contract import Surroundings
from everycent.proof.recon.jobs import store
from everycent.proof.recon.jobs.firing import ask_fired
from everycent.proof.recon.jobs.progress import Progress, progress_of
from everycent.proof.recon.jobs.scheduling import ask_due
from everycent.proof.recon.jobs.store import JobState
from everycent.proof.recon.jobs.working import Worker, work_off
from everycent.serve.working import DeclaredScenarios, Places, by_hand, offered

FILE = """
name: order-checks
currency: CNY
calendar: {time_zone: Asia/Shanghai}
recon:
  payments:
    left:
      load: {files: {paths: "ours_{as_of}.csv"}}
      columns: {id: text, paid: money, state: text}
      key: id
      amount: paid
      status: state
    right: {file: bill*.csv, columns: {id: text, paid: money, state: text}, key: id, amount: paid, status: state}
    check: {statuses: {combinations: {paid_but_waiting: {left: paid, right: waiting}}}}
    handle: [log]
    schedule: {daily: "02:30", after: 1 day}
    shards: 3
"""
OURS = "id,paid,state\nA1,1.00,paid\nA2,2.00,paid\nA3,3.00,paid\n"
BILL = "id,paid,state\nA1,1.00,paid\nA2,2.50,paid\nA3,3.00,waiting\n"
Done = Callable[..., Progress]


@pytest.fixture
def session(database: Any, engine: LocalEngine) -> Session:
    return Session(database.settings, database.connection, engine, database.details)


@pytest.fixture
def place(tmp_path: Path) -> Places:
    folder = tmp_path / "scenarios"
    folder.mkdir()
    (folder / "checks.yaml").write_text(FILE)
    (folder / "ours_2026-03-01.csv").write_text(OURS)
    (folder / "bill_0301.csv").write_text(BILL)
    return Places(folder / "checks.yaml", bills=(str(folder / "bill*.csv"),))


@pytest.fixture
def worked(session: Session, tmp_path: Path) -> Callable[[int], Progress]:
    def work(number: int) -> Progress:
        scenarios = DeclaredScenarios(session)
        now = datetime(2026, 3, 2, tzinfo=UTC)
        worker = Worker(
            session.connection, session.engine, "default", tmp_path / "jobs", "test", scenarios, lambda: now
        )
        work_off(worker, lambda _: None)
        return progress_of(session.connection, "default", number, now)

    return work


def test_a_file_of_scenarios_runs_by_its_schedule(session: Session, place: Places, worked: Any) -> None:
    [timed] = offered(session, place).timed
    assert ask_due(session.connection, "default", timed, datetime(2026, 3, 1, 12, tzinfo=UTC)) == []
    [number] = ask_due(session.connection, "default", timed, datetime(2026, 3, 1, 19, tzinfo=UTC))
    done = worked(number)
    assert (done.job.state, done.job.error, len(done.shards), done.told) == (JobState.DONE, None, 3, ())
    assert (done.rows, done.rows_in_all) == (6, 6)
    kinds = session.connection.execute("SELECT kind, key FROM recon.finding").fetchall()
    assert kinds == [("paid_but_waiting", "A3")]
    found = session.connection.execute("SELECT key, bucket FROM recon.break ORDER BY key").fetchall()
    assert found == [("A2", "amount_differs"), ("A3", "status_differs")]
    raw = session.connection.execute("SELECT source_file, key, raw FROM recon.raw_row ORDER BY 1, 2").fetchall()
    assert raw == [
        ("bill_0301.csv", "A2", '{"id":"A2","paid":"2.50","state":"paid"}'),
        ("bill_0301.csv", "A3", '{"id":"A3","paid":"3.00","state":"waiting"}'),
        ("ours_2026-03-01.csv", "A2", '{"id":"A2","paid":"2.00","state":"paid"}'),
        ("ours_2026-03-01.csv", "A3", '{"id":"A3","paid":"3.00","state":"paid"}'),
    ], "as `recon run` keeps them"


def test_a_day_whose_file_is_not_there_stops_the_job_till_it_is(session: Session, place: Places, worked: Any) -> None:
    [timed] = offered(session, place).timed
    ask_due(session.connection, "default", timed, datetime(2026, 3, 2, 12, tzinfo=UTC))
    [number] = ask_due(session.connection, "default", timed, datetime(2026, 3, 2, 19, tzinfo=UTC))
    stopped = worked(number)
    assert stopped.job.state is JobState.FAILED
    assert "ours_2026-03-02.csv" in str(stopped.job.error)
    (place.model.parent / "ours_2026-03-02.csv").write_text(OURS)
    store.turn(session.connection, "default", number, JobState.OPEN)
    assert worked(number).job.state is JobState.DONE


def test_a_total_beyond_its_limit_fails_the_job_and_its_run_is_kept(
    session: Session, place: Places, worked: Any
) -> None:
    """3.00 are lacking in all: as much as the limit is told, a cent more fails the job and says where."""
    lacking = BILL.replace("A3,3.00,waiting\n", "").replace("2.50", "2.00")
    (place.model.parent / "bill_0301.csv").write_text(lacking)
    _in_total(place, "3.00")
    asked = by_hand(offered(session, place), place, "payments", None, datetime(2026, 3, 1, 12, tzinfo=UTC))
    done = worked(store.ask(session.connection, "default", asked))
    assert (done.job.state, done.job.error) == (JobState.DONE, None)
    assert done.told[0] == "payments: 1 of 1 totals part"
    _in_total(place, "2.99")
    asked = by_hand(offered(session, place), place, "payments", None, datetime(2026, 3, 1, 13, tzinfo=UTC))
    failed = worked(store.ask(session.connection, "default", asked))
    assert failed.job.state is JobState.FAILED
    assert "TotalsPart: payments: 1 of 1 totals part, 1 of them beyond the limit" in str(failed.job.error)
    assert "left less right is 3.00, details were not compared" in str(failed.job.error)
    kept = session.connection.execute("SELECT count(*) FROM recon.run").fetchone()
    assert kept == (2,), "both runs are kept"


def _in_total(place: Places, limit: str) -> None:
    words = f"    detail: no\n    total: {{limit: '{limit}'}}\n"
    place.model.write_text(FILE.split("    check:")[0] + words)


def test_only_what_is_declared_can_be_asked_for(session: Session, place: Places) -> None:
    offer = offered(session, place)
    with pytest.raises(InputRefused, match="'order-checks' has no reconciliation 'stock'; there are: payments"):
        by_hand(offer, place, "stock", None, datetime(2026, 3, 2, tzinfo=UTC))
    asked = by_hand(offer, place, "payments", 5, datetime(2026, 3, 2, tzinfo=UTC))
    assert (asked.shards, str(asked.day)) == (5, "2026-03-02")


def test_what_a_trigger_fires_is_a_job_once(session: Session, place: Places, worked: Any) -> None:
    folder = place.model.parent
    words = r"trigger: {file_arrival: {paths: ., settled: 0 minutes, day: 'bill_(\d{4})(\d{2})(\d{2})'}}"
    place.model.write_text(FILE.replace('schedule: {daily: "02:30", after: 1 day}', words))
    (folder / "bill_0301.csv").rename(folder / "bill_20260301.csv")
    [fired] = offered(session, place).triggered
    around = Surroundings(folder, date(2026, 3, 5), folder)
    now = datetime.now(UTC)
    [number] = ask_fired(session.connection, "default", fired, around, now)
    done = worked(number)
    assert (done.job.state, done.job.error, done.job.asked.day) == (JobState.DONE, None, date(2026, 3, 1))
    assert done.job.asked.occasion.startswith("file_arrival 2026-03-01 ")
    assert ask_fired(session.connection, "default", fired, around, now) == []
    marks = session.connection.execute("SELECT split_part(mark, ':', 1), job_no, run_id FROM recon.fired").fetchall()
    assert sorted(marks)[0] == ("bill_20260301.csv", number, None)


DAILY = """
name: order-checks
currency: CNY
calendar: {time_zone: Asia/Shanghai}
recon:
  payments:
    left:
      load: {files: {paths: "ours_{as_of}.csv"}}
      columns: {id: text, paid: money, day: date}
      key: id
      amount: paid
      occurred_at: day
    right: {load: {files: {paths: "bill_{as_of}.csv"}}, columns: {id: text, paid: money, day: date}, key: id,
            amount: paid, occurred_at: day}
    carry: yes
    schedule: {daily: "02:30", after: 1 day}
    shards: 2
"""


def test_scheduled_days_carry_on_what_is_open(session: Session, place: Places, worked: Any) -> None:
    folder = place.model.parent
    place.model.write_text(DAILY)
    for day, ours, bill in (
        ("2026-03-01", "A1,1.00,2026-03-01\nA2,2.00,2026-03-01\n", "A1,1.00,2026-03-01\n"),
        ("2026-03-02", "A3,3.00,2026-03-02\n", "A2,2.00,2026-03-02\n"),
    ):
        (folder / f"ours_{day}.csv").write_text("id,paid,day\n" + ours)
        (folder / f"bill_{day}.csv").write_text("id,paid,day\n" + bill)
    [timed] = offered(session, Places(place.model)).timed
    for evening, still in ((1, "A2"), (2, "A3")):
        now = datetime(2026, 3, evening, 19, tzinfo=UTC)
        ask_due(session.connection, "default", timed, datetime(2026, 3, evening, 12, tzinfo=UTC))
        [number] = ask_due(session.connection, "default", timed, now)
        done = worked(number)
        assert (done.job.state, done.job.error) == (JobState.DONE, None)
        raw = session.connection.execute(
            "SELECT source_file FROM recon.raw_row WHERE (run_id, key) = (%s, %s)", (done.job.run_id, still)
        ).fetchall()
        assert raw == [(f"ours_2026-03-0{evening}.csv",)]
        carried = session.connection.execute(
            "SELECT key FROM recon.carried WHERE run_id = %s", (done.job.run_id,)
        ).fetchall()
        assert carried == [(still,)]
