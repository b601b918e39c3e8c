"""What the page of bill formats shows is accepted, and the formats that it names are installed."""

import re
from typing import Any

import yaml
from sources import ROOT

from everycent.flow.intake.bills.registry import format_named
from everycent.flow.intake.contract import RecordSpec
from everycent.flow.intake.layouts import LayoutSpec

PAGE = (ROOT / "docs" / "reference-bill-formats.md").read_text(encoding="utf-8")
EXAMPLES: list[Any] = [yaml.load(text, yaml.BaseLoader) for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]


def test_its_examples_are_accepted() -> None:
    kind, layout, objects = EXAMPLES
    spec = RecordSpec.model_validate(kind["records"]["paid"])
    assert isinstance(spec.format, str)
    given = {source for name, column in spec.columns.items() for source in column.sources or (name,)}
    assert given <= set(format_named(spec.format).columns)
    fixed = LayoutSpec.model_validate(layout["format"]).fixed_width
    assert fixed is not None and fixed.controls.keys() == {"count", "total"}
    declared = LayoutSpec.model_validate(objects["format"]).json_objects
    assert declared is not None and declared.rows == "payments" and declared.controls.keys() == {"sale's total"}


def test_its_formats_are_installed() -> None:
    tables = re.findall(r"^\| format \|.*\n\|[-|]+\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    named = [name for table in tables for name in re.findall(r"^\| `(\w+)`", table, re.MULTILINE)]
    named += re.findall(r"^### `(\w+)`", PAGE, re.MULTILINE)  # a bank's format has a section of its own
    assert len(named) >= 18
    for name in named:
        assert format_named(name).name == name
