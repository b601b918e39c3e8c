"""Day by day with what is carried on, and the whole period at once, leave the same open."""

from datetime import date
from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st
from written_sides import side

from everycent.base.engine.local import LocalEngine
from everycent.proof.recon.core.carrying import CARRIED, at_places_of_their_own, of_the_day, open_rows, with_carried
from everycent.proof.recon.core.plan import ReconPlan
from everycent.proof.recon.stage import reconcile

PLAN = ReconPlan("bill", 0, False, False, False)
HEAD = "key amount day"
Days = dict[int, tuple[pa.Table, pa.Table]]


def cut(engine: LocalEngine, day: int, given: tuple[pa.Table, pa.Table], before: pa.Table) -> tuple[Any, pa.Table]:
    at = date(2026, 3, day)
    before = at_places_of_their_own(before, *given, engine)
    both = [with_carried(name, rows, before, engine) for name, rows in zip(("left", "right"), given, strict=True)]
    here, ahead = zip(*(of_the_day(rows, at, engine) for rows in both), strict=True)
    found = reconcile(PLAN, here[0], here[1], engine)
    return found, open_rows(at, here, ahead, found.breaks, (False, False), before, engine)


def run_days(engine: LocalEngine, days: Days) -> tuple[Any, pa.Table]:
    carried, found = CARRIED.empty_table(), None
    for day, given_rows in sorted(days.items()):
        found, carried = cut(engine, day, given_rows, carried)
    return found, carried


def told(carried: pa.Table) -> list[tuple[Any, ...]]:
    return [(row["side"], row["key"], row["opened_on"].day, row["age_days"]) for row in carried.to_pylist()]


def day_of(day: int, left: str, right: str) -> tuple[pa.Table, pa.Table]:
    return side(f"{HEAD}\n{left}", f"l{day}"), side(f"{HEAD}\n{right}", f"r{day}")


def test_what_is_open_ages_and_what_comes_late_closes_it(engine: LocalEngine) -> None:
    days = {1: day_of(1, "A 5 1\nB 7 1", "A 5 1"), 2: day_of(2, "C 1 2", "D 2 2"), 3: day_of(3, "", "B 7 1\nC 1 3")}
    found, carried = run_days(engine, dict(list(days.items())[:2]))
    assert told(carried) == [("left", "B", 1, 1), ("left", "C", 2, 0), ("right", "D", 2, 0)]
    found, carried = run_days(engine, days)
    assert told(carried) == [("right", "D", 2, 1)]
    assert found.breaks["key"].to_pylist() == ["D"]


def test_a_file_of_the_same_name_brings_other_rows(engine: LocalEngine) -> None:
    """Each day's file is called the same. A is paid a second time, on the line of the first; B's line is C's the next
    day; D is given again, and is there once."""
    left = side(f"{HEAD}\nA 5 1\nB 7 1\nD 9 1", "bill"), side(f"{HEAD}\nA 5 2\nC 1 2\nD 9 1", "bill")
    none = side(HEAD, "bill")
    found, carried = run_days(engine, {1: (left[0], none), 2: (left[1], none)})
    assert [(row["key"], row["source_file"], row["source_line"], row["age_days"]) for row in carried.to_pylist()] == [
        ("A", "bill", 1, 0), ("C", "bill", 2, 0), ("D", "bill", 3, 1),
        ("A", "bill of 2026-03-01", 1, 1), ("B", "bill of 2026-03-01", 2, 1),
    ]  # fmt: skip
    assert (found.left_total.rows, found.left_total.amount_minor) == (5, 27)
    found, carried = run_days(engine, {1: (left[0], none), 2: (left[1], none), 3: (none, left[0])})
    assert [(row["key"], row["source_file"], row["opened_on"].day) for row in carried.to_pylist()] == [
        ("C", "bill", 2), ("A", "bill of 2026-03-01", 1),
    ]  # fmt: skip


def test_a_row_after_the_cut_waits_for_its_day(engine: LocalEngine) -> None:
    days = {1: day_of(1, "A 5 1", "A 5 1\nB 7 2"), 2: day_of(2, "B 7 2", "")}
    found, carried = run_days(engine, {1: days[1]})
    assert (found.breaks.num_rows, told(carried)) == (0, [("right", "B", 1, 0)])
    found, carried = run_days(engine, days)
    assert (found.breaks.num_rows, carried.num_rows) == (0, 0)


def test_a_row_that_is_given_again_is_there_once(engine: LocalEngine) -> None:
    first = day_of(1, "A 5 1", "")
    _, carried = run_days(engine, {1: first, 2: first})
    assert told(carried) == [("left", "A", 1, 1)]


# of each key and side: (amount, the day of which it is, the day on which it arrives); keys are unique on each side
ROW = st.none() | st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(0, 3))
KEYS = st.dictionaries(st.sampled_from("ABCDEF"), st.tuples(ROW, ROW), max_size=6)


@settings(max_examples=8, deadline=None)
@given(keys=KEYS)
def test_days_with_what_is_carried_leave_open_what_the_whole_period_leaves(engine: LocalEngine, keys: Any) -> None:
    arriving: dict[int, tuple[list[str], list[str]]] = {day: ([], []) for day in range(1, 8)}
    whole: tuple[list[str], list[str]] = ([], [])
    for key, rows in sorted(keys.items()):
        for number, row in enumerate(rows):
            if row is not None:
                line = f"{key} {row[0]} {row[1]}"
                arriving[row[1] + row[2]][number].append(line)
                whole[number].append(line)
    days = {day: day_of(day, "\n".join(left), "\n".join(right)) for day, (left, right) in arriving.items()}
    by_days, carried = run_days(engine, days)
    at_once = reconcile(PLAN, *day_of(9, "\n".join(whole[0]), "\n".join(whole[1])), engine)
    figures = ["key", "bucket", "left_amount_minor", "right_amount_minor"]
    assert by_days.breaks.select(figures) == at_once.breaks.select(figures)
    assert sorted(carried["key"].to_pylist()) == sorted(
        row["key"] for row in at_once.breaks.to_pylist() for _ in range(row["left_rows"] + row["right_rows"])
    )
