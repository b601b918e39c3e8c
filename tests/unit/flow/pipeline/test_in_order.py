"""The ordered pass and its rewinds: whatever order facts come in, the effective rows are those of clearing once."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from market_place import LATER, MarketPlace, opened
from small_market import market, returns, sales

from everycent.base.engine.local import LocalEngine
from everycent.base.platform import kept_sums
from everycent.flow.model.contract import ModelRefused
from everycent.flow.model.service import load_model
from everycent.flow.pipeline import run as running
from everycent.flow.pipeline.ordered_pass import Ordered, clear_waiting
from everycent.flow.pipeline.service import Session, run_golden_cases

MODEL = market()
SALES, RETURNS = sales(range(14)), returns((1, 4, 8))
GOLDEN = """
tests:
  the cap is used up in the order of time:
    facts: |
      sold  id  merchant  brand  price   coupon  at
            B   m-1       b-1    100.00  10.00   2026-03-02 10:00
            A   m-1       b-1    100.00   5.00   2026-03-01 10:00
    obligations: |
      record  charge  debtor    creditor  amount
      A       goods   platform  m-1       100.00
      B       goods   platform  m-1       100.00
      A       coupon  b-1       m-1         3.00
      A       coupon  platform  m-1         2.00
      B       coupon  b-1       m-1         2.00
      B       coupon  platform  m-1         8.00
