"""Kinds of non-order charges as a model declares them, and charges as somebody gives them."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from everycent.base.money.currency import currency
from everycent.flow.non_order.contract import Given, NonOrderSpec
from everycent.flow.non_order.stage import NonOrderPlan, plan_non_order

KINDS: dict[str, Any] = {
    "deposit": {"of": ["merchant"]},
    "deposit_back": {"returns": "deposit", "direction": "pay", "approve": [{"by": "finance", "above": "500"}]},
    "deposit_used": {"returns": "deposit", "direction": "pay", "settled_by": "statement"},
    "fine": {"of": ["merchant", "brand"], "settled_by": "statement"},
    "bonus": {"of": ["merchant"], "settled_by": "statement", "direction": "pay"},
    "platform_fee": {"of": ["merchant"], "legal_entity": "beijing"},
}


def planned(kinds: dict[str, Any] = KINDS, settled: dict[str, Any] | None = None) -> NonOrderPlan:
    """The plan of a market with merchants and brands that orders cause `goods` of."""
    specs = {name: NonOrderSpec.model_validate(spec) for name, spec in kinds.items()}
    currencies = [currency(code) for code in ("CNY", "JPY")]
    return plan_non_order(specs, ["merchant", "brand"], ["goods"], currencies, "shanghai", settled or {})


def given(text: str, reason: str = "") -> Given:
    """`F-1 fine merchant:m 200.00 CNY 2026-03-01`"""
    reference, kind, party, amount, currency, day = text.split()
    return Given("operations", reference, kind, party, amount, currency, day, reason)


@pytest.fixture
def plan() -> NonOrderPlan:
    return planned()


@pytest.fixture
def plan_of() -> Callable[..., NonOrderPlan]:
    return planned


@pytest.fixture
def giving() -> Callable[..., Given]:
    return given


@pytest.fixture
def day() -> Callable[[str], date]:
    return date.fromisoformat
