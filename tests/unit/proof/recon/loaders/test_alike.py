"""All loaders that can be asked by key are alike: the same rows give the same verdicts, the same troubles are told."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chained import Chained, Chains
from offered import LOADERS, offered

from everycent.base.engine.local import LocalEngine

#: A2 differs, A3 is there twice, 订单-4 is alike, A5 is on the right alone, A6 no amount; on the left A7 alone.
ROWS = [
    {"order_id": "A1", "paid": "1.00", "note": 'it\'s "one", \\ % '},
    {"order_id": "A2", "paid": "2.50", "note": "x"},
    {"order_id": "A3", "paid": "3.00", "note": "x"},
    {"order_id": "A3", "paid": "3.00", "note": "x"},
    {"order_id": "订单-4", "paid": "4.00", "note": "退款 😀"},
    {"order_id": "A5", "paid": "5.00", "note": "x"},
    {"order_id": "A6", "paid": "six", "note": "x"},
]
LEFT = "order_id,paid\nA1,1.00\nA2,2.00\nA3,3.00\n订单-4,4.00\nA7,7.00\nA6,6.00\n"
SCENARIO = """
  asked:
    left: {load: {files: {paths: left.csv}}, columns: {order_id: text, paid: money}, key: order_id, amount: paid}
    right: {load: %s, %s columns: {order_id: text, paid: money, note: text}, key: order_id, amount: paid}
"""


@pytest.fixture
def chains(database: Any, engine: LocalEngine, tmp_path: Path) -> Iterator[Chains]:
    chains = Chains(database, engine, tmp_path / "scenarios")
    chains.write("left.csv", LEFT)
    return chains


@pytest.fixture(params=LOADERS)
def loader(request: pytest.FixtureRequest) -> Any:
    """Its name, and the server that it needs of its own."""
    name = request.param
    return name, request.getfixturevalue("maria") if name == "mysql" else None


def run(chains: Chains, loader: Any, rows: Any, how: str = "", driven: str = "") -> Chained:
    name, server = loader
    with offered(name, rows, chains.session, server, how, driven=bool(driven)) as source:
        chains.environ = source.environ
        return chains.one(SCENARIO % (json.dumps(source.words), driven))


def breaks(done: Chained) -> list[tuple[str, str]]:
    assert done.result is not None, done.failure
    return sorted((row["key"], row["bucket"]) for row in done.result.breaks.to_pylist())


FOUND = [
    ("A2", "amount_differs"), ("A3", "duplicated_right"), ("A6", "missing_right"), ("A7", "missing_right"),
]  # fmt: skip


def test_all_rows(chains: Chains, loader: Any) -> None:
    done = run(chains, loader, ROWS)
    assert breaks(done) == sorted([*FOUND, ("A5", "missing_left")])
    (refused,) = done.refused[1].to_pylist()
    assert "six" in refused["reason"]
    assert done.result is not None
    raw = [json.loads(row["raw"]) for row in done.result.raw_rows.to_pylist() if row["side"] == "right"]
    assert sorted(row["order_id"] for row in raw) == ["A2", "A3", "A3", "A5"]
    again = run(chains, loader, list(reversed(ROWS)) if loader[0] in ("mysql", "postgres") else ROWS)
    assert again.result is not None and not again.result.changed  # the same rows, in whatever order they lie there


def test_rows_of_the_other_sides_keys(chains: Chains, loader: Any) -> None:
    done = run(chains, loader, ROWS, driven="driven: {batch: 2, parallel: 2},")
    assert breaks(done) == FOUND  # what the other side does not name is not looked at


def test_nothing_is_there(chains: Chains, loader: Any) -> None:
    assert {bucket for _, bucket in breaks(run(chains, loader, []))} == {"missing_right"}


@pytest.mark.parametrize(
    ("how", "told"),
    [("lacks", "paid"), ("dies", "SHOP"), ("hangs", "SHOP")],
)
def test_what_goes_wrong_is_told(chains: Chains, loader: Any, how: str, told: str) -> None:
    done = run(chains, loader, ROWS, how)
    assert done.result is None and done.failure is not None
    assert told in done.failure
    assert how != "hangs" or "in time" in done.failure or "within" in done.failure
    assert "127.0.0.1" not in done.failure
    assert chains.session.connection.execute("SELECT count(*) FROM recon.run").fetchone() == (0,)
