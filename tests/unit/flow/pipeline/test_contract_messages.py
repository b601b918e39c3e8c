"""Contracts that came as messages, where charges look them up: by business time, frozen once found."""

from datetime import UTC, datetime
from typing import Any

from contract_messages import said
from market_place import MarketPlace
from small_market import Fact, market

from everycent.flow.parties.service import plan_onboarding, take_contracts
from everycent.flow.pipeline.service import run_golden_cases
from everycent.proof.explain.service import explain

NOW = datetime(2026, 3, 1, tzinfo=UTC)
ABOUT = """\
onboarding: {sources: {mall: ["1"]}}
charges:
  goods: {for: sold, amount: price, debtor: platform, creditor: merchant}
statements: {merchant: {cycle: daily, mode: net}, brand: {cycle: monthly, mode: net}}
payouts: {}
tests:
  contracts are taken as given:
    facts: |
      sold  id  merchant  brand  price  coupon  at
            A1  m-1       b-1    10.00  0.00    2026-03-01 10:00
    charges: |
      charge  amount
      goods   10.00
"""
MODEL = market(ABOUT).replace(
    "merchant: {key: [merchant]}", "merchant: {key: [merchant], contract: {messages: yes}, onboard: {}}"
)
FACTS: list[Fact] = [
    ("sold", "A1", "A1,m-1,b-1,100.00,0.00,2026-03-01 10:00"),
    ("sold", "A2", "A2,m-1,b-1,50.00,0.00,2026-03-02 10:00"),
    ("sold", "A3", "A3,m-2,b-1,10.00,0.00,2026-03-02 10:00"),
]


def take(place: MarketPlace, *messages: bytes) -> None:
    spec = place.model.spec
    plan = plan_onboarding(spec.onboarding, spec.parties).naming(
        spec.charges, ["shanghai"], ["CNY"], spec.ending_events
    )
    taken = take_contracts(place.session.connection, place.session.tenant, place.model.name, plan, messages, NOW)
    assert all(each.refusal is None for each in taken), taken


def signed(number: str, merchant: str, since: str, until: str | None, revision: int = 1) -> bytes:
    days: dict[str, Any] = {"valid_from": since, "valid_to": until}
    return said(contract=number, revision=revision, merchant=merchant, **days)


def told(place: MarketPlace, sale: str) -> str:
    session = place.session
    walk = explain(session.connection, session.details, session.engine, session.tenant, f"sold:{sale}", None)
    return " ".join(" ".join(walk.to_lines()).split())


def test_a_charge_takes_the_contract_of_its_day_or_waits_for_one(place: MarketPlace) -> None:
    place = place.about(MODEL)
    take(place, signed("HT-1", "m-1", "2026-01-01", "2026-03-02"), signed("HT-2", "m-1", "2026-03-02", None))
    place.deliver(FACTS)
    assert "contract HT-1 of merchant:m-1, from a contract message by merchant" in told(place, "A1")
    assert "contract HT-2 of merchant:m-1" in told(place, "A2")
    assert "contract of merchant is missing for merchant 'm-2' on 2026-03-02" in told(place, "A3")
    take(place, signed("HT-3", "m-2", "2026-01-01", None))
    place.deliver([])
    assert "contract HT-3 of merchant:m-2" in told(place, "A3"), "a new contract is another look at what waits"
    take(place, signed("HT-1", "m-1", "2025-12-01", "2025-12-01", revision=2))
    place.deliver([])
    assert "contract HT-1 of merchant:m-1" in told(place, "A1"), "what was found is frozen"
    place.proven()


def test_golden_cases_take_contracts_by_messages_as_given(place: MarketPlace) -> None:
    (outcome,) = run_golden_cases(place.about(MODEL).model, "default", place.session.engine)
    assert outcome.differences == ()
