"""Items written the way people write them down, and rules as an author does."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

import pyarrow as pa
import pytest
import yaml

from everycent.base.engine.local import LocalEngine
from everycent.base.money.currency import currency
from everycent.proof.recon.contract import EXCHANGE_RATE, ITEM, MatchLabel
from everycent.proof.recon.core.matching.matching import Matched, match
from everycent.proof.recon.core.matching.plan import plan_match
from everycent.proof.recon.rules import MatchRuleSpec

Item = dict[str, Any]


@dataclass(frozen=True)
class Story:
    """What became of two sides, as rows name themselves: L1, L2 … and R1, R2 …"""

    result: Matched

    @property
    def lines(self) -> list[str]:
        """A line a match: "rule label: L1 = R1 R2 [cause amount …]", ambiguous ones with " or " between the ways."""
        return [self._line(number) for number in sorted(set(self.result.matches["match_no"].to_pylist()))]

    @property
    def left_over(self) -> list[str]:
        found = [f"L{row}" for row in self.result.left_over["row_no"].to_pylist()]
        return found + [f"R{row}" for row in self.result.right_over["row_no"].to_pylist()]

    def _line(self, number: int) -> str:
        rows = [row for row in self.result.matches.to_pylist() if row["match_no"] == number]
        ways: dict[int, list[dict[str, Any]]] = {}
        for row in self.result.alternatives.to_pylist():
            if row["match_no"] == number:
                ways.setdefault(row["alternative_no"], []).append(row)
        said = " or ".join(_side_by_side(way) for way in ways.values()) or _side_by_side(rows)
        notes = [rows[0]["differing"]] if rows[0]["differing"] else []
        notes += [
            f"{row['cause']} {row['difference_minor']}"
            for row in self.result.differences.to_pylist()
            if row["match_no"] == number
        ]
        return f"{rows[0]['rule']} {rows[0]['label']}: {said}" + (f" [{', '.join(notes)}]" if notes else "")

    def certain(self) -> set[frozenset[tuple[str, int]]]:
        """The rows of each unique match."""
        found: dict[int, set[tuple[str, int]]] = {}
        for row in self.result.matches.to_pylist():
            if row["label"] == MatchLabel.UNIQUE:
                found.setdefault(row["match_no"], set()).add((row["side"], row["row_no"]))
        return set(map(frozenset, found.values()))

    def ways(self) -> set[frozenset[tuple[str, int]]]:
        """The rows of each alternative."""
        found: dict[tuple[int, int], set[tuple[str, int]]] = {}
        for row in self.result.alternatives.to_pylist():
            found.setdefault((row["match_no"], row["alternative_no"]), set()).add((row["side"], row["row_no"]))
        return set(map(frozenset, found.values()))


def _side_by_side(rows: list[dict[str, Any]]) -> str:
    sides = (
        " ".join(f"{letter}{row['row_no']}" for row in rows if row["side"] == side)
        for side, letter in (("left", "L"), ("right", "R"))
    )
    return " = ".join(sides)


def items(text: str | list[Item]) -> pa.Table:
    """A table: its first line names columns, "-" is null; rows are numbered from 1."""
    rows = text if isinstance(text, list) else _rows(text)
    full = [dict.fromkeys(ITEM.names) | {"row_no": number} | row for number, row in enumerate(rows, 1)]
    return pa.Table.from_pylist(full, ITEM)


def _rows(text: str) -> list[Item]:
    header, *lines = [line.split() for line in text.strip().splitlines()]
    return [{name: _value(name, cell) for name, cell in zip(header, line, strict=True)} for line in lines]


def _value(name: str, cell: str) -> Any:
    if cell == "-":
        return None
    if name.endswith("_minor"):
        return int(cell)
    if name == "occurred_on":
        return date.fromisoformat(f"2026-{cell}")
    return cell.replace("_", " ")


RATES = {
    "fx": pa.table(
        {
            "from_currency": ["USD", "USD", "CNY", "JPY"],
            "to_currency": ["CNY", "CNY", "JPY", "CNY"],
            "valid_from": [date(2026, 3, 1), date(2026, 3, 5), date(2026, 1, 1), date(2026, 1, 1)],
            "rate": ["7.1", "7.2", "20.5", "0.0488"],
        }
    ).cast(pa.schema([field if field.name != "rate" else pa.field("rate", pa.string()) for field in EXCHANGE_RATE]))
}
RATES = {name: table.cast(EXCHANGE_RATE) for name, table in RATES.items()}


@pytest.fixture(scope="session")
def told(engine: LocalEngine) -> Callable[..., Story]:
    """Takes two sides through rules given as YAML."""

    def run(rules: str, left: str | list[Item] | pa.Table, right: str | list[Item] | pa.Table) -> Story:
        specs = [MatchRuleSpec.model_validate(rule) for rule in yaml.load(rules, yaml.BaseLoader)]
        plan = plan_match("bill", specs, currency("CNY"), RATES)
        sides = [side if isinstance(side, pa.Table) else items(side) for side in (left, right)]
        return Story(match(plan, *sides, engine))

    return run
