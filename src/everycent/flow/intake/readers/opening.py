"""Opens a file as what it is: a known format of bills where one is named, else by its ending."""

from collections.abc import Sequence
from pathlib import Path

from everycent.flow.intake.bills.registry import format_written
from everycent.flow.intake.bills.source import BillSource
from everycent.flow.intake.contract import EmptyFile, FileSpec, Source, SourceError
from everycent.flow.intake.readers.delimited import DelimitedSource
from everycent.flow.intake.readers.json_documents import JsonArraySource, is_array
from everycent.flow.intake.readers.json_lines import JsonLinesSource
from everycent.flow.intake.readers.parquet import ParquetSource
from everycent.flow.intake.readers.workbook import WorkbookSource

_PARQUET, _JSON_LINES, _WORKBOOK = (".parquet", ".pq"), (".jsonl", ".ndjson", ".json"), (".xlsx", ".xlsm", ".xls")


def open_source(
    path: Path, spec: FileSpec, columns_wanted: Sequence[str] | None = None, columns_optional: Sequence[str] = ()
) -> Source:
    """Opens a file by the format that `spec` names, else by its ending: .parquet, .jsonl or .ndjson, .json (lines,
    or one array), .xlsx; everything else is CSV.

    `spec` has `encoding`, and may have `format`, `delimiter`, `sheet` and `skip_lines` (before a table's header). Only
    the wanted columns are read (None: all), which must be there; an optional one that is not there is all null. Raises
    SourceError (EmptyFile where there is nothing, not even a header), UnknownFormat.
    """
    if not path.is_file():
        raise SourceError(f"there is no file {path}")
    named = getattr(spec, "format", None)
    if path.stat().st_size == 0 and (named is not None or path.suffix.lower() in (*_PARQUET, *_WORKBOOK)):
        raise EmptyFile(f"{path} is empty: it has no bytes; have it sent again")
    if named is not None:
        return BillSource(path, format_written(named), columns_wanted, columns_optional)
    ending, skip = path.suffix.lower(), getattr(spec, "skip_lines", 0)
    if ending in _PARQUET:
        return ParquetSource(path, columns_wanted, columns_optional)
    if ending == ".json" and is_array(path, spec.encoding):
        return JsonArraySource(path, spec.encoding, columns_wanted, columns_optional)
    if ending in _JSON_LINES:
        return JsonLinesSource(path, spec.encoding, columns_wanted, columns_optional)
    if ending in _WORKBOOK:
        return WorkbookSource(path, getattr(spec, "sheet", None), columns_wanted, columns_optional, skip)
    delimiter = getattr(spec, "delimiter", ",")
    return DelimitedSource(path, spec.encoding, delimiter, columns_wanted, columns_optional, skip)
