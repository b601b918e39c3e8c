"""Refunds out of order under kill -9: wherever the correction of their order dies, the same command ends as if nobody
had killed it.

The charges have no turn, so that refunds gave them back on arrival; those that come late come before them in the order.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from small_market import Fact, sales
from theatre import Scene, Story, Theatre, playing

WORK = "everycent.flow.pipeline.ordered_pass:give_back_in_order"
COMMIT = "everycent.flow.pipeline.corrected_batch:commit"
#: A third of the price rounds with each refund; the first refund takes the fee; the coupon has its turn.
ABOUT = """\
budgets:
  spring: {per: [merchant], period: month}
charges:
  third: {for: sold, amount: price / 3, debtor: merchant, creditor: platform}
  fee: {for: sold, amount: price * 0.05, debtor: merchant, creditor: platform, on_refund: return}
  gift:
    for: sold
    amount: coupon / 7
    creditor: merchant
    apportion: {bearers: {brand: 1, platform: 1}}
  coupon:
    for: sold
    amount: coupon
    creditor: merchant
    apportion: {budget: spring, bearers: {brand: {weight: 60, cap: 30.00}, platform: 40}}
order: {by: [occurred_at, id], late: rewind, window: 3}
statements: {merchant: {cycle: daily, mode: net}, brand: {cycle: monthly, mode: net}}
payouts: {}
"""
AMOUNTS = ("33.33", "11.17", "0.05")


def refunds(orders: range, *which: int) -> list[Fact]:
    """Of each order the refunds so numbered: all on one day, a minute apart."""
    return [
        ("returned", f"R{n:02}-{at}", f"R{n:02}-{at},S{n:02},{AMOUNTS[at]},2026-03-04 1{at}:{n:02}:00")
        for n in orders
        for at in which
    ]


#: The last refunds come first; some of what they gave back is closed before the others come.
BEFORE = [
    Scene(ABOUT, sales(range(8)), "2026-03-03"),
    Scene(ABOUT, refunds(range(8), 2), "2026-03-05"),
]
LATE = Scene(ABOUT, refunds(range(6), 1, 0), "2026-03-06")
STORIES = {
    "all at once": Story([WORK, COMMIT], BEFORE, LATE),
    "in batches": Story([WORK, COMMIT], BEFORE, LATE, {"EVERYCENT_BATCH_ROWS": "4"}),
}


@pytest.fixture(scope="module")
def theatre(databases: Any) -> Iterator[Theatre]:
    with playing(databases, STORIES) as made:
        yield made


def test_a_correction_of_the_order_that_dies_goes_on(theatre: Theatre) -> None:
    """It dies in a commit, after others."""
    stage = theatre.stage("in batches")
    assert stage.undisturbed.verified and min(stage.statements) > 3
    assert theatre.killed("in batches", 1010), "it died at work"


@pytest.mark.soak
@pytest.mark.parametrize("name", STORIES)
def test_sixty_kills_each(theatre: Theatre, name: str) -> None:
    hits = sum(theatre.killed(name, seed) for seed in range(60))
    print(f"{name}: {hits} of 60 kills hit the work, of {theatre.stage(name).statements} statements")
    assert hits >= 50, "the kills hit the work"
