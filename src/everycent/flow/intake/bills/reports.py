"""Payment providers' reports: a table under a header, as CSV or as a workbook. What such formats have in common."""

import csv
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Protocol, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from everycent.flow.intake.bills.bank_text import encoding
from everycent.flow.intake.bills.cell_bill import cells
from everycent.flow.intake.bills.figures import Figures, figures
from everycent.flow.intake.contract import MALFORMED, BillPart, Control, RawRows, Source, SourceError
from everycent.flow.intake.readers.delimited import DelimitedSource
from everycent.flow.intake.readers.workbook import WorkbookSource

Chosen = npt.NDArray[np.bool_]
_WORKBOOKS: Final = (".xlsx", ".xlsm", ".xls")
_COMMA_MARK: Final = r"^[+-]?(?:\d{1,3}(?:\.\d{3})+|\d+),\d{1,2}$"
_POINT_MARK: Final = r"^[+-]?(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d*)?$"


@dataclass(frozen=True)
class ReportRows:
    """Some rows of a report: its columns as text, null where empty; the line of each; and what is set aside."""

    table: pa.Table
    lines: npt.NDArray[np.int64]
    malformed: pa.Table

    def texts(self, name: str) -> pa.Array:
        """A column in one piece."""
        return cells(self.table, name)

    def figures(self, name: str) -> Figures:
        """A column of money, in millionths."""
        return figures(self.texts(name))

    def with_texts(self, name: str, texts: pa.Array) -> Self:
        """With this column in the place of the one of the same name, or as a further one."""
        at = self.table.schema.get_field_index(name)
        table = self.table.append_column(name, texts) if at < 0 else self.table.set_column(at, name, texts)
        return replace(self, table=table)

    def without(self, wrong: Chosen, column: str, would: str) -> Self:
        """Sets the wrong rows aside for what stands in the column; `would` says what would be right."""
        if not wrong.any():
            return self
        found = [
            {
                "line": int(self.lines[row]),
                "reason": f"{column} {cell!r} cannot be read; it would be {would}",
                "raw": raw,
            }
            for row, cell, raw in zip(
                np.flatnonzero(wrong),
                self.texts(column).filter(pa.array(wrong)).to_pylist(),
                map(_raw, self.table.filter(pa.array(wrong)).to_pylist()),
                strict=True,
            )
        ]
        malformed = pa.concat_tables([self.malformed, pa.Table.from_pylist(found, MALFORMED)]).sort_by("line")
        return replace(self, table=self.table.filter(pa.array(~wrong)), lines=self.lines[~wrong], malformed=malformed)

    def chosen(self, rows: Chosen) -> Self:
        """These rows alone; the others are no rows of the bill."""
        return replace(self, table=self.table.filter(pa.array(rows)), lines=self.lines[rows])


class Work(Protocol):
    """What a format does with one file's rows, in their order."""

    def take(self, rows: ReportRows) -> ReportRows:
        """The rows with the format's own columns; adds up what the controls need."""

    def controls(self) -> Iterator[Control]:
        """The figures, once all rows are taken."""


@dataclass(frozen=True)
class OpenReport:
    """A report whose header is read; `at` is the name in the file of each column that it has."""

    path: Path
    at: Mapping[str, str]
    delimiter: str

    def source(self, *columns: str) -> Source:
        """These columns, or all; those that the file does not have are left out."""
        names = [self.at[name] for name in columns or self.at if name in self.at]
        return _source(self.path, self.delimiter, names)


