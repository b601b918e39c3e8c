"""Groups of charges from sale to statement: by the model, by a party's contract, corrected and verified."""

from datetime import UTC, date, datetime

import pytest
from contract_messages import said
from market_place import MarketPlace
from small_market import Fact, market

from everycent.flow.parties.service import plan_onboarding, take_contracts
from everycent.proof.verify.core.statements import CHARGE_GROUPED
from everycent.proof.verify.service import verify

ABOUT = """\
onboarding: {sources: {mall: ["1"]}}
charges:
  goods: {for: sold, amount: price, debtor: platform, creditor: merchant}
  fee: {for: sold, amount: price * 0.10, debtor: merchant, creditor: platform}
  rebate: {for: sold, amount: coupon, debtor: platform, creditor: merchant}
statements:
  merchant: {cycle: daily, mode: net, charge_groups: {fees: [fee, rebate]}}
  brand: {cycle: monthly, mode: net}
payouts: {}
"""
MODEL = market(ABOUT).replace("merchant: {key: [merchant]}", "merchant: {key: [merchant], onboard: {}}")
FACTS: list[Fact] = [
    ("sold", "A1", "A1,m-1,b-1,100.00,3.00,2026-03-01 10:00"),
    ("sold", "A2", "A2,m-2,b-1,50.00,0.00,2026-03-01 10:00"),
]
RETURNED: list[Fact] = [("returned", "R1", "R1,A1,100.00,2026-03-02 10:00")]


def owed(place: MarketPlace) -> dict[str, tuple[int, str]]:
    """By statement of the merchants, what it comes to, and where it stands."""
    return {
        ident.replace("promotions/merchant:", "").replace("/CNY/shanghai", ""): (int(payable - receivable), state)
        for ident, payable, receivable, _, state in place.statements()
    }


def test_a_partys_charges_are_settled_apart_as_its_contract_or_the_model_says(place: MarketPlace) -> None:
    place = place.about(MODEL)
    spec = place.model.spec
    plan = plan_onboarding(spec.onboarding, spec.parties).naming(spec.charges, ["shanghai"], ["CNY"], {})
    words = {"merchant": "m-2", "cycle": "daily", "charge_groups": {"sales": ["goods"]}}
    where = (place.session.connection, place.session.tenant, place.model.name, plan)
    now = datetime(2026, 3, 1, tzinfo=UTC)
    taken = take_contracts(*where, [said(**words), said(**words)], now)
    assert [each.refusal for each in taken] == [None, None]
    place.deliver(FACTS, date(2026, 3, 2))
    first = {
        "m-1/2026-03-01": (10000, "closed"), "m-1/2026-03-01/fees": (-700, "closed"),
        "m-2/2026-03-01": (-500, "closed"), "m-2/2026-03-01/sales": (5000, "closed"),
    }  # fmt: skip
    assert owed(place) == first
    place.deliver(RETURNED, date(2026, 3, 3))
    assert owed(place) == first | {"m-1/2026-03-02": (-10000, "closed"), "m-1/2026-03-02/fees": (700, "closed")}
    place.proven()
    for tamper, why in TAMPERED:
        with place.session.connection.transaction(force_rollback=True):
            place.session.connection.execute(tamper)
            session = place.session
            verdict = verify(session.connection, session.details, session.engine, session.tenant)
            found = {check.name: str(check.first_bad) for check in verdict.findings}
            assert why in found[CHARGE_GROUPED.name], tamper


GROUP = "UPDATE settlement.statement SET charge_group"
TAMPERED = [
    (f"{GROUP} = '' WHERE charge_group = 'fees'", "is of charges in no group, and fee stands on it"),
    (f"{GROUP} = 'fees' WHERE charge_group = '' AND party_id = 'merchant:m-1'", "is of group fees, and goods stands"),
    (f"{GROUP} = 'fees' WHERE charge_group = 'sales'", "is of group fees, and goods stands on it"),
]


@pytest.mark.parametrize(
    ("groups", "refusal", "why"),
    [
        ({"sales": ["goods", "postage"]}, "unknown_charge", "charge_groups: the model has no charge 'postage'"),
        ({"sales": ["goods"], "fees": ["goods"]}, "not_a_contract", "'charge_groups': goods is in sales and in fees"),
        ({"Sales": ["goods"]}, "not_a_contract", "'charge_groups.Sales.[key]': this is a name"),
    ],
)
def test_what_no_contract_can_say_is_refused_by_name(
    place: MarketPlace, groups: dict[str, list[str]], refusal: str, why: str
) -> None:
    place = place.about(MODEL)
    spec = place.model.spec
    plan = plan_onboarding(spec.onboarding, spec.parties).naming(spec.charges, ["shanghai"], ["CNY"], {})
    where = (place.session.connection, place.session.tenant, place.model.name, plan)
    (taken,) = take_contracts(*where, [said(charge_groups=groups)], datetime(2026, 3, 1, tzinfo=UTC))
    assert taken.refusal is not None
    assert taken.refusal.name == refusal and taken.refusal.message.startswith(why), taken.refusal
