"""Refunds of charges without a turn: whatever order they arrive in, the strict order decides what each gives back."""

from collections.abc import Sequence
from datetime import date
from fractions import Fraction
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from market_place import LATER, MarketPlace, opened
from small_market import Fact, market

from everycent.base.engine.local import LocalEngine

ABOUT = """\
budgets:
  spring: {per: [merchant], period: month}
charges:
  goods: {for: sold, amount: price, debtor: platform, creditor: merchant}
  third: {for: sold, amount: price / 3, debtor: merchant, creditor: platform}
  fee: {for: sold, amount: price * 0.05, debtor: merchant, creditor: platform, on_refund: return}
  stamp: {for: sold, amount: 0.10, debtor: merchant, creditor: platform, on_refund: keep}
  gift:
    for: sold
    amount: coupon / 7
    creditor: merchant
    apportion: {bearers: {brand: 1, platform: 1}}
  handling: {for: sold, per_share_of: gift, amount: share * 0.5, debtor: bearer, creditor: merchant}
  coupon:
    for: sold
    amount: coupon
    creditor: merchant
    apportion: {budget: spring, bearers: {brand: {weight: 60, cap: 30.00}, platform: 40}}
order: {by: [occurred_at, id], late: rewind, window: 3}
statements: {merchant: {cycle: daily, mode: net}, brand: {cycle: monthly, mode: net}}
payouts: {}
"""
#: Worth and coupon of what was sold, in minor units; what was refunded of it, in the strict order.
SOLD = {"S1": (100_01, 9_99), "S2": (10, 7)}
REFUNDED = {"S1": (1, 33_33, 33_34, 5), "S2": (3, 3, 3, 1)}
SALES: list[Fact] = [
    ("sold", key, f"{key},m-1,b-1,{worth / 100:.2f},{coupon / 100:.2f},2026-03-01 0{at}:00:00")
    for at, (key, (worth, coupon)) in enumerate(SOLD.items())
]
#: The second and the third of each came at the same time, and their ids break the tie; the first came before the sale.
TIMES = ("2026-02-27 10:00:00", "2026-03-02 10:00:00", "2026-03-02 10:00:00", "2026-03-03 10:00:00")
REFUNDS: list[Fact] = [
    ("returned", f"R{of}{at}", f"R{of}{at},{of},{amount / 100:.2f},{time}")
    for of, amounts in REFUNDED.items()
    for at, (amount, time) in enumerate(zip(amounts, TIMES, strict=True))
]
PLACE = ("key", "charge", "bearer", "debtor", "creditor")
STATED = (*PLACE, "booked_on", "debtor_statement", "creditor_statement")
_TENANTS = count()
#: An example takes seconds: what fails is told as it was drawn.
DRAWN = (Phase.explicit, Phase.generate)


@pytest.fixture
def once(database: Any, engine: LocalEngine, tmp_path: Path) -> MarketPlace:
    """What was sold, then the refunds in their order."""
    place = opened(database, engine, tmp_path / "once", tenant="once").about(market(ABOUT))
    place.deliver(SALES)
    done = place.deliver(sorted(REFUNDS, key=lambda fact: (fact[2].split(",")[-1], fact[1])))
    assert done.ordered.given_back_anew == 0
    place.proven()
    return place


@st.composite
def deliveries(draw: st.DrawFn) -> list[list[Fact]]:
    """The refunds in any order, cut anywhere; what is sold has come by then."""
    refunds = draw(st.permutations(REFUNDS))
    cuts = sorted(draw(st.sets(st.integers(1, len(refunds) - 1), max_size=2)))
    parts = [list(refunds[first:last]) for first, last in pairwise([0, *cuts, len(refunds)])]
    return [SALES, *parts]


@settings(max_examples=3, phases=DRAWN, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=deliveries())
def test_any_order_of_arrival_gives_what_the_strict_order_does(
    once: MarketPlace, database: Any, engine: LocalEngine, tmp_path: Path, parts: list[list[Fact]]
) -> None:
    converges(arrived(parts, database, engine, tmp_path), once)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@settings(max_examples=100, phases=DRAWN, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=deliveries())
