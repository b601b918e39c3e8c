"""Matching what is hard to match: leftovers of --rows rows in all, made from a seed with the truth
(`matching_cases.py`), taken through one list of rules by ours and by a greedy matcher.

Timed is the matching alone: not making the data, nor compiling kernels (a small set goes first).

greedy     rule by rule, row by row: the nearest date (the most similar reference), then the first by row; sums by
           taking the largest row that still fits. What it takes, it keeps. Plain Python with one index a rule; it
           tries no other way, so it is quick.

A match is right when its rows are exactly those that belong together. `certain`: ours, called unique; `found`: those
and the ones offered among the alternatives of an ambiguous match. The bars: what ours calls unique is right, all of it;
an ambiguous row's true match is among its alternatives in at least 99 %; ours finds at least what greedy does.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from harness import MEMORY_MB, THREADS, alone, arguments, report, scratch, temporary
from matching_cases import KINDS, RULES, Cases, Rows, make_cases
from matching_greedy import greedy
from rich.console import Console
from rich.table import Table

from everycent.base.engine.local import LocalEngine
from everycent.base.money.currency import currency
from everycent.proof.recon.core.matching.matching import Matched, match
from everycent.proof.recon.core.matching.plan import plan_match
from everycent.proof.recon.rules import MatchRuleSpec

#: At least this part of ambiguous rows must have their true match among the alternatives.
OFFERED_MIN = (99, 100)


@dataclass(frozen=True)
class Figures:
    """Counts by kind of case. `offered` and `ambiguous` are rows that have a true match, all others matches."""

    truth: Counter[str]
    certain: Counter[str]
    wrong: Counter[str]
    found: Counter[str]
    ambiguous: Counter[str]
    offered: Counter[str]
    exhausted: Counter[str]


def ours(rows: int) -> tuple[float, Figures, Mapping[str, Any]]:
    """Our matcher."""
    cases = make_cases(rows)
    specs = [MatchRuleSpec.model_validate(rule) for rule in yaml.load(RULES, yaml.BaseLoader)]
    plan = plan_match("benchmark", specs, currency("CNY"), {})
    with temporary() as folder, LocalEngine(THREADS, MEMORY_MB, scratch(folder)) as engine:
        small = make_cases(500)
        match(plan, small.left, small.right, engine)
        start = time.perf_counter()
        result = match(plan, cases.left, cases.right, engine)
        seconds = time.perf_counter() - start
    return seconds, scored(cases, result), {}


def others(rows: int) -> tuple[float, Figures, Mapping[str, Any]]:
    """The greedy matcher."""
    cases = make_cases(rows)
    start = time.perf_counter()
    found = greedy(cases.left.to_pylist(), cases.right.to_pylist())
    return time.perf_counter() - start, figures_of(cases, found, set(), set(), set()), {}


def scored(cases: Cases, result: Matched) -> Figures:
    """What our matcher's answer is worth."""
    claimed: dict[int, set[tuple[str, int]]] = defaultdict(set)
    labels: dict[int, str] = {}
    for row in result.matches.to_pylist():
        claimed[row["match_no"]].add((row["side"], row["row_no"]))
        labels[row["match_no"]] = row["label"]
    ways: dict[tuple[int, int], set[tuple[str, int]]] = defaultdict(set)
    for row in result.alternatives.to_pylist():
        ways[row["match_no"], row["alternative_no"]].add((row["side"], row["row_no"]))
    rows = {
        label: {row for number, found in claimed.items() if labels[number] == label for row in found}
        for label in ("ambiguous", "budget_exhausted")
    }
    unique = {frozenset(found) for number, found in claimed.items() if labels[number] == "unique"}
    offered = {frozenset(way) for (number, _), way in ways.items() if labels[number] == "ambiguous"}
    return figures_of(cases, unique, offered, rows["ambiguous"], rows["budget_exhausted"])


def figures_of(
    cases: Cases,
    certain: set[Rows],
    offered: set[Rows],
    ambiguous: set[tuple[str, int]],
    exhausted: set[tuple[str, int]],
) -> Figures:
    """What an answer is worth: matches that it is sure of, ways that it offers, rows of doubt, rows given up."""
    match_of = {row: rows for rows in cases.truth for row in rows}
    doubtful = [row for row in ambiguous if row in match_of]
    return Figures(
        truth=Counter(cases.truth.values()),
        certain=Counter(kind for rows, kind in cases.truth.items() if rows in certain),
        wrong=Counter(cases.kinds[min(rows)] for rows in certain if rows not in cases.truth),
        found=Counter(kind for rows, kind in cases.truth.items() if rows in certain or rows in offered),
        ambiguous=Counter(cases.kinds[row] for row in doubtful),
        offered=Counter(cases.kinds[row] for row in doubtful if match_of[row] in offered),
        exhausted=Counter(cases.kinds[row] for row in exhausted),
    )


def broken_bars(our: Figures, other: Figures) -> list[str]:
    """The bars that are not met, each with its figures."""
    bars = []
    if our.wrong.total():
        bars.append(f"{our.wrong.total()} matches called unique are wrong: {dict(our.wrong)}")
    if our.offered.total() * OFFERED_MIN[1] < our.ambiguous.total() * OFFERED_MIN[0]:
        bars.append(f"of {our.ambiguous.total()} ambiguous rows {our.offered.total()} have their match offered")
    if our.found.total() < other.certain.total():
        bars.append(f"ours finds {our.found.total()} matches, greedy {other.certain.total()}")
    return bars


def main() -> None:
    """Prints the figures by kind, and the seconds."""
    options = arguments(__doc__ or "", rows=20_000)
    our, other = alone(ours, options.rows), alone(others, options.rows)
    _print(our.answer, other.answer)
    totals = {name: getattr(our.answer, name).total() for name in our.answer.__dataclass_fields__}
    totals |= {f"greedy_{name}": getattr(other.answer, name).total() for name in ("certain", "wrong")}
    report(
        "matching", options.rows, our, {"greedy": other}, ["duckdb", "numba", "rapidfuzz"], options.json, figures=totals
    )
    bars = broken_bars(our.answer, other.answer)
    assert not bars, "; ".join(bars)


def _print(our: Figures, other: Figures) -> None:
    table = Table(title="matches that belong together, and what was found of them")
    for heading in ("kind", "true", "certain", "wrong", "found", "offered", "exhausted rows", "greedy", "greedy wrong"):
        table.add_column(heading, justify="left" if heading == "kind" else "right")
    for kind in (*KINDS, None):
        counts = [
            counter.total() if kind is None else counter[kind]
            for counter in (our.truth, our.certain, our.wrong, our.found, our.offered, our.ambiguous, our.exhausted,
                            other.certain, other.wrong)
        ]  # fmt: skip
        truth, certain, wrong, found, offered, ambiguous, exhausted, guessed, misled = map(str, counts)
        of_rows = f"{offered} of {ambiguous} rows"
        table.add_row(kind or "all", truth, certain, wrong, found, of_rows, exhausted, guessed, misled)
    Console(width=130).print(table)


if __name__ == "__main__":
    main()
