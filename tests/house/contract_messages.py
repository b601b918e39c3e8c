"""Contract messages as a business sends them, and the model that they come to."""

import json
from typing import Any

from everycent.flow.parties.contract import OnboardingSpec, OnboardSpec, PartySpec
from everycent.flow.parties.core.onboarding import OnboardingPlan, plan_onboarding

ROLES = {
    "platform": PartySpec(operator="shanghai"),
    "merchant": PartySpec(key=("merchant", "store"), onboard=OnboardSpec(merchant_types=("concessionaire",))),
    "supplier": PartySpec(key=("supplier",), onboard=OnboardSpec(merchant_types=("supplier",),
                                                                  key={"supplier": "merchant"})),
    "guide": PartySpec(key=("guide",), onboard=OnboardSpec(sales_associate=True, key={"guide": "sales_associate"})),
}  # fmt: skip
SOURCES = OnboardingSpec(sources={"mall": ("1",)})
EVENTS = {"merchant": ("closed", "season_end"), "supplier": ("closed",)}
SAID = {
    "contract": "HT-1",
    "revision": 1,
    "system": "mall",
    "tenant": 1,
    "company": "1000",
    "merchant": "1001",
    "merchant_type": "concessionaire",
    "store": "0001",
    "valid_from": "2026-01-01",
    "valid_to": "2027-01-01",
    "cycle": "monthly",
}


def rule() -> OnboardingPlan:
    """Concessionaires by store, suppliers, and sales associates, of tenant 1 of the mall."""
    return plan_onboarding(SOURCES, ROLES).naming(["goods", "commission"], ["shanghai"], ["CNY"], EVENTS)


def said(**changed: Any) -> bytes:
    """A message: store 0001 of concessionaire 1001, in 2026, but for what is changed; None leaves a word out."""
    words = {name: value for name, value in {**SAID, **changed}.items() if value is not None}
    return json.dumps(words).encode()
