"""Laws of ordered clearing over random models: what a record-by-record oracle gives, in any cut, and back again."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from market import charge, record_id
from ordered_models import EXPONENTS, days
from ordered_oracle import OrderedOracle
from ordered_till import OrderedTill
from pydantic import ValidationError

from everycent.base.engine.local import LocalEngine
from everycent.flow.clearing.contract import ACCUMULATOR, BudgetSpec, ClearingRefused


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalEngine]:
    """One engine for all examples."""
    with LocalEngine(threads=1, memory_mb=512, temp_dir=Path(tmp_path_factory.mktemp("spill"))) as engine:
        yield engine


def shop(model: dict[str, Any], engine: LocalEngine, threads: int = 1) -> OrderedTill | None:
    """A till for the model; None where the model is refused."""
    try:
        charges = {name: charge("coupon", creditor="merchant", **words) for name, words in model["charges"].items()}
        budgets = {name: BudgetSpec.model_validate(words) for name, words in model["budgets"].items()}
        till = OrderedTill(charges, budgets, engine, model["currency"], threads)
        assert till.plan
    except (ValidationError, ClearingRefused):
        return None
    return till


def rows(table: Any) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in table.to_pylist()]


@settings(deadline=None, max_examples=80)
@given(day=days(), cuts=st.sets(st.integers(1, 14)))
def test_any_cut_gives_what_the_oracle_gives_record_by_record(
    local: LocalEngine, day: tuple[dict[str, Any], list[dict[str, Any]]], cuts: set[int]
) -> None:
    model, facts = day
    till = shop(model, local)
    if till is None:
        return
    for start, end in pairwise(sorted({0, len(facts), *(cut for cut in cuts if cut < len(facts))})):
        till.clear(*facts[start:end])
    oracle = OrderedOracle(model["charges"], model["budgets"], EXPONENTS[model["currency"]])
    owed, held = [], []
    for number, fact in enumerate(facts):
        found, refused = oracle.clear(fact)
        owed += [(number + 1, *row) for row in found]
        held += [(record_id(fact["key"]), *row) for row in refused]
    names = ["sequence_no", "charge", "leaf", "amount_minor", "total_before_minor", "total_after_minor"]
    assert rows(till.cleared.obligations.select(names)) == owed
    told = till.cleared.held.select(["record_id", "charge", "state"]).to_pylist()
    assert [(row["record_id"].bytes, row["charge"], row["state"]) for row in told] == held
    totals = {tuple(row[:3]): {} for row in rows(till.cleared.accumulators)}
    for *pot, leaf, total in rows(till.cleared.accumulators):
        totals[tuple(pot)][leaf] = total
    assert {pot: {leaf: total for leaf, total in kept.items() if total} for pot, kept in totals.items()} == {
        pot: {leaf: total for leaf, total in kept.items() if total} for pot, kept in oracle.totals.items()
    }
    assert till.cleared.accumulators.equals(
        ACCUMULATOR.check(till.cleared.accumulators).sort_by([(key, "ascending") for key in ACCUMULATOR.key])
    )


@settings(deadline=None, max_examples=25)
@given(day=days(), cuts=st.sets(st.integers(1, 14)))
def test_neither_cuts_nor_threads_change_a_byte(
    local: LocalEngine, day: tuple[dict[str, Any], list[dict[str, Any]]], cuts: set[int]
) -> None:
    model, facts = day
    whole, cut = shop(model, local), shop(model, local, threads=2)
    if whole is None or cut is None:
        return
    whole.clear(*facts)
    for start, end in pairwise(sorted({0, len(facts), *(at for at in cuts if at < len(facts))})):
        cut.clear(*facts[start:end])
    for name in ("charges", "obligations", "held", "accumulators"):
        assert getattr(cut.cleared, name).equals(getattr(whole.cleared, name)), name


@settings(deadline=None, max_examples=25)
@given(day=days())
def test_refunding_everything_brings_every_total_back(
    local: LocalEngine, day: tuple[dict[str, Any], list[dict[str, Any]]]
) -> None:
    model, facts = day
    model = {**model, "charges": {name: {**words, "on_refund": "prorate"} for name, words in model["charges"].items()}}
    till = shop(model, local)
    sales = [{**fact, "amount": 100} for fact in facts if "charges" in fact]
    if till is None or not sales:
        return
    till.clear(*sales[:1])
    before = rows(till.cleared.accumulators)
    till.clear(*sales[1:])
    for part in (37, 63):
        till.clear(*({"key": f"R{part}{sale['key']}", "refund_of": sale["key"], "amount": part} for sale in sales[1:]))
    kept = {row[:4]: row[4] for row in rows(till.cleared.accumulators) if row[4]}
    assert kept == {row[:4]: row[4] for row in before if row[4]}
    charged = sum(row["amount_minor"] for row in till.cleared.charges.to_pylist())
    assert charged == sum(row["amount_minor"] for row in till.cleared.obligations.to_pylist())


@settings(deadline=None, max_examples=25)
@given(day=days())
def test_nobody_but_the_last_passes_its_cap(
    local: LocalEngine, day: tuple[dict[str, Any], list[dict[str, Any]]]
) -> None:
    model, facts = day
    till = shop(model, local)
    if till is None:
        return
    till.clear(
        *({**fact, "charges": {n: abs(a) for n, a in fact["charges"].items()}} for fact in facts if "charges" in fact)
    )
    budget, plan = till.plan.budgets["spring"], till.plan
    last = {charge.apportionment.last for charge in plan.charges if charge.apportionment}
    pots: dict[tuple[str, ...], dict[str, int]] = {}
    for *pot, leaf, total in rows(till.cleared.accumulators):
        pots.setdefault(tuple(pot), {})[leaf] = total
    for totals in pots.values():
        assert last - {None, "hold", "refuse"} or budget.cap is None or sum(totals.values()) <= budget.cap
        for name, cap in (*budget.groups.items(), *budget.leaves.items()):
            mine = [total for leaf, total in totals.items() if leaf == name or leaf.startswith(name + "/")]
            assert cap is None or name.partition("/")[0] in last or sum(mine) <= cap
