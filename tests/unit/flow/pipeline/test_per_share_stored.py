"""Apportion, then rate, in the real database: any cut, parked and released, refunds following, contracts, tampering."""

from pathlib import Path
from typing import Any

import pytest
from forger import reseal
from market_place import MarketPlace, opened
from small_market import Fact, market

from everycent.base.engine.local import LocalEngine
from everycent.proof.explain.service import explain
from everycent.proof.verify.core.shares import PER_SHARE
from everycent.proof.verify.service import verify

ABOUT = """\
factors:
  fee_rate: {table: fees.csv, key: [bearer], column: rate}
  duty_rate: {table: duties.csv, key: [brand], column: rate}
charges:
  coupon:
    for: sold
    amount: coupon
    creditor: merchant
    apportion: {by: ratio, bearers: {brand: {weight: 60}, platform: 40}}
  fee:
    for: sold
    per_share_of: coupon
    when: share <> 0
    price: {percentage: {of: share, rate: fee_rate, minimum: 0.30}}
    debtor: platform
    creditor: bearer
  duty: {for: sold, per_share_of: coupon, amount: share * duty_rate, debtor: bearer, creditor: merchant}
statements: {merchant: {cycle: daily, mode: net}, brand: {cycle: monthly, mode: net}}
payouts: {}
"""
FEES = "bearer,rate\nbrand,0.02\nplatform,0.01\n"
DUTIES = "brand,rate\nb-1,0.10\nb-2,0.20\n"
TABLES = {"fees.csv": FEES, "duties.csv": DUTIES}
FACTS: list[Fact] = [
    ("sold", "A1", "A1,m-1,b-1,100.00,20.01,2026-03-01 10:00"),
    ("sold", "A2", "A2,m-2,b-2,50.00,33.33,2026-03-01 11:00"),
    ("sold", "A3", "A3,m-1,b-2,10.00,0.00,2026-03-01 12:00"),
    ("returned", "R1", "R1,A1,25.00,2026-03-02 09:00"),
    ("returned", "R2", "R2,A1,25.00,2026-03-02 10:00"),
    ("returned", "R3", "R3,A2,50.00,2026-03-02 11:00"),
    ("returned", "R4", "R4,A1,50.00,2026-03-02 12:00"),
]
#: (record, charge, bearer): minor units, reckoned by hand. A1: 12.01 and 8.00; A2: 20.00 and 13.33.
OWED = {
    ("A1", "fee", 1): 30, ("A1", "duty", 1): 120, ("A1", "duty", 2): 80,
    ("A2", "fee", 1): 40, ("A2", "duty", 1): 400, ("A2", "duty", 2): 267,
    ("R1", "fee", 1): -8, ("R1", "duty", 1): -30, ("R1", "duty", 2): -20,
    ("R2", "fee", 1): -7, ("R2", "duty", 1): -30, ("R2", "duty", 2): -20,
    ("R3", "fee", 1): -40, ("R3", "duty", 1): -400, ("R3", "duty", 2): -267,
    ("R4", "fee", 1): -15, ("R4", "duty", 1): -60, ("R4", "duty", 2): -40,
}  # fmt: skip


def owed(place: MarketPlace) -> dict[Any, int]:
    found = place.sums(of=("key", "charge", "bearer"))
    return {key: amount for key, amount in found.items() if key[1] != "coupon"}


def told(place: MarketPlace, name: str) -> str:
    session = place.session
    found = explain(session.connection, session.details, session.engine, session.tenant, name)
    return " ".join("\n".join(found.to_lines()).split())


def test_any_cut_in_either_tier_gives_what_a_hand_reckons(place: MarketPlace, database: Any, engine: LocalEngine,
                                                          tmp_path: Path) -> None:  # fmt: skip
    one = place.about(market(ABOUT), TABLES)
    one.deliver(FACTS)
    assert owed(one) == OWED
    one.proven()
    lake = opened(database, engine, tmp_path / "lake", tenant="lake", lake_from_rows=1).about(market(ABOUT), TABLES)
    for fact in FACTS:
        lake.deliver([fact])
    assert lake.effective() == one.effective()
    lake.proven()


def test_what_one_bearer_lacks_parks_the_charge_and_its_refunds_follow(place: MarketPlace) -> None:
    waiting = place.about(market(ABOUT), {**TABLES, "fees.csv": FEES.replace("brand,0.02\n", ""),
                                          "duties.csv": DUTIES.replace("b-1,0.10\n", "")})  # fmt: skip
    waiting.deliver(FACTS)
    assert owed(waiting) == {key: amount for key, amount in OWED.items() if key[1] == "duty" and key[0] in ("A2", "R3")}
    waiting.proven()
    mended = waiting.about(market(ABOUT), {**TABLES, "duties.csv": DUTIES.replace("b-2,0.20", "b-2,0.99")})
    assert mended.rate_parked().waiting == 0
    assert owed(mended) == OWED
    mended.proven()
    assert "fee_rate = 0.02 (from fees.csv by bearer" in told(mended, "sold:A1/fee")


