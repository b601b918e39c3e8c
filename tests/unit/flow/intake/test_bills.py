"""Formats of bills come from installed packages; a bill is cut into shards as any file, and tells its own figures."""

import sys
from collections.abc import Iterator
from datetime import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from everycent.base.engine.local import LocalEngine
from everycent.base.money.calendar import BusinessCalendar
from everycent.base.money.currency import currency
from everycent.flow.intake.bills.registry import UnknownFormat, format_named, format_of
from everycent.flow.intake.bills.source import BillSource, open_bill, refuse_disagreeing
from everycent.flow.intake.contract import MALFORMED, BillPart, Control, RecordSpec, SourceError, TableSpec
from everycent.flow.intake.readers.opening import open_source
from everycent.flow.intake.service import load_table
from everycent.proof.recon.contract import SideSpec

#: A format whose files are `tally` lines, `id amount`, then `total amount`; a line `throw` is its undoing.
TALLY = """
import pyarrow as pa
from decimal import Decimal
from everycent.flow.intake.contract import MALFORMED, BillPart, Control

class Tally:
    name = "tally"
    columns = ("id", "amount")

    def recognises(self, file, head):
        if file == "poison.txt":
            raise RuntimeError("no idea")
        return head.startswith(b"tally")

    def parse(self, path, rows_per_part):
        ids, amounts, lines, bad = [], [], [], []
        for line, text in enumerate(path.read_text().splitlines(), 1):
            match text.split():
                case ["throw"]:
                    raise KeyError("throw")
                case ["total", stated]:
                    found = str(sum(map(Decimal, amounts)))
                    controls = (Control("total", stated, found, line),)
                    rows = pa.table({"id": pa.array(ids, pa.string()), "amount": pa.array(amounts, pa.string())})
                    yield BillPart(rows, pa.array(lines, pa.int64()), MALFORMED.empty_table(), controls)
                case [name, amount]:
                    ids.append(name), amounts.append(amount), lines.append(line)

TALLY = Tally()
"""


