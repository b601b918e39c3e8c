"""One-way, and totals beside details: what each mode shows, and what must hold of it for any two sides."""

import json
from collections import Counter
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from written_sides import ROWS, RULES, rows_of, side

from everycent.base.engine.local import LocalEngine
from everycent.base.money.currency import currency
from everycent.proof.recon.contract import BY_KEY, Bucket, ReconSpec
from everycent.proof.recon.core.dimensions import TotalPlan, apart, beyond_limit
from everycent.proof.recon.core.matching.plan import plan_match
from everycent.proof.recon.core.plan import ReconPlan, TotalRefused, plan_recon
from everycent.proof.recon.in_modes import Beyond, compare_in_modes, residual_minor
from everycent.proof.recon.rules import MatchRuleSpec
from everycent.proof.recon.stage import Reconciled, reconcile

PLAN = ReconPlan("bill", 0, False, False, False)
BY_DAY = TotalPlan(("occurred_on",), 0, "CNY")


@pytest.fixture(scope="session")
def compare_as(engine: LocalEngine) -> Any:
    def run(plan: ReconPlan, left: Any, right: Any) -> tuple[Reconciled, Beyond]:
        sides = [one if isinstance(one, pa.Table) else side(one, f) for one, f in ((left, "l"), (right, "r"))]
        return compare_in_modes(plan, reconcile, *sides, engine)

    return run


def filled(found: Reconciled) -> dict[str, tuple[int, int, int]]:
    rows = [row for row in found.totals.to_pylist() if row["left_rows"] or row["right_rows"]]
    return {row["bucket"]: (row["left_rows"], row["right_rows"], int(row["difference_minor"])) for row in rows}


def test_one_way_counts_what_only_the_right_has_and_calls_it_no_break(compare_as: Any) -> None:
    found, _ = compare_as(
        replace(PLAN, one_way=True),
        "key amount\nA 5\nB 7\nC 9",
        "key amount\nA 5\nA 5\nC 8\nX 1\nX 2\nY 3",
    )
    assert filled(found) == {
        "equal": (1, 1, 0), "missing_right": (1, 0, 7), "amount_differs": (1, 1, 1), "duplicated_right": (0, 1, -5),
        "only_right": (0, 3, -6),
    }  # fmt: skip
    assert [row["key"] for row in found.breaks.to_pylist()] == ["A", "B", "C"]
    assert found.residual_minor == 0


def test_one_way_lets_rules_have_rows_of_the_right_first(compare_as: Any) -> None:
    rules = plan_match("bill", [MatchRuleSpec.model_validate({"dates": {"within": "1 day"}})], currency("CNY"), {})
    found, beyond = compare_as(
        replace(PLAN, one_way=True, rules=rules), "key amount day\nA 5 1", "key amount day\nX 5 1\nY 6 1"
    )
    assert filled(found) == {"matched": (1, 1, 0), "only_right": (0, 1, -6)}
    assert (found.breaks.num_rows, beyond.explained.matches.num_rows) == (0, 2)


def test_total_and_details_part_where_equal_rows_are_on_different_days(compare_as: Any) -> None:
    _, beyond = compare_as(
        replace(PLAN, total=BY_DAY),
        "key amount day\nA 500 1\nB 300 1\nC 100 2",
        "key amount day\nA 500 1\nB 300 2\nC 90 2",
    )
    assert [
        (json.loads(row["dimension"]), *(int(row[f"{name}_minor"]) for name in ("difference", "detail", "apart")))
        for row in beyond.dimensions.to_pylist()
    ] == [({"occurred_on": "2026-03-01"}, 300, 0, 300), ({"occurred_on": "2026-03-02"}, -290, 10, -300)]
    assert len(beyond_limit(beyond.dimensions)) == 2


def test_where_equal_rows_agree_on_the_dimension_the_witnesses_agree(compare_as: Any) -> None:
    _, beyond = compare_as(replace(PLAN, total=BY_DAY), "key amount day\nA 5 1\nB 3 1", "key amount day\nA 5 1\nC 1 2")
    assert not apart(beyond.dimensions)


def test_in_total_alone_the_residual_is_stated(compare_as: Any) -> None:
    plan = replace(PLAN, detail=False, total=TotalPlan(("counterparty",), 4, "CNY"))
    found, beyond = compare_as(plan, "key amount of\nA 5 m\nB 3 n", "key amount of\nX 9 m\nY 4 n")
    assert filled(found) == {"in_total": (2, 2, -5)}
    assert (residual_minor(found), found.breaks.num_rows) == (-5, 0)
    assert [(row["detail_minor"], int(row["apart_minor"])) for row in beyond.dimensions.to_pylist()] == [
        (None, -4), (None, -1),
    ]  # fmt: skip
    assert not beyond_limit(beyond.dimensions)
    strict = replace(plan, total=TotalPlan(("counterparty",), 3, "CNY"))
    assert len(beyond_limit(compare_as(strict, "key amount of\nA 5 m", "key amount of\nX 9 m")[1].dimensions)) == 1


