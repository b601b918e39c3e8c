"""Clearing in strict order: caps, budgets, who takes what is left, and refunds of what was carried."""

from decimal import Decimal

import pytest
from market import charge
from ordered_till import OrderedTill, carried, totals
from pydantic import ValidationError

from everycent.base.engine.local import LocalEngine
from everycent.flow.clearing.contract import BudgetSpec, ClearingRefused
from everycent.flow.clearing.stage import components
from everycent.flow.rating.contract import WHOLE_RECORD

SUPPLIERS = {"weight": 40, "cap": "8.00", "among": {"brand": 70, "distributor": 30}}
COUPON = charge(
    "coupon",
    creditor="merchant",
    apportion={
        "budget": "spring-2026",
        "bearers": {"platform": {"weight": 60, "cap": "20.00"}, "suppliers": SUPPLIERS},
        "when_all_capped": "platform",
    },
)


ROOM = "bearer with room in budget spring-2026"
RIGHT = "raise a cap, or name under when_all_capped a bearer that takes the rest"


def sale(key: str, coupon: int, **more: object) -> dict[str, object]:
    return {"key": key, "amount": 9999, "charges": {"coupon": coupon}, **more}


def back(key: str, of: str, amount: int) -> dict[str, object]:
    return {"key": key, "refund_of": of, "amount": amount}


def till(engine: LocalEngine, coupon: object = COUPON, **budget: object) -> OrderedTill:
    return OrderedTill({"coupon": coupon}, {"spring-2026": BudgetSpec.model_validate(budget)}, engine)  # type: ignore[dict-item]


def test_shares_up_to_the_caps_and_the_rest_to_the_last(engine: LocalEngine) -> None:
    found = till(engine).clear(sale("A1", 1000), sale("A2", 1000), sale("A3", 1000))
    assert carried(found.obligations) == [
        ("coupon", "platform", 600, 0, 600),
        ("coupon", "suppliers/brand", 280, 0, 280),
        ("coupon", "suppliers/distributor", 120, 0, 120),
        ("coupon", "platform", 600, 600, 1200),
        ("coupon", "suppliers/brand", 280, 280, 560),
        ("coupon", "suppliers/distributor", 120, 120, 240),
        ("coupon", "platform", 1000, 1200, 2200),
        ("coupon", "suppliers/brand", 0, 560, 560),
        ("coupon", "suppliers/distributor", 0, 240, 240),
    ]
    assert totals(found.accumulators) == {"platform": 2200, "suppliers/brand": 560, "suppliers/distributor": 240}


def test_a_refund_in_the_same_window_and_one_in_a_later_one(engine: LocalEngine) -> None:
    shop = till(engine)
    found = shop.clear(sale("A1", 1000), back("R1", "A1", 4999), sale("A2", 1000))
    assert carried(found.obligations)[3:6] == [
        ("coupon", "platform", -300, 600, 300),
        ("coupon", "suppliers/brand", -140, 280, 140),
        ("coupon", "suppliers/distributor", -60, 120, 60),
    ]
    found = shop.clear(back("R2", "A1", 5000))
    assert carried(found.obligations) == [
        ("coupon", "platform", -300, 900, 600),
        ("coupon", "suppliers/brand", -140, 420, 280),
        ("coupon", "suppliers/distributor", -60, 180, 120),
    ]
    assert totals(found.accumulators) == {"platform": 600, "suppliers/brand": 280, "suppliers/distributor": 120}
    found = shop.clear(back("R3", "A1", 1), back("R4", "A9", 1))
    assert found.obligations.num_rows == 0
    assert found.held["charge"].to_pylist() == [WHOLE_RECORD] * 2


def test_a_window_says_which_pots_it_reaches(engine: LocalEngine) -> None:
    shop = till(engine, per="merchant", period="month")
    shop.clear(sale("A1", 1000, merchant="m-7", on="2026-02-28"))
    asked = [sale("A2", 1000, merchant="m/8", on="2026-03-01"), back("R1", "A1", 9999)]
    assert shop.reach(*asked) == [("spring-2026", "m\\/8", "2026-03"), ("spring-2026", "m-7", "2026-02")]


def test_how_parallel_a_model_can_be(engine: LocalEngine) -> None:
    one = components(till(engine).plan)
    assert [str(each) for each in one] == ["budget spring-2026 (coupon): one pot, one after the other"]
    many = components(till(engine, per="merchant", period="month").plan)
    assert [str(each) for each in many] == [
        "budget spring-2026 (coupon): one pot for each merchant and month, side by side"
    ]


def terms(**words: object) -> object:
    bearers = {"platform": {"weight": 60, "cap": "5.00"}, "brand": {"weight": 40, "cap": "5.00"}}
    return charge("coupon", creditor="merchant", apportion={"budget": "spring-2026", "bearers": bearers, **words})


