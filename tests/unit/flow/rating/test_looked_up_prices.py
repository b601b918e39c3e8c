"""Prices from rate cards, and amounts in other currencies: which row of a table is used, on which date."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from market import COLUMNS, KIND, PARTIES, amounts, charge, rates, reasons, records, types
from market import RATES as CARD

from everycent.base.engine.local import LocalEngine
from everycent.base.money.currency import currency
from everycent.base.money.rounding import Rounding, round_fraction
from everycent.flow.intake.contract import TableSpec
from everycent.flow.rating.contract import AmbiguousFactor, RatingRefused
from everycent.flow.rating.stage import Rated, plan_rating, rate

TRADE = COLUMNS | {"paid": "decimal(3)", "paid_in": "text", "paid_at": "timestamp", "due": "date"}
FX = TableSpec.model_validate(
    {"file": "fx.csv", "key": "currency", "columns": {"currency": "text", "day": "date", "rate": "decimal(8)"}}
)
TABLES = {"fx": FX, "commission_rates.csv": CARD}
CONVERT = {"from": "paid_in", "rates": "fx", "dated": "day", "direction": "multiply"}


def fx(*rows: tuple[str, str, str]) -> pa.Table:
    codes, days, values = zip(*rows, strict=True)
    return pa.table(
        {
            "currency": pa.array(codes, pa.string()),
            "day": pa.array([date.fromisoformat(day) for day in days], pa.date32()),
            "rate": pa.array([Decimal(value) for value in values], pa.decimal128(18, 8)),
        }
    )


DAILY = fx(("USD", "2026-02-27", "7.10"), ("USD", "2026-03-02", "7.20"), ("JPY", "2026-02-27", "0.0465"))


def found(
    engine: LocalEngine, items: Sequence[Mapping[str, Any]], code: str = "CNY", table: pa.Table = DAILY, **words: Any
) -> Rated:
    money = currency(code)
    plan = plan_rating({"fee": charge(**words)}, {}, KIND, types(TRADE, money), PARTIES, TABLES, money)
    card = rates(("toys", None, "2026-03-01", "0.05"), ("toys", "2026-03-01", None, "0.06"))
    return rate(plan, records(*items, columns=TRADE), {"fx": table, "commission_rates.csv": card}, engine)


def paid(amount: str, code: str, on: str = "2026-03-01") -> dict[str, Any]:
    return {"paid": Decimal(amount), "paid_in": code, "on": on}


def test_a_rate_card_of_the_business_date(engine: LocalEngine) -> None:
    card = {"by": "category", "table": "commission_rates.csv", "column": "rate"}
    items = [{"on": "2026-02-28"}, {"on": "2026-03-01"}, {"category": "food"}]
    rated = found(engine, items, price={"rate_card": card | {"of": "price"}})
    assert amounts(rated.charges) == [("fee", 500), ("fee", 600)]
    missing = "factor rate card of fee is missing for category 'food' on 2026-03-01"
    assert reasons(rated.held) == [("fee", "held", missing)]
    assert rated.snapshots["body"].to_pylist()[1] == {"rate card of fee": Decimal("0.0600")}
    assert amounts(found(engine, [{}], price={"rate_card": card}).charges) == [("fee", 6)]


def test_the_latest_rate_on_or_before_the_business_date(engine: LocalEngine) -> None:
    items = [paid("10.005", "USD", day) for day in ("2026-02-26", "2026-02-27", "2026-03-01", "2026-03-02")]
    rated = found(engine, items, amount="paid", convert=CONVERT)
    assert amounts(rated.charges) == [("fee", 7104), ("fee", 7104), ("fee", 7204)]
    missing = "factor exchange rate of fee is missing for paid_in 'USD' on 2026-02-26"
    assert reasons(rated.held) == [("fee", "held", missing)]


def test_the_rate_of_that_date_exactly(engine: LocalEngine) -> None:
    items = [paid("10", "USD", day) for day in ("2026-02-27", "2026-03-01", "2026-03-02", "2026-03-03")]
    rated = found(engine, items, amount="paid", convert=CONVERT | {"find": "exact"})
    assert amounts(rated.charges) == [("fee", 7100), ("fee", 7200)]
    assert [reason.rpartition(" ")[2] for _, _, reason in reasons(rated.held)] == ["2026-03-01", "2026-03-03"]


def test_a_rate_on_a_date_of_the_record(engine: LocalEngine) -> None:
    items = [
        paid("10", "USD") | {"due": date(2026, 3, 2), "paid_at": datetime(2026, 3, 1, 23, 59, 59)},
        paid("10", "USD") | {"due": None, "paid_at": datetime(2026, 3, 2)},
    ]
    due = found(engine, items, amount="paid", convert=CONVERT | {"on": "due"})
    assert amounts(due.charges) == [("fee", 7200)]
    assert reasons(due.held) == [("fee", "held", "factor exchange rate of fee is not found: column due is empty")]
    assert amounts(found(engine, items, amount="paid", convert=CONVERT | {"on": "paid_at"}).charges) == [
        ("fee", 7100),
        ("fee", 7200),
    ]


def test_what_is_in_the_charge_s_own_currency_needs_no_rate(engine: LocalEngine) -> None:
    items = [paid("10", "CNY"), paid("1000", "JPY"), paid("10", "EUR"), {"paid": Decimal(1), "paid_in": None}]
    rated = found(engine, items, amount="paid", convert=CONVERT)
    assert amounts(rated.charges) == [("fee", 1000), ("fee", 4650)]
    assert reasons(rated.held) == [
        ("fee", "held", "factor exchange rate of fee is missing for paid_in 'EUR' on 2026-03-01"),
        ("fee", "held", "column paid_in is empty"),
    ]


def test_one_currency_by_its_code_and_rates_the_other_way_round(engine: LocalEngine) -> None:
    convert = {"from": "USD", "rates": "fx", "dated": "day", "direction": "divide"}
    assert amounts(found(engine, [paid("71", "")], amount="paid", convert=convert).charges) == [("fee", 1000)]
    rated = found(engine, [paid("71", "", "2026-01-01")], amount="paid", convert=convert)
    missing = "factor exchange rate of fee is missing for 'USD' on 2026-01-01"
    assert reasons(rated.held) == [("fee", "held", missing)]


def test_a_price_is_converted_once_it_is_found(engine: LocalEngine) -> None:
    price = {"graduated": {"of": "paid", "tiers": [{"up_to": "100", "rate": "0.05"}, {"rate": "0.03"}]}}
    rated = found(engine, [paid("200", "USD")], price=price, convert=CONVERT)
    assert amounts(rated.charges) == [("fee", 5680)]  # (5 + 3) USD at 7.10


def test_two_rates_for_one_date_are_refused(engine: LocalEngine) -> None:
    twice = fx(("USD", "2026-03-01", "7.1"), ("USD", "2026-03-01", "7.2"))
    with pytest.raises(AmbiguousFactor, match="two rows for currency 'USD' on 2026-03-01; keep one"):
        found(engine, [paid("1", "USD")], amount="paid", convert=CONVERT, table=twice)


@pytest.mark.parametrize(
    ("convert", "message"),
    [
        (CONVERT | {"from": "CNY"}, "in CNY already"),
        (CONVERT | {"from": "currency"}, "no text column of this record kind and no currency's code"),
        (CONVERT | {"on": "brand"}, "no date or timestamp column"),
        (CONVERT | {"dated": "rate"}, "is to be a date column"),
    ],
)
def test_a_conversion_that_cannot_be_is_refused(engine: LocalEngine, convert: dict[str, str], message: str) -> None:
    with pytest.raises(RatingRefused, match=message):
        found(engine, [paid("1", "USD")], amount="paid", convert=convert)


@settings(max_examples=30)
@given(
    code=st.sampled_from(["JPY", "CNY", "KWD"]),
    rate=st.decimals("0.00000001", 9999, places=8),
    thousandths=st.lists(st.integers(-(10**9), 10**9), min_size=1, max_size=6),
    direction=st.sampled_from(["multiply", "divide"]),
    rounding=st.sampled_from(list(Rounding)),
)
def test_conversion_is_exact_and_rounded_once(
    local: LocalEngine, code: str, rate: Decimal, thousandths: list[int], direction: str, rounding: Rounding
) -> None:
    items = [paid(str(Decimal(value) / 1000), "USD") for value in thousandths]
    table = fx(("USD", "2026-03-01", str(rate)))
    convert = CONVERT | {"direction": direction}
    rated = found(local, items, code, table, amount="paid", convert=convert, round=rounding)
    factor = Fraction(rate) if direction == "multiply" else 1 / Fraction(rate)
    minor = 10 ** currency(code).exponent
    assert [amount for _, amount in amounts(rated.charges)] == [
        round_fraction(Fraction(value, 1000) * factor * minor, rounding) for value in thousandths
    ]


def test_a_rate_that_is_frozen_is_not_looked_up_again(engine: LocalEngine) -> None:
    """What a snapshot holds is to a plan like a column of the record, under the factor's name."""
    frozen = {"rate card of fee": "decimal(4)"}
    price = {"rate_card": {"by": "category", "table": "commission_rates.csv", "column": "rate", "of": "price"}}
    plan = plan_rating({"fee": charge(price=price)}, {}, KIND, types(TRADE | frozen), PARTIES, TABLES, currency("CNY"))
    assert plan.lookups == ()
    given = records({"rate card of fee": Decimal("0.0700")}, columns=TRADE | frozen)
    assert amounts(rate(plan, given, {}, engine).charges) == [("fee", 700)]


def test_rows_without_a_date_and_records_in_any_order_find_the_right_rate(engine: LocalEngine) -> None:
    """Two currencies side by side, more records than one vector, a row without a date, a key that is empty."""
    table = pa.concat_tables([DAILY, DAILY.slice(0, 1).set_column(1, "day", pa.array([None], pa.date32()))])
    rate_of = {"2026-02-26": None, "2026-02-27": 710, "2026-03-01": 710, "2026-03-02": 720, "2027-01-01": 720}
    days = [list(rate_of)[at % 5] for at in range(5000)]
    rated = found(engine, [paid("1", "USD", day) for day in days], table=table, amount="paid", convert=CONVERT)
    assert [amount for _, amount in amounts(rated.charges)] == [rate_of[day] for day in days if rate_of[day]]
    assert rated.held.num_rows == 1000
