"""What pass one leaves goes through the rules: every row is in one bucket still, and each difference has a name."""

from collections import Counter
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from written_sides import ROWS, RULES, rows_of, side

from everycent.base.engine.local import LocalEngine
from everycent.base.money.currency import currency
from everycent.proof.recon.contract import SIDE, Bucket, MatchLabel
from everycent.proof.recon.core.matching.plan import plan_match
from everycent.proof.recon.core.plan import ReconPlan
from everycent.proof.recon.rules import MatchRuleSpec
from everycent.proof.recon.second_pass import Explained, explain_leftovers
from everycent.proof.recon.stage import Reconciled, reconcile

Told = tuple[Reconciled, Explained]


@pytest.fixture(scope="session")
def explain(engine: LocalEngine) -> Any:
    def run(left: Any, right: Any, rules: str, sums: bool = False, tolerance: int = 0) -> Told:
        specs = [MatchRuleSpec.model_validate(rule) for rule in yaml.load(rules, yaml.BaseLoader)]
        how = ReconPlan("bill", tolerance, sums, False, False, plan_match("bill", specs, currency("CNY"), {}))
        sides = [one if isinstance(one, pa.Table) else side(one, f) for one, f in ((left, "l"), (right, "r"))]
        assert how.rules is not None
        return explain_leftovers(how, how.rules, reconcile(how, *sides, engine), *sides, engine)

    return run


def buckets(told: Told) -> dict[str, tuple[int, int, int]]:
    return {
        row["bucket"]: (row["left_rows"], row["right_rows"], int(row["difference_minor"]))
        for row in told[0].totals.to_pylist()
        if row["left_rows"] or row["right_rows"]
    }


def causes(told: Told) -> dict[str, int]:
    return {row["cause"]: int(row["difference_minor"]) for row in told[1].differences.to_pylist()}


def test_what_is_not_equal_is_explained_and_its_difference_named(explain: Any) -> None:
    told = explain(
        "key amount day of\nA 500 1 m\nB 300 1 m\nC 1000 2 n",
        "key amount day of\nA 500 1 m\nX 300 2 m\nY 994 2 n\nZ 7 2 n",
        "[{dates: {by: counterparty, within: 2 days}}, {net_of_fees: {by: counterparty, formula: {rate: '0.006'}}}]",
    )
    assert buckets(told) == {"equal": (1, 1, 0), "matched": (2, 2, 6), "missing_left": (0, 1, -7)}
    assert causes(told) == {"fee": 6}
    assert [(row["rule"], row["key"]) for row in told[1].matches.to_pylist()] == [
        ("dates", "B"), ("dates", "X"), ("net_of_fees", "C"), ("net_of_fees", "Y"),
    ]  # fmt: skip


def test_what_two_ways_explain_waits_with_both(explain: Any) -> None:
    told = explain("key amount day\nA 500 1", "key amount day\nX 500 1\nY 500 2", "[{dates: {within: 2 days}}]")
    assert buckets(told) == {"ambiguous": (1, 2, -500)}
    assert told[0].breaks["cause"].to_pylist() == ["ambiguous"] * 3
    ways = told[1].alternatives.to_pylist()
    assert {row["alternative_no"] for row in ways} == {1, 2} and len(ways) == 4
    assert told[1].matches_with(MatchLabel.AMBIGUOUS) == 1


def test_of_a_pair_that_differs_the_one_may_be_explained_without_the_other(explain: Any) -> None:
    told = explain("key amount day\nA 500 1", "key amount day\nA 900 1\nX 500 2", "[{dates: {within: 2 days}}]")
    assert buckets(told) == {"matched": (1, 1, 0), "missing_left": (0, 1, -900)}
    (left,) = told[0].breaks.to_pylist()
    assert (left["key"], left["left_amount_minor"], left["right_amount_minor"]) == ("A", None, 900)
    assert (left["left_file"], left["right_file"], left["right_line"]) == (None, "r", 1)


def test_a_pair_that_no_rule_touches_stays_a_pair(explain: Any) -> None:
    told = explain("key amount day\nA 500 1", "key amount day\nA 900 1", "[{dates: {within: 2 days}}]")
    assert buckets(told) == {"amount_differs": (1, 1, -400)}


