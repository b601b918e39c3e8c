"""Opens a file that nobody has declared anything about: finds out what it is, and makes it a relation of the engine."""

import gzip
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import identifier, literal
from everycent.flow.intake.contract import MALFORMED, Control, Source, SourceError
from everycent.flow.intake.service import (
    cell_text,
    controls_of,
    format_named,
    format_of,
    open_bill,
    open_source,
    sheet_rows,
    sheets_of,
)
from everycent.proof.recon.contract import REFUSED, ROW
from everycent.serve.heads import before_header, last_total, lines_before_header

_ROWS_PER_PART = 200_000
_DELIMITERS = (",", ";", "\t", "|")
_HEAD_BYTES = 1 << 16
_PARQUET = (".parquet", ".pq")
_WORKBOOKS = (".xlsx", ".xlsm", ".xls")
_ROWS_LOOKED_AT = 400
_TEXT = (".csv", ".txt", ".tsv", "")

#: Told how far a long piece of work has come: what it is, how much is done, of how much (None: not known).
Tell = Callable[[str, int, int | None], None]


@dataclass(frozen=True)
class Given:
    """What the caller says of a file; None is found out. `format`: of a bill. `sheet`: of a workbook. `skip_lines`:
    before the header."""

    format: str | None = None
    encoding: str | None = None
    sheet: str | None = None
    skip_lines: int | None = None


@dataclass(frozen=True)
class FileSide:
    """An open file: its relation in the engine, its columns, what it is, how it is written (`written`: encoding and
    delimiter of a text file, a workbook's sheet, what was skipped), and what was found wrong with it."""

    path: Path
    relation: str
    columns: tuple[str, ...]
    kind: str
    controls: tuple[Control, ...]
    malformed: pa.Table
    written: str = ""


def open_file(path: Path, relation: str, given: Given, engine: LocalEngine, tell: Tell | None = None) -> FileSide:
    """The file as a relation of the engine; one that is packed (.gz, .zip with one file) is unpacked into the engine's
    folder. Raises SourceError, UnknownFormat."""
    if path.is_dir():
        raise SourceError(f"{path} is a folder; name a file in it")
    if not path.is_file():
        raise SourceError(f"there is no file {path}")
    inner = _unpacked(path, engine.temp_dir / f"{relation}_unpacked")
    if given.format is None and inner.suffix.lower() in _PARQUET:
        return _parquet(path, inner, relation, engine)
    known = format_of(inner) if given.format is None else format_named(given.format)
    source, written = _opened(inner, given) if known is None else (open_bill(inner, known), "")
    kind = inner.suffix.lstrip(".").lower() or "text" if known is None else known.name
    columns = _names(source.columns)
    declared = "".join(f", {identifier(name)} VARCHAR" for name in columns)
    engine.connection.execute(
        f"CREATE OR REPLACE TABLE {identifier(relation)} (source_file VARCHAR, source_line BIGINT{declared})"
    )
    malformed, done, torn = [REFUSED.empty_table()], 0, [MALFORMED.empty_table()]
    for shard in source.shards(_ROWS_PER_PART):
        rows = pa.table([shard.lines, *shard.table.columns], names=[str(at) for at in range(len(columns) + 1)])
        engine.query(f"INSERT INTO {identifier(relation)} SELECT {literal(path.name)}, * FROM rows", rows=rows)
        bad = shard.malformed
        names = pa.array([path.name] * bad.num_rows, pa.string())
        malformed.append(pa.table([names, bad.column("line"), bad.column("reason")], schema=REFUSED))
        torn.append(bad)
        done += shard.rows_read
        if tell is not None:
            tell(f"reading {path.name}", done, None)
    controls, refused = tuple(controls_of(source)), pa.concat_tables(malformed)
    if known is None and (last := last_total(relation, columns, pa.concat_tables(torn), engine)) is not None:
        controls, refused = (*controls, *last.controls), refused.filter(pc.not_equal(refused["source_line"], last.line))
        written = ", ".join(filter(None, (written, f"line {last.line} is its total")))
    return FileSide(path, relation, columns, kind, controls, refused, written)


def _names(columns: Sequence[str]) -> tuple[str, ...]:
    """The columns' names, each its own for an engine that does not tell capitals apart."""
    taken, names = {"source_file", "source_line", ROW}, []
    for place, column in enumerate(columns, 1):
        name, again = column or f"column {place}", 1
        while name.lower() in taken:
            again += 1
            name = f"{column} ({again})"
        taken.add(name.lower())
        names.append(name)
    return tuple(names)


