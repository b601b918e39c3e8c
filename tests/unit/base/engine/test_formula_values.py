"""What formulas give: conditions, values, and amounts of single rows."""

from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from everycent.base.engine.formula import FormulaError, compile_amount, compile_condition, compile_value, parse_formula
from everycent.base.engine.local import LocalEngine
from everycent.base.engine.types import Column, ColumnType
from everycent.base.money.rounding import Rounding

COLUMNS: dict[str, tuple[str, Any]] = {
    "price": ("money", 9999),
    "coupon": ("money", 1000),
    "nothing": ("money", None),
    "rate": ("decimal(4)", Decimal("0.0525")),
    "precise": ("decimal(18)", Decimal("0.000000000000000001")),
    "count": ("integer", 3),
    "zero": ("integer", 0),
    "huge": ("integer", 2**63 - 1),
    "status": ("text", "paid"),
    "at": ("timestamp", datetime(2026, 1, 31, 10, 30)),
    "day": ("date", date(2026, 1, 31)),
    "paid": ("boolean", True),
    "unsure": ("boolean", None),
}
SCOPE = {name: Column(name, ColumnType.parse(kind), f'r.body."{name}"') for name, (kind, _) in COLUMNS.items()}
BODY = pa.struct([pa.field(name, SCOPE[name].type.arrow) for name in COLUMNS])
ROW = pa.table({"body": pa.array([{name: value for name, (_, value) in COLUMNS.items()}], BODY)})


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalEngine]:
    with LocalEngine(threads=1, memory_mb=500, temp_dir=Path(tmp_path_factory.mktemp("spill"))) as engine:
        yield engine


def amount(engine: LocalEngine, text: str, rounding: Rounding = Rounding.HALF_UP, scale: int = 2) -> Any:
    sql = compile_amount(parse_formula(text, SCOPE), scale, rounding)
    parts = {"fast": sql.fast_sql, "missing": sql.missing_sql, "wide": sql.wide_sql, "zero": sql.zero_division_sql}
    asked = ", ".join(f"{part} AS {name}" for name, part in parts.items())
    (row,) = engine.query(f"SELECT {asked} FROM r", r=ROW).to_pylist()
    for outcome in (row["fast"], row["missing"], row["wide"]):
        if outcome is not None:
            return outcome
    return "division by zero" if row["zero"] else "overflow"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("price - coupon", 8999),
        ("price * rate", 525),
        ("greatest(price * rate, 0.30)", 525),
        ("greatest(price * 0.001, 0.30)", 30),
        ("price - 0.30", 9969),
        ("-price * 0.005", -50),
        ("price / count", 3333),
        ("price / -count", -3333),
        ("price / count * count", 9999),
        ("price / coupon", 1000),
        ("price * precise * 1000000000", 0),
        ("price - nothing", "nothing"),
        ("greatest(price, nothing)", "nothing"),
        ("if(paid, price, nothing)", "nothing"),
        ("if(unsure, price, 0)", "unsure"),
        ("price + coalesce(nothing, 0)", 9999),
        ("if(nothing is null, price, nothing)", 9999),
        ("nullif(price, 99.99)", "NULL"),
        ("price / zero", "division by zero"),
        ("if(zero = 0, price, price / zero)", 9999),
        ("if(zero <> 0 and price / zero > 1, 1, 2)", 200),
        ("if(price / zero > 1, 1, 2)", "division by zero"),
        ("coalesce(price / zero, 1)", "division by zero"),
        ("huge", "overflow"),
        ("huge * 1000000000000 / huge * 0.01", 10**12),
        ("huge * huge", "overflow"),
    ],
)
def test_amounts_and_why_there_is_none(engine: LocalEngine, text: str, expected: int | str) -> None:
    assert amount(engine, text) == expected


def test_the_same_formula_in_other_currencies_and_roundings(engine: LocalEngine) -> None:
    assert amount(engine, "price * 0.0005", scale=0) == 0
    assert amount(engine, "price * 0.0005", scale=3) == 50
    assert [amount(engine, "coupon * 0.0005", rounding) for rounding in Rounding] == [1, 0, 0, 1]
    assert [amount(engine, "-coupon * 0.0005", rounding) for rounding in Rounding] == [-1, 0, 0, -1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("price > 0", True),
        ("price * rate > 5.25", False),
        ("price * rate > 5.24", True),
        ("coupon between 0 and price", True),
        ("rate = 0.0525", True),
        ("price in (99.99, 1)", True),
        ("status in ('paid', 'shipped') and paid", True),
        ("status not like 'p%'", False),
        ("price > nothing", None),
        ("paid or nothing > 0", None),
        ("nothing is null", True),
        ("price > 0 or nothing is null", True),
        ("price / zero > 1", None),
        ("huge * huge > 1", True),
        ("at + interval '7 days' < timestamp '2026-02-07 10:30:01'", True),
        ("length(status) = 4 and starts_with(status, 'pa')", True),
    ],
)
def test_conditions(engine: LocalEngine, text: str, expected: bool | None) -> None:
    sql = compile_condition(parse_formula(text, SCOPE))
    assert engine.query(f"SELECT {sql} AS holds FROM r", r=ROW).to_pylist() == [{"holds": expected}]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("price", 9999),
        ("round(price * rate, 2)", 525),
        ("round(price, 0)", 10000),
        ("rate * 2", Decimal("0.1050")),
        ("-rate", Decimal("-0.0525")),
        ("round(price / coupon, 3)", Decimal("9.999")),
        ("0.05", Decimal("0.05")),
        ("count * 2", 6),
        ("huge + 1", None),
        ("status || '!'", "paid!"),
        ("if(paid, 'yes', 'no')", "yes"),
        ("least(status, 'a')", "a"),
        ("date(at)", date(2026, 1, 31)),
        ("day + interval '1 month'", date(2026, 2, 28)),
        ("day + interval '1 hour'", datetime(2026, 1, 31, 1)),
        ("day - date '2026-01-01'", 30),
        ("year(at) * 100 + month(at)", 202601),
        ("coalesce(nothing, coupon)", 1000),
        ("nothing + 1", None),
    ],
)
def test_values_have_the_formulas_type(engine: LocalEngine, text: str, expected: Any) -> None:
    formula = parse_formula(text, SCOPE)
    found = engine.query(f"SELECT {compile_value(formula)} AS value FROM r", r=ROW)
    assert found.to_pylist() == [{"value": expected}]
    assert found.schema.field("value").type == formula.type.arrow


@pytest.mark.parametrize("text", ["price * rate", "price / 3", "rate / 3"])
def test_a_value_is_not_rounded_unasked(text: str) -> None:
    with pytest.raises(FormulaError, match=r"write round\("):
        compile_value(parse_formula(text, SCOPE))
