"""Parquet files. Cells keep their native types, so decimals, integers and timestamps arrive exactly as stored."""

import hashlib
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from everycent.flow.intake.contract import MALFORMED, RawRows, SourceError
from everycent.flow.intake.readers.columns import check_columns


class ParquetSource:
    """A Parquet file; a row's line is its 1-based number."""

    def __init__(self, path: Path, wanted: Sequence[str] | None, optional: Sequence[str] = ()) -> None:
        """Reads the footer. Raises SourceError."""
        self.path = path
        try:
            self._file = pq.ParquetFile(path)
        except (pa.ArrowInvalid, OSError) as error:
            raise SourceError(f"{path} is not a readable Parquet file: {error}") from None
        self.columns: tuple[str, ...] = tuple(self._file.schema_arrow.names)
        self._wanted = tuple(self.columns if wanted is None else (*wanted, *optional))
        check_columns(path, self.columns, self.columns if wanted is None else wanted)

    @cached_property
    def content_hash(self) -> str:
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def count_rows(self) -> int:
        return int(self._file.metadata.num_rows)

    def shards(self, rows_per_shard: int, first: int = 0) -> Iterator[RawRows]:
        assert rows_per_shard > 0, "a shard has rows"
        start, total = first * rows_per_shard, self.count_rows()
        if start >= total:
            if first == 0:
                yield self._shard(0, self._file.schema_arrow.empty_table(), 0)
            return
        kept: list[pa.Table] = []
        shard_no, row = first, start
        for batch in self._batches(start, rows_per_shard):
            kept.append(batch)
            held = sum(table.num_rows for table in kept)
            while held >= rows_per_shard:
                whole = pa.concat_tables(kept)
                yield self._shard(shard_no, whole.slice(0, rows_per_shard), row)
                kept = [whole.slice(rows_per_shard)]
                shard_no, row, held = shard_no + 1, row + rows_per_shard, held - rows_per_shard
        if sum(table.num_rows for table in kept):
            yield self._shard(shard_no, pa.concat_tables(kept), row)

    def _batches(self, start: int, size: int) -> Iterator[pa.Table]:
        """The rows from number `start` (0-based) on; row groups before it are not read."""
        metadata, groups, before = self._file.metadata, [], 0
        for group in range(metadata.num_row_groups):
            rows = metadata.row_group(group).num_rows
            if before + rows > start:
                groups.append(group)
            elif not groups:
                before += rows
                continue
            if groups[0] == group:
                skip = start - before
            before += rows
        names = [name for name in self._wanted if name in self.columns] or list(self.columns[:1])
        for batch in self._read(size, groups, names):
            dropped = min(skip, batch.num_rows)
            skip -= dropped
            if dropped < batch.num_rows:
                yield pa.table(batch.slice(dropped))

    def _read(self, size: int, groups: list[int], names: list[str]) -> Iterator[pa.RecordBatch]:
        batches = self._file.iter_batches(batch_size=size, row_groups=groups, columns=names)
        while True:
            try:
                batch = next(batches, None)
            except (pa.ArrowException, OSError) as error:
                damage = " ".join(str(error).split())
                raise SourceError(f"{self.path} is damaged: {damage}; have it sent again") from None
            if batch is None:
                return
            yield batch

    def _shard(self, shard_no: int, table: pa.Table, row: int) -> RawRows:
        missing = pa.nulls(table.num_rows, pa.string())
        columns = [table.column(name) if name in self.columns else missing for name in self._wanted]
        lines = pa.array(range(row + 1, row + table.num_rows + 1), pa.int64())
        return RawRows(
            shard_no, pa.table(columns, names=list(self._wanted)), lines, MALFORMED.empty_table(), self.path.name
        )
