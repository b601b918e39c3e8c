"""Laws of rating, clearing and refunds over random small models, against an oracle in fractions."""

from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from market import charge
from oracle import OracleCharge, OracleSale
from till import Till

from everycent.base.engine.local import LocalEngine
from everycent.flow.clearing.contract import ChargeSpec, Cleared

ROUNDINGS = st.sampled_from(["half_up", "half_even", "down", "up"])
ON_REFUND = st.sampled_from(["prorate", "return", "keep"])
ODD_CENTS = st.sampled_from(["largest_remainder", "first_in_order"])
PERCENT = st.integers(-2000, 2000)  # of a ten-thousandth
PRICES = st.one_of(st.integers(0, 20), st.integers(0, 300), st.integers(0, 10_000_000), st.integers(0, 10**15))


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalEngine]:
    """One engine for all examples."""
    with LocalEngine(threads=1, memory_mb=512, temp_dir=Path(tmp_path_factory.mktemp("spill"))) as engine:
        yield engine


@st.composite
def shares(draw: st.DrawFn) -> tuple[tuple[int, tuple[int, ...] | None], ...]:
    """A share for the platform, and one that brand and distributor may split again."""
    first, second = draw(st.tuples(st.integers(0, 9), st.integers(1, 9)))
    among = draw(st.one_of(st.none(), st.tuples(st.integers(0, 99), st.integers(1, 99))))
    return ((first, None), (second, among))


@st.composite
def models(draw: st.DrawFn) -> list[OracleCharge]:
    """Up to five charges that build on one another."""
    rate, tax, floor_, off = draw(PERCENT), draw(PERCENT), draw(st.integers(0, 99)), draw(st.integers(1, 7))

    def of(name: str, text: str, value, *, shared: bool = False) -> OracleCharge:  # type: ignore[no-untyped-def]
        parts = draw(shares()) if shared else ()
        return OracleCharge(name, text, value, draw(ROUNDINGS), draw(ON_REFUND), parts, draw(ODD_CENTS))

    written = f"({'-' if rate < 0 else ''}{abs(rate) // 10000}.{abs(rate) % 10000:04})"
    taxed = f"({'-' if tax < 0 else ''}{abs(tax) // 10000}.{abs(tax) % 10000:04})"
    return [
        of("goods", "price - coupon", lambda known: known["price"] - known["coupon"]),
        of("fee", f"price * {written}", lambda known: known["price"] * Fraction(rate, 10000)),
        of("tax", f"fee * {taxed} / {off}", lambda known: known["fee"] * Fraction(tax, 10000 * off)),
        of("least", f"greatest(fee, 0.{floor_:02})", lambda known: max(known["fee"], Fraction(floor_))),
        of("coupon", "coupon", lambda known: known["coupon"], shared=True),
        of("rebate", f"-(price - coupon) / {off}", lambda k: -(k["price"] - k["coupon"]) / off, shared=True),
    ]


def spec(given_: OracleCharge) -> ChargeSpec:
    words = {"round": given_.rounding, "on_refund": given_.on_refund}
    if given_.shares:
        (first, _), (second, among) = given_.shares
        rest = (
            {"brand": second}
            if among is None
            else {"others": {"weight": second, "among": {"brand": among[0], "distributor": among[1]}}}
        )
        words["apportion"] = {"bearers": {"platform": first, **rest}, "odd_cent": given_.odd_cent}  # type: ignore[assignment]
        words["creditor"] = "merchant"
    return charge(given_.text, **words)


SALES = st.lists(st.tuples(PRICES, PRICES), min_size=1, max_size=4)
REFUNDS = st.lists(
    st.tuples(st.integers(0, 3), st.one_of(st.sampled_from([Fraction(1, 2), Fraction(1, 4)]), st.fractions(0, 1))),
    max_size=8,
)


def found(cleared: Cleared) -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
    """The (charge, amount) rows of charges and of obligations."""
    return tuple(  # type: ignore[return-value]
        list(zip(table["charge"].to_pylist(), table["amount_minor"].to_pylist(), strict=True))
        for table in (cleared.charges, cleared.obligations)
    )


@settings(deadline=None, max_examples=25)
@given(model=models(), sales=SALES, refunds=REFUNDS, cuts=st.sets(st.integers(0, 9)))
def test_charges_shares_and_refunds_agree_with_fractions(
    local: LocalEngine,
    model: list[OracleCharge],
    sales: list[tuple[int, int]],
    refunds: list[tuple[int, Fraction]],
    cuts: set[int],
) -> None:
    till = Till({part.name: spec(part) for part in model}, local)
    columns = [{"price": max(sale), "coupon": min(sale)} for sale in sales]
    sold = till.sell(*({**item, "amount": item["price"] - item["coupon"]} for item in columns))
    oracle = [OracleSale(model, item, item["price"] - item["coupon"]) for item in columns]
    assert found(sold) == (
        [pair for sale in oracle for pair in sale.amounts.items()],
        [(name, part) for sale in oracle for name, parts in sale.remaining.items() for part in parts],
    )

    asked = [(at % len(sales), round(part * oracle[at % len(sales)].worth)) for at, part in refunds]
    given_back, held = [], 0
    for start, end in pairwise(sorted({0, len(asked), *(cut for cut in cuts if cut < len(asked))})):
        batch = till.give_back(*((f"A{at + 1}", amount) for at, amount in asked[start:end]))
        given_back.append(found(batch))
        held += batch.held.num_rows
    expected = [oracle[at].give_back(amount) for at, amount in asked]
    assert held == expected.count(None)
    parts = [part for one in expected if one is not None for part in one]
    assert [row for batch in given_back for row in batch[0]] == [(name, sum(shares_)) for name, shares_ in parts]
    assert [row for batch in given_back for row in batch[1]] == [
        (n, share) for n, shares_ in parts for share in shares_
    ]


@settings(deadline=None, max_examples=25)
@given(model=models(), sale=st.tuples(PRICES, PRICES), parts=st.lists(st.integers(1, 1000), min_size=1, max_size=6))
def test_refunds_of_the_whole_give_everything_back(
    local: LocalEngine, model: list[OracleCharge], sale: tuple[int, int], parts: list[int]
) -> None:
    till = Till({part.name: spec(part) for part in model}, local)
    price, coupon, worth = max(sale), min(sale), max(sale) - min(sale)
    till.sell({"price": price, "coupon": coupon, "amount": worth})
    if worth == 0:
        return
    marks = [sum(parts[:at]) * worth // sum(parts) for at in range(len(parts) + 1)]
    till.give_back(*(("A1", end - start) for start, end in pairwise(marks)))
    for row in till.cleared.obligations.to_pylist():
        back = till.given_back.get((row["record_id"].bytes, row["charge"], row["bearer"]), 0)
        keeps = till.charges[row["charge"]].on_refund.value == "keep"
        assert back == (0 if keeps else row["amount_minor"])