def test_rows_that_add_up_go_through_the_rules_together(explain: Any) -> None:
    told = explain(
        "key amount day of\nA 300 1 m\nA 200 1 m\nB 1 1 m\nB 2 2 m",
        "key amount day of\nX 500 2 m\nY 3 2 m",
        "[{dates: {by: counterparty, within: 2 days}}]",
        sums=True,
    )
    assert buckets(told) == {"matched": (2, 1, 0), "missing_left": (0, 1, -3), "missing_right": (2, 0, 3)}


def test_surplus_rows_of_a_key_take_part(explain: Any) -> None:
    told = explain("key amount\nA 500\nA 700", "key amount\nA 500\nA 701", "[{tolerance: {absolute: '0.01'}}]")
    assert buckets(told) == {"equal": (1, 1, 0), "matched": (1, 1, -1)}
    assert causes(told) == {"within_tolerance": -1}


def test_a_match_across_currencies_says_what_the_currencies_make_up(explain: Any) -> None:
    told = explain(
        "key amount money\nA 1000 USD", "key amount money\nA 7210 CNY", "[{key: {may_differ: [amount, currency]}}]"
    )
    assert buckets(told) == {"matched": (1, 1, -6210)}
    assert causes(told) == {"conversion": -6210}


def test_not_all_tried_is_said(explain: Any) -> None:
    many = "key amount day of\n" + "\n".join(f"{letter} 500 1 m" for letter in "ABCD")
    told = explain(many, many.translate(str.maketrans("ABCD", "WXYZ")),
                   "[{dates: {by: counterparty, within: 2 days, pairs: '3'}}]")  # fmt: skip
    assert buckets(told) == {"budget_exhausted": (4, 4, 0)}
    assert set(told[0].breaks["cause"].to_pylist()) == {"budget_exhausted"}


@settings(max_examples=12, deadline=None)
@given(left=ROWS, right=ROWS, sums=st.booleans(), tolerance=st.integers(0, 1))
def test_no_row_is_lost_and_every_difference_is_named(
    explain: Any, left: list[Any], right: list[Any], sums: bool, tolerance: int
) -> None:
    sides = rows_of(left, "l"), rows_of(right, "r")
    result, explained = explain(*sides, RULES, sums=sums, tolerance=tolerance)
    totals = {row["bucket"]: row for row in result.totals.to_pylist()}
    assert list(totals) == [bucket for bucket in Bucket if bucket not in (Bucket.ONLY_RIGHT, Bucket.IN_TOTAL)]
    for name, rows in (("left", left), ("right", right)):
        assert sum(row[f"{name}_rows"] for row in totals.values()) == len(rows)
        assert sum(row[f"{name}_minor"] for row in totals.values()) == sum(row[1] for row in rows)
    found: Counter[str] = Counter()
    for row in [*result.breaks.to_pylist(), *result.write_offs.to_pylist()]:
        found[row["bucket"]] += row["difference_minor"]
    found[Bucket.MATCHED] = sum(int(x) for x in explained.differences["difference_minor"].to_pylist())
    assert +found == Counter({k: int(r["difference_minor"]) for k, r in totals.items() if r["difference_minor"] > 0})
    assert sum(found.values()) == result.difference_minor
    claimed = explained.matches.group_by(["side", "row_no"]).aggregate([]).num_rows
    assert claimed == explained.matches.num_rows


@settings(max_examples=5, deadline=None)
@given(left=ROWS, right=ROWS, data=st.data())
def test_the_order_of_rows_changes_no_verdict(explain: Any, left: list[Any], right: list[Any], data: Any) -> None:
    sides = rows_of(left, "l"), rows_of(right, "r")
    turned = [one.take(data.draw(st.permutations(range(one.num_rows)))) if one.num_rows else one for one in sides]
    one, other = explain(*sides, RULES), explain(*turned, RULES)
    assert one == other
    assert pc.sum(one[0].totals["left_rows"]).as_py() == len(left)
    assert SIDE.names == [*sides[0].column_names[:5]]
