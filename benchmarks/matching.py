"""Matching what is hard to match: leftovers of --rows rows in all, made from --seed with the truth
(`matching_cases.py`), taken through one list of rules by ours and by a greedy matcher.

Timed is the matching alone: not making the data, nor compiling kernels (a small set goes first).

greedy     rule by rule, row by row: the nearest date (the most similar reference), then the first by row; sums by
           taking the largest row that still fits. What it takes, it keeps. Plain Python with one index a rule; it
           tries no other way, so it is quick.
--later    both are told that the right side's row is never the earlier of a pair (`later: right`).

A match is right when its rows are exactly those that belong together. Ours does not guess: what it calls `unique` it
knows, and of an ambiguous row it offers all ways, the best one first. Greedy gives one answer, right or wrong. So two
recalls are fair beside each other:

- of what one takes without looking: ours, unique matches alone; greedy has no such figure, and what it takes wrongly
  stands beside it;
- of one answer a row: ours, unique matches and of the others the alternatives in the order in which they are offered,
  each whose rows are still free; greedy, all that it took. Rows that nothing tells apart (`ties`, most of
  `duplicates`) are won or lost by chance, by both: both take the first by number.

The bars: what ours calls unique is right, all of it; an ambiguous row's true match is among its alternatives in at
least 99 %; recall of one answer a row is at least the greedy matcher's, in every kind of case.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml
from harness import MEMORY_MB, THREADS, alone, arguments, report, scratch, temporary
from matching_cases import KINDS, RULES, RULES_LATER, SEED, Cases, Rows, make_cases
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
    """Counts by kind of case. `offered` and `ambiguous` are rows that have a true match, `exhausted` rows, all others
    matches. `answered`: right where each row is given one answer; `found`: certain, or among what is offered."""

    truth: Counter[str]
    certain: Counter[str]
    wrong: Counter[str]
    answered: Counter[str]
    found: Counter[str]
    ambiguous: Counter[str]
    offered: Counter[str]
    exhausted: Counter[str]


def ours(rows: int, seed: int, later: bool) -> tuple[float, Figures, Mapping[str, Any]]:
    """Our matcher."""
    cases = make_cases(rows, seed)
    rules = yaml.load(RULES_LATER if later else RULES, yaml.BaseLoader)
    specs = [MatchRuleSpec.model_validate(rule) for rule in rules]
    plan = plan_match("benchmark", specs, currency("CNY"), {})
    with temporary() as folder, LocalEngine(THREADS, MEMORY_MB, scratch(folder)) as engine:
        small = make_cases(500)
        match(plan, small.left, small.right, engine)
        start = time.perf_counter()
        result = match(plan, cases.left, cases.right, engine)
        seconds = time.perf_counter() - start
    return seconds, scored(cases, result), {}


def others(rows: int, seed: int, later: bool) -> tuple[float, Figures, Mapping[str, Any]]:
    """The greedy matcher."""
    cases = make_cases(rows, seed)
    left, right = cases.left.to_pylist(), cases.right.to_pylist()
    start = time.perf_counter()
    found = greedy(left, right, later)
    return time.perf_counter() - start, figures_of(cases, found, [], set(), set()), {}


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
    offered = [frozenset(way) for (number, _), way in sorted(ways.items()) if labels[number] == "ambiguous"]
    return figures_of(cases, unique, offered, rows["ambiguous"], rows["budget_exhausted"])


def figures_of(
    cases: Cases,
    certain: set[Rows],
    offered: Sequence[Rows],
    ambiguous: set[tuple[str, int]],
    exhausted: set[tuple[str, int]],
) -> Figures:
    """What an answer is worth: matches that it is sure of, ways that it offers, the best of a match first, rows of
    doubt, rows given up."""
    match_of = {row: rows for rows in cases.truth for row in rows}
    answered, ways = certain | _first_free(offered), set(offered)
    doubtful = [row for row in ambiguous if row in match_of]
    return Figures(
        truth=Counter(cases.truth.values()),
        certain=Counter(kind for rows, kind in cases.truth.items() if rows in certain),
        wrong=Counter(cases.kinds[min(rows)] for rows in certain if rows not in cases.truth),
        answered=Counter(kind for rows, kind in cases.truth.items() if rows in answered),
        found=Counter(kind for rows, kind in cases.truth.items() if rows in certain or rows in ways),
        ambiguous=Counter(cases.kinds[row] for row in doubtful),
        offered=Counter(cases.kinds[row] for row in doubtful if match_of[row] in ways),
        exhausted=Counter(cases.kinds[row] for row in exhausted),
    )


def _first_free(offered: Sequence[Rows]) -> set[Rows]:
    """The ways that one takes who goes down the list, and no row twice."""
    taken: set[tuple[str, int]] = set()
    chosen: set[Rows] = set()
    for way in offered:
        if not way & taken:
            taken |= way
            chosen.add(way)
    return chosen


def broken_bars(our: Figures, other: Figures) -> list[str]:
    """The bars that are not met, each with its figures."""
    bars = []
    if our.wrong.total():
        bars.append(f"{our.wrong.total()} matches called unique are wrong: {dict(our.wrong)}")
    if our.offered.total() * OFFERED_MIN[1] < our.ambiguous.total() * OFFERED_MIN[0]:
        bars.append(f"of {our.ambiguous.total()} ambiguous rows {our.offered.total()} have their match offered")
    bars += [
        f"ours answers {our.answered[kind]} of '{kind}' rightly, greedy {other.answered[kind]}"
        for kind in KINDS
        if our.answered[kind] < other.answered[kind]
    ]
    return bars


def main() -> None:
    """Prints the figures by kind, and the seconds."""
    options = arguments(__doc__ or "", rows=20_000, seed=SEED, later="the right side is known never to be earlier")
    given = (options.rows, options.seed, options.later)
    our, other = alone(ours, *given), alone(others, *given)
    _print(our.answer, other.answer)
    totals = {name: getattr(our.answer, name).total() for name in our.answer.__dataclass_fields__}
    totals |= {f"greedy_{name}": getattr(other.answer, name).total() for name in ("answered", "wrong")}
    report(
        "matching", options.rows, our, {"greedy": other}, ["duckdb", "numba", "rapidfuzz"], options.json, figures=totals
    )
    bars = broken_bars(our.answer, other.answer)
    assert not bars, "; ".join(bars)


def _print(our: Figures, other: Figures) -> None:
    table = Table(title="of the matches that belong together: right, wrong, offered, given up; recall of one answer")
    for heading in (
        "kind", "true", "unique", "wrong", "ambiguous rows", "offered", "exhausted",
        "recall, unique", "ours", "greedy", "greedy wrong",
    ):  # fmt: skip
        table.add_column(heading, justify="left" if heading == "kind" else "right")
    for kind in (*KINDS, None):

        def of(counter: Counter[str], kind: str | None = kind) -> int:
            return counter.total() if kind is None else counter[kind]

        counts = (our.truth, our.certain, our.wrong, our.ambiguous, our.offered, our.exhausted)
        recalls = (our.certain, our.answered, other.answered)
        table.add_row(
            kind or "all", *(f"{of(counter):,}" for counter in counts),
            *(_percent(of(counter), of(our.truth)) for counter in recalls), f"{of(other.wrong):,}",
        )  # fmt: skip
    Console(width=145).print(table)


def _percent(part: int, whole: int) -> str:
    """In percent, rounded down to a tenth: 100.0 is all of them."""
    return f"{1000 * part // whole / 10:.1f} %" if whole else ""


if __name__ == "__main__":
    main()
