"""JSON lines: one object a line. Numbers keep the digits they were written with; they never pass through a float. What
JSON writes as 1.25E7 is 12500000: programs write large numbers so, whatever they mean.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from everycent.base.engine.json_names import NameTwice, named_once
from everycent.flow.intake.contract import MALFORMED, EmptyFile, RawRows, SourceError
from everycent.flow.intake.readers.columns import check_columns
from everycent.flow.intake.readers.text import utf8_blocks

RAW_CHARACTERS_MAX = 1000
LINE_BYTES_MAX = 64 << 20

#: How many rows are looked at to learn which columns there are: a line leaves out what has no value.
SAMPLE_ROWS = 1000


class JsonLinesSource:
    """A file of JSON lines; empty lines are no rows."""

    def __init__(self, path: Path, encoding: str, wanted: Sequence[str] | None, optional: Sequence[str] = ()) -> None:
        """Reads the first rows. Raises SourceError."""
        self.path = path
        self._encoding = encoding
        rows = [object_of(text) for _, text in islice(self._lines(), SAMPLE_ROWS)]
        if not rows:
            raise EmptyFile(f"{path} is empty: it has no line with a JSON object")
        self.columns: tuple[str, ...] = tuple(
            dict.fromkeys(name for row in rows if isinstance(row, dict) for name in row)
        )
        self._wanted = tuple(self.columns if wanted is None else (*wanted, *optional))
        if self.columns:  # where no line is an object, each is quarantined with its own reason
            check_columns(path, self.columns, self.columns if wanted is None else wanted)

    @cached_property
    def content_hash(self) -> str:
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def count_rows(self) -> int:
        return sum(1 for _ in self._lines())

    def shards(self, rows_per_shard: int, first: int = 0) -> Iterator[RawRows]:
        assert rows_per_shard > 0, "a shard has rows"
        lines = islice(self._lines(), first * rows_per_shard, None)
        shard_no = first
        while chunk := list(islice(lines, rows_per_shard)):
            yield self._shard(shard_no, chunk)
            shard_no += 1

    def _shard(self, shard_no: int, chunk: list[tuple[int, bytes]]) -> RawRows:
        read = [(line, text, object_of(text)) for line, text in chunk]
        good = [(line, row) for line, _, row in read if isinstance(row, dict)]
        bad = [(line, row, text) for line, text, row in read if isinstance(row, str)]
        columns = [pa.array([cell_of(row.get(name)) for _, row in good], pa.string()) for name in self._wanted]
        malformed = pa.table(
            [
                pa.array([line for line, _, _ in bad], pa.int64()),
                pa.array([reason for _, reason, _ in bad], pa.string()),
                pa.array(
                    [text.decode("utf-8")[:RAW_CHARACTERS_MAX].replace("\0", "\\0") for _, _, text in bad], pa.string()
                ),
            ],
            schema=MALFORMED,
        )
        assert len(good) + len(bad) == len(chunk), f"{self.path}: a row was lost in shard {shard_no}"
        lines = pa.array([line for line, _ in good], pa.int64())
        return RawRows(shard_no, pa.table(columns, names=list(self._wanted)), lines, malformed, self.path.name)

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        """The lines that are not empty, with their 1-based numbers."""
        left, number = b"", 0
        for block in utf8_blocks(self.path, self._encoding):
            *whole, left = (left + block).split(b"\n")
            if len(left) > LINE_BYTES_MAX:
                raise SourceError(
                    f"{self.path}: line {number + len(whole) + 1} is longer than {LINE_BYTES_MAX >> 20} MiB"
                )
            for text in whole:
                number += 1
                if text.strip():
                    yield number, text
        if left.strip():
            yield number + 1, left


_SCIENTIFIC = re.compile(r"[-0-9.]{1,40}[eE][-+]?[0-9]{1,2}")  # one with more places is no amount: it stays as written


def _digits(number: str) -> str:
    """A number of JSON with all its digits."""
    return f"{Decimal(number):f}" if _SCIENTIFIC.fullmatch(number) else number


_decode = json.JSONDecoder(object_pairs_hook=named_once, parse_float=_digits, parse_int=str, parse_constant=str).decode


def object_of(text: bytes) -> dict[str, Any] | str:
    """The object on a line, its numbers as they were written, or why there is none."""
    try:
        row = _decode(text.decode("utf-8"))
    except NameTwice as error:
        return f"in the line {error}"
    except (json.JSONDecodeError, RecursionError) as error:
        return f"the line is not JSON: {error}"
    if isinstance(row, list):
        return "the line is a JSON array; write one object a line, without brackets around them"
    return row if isinstance(row, dict) else 'the line is not a JSON object; write {"column": value, ...}'


def cell_of(value: Any) -> str | None:
    """What a value of such an object says, as the text of a cell."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=False)
