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
    assert lines_of(told(rules, *sides_of(rows))) == outcome.strip().splitlines()


@pytest.mark.parametrize(("rules", "rows", "outcome"), EXAMPLES, ids=[rules.strip() for rules, _, _ in EXAMPLES])
def test_a_whole_comparison_gives_the_same(lived: Callable[..., Any], rules: str, rows: str, outcome: str) -> None:
    """Nothing in an example is equal before rules see it. Rows are numbered as breaks then, so ties come otherwise."""
    assert in_any_order(lines_of(lived(rules, *sides_of(rows)))) == in_any_order(outcome.strip().splitlines())


def in_any_order(lines: list[str]) -> list[tuple[str, list[str]]]:
    heads_and_ways = [line.partition(": ") for line in lines]
    return sorted((head, sorted(ways.split(" or "))) for head, _, ways in heads_and_ways)


def lines_of(story: Any) -> list[str]:
    over = [f"left over: {' '.join(story.left_over)}"] if story.left_over else []
    return [line.strip() for line in [*story.lines, *over]]


def sides_of(rows: str) -> list[list[dict[str, Any]]]:
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
    return [sides["left"], sides["right"]]


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
