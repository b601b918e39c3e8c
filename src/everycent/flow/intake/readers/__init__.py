"""Reading files, the only place in intake with file I/O: one module per format, all giving the same shards."""

from collections.abc import Sequence
from pathlib import Path

from everycent.flow.intake.contract import FileSpec, Source, SourceError
from everycent.flow.intake.readers.delimited import DelimitedSource
from everycent.flow.intake.readers.json_lines import JsonLinesSource
from everycent.flow.intake.readers.parquet import ParquetSource
from everycent.flow.intake.readers.workbook import WorkbookSource

__all__ = ["SourceError", "open_source"]


def open_source(
    path: Path, spec: FileSpec, columns_wanted: Sequence[str] | None = None, columns_optional: Sequence[str] = ()
) -> Source:
    """Opens a file by its ending: .parquet, .jsonl or .ndjson, .xlsx; everything else is CSV.

    `spec` has `encoding`, and may have `delimiter` and `sheet`. Only the wanted columns are read (None: all), which
    must be there; an optional one that is not there is all null. Raises SourceError.
    """
    if not path.is_file():
        raise SourceError(f"there is no file {path}")
    match path.suffix.lower():
        case ".parquet" | ".pq":
            return ParquetSource(path, columns_wanted, columns_optional)
        case ".jsonl" | ".ndjson" | ".json":
            return JsonLinesSource(path, spec.encoding, columns_wanted, columns_optional)
        case ".xlsx" | ".xlsm" | ".xls":
            return WorkbookSource(path, getattr(spec, "sheet", None), columns_wanted, columns_optional)
    return DelimitedSource(path, spec.encoding, getattr(spec, "delimiter", ","), columns_wanted, columns_optional)