@dataclass(frozen=True)
class Report:
    """A format of reports. `given`: its columns, and the headings that it has for each beside the column's own name.

    A column's name is its heading in lower case with an underscore for all that is no letter or digit. `needed` columns
    tell the format. `money` columns are figures. `own` columns are those that `work` adds.
    """

    name: str
    given: Mapping[str, tuple[str, ...]]
    needed: tuple[str, ...]
    money: tuple[str, ...]
    own: tuple[str, ...]
    work: Callable[[OpenReport], Work]
    delimiter: str = ","
    is_recognised: bool = True  # no: only who names the format gets it

    @property
    def columns(self) -> tuple[str, ...]:
        return (*self.given, *self.own)

    def recognises(self, file: str, head: bytes) -> bool:  # noqa: ARG002  # the header tells
        lines = head.decode("utf-8", errors="replace").removeprefix("\ufeff").lstrip().splitlines()
        names = next(csv.reader(lines[:1], delimiter=self.delimiter), [])
        return self.is_recognised and all(name in self._at(names) for name in self.needed)

    def parse(self, path: Path, rows_per_part: int) -> Iterator[BillPart]:
        names = _source(path, self.delimiter, None).columns
        at = self._at(names)
        if missing := [name for name in self.needed if name not in at]:
            there = ", ".join(name for name in names if name)
            raise SourceError(
                f"{path} is not a report of format {self.name}: it has no column {missing[0]}, only {there}"
            )
        report = OpenReport(path, at, self.delimiter)
        work, held = self.work(report), None
        for shard in report.source().shards(rows_per_part):
            if held is not None:
                yield held
            rows = work.take(self._rows(shard, at))
            held = BillPart(rows.table.select(list(self.columns)), pa.array(rows.lines), rows.malformed)
        assert held is not None, "a source has at least one shard"
        yield replace(held, controls=tuple(work.controls()))
        if path.suffix.lower() not in _WORKBOOKS and not _ends_its_line(path):
            yield _cut_after(held)

    def _at(self, names: list[str] | tuple[str, ...]) -> dict[str, str]:
        by_slug = {slug(name): name for name in reversed(names) if name}
        found = {
            column: [by_slug[s] for s in (column, *map(slug, others)) if s in by_slug]
            for column, others in self.given.items()
        }
        return {column: there[0] for column, there in found.items() if there}

    def _rows(self, shard: RawRows, at: Mapping[str, str]) -> ReportRows:
        missing = pa.nulls(shard.table.num_rows, pa.string())
        columns = [_trimmed(shard.table.column(at[name])) if name in at else missing for name in self.given]
        table = pa.table(columns, names=list(self.given))
        rows = ReportRows(table, np.asarray(shard.lines, np.int64), shard.malformed)
        for name in self.money:
            read = _pointed(rows.texts(name))
            unread = figures(read).unreadable
            rows = rows.with_texts(name, pc.if_else(pa.array(unread), rows.texts(name), read))
            rows = rows.without(unread, name, "an amount like 1234.56 or 1,234.56")
        return rows


def slug(heading: str) -> str:
    """A heading as a column's name."""
    return "_".join("".join(c if c.isalnum() else " " for c in heading.lower()).split())


def _source(path: Path, delimiter: str, wanted: list[str] | None) -> Source:
    if path.suffix.lower() in _WORKBOOKS:
        return WorkbookSource(path, None, wanted)
    return DelimitedSource(path, encoding(path), delimiter, wanted)


def _cut_after(last: BillPart) -> BillPart:
    """No rows, and that the file's last line has no end."""
    lines = [1, *last.lines.to_pylist()[-1:], *last.malformed.column("line").to_pylist()[-1:]]
    reason = "the line before has no end, as every line of these reports has: the file may be cut off there"
    cut = pa.Table.from_pylist([{"line": max(lines) + 1, "reason": reason, "raw": ""}], MALFORMED)
    return BillPart(last.rows.slice(0, 0), pa.array([], pa.int64()), cut)


def _ends_its_line(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, 2)
        return file.read(1) in b"\r\n"


def _trimmed(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Without the blanks around; null where nothing is left."""
    bare = pc.utf8_trim_whitespace(column)
    return pc.if_else(pc.equal(bare, ""), pa.scalar(None, pa.string()), bare)


def _pointed(texts: pa.Array) -> pa.Array:
    """Amounts with a point before their decimals and nothing between thousands; what is no amount stays."""
    comma, point = pc.match_substring_regex(texts, _COMMA_MARK), pc.match_substring_regex(texts, _POINT_MARK)
    swapped = pc.replace_substring(pc.replace_substring(texts, ".", ""), ",", ".")
    plain = pc.replace_substring(texts, ",", "")
    return pc.utf8_ltrim(pc.if_else(comma, swapped, pc.if_else(point, plain, texts)), characters="+")


def _raw(row: dict[str, str | None]) -> str:
    return ",".join(cell or "" for cell in row.values())
