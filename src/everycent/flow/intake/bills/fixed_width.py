"""Fixed-width files by declaration: record types by prefix, cells by place, and controls in lines or columns."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from everycent.flow.intake.bills.fixed_cells import amounts, texts
from everycent.flow.intake.contract import MALFORMED, BillPart, Control
from everycent.flow.intake.layouts import (
    RECORD_TYPE,
    FixedColumnSpec,
    FixedControlSpec,
    FixedRecordSpec,
    FixedWidthSpec,
)
from everycent.flow.intake.readers.csv_rows import Found, Scanner, malformed_rows

_BLOCK_BYTES: Final = 4 << 20
_NO_DELIMITER: Final = 0


@dataclass
class _Tally:
    """What the rows give: how many of each record type, and each amount column's total, in units of 10^-6."""

    rows: dict[str, int] = field(default_factory=dict)
    millionths: dict[str, int] = field(default_factory=dict)

    def add(self, column: str, values: npt.NDArray[np.int64], decimals: int) -> None:
        whole, rest = np.divmod(values, 10**6)
        total = int(whole.sum()) * 10**6 + int(rest.sum())
        self.millionths[column] = self.millionths.get(column, 0) + total * 10 ** (6 - decimals)

    def found(self, control: FixedControlSpec, decimals: int) -> str:
        if control.counts is not None:
            return str(self.rows.get(control.counts, 0))
        total = sum(self.millionths.get(name, 0) for name in control.sums)
        return _plain(total, decimals)


@dataclass(frozen=True)
class FixedWidth:
    """A fixed-width format."""

    name: str
    spec: FixedWidthSpec

    @property
    def columns(self) -> tuple[str, ...]:
        """The record type, then all columns of all record types in declared order."""
        named = (name for record in self.spec.records.values() for name in record.columns)
        return (RECORD_TYPE, *dict.fromkeys(named))

    def recognises(self, file: str, head: bytes) -> bool:  # noqa: ARG002 - a declaration is named where it stands
        return False

    def parse(self, path: Path, rows_per_part: int) -> Iterator[BillPart]:
        scanner = Scanner(path, _blocks(path), _NO_DELIMITER, quotes=False)
        tally, stated = _Tally(), dict[str, tuple[str, int]]()
        while pieces := list(scanner.rows(min(rows_per_part, 1 << 20))):
            for found in pieces:
                yield self._part(found, tally, stated)
        none = pa.table({name: pa.array([], pa.string()) for name in self.columns})
        controls = tuple(self._controls(tally, stated))
        yield BillPart(none, pa.array([], pa.int64()), MALFORMED.empty_table(), controls)

    def _part(self, found: Found, tally: _Tally, stated: dict[str, tuple[str, int]]) -> BillPart:
        left = np.ones(found.count, np.bool_)
        for name, control in self.spec.controls.items():
            if control.prefix is not None and control.cell is not None:
                lines = _begin(found, control.prefix)
                left &= ~lines
                for row in np.flatnonzero(lines):
                    stated[name] = _stated(_only(found, lines), control.cell, int(found.lines[row]))
        for prefix in self.spec.others:
            left &= ~_begin(found, prefix)
        tables, places, malformed = [], [], []
        for name, record in self.spec.records.items():
            chosen = left & _begin(found, record.prefix)
            left &= ~chosen
            table, good, torn = self._rows(name, record, _only(found, chosen), tally)
            tables.append(table)
            places.append(good)
            malformed.append(torn)
        unknown = np.flatnonzero(left)
        told = ", ".join(f"'{prefix}'" for prefix in self._prefixes())
        malformed.append(
            malformed_rows(found, unknown, [f"no record type begins so; there are: {told}"] * unknown.size)
        )
        lines = np.concatenate(places)
        order = np.argsort(lines, kind="stable")
        rows = pa.concat_tables(tables)
        if len(tables) > 1:
            rows = rows.take(pa.array(order))
        torn = pa.concat_tables(malformed).sort_by("line")
        return BillPart(rows, pa.array(lines[order], pa.int64()), torn)

    def _rows(
        self, name: str, record: FixedRecordSpec, found: Found, tally: _Tally
    ) -> tuple[pa.Table, npt.NDArray[np.int64], pa.Table]:
        """The rows of one record type, their lines, and the malformed ones."""
        cells: dict[str, pa.Array] = {RECORD_TYPE: pa.array([name] * found.count, pa.string())}
        values: dict[str, npt.NDArray[np.int64]] = {}
        good = found.good
        wrong = np.full(found.count, "", object)
        for told, column in record.columns.items():
            if column.type == "text":
                cells[told] = texts(found, column, self.spec.encoding)
                continue
            cells[told], values[told], readable = amounts(found, column)
            wrong[good & ~readable] = f"{told} at {column.start} to {column.start + column.length - 1} is no amount"
            good = good & readable
        for told, each in values.items():
            tally.add(told, each[good], record.columns[told].decimals)
        tally.rows[name] = tally.rows.get(name, 0) + int(good.sum())
        torn = np.flatnonzero(~good)
        reasons = [wrong[row] or "the line is longer than any of this format" for row in torn]
        missing = pa.nulls(found.count, pa.string())
        table = pa.table({column: cells.get(column, missing) for column in self.columns})
        if torn.size:
            table = table.filter(pa.array(good))
        return table, found.lines[good], malformed_rows(found, torn, reasons)

    def _controls(self, tally: _Tally, stated: dict[str, tuple[str, int]]) -> Iterator[Control]:
        for name, control in self.spec.controls.items():
            if control.cell is not None:
                figure, line = stated.get(
                    name, (f"nothing: there is no line that begins with '{control.prefix}'", None)
                )
                yield Control(name, figure, tally.found(control, control.cell.decimals), line)
            elif control.column is not None:
                total = tally.millionths.get(control.column, 0)
                yield Control(name, _plain(total, 2), tally.found(control, 2), None)

    def _prefixes(self) -> Sequence[str]:
        controls = (control.prefix for control in self.spec.controls.values() if control.prefix is not None)
        records = (record.prefix for record in self.spec.records.values())
        return tuple(dict.fromkeys((*records, *controls, *self.spec.others)))


