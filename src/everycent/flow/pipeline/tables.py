"""The attached tables of a model: those it declares, and those that a factor names by file alone."""

import csv
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path

from everycent.base.money.cycle import Period
from everycent.flow.clearing.contract import ClearingRefused
from everycent.flow.clearing.stage import Settled, read_legal_entities
from everycent.flow.intake.contract import ColumnSpec, TableSpec
from everycent.flow.model.contract import LoadedModel, ModelIssue
from everycent.flow.parties.contract import role_of_contract_table
from everycent.flow.rating.contract import FactorSpec, factor_path, with_made_factors
from everycent.flow.rating.stage import DecisionTable
from everycent.flow.settlement.stage import read_periods

#: A rate read from a file that declares no types keeps up to eight decimals; a factor's `type` says otherwise.
RATE_TYPE = "decimal(8)"
VALIDITY = ("valid_from", "valid_to")


def table_specs(model: LoadedModel, files: Mapping[str, Path], issues: list[ModelIssue]) -> dict[str, TableSpec]:
    """Every attached table by name. `files`: where the model's table files are; ones not there are left out.

    Adds to `issues` what cannot be looked up as the model says.
    """
    specs = dict(model.spec.tables)
    bills = {table.file for table in model.spec.tables.values() if table.format is not None}  # have no header line
    headers = {name: header for name, path in files.items() if name not in bills and (header := _header(path))}
    for name, table in model.spec.tables.items():
        columns = (
            (column, source)
            for column, spec in table.columns.items()
            if spec.required
            for source in spec.sources or (column,)
        )
        issues += _absent(model, table.file, headers, ((("tables", name, "columns", at), it) for at, it in columns))
    for name, factor in with_made_factors(model.spec.factors, model.spec.charges, model.spec.parties).items():
        if factor.table is None or factor.table in model.spec.tables:
            continue
        implied = _implied(name, factor, headers.get(factor.table))
        path = factor_path(name, model.spec.charges)
        words = [((*path, "key"), key) for key in implied.key]
        words += [((*path, "column" if factor.column else "table"), factor.column or name)]
        words += [((*path, "valid"), column) for column in factor.valid or ()]
        words += [((*path, "dated"), factor.dated)] if factor.dated else []
        issues += _absent(model, factor.table, headers, words)
        known = specs.get(factor.table)
        if known is not None and known.key != implied.key:
            keys = " and by ".join(", ".join(key) for key in (known.key, implied.key))
            message = f"factors look {factor.table} up by {keys}; declare it under 'tables' with one key"
            issues.append(model.source.issue(message, (*path, "key")))
            continue
        more = {} if known is None else known.columns
        dated = implied.dated or (None if known is None else known.dated)
        specs[factor.table] = implied.model_copy(update={"columns": {**more, **implied.columns}, "dated": dated})
    return specs


def _implied(name: str, factor: FactorSpec, header: list[str] | None) -> TableSpec:
    value = factor.column or name
    keys = factor.table_key or factor.key
    columns = {key: ColumnSpec(type="text") for key in keys}
    columns[value] = ColumnSpec(type=factor.type or RATE_TYPE)
    dated = factor.dated is None and header is not None and all(column in header for column in VALIDITY)
    valid = factor.valid or (VALIDITY if dated else None)
    if valid is not None:
        columns |= {column: ColumnSpec(type="date", required=False) for column in valid}
    if factor.dated is not None:
        columns[factor.dated] = ColumnSpec(type="date")
    if role_of_contract_table(factor.table or "") is not None:  # made of what is stored
        return TableSpec.model_construct(key=keys, valid=valid, columns=columns)
    return TableSpec(file=factor.table, key=keys, valid=valid, dated=factor.dated, columns=columns)


