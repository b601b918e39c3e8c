"""Golden cases of models that look factors up outside: the case gives the values, nobody is asked."""

from pathlib import Path
from textwrap import dedent, indent

import pytest

from everycent.base.engine.local import LocalEngine
from everycent.flow.model.contract import ModelRefused
from everycent.flow.model.service import load_model
from everycent.flow.pipeline.golden import run_golden_cases

MODEL = """\
model: corner-shop
version: 1
currency: CNY
calendar: {time_zone: Asia/Shanghai}
parties: {platform: {operator: shanghai}, merchant: {key: [merchant]}}
records:
  sale:
    id: [sale]
    occurred_at: at
    columns: {sale: text, merchant: text, category: text, size: integer, price: money, at: timestamp}
factors:
  rate: {rest: {address: RATES_URL}, key: [category], type: decimal(2)}
  floor:
    sql: {database: FLOORS, statement: "SELECT category, size, floor FROM floors"}
    key: [category, size]
    type: money
  waived: {rest: {address: WAIVED_URL}, key: [merchant], type: boolean}
  levy: {constant: 1}
charges:
  goods: {for: sale, amount: price, debtor: platform, creditor: merchant}
  fee:
    for: sale
    when: not waived
    amount: greatest(price * rate, floor) * levy
    debtor: merchant
    creditor: platform
statements: {merchant: {cycle: daily}}
tests:
  the case:
"""
FACTS = """
    sale  sale  merchant  category  size  price  at
          S1    m-1       toys      1     10.00  2026-03-01 10:00
          S2    m-2       toys      2     10.00  2026-03-01 10:00
"""
FACTORS = """
    rate    category  value
            toys      0.10
    floor   size  category  value
            1     toys      0.30
            2     toys      5.00
    waived  merchant  value
            m-1       no
            m-2       no
"""
CHARGES = """
    record  charge  amount
    S1      fee       1.00
    S2      fee       5.00
    S1      goods    10.00
    S2      goods    10.00
"""


def differences(folder: Path, engine: LocalEngine, factors: str, charges: str = CHARGES) -> list[str]:
    text = MODEL
    for word, table in {"facts": FACTS, "factors": factors, "charges": charges}.items():
        text += f"    {word}: |\n{indent(dedent(table).strip(), '      ')}\n"
    (folder / "model.yaml").write_text(text)
    [outcome] = run_golden_cases(load_model(folder / "model.yaml", {}), "default", engine)
    return list(outcome.differences)


def test_the_values_that_the_case_gives_are_used_by_key(tmp_path: Path, engine: LocalEngine) -> None:
    assert differences(tmp_path, engine, FACTORS) == []
    waived = FACTORS.replace("m-2       no", "m-2       yes")
    assert differences(tmp_path, engine, waived) == ["charges: not there: record S2  charge fee  amount 5.00"]


def test_a_value_that_is_not_given_holds_the_charge_and_says_so(tmp_path: Path, engine: LocalEngine) -> None:
    lines = differences(tmp_path, engine, FACTORS.replace("2     toys      5.00", "2     toys      -"))
    assert lines[0] == "charges: not there: record S2  charge fee  amount 5.00"
    assert "factor floor is empty for category 'toys' and size 2: the case gives no value for it" in lines[-1]


@pytest.mark.parametrize(
    ("factors", "said"),
    [
        (FACTORS.replace("0.10", "0.123"), "factors: 0.123 has more decimals than decimal(2) can hold (2)"),
        (FACTORS.replace("m-1       no", "m-1       perhaps"), "factors: 'perhaps' is not boolean"),
        (
            "levy  value\n      2",
            "line 1 of factors starts with 'levy'; start with a factor that is looked up outside",
        ),
        ("rate  shop  value\n      a     2", "factors: rate has the columns shop, value; write category  value"),
        ("rate  category  value\n      toys", "line 2 of factors has 1 cells for 2 columns (category, value)"),
    ],
)
def test_values_that_cannot_be_read_say_where(tmp_path: Path, engine: LocalEngine, factors: str, said: str) -> None:
    [difference] = differences(tmp_path, engine, factors)
    assert difference.startswith(said)


def test_a_statement_s_parameters_are_key_columns(tmp_path: Path) -> None:
    text = MODEL.replace("FROM floors", "FROM floors WHERE shop = ANY(%(shop)s)") + "    facts: sale  sale\n"
    (tmp_path / "model.yaml").write_text(text)
    with pytest.raises(ModelRefused, match=r"asks for %\(shop\)s, but 'key' has category, size; name it there"):
        load_model(tmp_path / "model.yaml", {})
