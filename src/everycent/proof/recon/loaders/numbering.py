"""Rows that have no lines of their own are numbered in the order in which their source gives them."""

from collections.abc import Iterable, Iterator

import pyarrow as pa

from everycent.flow.intake.contract import MALFORMED, RawRows


def numbered(parts: Iterable[pa.Table], columns: Iterable[str], file: str) -> Iterator[RawRows]:
    """The parts with lines from 1 on; a source without rows is one part of text columns without rows."""
    before, shard_no = 0, 0
    for part in parts:
        yield _rows(shard_no, part, before, file)
        before, shard_no = before + part.num_rows, shard_no + 1
    if not shard_no:
        yield _rows(0, pa.schema([(name, pa.string()) for name in columns]).empty_table(), 0, file)


def _rows(shard_no: int, part: pa.Table, before: int, file: str) -> RawRows:
    lines = pa.array(range(before + 1, before + part.num_rows + 1), pa.int64())
    return RawRows(shard_no, part, lines, MALFORMED.empty_table(), file)