@pytest.mark.parametrize(
    ("words", "amounts", "shares", "held"),
    [
        # What does not fit is passed on to who has room ...
        ({"when_all_capped": "hold"}, [900], [500, 400], []),
        # ... or cut, and then nobody is left but the last
        ({"when_all_capped": "brand", "over_cap": "cut"}, [900], [500, 400], []),
        ({"when_all_capped": "platform", "over_cap": "cut"}, [900, 100], [540, 360, 60, 40], []),
        (
            {"when_all_capped": "hold"},
            [900, 101, 100],
            [500, 400, 0, 100],
            [
                (
                    "held",
                    f"0.01 of 1.01 CNY finds no {ROOM}: platform carries 5.00 of its cap of 5.00, brand carries 4.00"
                    f" of its cap of 5.00; {RIGHT}",
                )
            ],
        ),
        (
            {"when_all_capped": "refuse"},
            [1000, 1],
            [500, 500],
            [
                (
                    "refused",
                    f"0.01 of 0.01 CNY finds no {ROOM}: platform carries 5.00 of its cap of 5.00, brand carries 5.00"
                    f" of its cap of 5.00; {RIGHT}",
                )
            ],
        ),
        # A negative charge gives room back, by weight, and there is no floor
        ({"when_all_capped": "hold"}, [-1000, 1500], [-600, -400, 900, 600], []),
    ],
)
def test_what_becomes_of_what_does_not_fit(
    engine: LocalEngine, words: dict[str, object], amounts: list[int], shares: list[int], held: list[tuple[str, str]]
) -> None:
    found = till(engine, terms(**words)).clear(*(sale(f"A{at}", amount) for at, amount in enumerate(amounts)))
    assert found.obligations["amount_minor"].to_pylist() == shares
    assert [(row["state"], row["reason"]) for row in found.held.to_pylist()] == held


def test_what_has_no_room_is_told_with_every_cap_and_limit_and_the_way_out(engine: LocalEngine) -> None:
    """A pot of a merchant and month; a group with a cap; one bearer without; the budget's own; a charge beside it."""
    bearers = {"platform": {"up_to": "5.00"}, "suppliers": {"cap": "8.00", "among": {"brand": 70, "distributor": 30}}}
    words = {"by": "in_order", "budget": "spring-2026", "bearers": bearers, "when_all_capped": "hold"}
    coupon = charge("coupon", creditor="merchant", apportion=words)
    budget = BudgetSpec.model_validate({"cap": "99.00", "per": "merchant", "period": "month"})
    shop = OrderedTill({"coupon": coupon}, {"spring-2026": budget}, engine)
    found = shop.clear(sale("A1", 900, merchant="m-7"), sale("A2", 1100, merchant="m-7"))
    assert found.held["reason"].to_pylist() == [
        "2.00 of 11.00 CNY finds no bearer with room in budget spring-2026 of m-7 in 2026-03: "
        "platform carries 5.00 and takes 5.00 of a charge at most, suppliers/brand carries 2.80, "
        "suppliers/distributor carries 1.20, suppliers carries 4.00 of its cap of 8.00, "
        "all carry 9.00 of the budget's cap of 99.00; "
        "raise a cap or an up_to, or name under when_all_capped a bearer that takes the rest"
    ]
    other = charge("gift", creditor="merchant", apportion={"budget": "spring-2026", "bearers": {"brand": {"weight": 1}},
                                                          "when_all_capped": "brand"})  # fmt: skip
    cut = {"when_all_capped": "refuse", "over_cap": "cut", "bearers": {"platform": {"weight": 1, "cap": "2.00"}}}
    coupon = charge("coupon", creditor="merchant", apportion={"budget": "spring-2026", **cut})
    shop = OrderedTill({"coupon": coupon, "gift": other}, {"spring-2026": BudgetSpec(cap="9.00")}, engine)
    gift = {"key": "A0", "amount": 9999, "charges": {"gift": 100}}
    assert shop.clear(gift, sale("A1", 300)).held["reason"].to_pylist() == [
        "1.00 of 3.00 CNY is cut off under the caps of budget spring-2026: platform carries 0.00 of its cap of 2.00, "
        "the cap of the budget over all its charges is 9.00; raise a cap, pass on what does not fit (over_cap: "
        "pass_on), or name under when_all_capped a bearer that takes the rest"
    ]


def test_a_refund_goes_to_the_last_to_carry_first(engine: LocalEngine) -> None:
    bearers = {"brand": {"up_to": "3.00"}, "platform": {}}
    words = {"by": "in_order", "budget": "spring-2026", "bearers": bearers, "refund": "reverse"}
    shop = till(engine, charge("coupon", creditor="merchant", apportion=words))
    found = shop.clear(sale("A1", 1000), back("R1", "A1", 7999), back("R2", "A1", 2000))
    assert carried(found.obligations) == [
        ("coupon", "brand", 300, 0, 300),
        ("coupon", "platform", 700, 0, 700),
        ("coupon", "brand", -100, 300, 200),
        ("coupon", "platform", -700, 700, 0),
        ("coupon", "brand", -200, 200, 0),
        ("coupon", "platform", 0, 0, 0),
    ]


