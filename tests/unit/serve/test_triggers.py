"""What triggers fire: once for each file that arrived, and for the orders that something happened to."""

import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from chained import Chains, keys
from order_service import order_service
from pydantic import ValidationError

from everycent.base.engine.local import LocalEngine
from everycent.proof.recon.chain import Arrived, LinkFailed, Occasion, Surroundings
from everycent.proof.recon.contract import ReconSpec
from everycent.proof.recon.triggers.events import ORDER, EventWords
from everycent.proof.recon.triggers.file_arrival import TRIGGER, FileArrivalWords

NOW = datetime(2026, 3, 3, 9, tzinfo=UTC)


@pytest.fixture
def chains(database: Any, engine: LocalEngine, tmp_path: Path) -> Chains:
    return Chains(database, engine, tmp_path / "scenarios")


def arrived(chains: Chains, name: str, text: str, ago: timedelta = timedelta(hours=1)) -> None:
    path = chains.write(name, text)
    moment = (NOW - ago).timestamp()
    os.utime(path, (moment, moment))


ARRIVING = r"""
  bills:
    trigger: {file_arrival: {paths: "inbox/*.csv", day: 'bill_(\d{4})(\d{2})(\d{2})'}}
    left: {file: "bill_*.csv", columns: {id: text, amount: money}, key: id, amount: amount}
    right: {load: {files: {paths: "books/{as_of}.csv"}}, columns: {id: text, amount: money}, key: id, amount: amount}
"""


def test_a_file_is_run_once_and_for_its_own_day(chains: Chains) -> None:
    arrived(chains, "inbox/bill_20260301.csv", "id,amount\nA,1.00\n")
    arrived(chains, "inbox/bill_20260302.csv", "id,amount\nB,2.00\n")
    arrived(chains, "inbox/bill_20260303.csv", "id,amount\nC,", ago=timedelta(seconds=5))  # it is being written
    chains.write("books/2026-03-01.csv", "id,amount\nA,1.00\n")
    first, second = chains.due(ARRIVING, NOW)
    assert first.agrees and first.result is not None and first.result.as_of == date(2026, 3, 1)
    assert second.failure is not None and "2026-03-02.csv" in second.failure
    chains.write("books/2026-03-02.csv", "id,amount\nB,2.50\n")
    (again,) = chains.due(ARRIVING, NOW)  # what failed is due again, what was run is not
    assert keys(again) == {"B": "amount_differs"}
    assert chains.due(ARRIVING, NOW) == []
    arrived(chains, "inbox/bill_20260301.csv", "id,amount\nA,1.50\n")  # sent again with other content
    (other,) = chains.due(ARRIVING, NOW)
    assert keys(other) == {"A": "amount_differs"}


BOOKS = '{load: {files: {paths: "%s/{as_of}.csv"}}, columns: {id: text, amount: money}, key: id, amount: amount}'
THREE = rf"""
  takings:
    trigger: {{file_arrival: {{paths: "inbox/*.csv", day: 'till_(\d{{4}})(\d{{2}})(\d{{2}})'}}}}
    sides:
      till: {{file: "till_*.csv", columns: {{id: text, amount: money}}, key: id, amount: amount}}
      cards: {BOOKS % "cards"}
      bank: {BOOKS % "bank"}
    basis: till
"""


def test_three_sides_are_told_beside_each_other_day_by_day(chains: Chains) -> None:
    for day, cards in ((1, "1.00"), (2, "2.00")):
        arrived(chains, f"inbox/till_2026030{day}.csv", "id,amount\nA,1.00\n")
        chains.write(f"cards/2026-03-0{day}.csv", f"id,amount\nA,{cards}\n")
        chains.write(f"bank/2026-03-0{day}.csv", "id,amount\n")
    assert len(chains.due(THREE, NOW)) == 4
    amounts = {
        name: [tuple(row[f"{side}_amount_minor"] for side in ("till", "cards", "bank")) for row in rows.to_pylist()]
        for name, rows in chains.across.items()
    }
    assert amounts == {"takings@2026-03-01": [(100, 100, None)], "takings@2026-03-02": [(100, 200, None)]}


def test_a_name_without_its_day(tmp_path: Path) -> None:
    words = FileArrivalWords(paths=("*.csv",), day=r"bill_(\d{4})(\d{2})(\d{2})")
    occasion = Occasion(NOW, files=(Arrived(tmp_path / "bill.csv", "3f"),))
    with pytest.raises(LinkFailed, match=r"finds no day in bill\.csv"):
        TRIGGER.due(words, Surroundings(tmp_path, date(2026, 3, 3), tmp_path), occasion)


def test_words_of_before_are_refused_with_those_of_today() -> None:
    with pytest.raises(ValidationError, match="`still` is called `settled`; write settled: 5 minutes"):
        FileArrivalWords.model_validate({"paths": "inbox", "still": "5 minutes"})
    words = {"arrival": {"folder": "inbox", "marker": ".done"}}
    with pytest.raises(ValidationError, match=r"write trigger: {file_arrival: {paths: inbox, marker: \.done}}"):
        ReconSpec.model_validate(words)


def test_events_name_the_orders_that_are_looked_at(chains: Chains) -> None:
    recon = """
  live_orders:
    trigger: {order: {kinds: [paid, closed]}}
    left:
      load: {http: {address: ORDERS, rows: data.rows}}
      columns: {order_id: text, paid: money}
      key: order_id
      amount: paid
    right:
      load: {http: {address: BOOKS, rows: data.rows}}
      columns: {order_id: text, paid: money}
      key: order_id
      amount: paid
"""
    events = pa.table({"kind": ["paid", "seen", "closed", "paid"], "order_id": ["A1", "A2", "A3", "A1"]})
    rows = [{"order_id": f"A{at}", "paid": f"{at}.00"} for at in range(5)]
    with order_service(rows) as orders, order_service([*rows[:3], {"order_id": "A3", "paid": "9.00"}]) as books:
        chains.environ = {"ORDERS": orders.url, "BOOKS": books.url}
        (done,) = chains.due(recon, NOW, events)
        assert keys(done) == {"A3": "amount_differs"}
        assert orders.keys == books.keys == [["A1", "A3"]]


def test_a_side_that_cannot_be_looked_up_by_the_keys_of_events(chains: Chains) -> None:
    side = "{load: {files: {paths: a.csv}}, columns: {order_id: text}, key: order_id}"
    recon = f"  odd:\n    trigger: order\n    left: {side}\n    right: {side}\n"
    (done,) = chains.due(recon, NOW, pa.table({"order_id": ["A1"]}))
    assert done.failure is not None and "the left side cannot be looked up by them" in done.failure
    assert chains.due(recon, NOW) == []


def test_many_ids_are_run_in_parts_each_once(tmp_path: Path) -> None:
    events = pa.table({"order_id": ["C", "A", None, "B", "A"]})
    around = Surroundings(tmp_path, date(2026, 3, 3), tmp_path)
    firings = ORDER.due(EventWords(most=2), around, Occasion(NOW, events))
    assert [firing.keys for firing in firings] == [("A", "B"), ("C",)]
    assert len({firing.mark for firing in firings}) == 2
    with pytest.raises(LinkFailed, match="trigger 'order': the events have no column 'no'; they have order_id"):
        ORDER.due(EventWords(id="no"), around, Occasion(NOW, events))