def test_what_the_shares_wait_for_holds_the_charge_until_it_is_there(place: MarketPlace) -> None:
    held = market(ABOUT).replace("amount: coupon\n    creditor", "amount: coupon * rate / rate\n    creditor")
    held = held.replace("factors:\n", "factors:\n  rate: {table: rates.csv, key: [merchant]}\n")
    waiting = place.about(held, {**TABLES, "rates.csv": "merchant,rate\nm-2,0.5\n"})
    waiting.deliver(FACTS)
    assert {key for key, _, _ in owed(waiting)} == {"A2", "R3"}
    mended = waiting.about(held, {**TABLES, "rates.csv": "merchant,rate\nm-2,0.5\nm-1,0.5\n"})
    assert mended.rate_parked().waiting == 0
    assert owed(mended) == OWED
    mended.proven()


def test_explain_tells_each_share_with_its_numbers(place: MarketPlace) -> None:
    one = place.about(market(ABOUT), TABLES)
    one.deliver(FACTS)
    said = told(one, "sold:A2/duty")
    assert "per share of coupon: for each of its bearers, added up formula share * duty_rate" in said
    assert "in numbers 20.00 * 0.2 = 4.00" in said and "in numbers 13.33 * 0.2 = 2.67" in said
    assert "value share = 13.33 (of coupon, carried by platform)" in said
    assert "given back to each in proportion to what is left of its amount" in told(one, "returned:R3/duty")


def test_who_has_an_amount_of_a_share_that_he_does_not_carry_is_named(place: MarketPlace) -> None:
    one = place.about(market(ABOUT), TABLES)
    one.deliver(FACTS)
    connection = one.session.connection
    with connection.transaction(force_rollback=True):
        connection.execute("UPDATE clearing.obligation SET debtor = 'brand:b-9' WHERE charge = 'duty' AND bearer = 1")
        reseal(connection, ["clearing.obligation"])
        session = one.session
        verdict = verify(connection, session.details, session.engine, session.tenant)
        (bad,) = [check for check in verdict.findings if check.name == PER_SHARE.name]
        assert bad.bad == 3 and "minor units of brand:b-9, share 1 of charge coupon is carried by brand:b-" in str(
            bad.first_bad
        )


CONTRACTS = "merchant,contract_no,valid_from,valid_to\nm-1,C-1,2026-01-01,2026-03-02\nm-1,C-2,2026-03-02,\n"


def test_a_charge_takes_the_contract_of_its_day_or_waits_for_one(place: MarketPlace) -> None:
    model = market(ABOUT).replace("merchant: {key: [merchant]}",
                                  "merchant: {key: [merchant], contract: {table: contracts.csv}}")  # fmt: skip
    place = place.about(model, {**TABLES, "contracts.csv": CONTRACTS})
    place.deliver([*FACTS, ("sold", "A4", "A4,m-1,b-1,10.00,1.00,2026-03-02 10:00")])
    assert "contract C-1 of merchant:m-1, from contracts.csv by merchant" in told(place, "sold:A1/coupon")
    assert "contract C-1 of merchant:m-1" in told(place, "returned:R4/coupon"), "a refund goes by its sale's"
    assert "contract C-2 of merchant:m-1" in told(place, "sold:A4/duty")
    assert "held, contract of merchant is missing for merchant 'm-2' on 2026-03-01" in told(place, "sold:A2")
    mended = place.about(model, {**TABLES, "contracts.csv": CONTRACTS + "m-2,C-3,,\n"})
    assert mended.rate_parked().waiting == 0
    assert "contract C-3 of merchant:m-2" in told(mended, "sold:A2/duty")
    assert {key: amount for key, amount in owed(mended).items() if key[0] != "A4"} == OWED
    mended.proven()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("{operator: shanghai}", "{operator: shanghai, contract: {table: c.csv}}", "no contract with itself"),
        ("brand: {key: [brand]}", "brand: {key: [brand], contract: {table: contracts.csv, number: no}}",
         "contracts.csv has no column 'no'"),
    ],
)  # fmt: skip
def test_a_contract_that_cannot_be_found_is_refused(old: str, new: str, said: str, place: MarketPlace) -> None:
    with pytest.raises(Exception, match=r"contract") as refused:
        place.about(market(ABOUT).replace(old, new), {**TABLES, "contracts.csv": CONTRACTS}).deliver(FACTS)
    assert said in str(refused.value)
