"""Two sides in the modes that a scenario names: by key, through its rules, one-way, in total."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pyarrow as pa
import pyarrow.compute as pc

from everycent.base.engine.local import LocalEngine
from everycent.proof.recon.contract import BREAK, BY_KEY, DIMENSION, ENTRY, MATCHED_ROW, TOTALS, Bucket
from everycent.proof.recon.core.booking import entries
from everycent.proof.recon.core.carrying import CARRIED, CUT
from everycent.proof.recon.core.dimensions import dimensions
from everycent.proof.recon.core.in_currencies import InCurrencies, in_currencies
from everycent.proof.recon.core.leftovers import of_no_matter, totals_of
from everycent.proof.recon.core.payout import PAYOUT_PART, decompose
from everycent.proof.recon.core.plan import ReconPlan
from everycent.proof.recon.second_pass import Explained, explain_leftovers
from everycent.proof.recon.stage import Reconciled, Total

#: As `stage.reconcile`.
Compare = Callable[[ReconPlan, pa.Table | str, pa.Table | str, LocalEngine], Reconciled]

_RULED = (Bucket.MATCHED, Bucket.AMBIGUOUS, Bucket.BUDGET_EXHAUSTED)


@dataclass(frozen=True)
class Beyond:
    """What a scenario's modes found beyond its buckets: what rules claimed, both sides in total (DIMENSION), what is
    written off as entries (ENTRY), what payouts are made of (PAYOUT_PART); at a day cut (CUT) what is open (CARRIED).
    `money`: in which currencies all of it is, where these are not the scenario's alone.
    """

    explained: Explained = field(default_factory=Explained.nothing)
    dimensions: pa.Table = field(default_factory=DIMENSION.empty_table)
    payouts: pa.Table = field(default_factory=PAYOUT_PART.empty_table)
    entries: pa.Table = field(default_factory=ENTRY.empty_table)
    carried: pa.Table = field(default_factory=CARRIED.empty_table)
    cut: pa.Table = field(default_factory=CUT.empty_table)
    money: InCurrencies = field(default_factory=InCurrencies)


def compare_in_modes(
    plan: ReconPlan, compare: Compare, left: pa.Table | str, right: pa.Table | str, engine: LocalEngine
) -> tuple[Reconciled, Beyond]:
    """`compare` gives what `reconcile` would. Every row is in one bucket, and the residual is 0 (asserted), but where
    sides are compared in total alone: then it is what they differ by."""
    if not plan.detail:
        assert plan.total is not None, "without details there are totals"
        return _in_total(left, right, engine), Beyond(dimensions=dimensions(
            plan.total, left, right, None, (plan.left_sums, plan.right_sums), engine
        ))  # fmt: skip
    by_key = compare(plan, left, right, engine)
    done, explained = by_key, Explained.nothing()
    if plan.rules is not None:
        done, explained = explain_leftovers(plan, plan.rules, done, left, right, engine)
    if plan.one_way:
        done = _one_way(plan, done, by_key, explained, engine)
    totals = DIMENSION.empty_table()
    if plan.total is not None:
        found = pa.concat_tables([by_key.breaks, by_key.write_offs])
        totals = dimensions(plan.total, left, right, found, (plan.left_sums, plan.right_sums), engine)
    return done, Beyond(explained, totals)


def with_payouts(
    plan: ReconPlan,
    done: Reconciled,
    found: Beyond,
    left: pa.Table | str,
    right: pa.Table | str,
    engine: LocalEngine,
) -> Beyond:
    """`found` with what each payout is made of, where the scenario asks for it; what it has stays."""
    if plan.payout is None or found.payouts.num_rows:
        return found
    report, bank = (left, right) if plan.payout.report == "left" else (right, left)
    explained, by_key = found.explained, pa.concat_tables([done.breaks, done.write_offs])
    return replace(
        found,
        payouts=decompose(plan.payout, report, bank, explained.matches, explained.differences, by_key, engine),
    )


def with_currencies(
    plan: ReconPlan,
    done: Reconciled,
    found: Beyond,
    left: pa.Table | str,
    right: pa.Table | str,
    engine: LocalEngine,
) -> Beyond:
    """`found` with the currencies of what was found between the sides."""
    return replace(found, money=in_currencies(plan, done, found.explained.matches, left, right, engine))


def with_entries(plan: ReconPlan, done: Reconciled, found: Beyond, engine: LocalEngine) -> Beyond:
    """`found` with what is written off as entries for the books, where the scenario names accounts; those that it has
    stay."""
    if plan.book is None or found.entries.num_rows:
        return found
    explained = found.explained
    off = (done.write_offs, found.money.write_offs)
    booked = entries(plan.book, off, explained.matches, explained.differences, engine)
    return replace(found, entries=booked)


def _one_way(
    plan: ReconPlan, done: Reconciled, by_key: Reconciled, explained: Explained, engine: LocalEngine
) -> Reconciled:
    breaks, only_right = of_no_matter(done.breaks, by_key.breaks, engine)
    buckets = (*BY_KEY, *(_RULED if plan.rules is not None else ()), Bucket.ONLY_RIGHT)
    matches = explained.matches if plan.rules is not None else MATCHED_ROW.empty_table()
    result = replace(done, breaks=breaks, totals=totals_of(done.totals, breaks, matches, only_right, buckets, engine))
    assert result.residual_minor == 0, "what is of no matter is counted"
    return result


def _in_total(left: pa.Table | str, right: pa.Table | str, engine: LocalEngine) -> Reconciled:
    found = [
        engine.query("SELECT count(*) AS n, coalesce(sum(amount_minor), 0)::DECIMAL(38, 0) AS m FROM side", side=side)
        for side in (left, right)
    ]
    one, other = (Total(row["n"][0].as_py(), int(row["m"][0].as_py())) for row in found)
    totals = pa.Table.from_pylist(
        [
            {
                "bucket": Bucket.IN_TOTAL,
                "keys": 0,
                "left_rows": one.rows,
                "right_rows": other.rows,
                "left_minor": one.amount_minor,
                "right_minor": other.amount_minor,
                "difference_minor": one.amount_minor - other.amount_minor,
            }
        ],
        TOTALS,
    )
    return Reconciled(BREAK.empty_table(), BREAK.empty_table(), totals, one, other)


def residual_minor(found: Reconciled) -> int:
    """What no named cause explains of left - right: 0, but where sides are compared in total alone."""
    alone = pc.equal(found.totals["bucket"], Bucket.IN_TOTAL)
    return found.residual_minor + int(pc.sum(found.totals.filter(alone)["difference_minor"]).as_py() or 0)
