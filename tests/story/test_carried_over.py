"""Days are cut one after the other: what the channel pays around midnight is open for a day, and closes by itself."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from everycent.base.platform.database import connect
from everycent.base.platform.details import Details
from everycent.flow.model.service import load_model
from everycent.flow.pipeline.service import find_inputs
from everycent.flow.pipeline.service import run as take_in
from everycent.flow.pipeline.session import Session, local_engine
from everycent.proof.verify.service import verify
from everycent.serve import chaining
from everycent.serve.cli.running import as_dict
from everycent.serve.wiring import SECTIONS

MODEL = """
model: tea-house
version: 1
currency: CNY
calendar: {time_zone: Asia/Shanghai}
parties:
  platform: {operator: tea-shanghai}
  merchant: {key: [merchant]}
records:
  sold:
    file: sold*.csv
    id: [id]
    occurred_at: at
    columns: {id: text, merchant: text, price: money, at: timestamp}
charges:
  goods: {for: sold, amount: price, debtor: platform, creditor: merchant}
statements: {merchant: {cycle: daily}}
recon:
  daily:
    left: {records: sold, key: [id], amount: price, occurred_at: at}
    right: {file: "bill*.csv", columns: {id: text, paid: money, day: date}, key: [id], amount: paid, occurred_at: day}
    carry: yes
"""
SOLD = {
    2: "A1,m-1,10.00,2026-03-02 12:00:00\nA2,m-1,20.00,2026-03-02 23:59:00\n",
    3: "A3,m-1,30.00,2026-03-03 12:00:00\n",
    4: "A0,m-1,7.00,2026-03-02 09:00:00\nA4,m-1,1.00,2026-03-05 00:01:00\n",
}
BILL = {2: "A1,10.00,2026-03-02\n", 3: "A2,20.00,2026-03-03\nA3,29.00,2026-03-03\n", 4: "A0,7.00,2026-03-04\n"}


@pytest.fixture
def cut(tell: Any) -> Any:
    """Runs one day on what came in on it."""

    def day(number: int) -> Any:
        sold = {f"sold_{number}.csv": "id,merchant,price,at\n" + SOLD[number]}
        bill = {f"bill_{number}.csv": "id,paid,day\n" + BILL[number]}
        return tell(MODEL, sold, f"2026-03-{number:02}", bill)

    return day


def open_at(told: Any) -> list[tuple[Any, ...]]:
    return told.rows(  # type: ignore[no-any-return]
        """SELECT side, key, opened_on::text, age_days FROM recon.carried JOIN recon.cut USING (tenant, model, run_id)
        WHERE day = (SELECT max(day) FROM recon.cut) ORDER BY 1, 2"""
    )


def test_what_is_open_at_a_cut_is_carried_ages_and_is_closed(cut: Any) -> None:
    told = cut(2)
    assert as_dict(told.outcome)["recon"]["daily"]["carried"] == {"day": "2026-03-02", "rows": 1, "oldest_days": 0}
    assert open_at(told) == [("left", "A2", "2026-03-02", 0)]
    told = cut(3)
    assert open_at(told) == [("left", "A3", "2026-03-03", 0), ("right", "A3", "2026-03-03", 0)]
    told = cut(4)  # A0 came late on both sides, A4 lies ahead of the cut
    assert open_at(told) == [
        ("left", "A3", "2026-03-03", 1), ("left", "A4", "2026-03-04", 0), ("right", "A3", "2026-03-03", 1),
    ]  # fmt: skip
    assert [row["key"] for row in told.outcome.scenarios[0].run.reconciled.breaks.to_pylist()] == ["A3"]
    assert told.outcome.verdict.ok
    assert told.rows("SELECT count(*) FROM recon.cut WHERE before_run_id IS NOT NULL") == [(2,)]


def test_a_day_again_changes_nothing_and_a_day_that_has_passed_is_refused(cut: Any, tell: Any) -> None:
    cut(2)
    first = cut(3).outcome.scenarios[0]
    again = cut(3).outcome.scenarios[0]
    assert not again.changed and again.run.beyond == first.run.beyond
    sold = {"sold_2.csv": "id,merchant,price,at\n" + SOLD[2]}
    told = tell(MODEL, sold, "2026-03-02", {"bill_2.csv": "id,paid,day\nA9,1.00,2026-03-02\n"})
    (failure,) = told.outcome.failures
    assert failure.startswith("daily was not compared: ")
    assert "2026-03-03 was cut already, and 2026-03-02 lies before it" in failure
    assert told.outcome.scenarios == ()


def test_a_carried_row_that_was_altered_is_named(cut: Any) -> None:
    told = cut(2)
    session = told.session
    for tamper, check in (
        ("UPDATE recon.carried SET amount_minor = amount_minor + 1", "what a reconciliation's day cut carries on"),
        ("UPDATE recon.cut SET day = day - 1", "each reconciliation's rows are those it found"),
        ("UPDATE recon.carried SET age_days = 9", "each reconciliation's rows are those it found"),
    ):
        with session.connection.transaction(force_rollback=True):
            session.connection.execute(tamper)
            verdict = verify(session.connection, session.details, session.engine, session.tenant, "tea-house")
            assert any(found.name.startswith(check) for found in verdict.findings), tamper


def test_a_batch_that_commits_while_a_side_is_loaded_is_the_next_cuts(
    cut: Any, database: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A5 commits in another session once the third's cut has begun, and before it reads a row."""
    cut(2)
    folder = tmp_path / "workspace"
    loads = chaining.load_sides

    def meanwhile(*arguments: Any) -> Any:
        monkeypatch.setattr(chaining, "load_sides", loads)
        (folder / "sold_late.csv").write_text("id,merchant,price,at\nA5,m-1,5.00,2026-03-03 10:00:00\n")
        model = load_model(folder / "model.yaml", SECTIONS)
        with connect(database.settings) as connection, local_engine(database.settings) as engine:
            details = Details(connection, database.settings.lake_dir, database.settings.tenant)
            other = Session(database.settings, connection, engine, details)
            late = find_inputs(model, [str(folder / "sold_late.csv")])
            take_in(other, model, late, date(2026, 3, 3), lambda *_: None, print, datetime.now(UTC), None)
        return loads(*arguments)

    monkeypatch.setattr(chaining, "load_sides", meanwhile)
    assert open_at(cut(3)) == [("left", "A3", "2026-03-03", 0), ("right", "A3", "2026-03-03", 0)]
    fourth = cut(4)
    assert ("left", "A5", "2026-03-04", 0) in open_at(fourth)
    assert fourth.rows("SELECT sum(left_rows)::int FROM recon.run JOIN recon.cut USING (tenant, model, run_id)") == [
        (2 + 2 + 3,)
    ], "each row is in one cut, and again where it is carried"


def test_a_day_whose_day_before_was_cut_while_it_was_loaded_is_run_again(
    cut: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut(2)
    loads = chaining.load_sides

    def meanwhile(*arguments: Any) -> Any:
        monkeypatch.setattr(chaining, "load_sides", loads)
        cut(3)
        return loads(*arguments)

    monkeypatch.setattr(chaining, "load_sides", meanwhile)
    (failure,) = cut(4).outcome.failures
    assert failure.endswith("2026-03-03 was cut while the sides of 2026-03-04 were loaded; run 2026-03-04 again")
    assert ("left", "A4", "2026-03-03", 1) in open_at(cut(4)), "what lay ahead of the third is carried to the fourth"