def test_the_budget_has_a_cap_over_all(engine: LocalEngine) -> None:
    bearers = {"platform": {"weight": 1}, "brand": {"weight": 1}}
    words = {"budget": "spring-2026", "bearers": bearers, "when_all_capped": "brand"}
    found = till(engine, charge("coupon", creditor="merchant", apportion=words), cap="1.00").clear(sale("A1", 160))
    assert found.obligations["amount_minor"].to_pylist() == [50, 110]


@pytest.mark.parametrize(
    ("words", "refusal"),
    [
        ({}, "say in 'when_all_capped' who takes the rest, or hold"),
        ({"when_all_capped": "shop"}, "'shop' is none of platform, brand, hold, refuse"),
        ({"budget": None, "when_all_capped": "hold"}, "has a cap, but there is no 'budget'"),
        ({"by": "in_order", "when_all_capped": "hold"}, "has 'weight', which says nothing with by: in_order"),
        ({"when_all_capped": "platform", "refund": "reverse"}, "move 'platform' to the end"),
        ({"bearers": {"hold": 1}}, "cannot be called 'hold'"),
        ({"budget": None, "bearers": {"brand": 1}, "refund": "reverse"}, "'refund: reverse' needs a budget"),
        ({"bearers": {"platform": {"cap": "1.00"}}, "when_all_capped": "hold"}, "'platform' has no weight"),
        ({"by": "fixed", "bearers": {"platform": {}, "brand": {}}}, "here: platform, brand"),
    ],
)
def test_what_contradicts_is_refused(words: dict[str, object], refusal: str) -> None:
    with pytest.raises(ValidationError, match=refusal):
        terms(**words)


def test_caps_that_contradict_each_other_are_refused(engine: LocalEngine) -> None:
    other = charge(
        "coupon",
        creditor="merchant",
        apportion={"budget": "spring-2026", "bearers": {"platform": {"weight": 1, "cap": "6.00"}, "brand": 1}},
    )
    shop = till(engine, terms(when_all_capped="hold"))
    shop.charges = {**shop.charges, "gift": other}
    with pytest.raises(ClearingRefused, match="'platform' has another cap in another charge of budget 'spring-2026'"):
        assert shop.plan
    with pytest.raises(ClearingRefused, match=r"'1.005' has 3 decimals, CNY has 2"):
        assert till(engine, cap="1.005").plan
    with pytest.raises(ClearingRefused, match="has a cap: say in 'when_all_capped'"):
        words = {"budget": "spring-2026", "bearers": {"platform": 1}}
        assert till(engine, charge("coupon", creditor="merchant", apportion=words), cap="1.00").plan


def test_the_shared_cost_with_all_its_parts(engine: LocalEngine) -> None:
    """The coupon of the design in golden form: sixty to forty, brand and distributor, caps, the last, and refunds.

    | record | coupon | platform | brand | distributor | why |
    """
    golden = """
        A1   10.00   6.00   2.80   1.20   sixty to forty, the forty seventy to thirty
        A2   -2.00  -1.20  -0.56  -0.24   a correction gives room back
        A3    9.99   5.99   2.80   1.20   the odd cent of 5.994 and 3.996 goes to the suppliers, that of 2.80 nowhere
        A4   10.00   9.20   0.56   0.24   the suppliers reach 8.00, the rest goes to the platform
        A5   10.00  10.00   0.00   0.00   nobody but the platform has room, then it carries above its cap
        R1   -5.00  -4.60  -0.28  -0.12   half of A4 comes back to those who carried it
        R4   -5.00  -4.60  -0.28  -0.12   the other half: the pot is as if A4 had not been
        A6    1.00   0.20   0.56   0.24   the platform is still above its cap: the suppliers' 0.80, then the rest
    """
    lines = [line.split(None, 5)[:5] for line in golden.strip().splitlines()]
    facts = [
        sale(key, _minor(coupon)) if key.startswith("A") else back(key, "A4", amount)
        for (key, coupon, *_), amount in zip(lines, [0, 0, 0, 0, 0, 4999, 5000, 0], strict=True)
    ]
    found = till(engine, per="merchant", period="month").clear(*facts)
    amounts = found.obligations["amount_minor"].to_pylist()
    shares = [amounts[at : at + 3] for at in range(0, len(amounts), 3)]
    assert shares == [[_minor(text) for text in line[2:]] for line in lines]
    assert found.charges["amount_minor"].to_pylist() == [_minor(line[1]) for line in lines]
    assert totals(found.accumulators)["platform"] == 2099


def _minor(text: str) -> int:
    return round(Decimal(text) * 100)
