"""Tolerances, conversions and fees against exact fractions: pairs by key, each matched or not as arithmetic says."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from everycent.base.engine.local import LocalEngine
from everycent.base.money.currency import currency
from everycent.base.money.rounding import Rounding, round_fraction
from everycent.proof.recon.contract import EXCHANGE_RATE, ITEM
from everycent.proof.recon.core.matching.matching import match
from everycent.proof.recon.core.matching.plan import plan_match
from everycent.proof.recon.rules import MatchRuleSpec

AMOUNT = st.integers(-(10**15), 10**15) | st.integers(-2000, 2000)
PAIRS = st.lists(st.tuples(AMOUNT, st.integers(-3, 3)), min_size=1, max_size=20)
RATE = st.decimals("0.000000001", "999999", places=9)
SETTINGS = settings(max_examples=20, deadline=None)


def matched(
    engine: LocalEngine, rule: dict[str, Any], sides: list[list[dict[str, Any]]], rates: dict[str, pa.Table]
) -> dict[int, dict[str, int]]:
    """By left row: the differences of its match with the right row of the same number."""
    tables = [
        pa.Table.from_pylist([dict.fromkeys(ITEM.names) | {"row_no": n, "key": str(n)} | row for n, row in rows], ITEM)
        for rows in (list(enumerate(side)) for side in sides)
    ]
    plan = plan_match("bill", [MatchRuleSpec.model_validate(rule)], currency("CNY"), rates)
    found = match(plan, *tables, engine)
    number = {row["match_no"]: row["row_no"] for row in found.matches.to_pylist() if row["side"] == "left"}
    said: dict[int, dict[str, int]] = {row: {} for row in number.values()}
    for row in found.differences.to_pylist():
        said[number[row["match_no"]]][row["cause"]] = int(row["difference_minor"])
    return said


def named(**differences: int) -> dict[str, int]:
    return {cause: minor for cause, minor in differences.items() if minor}


@SETTINGS
@given(pairs=PAIRS, relative=st.decimals(0, "0.01", places=6), absolute=st.integers(0, 2))
def test_tolerances(engine: LocalEngine, pairs: list[tuple[int, int]], relative: Decimal, absolute: int) -> None:
    left = [{"amount_minor": amount} for amount, _ in pairs]
    right = [{"amount_minor": amount + apart * max(1, abs(amount) // 300)} for amount, apart in pairs]
    expected = {}
    for place, (one, other) in enumerate(zip(left, right, strict=True)):
        apart = one["amount_minor"] - other["amount_minor"]
        smaller = min(abs(one["amount_minor"]), abs(other["amount_minor"]))
        if (abs(apart) <= absolute or abs(apart) <= smaller * Fraction(relative)) and abs(apart) <= 2**40:
            expected[place] = named(within_tolerance=apart)
    rule = {"tolerance": {"relative": f"{relative:f}", "absolute": f"0.{absolute:02}"}}
    assert matched(engine, rule, [left, right], {}) == expected


@SETTINGS
@given(pairs=PAIRS, rate=RATE, ends=st.permutations(["CNY", "JPY", "KWD"]), tolerance=st.integers(0, 2))
def test_conversions(
    engine: LocalEngine, pairs: list[tuple[int, int]], rate: Decimal, ends: list[str], tolerance: int
) -> None:
    day = date(2026, 3, 1)
    units = {end: currency(end).units for end in ends}
    left, right, expected = [], [], {}
    for amount, apart in pairs:
        worth = round_fraction(Fraction(amount * units[ends[1]], units[ends[0]]) * Fraction(rate), Rounding.HALF_UP)
        if abs(worth) + 3 < 2**63:
            if abs(apart) <= tolerance:
                expected[len(left)] = named(conversion_difference=-apart)
            left.append({"amount_minor": amount, "currency": ends[0], "occurred_on": day})
            right.append({"amount_minor": worth + apart, "currency": ends[1]})
    table = pa.Table.from_pylist([dict(zip(EXCHANGE_RATE.names, (*ends[:2], day, rate), strict=True))], EXCHANGE_RATE)
    rule = {"convert": {"rates": "fx", "tolerance_minor": tolerance}}
    assert matched(engine, rule, [left, right], {"fx": table}) == expected


@SETTINGS
@given(
    pairs=PAIRS, rate=st.decimals(0, "0.2", places=6), fixed=st.integers(0, 99), low=st.integers(0, 99),
    high=st.integers(100, 9999), tolerance=st.integers(0, 2),
)  # fmt: skip
def test_fees_by_formula(
    engine: LocalEngine,
    pairs: list[tuple[int, int]],
    rate: Decimal,
    fixed: int,
    low: int,
    high: int,
    tolerance: int,
) -> None:
    left, right, expected = [], [], {}
    for place, (gross, apart) in enumerate(pairs):
        part = round_fraction(abs(gross) * Fraction(rate), Rounding.HALF_UP)
        fee = (gross > 0) - (gross < 0)
        fee *= min(max(part + fixed, low), high)
        left.append({"amount_minor": gross})
        right.append({"amount_minor": gross - fee + apart})
        if abs(apart) <= tolerance:
            expected[place] = named(fee=fee, within_tolerance=-apart)
    bounds = {"minimum": f"0.{low:02}", "maximum": f"{high // 100}.{high % 100:02}"}
    formula = {"rate": f"{rate:f}", "fixed": f"0.{fixed:02}"} | bounds
    rule = {"net_of_fees": {"formula": formula, "tolerance": f"0.{tolerance:02}"}}
    assert matched(engine, rule, [left, right], {}) == expected


@SETTINGS
@given(pairs=PAIRS, bounds=st.tuples(*[st.decimals(0, "0.01", places=6)] * 2))
def test_fees_within_bounds(engine: LocalEngine, pairs: list[tuple[int, int]], bounds: tuple[Decimal, Decimal]) -> None:
    least, most = sorted(bounds)
    left, right, expected = [], [], {}
    for place, (gross, apart) in enumerate(pairs):
        net = gross - round(gross * Fraction(most)) + apart
        left.append({"amount_minor": net})
        right.append({"amount_minor": gross})
        part = Fraction(gross - net, gross) if gross else None
        if net == gross == 0 or (part is not None and Fraction(least) <= part <= Fraction(most)):
            expected[place] = named(fee=net - gross)
    rule = {"net_of_fees": {"gross": "right", "range": {"least": f"{least:f}", "most": f"{most:f}"}}}
    assert matched(engine, rule, [left, right], {}) == expected


def test_amounts_that_no_64_bits_hold_once_converted_match_nothing(told: Callable[..., Any]) -> None:
    left = [{"key": "A", "amount_minor": 2**62, "currency": "USD", "occurred_on": date(2026, 3, 9)}]
    assert told("[{convert: {rates: fx}}]", left, [{"key": "A", "amount_minor": 2**62}]).lines == []
