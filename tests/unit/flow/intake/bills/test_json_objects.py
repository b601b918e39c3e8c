"""JSON files of objects within objects, by declaration; arrays without one."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bill_reading import Read
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from everycent.flow.intake.bills.json_objects import JsonObjects
from everycent.flow.intake.contract import SourceError
from everycent.flow.intake.layouts import JsonSpec, LayoutSpec
from everycent.flow.intake.readers import json_documents
from everycent.flow.intake.readers.json_documents import json_objects
from everycent.flow.intake.readers.opening import open_source

SALES: dict[str, Any] = {
    "rows": "payments",
    "columns": {"sale": "id", "shop": "source.shop", "how": "payments.method", "amount": "payments.amount"},
    "controls": {"total": {"at": "payment_total", "sums": "amount"}},
}
TEXT = """[
 {"id": "S1", "source": {"shop": 7}, "payment_total": 30.10,
  "payments": [{"method": "cash", "amount": 20.0}, {"method": "card", "amount": 10.10}]},
 {"id": "S2", "source": null, "payment_total": 0.0, "payments": []},
 {"id": "S3", "source": {"shop": 7}, "payment_total": 12345678901234567.89,
  "payments": [{"method": "card", "amount": 12345678901234567.89}]}
]
"""


def sales(**changes: Any) -> JsonObjects:
    return JsonObjects("sales", JsonSpec.model_validate({**SALES, **changes}))


def test_the_members_of_a_list_are_rows_with_their_object_s_cells_and_exact_digits(bill: Callable[..., Read]) -> None:
    found = bill(sales(), TEXT, rows_per_shard=2)
    assert found.rows == [
        {"sale": "S1", "shop": "7", "how": "cash", "amount": "20.0"},
        {"sale": "S1", "shop": "7", "how": "card", "amount": "10.10"},
        {"sale": "S3", "shop": "7", "how": "card", "amount": "12345678901234567.89"},
    ]
    assert (found.lines, found.malformed) == ([1, 2, 3], [])
    assert [(each.name, each.found, each.agrees) for each in found.controls] == [
        ("total", "12345678901234597.99", True)
    ]


@pytest.mark.parametrize(
    ("given", "instead", "told"),
    [
        ("30.10", "30.11", [("total, object 1", "30.11", "30.10")]),
        ('"payment_total": 0.0, ', "", [("total, object 2", "nothing", "nothing")]),
        ('"amount": 10.10', '"amount": "ten"', [("total, object 1", "30.10", "20.0, ten")]),
    ],
)
def test_an_object_whose_rows_do_not_give_its_total(
    bill: Callable[..., Read], given: str, instead: str, told: Any
) -> None:
    assert bill(sales(), TEXT.replace(given, instead)).disagreeing == told


def test_what_is_no_object_or_has_no_list_is_set_aside(bill: Callable[..., Read]) -> None:
    found = bill(sales(controls={}), '[{"id": "S1", "payments": [{"amount": 1}]}, 17, {"id": "S2", "payments": 3}]')
    assert found.column("amount") == ["1"]
    assert found.malformed == [
        (2, 'value 2 is not a JSON object; write {"column": value, ...}'),
        (3, "object 3 has no list 'payments'"),
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (TEXT[:150], "is not JSON to its end"),
        (TEXT.rstrip()[:-1], "',' or ']' is expected"),
        (TEXT + "{}", "nothing more is expected"),
        ('[{"id": 1} {"id": 2}]', "there is '{'"),
        ("[" * 100_000, "is not JSON to its end"),
    ],
)
def test_a_file_that_is_cut_off_or_torn_is_refused(bill: Callable[..., Read], text: str, told: str) -> None:
    with pytest.raises(SourceError, match=told):
        bill(sales(), text)


def test_one_object_and_several_without_brackets(bill: Callable[..., Read]) -> None:
    spec = {"rows": None, "columns": {"id": "id"}, "controls": {}}
    for text in ('{"id": 1}', '{"id":\n1}{"id": 1}\n\n{"id": 1}'):
        assert set(bill(sales(**spec), text).column("id")) == {"1"}


def test_a_file_with_an_array_is_read_as_its_ending_says(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_text('[\n {"id": "A", "paid": 1.10},\n {"id": "B",\n "paid": 2}]', encoding="utf-8")

    class Plain:
        encoding = "utf-8"

    [shard] = open_source(path, Plain()).shards(10)
    assert shard.table.to_pylist() == [{"id": "A", "paid": "1.10"}, {"id": "B", "paid": "2"}]
    assert shard.lines.to_pylist() == [1, 2]


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(values=st.lists(_values, max_size=5), indent=st.sampled_from([None, 0, 3]), block=st.integers(1, 9))
def test_a_document_taken_apart_is_what_a_parser_of_the_whole_gives(
    tmp_path_factory: pytest.TempPathFactory, values: list[Any], indent: int | None, block: int
) -> None:
    path = tmp_path_factory.mktemp("json") / "document.json"
    path.write_text(json.dumps(values, indent=indent, ensure_ascii=False), encoding="utf-8")
    text = path.read_text(encoding="utf-8")
    pieces = [text[at : at + block].encode() for at in range(0, len(text), block)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_documents, "utf8_blocks", lambda *_: iter(pieces))
        assert [json.loads(each) for each in json_objects(path)] == values


def test_an_object_of_more_than_the_limit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_documents, "OBJECT_CHARACTERS_MAX", 1000)
    path = tmp_path / "long.json"
    path.write_text('["' + "x" * 10_000_000, encoding="utf-8")
    with pytest.raises(SourceError, match="is not JSON to its end"):
        list(json_objects(path))


@pytest.mark.parametrize(
    ("layout", "told"),
    [
        ({}, "one of 'fixed_width' and 'json_objects'"),
        ({"json_objects": {**SALES, "controls": {"total": {"at": "t", "sums": "paid"}}}}, "there is no column 'paid'"),
    ],
)
def test_a_layout_that_says_nothing_is_refused(layout: Any, told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        LayoutSpec.model_validate(layout)
