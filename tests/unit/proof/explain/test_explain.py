"""Any cent, walked back to its source row, in either tier."""

from typing import Any

import pytest

from everycent.proof.explain.contract import Explanation, NothingFound, SeveralFound
from everycent.proof.explain.service import explain


def ask(market: Any, text: str) -> Explanation:
    return explain(market.database.connection, market.details, market.engine, "default", text)


def test_a_record_shows_its_source_its_charges_and_where_they_went(market: Any) -> None:
    lines = ask(market, "item_sold:A1/1").to_lines()
    instruction = market.sql("SELECT instruction_id FROM payments.instruction WHERE party_id = 'merchant:m-2'")[0][0]
    text = "\n".join(lines)
    assert lines[0] == "record item_sold A1/1"
    assert "source       item_sold.csv:2" in text
    assert "columns      order_id = A1, price = 101.01, coupon = 10.00" in text
    assert "batch        1, model market, version v1" in text
    assert "charge goods: 91.01 CNY" in text
    assert "formula     price - coupon, rounded half_up once" in text
    assert "in numbers  101.01 - 10.00 = 91.01" in text
    assert "obligation platform owes merchant:m-2 91.01 CNY" in text
    assert f"to be paid by instruction {instruction} (created)" in text


def test_a_charge_shows_its_formula_and_every_value_in_it(market: Any) -> None:
    (charge,) = ask(market, "A1/1/commission").parts
    assert charge.facts == (
        ("formula", "greatest(price * rate, 0.30), rounded half_even once"),
        ("in numbers", "greatest(101.01 * 0.05, 0.30) = 5.05"),
        ("value", "price = 101.01"),
        ("value", "rate = 0.05 (from rates.csv by category)"),
    )


def test_a_rule_shows_its_condition(market: Any) -> None:
    (charge,) = ask(market, "A1/1/coupon/1").parts
    assert charge.facts[:3] == (
        ("rule", "large, the first that holds"),
        ("formula", "coupon, rounded half_up once"),
        ("when", "coupon > 5 (10.00 > 5)"),
    )
    assert [part.text for part in charge.parts] == ["1: brand:b-1 owes merchant:m-2 4.00 CNY"]
    assert [part.id for part in charge.parts[0].parts] == [
        "market/brand:b-1/2026-03/CNY/market-sh", "market/merchant:m-2/2026-W10/CNY/market-sh",
    ]  # fmt: skip


def test_a_refund_shows_what_it_gives_back(market: Any) -> None:
    refund = ask(market, "R1")
    assert dict(refund.facts)["refund of"] == "item_sold A2/1 (item_sold.csv:3)"
    commission = next(part for part in refund.parts if part.text.startswith("commission"))
    assert commission.facts == (
        ("on refund", "return"), ("gives back of", "5.10 CNY"), ("refunded", "51.01 of 102.02 CNY"),
    )  # fmt: skip
    assert ask(market, "A2/1").parts[-1].text == "item_refunded R1 (item_refunded.csv:2) refunds it"


def test_a_statement_shows_its_sums_and_its_largest_obligations(market: Any) -> None:
    statement = ask(market, "market/merchant:m-1/2026-W11/CNY/market-sh")
    facts = dict(statement.facts)
    assert statement.text.endswith("-45.91 CNY, open")
    assert (facts["of which goods"], facts["of which commission"]) == ("-46.01 in 1 obligation", "5.10 in 1 obligation")
    assert statement.parts[0].text == "goods -46.01 from item_refunded R1, item_refunded.csv:2"
    assert statement.more == 0


def test_an_instruction_shows_its_statements(market: Any) -> None:
    ident = market.sql("SELECT instruction_id FROM payments.instruction WHERE party_id = 'brand:b-1'")[0][0]
    instruction = ask(market, str(ident))
    assert instruction.text == f"{ident}: collect 22.00 CNY"
    assert [part.id for part in instruction.parts] == ["market/brand:b-1/2026-03/CNY/market-sh"]


@pytest.mark.parametrize("form", ["{0}", "{0}/coupon", "{0}/coupon/0"])
def test_a_uuid_finds_its_record(hot_market: Any, form: str) -> None:
    ident = hot_market.sql("SELECT record_id FROM intake.record WHERE key = 'A3/1'")[0][0]
    found = ask(hot_market, form.format(ident))
    assert found.id == str(ident)
    assert len(found.parts) == (3 if form == "{0}" else 1)
    assert found.to_dict()["kind"] == "record"


@pytest.mark.parametrize("text", ["A9/1", "A1/1/tax", "A1/1/coupon/7", "nothing"])
def test_what_is_not_there_is_refused_with_what_is_near(market: Any, text: str) -> None:
    with pytest.raises(NothingFound, match=f"nothing is stored by the name '{text}'; nearest are "):
        ask(market, text)


def test_a_name_like_no_other_is_told_what_an_id_looks_like(market: Any) -> None:
    with pytest.raises(NothingFound, match="by the name ''; give an id out of a file of --out, or KIND:key"):
        ask(market, "")


def test_what_is_ambiguous_is_refused_with_each_candidate(hot_market: Any) -> None:
    hot_market.sql("UPDATE intake.record SET key = 'A1/1' WHERE key = 'A2/1'")
    with pytest.raises(SeveralFound, match="'A1/1' names 2 records: item_sold:A1/1"):
        ask(hot_market, "A1/1")


def test_a_long_list_shows_its_largest_and_says_how_many_more() -> None:
    long = Explanation("statement", "s", "s", (), (Explanation("obligation", "o", "o"),), more=7)
    assert long.to_lines() == ["statement s", "  obligation o", "  … and 7 more"]
