"""CSV: against Python's own reader, with broken quotes, and in any encoding."""

import csv
import io
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from everycent.flow.intake.contract import EmptyFile, RawRows, RecordSpec, SourceError
from everycent.flow.intake.readers import text
from everycent.flow.intake.readers.delimited import DelimitedSource
from everycent.flow.intake.readers.opening import open_source

CELL = st.text(alphabet='ab,;"\n\r é中\t', max_size=6)
ROWS = st.lists(st.lists(CELL, min_size=3, max_size=3), max_size=12)


def read(path: Path, encoding: str = "utf-8", rows_per_shard: int = 1000, delimiter: str = ",") -> list[RawRows]:
    return list(DelimitedSource(path, encoding, delimiter, None).shards(rows_per_shard))


def cells(shards: list[RawRows]) -> list[list[str]]:
    return [list(row.values()) for rows in shards for row in rows.table.to_pylist()]


def malformed(shards: list[RawRows]) -> list[tuple[int, str]]:
    return [(row["line"], row["raw"]) for rows in shards for row in rows.malformed.to_pylist()]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=ROWS,
    ending=st.sampled_from(["\n", "\r\n", "\r"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "gb18030"]),
    quoting=st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
    rows_per_shard=st.integers(1, 5),
    block_bytes=st.integers(1, 40),
)
def test_what_python_writes_is_read_back(
    tmp_path: Path,
    rows: list[list[str]],
    ending: str,
    encoding: str,
    quoting: int,
    rows_per_shard: int,
    block_bytes: int,
) -> None:
    out = io.StringIO()
    if any("\r" in cell for row in rows for cell in row):
        quoting = csv.QUOTE_ALL  # Python leaves a lone CR unquoted
    writer = csv.writer(out, lineterminator=ending, quoting=quoting)  # type: ignore[arg-type]
    writer.writerows([["x", "y", "z"], *rows])
    path = tmp_path / "rows.csv"
    path.write_bytes(out.getvalue().encode(encoding))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text, "BLOCK_BYTES", block_bytes)  # a block may end anywhere
        shards = read(path, encoding, rows_per_shard)
    assert cells(shards) == rows
    assert malformed(shards) == []
    assert DelimitedSource(path, encoding, ",", None).count_rows() == len(rows)


def test_blanks_after_a_closing_quote_are_text_as_to_python(tmp_path: Path) -> None:
    text = 'x,y\n"a"\t,"b,c" \n"d"  ,e\n'
    path = tmp_path / "rows.csv"
    path.write_text(text)
    shards = read(path)
    assert cells(shards) == list(csv.reader(io.StringIO(text)))[1:]
    assert malformed(shards) == []


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.text(alphabet='a,"\n\r', max_size=40), block_bytes=st.integers(1, 20), rows_per_shard=st.integers(1, 5))
def test_no_bytes_are_lost_whatever_the_quotes(
    tmp_path: Path, body: str, block_bytes: int, rows_per_shard: int
) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(f"x,y\n{body}".encode())
    whole = read(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text, "BLOCK_BYTES", block_bytes)
        pieces = read(path, rows_per_shard=rows_per_shard)
    assert cells(whole) == cells(pieces)
    assert malformed(whole) == malformed(pieces)
    lines = [line for rows in whole for line in (*rows.lines.to_pylist(), *rows.malformed["line"].to_pylist())]
    assert len(set(lines)) == len(lines), "two rows begin on one line"
    try:
        oracle = [row for row in csv.reader(io.StringIO(f"{body}", newline=""), strict=True) if row]
    except csv.Error:
        assert malformed(whole), "Python's strict reader refuses it, so some line is malformed"
    else:
        assert cells(whole) == [row for row in oracle if len(row) == 2]
        assert len(malformed(whole)) == len(oracle) - len(cells(whole))


