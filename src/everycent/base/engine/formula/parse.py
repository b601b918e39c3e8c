"""From a formula's text to its typed tree."""

from collections.abc import Mapping
from dataclasses import dataclass

from everycent.base.engine.types import Column, ColumnType


@dataclass(frozen=True)
class Formula:
    """A checked formula: its text, the columns it names in order of first use, and the type of its value."""

    text: str
    columns: tuple[str, ...]
    type: ColumnType


def parse_formula(text: str, scope: Mapping[str, Column]) -> Formula:
    """The formula that `text` writes over the names in `scope`; FormulaError where it is not one."""
    raise NotImplementedError
