"""What recon gives: its scenarios in the model's language, and the buckets every row lands in."""

from enum import StrEnum
from typing import Literal

from pydantic import Field

from everycent.base.engine.declaration import Declaration, FormulaText, Name, NumberText, Words


class Bucket(StrEnum):
    """Where a row of either side ends; each row lands in exactly one."""

    EQUAL = "equal"
    MISSING_LEFT = "missing_left"
    MISSING_RIGHT = "missing_right"
    DUPLICATED_LEFT = "duplicated_left"
    DUPLICATED_RIGHT = "duplicated_right"
    AMOUNT_DIFFERS = "amount_differs"
    STATUS_DIFFERS = "status_differs"


class SideSpec(Declaration):
    """One side: the model's own records of a kind, or a file with declared columns (type by name)."""

    records: Name | None = Field(default=None, description="a record kind of this model, as stored")
    file: Words = Field(default=(), description="file name patterns of the run's --bill or --records files")
    encoding: str = "utf-8"
    delimiter: str = ","
    columns: dict[Name, object] = Field(default_factory=dict, description="as in records: type, or type with from, map, unit ...")
    when: FormulaText | None = Field(default=None, description="which rows take part")
    key: Words
    amount: FormulaText
    status: Name | None = None
    rows: Literal["unique", "sum"] = Field(default="unique", description="sum: several rows of one key add up; unique: they are duplicates")


class ReconSpec(Declaration):
    """A reconciliation of two sides by key, two-way, in detail and in total."""

    left: SideSpec
    right: SideSpec
    tolerance: NumberText = Field(default="0", description="differences up to this, in major units, are booked as equal within tolerance")
