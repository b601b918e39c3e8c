"""Opens a file as what it is: a known format of bills where one is named, else by its ending."""

from collections.abc import Sequence
from pathlib import Path

from everycent.flow.intake.bills.registry import format_named
from everycent.flow.intake.bills.source import BillSource
from everycent.flow.intake.contract import FileSpec, Source, SourceError
from everycent.flow.intake.readers.delimited import DelimitedSource
from everycent.flow.intake.readers.json_lines import JsonLinesSource
from everycent.flow.intake.readers.parquet import ParquetSource
from everycent.flow.intake.readers.workbook import WorkbookSource


def open_source(
    path: Path, spec: FileSpec, columns_wanted: Sequence[str] | None = None, columns_optional: Sequence[str] = ()
) -> Source:
    """Opens a file by the format that `spec` names, else by its ending: .parquet, .jsonl or .ndjson, .xlsx; everything
    else is CSV.

    `spec` has `encoding`, and may have `format`, `delimiter` and `sheet`. Only the wanted columns are read (None: all),
    which must be there; an optional one that is not there is all null. Raises SourceError, UnknownFormat.
    """
    if not path.is_file():
        raise SourceError(f"there is no file {path}")
    if (named := getattr(spec, "format", None)) is not None:
        return BillSource(path, format_named(named), columns_wanted, columns_optional)
    match path.suffix.lower():
        case ".parquet" | ".pq":
            return ParquetSource(path, columns_wanted, columns_optional)
        case ".jsonl" | ".ndjson" | ".json":
            return JsonLinesSource(path, spec.encoding, columns_wanted, columns_optional)
        case ".xlsx" | ".xlsm" | ".xls":
            return WorkbookSource(path, getattr(spec, "sheet", None), columns_wanted, columns_optional)
    return DelimitedSource(path, spec.encoding, getattr(spec, "delimiter", ","), columns_wanted, columns_optional)
