"""Golden cases: a case that holds is silent, one that does not shows what differs, in the case's own words."""

from pathlib import Path
from textwrap import dedent, indent

import pytest

from everycent.base.engine.local import LocalEngine
from everycent.flow.model.service import load_model
from everycent.flow.pipeline.contract import InputRefused
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
    columns: {sale: text, merchant: text, category: text, price: money, at: timestamp}
    amount: price
  refund:
    refunds: sale
    of: [sale]
    id: [refund]
    occurred_at: at
    columns: {refund: text, sale: text, given: money, at: timestamp}
    amount: given
factors:
  rate: {table: rates.csv, key: [category], type: decimal(2)}
charges:
  goods: {for: sale, amount: price, debtor: platform, creditor: merchant}
  commission: {for: sale, amount: price * rate, debtor: merchant, creditor: platform}
statements: {merchant: {cycle: daily}}
tests:
  the case:
"""
FACTS = """
    sale  sale  merchant  category  price  at
          S1    m-1       toys      10.00  2026-03-01 10:00
"""


def differences(folder: Path, engine: LocalEngine, *, facts: str = FACTS, **expected: str) -> list[str]:
    text = MODEL
    for word, table in {"facts": facts, **expected}.items():
        text += f"    {word}: |\n{indent(dedent(table).strip(), '      ')}\n"
    (folder / "model.yaml").write_text(text)
    (folder / "rates.csv").write_text("category,rate\ntoys,0.10\n")
    [outcome] = run_golden_cases(load_model(folder / "model.yaml", {}), "default", engine)
    return list(outcome.differences)


def test_a_case_that_holds_is_silent(tmp_path: Path, engine: LocalEngine) -> None:
    obligations = """
        charge      debtor    creditor  amount
        commission  m-1       platform    1.00
        goods       platform  m-1        10.00
    """
    charges = """
        record  charge      amount
        S1      goods        10.00
        S1      commission    1.00
    """
    assert differences(tmp_path, engine, obligations=obligations, charges=charges) == []


def test_what_differs_is_shown_in_the_columns_of_the_case(tmp_path: Path, engine: LocalEngine) -> None:
    obligations = """
        charge      debtor    amount
        goods       platform   10.00
        commission  m-1         1.01
        commission  m-1         1.01
    """
    assert differences(tmp_path, engine, obligations=obligations) == [
        "obligations: not there: charge commission  debtor m-1  amount 1.01  (2 times)",
        "obligations: not expected: charge commission  debtor m-1  amount 1.00",
    ]


def test_refunds_of_the_case_are_measured_against_its_own_records(tmp_path: Path, engine: LocalEngine) -> None:
    facts = (
        FACTS
        + """
    refund  refund  sale  given  at
            R1      S1     4.00  2026-03-02 10:00
            R2      S1     6.00  2026-03-03 10:00
"""
    )
    obligations = """
        charge      amount
        goods        10.00
        commission    1.00
        goods        -4.00
        commission   -0.40
        goods        -6.00
        commission   -0.60
    """
    assert differences(tmp_path, engine, facts=facts, obligations=obligations) == []
    more = facts.replace("6.00", "6.01")
    assert differences(tmp_path, engine, facts=more, obligations=obligations) == [
        "facts: refund R2 is quarantined: refunds 6.01 CNY of sale S1, which is worth 10.00 CNY and of which "
        "4.00 CNY is refunded already; at most 6.00 CNY is left"
    ]


def test_a_held_charge_says_why_the_case_differs(tmp_path: Path, engine: LocalEngine) -> None:
    obligations = """
        charge  amount
        goods    10.00
        commission  1.00
    """
    assert differences(tmp_path, engine, facts=FACTS.replace("toys", "boat"), obligations=obligations) == [
        "obligations: not there: charge commission  amount 1.00",
        "held: commission: factor rate is missing for category 'boat'",
    ]


@pytest.mark.parametrize(
    ("facts", "obligations", "said"),
    [
        (
            "sold  a\n      b",
            "charge\ngoods",
            "line 1 of facts starts with 'sold'; start with a record kind: refund, sale",
        ),
        (
            "sale  sale  colour\n      S1  red",
            "charge\ngoods",
            "facts: sale has no column 'colour'; there are sale, merchant",
        ),
        (
            "sale  sale  price\n      S1",
            "charge\ngoods",
            "line 2 of facts has 1 cells for 2 columns (sale, price); cells",
        ),
        (
            FACTS,
            "charge  colour\ngoods  red",
            "obligations has no column 'colour'; there are amount, booked_on, charge",
        ),
        (
            FACTS.replace("10.00", "10.001"),
            "charge\ngoods",
            "facts: sale S1 is quarantined: price: '10.001' has 3 decimals",
        ),
    ],
)
def test_a_case_that_cannot_be_read_says_where(
    tmp_path: Path, engine: LocalEngine, facts: str, obligations: str, said: str
) -> None:
    [difference] = differences(tmp_path, engine, facts=facts, obligations=obligations)
    assert difference.startswith(said)


def test_a_rate_table_that_is_not_there_is_named(tmp_path: Path, engine: LocalEngine) -> None:
    (tmp_path / "model.yaml").write_text(MODEL + "    facts: sale  sale\n")
    model = load_model(tmp_path / "model.yaml", {})
    with pytest.raises(InputRefused, match=r"factor 'rate' is from rates\.csv, which is not beside .*model\.yaml"):
        run_golden_cases(model, "default", engine)