def _parquet(path: Path, inner: Path, relation: str, engine: LocalEngine) -> FileSide:
    read = f"read_parquet({literal(str(inner))}, file_row_number = true)"
    try:
        there = engine.query(f"SELECT * EXCLUDE (file_row_number) FROM {read} LIMIT 0").column_names
        columns = _names(there)
        listed = "".join(f", {identifier(old)} AS {identifier(new)}" for old, new in zip(there, columns, strict=True))
        engine.connection.execute(
            f"""CREATE OR REPLACE VIEW {identifier(relation)} AS
            SELECT {literal(path.name)} AS source_file, file_row_number + 1 AS source_line,
                file_row_number AS {ROW}{listed} FROM {read}"""
        )
    except Exception as error:
        raise SourceError(
            f"{path} is not a readable Parquet file, or is cut off: {error}; have it sent again"
        ) from None
    return FileSide(path, relation, columns, "parquet", (), REFUSED.empty_table())


@dataclass(frozen=True)
class _Guessed:
    """What a reader must know about a file, read off its first bytes."""

    encoding: str
    delimiter: str
    sheet: str | None
    skip_lines: int = 0


def _opened(path: Path, given: Given) -> tuple[Source, str]:
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    encoding = given.encoding or _encoding(head)
    lines = [line for line in head.decode(encoding, "replace").splitlines()[:_ROWS_LOOKED_AT] if line.strip()]
    first = lines[0] if lines else ""
    delimiter = max(_DELIMITERS, key=first.count)
    if delimiter not in first:  # the header may stand further down
        delimiter = max(_DELIMITERS, key=lambda mark: sorted(line.count(mark) for line in lines)[len(lines) // 2 :][:1])
    is_text = path.suffix.lower() in _TEXT
    if tarfile.is_tarfile(path):
        raise SourceError(f"{path.name} is an archive of files (tar); unpack it and name the file that is meant")
    if is_text and "\0" in first:
        raise SourceError(f"{path} is no text file: its first line holds zero bytes; name what it is by its ending")
    skip = given.skip_lines
    if skip is None and is_text:
        skip = lines_before_header(_whole_lines(head, encoding), delimiter)
    told = {"\t": "tab"}.get(delimiter, delimiter)
    shown = f"{encoding}, delimiter {told}" if is_text else ""
    if path.suffix.lower() in _WORKBOOKS:
        skip, shown = _in_workbook(path, given)
    source = open_source(path, _Guessed(encoding, delimiter, given.sheet, skip or 0))
    return source, f"{shown}{f', {skip} lines before the header left out' if skip else ''}"


def _in_workbook(path: Path, given: Given) -> tuple[int, str]:
    """How many rows stand before a sheet's header, and which sheet it is where there are others."""
    names = sheets_of(path)
    skip = given.skip_lines
    if skip is None:
        rows = enumerate(sheet_rows(path, given.sheet)[:_ROWS_LOOKED_AT])
        texts = [(before, [cell_text(cell) for cell in row]) for before, row in rows]
        skip = before_header([(before, cells) for before, cells in texts if any(cells)])
    others = f"sheet {given.sheet or names[0]} of {', '.join(names)}" if len(names) > 1 else ""
    return skip, others


def _whole_lines(head: bytes, encoding: str) -> str:
    """The beginning of a text without its last line, which may go on."""
    text = head.decode(encoding, "replace")
    return text if len(head) < _HEAD_BYTES else text[: text.rfind("\n") + 1]


def _encoding(head: bytes) -> str:
    """UTF-8 where the bytes are, UTF-16 by its mark, else what Chinese systems write, or what Western ones do."""
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    for encoding in ("utf-8", "gb18030"):
        try:
            head.decode(encoding)
        except UnicodeDecodeError as error:
            if error.start > len(head) - 4 and len(head) == _HEAD_BYTES:
                return encoding  # the last character goes on behind the bytes that were looked at
        else:
            return encoding
    return "cp1252"


def _unpacked(path: Path, folder: Path) -> Path:
    """The file itself, or the one that is packed in it. Raises SourceError."""
    ending = path.suffix.lower()
    if ending not in (".gz", ".zip"):
        return path
    folder.mkdir(parents=True, exist_ok=True)
    try:
        if ending == ".gz":
            inner = folder / path.stem
            with gzip.open(path) as packed, inner.open("wb") as plain:
                shutil.copyfileobj(packed, plain, 1 << 20)
            return inner
        with zipfile.ZipFile(path) as archive:
            names = [info for info in archive.infolist() if not info.is_dir()]
            if len(names) != 1:
                listed = ", ".join(info.filename for info in names[:5]) or "nothing"
                raise SourceError(f"{path} holds {listed}; unpack it and name the file that is meant")
            inner = folder / Path(names[0].filename).name
            with archive.open(names[0]) as packed, inner.open("wb") as plain:
                shutil.copyfileobj(packed, plain, 1 << 20)
            return inner
    except (EOFError, gzip.BadGzipFile, zipfile.BadZipFile, zlib.error) as error:
        raise SourceError(f"{path} is not a whole {ending[1:]} file: {error}; have it sent again") from None
