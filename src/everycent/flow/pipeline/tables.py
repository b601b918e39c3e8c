"""The attached tables of a model: those it declares, and those that a factor names by file alone."""

import csv
from collections.abc import Mapping
from pathlib import Path

from everycent.flow.intake.contract import ColumnSpec, TableSpec
from everycent.flow.model.contract import LoadedModel
from everycent.flow.pipeline.contract import InputRefused
from everycent.flow.rating.contract import FactorSpec

#: A rate read from a file that declares no types keeps up to eight decimals; a factor's `type` says otherwise.
RATE_TYPE = "decimal(8)"
VALIDITY = ("valid_from", "valid_to")


def table_specs(model: LoadedModel, files: Mapping[str, Path]) -> dict[str, TableSpec]:
    """Every attached table by name. `files`: where the model's table files are; ones not there are left out."""
    specs = dict(model.spec.tables)
    for name, factor in model.spec.factors.items():
        if factor.table is None or factor.table in model.spec.tables:
            continue
        header = _header(files[factor.table]) if factor.table in files else None
        specs[factor.table] = _joined(specs.get(factor.table), _implied(name, factor, header))
    return specs


def _implied(name: str, factor: FactorSpec, header: list[str] | None) -> TableSpec:
    value = factor.column or name
    columns = {key: ColumnSpec(type="text") for key in factor.key}
    columns[value] = ColumnSpec(type=factor.type or RATE_TYPE)
    dated = header is not None and all(column in header for column in VALIDITY)
    valid = factor.valid or (VALIDITY if dated else None)
    if valid is not None:
        columns |= {column: ColumnSpec(type="date", required=False) for column in valid}
    return TableSpec(file=factor.table, key=factor.key, valid=valid, columns=columns)


def _joined(known: TableSpec | None, more: TableSpec) -> TableSpec:
    """Several factors may read columns of one file; they must agree on its key."""
    if known is None:
        return more
    if known.key != more.key:
        raise InputRefused(
            f"factors look {more.file} up by {known.key} and by {more.key}; declare it under 'tables' with one key"
        )
    return known.model_copy(update={"columns": {**known.columns, **more.columns}})


def _header(path: Path) -> list[str]:
    if path.suffix.lower() not in (".csv", ".txt"):
        return []
    with path.open(encoding="utf-8-sig", newline="") as file:
        return next(csv.reader(file), [])
