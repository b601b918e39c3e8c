"""What intake does beyond its stage: reading files, and finding formats and own steps among the installed packages."""

from collections.abc import Sequence
from importlib.metadata import entry_points

from everycent.flow.intake.bills.registry import GROUP as FORMATS_GROUP
from everycent.flow.intake.bills.registry import UnknownFormat, format_named, format_of, format_written
from everycent.flow.intake.bills.source import BillSource, contradiction, controls_of, open_bill, refuse_disagreeing
from everycent.flow.intake.contract import Step
from everycent.flow.intake.readers.columns import check_columns
from everycent.flow.intake.readers.json_lines import cell_of, object_of
from everycent.flow.intake.readers.opening import open_source
from everycent.flow.intake.readers.tables import Attached, load_table
from everycent.flow.intake.readers.typed import (
    TypedRows,
    check_file,
    columns_to_read,
    declared_fields,
    read_rows,
    typed_rows,
)
from everycent.flow.intake.readers.workbook import cell_text, sheet_rows, sheets_of

__all__ = [
    "FORMATS_GROUP",
    "STEPS_GROUP",
    "Attached",
    "BillSource",
    "TypedRows",
    "UnknownFormat",
    "UnknownStep",
    "cell_of",
    "cell_text",
    "check_columns",
    "check_file",
    "columns_to_read",
    "contradiction",
    "controls_of",
    "declared_fields",
    "format_named",
    "format_of",
    "format_written",
    "load_steps",
    "load_table",
    "object_of",
    "open_bill",
    "open_source",
    "read_rows",
    "refuse_disagreeing",
    "sheet_rows",
    "sheets_of",
    "typed_rows",
]

STEPS_GROUP = "everycent.intake_steps"


class UnknownStep(Exception):
    """No installed package offers the step; the message lists those that are there."""


def load_steps(names: Sequence[str]) -> dict[str, Step]:
    """The steps by name, in the order asked for. Raises UnknownStep. contract.Step says what a step takes and gives."""
    offered = {point.name: point for point in entry_points(group=STEPS_GROUP)}
    found: dict[str, Step] = {}
    for name in names:
        if name not in offered:
            there = ", ".join(sorted(offered)) or "none"
            raise UnknownStep(
                f"step '{name}' is not installed; installed are: {there}. Install the package that has it as an entry "
                f"point of group {STEPS_GROUP}"
            )
        found[name] = offered[name].load()
    return found
