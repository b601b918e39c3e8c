"""The worked examples of docs/reference-matching.md say what the rules do."""

import re
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from everycent.base.money.amount import parse_minor
from everycent.base.money.currency import currency
from everycent.proof.recon.rules import MatchRuleSpec

PAGE = (Path(__file__).parents[5] / "docs" / "reference-matching.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```yaml\n(- .*?)```\n\n```text\n(.*?)\n\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize(("rules", "rows", "outcome"), EXAMPLES, ids=[rules.strip() for rules, _, _ in EXAMPLES])
def test_an_example_does_what_the_page_says(told: Callable[..., Any], rules: str, rows: str, outcome: str) -> None:
    sides: dict[str, list[dict[str, Any]]] = {}
    columns: list[str] = []
    for line in rows.splitlines():
        first, *cells = re.split(r"  +", line.strip())
        if first in ("left", "right"):
            columns = cells
            sides[first] = []
        else:
            side = list(sides)[-1]
            sides[side].append(item(dict(zip(columns, cells, strict=True))))
            assert first == f"{side[0].upper()}{len(sides[side])}", "rows are numbered"
    story = told(rules, sides["left"], sides["right"])
    over = [f"left over: {' '.join(story.left_over)}"] if story.left_over else []
    assert [line.strip() for line in [*story.lines, *over]] == outcome.strip().splitlines()


def item(cells: dict[str, str]) -> dict[str, Any]:
    row: dict[str, Any] = {**cells, "amount_minor": parse_minor(cells.pop("amount"), currency("CNY"))}
    row.pop("amount", None)
    if "occurred_on" in row:
        row["occurred_on"] = date.fromisoformat(row["occurred_on"])
    return row


def test_the_page_has_an_example_of_each_rule() -> None:
    kinds = set(MatchRuleSpec.model_fields) - {"name"}
    assert {kind for rules, _, _ in EXAMPLES for kind in re.findall(r"^- (\w+):", rules, re.MULTILINE)} == kinds
    assert all(f"## {kind}\n" in PAGE for kind in kinds)
