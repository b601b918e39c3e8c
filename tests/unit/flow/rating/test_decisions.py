"""Decision tables: rows that are rules, cells that are conditions; what is written wrongly is told with its line."""

from collections.abc import Mapping
from typing import Any

import pytest
from market import COLUMNS, KIND, PARTIES, amounts, charge, reasons, records, types

from everycent.base.engine.local import LocalEngine
from everycent.base.money.currency import currency
from everycent.flow.rating.contract import RatingRefused
from everycent.flow.rating.core.decisions import DecisionTable, condition
from everycent.flow.rating.stage import Rated, RatingPlan, plan_rating, rate


def table(text: str) -> DecisionTable:
    """A table whose cells are parted by bars of two."""
    header, *rows = (tuple(cell.strip() for cell in line.split("||")) for line in text.strip().splitlines())
    return DecisionTable("rules.csv", header, tuple((at + 2, row) for at, row in enumerate(rows)))


def plan(text: str, columns: Mapping[str, str] = COLUMNS, **words: Any) -> RatingPlan:
    rules = {"table": "rules.csv"} | words.pop("rules", {})
    charges = {"fee": charge(rules=rules, **words)}
    money = currency("CNY")
    return plan_rating(charges, {}, KIND, types(columns), PARTIES, {}, money, {"fee": table(text)})


def rated(engine: LocalEngine, text: str, *items: Mapping[str, Any], **words: Any) -> Rated:
    return rate(plan(text, **words), records(*items), {}, engine)


COMMISSION = """
    name   || when category || when price || when qty || amount            || priority || valid_from || valid_to
    low    || toys|food     || < 100      ||          || price * 0.05      ||          ||            ||
    high   || toys|food     || >= 100     ||          || price * 0.03 + 2  ||          ||            ||
    bulk   ||               || 10..20     || 5..      || 1                 || 5        ||            ||
    spring || maps          ||            ||          || 0                 ||          || 2026-03-01 || 2026-04-01
           || <> maps       ||            || 3        || 7                 || -1       ||            ||
"""


def test_each_row_is_a_rule(engine: LocalEngine) -> None:
    items = [
        {"price": 9999},
        {"price": 10000, "category": "food"},
        {"price": 1000, "qty": 5},
        {"price": 2000, "qty": 5},
        {"category": "maps"},
        {"category": "maps", "on": "2026-04-01"},
        {"category": "books", "qty": 3},
    ]
    found = rated(engine, COMMISSION, *items)
    assert list(
        zip(found.charges["rule"].to_pylist(), [amount for _, amount in amounts(found.charges)], strict=True)
    ) == [
        ("low", 500),
        ("high", 500),
        ("bulk", 100),
        ("low", 100),  # 20 is outside 10..20
        ("spring", 0),
        ("rules.csv line 6", 700),
    ]
    tried = "no rule of charge fee matched; tried: bulk, low, high, spring, rules.csv line 6"
    assert reasons(found.held) == [("fee", "held", tried)]


def test_a_table_in_which_the_most_specific_row_wins(engine: LocalEngine) -> None:
    text = """
        when category || when brand || amount
                      ||            || 1
        toys          ||            || 2
        toys          || b-2        || 3
    """
    items = [{}, {"brand": "b"}, {"category": "food"}]
    assert amounts(rated(engine, text, *items, match="most_specific").charges) == [
        ("fee", 300),
        ("fee", 200),
        ("fee", 100),
    ]
    tie = text + "                  || b-2        || 4\n"
    with pytest.raises(RatingRefused, match=r"rules 'rules.csv line 3' and 'rules.csv line 5' could both hold"):
        plan(tie, match="most_specific")


def test_rows_with_the_words_of_a_price(engine: LocalEngine) -> None:
    text = """
        when category || percentage.rate || percentage.minimum || flat.amount
        toys          || 0.05            || 0.30               ||
        food          || 0.01            ||                    ||
                      ||                 ||                    || 2.50
    """
    items = [{"price": 100}, {"price": 100, "category": "food"}, {"price": 100, "category": "maps"}]
    found = rated(engine, text, *items, rules={"given": {"percentage.of": "price - coupon * 0"}})
    assert amounts(found.charges) == [("fee", 30), ("fee", 1), ("fee", 250)]


@pytest.mark.parametrize(
    ("kind", "cell", "said"),
    [
        ("text", "toys", "x = 'toys'"),
        ("text", "toys | food", "x in ('toys', 'food')"),
        ("text", "'a|b'", "x = 'a|b'"),
        ("text", "o'clock", "x = 'o''clock'"),
        ("text", "1..2", "x = '1..2'"),
        ("text", "!= toys", "x <> 'toys'"),
        ("integer", "10..20", "x >= 10 and x < 20"),
        ("money", "..20.5", "x < 20.5"),
        ("decimal", "10..", "x >= 10"),
        ("integer", ">=10", "x >= 10"),
        ("integer", "1|2|3", "x in (1, 2, 3)"),
        ("boolean", "yes", "x = true"),
        ("date", "2026-03-01..2026-04-01", "x >= date '2026-03-01' and x < date '2026-04-01'"),
    ],
)
def test_what_a_cell_asks(kind: Any, cell: str, said: str) -> None:
    assert condition("x", kind, cell) == said


def test_a_subject_may_be_a_formula() -> None:
    assert condition("price - coupon", "money", ">= 5") == "(price - coupon) >= 5"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("category||amount\ntoys||1", "rules.csv: column 'category' means nothing here; write 'when category'"),
        ("when colour||amount\nred||1", "there is no 'colour' here"),
        ("when qty||amount\nmany||1", r"line 2: 'many' is no value that qty \(integer\) can be compared with"),
        ("when brand||amount\n> b||1", "line 2: text has no order, so '> b' cannot be asked of brand"),
        ("when qty||amount\n1||", "line 2: .*either 'amount' or 'price'"),
        ("when qty||amount\n1||prise", "line 2: there is no 'prise' here; did you mean price"),
        ("when qty||amount||priority\n1||1||high", "line 2: priority: "),
        ("when qty||percentage.of\n1||price", "line 2: price.percentage.rate: Field required"),
        ("when qty||amount||valid_from\n1||1||today", "line 2: valid.0: 'today' is not a date"),
        ("amount||amount\n1||2", "two columns of one name"),
        ("amount", "rules.csv has 0 rows; a decision table has 1 to 500"),
    ],
)
def test_what_is_wrong_in_a_table_is_told_with_its_line(text: str, message: str) -> None:
    with pytest.raises(RatingRefused, match=message) as refused:
        plan(text)
    assert refused.value.path == ("charges", "fee", "rules")