def _blocks(path: Path) -> Iterator[bytes]:
    """The file's bytes as they are: places count them."""
    with path.open("rb") as file:
        yield file.read(_BLOCK_BYTES).removeprefix(b"\xef\xbb\xbf")
        while block := file.read(_BLOCK_BYTES):
            yield block


def _begin(found: Found, prefix: str) -> npt.NDArray[np.bool_]:
    """Which lines begin so."""
    begun = np.ones(found.count, np.bool_)
    for at, byte in enumerate(prefix.encode()):
        places = found.starts + at
        inside = places < found.stops
        begun &= inside & (found.data[np.where(inside, places, 0)] == byte)
    return begun


def _only(found: Found, chosen: npt.NDArray[np.bool_]) -> Found:
    return replace(
        found,
        starts=found.starts[chosen],
        stops=found.stops[chosen],
        lines=found.lines[chosen],
        fields=found.fields[chosen],
        status=found.status[chosen],
    )


def _stated(found: Found, cell: FixedColumnSpec, line: int) -> tuple[str, int]:
    """The figure in the line, as a decimal where it is one."""
    one = _only(found, found.lines == line)
    figure, _, good = amounts(one, cell)
    if good[0] and figure[0].is_valid:
        return str(figure[0].as_py()), line
    return str(texts(one, cell, "latin-1")[0].as_py() or "nothing"), line


def _plain(millionths: int, decimals: int) -> str:
    amount = Decimal(millionths).scaleb(-6)
    exact = amount.quantize(Decimal(1).scaleb(-decimals))
    return f"{exact if exact == amount else amount.normalize():f}"
