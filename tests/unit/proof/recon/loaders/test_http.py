"""Rows of a real service: pages, marks, look-ups by key, and a service that fails."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from order_service import OrderService, order_service

from everycent.proof.recon.chain import Keys, LinkFailed, Surroundings
from everycent.proof.recon.loaders.http import LOADER, HttpWords

ROWS = [{"order_id": f"A{at}", "paid": at / 4 if at % 2 else at, "closed": at > 3} for at in range(5)]


@pytest.fixture
def service() -> Iterator[OrderService]:
    with order_service(ROWS) as running:
        yield running


def load(service: OrderService, tmp_path: Path, keys: Keys | None = None, **words: Any) -> list[dict[str, Any]]:
    around = Surroundings(tmp_path, date(2026, 3, 1), tmp_path, {"ORDERS_URL": service.url, "TOKEN": "s3cret"})
    asked = HttpWords.model_validate({"address": "ORDERS_URL", "rows": "data.rows", "timeout_ms": 20_000, **words})
    parts = list(LOADER.load(asked, around, keys))
    assert {part.file for part in parts} <= {f"http:ORDERS_URL{asked.path}"}
    return [
        {**row, "line": line}
        for part in parts
        for row, line in zip(part.table.to_pylist(), part.lines.to_pylist(), strict=True)
    ]


TEXTS = [
    {"order_id": "A0", "paid": "0", "closed": "false", "line": 1},
    {"order_id": "A1", "paid": "0.25", "closed": "false", "line": 2},
    {"order_id": "A2", "paid": "2", "closed": "false", "line": 3},
    {"order_id": "A3", "paid": "0.75", "closed": "false", "line": 4},
    {"order_id": "A4", "paid": "4", "closed": "true", "line": 5},
]


def test_pages_by_number_until_one_is_empty(service: OrderService, tmp_path: Path) -> None:
    found = load(service, tmp_path, path="/v1/orders", page="page", query={"day": "{as_of:%Y%m%d}"}, token="TOKEN")
    assert found == TEXTS
    assert service.asked == [f"/v1/orders?day=20260301&page={page}" for page in (1, 2, 3, 4)]
    assert set(service.seen_headers) == {"Bearer s3cret"}


def test_pages_by_mark(service: OrderService, tmp_path: Path) -> None:
    assert load(service, tmp_path, next="next") == TEXTS
    assert service.asked == ["/", "/?after=2", "/?after=4"]


def test_rows_of_keys_alone(service: OrderService, tmp_path: Path) -> None:
    keys = Keys(("order_id",), [("A3",), ("A9",), ("A0",)])
    assert [row["order_id"] for row in load(service, tmp_path, keys)] == ["A0", "A3"]
    assert service.keys == [["A3", "A9", "A0"]]


def test_a_service_that_stumbles_is_asked_again(service: OrderService, tmp_path: Path) -> None:
    service.faults = [503, "no json at all"]
    assert load(service, tmp_path, next="next") == TEXTS


@pytest.mark.parametrize(
    ("faults", "words", "told"),
    [
        ([500] * 3, {}, "loader 'http': ORDERS_URL: the service answered with status 500, 3 times"),
        ([403], {}, "loader 'http': ORDERS_URL: the service answered with status 403"),
        (['{"data": []}'] * 3, {}, "has no list of rows at 'data.rows', 3 times"),
        (['[{"a": 1, "a": 2}]'] * 3, {}, "an object has the name 'a' twice; which one counts cannot be told"),
        (["[1e400, NaN]"] * 3, {}, "the service's answer is no JSON, 3 times"),
        (["a,b\n1\n"] * 3, {"gives": "csv"}, "the service's answer is no CSV"),
        (
            ['{"data": {"rows": []}, "next": "x"}'] * 3,
            {"next": "next"},
            "the mark of the next page, 'x', is this page's",
        ),
        ([], {"page": "page", "pages_most": 2}, "more than 2 pages"),
    ],
)
def test_a_service_that_fails(service: OrderService, tmp_path: Path, faults: Any, words: Any, told: str) -> None:
    service.faults = faults
    with pytest.raises(LinkFailed) as failed:
        load(service, tmp_path, **words)
    assert told in str(failed.value)
    assert service.url not in str(failed.value)


def test_csv_pages(service: OrderService, tmp_path: Path) -> None:
    service.faults = ['order_id,said\nA1,"one, two"\n']
    assert load(service, tmp_path, gives="csv") == [{"order_id": "A1", "said": "one, two", "line": 1}]


def test_a_variable_that_is_not_set(tmp_path: Path) -> None:
    with pytest.raises(LinkFailed, match="the environment variable ORDERS_URL is not set"):
        list(LOADER.load(HttpWords(address="ORDERS_URL"), Surroundings(tmp_path, date(2026, 3, 1), tmp_path), None))
