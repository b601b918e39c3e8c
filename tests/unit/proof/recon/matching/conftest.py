"""Items written the way people write them down, and rules as an author does."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
import yaml

from everycent.base.engine.local import LocalEngine
from everycent.base.money.currency import currency
from everycent.proof.recon.contract import EXCHANGE_RATE, ITEM, MATCH, SIDE, MatchLabel
from everycent.proof.recon.core.matching.matching import Matched, match
from everycent.proof.recon.core.matching.plan import MatchPlan, plan_match
from everycent.proof.recon.core.plan import ReconPlan
from everycent.proof.recon.rules import MatchRuleSpec
from everycent.proof.recon.second_pass import explain_leftovers
from everycent.proof.recon.stage import reconcile

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


def planned(rules: str) -> MatchPlan:
    specs = [MatchRuleSpec.model_validate(rule) for rule in yaml.load(rules, yaml.BaseLoader)]
    return plan_match("bill", specs, currency("CNY"), RATES)


@pytest.fixture(scope="session")
def told(engine: LocalEngine) -> Callable[..., Story]:
    """Takes two sides through rules given as YAML."""

    def run(rules: str, left: str | list[Item] | pa.Table, right: str | list[Item] | pa.Table) -> Story:
        sides = [side if isinstance(side, pa.Table) else items(side) for side in (left, right)]
        return Story(match(planned(rules), *sides, engine))

    return run


@pytest.fixture(scope="session")
def lived(engine: LocalEngine) -> Callable[..., Story]:
    """Takes two sides through a whole comparison: what is equal, and then the rules. Rows without a key have their own;
    what a run adds up across currencies (`conversion`) is left out."""

    def run(rules: str, left: list[Item], right: list[Item]) -> Story:
        sides = [_side(name, rows) for name, rows in (("left", left), ("right", right))]
        plan = ReconPlan("bill", 0, False, False, "status" in {**left[0], **right[0]}, planned(rules))
        assert plan.rules is not None
        found = reconcile(plan, *sides, engine)
        _, explained = explain_leftovers(plan, plan.rules, found, *sides, engine)
        numbers = {"numbers": explained.matches.select(["side", "row_no", "source_line"])}
        named = [
            engine.query(
                "SELECT t.* REPLACE (source_line AS row_no) FROM t JOIN numbers USING (side, row_no) ORDER BY ALL",
                t=table,
                **numbers,
            )
            for table in (explained.matches.select(MATCH.names), explained.alternatives)
        ]
        told_by_rules = explained.differences.filter(pc.not_equal(explained.differences["cause"], "conversion"))
        over = [
            engine.query(
                f"SELECT source_line AS row_no FROM s WHERE source_line NOT IN "
                f"(SELECT row_no FROM m WHERE side = '{name}') ORDER BY 1",
                s=side,
                m=named[0],
            )
            for name, side in zip(("left", "right"), sides, strict=True)
        ]
        return Story(Matched(named[0], told_by_rules, named[1], *over))

    return run


def _side(name: str, rows: list[Item]) -> pa.Table:
    given = [
        dict.fromkeys((*SIDE.names, *_SEEN.names))
        | {"key": f"{name} {number}", "source_file": name, "source_line": number}
        | {column: value for column, value in row.items() if value is not None}
        for number, row in enumerate(rows, 1)
    ]
    return pa.Table.from_pylist(given, pa.schema([*SIDE, *_SEEN]))


_SEEN = pa.schema([field for field in ITEM if field.name not in (*SIDE.names, "row_no")])