def test_one_broken_quote_costs_one_line(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(b'x,y\n1,"two\nlines"\n2,"broken\n3,"fine"\n4,"mid"dle\n5\n6,end\n7,"never closed')
    (rows,) = read(path)
    assert cells([rows]) == [["1", "two\nlines"], ["3", "fine"], ["6", "end"]]
    assert rows.lines.to_pylist() == [2, 5, 8]
    assert [(row["line"], row["reason"].split(";")[0], row["raw"]) for row in rows.malformed.to_pylist()] == [
        (4, "a quote is opened and never closed", '2,"broken'),
        (6, "text follows a closing quote", '4,"mid"dle'),
        (7, "the row has 1 field, the header has 2", "5"),
        (9, "a quote is opened and never closed", '7,"never closed'),
    ]


def test_a_quote_never_closed_is_given_up_after_a_megabyte(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(b'x,y\n1,"open\n' + b"2,good line of text\n" * 100_000)
    shards = read(path, rows_per_shard=60_000)
    assert [rows.table.num_rows for rows in shards] == [59_999, 40_001]
    assert malformed(shards) == [(2, '1,"open')]


def test_a_crashed_run_goes_on_at_a_shard(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("x\n" + "".join(f"{n}\n" for n in range(10)))
    source = DelimitedSource(path, "utf-8", ",", None)
    assert [rows.table["x"].to_pylist() for rows in source.shards(4, first=1)] == [list("4567"), list("89")]
    assert [rows.shard_no for rows in source.shards(4, first=1)] == [1, 2]
    assert list(source.shards(5, first=2)) == []


def test_chinese_encodings(tmp_path: Path) -> None:
    path = tmp_path / "订单.csv"
    path.write_bytes("订单号,商户\nA1,上海一店\n".encode("gbk"))
    assert cells(read(path, "gbk")) == [["A1", "上海一店"]]


def refusal(path: Path, wanted: list[str] | None = None, **words: str) -> str:
    spec = RecordSpec.model_validate({"id": "x", "occurred_at": "x", "columns": {"x": "text"}, **words})
    with pytest.raises(SourceError) as refused:
        list(open_source(path, spec, wanted).shards(100))
    return str(refused.value).replace(str(path), "FILE")


def test_a_wrong_encoding_says_where_and_what_would_be_right(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(b"x\na\n" + "上海".encode("gbk"))
    said = "FILE is not utf-8: byte 0xC9 at offset 4, line 3, is no character of it (invalid continuation byte); "
    assert refusal(path) == said + "it could be gb18030: write encoding: gb18030 in the model"
    path.write_bytes("x\na\n".encode("utf-16"))
    assert refusal(path).endswith("it looks like utf-16: write encoding: utf-16 in the model")
    with pytest.raises(ValidationError, match="'klingon' is not an encoding; write for example utf-8"):
        refusal(path, encoding="klingon")


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(b"\n\r\n")
    assert refusal(path) == "FILE is empty: it has no header line; its first line must name the columns"
    for blank in (b"\n\n  \n", b"   ", b" \t \n \n\n"):
        path.write_bytes(blank)
        assert refusal(path) == "FILE is empty: it has only blank lines; its first line must name the columns"
        with pytest.raises(EmptyFile):
            read(path)
    path.write_bytes(b"\n  \nx,y\n1,2\n")
    assert refusal(path) == "FILE: line 2 names no column; the first line must name them"
    path.write_bytes(b"price,pirce,x\n")
    assert refusal(path, ["prices"]).startswith(
        "FILE has no column 'prices'; did you mean price or pirce? It has: price, pirce, x."
    )
    path.write_bytes(b"x,y,x\n")
    assert refusal(path) == "FILE: the column name 'x' occurs twice (columns 1, 3); rename one of them"
    path.write_bytes(b'x,"y\n')
    assert refusal(path).startswith("FILE: the header on line 1 is malformed: a quote is opened and never closed")
    with pytest.raises(ValidationError, match=r"'\|\|' does not fit; write one character"):
        refusal(path, delimiter="||")
    assert refusal(tmp_path / "none.csv") == "there is no file FILE"


def test_a_header_alone_is_one_empty_shard(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(b"x;y")
    (rows,) = read(path, delimiter=";")
    assert rows.rows_read == 0
    assert rows.table.schema == pa.schema([("x", pa.string()), ("y", pa.string())])
