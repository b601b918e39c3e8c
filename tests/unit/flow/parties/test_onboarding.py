"""Which contracts make parties of which role: the rule is checked before any message comes."""

import pytest
from contract_messages import ROLES, SOURCES, rule

from everycent.flow.parties.contract import ContractSpec, MerchantType, OnboardingSpec, OnboardSpec, PartySpec
from everycent.flow.parties.core.onboarding import OnboardingRefused, plan_onboarding

MERCHANT = PartySpec(key=("merchant",), onboard=OnboardSpec())


def test_a_key_column_comes_from_the_field_of_its_name_or_the_one_that_is_said() -> None:
    assert [(role.role, role.key) for role in rule().roles] == [
        ("merchant", ("merchant", "store")),
        ("supplier", ("merchant",)),
        ("guide", ("sales_associate",)),
    ]


def test_each_contract_makes_a_party_of_one_role() -> None:
    for merchant_type in MerchantType:
        for associate in (False, True):
            takers = [role for role in rule().roles if role.takes(merchant_type, sales_associate=associate)]
            assert len(takers) <= 1
    assert not any(role.takes(MerchantType.DISTRIBUTOR, sales_associate=False) for role in rule().roles)


@pytest.mark.parametrize(
    ("sources", "roles", "path", "message"),
    [
        (None, {"merchant": MERCHANT}, ("parties", "merchant", "onboard"), "say whose are"),
        (SOURCES, {"platform": ROLES["platform"]}, ("onboarding",), "no party role is made of contracts"),
        (SOURCES, {"m": MERCHANT, "n": MERCHANT}, ("parties", "n", "onboard"),
         "contracts with a concessionaire would make parties of m and of n"),
        (SOURCES, {"m": PartySpec(key=("shop",), onboard=OnboardSpec())}, ("parties", "m", "onboard", "key"),
         "no contract has a field 'shop', which 'shop' of m's key would come from"),
        (SOURCES, {"m": PartySpec(key=("merchant",), onboard=OnboardSpec(key={"shop": "store"}))},
         ("parties", "m", "onboard", "key"), "'shop' is not a key column of m; they are merchant"),
        (SOURCES, {"m": PartySpec(key=("merchant",), onboard=OnboardSpec(merchant_types=()))},
         ("parties", "m", "onboard", "merchant_types"), "name a merchant type"),
        (OnboardingSpec(sources={"mall": ("1", "2")}), {"m": MERCHANT}, ("parties", "m", "key"),
         "their merchants would be one party"),
    ],
)  # fmt: skip
def test_a_rule_that_cannot_work_is_refused(
    sources: OnboardingSpec | None, roles: dict[str, PartySpec], path: tuple[str, ...], message: str
) -> None:
    with pytest.raises(OnboardingRefused, match=message) as refused:
        plan_onboarding(sources, roles)
    assert refused.value.path == path


def test_tenants_that_are_in_the_key_are_told_apart() -> None:
    spec = PartySpec(key=("tenant", "merchant"), onboard=OnboardSpec())
    assert plan_onboarding(OnboardingSpec(sources={"mall": ("1", "2")}), {"m": spec}).roles[0].key[0] == "tenant"


def test_a_model_without_onboarding_takes_no_contract() -> None:
    assert plan_onboarding(None, {"platform": ROLES["platform"]}).roles == ()


@pytest.mark.parametrize(
    ("words", "message"),
    [({}, "one source"), ({"table": "c.csv", "messages": True}, "one source")],
)
def test_contracts_have_one_source(words: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ContractSpec(**words)


def test_contracts_by_messages_need_messages_that_make_the_party() -> None:
    with pytest.raises(ValueError, match="no contract message makes a party of this role"):
        PartySpec(key=("merchant",), contract=ContractSpec(messages=True))
