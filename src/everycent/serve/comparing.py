"""Reconciles two files that nobody has declared anything about: opens them, guesses what was not said, compares."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import identifier, literal
from everycent.flow.intake.contract import Control, Source, SourceError
from everycent.flow.intake.service import controls_of, format_named, format_of, open_bill, open_source
from everycent.proof.recon.contract import REFUSED
from everycent.proof.recon.service import (
    FilesPlan,
    NothingToCompare,
    Pair,
    Reading,
    Reconciled,
    ReconPlan,
    breaks_of,
    guess_key,
    pairs_of,
    plan_files,
    reconcile,
    side_view,
)

_ROWS_PER_PART = 200_000
_DELIMITERS = (",", ";", "\t", "|")
_HEAD_BYTES = 1 << 16


@dataclass(frozen=True)
class FileSide:
    """An open file: its relation in the engine, its columns, what it is, and what was found wrong with it."""

    path: Path
    relation: str
    columns: tuple[str, ...]
    kind: str
    controls: tuple[Control, ...]
    malformed: pa.Table


@dataclass(frozen=True)
class Compared:
    """Two files, how they were compared, and what came out. `breaks`: with the columns that differ. `refused`: of each
    side, rows that cannot be compared."""

    left: FileSide
    right: FileSide
    plan: FilesPlan
    reconciled: Reconciled
    breaks: pa.Table
    refused: tuple[pa.Table, pa.Table]

    @property
    def lying(self) -> tuple[tuple[FileSide, Control], ...]:
        """What the files state of themselves that is not so."""
        sides = (self.left, self.right)
        return tuple((side, control) for side in sides for control in side.controls if not control.agrees)


@dataclass(frozen=True)
class Asked:
    """What the caller says; what is left out is guessed. `sums`: of each side, whether the rows of a key add up."""

    key: Sequence[str] = ()
    compare: Sequence[str] = ()
    tolerance: str = "0"
    decimals: int | None = None
    sums: tuple[bool, bool] = (False, False)
    formats: tuple[str | None, str | None] = (None, None)
    reading: Reading = field(default_factory=Reading)


def compare_files(left: Path, right: Path, asked: Asked, engine: LocalEngine) -> Compared:
    """Raises SourceError, UnknownFormat, NothingToCompare."""
    one = open_file(left, "left_file", asked.formats[0], engine)
    other = open_file(right, "right_file", asked.formats[1], engine)
    common = [name for name in one.columns if name in other.columns]
    key = pairs_of(asked.key, one.columns, other.columns) or (guess_key(one.relation, other.relation, common, engine),)
    in_key = {pair.left for pair in key} | {pair.right for pair in key}
    compare = pairs_of(asked.compare, one.columns, other.columns) or tuple(
        Pair(name, name) for name in common if name not in in_key
    )
    plan = plan_files(one.relation, other.relation, key, compare, asked.decimals, asked.reading, engine)
    sides = [
        side_view(plan, relation, side, name, engine)
        for side, (relation, name) in enumerate(((one.relation, "left_rows"), (other.relation, "right_rows")))
    ]
    how = ReconPlan("files", _tolerance(asked.tolerance, plan.decimals), *asked.sums, bool(plan.others))
    found = reconcile(how, str(sides[0].rows), str(sides[1].rows), engine, plan.other_names)
    refused = tuple(
        pa.concat_tables([side.refused, opened.malformed]).sort_by("source_line")
        for side, opened in zip(sides, (one, other), strict=True)
    )
    return Compared(one, other, plan, found, breaks_of(plan, found.breaks, engine), (refused[0], refused[1]))


def _tolerance(text: str, decimals: int) -> int:
    """In units of 10**-decimals, rounded down."""
    whole, _, part = text.partition(".")
    if not (whole + part).isdigit():
        raise NothingToCompare(f"--tolerance {text}: write how much may differ, for example 0.01")
    return int((whole or "0") + part.ljust(decimals, "0")[:decimals])


def open_file(path: Path, relation: str, named: str | None, engine: LocalEngine) -> FileSide:
    """The file as a relation of the engine. named: its bill format. Raises SourceError, UnknownFormat."""
    if not path.is_file():
        raise SourceError(f"there is no file {path}")
    if named is None and path.suffix.lower() in (".parquet", ".pq"):
        return _parquet(path, relation, engine)
    known = format_of(path) if named is None else format_named(named)
    source = open_bill(path, known) if known is not None else _opened(path)
    columns = tuple(source.columns)
    declared = "".join(f", {identifier(name)} VARCHAR" for name in columns)
    engine.connection.execute(
        f"CREATE OR REPLACE TABLE {identifier(relation)} (source_file VARCHAR, source_line BIGINT{declared})"
    )
    malformed = [REFUSED.empty_table()]
    for shard in source.shards(_ROWS_PER_PART):
        rows = shard.table.add_column(0, "source_line", shard.lines)
        engine.query(f"INSERT INTO {identifier(relation)} SELECT {literal(path.name)}, * FROM rows", rows=rows)
        bad = shard.malformed
        names = pa.array([path.name] * bad.num_rows, pa.string())
        malformed.append(pa.table([names, bad.column("line"), bad.column("reason")], schema=REFUSED))
    controls = controls_of(source)
    kind = path.suffix.lstrip(".").lower() or "text" if known is None else known.name
    return FileSide(path, relation, columns, kind, tuple(controls), pa.concat_tables(malformed))


def _parquet(path: Path, relation: str, engine: LocalEngine) -> FileSide:
    try:
        engine.connection.execute(
            f"""CREATE OR REPLACE VIEW {identifier(relation)} AS
            SELECT {literal(path.name)} AS source_file, file_row_number + 1 AS source_line, * EXCLUDE (file_row_number)
            FROM read_parquet({literal(str(path))}, file_row_number = true)"""
        )
    except Exception as error:
        raise SourceError(f"{path} is not a readable Parquet file: {error}") from None
    columns = engine.query(f"FROM {identifier(relation)} LIMIT 0").column_names[2:]
    return FileSide(path, relation, tuple(columns), "parquet", (), REFUSED.empty_table())


@dataclass(frozen=True)
class _Guessed:
    """What a reader must know about a file, read off its first bytes."""

    encoding: str
    delimiter: str


def _opened(path: Path) -> Source:
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    try:
        head.decode("utf-8")
        encoding = "utf-8"
    except UnicodeDecodeError as error:
        encoding = "utf-8" if error.start > len(head) - 4 else "gb18030"
    first = head.decode(encoding, "replace").splitlines()[:1]
    delimiter = max(_DELIMITERS, key=lambda mark: first[0].count(mark) if first else 0)
    return open_source(path, _Guessed(encoding, delimiter))
