"""The labelled benchmark in small: its bars hold, and it would notice if they did not."""

import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from everycent.base.engine.local import LocalEngine
from everycent.base.money.currency import currency
from everycent.proof.recon.core.matching.matching import Matched, match
from everycent.proof.recon.core.matching.plan import plan_match
from everycent.proof.recon.rules import MatchRuleSpec

BENCHMARKS = Path(__file__).parents[5] / "benchmarks"
NAMES = ("harness", "matching_cases", "matching_greedy", "matching")


@pytest.fixture(scope="module")
def benchmark() -> Iterator[ModuleType]:
    sys.path.insert(0, str(BENCHMARKS))
    yield import_module("matching")
    sys.path.remove(str(BENCHMARKS))
    for name in NAMES:
        sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def matched(benchmark: ModuleType, engine: LocalEngine) -> Callable[..., Matched]:
    def run(cases: Any, later: bool = False) -> Matched:
        rules = yaml.load(benchmark.RULES_LATER if later else benchmark.RULES, yaml.BaseLoader)
        plan = plan_match("benchmark", [MatchRuleSpec.model_validate(rule) for rule in rules], currency("CNY"), {})
        return match(plan, cases.left, cases.right, engine)

    return run


@pytest.mark.parametrize("seed", [1, 2])
def test_the_bars_hold(benchmark: ModuleType, matched: Callable[..., Matched], seed: int) -> None:
    cases = benchmark.make_cases(4_000, seed)
    ours = benchmark.scored(cases, matched(cases))
    guessed = benchmark.greedy(cases.left.to_pylist(), cases.right.to_pylist())
    greedy = benchmark.figures_of(cases, guessed, [], set(), set())
    assert benchmark.broken_bars(ours, greedy) == []
    assert set(ours.truth) == set(benchmark.KINDS) - {"strangers"}, "each kind has matches to find"
    assert ours.ambiguous.total() > 0, "and some that cannot be told apart"
    assert ours.certain.total() > greedy.answered.total(), "what is certain alone is more than greedy gets right"
    assert ours.certain.total() < ours.answered.total() <= ours.found.total(), (
        "the first of what is offered is mostly so"
    )
    assert greedy.wrong.total() > 0, "the cases are hard"


def test_a_wrong_match_a_missing_alternative_and_a_lower_recall_are_noticed(
    benchmark: ModuleType, matched: Callable[..., Matched]
) -> None:
    cases = benchmark.make_cases(300)
    good = benchmark.scored(cases, matched(cases))
    assert benchmark.broken_bars(good, good) == []
    turned = {frozenset({("left", 1), ("right", 1)}), *cases.truth}
    wrong = benchmark.figures_of(cases, turned, [], set(), set())
    doubtful = {row for rows in cases.truth for row in rows}
    silent = benchmark.figures_of(cases, set(), [], doubtful, set())
    assert "called unique are wrong" in benchmark.broken_bars(wrong, good)[0]
    assert [bar.split()[0] for bar in benchmark.broken_bars(silent, good)] == ["of", *["ours"] * len(good.answered)]


def test_who_knows_which_side_is_later_is_sure_of_more_and_never_wrongly(
    benchmark: ModuleType, matched: Callable[..., Matched]
) -> None:
    cases = benchmark.make_cases(4_000, 3)
    without, told = (benchmark.scored(cases, matched(cases, later)) for later in (False, True))
    guessed = benchmark.greedy(cases.left.to_pylist(), cases.right.to_pylist(), later=True)
    assert benchmark.broken_bars(told, benchmark.figures_of(cases, guessed, [], set(), set())) == []
    neighbours = "same-amount neighbours"
    assert told.certain[neighbours] * 10 > without.certain[neighbours] * 12