@pytest.fixture
def tally(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package as an installer would leave it, and the folder that it is in."""
    (tmp_path / "tally_bills.py").write_text(TALLY)
    info = tmp_path / "tally_bills-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tally-bills\nVersion: 1.0\n")
    lines = "tally = tally_bills:TALLY\nbroken = tally_bills:NOTHING\n"
    (info / "entry_points.txt").write_text(f"[everycent.bill_formats]\n{lines}")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "tally_bills", raising=False)
    return tmp_path


def bill(folder: Path, text: str, name: str = "bill.txt") -> Path:
    path = folder / name
    path.write_text(text)
    return path


KIND: dict[str, Any] = {
    "format": "tally",
    "id": "order_id",
    "occurred_at": "day",
    "columns": {
        "order_id": {"type": "text", "from": "id"},
        "amount": "money",
        "day": {"type": "date", "default": "2026-03-01"},
    },
}


def test_a_format_of_an_installed_package_is_found_by_name_and_by_content(tally: Path) -> None:
    assert format_named("tally").name == "tally"
    found = format_of(bill(tally, "tally\na 1.00\ntotal 1.00\n"))
    assert found is not None and found.name == "tally"
    with pytest.raises(SourceError, match="bill format 'broken' does not load: AttributeError"):
        format_of(bill(tally, "something else"))


def test_a_format_that_nobody_installed(tally: Path) -> None:
    with pytest.raises(UnknownFormat, match=r"there is no bill format 'tolly'; installed are: .*tally"):
        format_named("tolly")


def test_a_bill_that_agrees_with_itself_is_read_like_any_file(tally: Path) -> None:
    path = bill(tally, "tally\na 1.00\nb -0.25\ntotal 0.75\n")
    source = open_source(path, RecordSpec.model_validate(KIND), ["id"], ["day"])
    (shard,) = source.shards(10)
    assert shard.table.to_pydict() == {"id": ["a", "b"], "day": [None, None]}
    assert shard.lines.to_pylist() == [2, 3]
    assert source.count_rows() == 2
    assert isinstance(source, BillSource)
    assert source.controls == (Control("total", "0.75", "0.75", 4),)
    refuse_disagreeing(source)


@pytest.mark.parametrize("stated", ["0.76", "a0.75", "", "nan", "snan"])
def test_a_bill_that_contradicts_itself_is_refused_with_both_figures(tally: Path, stated: str) -> None:
    path = bill(tally, f"tally\na 1.00\nb -0.25\ntotal {stated or '?'}\n")
    with pytest.raises(SourceError, match=rf"total is stated on line 4 as {stated or '.'}, its rows give 0.75.* anew"):
        refuse_disagreeing(open_bill(path, format_named("tally")))


def test_what_a_format_throws_is_told_with_its_name_and_the_file(tally: Path) -> None:
    with pytest.raises(SourceError, match=r"bill.txt: bill format 'tally' failed: KeyError\('throw'\)"):
        open_bill(bill(tally, "tally\nthrow\n"), format_named("tally")).count_rows()
    with pytest.raises(SourceError, match=r"does not load|failed: RuntimeError"):
        format_of(bill(tally, "tally", name="poison.txt"))


def test_a_column_that_the_format_does_not_have(tally: Path) -> None:
    with pytest.raises(SourceError, match="has no column 'amout'; did you mean amount"):
        BillSource(bill(tally, "tally\ntotal 0\n"), format_named("tally"), ["amout"])


class Parts:
    """A format that gives the parts it was made with: of each row, whether it can be read."""

    name = "parts"
    columns = ("id",)

    def __init__(self, parts: list[list[bool]]) -> None:
        self.parts = parts

    def recognises(self, file: str, head: bytes) -> bool:
        return False

    def parse(self, path: Path, rows_per_part: int) -> Iterator[BillPart]:
        line = 0
        for no, part in enumerate(self.parts):
            lines = range(line, line + len(part))
            good = [at for at, is_good in zip(lines, part, strict=True) if is_good]
            bad = [{"line": at, "reason": "torn", "raw": str(at)} for at in lines if at not in good]
            rows = pa.table({"id": pa.array(map(str, good), pa.string())})
            malformed = pa.Table.from_pylist(bad, schema=MALFORMED)
            controls = (Control(f"part {no}", str(len(good)), str(len(good)), None),)
            yield BillPart(rows, pa.array(good, pa.int64()), malformed, controls)
            line += len(part)


@settings(max_examples=150, deadline=None)
@given(parts=st.lists(st.lists(st.booleans(), max_size=5), max_size=6), size=st.integers(1, 7), first=st.integers(0, 3))
def test_however_a_format_parts_its_file_each_shard_is_full_and_nothing_is_lost(
    parts: list[list[bool]], size: int, first: int
) -> None:
    source = BillSource(Path("any.bill"), Parts(parts))
    shards = list(source.shards(size))
    assert [shard.shard_no for shard in shards] == list(range(len(shards)))
    rows = sum(len(part) for part in parts)
    assert [shard.rows_read for shard in shards] == ([size] * (rows // size) + [rows % size] * bool(rows % size) or [0])
    flat = [is_good for part in parts for is_good in part]
    seen = [line for shard in shards for line in (*shard.lines.to_pylist(), *shard.malformed["line"].to_pylist())]
    assert sorted(seen) == list(range(rows))
    for shard in shards:
        assert shard.table["id"].to_pylist() == [str(line) for line in shard.lines.to_pylist()]
        assert all(flat[line] for line in shard.lines.to_pylist())
    again = list(source.shards(size, first))
    assert [(s.shard_no, s.table, s.malformed) for s in again] == [
        (s.shard_no, s.table, s.malformed) for s in shards[first:]
    ]
    assert source.count_rows() == rows
    assert len(source.controls) == len(parts)


class Numbers(Parts):
    """A format that breaks its promise: its column is no text."""

    def parse(self, path: Path, rows_per_part: int) -> Iterator[BillPart]:
        yield BillPart(pa.table({"id": [1]}), pa.array([1], pa.int64()), MALFORMED.empty_table())


def test_a_format_that_gives_other_columns_than_it_promises() -> None:
    with pytest.raises(SourceError, match=r"'parts' gave the columns id \(int64\); it promises texts, id"):
        BillSource(Path("any.bill"), Numbers([])).count_rows()


class Counting(Parts):
    """A format that counts how often it read its file."""

    read = 0

    def parse(self, path: Path, rows_per_part: int) -> Iterator[BillPart]:
        self.read += 1
        yield from super().parse(path, rows_per_part)


def test_a_file_that_was_read_through_is_not_read_again_for_its_figures() -> None:
    counting = Counting([[True, False], [True]])
    source = BillSource(Path("any.bill"), counting)
    assert len(list(source.shards(2))) == 2
    assert (source.count_rows(), len(source.controls), counting.read) == (3, 2, 1)


def test_an_attached_table_that_contradicts_itself_is_refused(tally: Path, engine: LocalEngine) -> None:
    columns = {"id": "text", "amount": {"type": "money"}}
    spec = TableSpec.model_validate({"file": "fees.txt", "format": "tally", "key": "id", "columns": columns})
    given = ("fees", spec, bill(tally, "tally\na 1.00\ntotal 1.00\n"))
    market = (currency("CNY"), BusinessCalendar("Asia/Shanghai", time(0)), engine)
    assert load_table(*given, *market).rows.to_pydict() == {"id": ["a"], "amount": [100]}
    bill(tally, "tally\na 1.00\ntotal 2.00\n")
    with pytest.raises(SourceError, match=r"contradicts itself: total is stated on line 3 as 2.00, its rows give 1.00"):
        load_table(*given, *market)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"encoding": "gbk"}, "'encoding' says nothing beside 'format'"),
        ({"delimiter": ";"}, "'delimiter' says nothing beside 'format'"),
        ({"format": None, "controls": "report"}, "'controls' are what a bill states of itself"),
    ],
)
def test_words_that_a_format_makes_idle_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        RecordSpec.model_validate({**KIND, **changes})


def test_a_side_and_a_table_have_no_such_words_either() -> None:
    side = {"file": "bill.csv", "format": "wechat_bill", "encoding": "gbk", "key": "id", "amount": "amount"}
    with pytest.raises(ValidationError, match="'encoding' says nothing beside 'format'"):
        SideSpec.model_validate(side)
    table = {"sql": "SELECT 1", "database": "DB", "format": "wechat_bill", "columns": {"id": "text"}}
    with pytest.raises(ValidationError, match="'sql' says nothing beside 'format'"):
        TableSpec.model_validate(table)
