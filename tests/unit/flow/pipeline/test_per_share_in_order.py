"""Charges per share of what draws on a budget: the shares are known in strict order, and so are they."""

from datetime import date
from pathlib import Path
from typing import Any

from forger import reseal
from market_place import MarketPlace, opened
from small_market import Fact, market

from everycent.base.engine.local import LocalEngine
from everycent.proof.explain.service import explain
from everycent.proof.verify.core.shares import PER_SHARE
from everycent.proof.verify.service import verify

ABOUT = """\
budgets:
  spring: {per: [merchant], period: month}
factors:
  fee_rate: {table: fees.csv, key: [bearer], column: rate}
charges:
  goods: {for: sold, amount: price, debtor: platform, creditor: merchant}
  coupon:
    for: sold
    amount: coupon
    creditor: merchant
    apportion:
      budget: spring
      by: ratio
      bearers: {brand: {weight: 60, cap: 15.00}, platform: 40}
  fee: {for: sold, per_share_of: coupon, amount: share * fee_rate + goods / 1000, debtor: bearer, creditor: merchant}
order: {by: [occurred_at, id], late: rewind, window: 2}
statements: {merchant: {cycle: daily, mode: net}, brand: {cycle: daily, mode: net}}
payouts: {}
"""
TABLES = {"fees.csv": "bearer,rate\nbrand,0.10\nplatform,0.05\n"}
A1: Fact = ("sold", "A1", "A1,m-1,b-1,100.00,10.00,2026-03-01 10:00")
A2: Fact = ("sold", "A2", "A2,m-1,b-1,100.00,10.00,2026-03-01 11:00")
A3: Fact = ("sold", "A3", "A3,m-1,b-1,100.00,10.00,2026-03-01 12:00")
R1: Fact = ("returned", "R1", "R1,A1,50.00,2026-03-01 13:00")
A4: Fact = ("sold", "A4", "A4,m-1,b-1,100.00,10.00,2026-03-01 14:00")
FACTS = [A1, A2, A3, R1, A4]
#: By hand. The brand carries 6.00, 6.00, 3.00 (its cap), -3.00, 3.00; the platform 4.00, 4.00, 7.00, -2.00, 7.00.
#: The fee is 10 % and 5 % of that, and 0.10: R1 gives half of 0.70 and 0.30 back.
FEES = {
    ("A1", 1): 70, ("A1", 2): 30, ("A2", 1): 70, ("A2", 2): 30, ("A3", 1): 40, ("A3", 2): 45,
    ("R1", 1): -35, ("R1", 2): -15, ("A4", 1): 40, ("A4", 2): 45,
}  # fmt: skip
DAY, OPEN = date(2026, 3, 2), date(2026, 3, 1)


def fees(place: MarketPlace) -> dict[Any, int]:
    found = place.sums(of=("key", "charge", "bearer"))
    return {(key, bearer): amount for (key, charge, bearer), amount in found.items() if charge == "fee"}


def what_stands(place: MarketPlace) -> list[dict[str, Any]]:
    return [row for row in place.effective() if not row["adjusts"]]


def test_shares_that_caps_cut_are_rated_in_their_turn(place: MarketPlace) -> None:
    one = place.about(market(ABOUT), TABLES)
    one.deliver(FACTS, DAY)
    assert fees(one) == FEES
    one.proven()
    session = one.session
    found = explain(session.connection, session.details, session.engine, session.tenant, "sold:A3/fee")
    said = " ".join("\n".join(found.to_lines()).split())
    assert "in numbers 3.00 * 0.1 + 100.00 / 1000 = 0.40" in said and "cleared in order number 3" in said


def test_any_cut_gives_the_same_rows(place: MarketPlace, database: Any, engine: LocalEngine, tmp_path: Path) -> None:
    one = place.about(market(ABOUT), TABLES)
    one.deliver(FACTS, OPEN)
    many = opened(database, engine, tmp_path / "many", tenant="many", lake_from_rows=1)
    many = many.about(market(ABOUT).replace("window: 2", "window: 1"), TABLES)
    for fact in FACTS:
        many.deliver([fact], OPEN)
    assert many.effective() == one.effective()
    many.proven()


def test_a_late_share_moves_the_fees_of_all_after_it(place: MarketPlace, once: MarketPlace) -> None:
    late = place.about(market(ABOUT), TABLES)
    late.deliver([A1, A3, R1], OPEN)
    late.deliver([A2, A4], OPEN)
    clean = once.about(market(ABOUT), TABLES)
    clean.deliver(FACTS, OPEN)
    assert fees(late) == FEES and late.sums() == clean.sums()
    assert what_stands(late) == what_stands(clean)
    late.proven()


def test_a_late_share_after_the_close_is_adjusted_to_what_clearing_once_gives(place: MarketPlace) -> None:
    closed = place.about(market(ABOUT), TABLES)
    closed.deliver([A1, A3, R1], DAY)
    closed.deliver([A2, A4], DAY)
    assert fees(closed) == FEES
    closed.proven()


def test_what_a_bearer_lacks_parks_the_record_until_it_is_there(place: MarketPlace) -> None:
    waiting = place.about(market(ABOUT), {"fees.csv": "bearer,rate\nbrand,0.10\n"})
    waiting.deliver(FACTS, DAY)
    assert fees(waiting) == {} and not [row for row in waiting.effective() if row["charge"] == "coupon"]
    waiting.proven()
    mended = waiting.about(market(ABOUT), TABLES)
    assert mended.rate_parked().waiting == 0
    mended.deliver([], DAY)
    assert fees(mended) == FEES
    mended.proven()


def test_who_has_an_amount_of_a_share_that_he_does_not_carry_is_named_in_order_too(place: MarketPlace) -> None:
    one = place.about(market(ABOUT), TABLES)
    one.deliver(FACTS, OPEN)
    connection, session = one.session.connection, one.session
    with connection.transaction(force_rollback=True):
        connection.execute("UPDATE clearing.ordered_obligation SET debtor = 'brand:b-9' WHERE charge = 'fee'")
        reseal(connection, ["clearing.ordered_obligation"])
        verdict = verify(connection, session.details, session.engine, session.tenant)
        assert [check.bad for check in verdict.findings if check.name == PER_SHARE.name] == [8]


def test_a_later_version_goes_on_and_a_correction_is_followed_by_a_rewind(place: MarketPlace) -> None:
    """The coupon is corrected from 10.00 to 5.00; the fee, which its turn computes, follows when it is rewound."""
    place = place.about(market(ABOUT), TABLES)
    place.deliver(FACTS[:3], DAY)
    half = market(ABOUT.replace("amount: coupon\n", "amount: coupon / 2\n")).replace("version: 1", "version: 2")
    place = place.about(half, TABLES)
    done = place.rerate("A1")
    assert [(row["record"], row["charge"]) for row in done.changes.to_pylist()] == [("sold:A1", "coupon")]
    assert fees(place)["A1", 1] == 70
    place.deliver(FACTS[3:4], DAY)
    place.rewind("A1")
    assert fees(place)["A1", 1] == 40, "10 % of 3.00, and 0.10"
    place.proven()