"""


def test_caps_hold_and_every_row_is_there(place: MarketPlace) -> None:
    summary = place.deliver(SALES + RETURNS, LATER)
    assert (summary.ordered.cleared, summary.ordered.waiting) == (17, 0)
    rows = [row for row in place.effective() if row["charge"] == "coupon"]
    assert max(row["total_after_minor"] for row in rows if row["leaf"] == "brand") == 3000
    assert sorted({row["sequence_no"] for row in rows}) == list(range(1, 18))
    place.proven()


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(1, 12))])
def test_any_arrival_order_converges(place: MarketPlace, once: MarketPlace, seed: int) -> None:
    chance = random.Random(seed)
    sales = chance.sample(SALES, len(SALES))
    cuts = [sales[:5], sales[5:6], sales[6:], RETURNS[::-1][:2], RETURNS[::-1][2:]]
    rewound = 0
    for facts in cuts:
        rewound += len(place.deliver(facts).ordered.rewound)
        place.proven()
    once.deliver(SALES + RETURNS)
    assert place.effective() == once.effective()
    assert place.statements() == once.statements()
    assert rewound > 0


def test_rewinding_to_any_record_with_nothing_closed_changes_nothing(place: MarketPlace) -> None:
    place.deliver(SALES + RETURNS)
    before, statements = place.effective(), place.statements()
    planned = place.rewind("S03", dry_run=True)
    assert place.rewind("sold:S03", dry_run=True) == planned, "a record goes by its kind and key, too"
    assert (planned.records, planned.removed, planned.generation) == (14, 0, 1)
    for start in ("S03", "S00", "2026-03-03T00:00:00+08:00", "R04"):
        done = place.rewind(start)
        assert (done.removed, done.added) == (0, 0)
        assert place.effective() == before
        assert place.statements() == statements
    place.proven()


def test_closed_plus_adjustments_equal_clearing_once(place: MarketPlace, once: MarketPlace) -> None:
    late, rest = [fact for fact in SALES if fact[1] in ("S00", "S02")], [f for f in SALES if f[1] not in ("S00", "S02")]
    tight = MODEL.replace("cap: 30.00", "cap: 12.00")
    place, once = place.about(tight), once.about(tight)
    place.deliver(rest[:8], date(2026, 3, 3))
    closed = [row for row in place.statements() if row[-1] == "closed"]
    assert closed
    summary = place.deliver(late + rest[8:], date(2026, 3, 4))
    assert summary.ordered.rewound[0].adjusting > 0
    assert [row for row in place.statements() if row in closed] == closed
    place.proven()
    place.deliver(RETURNS, LATER)
    place.proven()
    once.deliver(SALES + RETURNS)
    assert place.sums() == once.sums()


def test_late_records_may_join_the_present(place: MarketPlace) -> None:
    joining = place.about(MODEL.replace("late: rewind", "late: join"))
    joining.deliver(SALES[5:])
    before = joining.effective()
    summary = joining.deliver(SALES[:5])
    assert summary.ordered.rewound == ()
    assert [row for row in joining.effective() if row in before] == before
    joining.proven()


def test_the_newest_records_wait_for_stragglers(place: MarketPlace) -> None:
    waiting = place.about(MODEL.replace("late:", "wait: 2 hours, late:"))
    summary = waiting.deliver(SALES)
    assert (summary.ordered.cleared, summary.ordered.waiting) == (12, 2)
    waiting.proven()
    summary = waiting.deliver(RETURNS, LATER)
    assert summary.ordered.waiting == 0
    waiting.proven()


def test_golden_cases_are_cleared_in_order(tmp_path: Path, engine: LocalEngine) -> None:
    path = tmp_path / "model.yaml"
    path.write_text(MODEL.replace("cap: 30.00", "cap: 5.00") + GOLDEN)
    [outcome] = run_golden_cases(load_model(path, {}), "t", engine)
    assert outcome.differences == ()


@pytest.mark.parametrize(
    ("was", "now", "said"),
    [
        ("order: {by: [occurred_at, id], late: rewind, window: 3}", "", "'coupon' draws on a budget: add the order"),
        ("by: [occurred_at, id]", "by: [id]", "the order begins with business time"),
        ("by: [occurred_at, id]", "by: [occurred_at, brand]", "there is no column 'brand' in record kind 'returned'"),
    ],
)
def test_an_order_that_cannot_be_is_refused(tmp_path: Path, was: str, now: str, said: str) -> None:
    path = tmp_path / "model.yaml"
    path.write_text(MODEL.replace(was, now))
    with pytest.raises(ModelRefused, match=said):
        load_model(path, {})


#: What an ordered pass takes records, their charges and their numbers from.
READ_IN_TURN = ("intake.record", "clearing.waiting_charge", "clearing.sequenced_record")


@contextmanager
def without_history(session: Session, through_batch: int) -> Iterator[int]:
    """Takes the lake files of batches up to this one away; how many."""
    rows = session.connection.execute(
        "SELECT path FROM platform.batch_part WHERE batch_no <= %s AND table_name = ANY (%s) AND path IS NOT NULL",
        (through_batch, list(READ_IN_TURN)),
    ).fetchall()
    files = [session.details.lake_dir / path for (path,) in rows]
    for file in files:
        file.rename(file.with_suffix(".away"))
    try:
        yield len(files)
    finally:
        for file in files:
            file.with_suffix(".away").rename(file)


def last_batch(session: Session) -> int:
    row = session.connection.execute("SELECT max(batch_no) FROM platform.batch").fetchone()
    assert row is not None
    return int(row[0])


@pytest.fixture
def lake(database: Any, engine: LocalEngine, tmp_path: Path) -> MarketPlace:
    """Every row goes into the lake, so that what is not read can be taken away."""
    return opened(database, engine, tmp_path / "lake", lake_from_rows=1)


@pytest.fixture
def blind(lake: MarketPlace, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], list[int]]:
    """Lets the next ordered pass run without the files of batches up to a number; tells how many were away."""

    def run_without(through_batch: int) -> list[int]:
        away: list[int] = []

        def pass_without(session: Session, *rest: Any) -> Ordered:
            with without_history(session, through_batch) as files:
                away.append(files)
                return clear_waiting(session, *rest)

        monkeypatch.setattr(running, "clear_waiting", pass_without)
        return away

    return run_without


def test_a_pass_opens_no_file_of_the_batches_that_were_gone_through(
    lake: MarketPlace, blind: Callable[[int], list[int]]
) -> None:
    assert lake.deliver(SALES[:6]).ordered.cleared == 6
    taken_in = last_batch(lake.session)
    assert lake.deliver(SALES[6:9]).ordered.cleared == 3
    away = blind(taken_in)
    assert lake.deliver(SALES[9:]).ordered.cleared == 5
    assert away == [4], "a file of records, one of charges, and the numbers of two windows"
    lake.proven()


def test_the_first_batch_that_still_waits_is_read_again(lake: MarketPlace, once: MarketPlace) -> None:
    text = MODEL.replace("late:", "wait: 2 hours, late:")
    waiting = lake.about(text)
    assert waiting.deliver(SALES[:6]).ordered.waiting == 2
    assert waiting.deliver(SALES[6:9]).ordered.waiting == 1
    assert waiting.deliver(SALES[9:]).ordered.waiting == 2
    assert waiting.deliver(RETURNS, date(2026, 5, 1)).ordered.waiting == 0
    once.deliver(SALES + RETURNS)
    assert waiting.effective() == once.effective()
    waiting.proven()


def test_a_late_record_is_seen_though_history_is_not_read(lake: MarketPlace, once: MarketPlace) -> None:
    for facts in (SALES[4:8], SALES[8:], SALES[:1], SALES[1:4], RETURNS):
        lake.deliver(facts)
    once.deliver(SALES + RETURNS)
    assert lake.effective() == once.effective()
    lake.proven()


def test_where_the_model_orders_other_records_all_are_looked_at_again(lake: MarketPlace) -> None:
    lake.deliver(SALES[:6])
    other = lake.about(MODEL.replace("[occurred_at, id]", "[occurred_at]"))
    other.deliver(SALES[6:])
    kept = lake.session.connection.execute("SELECT reads, last_no FROM clearing.frontier").fetchall()
    assert len(kept) == 1 and kept[0][1] == 14 and '["occurred_at"]' in kept[0][0]


#: Pots and totals of each day; the commission rises with what a merchant has sold on the day.
BY_DAY = market(
    """\
    budgets:
      spring: {per: [merchant], period: day}
    factors:
      so_far: {accumulator: {add: {sold: price}, per: [merchant], period: day}, meaning: sold on the day}
    charges:
      coupon:
        for: sold
        amount: coupon
        creditor: merchant
        apportion:
          budget: spring
          by: ratio
          bearers: {brand: {weight: 60, cap: 9.00}, platform: 40}
      commission:
        for: sold
        price: {graduated: {over: so_far, tiers: [{up_to: 150.00, rate: 0.05}, {rate: 0.10}]}}
        debtor: merchant
        creditor: platform
        on_refund: return
    order: {by: [occurred_at, id], late: rewind, window: 3}
    statements: {merchant: {cycle: daily, mode: net}, brand: {cycle: monthly, mode: net}}
    payouts: {}
    """
)


LATE = [("sold", "S14", "S14,m-0,b-1,100.00,20.00,2026-03-05 08:00:00")]
REFUND = [("returned", "R04", "R04,S04,34.00,2026-03-05 09:30:00")]  # of a sale on the second day
NOTHING_KEPT = "DELETE FROM clearing.accumulator", "DELETE FROM rating.standing_total", "DELETE FROM platform.kept_sum"


@pytest.fixture
def whole(once: MarketPlace) -> MarketPlace:
    """All of it, cleared once."""
    whole = once.about(BY_DAY)
    whole.deliver([*SALES, *LATE, *REFUND], LATER)
    return whole


def test_what_was_added_up_is_not_added_up_again(lake: MarketPlace, whole: MarketPlace) -> None:
    place = lake.about(BY_DAY)
    place.deliver(SALES)
    place.deliver(LATE)
    place.deliver(REFUND, LATER)
    assert added_up(place) == [[15], [15]], "the pass before this one cleared one record"
    assert place.effective() == whole.effective()
    place.rewind("S09")
    assert place.effective() == whole.effective()
    place.deliver(RETURNS[:1], LATER)
    whole.deliver(RETURNS[:1], LATER)
    assert place.effective() == whole.effective()
    place.proven()


def added_up(place: MarketPlace) -> list[list[int]]:
    """The numbers of the records that the last pass added to what it found kept."""
    duck = place.session.engine.connection
    views = ("clearing.accumulator since", "rating.standing_total since")
    query = 'SELECT DISTINCT sequence_no FROM "{}" ORDER BY ALL'
    return [[number for (number,) in duck.sql(query.format(view)).fetchall()] for view in views]


def test_totals_that_are_not_kept_are_made_from_history(lake: MarketPlace, whole: MarketPlace) -> None:
    place = lake.about(BY_DAY)
    for facts in (SALES, LATE, REFUND):
        place.deliver(facts, LATER if facts is REFUND else date(2026, 3, 1))
        for statement in NOTHING_KEPT:
            place.session.connection.execute(statement)
        place.proven()
    assert place.effective() == whole.effective()


def test_where_each_pot_moves_but_once_the_totals_are_not_kept(
    lake: MarketPlace, whole: MarketPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_sums, "_MOVED_FEW", 0)
    monkeypatch.setattr(kept_sums, "_ROWS_PER_SUM", 1_000)
    place = lake.about(BY_DAY)
    for facts in (SALES[4:], SALES[:4], LATE):
        place.deliver(facts)
    place.deliver(REFUND, LATER)
    assert place.session.connection.execute("SELECT * FROM clearing.accumulator").fetchall() == []
    read = place.session.engine.query('SELECT DISTINCT period FROM "clearing.accumulator since" ORDER BY ALL')
    assert read["period"].to_pylist() == ["2026-03-02", "2026-03-05"], "the other days are not read"
    assert place.effective() == whole.effective()
    place.proven()
