"""A bill as a source: its rows cut into shards as any file's, and the figures that it states of itself."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa

from everycent.flow.intake.contract import MALFORMED, BillFormat, BillPart, Control, RawRows, Source, SourceError
from everycent.flow.intake.readers.columns import check_columns, empty_table

#: How many rows are held at once where only their number and the controls are asked for.
_ROWS_PER_COUNT = 1 << 17


@dataclass
class _Pending:
    """Rows that were read and not yet given on, in pieces of (rows, lines, malformed)."""

    pieces: list[tuple[pa.Table, pa.Array, pa.Table]] = field(default_factory=list)
    count: int = 0

    def add(self, rows: pa.Table, lines: pa.Array, malformed: pa.Table) -> None:
        self.pieces.append((rows, lines, malformed))
        self.count += rows.num_rows + malformed.num_rows

    def take(self, most: int) -> tuple[pa.Table, pa.Array, pa.Table]:
        """The first rows in the order of their lines, malformed ones among them: rows, lines, malformed."""
        tables, places, torn = zip(*self.pieces, strict=True)
        rows, malformed = pa.concat_tables(tables), pa.concat_tables(torn)
        lines = np.concatenate([np.asarray(each, np.int64) for each in places])
        good = min(most, rows.num_rows)
        if malformed.num_rows:
            order = np.argsort(np.concatenate([lines, malformed.column("line").to_numpy()]), kind="stable")
            good = int((order[:most] < rows.num_rows).sum())
        bad = min(most, self.count) - good
        self.pieces = [(rows.slice(good), pa.array(lines[good:]), malformed.slice(bad))]
        self.count -= good + bad
        return rows.slice(0, good), pa.array(lines[:good], pa.int64()), malformed.slice(0, bad)


class BillSource:
    """An open bill. Its columns are its format's; only the wanted ones are given on."""

    def __init__(
        self,
        path: Path,
        bill_format: BillFormat,
        wanted: Sequence[str] | None = None,
        optional: Sequence[str] = (),
    ) -> None:
        """Reads nothing yet. Raises SourceError where the format has no such column."""
        self.path = path
        self.format = bill_format
        self.columns: tuple[str, ...] = tuple(bill_format.columns)
        self._wanted = tuple(self.columns if wanted is None else (*wanted, *optional))
        self._known = tuple(name for name in self._wanted if name in self.columns)
        self._controls: tuple[Control, ...] | None = None
        self._rows: int | None = None
        check_columns(path, self.columns, self.columns if wanted is None else wanted)

    @cached_property
    def content_hash(self) -> str:
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    @property
    def controls(self) -> tuple[Control, ...]:
        """All figures that the file states of itself; reads it through where that was not done yet."""
        self.count_rows()
        assert self._controls is not None, "a file read through has told its controls"
        return self._controls

    def count_rows(self) -> int:
        """Rows in the file, malformed ones included. The format reads it through once. Raises SourceError."""
        if self._rows is None:
            for _ in self._parts(_ROWS_PER_COUNT):
                pass
        assert self._rows is not None, "a file read through has told its rows"
        return self._rows

    def shards(self, rows_per_shard: int, first: int = 0) -> Iterator[RawRows]:
        assert rows_per_shard > 0, "a shard has rows"
        pending, shard_no = _Pending(), 0
        pending.add(empty_table(self._wanted), pa.array([], pa.int64()), MALFORMED.empty_table())
        for part in self._parts(rows_per_shard):
            pending.add(self._chosen(part.rows), part.lines, part.malformed)
            while pending.count >= rows_per_shard:
                taken = pending.take(rows_per_shard)
                if shard_no >= first:
                    yield RawRows(shard_no, *taken, self.path.name)
                shard_no += 1
        if (pending.count or shard_no == 0) and shard_no >= first:
            yield RawRows(shard_no, *pending.take(rows_per_shard), self.path.name)

    def _chosen(self, rows: pa.Table) -> pa.Table:
        """The wanted columns; one that the format does not have is all null."""
        missing = pa.nulls(rows.num_rows, pa.string())
        columns = [rows.column(name) if name in self._known else missing for name in self._wanted]
        return pa.table(columns, names=list(self._wanted))

    def _parts(self, rows_per_part: int) -> Iterator[BillPart]:
        """The format's parts, found to be as it promises. Raises SourceError, with its name for whatever it throws."""
        controls: list[Control] = []
        rows = 0
        try:
            for part in self.format.parse(self.path, rows_per_part):
                self._refuse_other_columns(part)
                controls += part.controls
                rows += part.rows.num_rows + part.malformed.num_rows
                yield part
        except SourceError:
            raise
        except Exception as error:  # a plug-in may throw anything
            raise SourceError(
                f"{self.path}: bill format '{self.format.name}' failed: {error!r}; is the file of this format? "
                f"Otherwise this is a fault of the format's package"
            ) from error
        self._controls, self._rows = tuple(controls), rows

    def _refuse_other_columns(self, part: BillPart) -> None:
        promised = pa.schema([(name, pa.string()) for name in self.columns])
        if not part.rows.schema.equals(promised):
            given = ", ".join(f"{field.name} ({field.type})" for field in part.rows.schema)
            raise SourceError(
                f"{self.path}: bill format '{self.format.name}' gave the columns {given}; it promises texts, "
                f"{', '.join(self.columns)}; mend its package"
            )


def open_bill(path: Path, bill_format: BillFormat) -> BillSource:
    """The file as a bill of this format, with all columns. Raises SourceError."""
    if not path.is_file():
        raise SourceError(f"there is no file {path}")
    return BillSource(path, bill_format)


def controls_of(source: Source) -> tuple[Control, ...]:
    """The figures that a file states of itself; none where it is no bill. Raises SourceError."""
    return source.controls if isinstance(source, BillSource) else ()


def refuse_disagreeing(source: Source) -> None:
    """Raises SourceError where a figure that the file states of itself is not what its rows give."""
    wrong = [control for control in controls_of(source) if not control.agrees]
    if wrong:
        told = "; ".join(contradiction(control) for control in wrong)
        raise SourceError(
            f"{source.path} contradicts itself: {told}. Ask for the file anew, or find the rows that are missing or "
            f"wrong; 'controls: report' takes it as it is and tells the difference"
        )


def contradiction(control: Control) -> str:
    """A figure that does not agree, for people."""
    where = "" if control.line is None else f" on line {control.line}"
    return f"{control.name} is stated{where} as {control.stated or 'nothing'}, its rows give {control.found}"