SIDE = {"file": "a.csv", "columns": {"id": "text", "paid": "money"}, "key": "id", "amount": "paid"}


def test_totals_of_sides_that_name_their_currency_are_by_currency(engine: LocalEngine) -> None:
    columns = {"id": "text", "paid": "money", "money": "text"}
    both = {"file": "a.csv", "columns": columns, "key": "id", "amount": "paid", "currency": "money"}
    words = {"left": both, "right": both, "detail": "no", "total": {"limit": "0.01"}}
    plan = plan_recon("bill", ReconSpec.model_validate(words), currency("CNY"))
    rows = [
        pa.table({"source_file": ["f"], "source_line": pa.array([1], pa.int64()), "key": ["A"],
                  "amount_minor": pa.array([100], pa.int64()), "status": pa.nulls(1, pa.string()), "currency": [code]})
        for code in ("USD", "JPY")
    ]  # fmt: skip
    found = compare_in_modes(plan, reconcile, rows[0], rows[1], engine)[1].dimensions
    told = [(row["dimension"], int(row["apart_minor"]), row["limit_minor"]) for row in found.to_pylist()]
    assert told == [('{"currency":"JPY"}', -100, 0), ('{"currency":"USD"}', 100, 1)]
    assert len(beyond_limit(found)) == 2


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ({"detail": "no"}, "without details there is nothing but totals; write `total`"),
        ({"detail": "no", "total": {}, "mode": "one_way"}, "rules, mode and tolerance are of details"),
        ({"total": {"by": "counterparty"}}, "total looks at 'counterparty', which the left side does not name"),
        ({"total": {"limit": "0.001"}}, "total: limit: '0.001' has 3 decimals, CNY has 2"),
    ],
)
def test_totals_that_do_not_fit_are_refused(words: dict[str, Any], reason: str) -> None:
    spec = ReconSpec.model_validate({"left": SIDE, "right": SIDE, **words})
    with pytest.raises((TotalRefused, ValueError), match=reason):
        plan_recon("bill", spec, currency("CNY"))


@pytest.mark.parametrize(
    ("total", "reason"),
    [({"by": "colour"}, "'colour' is nothing to add up by"), ({"by": ["group", "group"]}, "names one twice"),
     ({"limit": "-1"}, "-1 is negative")],
)  # fmt: skip
def test_words_of_totals_that_are_none_are_refused(total: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        ReconSpec.model_validate({"left": SIDE, "right": SIDE, "total": total})


@settings(max_examples=10, deadline=None)
@given(left=ROWS, right=ROWS, sums=st.booleans(), one_way=st.booleans(), ruled=st.booleans())
def test_modes_lose_no_row_and_no_cent(
    compare_as: Any, left: list[Any], right: list[Any], sums: bool, one_way: bool, ruled: bool
) -> None:
    specs = [MatchRuleSpec.model_validate(rule) for rule in yaml.load(RULES, yaml.BaseLoader)]
    rules = plan_match("bill", specs, currency("CNY"), {}) if ruled else None
    total = TotalPlan(("counterparty", "occurred_on"), None, "CNY")
    plan = replace(PLAN, left_sums=sums, one_way=one_way, rules=rules, total=total)
    sides = rows_of(left, "l"), rows_of(right, "r")
    found, beyond = compare_as(plan, *sides)
    for name, rows in (("left", left), ("right", right)):
        assert sum(found.totals[f"{name}_rows"].to_pylist()) == len(rows)
        assert sum(beyond.dimensions[f"{name}_rows"].to_pylist()) == len(rows)
    assert found.residual_minor == 0
    assert sum(beyond.dimensions["apart_minor"].to_pylist()) == 0
    expected: Counter[tuple[Any, Any]] = Counter()
    for rows, sign in ((left, 1), (right, -1)):
        for _, amount, day, of in rows:
            expected[None if of == "-" else of, f"2026-03-{day:02}"] += sign * amount
    assert {
        (value["counterparty"], value["occurred_on"]): int(row["difference_minor"])
        for row in beyond.dimensions.to_pylist()
        for value in [json.loads(row["dimension"])]
    } == dict(expected)
    listed = [*BY_KEY, *([*Bucket][8:11] if ruled else []), *([Bucket.ONLY_RIGHT] if one_way else [])]
    assert found.totals["bucket"].to_pylist() == listed