def _absent(
    model: LoadedModel,
    file: str | None,
    headers: Mapping[str, list[str]],
    named: Iterable[tuple[tuple[str | int, ...], str]],
) -> Iterator[ModelIssue]:
    """What the model names of a file that the file, as far as it is known, does not have."""
    header = headers.get(file or "")
    if header is None:
        return
    for path, column in named:
        if column not in header:
            near = get_close_matches(column, header, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"it has {', '.join(header)}"
            yield model.source.issue(f"{file} has no column '{column}'; {hint}", path)


def decision_tables(model: LoadedModel, issues: list[ModelIssue]) -> dict[str, DecisionTable]:
    """The rows of the charges' decision tables, by charge. Adds to `issues` what cannot be read."""
    found = {}
    for charge in model.spec.charges:
        file = model.spec.decision_file(charge)
        if file is None:
            continue
        try:
            found[charge] = DecisionTable(file, *_rows_beside(file, model.files.get(file), "a decision table"))
        except ValueError as error:
            issues.append(model.source.issue(str(error), ("charges", charge, "rules", "table")))
    return found


def dated_entities(model: LoadedModel, tenant: str, issues: list[ModelIssue]) -> dict[str, Settled]:
    """Who settles the charges that the model's table of legal entities names. Adds to `issues` what is wrong in it."""
    file = model.spec.legal_entities
    if file is None:
        return {}
    try:
        columns, rows = _rows_beside(file, model.files.get(file), "the table of legal entities")
        return read_legal_entities(file, columns, rows, tenant, model.name, model.spec.charged)
    except (ValueError, ClearingRefused) as error:
        issues.append(model.source.issue(str(error), ("legal_entities",)))
        return {}


def calendars(model: LoadedModel, issues: list[ModelIssue]) -> dict[str, tuple[Period, ...]]:
    """The periods of the model's own calendars, by name. Adds to `issues` what is wrong in their tables."""
    found: dict[str, tuple[Period, ...]] = {}
    of: dict[str, str] = {}
    for name, file in model.spec.calendars.items():
        try:
            columns, rows = _rows_beside(file, model.files.get(file), "a calendar")
            found[name] = read_periods(file, columns, rows)
        except ValueError as error:
            issues.append(model.source.issue(str(error), ("calendars", name)))
        for period in found.get(name, ()):
            if of.setdefault(period.label, name) != name:
                message = (
                    f"{file}: calendar '{of[period.label]}' has a period '{period.label}' too; give each its own name"
                )
                issues.append(model.source.issue(message, ("calendars", name)))
                break
    return found


def _rows_beside(
    file: str, path: Path | None, what: str
) -> tuple[tuple[str, ...], tuple[tuple[int, tuple[str, ...]], ...]]:
    """The columns of a table that is part of the model's version, and its rows: line and cells. Raises ValueError."""
    if path is None:
        raise ValueError(f"there is no file {file} beside the model; {what} is part of the model's version")
    if path.suffix.lower() not in (".csv", ".txt"):
        raise ValueError(f"{file} is not read as {what}; save it as CSV")
    try:
        with path.open(encoding="utf-8-sig", newline="") as opened:
            reader = csv.reader(opened, strict=True)
            columns = tuple(name.strip() for name in next(reader, []))
            rows = tuple((reader.line_num, tuple(cells)) for cells in reader if any(cell.strip() for cell in cells))
    except UnicodeDecodeError:
        raise ValueError(f"{file} is not UTF-8; save it as CSV in UTF-8") from None
    except csv.Error as error:
        raise ValueError(f"{file} is not CSV: {error}") from None
    for line, cells in rows:
        if len(cells) != len(columns):
            raise ValueError(f"{file} line {line}: {len(cells)} cells for {len(columns)} columns")
    return columns, rows


def _header(path: Path) -> list[str]:
    """The names in a CSV file's first line; none of another format."""
    if path.suffix.lower() not in (".csv", ".txt"):
        return []
    # Columns are looked for by name only; reading the table says what is wrong where it is not UTF-8.
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        return [name.strip() for name in next(csv.reader(file), [])]
