"""Laws of the rules, over random sides: what is unique, what is ambiguous, and that no order matters.

The oracle writes down all assignments, or all choices of sums, of a side of few rows in plain Python.
"""

from collections.abc import Callable
from datetime import date, timedelta
from itertools import chain, combinations
from typing import Any

import pyarrow as pa
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from everycent.base.engine.local import LocalEngine
from everycent.base.money.currency import currency
from everycent.proof.recon.contract import ITEM
from everycent.proof.recon.core.matching.matching import match
from everycent.proof.recon.core.matching.plan import plan_match
from everycent.proof.recon.rules import MatchRuleSpec

Told = Callable[..., Any]
Row = tuple[int, int, str]  # amount, day, counterparty
Way = frozenset[tuple[str, int]]

ROWS = st.lists(st.tuples(st.integers(-2, 6), st.integers(1, 4), st.sampled_from("ab")), max_size=5)
LATER = [None, "left", "right"]
SETTINGS = settings(max_examples=40, deadline=None)
FEW = settings(max_examples=10, deadline=None)  # each takes two sides through seven rules

EVERY_RULE = """
- {key: {may_differ: [occurred_on, counterparty]}}
- {tolerance: {by: counterparty, absolute: '0.01', clear_by: '0.01'}}
- {dates: {by: counterparty, within: 1 day}}
- {reference: {similar: '60', undecided: leave}}
- {net_of_fees: {by: counterparty, range: {most: '0.5'}}}
- {group: {tolerance: '0.01'}}
- {subset: {shapes: [one_to_many, many_to_one, many_to_many]}}
"""
ITEMS = st.lists(
    st.fixed_dictionaries(
        {
            "key": st.sampled_from([None, "A", "B"]),
            "amount_minor": st.integers(-3, 9),
            "occurred_on": st.sampled_from([None, date(2026, 3, 1), date(2026, 3, 2)]),
            "reference": st.sampled_from([None, "INV-1", "inv 12", "x"]),
            "counterparty": st.sampled_from([None, "a", "b"]),
            "group": st.sampled_from([None, "g"]),
        }
    ),
    max_size=7,
)


def as_items(rows: list[Row]) -> list[dict[str, Any]]:
    return [
        {"amount_minor": amount, "occurred_on": date(2026, 3, day), "counterparty": party}
        for amount, day, party in rows
    ]


def best(ways: list[frozenset[Way]], distance: Callable[[frozenset[Way]], int]) -> list[frozenset[Way]]:
    largest = [choice for choice in ways if len(choice) == max(map(len, ways))]
    nearest = min(map(distance, largest))
    return [choice for choice in largest if distance(choice) == nearest]


def choices(ways: list[Way]) -> list[frozenset[Way]]:
    """All sets of ways of which no two share a row."""
    if not ways:
        return [frozenset()]
    rest = choices(ways[1:])
    return rest + [chosen | {ways[0]} for chosen in choices([way for way in ways[1:] if not way & ways[0]])]


def verdict(ways: list[Way], distance: Callable[[frozenset[Way]], int] = lambda _: 0) -> tuple[set[Way], set[Way]]:
    """(those that every best choice holds, those that some hold)."""
    found = best(choices(ways), distance)
    some = set(chain.from_iterable(found))
    every = {way for way in some if all(way in choice for choice in found)}
    return every, some - every


@SETTINGS
@given(left=ROWS, right=ROWS, nearest=st.booleans(), later=st.sampled_from(LATER))
def test_assignments_are_those_of_all_that_can_be_written_down(
    told: Told, left: list[Row], right: list[Row], nearest: bool, later: str | None
) -> None:
    days = {
        frozenset({("left", one), ("right", other)}): abs(a[1] - b[1])
        for one, a in enumerate(left, 1)
        for other, b in enumerate(right, 1)
        if a[0] == b[0] and a[2] == b[2] and apart(a[1], b[1], later) in range(-2 if later is None else 0, 3)
    }
    clear = (", clear_by: '1'" if nearest else "") + (f", later: {later}" if later else "")
    story = told(f"[{{dates: {{by: counterparty, within: 2 days{clear}}}}}]", as_items(left), as_items(right))
    far = (lambda choice: sum(days[way] for way in choice)) if nearest else (lambda _: 0)
    assert (story.certain(), story.ways()) == verdict(list(days), far)


@SETTINGS
@given(left=ROWS, right=ROWS, window=st.booleans(), later=st.sampled_from(LATER))
def test_sums_are_those_of_all_that_can_be_written_down(
    told: Told, left: list[Row], right: list[Row], window: bool, later: str | None
) -> None:
    allowed = range(-10 if later is None else 0, 11)
    if window:
        allowed = range(-1 if later is None else 0, 2)
    ways = {
        *sums(left, right, "left", "right", lambda one, item: apart(one, item, later) in allowed),
        *sums(right, left, "right", "left", lambda one, item: apart(item, one, later) in allowed),
    }
    words = (", within: 1 day" if window else "") + (f", later: {later}" if later else "")
    story = told(f"[{{subset: {{most: '3'{words}}}}}]", as_items(left), as_items(right))
    assert (story.certain(), story.ways()) == verdict(sorted(ways, key=sorted))


def apart(left: int, right: int, later: str | None) -> int:
    """Days by which the side that is later is."""
    return left - right if later == "left" else right - left


def sums(ones: list[Row], many: list[Row], one: str, other: str, near: Callable[[int, int], bool]) -> set[Way]:
    return {
        frozenset({(one, place), *((other, item) for item, _ in chosen)})
        for place, (amount, day, party) in enumerate(ones, 1)
        for size in range(1, 4)
        for chosen in combinations(enumerate(many, 1), size)
        if sum(row[0] for _, row in chosen) == amount
        and all(row[2] == party and near(day, row[1]) for _, row in chosen)
    }


