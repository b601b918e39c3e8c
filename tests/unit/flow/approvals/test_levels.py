"""Which levels an amount needs."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from everycent.base.money.currency import currency
from everycent.flow.approvals.contract import Level, Levels, LevelSpec, OnTimeout
from everycent.flow.approvals.core.levels import needed_levels

DECLARED = TypeAdapter(Levels)
CNY, JPY = currency("CNY"), currency("JPY")

limits = st.none() | st.integers(0, 10**6).map(str) | st.just({"CNY": "100.50", "JPY": "2000"})
levels = st.lists(st.builds(LevelSpec, by=st.sampled_from(["a", "b", "c"]), above=limits), min_size=1, max_size=4)


def test_names_alone_are_levels() -> None:
    declared = DECLARED.validate_python(["operations", {"by": "finance", "above": "10000"}])
    assert [level.by for level in declared] == ["operations", "finance"]
    assert needed_levels(declared, 10_000_00, CNY) == (Level("operations"),)
    assert needed_levels(declared, 10_000_01, CNY) == (Level("operations"), Level("finance"))
    assert needed_levels(declared, 10_001, JPY) == (Level("operations"), Level("finance"))


def test_a_currency_that_is_not_named_always_asks() -> None:
    declared = DECLARED.validate_python([{"by": "finance", "above": {"CNY": "10000"}}])
    assert needed_levels(declared, 1, CNY) == ()
    assert needed_levels(declared, 1, JPY) == (Level("finance"),)


def test_a_level_escalates_to_the_next_declared_one_even_if_the_amount_does_not_need_it() -> None:
    declared = DECLARED.validate_python(
        [{"by": "operations", "within": "2 days", "then": "escalate"}, {"by": "finance", "above": "10000"}]
    )
    assert needed_levels(declared, 1, CNY) == (Level("operations", 2 * 86_400, "finance"),)


@pytest.mark.parametrize(
    ("given_levels", "says"),
    [
        ([], "nobody is named; name a group"),
        ([{"by": "operations", "within": "1 day", "then": "escalate"}], "nobody stands above operations"),
        ([{"by": "operations", "then": "escalate"}, "finance"], "operations waits for ever and so never escalates"),
    ],
)
def test_levels_that_could_not_work_are_refused(given_levels: list[object], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        DECLARED.validate_python(given_levels)


@given(levels, st.integers(0, 2**63 - 1), st.integers(0, 2**63 - 1), st.sampled_from([CNY, JPY]))
def test_a_larger_amount_needs_all_that_a_smaller_one_needs(
    declared: list[LevelSpec], one: int, other: int, money: object
) -> None:
    small, large = sorted((one, other))
    left = iter(needed_levels(declared, large, money))  # type: ignore[arg-type]
    assert all(level in left for level in needed_levels(declared, small, money)), "in the same order"  # type: ignore[arg-type]


@given(levels, st.integers(0, 10**12))
def test_levels_come_in_declared_order_and_wait_as_declared(declared: list[LevelSpec], amount: int) -> None:
    patient = [level.model_copy(update={"within": timedelta(hours=6), "then": OnTimeout.REFUSE}) for level in declared]
    needed = needed_levels(patient, amount, CNY)
    left = iter(declared)
    assert all(any(level.group == spec.by for spec in left) for level in needed)
    assert all(level.within_s == 21_600 and level.escalates_to is None for level in needed)
