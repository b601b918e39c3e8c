"""What is declared and what is given, without a database: each refusal by its name."""

from datetime import date
from typing import Any

import pytest

from everycent.flow.non_order.contract import Deposit, NonOrderSpec, Refused
from everycent.flow.non_order.core.judging import charge_id, judge, left_enough
from everycent.flow.non_order.stage import NonOrderRefused

KNOWN = {"merchant:m", "brand:b"}


def judged(plan: Any, given: Any, by: str = "ann") -> Any:
    return judge(plan, given, KNOWN, "default", "market", by)


@pytest.mark.parametrize(
    ("text", "refusal", "says"),
    [
        ("F-1 fines merchant:m 1.00 CNY 2026-03-01", "unknown_kind", "did you mean 'fine'?"),
        ("F-1 fine merchant:n 1.00 CNY 2026-03-01", "unknown_party", "there is no party 'merchant:n'"),
        ("F-1 fine m 1.00 CNY 2026-03-01", "unknown_party", "for example seller:s-1"),
        ("D-1 deposit brand:b 1.00 CNY 2026-03-01", "wrong_role", "'deposit' is of merchant, not of brand"),
        ("F-1 fine merchant:m 1.00 USD 2026-03-01", "unknown_currency", "the model pays in CNY, JPY"),
        ("F-1 fine merchant:m 1.005 CNY 2026-03-01", "too_many_decimals", "has 3 decimals"),
        ("F-1 fine merchant:m 1.5 JPY 2026-03-01", "too_many_decimals", "JPY has 0"),
        ("F-1 fine merchant:m 1,000.00 CNY 2026-03-01", "not_an_amount", "1,000.00"),
        ("F-1 fine merchant:m 0.00 CNY 2026-03-01", "not_positive", "not above 0"),
        ("F-1 fine merchant:m -5 CNY 2026-03-01", "not_positive", "the kind says which way"),
        ("F-1 fine merchant:m 1.00 CNY 2026-02-30", "not_a_date", "2026-02-30"),
    ],
)
def test_what_is_wrong_is_refused_by_name(plan: Any, giving: Any, text: str, refusal: str, says: str) -> None:
    found = judged(plan, giving(text))
    assert isinstance(found, Refused)
    assert found.refusal == refusal and says in found.message


def test_who_gives_it_and_the_reference_are_needed(plan: Any, giving: Any) -> None:
    fine = giving("F-1 fine merchant:m 1.00 CNY 2026-03-01")
    assert judged(plan, fine, by="everycent").refusal == "unnamed"
    assert judged(plan, type(fine)(**{**vars(fine), "reference": "  "})).refusal == "reference_missing"


def test_a_charge_takes_the_words_of_its_kind(plan: Any, giving: Any) -> None:
    back = judged(plan, giving("R-1 deposit_back merchant:m 20.00 CNY 2026-03-01"), by=" Ann ")
    assert (back.account, back.direction, back.legal_entity, back.amount_minor) == ("deposit", "pay", "shanghai", 2000)
    assert back.gives_back and back.given_by == "ann"
    fee = judged(plan, giving("P-1 platform_fee merchant:m 20 JPY 2026-03-01"))
    assert (fee.direction, fee.settled_by, fee.legal_entity, fee.amount_minor) == (
        "collect", "instruction", "beijing", 20,
    )  # fmt: skip


def test_source_and_reference_name_it_whatever_else_it_says() -> None:
    one = charge_id("default", "market", "operations", "F-1")
    assert one == charge_id("default", "market", " operations ", "F-1 ")
    others = [("t", "market", "operations", "F-1"), ("default", "m", "operations", "F-1"),
              ("default", "market", "shop", "F-1"), ("default", "market", "operations", "F-2")]  # fmt: skip
    assert one not in [charge_id(*names) for names in others]


def test_no_more_is_given_back_than_is_left(plan: Any, giving: Any) -> None:
    back = judged(plan, giving("R-1 deposit_back merchant:m 20.00 CNY 2026-03-01"))

    def left(paid_in: int, given_back: int) -> Any:
        deposit = Deposit("merchant:m", "deposit", "shanghai", "CNY", 9999, paid_in, given_back)
        return left_enough(back, deposit, f"{(paid_in - given_back) / 100:.2f}")

    assert left(3000, 1000) is None
    refused = left(3000, 1001)
    assert refused.refusal == "above_paid_in" and "merchant:m has 19.99 CNY left of 'deposit'" in refused.message


def test_who_settles_a_kind_is_that_of_the_day(plan_of: Any) -> None:
    plan = plan_of(settled={"deposit": ((date.min, "shanghai"), (date(2026, 4, 1), "hangzhou"))})
    for kind in ("deposit", "deposit_back"):
        entities = [plan.kinds[kind].legal_entity(date(2026, 3, 31)), plan.kinds[kind].legal_entity(date(2026, 4, 1))]
        assert entities == ["shanghai", "hangzhou"], kind
    assert plan.kinds["fine"].legal_entity(date(2026, 4, 1)) == "shanghai"


@pytest.mark.parametrize(
    ("kinds", "path", "says"),
    [
        ({"goods": {"of": ["merchant"]}}, ("goods",), "there is a charge 'goods' already"),
        ({"fine": {"of": ["shop"]}}, ("fine", "of"), "'shop' is no settled role; there is: merchant, brand"),
        ({"back": {"returns": "bond", "direction": "pay"}}, ("back", "returns"), "'bond' is nothing to give back"),
        ({"bonus": {"of": ["brand"], "direction": "pay"}, "back": {"returns": "bonus", "direction": "pay"}},
         ("back", "returns"), "nothing was paid in of it"),
    ],
)  # fmt: skip
def test_a_kind_that_cannot_work_is_refused_with_its_place(plan_of: Any, kinds: Any, path: Any, says: str) -> None:
    with pytest.raises(NonOrderRefused) as refused:
        plan_of(kinds)
    assert refused.value.path == ("non_order_charges", *path) and says in refused.value.message


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({}, "say with 'of' which party roles"),
        ({"returns": "deposit", "direction": "pay", "of": ["merchant"]}, "remove 'of'"),
        ({"returns": "deposit"}, "write direction: pay"),
    ],
)
def test_words_that_contradict_each_other_are_refused(spec: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        NonOrderSpec.model_validate(spec)