def taken_through(
    engine: LocalEngine, left: pa.Table, right: pa.Table, rules: str = EVERY_RULE
) -> tuple[list[Any], ...]:
    specs = [MatchRuleSpec.model_validate(rule) for rule in yaml.load(rules, yaml.BaseLoader)]
    result = match(plan_match("bill", specs, currency("CNY"), {}), left, right, engine)
    tables = (result.matches, result.differences, result.alternatives, result.left_over, result.right_over)
    return tuple(table.to_pylist() for table in tables)


def table_of(rows: list[dict[str, Any]]) -> pa.Table:

    return pa.Table.from_pylist(
        [dict.fromkeys(ITEM.names) | {"row_no": n} | row for n, row in enumerate(rows, 1)], ITEM
    )


@FEW
@given(left=ITEMS, right=ITEMS, data=st.data())
def test_the_order_of_rows_changes_nothing(engine: LocalEngine, left, right, data) -> None:  # type: ignore[no-untyped-def]
    tables = [table_of(left), table_of(right)]
    shuffled = [table.take(pa.array(data.draw(st.permutations(range(table.num_rows))), pa.int64())) for table in tables]
    assert taken_through(engine, *shuffled) == taken_through(engine, *tables)


@FEW
@given(left=ITEMS, right=ITEMS)
def test_numbering_the_rows_the_other_way_round_changes_only_their_names(engine: LocalEngine, left, right) -> None:  # type: ignore[no-untyped-def]
    def said(found: tuple[list[Any], ...], turned: bool) -> Any:
        count = {"left": len(left), "right": len(right)}
        name = {row["match_no"]: set[Any]() for row in found[0]}
        for row in found[0]:
            place = count[row["side"]] + 1 - row["row_no"] if turned else row["row_no"]
            name[row["match_no"]].add((row["rule"], row["label"], row["side"], place))
        differences = {(frozenset(name[d["match_no"]]), d["cause"], d["difference_minor"]) for d in found[1]}
        return set(map(frozenset, name.values())), differences

    straight = taken_through(engine, table_of(left), table_of(right))
    turned = taken_through(engine, table_of(left[::-1]), table_of(right[::-1]))
    assert said(straight, False) == said(turned, True)


@FEW
@given(left=ITEMS, right=ITEMS)
def test_swapping_the_sides_swaps_the_rows_and_the_signs(engine: LocalEngine, left, right) -> None:  # type: ignore[no-untyped-def]
    def said(found: tuple[list[Any], ...], left: str, sign: int) -> Any:
        rows: dict[int, set[Any]] = {}
        for row in found[0]:
            rows.setdefault(row["match_no"], set()).add((row["rule"], row["label"], row["side"] == left, row["row_no"]))
        differences = {(frozenset(rows[d["match_no"]]), d["cause"], sign * d["difference_minor"]) for d in found[1]}
        ways: dict[tuple[int, int], set[Any]] = {}
        for row in found[2]:
            place = (row["match_no"], row["alternative_no"])
            ways.setdefault(place, set()).add((row["side"] == left, row["row_no"]))
        return set(map(frozenset, rows.values())), differences, set(map(frozenset, ways.values()))

    both_ways = "".join(line for line in EVERY_RULE.splitlines(keepends=True) if "net_of_fees" not in line)
    straight = taken_through(engine, table_of(left), table_of(right), both_ways)
    swapped = taken_through(engine, table_of(right), table_of(left), both_ways)
    assert said(straight, "left", 1) == said(swapped, "right", -1)


@FEW
@given(left=ITEMS, right=ITEMS)
def test_each_row_is_claimed_once_or_left_and_each_cent_has_a_name(engine: LocalEngine, left, right) -> None:  # type: ignore[no-untyped-def]
    matches, differences, alternatives, *over = taken_through(engine, table_of(left), table_of(right))
    for side, rows, rest in (("left", left, over[0]), ("right", right, over[1])):
        claimed = [row["row_no"] for row in matches if row["side"] == side]
        assert sorted(claimed + [row["row_no"] for row in rest]) == list(range(1, len(rows) + 1))
    amounts = {"left": left, "right": right}
    for number in {row["match_no"] for row in matches}:
        rows = [row for row in matches if row["match_no"] == number]
        ways = [row for row in alternatives if row["match_no"] == number]
        named = sum(int(row["difference_minor"]) for row in differences if row["match_no"] == number)
        if rows[0]["label"] == "unique":
            total = sum(
                (1 if row["side"] == "left" else -1) * amounts[row["side"]][row["row_no"] - 1]["amount_minor"]
                for row in rows
            )
            assert named == total and not ways
        else:
            assert named == 0
            assert {(w["side"], w["row_no"]) for w in ways} <= {(r["side"], r["row_no"]) for r in rows}
            assert rows[0]["label"] != "ambiguous" or len({way["alternative_no"] for way in ways}) > 1


def test_a_thousand_days_apart_is_a_window_too(told: Told) -> None:
    days = [date(2026, 3, 1), date(2026, 3, 1) + timedelta(days=1000)]
    left, right = [{"amount_minor": 5, "occurred_on": days[0]}], [{"amount_minor": 5, "occurred_on": days[1]}]
    assert told("[{dates: {within: 1000 days}}]", left, right).lines == ["dates unique: L1 = R1"]
    assert told("[{dates: {within: 999 days}}]", left, right).lines == []
