"""A bill of cells under a header, with figures stated around its rows: what such formats have in common."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from everycent.flow.intake.bills.cell_rows import PREAMBLE_LINES_MAX, BillText, Rows, heads, text_of_head
from everycent.flow.intake.bills.figures import Figures, figures, plain
from everycent.flow.intake.contract import MALFORMED, BillPart, Control, SourceError


@dataclass(frozen=True)
class Counted:
    """Of some rows: their signed amounts as text, and what to add up, by the name under which it is stated."""

    amount: pa.Array
    adding: Mapping[str, Decimal]


@dataclass(frozen=True)
class CellBill:
    """A format of bills. Beside the `given` columns of the file it gives `amount`, signed.

    `money` are the columns that hold figures; a row with a text there that is none is malformed. `stated` gives (name,
    figure, line) of the lines around the rows. `earlier`: names that other editions have for a column. `either_sign`:
    figures of money that goes out, which some editions write with a sign and some without.
    """

    name: str
    given: tuple[str, ...]
    header: tuple[str, ...]  # the names that the header line begins with
    no_row: bytes  # a line that begins with one of these bytes ends the rows
    money: tuple[str, ...]
    count: Callable[[pa.Table, Mapping[str, Figures]], Counted]
    stated: Callable[[Sequence[tuple[int, str]]], Iterator[tuple[str, str, int]]]
    earlier: Mapping[str, str] = field(default_factory=dict)
    either_sign: frozenset[str] = frozenset()
    padded: bool = False  # cells are filled up with blanks and tabs
    symbol: str = ""  # characters of a currency before figures
    needs_summary: bool = True  # without what states figures, the file is cut off

    @property
    def columns(self) -> tuple[str, ...]:
        return (*self.given, "amount")

    def recognises(self, file: str, head: bytes) -> bool:  # noqa: ARG002 - the content says it
        return any(self._is_header(line) for line in text_of_head(head).splitlines()[:PREAMBLE_LINES_MAX])

    def _is_header(self, line: str) -> bool:
        return heads(line)[: len(self.header)] == self.header

    def parse(self, path: Path, rows_per_part: int) -> Iterator[BillPart]:
        bill = BillText(path, self.name, self._is_header, self.no_row)
        names = [self.earlier.get(name, name) for name in bill.names]
        if missing := [name for name in self.given[:1] + self.money[:1] if name not in names]:
            raise SourceError(f"{path}: the header on line {bill.header_line} has no {missing[0]}; is it {self.name}?")
        none = self._given(pa.table({}), 0)
        found = dict(self._counted(none)[1].adding)
        after: list[tuple[int, str]] = []
        for rows in bill.rows(rows_per_part):
            after += rows.after
            part, counted = self._part(rows, names)
            for name, figure in counted.adding.items():
                found[name] += figure
            yield part
        controls = tuple(self._controls([*bill.before, *after], found))
        rows_of_none = none.append_column("amount", pa.array([], pa.string()))
        yield BillPart(rows_of_none, pa.array([], pa.int64()), MALFORMED.empty_table(), controls)

    def _part(self, rows: Rows, names: Sequence[str]) -> tuple[BillPart, Counted]:
        table = self._given(rows.table.rename_columns(names), rows.table.num_rows)
        read, counted = self._counted(table)
        wrong = np.logical_or.reduce([each.unreadable for each in read.values()])
        if wrong.any():
            reasons = [_reason(table, read, int(row)) for row in np.flatnonzero(wrong)]
            rows = rows.without(wrong, reasons)
            table = table.filter(pa.array(~wrong))
            _, counted = self._counted(table)
        lines = pa.array(rows.found.lines, pa.int64())
        return BillPart(table.append_column("amount", counted.amount), lines, rows.malformed), counted

    def _given(self, table: pa.Table, rows: int) -> pa.Table:
        """The columns of the format; one that this file does not have is null."""
        missing = pa.nulls(rows, pa.string())
        columns = [cells(table, name) if name in table.column_names else missing for name in self.given]
        if self.padded:
            columns = [_unpadded(column) for column in columns]
        if self.symbol:
            bare = {self.given.index(name) for name in self.money}
            columns = [
                pc.utf8_ltrim(column, characters=self.symbol) if at in bare else column
                for at, column in enumerate(columns)
            ]
        return pa.table(columns, names=list(self.given))

    def _counted(self, table: pa.Table) -> tuple[dict[str, Figures], Counted]:
        read = {name: figures(cells(table, name)) for name in self.money}
        return read, self.count(table, read)

    def _controls(self, around: Sequence[tuple[int, str]], found: Mapping[str, Decimal]) -> Iterator[Control]:
        stated = list(self.stated(around))
        for name, figure, line in stated:
            given = found.get(name)
            if given is not None and name in self.either_sign and not figure.startswith("-"):
                given = abs(given)
            yield Control(name, figure, "nothing" if given is None else plain(given), line)
        if not stated and self.needs_summary:
            rows, count = next(iter(found.items()))
            yield Control(rows, "nothing: the file ends without its summary", plain(count), None)


def cells(table: pa.Table, name: str) -> pa.Array:
    """A column in one piece."""
    column = table.column(name)
    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays([pa.array([], pa.string()), *column.chunks])


def _reason(table: pa.Table, read: Mapping[str, Figures], row: int) -> str:
    name = next(name for name, each in read.items() if each.unreadable[row])
    return f"{name} '{table[name][row].as_py()}' is no amount; it would be one like 12.34"


def _unpadded(texts: pa.Array) -> pa.Array:
    """Without the blanks and tabs around; null where nothing is left."""
    bare = pc.ascii_trim(texts, characters=" \t")
    return pc.if_else(pc.equal(bare, ""), pa.scalar(None, pa.string()), bare)
