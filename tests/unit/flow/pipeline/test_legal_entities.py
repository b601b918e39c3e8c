"""A charge that another company settles from a day on: plain, per share and in strict order, corrected and refunded."""

import pytest
from market_place import MarketPlace
from small_market import Fact, market

from everycent.flow.model.contract import ModelRefused

HEAD = "tenant,business,charge,legal_entity,valid_from,valid_to\n"
TABLE = {"entities.csv": HEAD + ",promotions,,shanghai,,2026-03-02\n,promotions,,beijing,2026-03-02,\n"}
ABOUT = """\
legal_entities: entities.csv
budgets:
  spring: {per: [merchant], period: month}
charges:
  goods: {for: sold, amount: price, debtor: platform, creditor: merchant}
  gift:
    for: sold
    amount: coupon
    creditor: merchant
    apportion: {by: ratio, bearers: {brand: 60, platform: 40}}
  handling: {for: sold, per_share_of: gift, amount: share * 0.5, debtor: bearer, creditor: merchant}
  coupon:
    for: sold
    amount: coupon
    creditor: merchant
    apportion: {budget: spring, by: ratio, bearers: {brand: {weight: 60, cap: 30.00}, platform: 40}}
order: {by: [occurred_at, id], late: rewind, window: 3}
statements: {merchant: {cycle: daily, mode: net}, brand: {cycle: monthly, mode: net}}
payouts: {}
"""
FACTS: list[Fact] = [
    ("sold", "A1", "A1,m-1,b-1,100.00,20.00,2026-03-01 10:00"),
    ("sold", "A2", "A2,m-1,b-1,50.00,10.00,2026-03-02 10:00"),
    ("returned", "R1", "R1,A1,50.00,2026-03-03 12:00"),
]


def settlers(place: MarketPlace) -> dict[tuple[str, str], set[str]]:
    """Who settles what stands of each record's charges."""
    session = place.session
    place.effective()
    found = session.engine.query("SELECT DISTINCT key, charge, legal_entity FROM seen JOIN named USING (record_id)")
    settled: dict[tuple[str, str], set[str]] = {}
    for row in found.to_pylist():
        settled.setdefault((row["key"], row["charge"]), set()).add(row["legal_entity"])
    return settled


def test_each_charge_is_settled_by_who_does_on_its_business_day(place: MarketPlace) -> None:
    place = place.about(market(ABOUT), TABLE)
    place.deliver(FACTS)
    charges = ("goods", "gift", "handling", "coupon")
    days = {"A1": "shanghai", "A2": "beijing", "R1": "shanghai"}
    assert settlers(place) == {(key, charge): {who} for key, who in days.items() for charge in charges}
    place.proven()
    corrected = place.about(market(ABOUT).replace("share * 0.5", "share * 0.6").replace("version: 1", "version: 2"),
                            TABLE)  # fmt: skip
    corrected.rerate("A1", charges=("gift", "handling"))
    assert settlers(corrected)[("A1", "handling")] == {"shanghai"}
    corrected.proven()


@pytest.mark.parametrize(
    ("table", "about", "message"),
    [
        (HEAD + ",,goods,beijing,2026-03-02,\n", ABOUT, "nobody settles 'goods' before 2026-03-02"),
        (HEAD + ",,goods,beijing,,\n", ABOUT.replace("creditor: merchant}", "creditor: merchant, legal_entity: b}", 1),
         "the table 'legal_entities' says who settles 'goods'"),
    ],
)  # fmt: skip
def test_a_model_whose_table_has_a_gap_is_refused(table: str, about: str, message: str, place: MarketPlace) -> None:
    with pytest.raises(ModelRefused, match=message):
        place.about(market(about), {"entities.csv": table}).deliver(FACTS)
