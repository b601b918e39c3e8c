"""What belongs to the formula language; everything else is refused by name, with what would be right."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from everycent.base.engine.formula import FormulaError, Position, compile_amount, compile_condition, parse_formula
from everycent.base.engine.types import Column, ColumnType
from everycent.base.money.rounding import Rounding

KINDS = {
    "price": "money",
    "coupon": "money",
    "rate": "decimal",
    "count": "integer",
    "status": "text",
    "occurred_at": "timestamp",
    "day": "date",
    "paid": "boolean",
    "金额": "money",
    "orders.status": "text",
    "order": "text",
    "my-fee": "money",
}
SCOPE = {name: Column(name, ColumnType.parse(kind), f'"{name}"') for name, kind in KINDS.items()}


@pytest.mark.parametrize(
    ("text", "kind", "columns"),
    [
        ("price - coupon", "money", ("price", "coupon")),
        ("greatest(price * rate, 0.30)", "money", ("price", "rate")),
        ("price / coupon", "decimal(18)", ("price", "coupon")),
        ("rate * 2", "decimal(6)", ("rate",)),
        ("0.050", "decimal(2)", ()),
        ("count + 1", "integer", ("count",)),
        ("floor(rate)", "integer", ("rate",)),
        ("round(price * rate, 1)", "money", ("price", "rate")),
        ("金额 % 3", "money", ("金额",)),
        ('"my-fee" - 1', "money", ("my-fee",)),
        ("\"order\" || '!'", "text", ("order",)),
        ("orders.status in ('paid', 'shipped')", "boolean", ("orders.status",)),
        ("status not like 'x%' and not paid", "boolean", ("status", "paid")),
        ("coupon between 0 and price", "boolean", ("coupon", "price")),
        ("coupon is not null or price > 0", "boolean", ("coupon", "price")),
        ("case status when 'paid' then price when 'free' then 0 else null end", "money", ("status", "price")),
        ("iif(paid, price, coalesce(coupon, 0))", "money", ("paid", "price", "coupon")),
        ("occurred_at + interval '7 days'", "timestamp", ("occurred_at",)),
        ("day + interval 1 month", "date", ("day",)),
        ("day - date '2026-03-01'", "integer", ("day",)),
        ("date(occurred_at) = date '2026-03-01'", "boolean", ("occurred_at",)),
        ("year(day) * 100 + month(day)", "integer", ("day",)),
        ("concat(upper(trim(status)), substr(status, 1, 2))", "text", ("status",)),
        ("cast(count as text)", "text", ("count",)),
        ("@price", "money", ("price",)),
    ],
)
def test_formulas_have_a_type_and_name_their_columns(text: str, kind: str, columns: tuple[str, ...]) -> None:
    formula = parse_formula(text, SCOPE)
    assert str(formula.type) == kind
    assert formula.columns == columns


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("occurred_at + 7 days", "occurred_at + interval '7 days'"),
        ("occurred_at + 7 days > refunded_at", "time is added as interval '7 days'"),
        ("price - cupon", "did you mean coupon"),
        ("PRICE", "did you mean price?"),
        ("price coupon", "an operator is missing"),
        ("price as p", "an operator is missing"),
        ("price --coupon", "comments"),
        ("price /* less */ - coupon", "comments"),
        ("price; coupon", "without semicolons"),
        ("select 1", "queries and tables"),
        ("(select 1)", "queries and tables"),
        ("price in (select 1)", "query"),
        ("from secrets", "queries and tables"),
        ("'a.csv'.price", "parts of values"),
        ("read_csv('/etc/passwd')", "no function 'read_csv'"),
        ("getenv('HOME')", "no function 'getenv'"),
        ("rond(price)", "did you mean round?"),
        ("sum(price)", "aggregates"),
        ("count(*)", "aggregates"),
        ("sum(price) over ()", "window functions"),
        ("greatest(price ignore nulls, coupon)", "IgnoreNulls"),
        ("price between symmetric 1 and 2", "symmetric"),
        ("status like 'a' escape '!'", "not part of formulas"),
        ("status ilike 'a'", "lower(x) like"),
        ("status like any ('a', 'b')", "not part of formulas"),
        ("status collate nocase", "no function 'collate'"),
        ("trim(both 'x' from status)", "more than formulas know"),
        ("status in ('a' 'b')", "an operator or a comma is missing"),
        ("price in (coupon)", "only values"),
        ("price::double", "no exact cast to double"),
        ("cast(price as float)", "no exact cast"),
        ("try_cast(status as integer)", "try_cast"),
        ("price // 2", "floor(a / b)"),
        ("price ^ 2", "powers"),
        ("price[1]", "brackets"),
        ("{'a': 1}", "brackets"),
        ("?", "parameters"),
        ("$1", "parameters"),
        ("*", "'*' alone"),
        ("x -> x + 1", "'->'"),
        ("current_date", "no clock"),
        ("1e5", "not an exact number"),
        ("0xff", "not understood"),
        ("99999999999999999999", "more than 18 digits"),
        ("price / 0", "divides by zero"),
        ("price / (1 - 1)", "divides by zero"),
        ("price * coupon", "money times money"),
        ("1 / price", "divided by money"),
        ("status + 1", "joined by ||"),
        ("occurred_at + 7", "interval '7 days'"),
        ("price = 'x'", "money cannot be compared with text"),
        ("occurred_at > '2026-01-01'", "date '2026-03-01'"),
        ("occurred_at > day", "date(x)"),
        ("paid > true", "booleans have no order"),
        ("if(paid, 1, 'x')", "one kind"),
        ("price and paid", "boolean is needed"),
        ("date '2026-02-30'", "no date '2026-02-30'"),
        ("round(price, count)", "whole number from 0 to 18"),
        ("null", "NULL stands only"),
        ("coalesce(null, 1)", "NULL stands only"),
        ("price is true", "only IS NULL"),
        ("'abc", "left open"),
        ("(price", "cannot be read"),
        ("", "empty"),
        ("   ", "empty"),
        ("price limit 1", "double quotes"),
        ("call x()", "not part of formulas"),
        ("attach 'x'", "not part of formulas"),
        ("insert into t values (1)", "not part of formulas"),
        ("(" * 5000 + "price", "split it"),
        ("not " * 300 + "paid", "nested too deeply"),
        ("price + " * 150 + "price", "nested too deeply"),
    ],
)
def test_everything_else_is_refused_by_name(text: str, words: str) -> None:
    with pytest.raises(FormulaError) as refused:
        parse_formula(text, SCOPE)
    assert words in refused.value.message


def test_a_refusal_says_where() -> None:
    with pytest.raises(FormulaError) as refused:
        parse_formula("price -\n  cupon", SCOPE)
    assert refused.value.position == Position(offset=10, line=2, column=3)


def test_what_grows_without_bound_is_refused() -> None:
    text = "price / count"
    for _ in range(12):
        text = f"greatest({text}, least({text.count('(') + 1} / count, coupon))"
    with pytest.raises(FormulaError, match="split it"):
        compile_amount(parse_formula(text, SCOPE), 2, Rounding.HALF_UP)


def test_an_amount_is_a_number_and_a_condition_is_true_or_false() -> None:
    with pytest.raises(FormulaError, match="an amount is a number"):
        compile_amount(parse_formula("paid", SCOPE), 2, Rounding.HALF_UP)
    with pytest.raises(FormulaError, match="a condition is true or false"):
        compile_condition(parse_formula("price", SCOPE))


SIGNS = "+ - * / % ( ) , . = < > || ; : :: [ ] { } ? $ @ -> := ' \" -- /* 1 0.5 'x' \x00 \\ \n"
KEYWORDS = "and or not in is null like between case when then else end cast as select from where interval date"
CALLS = "greatest( coalesce( round( abs( if( list( unnest( read_csv( over partition by distinct all any"
WORDS = [*KINDS, *f"{SIGNS} {KEYWORDS} {CALLS}".split(" ")]


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join) | st.text(max_size=30))
@example("x'ab'")
@example("price\x00")
def test_any_text_is_a_formula_or_a_refusal(text: str) -> None:
    try:
        formula = parse_formula(text, SCOPE)
    except FormulaError as refused:
        assert refused.message
    else:
        assert set(formula.columns) <= set(KINDS)
