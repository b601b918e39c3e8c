"""Corrections under kill -9: wherever a plan or a correction dies, the same command ends as an undisturbed one.

One story dies anywhere in the work, in its commits and while the ledger is posted, one in a correction of several
batches, one in a plan, which leaves nothing behind.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from small_market import returns, sales
from theatre import Scene, Story, Theatre, playing

WORK = "everycent.flow.pipeline.rerating:_Work.all_of"
COMMIT = "everycent.flow.pipeline.corrected_batch:commit"
POSTING = "everycent.flow.ledger.store:write"
#: Arrival decides the fee, order the shares of the coupon; both follow the rate.
RATED = """
factors:
  rate: {table: rates.csv, key: [merchant]}
budgets:
  spring: {per: [merchant], period: month}
charges:
  goods: {for: sold, amount: price, debtor: platform, creditor: merchant}
  fee: {for: sold, amount: price * rate, debtor: merchant, creditor: platform}
  coupon:
    for: sold
    amount: "coupon * (1 + rate)"
    creditor: merchant
    apportion:
      budget: spring
      by: ratio
      bearers: {brand: {weight: 60, cap: 30.00}, platform: 40}
order: {by: [occurred_at, id], late: rewind, window: 3}
statements: {merchant: {cycle: daily, mode: net}, brand: {cycle: monthly, mode: net}}
payouts: {}
"""
WRONG, RIGHT = ({"rates.csv": f"merchant,rate\nm-0,{rate}\nm-1,0.02\n"} for rate in ("0.05", "0.25"))
#: Some days are closed, and some refunds came after that.
BEFORE = [
    Scene(RATED, [*sales(range(10)), *returns((1,))], "2026-03-02", tables=WRONG),
    Scene(RATED, returns((2, 4)), "2026-03-04", tables=WRONG),
]


def correcting(*asks: str) -> Scene:
    """The command, with the rates as they should have been."""
    return Scene(RATED, tables=RIGHT, asks=("rerate", asks[0], "MODEL", "--kind", "sold", "--look-up", *asks[1:]))


STORIES = {
    "all at once": Story([WORK, POSTING], BEFORE, correcting("run")),
    "in batches": Story([WORK, COMMIT], BEFORE, correcting("run"), {"EVERYCENT_BATCH_ROWS": "4"}),
    "its shares again": Story([WORK], BEFORE, correcting("run", "--charge", "coupon", "--charge", "fee")),
    "plan": Story([WORK], BEFORE, correcting("plan")),
}


@pytest.fixture(scope="module")
def theatre(databases: Any) -> Iterator[Theatre]:
    with playing(databases, STORIES) as made:
        yield made


def test_a_correction_that_dies_goes_on(theatre: Theatre) -> None:
    """One dies in the work, into the lake, another while it posts."""
    stage = theatre.stage("all at once")
    assert stage.undisturbed.verified and min(stage.statements) > 3
    assert all(theatre.killed("all at once", seed) for seed in (1017, 1006)), "they died at work"


@pytest.mark.soak
@pytest.mark.parametrize("name", STORIES)
def test_sixty_kills_each(theatre: Theatre, name: str) -> None:
    hits = sum(theatre.killed(name, seed) for seed in range(60))
    print(f"{name}: {hits} of 60 kills hit the work, of {theatre.stage(name).statements} statements")
    assert hits >= 50, "the kills hit the work"