def test_a_hundred_orders_of_arrival(
    once: MarketPlace, database: Any, engine: LocalEngine, tmp_path: Path, parts: list[list[Fact]]
) -> None:
    converges(arrived(parts, database, engine, tmp_path), once)


def arrived(parts: Sequence[Sequence[Fact]], database: Any, engine: LocalEngine, folder: Path) -> MarketPlace:
    name = f"t{next(_TENANTS)}"
    place = opened(database, engine, folder / name, tenant=name).about(market(ABOUT))
    for part in parts:
        place.deliver(part)
    return place


def converges(place: MarketPlace, once: MarketPlace) -> None:
    """The same obligations, booked on the same days, on the same statements, each of which has the same amount."""
    assert place.sums(of=STATED) == once.sums(of=STATED)
    assert amounts(place) == amounts(once)
    place.proven()
    assert place.deliver([]).ordered.given_back_anew == 0


def amounts(place: MarketPlace) -> list[tuple[Any, ...]]:
    return [(name, payable, receivable) for name, payable, receivable, *_ in place.statements()]


def test_what_the_strict_order_gives_is_reckoned_by_hand(once: MarketPlace) -> None:
    given: dict[tuple[str, str], int] = {}
    for of, (worth, _) in SOLD.items():
        rates = {"goods": worth, "third": half_up(Fraction(worth, 3))}
        fee, back, so_far = half_up(Fraction(worth, 20)), dict.fromkeys(rates, 0), 0
        for at, amount in enumerate(REFUNDED[of]):
            so_far += amount
            given[f"R{of}{at}", "fee"] = -fee if at == 0 else 0
            for charge, whole in rates.items():
                target = half_up(Fraction(whole * so_far, worth))
                given[f"R{of}{at}", charge], back[charge] = back[charge] - target, target
    found = once.sums(of=("key", "charge"))
    assert {pair: found.get(pair, 0) for pair in given} == given


def half_up(value: Fraction) -> int:
    return int(value + Fraction(1, 2))


def test_what_is_closed_stays_and_the_next_statements_have_the_difference(
    once: MarketPlace, database: Any, engine: LocalEngine, tmp_path: Path
) -> None:
    place = opened(database, engine, tmp_path / "closed", tenant="closed").about(market(ABOUT))
    place.deliver([*SALES, *REFUNDS[3:4], *REFUNDS[7:]], date(2026, 3, 5))
    closed = [row for row in place.statements() if row[-1] == "closed"]
    assert len(closed) > 1
    anew = place.deliver([*REFUNDS[:3], *REFUNDS[4:7]], date(2026, 3, 5)).ordered.given_back_anew
    assert anew > 0 and [row for row in place.statements() if row in closed] == closed
    assert place.sums(of=PLACE) == once.sums(of=PLACE)
    place.proven()


def test_where_late_records_join_arrival_decides(database: Any, engine: LocalEngine, tmp_path: Path) -> None:
    place = opened(database, engine, tmp_path / "join").about(market(ABOUT.replace("late: rewind", "late: join")))
    for part in (SALES, REFUNDS[3:4], REFUNDS[:1]):
        assert place.deliver(part).ordered.given_back_anew == 0
    assert place.sums(of=("key", "charge"))["RS13", "fee"] == -500
    place.proven()


def test_a_correction_and_a_rewind_leave_the_refunds_as_they_are(
    once: MarketPlace, database: Any, engine: LocalEngine, tmp_path: Path
) -> None:
    place = arrived([SALES, REFUNDS[::-1]], database, engine, tmp_path)
    assert place.sums(of=STATED) == once.sums(of=STATED)
    assert place.rerate().changes.num_rows == 0
    place.rewind("S1")
    assert place.sums(of=STATED) == once.sums(of=STATED)
    place.deliver([("sold", "S0", "S0,m-1,b-1,1.00,1.00,2026-02-01 08:00:00")], LATER)
    place.proven()
