"""Writes a chunk's columns to growing CSV or Parquet files; amounts go out exactly, by the currency's exponent."""

import csv
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from everycent.serve.demo.orders import Ints

FileFormat = Literal["csv", "parquet"]


def money(minor: Ints, exponent: int) -> pa.Array:
    """Minor units as a decimal column of `exponent` places: the same integers, read with another scale."""
    whole = pa.array(minor, pa.int64()).cast(pa.decimal128(19, 0))
    return pa.Array.from_buffers(pa.decimal128(19, exponent), len(whole), whole.buffers())


def moment(seconds: Ints) -> pa.Array:
    """Seconds since 1970, the wall clock of the marketplace, as a timestamp column."""
    return pa.array(seconds, pa.timestamp("s"))


def picked(words: list[str] | tuple[str, ...], index: Ints) -> pa.Array:
    """words[index]; null where the index is negative."""
    return pa.array(words, pa.string()).take(pa.array(index, mask=index < 0))


class FileWriter:
    """One file that grows chunk by chunk; nothing of earlier chunks stays in memory."""

    def __init__(self, path: Path, schema: pa.Schema, file_format: FileFormat) -> None:
        self.path = path
        self._schema = schema
        self._file = path.open("wb")
        self._parquet = pq.ParquetWriter(self._file, schema, compression="zstd") if file_format == "parquet" else None
        if self._parquet is None:
            self._file.write((",".join(schema.names) + "\n").encode())

    def write(self, table: pa.Table) -> None:
        assert table.column_names == self._schema.names, f"{self.path.name}: {table.column_names}"
        if self._parquet is None:
            pa_csv.write_csv(table, self._file, pa_csv.WriteOptions(include_header=False, quoting_style="none"))
        else:
            self._parquet.write_table(table)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._parquet is not None:
            self._parquet.close()
        self._file.close()


def write_small_csv(path: Path, header: list[str], rows: list[list[str]]) -> None:
    """A file of a few rows."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def numbered(prefix: str, numbers: Ints, *parts: Ints) -> pa.Array:
    """prefix, the number in ten digits, and each part after a dash: HM0000000012-1."""
    text = [pc.utf8_lpad(pa.array(numbers, pa.int64()).cast(pa.string()), 10, "0")]
    text += [pa.array(part, pa.int64()).cast(pa.string()) for part in parts]
    return pc.binary_join_element_wise(prefix, pc.binary_join_element_wise(*text, "-"), "")
