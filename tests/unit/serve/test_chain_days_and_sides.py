"""Scenarios of a file from day to day, and of three sides: the same as a model's, through the chain."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from chained import Chains, keys

from everycent.base.engine.local import LocalEngine
from everycent.flow.model.contract import ModelRefused

DAILY = """
  daily:
    left:
      load: {files: {paths: "sold_{as_of}.csv"}}
      columns: {id: text, price: money, at: timestamp}
      key: id
      amount: price
      occurred_at: at
    right:
      load: {files: {paths: "bill_{as_of}.csv"}}
      columns: {id: text, paid: money, day: date}
      key: id
      amount: paid
      occurred_at: day
    carry: yes
"""
SOLD = {
    2: "A1,10.00,2026-03-02 12:00:00\nA2,20.00,2026-03-02 23:59:00\n",
    3: "A3,30.00,2026-03-03 12:00:00\n",
    4: "A4,1.00,2026-03-05 00:01:00\n",
    5: "",
}
BILL = {
    2: "A1,10.00,2026-03-02\n",
    3: "A2,20.00,2026-03-03\nA3,29.00,2026-03-03\n",
    4: "",
    5: "A4,2.00,2026-03-05\n",
}


@pytest.fixture
def chains(database: Any, engine: LocalEngine, tmp_path: Path) -> Chains:
    chains = Chains(database, engine, tmp_path / "scenarios")
    for day in SOLD:
        chains.write(f"sold_2026-03-{day:02}.csv", "id,price,at\n" + SOLD[day])
        chains.write(f"bill_2026-03-{day:02}.csv", "id,paid,day\n" + BILL[day])
    return chains


def at_day(chains: Chains, number: int) -> Any:
    return chains.run(DAILY, day=date(2026, 3, number))["daily"]


def test_what_is_open_at_a_cut_is_carried_to_the_next_with_its_rows_as_they_came(chains: Chains) -> None:
    first = at_day(chains, 2)
    assert keys(first) == {"A2": "missing_right"}
    assert first.as_dict()["carried"] == {"day": "2026-03-02", "rows": 1, "oldest_days": 0}
    second = at_day(chains, 3)
    assert keys(second) == {"A3": "amount_differs"}  # what came late has closed A2
    third = at_day(chains, 4)
    assert keys(third) == {"A3": "amount_differs"}  # A4 lies ahead of the cut
    assert third.as_dict()["carried"] == {"day": "2026-03-04", "rows": 3, "oldest_days": 1}
    fourth = at_day(chains, 5)
    assert keys(fourth) == {"A3": "amount_differs", "A4": "amount_differs"}
    assert fourth.result is not None
    raw = {(row["side"], row["key"]): row["source_file"] for row in fourth.result.raw_rows.to_pylist()}
    assert raw == {
        ("left", "A3"): "sold_2026-03-03.csv", ("right", "A3"): "bill_2026-03-03.csv",
        ("left", "A4"): "sold_2026-03-04.csv", ("right", "A4"): "bill_2026-03-05.csv",
    }  # fmt: skip


def test_a_day_again_changes_nothing_and_one_that_has_passed_is_told(chains: Chains) -> None:
    at_day(chains, 2)
    first, again = at_day(chains, 3), at_day(chains, 3)
    assert not again.result.changed and again.result.raw_rows.equals(first.result.raw_rows)
    failed = at_day(chains, 2)  # known: the same day with the same rows
    assert failed.result is not None and not failed.result.changed
    chains.write("bill_2026-03-02.csv", "id,paid,day\nA9,1.00,2026-03-02\n")
    assert at_day(chains, 2).failure is not None
    assert "2026-03-03 was cut already, and 2026-03-02 lies before it" in at_day(chains, 2).failure


TILL = """
  takings:
    sides:
      till:
        load: {files: {paths: till.csv}}
        columns: {shop: text, how: text, taken: money}
        key: [shop, how]
        amount: taken
        rows: sum
      acquirer:
        load: {files: {paths: cards.csv}}
        columns: {merchant: {type: text, map: {m-1: s1, m-2: s2}}, how: {type: text, map: {V: card, M: card}},
                  paid: money}
        key: [merchant, how]
        amount: paid
        rows: sum
        covers: how = 'card'
      bank:
        %s
        columns: {shop: text, how: {type: text, map: {DEPOSIT: cash}}, paid: money}
        key: [shop, how]
        amount: paid
        rows: sum
        covers: how = 'cash'
    basis: till
"""
LOADED = "load: {files: {paths: cash.csv}}"
TAKEN = "shop,how,taken\ns1,card,5.00\ns1,card,2.00\ns1,cash,9.00\ns2,card,1.00\ns2,cash,4.00\n"


def three_sides(chains: Chains) -> Path:
    chains.write("till.csv", TAKEN)
    chains.write("cards.csv", "merchant,how,paid\nm-1,V,5.00\nm-1,M,1.50\nm-2,V,1.00\n")
    return chains.write("cash.csv", "shop,how,paid\ns1,DEPOSIT,9.00\n")


def test_three_sides_of_which_each_covers_a_part_of_the_basis(chains: Chains) -> None:
    three_sides(chains)
    done = chains.run(TILL % LOADED)
    assert {name: keys(each) for name, each in done.items()} == {
        "takings/acquirer": {"s1/card": "amount_differs"},
        "takings/bank": {"s2/cash": "missing_right"},
    }
    names = [f"{side}_{what}" for side in ("till", "acquirer", "bank") for what in ("rows", "amount_minor")]
    assert [(row["key"], *(row[name] if row[name] is None else int(row[name]) for name in names))
            for row in chains.across["takings"].to_pylist()] == [
        ("s1/card", 2, 700, 2, 650, 0, None),
        ("s2/cash", 1, 400, 0, None, 0, None),
    ]  # fmt: skip


def test_a_side_that_is_a_file_is_named_by_its_own_name(chains: Chains) -> None:
    cash = three_sides(chains)
    recon = TILL % "file: cash*.csv"
    done = chains.run(recon, {"right": [cash]})["takings/bank"]
    assert keys(done) == {"s2/cash": "missing_right"}
    told = chains.run(recon)["takings/bank"].failure
    assert told == "the bank side is a file like cash*.csv, and none was given; name it with --side bank=FILE"


@pytest.mark.parametrize(
    ("given", "instead", "message"),
    [
        ("basis: till", "basis: bank", "leave it out of the basis"),
        ("covers: how = 'card'", "covers: colour = 'red'", "colour"),
    ],
)
def test_covers_that_cannot_be(chains: Chains, given: str, instead: str, message: str) -> None:
    with pytest.raises(ModelRefused) as refused:
        chains.run((TILL % LOADED).replace(given, instead))
    assert message in str(refused.value)


def test_covers_of_two_sides_is_refused(chains: Chains) -> None:
    side = "{file: '*.csv', columns: {id: text}, key: id, covers: id = 'A'}"
    with pytest.raises(ModelRefused, match="of two sides write `when`"):
        chains.run(f"  two:\n    left: {side}\n    right: {side}\n")
