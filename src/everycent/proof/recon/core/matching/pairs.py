"""Rules that explain one row by one: candidate pairs by SQL, then an exact assignment of each knot of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from everycent.base.engine.kernels.assigning import ALWAYS, COST_MAX, NEVER, SOMETIMES, UNKNOWN, assign, knots
from everycent.base.engine.kernels.assigning_largest import assign_largest
from everycent.base.engine.kernels.assigning_nearest import assign_nearest
from everycent.base.engine.local import LocalEngine
from everycent.proof.recon.contract import MatchLabel
from everycent.proof.recon.core.matching.blocks import (
    DAYS_SQL,
    UNLIKE_SQL,
    block_columns,
    blocked_sql,
    near_sql,
    same_block,
)
from everycent.proof.recon.core.matching.found import DIFFERENCE, EXPLANATION, GIVEN_UP, VERDICT, Found

#: Pairs that a rule weighs in all: so many, and so many for each row; a hundred bytes each.
PAIRS_LEAST, _PAIRS_A_ROW = 1_000_000, 4

#: How near a pair is, as one number up to COST_MAX: what of what both say differs, then the rule's distance, then days.
_DAYS_MAX, _FAR_MAX, _UNLIKE_MAX = (1 << 10) - 1, (1 << 27) - 1, (1 << 3) - 1

LABELS = {ALWAYS: MatchLabel.UNIQUE, SOMETIMES: MatchLabel.AMBIGUOUS, UNKNOWN: MatchLabel.BUDGET_EXHAUSTED}


@dataclass(frozen=True)
class Pairing:
    """Which pairs a rule allows, as SQL over the rows l and r of one block.

    `distance` is an integer of 0 or more; with `clear_by` an assignment that is less far by that much, in all, is a
    better one; without, all are as good. `differences` are (cause, SQL for minor units).
    """

    by: tuple[str, ...]
    currency: str
    within_days: int | None
    later: str | None
    pairs_max: int
    budget: int
    where: str
    distance: str = "0"
    clear_by: int | None = None
    differences: Sequence[tuple[str, str]] = ()
    differing: str = "NULL"


def candidates(pairing: Pairing, left: pa.Table, right: pa.Table, engine: LocalEngine) -> tuple[pa.Table, pa.Table]:
    """(pairs, GIVEN_UP): the pairs that the rule allows, and the rows of blocks with too many pairs to try.

    A pair has left_row, right_row, money, distance, unlike, days, differing, and d0, d1 …, its differences.
    """
    sides = {"left_items": left, "right_items": right}
    none = engine.query(
        f"SELECT {', '.join(block_columns(pairing.by))}, 0 AS knot FROM ({_sizes_sql(pairing)}) LIMIT 0", **sides
    )
    if left.num_rows * right.num_rows <= min(pairing.pairs_max, PAIRS_LEAST):
        return engine.query(_pairs_sql(pairing), **sides, too_many=none), GIVEN_UP.empty_table()
    too_many = _too_many(pairing, sides, none, engine)
    pairs = engine.query(_pairs_sql(pairing), **sides, too_many=too_many)
    return pairs, engine.query(_rows_of_sql(pairing), **sides, too_many=too_many).cast(GIVEN_UP)


def _too_many(pairing: Pairing, sides: Mapping[str, pa.Table], none: pa.Table, engine: LocalEngine) -> pa.Table:
    """The blocks (b0, b1 …, knot) that are not tried: those with more than `pairs_max` pairs; and where all others have
    more than memory should hold, those with most pairs that the rule allows, until it is so."""
    columns = ", ".join(block_columns(pairing.by))
    in_all = PAIRS_LEAST + _PAIRS_A_ROW * sum(side.num_rows for side in sides.values())
    sizes = engine.query(_sizes_sql(pairing), **sides)
    large = f"lefts * rights > {int(pairing.pairs_max)}"
    found = engine.query(f"SELECT {columns} FROM sizes WHERE {large}", sizes=sizes)
    beyond = engine.query(f"SELECT sum(lefts * rights) > {in_all} AS b FROM sizes WHERE NOT {large}", sizes=sizes)
    if beyond["b"][0].as_py():
        counted = engine.query(
            f"SELECT {columns}, count(*) AS n FROM ({_joined_sql(pairing, 'l.*')}) GROUP BY ALL",
            **sides, too_many=engine.query("SELECT *, 0 AS knot FROM found", found=found),
        )  # fmt: skip
        most = f"""SELECT {columns} FROM counted
            QUALIFY sum(n) OVER (ORDER BY n, {columns} ROWS UNBOUNDED PRECEDING) > {in_all}"""
        found = engine.query(f"FROM found UNION ALL {most}", found=found, counted=counted)
    numbered = f"SELECT {columns}, -1 - row_number() OVER (ORDER BY {columns}) AS knot FROM found"
    return engine.query(numbered, found=found) if found.num_rows else none


def assigned(pairing: Pairing, pairs: pa.Table, given_up: pa.Table, engine: LocalEngine) -> Found:
    """The best assignments of `pairs`, and what all of them have in common."""
    if not pairs.num_rows:
        return Found(given_up=given_up)
    lefts = np.unique(pairs["left_row"].to_numpy(), return_inverse=True)[1].astype(np.int64)
    rights = np.unique(pairs["right_row"].to_numpy(), return_inverse=True)[1].astype(np.int64)
    if pairing.clear_by is None:
        verdicts = assign_largest(lefts, rights)
    else:
        far = pairs["distance"].to_numpy().astype(np.int64)
        verdicts = assign(lefts, rights, far, min(pairing.clear_by, COST_MAX) - 1, pairing.budget)
    assert len(np.unique(lefts[verdicts == ALWAYS])) == (verdicts == ALWAYS).sum(), "one row is claimed once"
    knot = np.full(len(lefts), -1, dtype=np.int64)
    open_ones = (verdicts == SOMETIMES) | (verdicts == UNKNOWN)
    knot[open_ones] = knots(lefts[open_ones], rights[open_ones])
    nearness = _nearness(pairs)
    tied, proposed = verdicts == SOMETIMES, verdicts == ALWAYS
    proposed[tied] = assign_nearest(lefts[tied], rights[tied], nearness[tied])
    labels = {"verdict": verdicts, "knot": knot, "proposed": proposed, "nearness": nearness}
    for name, values in labels.items():
        pairs = pairs.append_column(name, pa.array(values))
    return found_pairs(pairing, pairs, given_up, engine)


def _nearness(pairs: pa.Table) -> npt.NDArray[np.int64]:
    unlike, far, days = (
        np.minimum(pairs[name].to_numpy().astype(np.int64), most)
        for name, most in (("unlike", _UNLIKE_MAX), ("distance", _FAR_MAX), ("days", _DAYS_MAX))
    )
    nearness: npt.NDArray[np.int64] = (unlike << 37) + (far << 10) + days
    return nearness


def found_pairs(pairing: Pairing, labelled: pa.Table, given_up: pa.Table, engine: LocalEngine) -> Found:
    """Labelled pairs (verdict, knot, proposed, nearness) as explanations; those that no best assignment has are
    dropped."""
    labels = ", ".join(f"({verdict}, '{label}')" for verdict, label in LABELS.items())
    kept = engine.query(
        f"""SELECT row_number() OVER (ORDER BY left_row, right_row) AS explanation, label, p.*
        FROM labelled AS p JOIN (VALUES {labels}) AS named(verdict, label) USING (verdict)
        WHERE verdict <> {NEVER}""",
        labelled=labelled,
    )
    causes = [
        f"SELECT explanation, '{cause}' AS cause, d{place} AS difference_minor, money AS currency FROM kept "
        f"WHERE d{place} <> 0"
        for place, (cause, _) in enumerate(pairing.differences)
    ]
    return Found(
        explanations=engine.query(
            """SELECT explanation, 'left' AS side, left_row AS row_no FROM kept
            UNION ALL SELECT explanation, 'right', right_row FROM kept""",
            kept=kept,
        ).cast(EXPLANATION),
        verdicts=engine.query(f"SELECT {', '.join(VERDICT.names)} FROM kept", kept=kept).cast(VERDICT),
        given_up=given_up,
        differences=engine.query(" UNION ALL ".join(causes), kept=kept).cast(DIFFERENCE)
        if causes
        else DIFFERENCE.empty_table(),
    )


def _blocked_sql(pairing: Pairing) -> str:
    return f"""l AS ({blocked_sql("left_items", pairing.by, pairing.currency)}),
    r AS ({blocked_sql("right_items", pairing.by, pairing.currency)})"""


def _sizes_sql(pairing: Pairing) -> str:
    """The blocks that have rows on both sides, and how many: b0, b1 …, lefts, rights."""
    columns = ", ".join(block_columns(pairing.by))
    return f"""WITH {_blocked_sql(pairing)}
    SELECT {columns}, lefts::HUGEINT AS lefts, rights FROM (SELECT {columns}, count(*) AS lefts FROM l GROUP BY ALL)
    JOIN (SELECT {columns}, count(*) AS rights FROM r GROUP BY ALL) USING ({columns})"""


def _joined_sql(pairing: Pairing, selected: str) -> str:
    """What the rule allows, of blocks that are not in `too_many`."""
    return f"""WITH {_blocked_sql(pairing)},
    tried AS (SELECT * FROM l WHERE NOT EXISTS (FROM too_many AS t WHERE {same_block(pairing.by, "l", "t")}))
    SELECT {selected} FROM tried AS l JOIN r ON {same_block(pairing.by, "l", "r")}
    WHERE {near_sql(pairing.within_days, pairing.later)} AND ({pairing.where}) AND ({pairing.distance}) <= {COST_MAX}"""


def _pairs_sql(pairing: Pairing) -> str:
    differences = "".join(
        f", ({minor})::DECIMAL(38, 0) AS d{place}" for place, (_, minor) in enumerate(pairing.differences)
    )
    return _joined_sql(
        pairing,
        f"""l.row_no AS left_row, r.row_no AS right_row, r.money AS money,
        ({pairing.distance})::BIGINT AS distance, {UNLIKE_SQL} AS unlike, {DAYS_SQL} AS days,
        ({pairing.differing})::VARCHAR AS differing{differences}""",
    )


def _rows_of_sql(pairing: Pairing) -> str:
    """Each block with too many pairs is a knot of its own, numbered below those of the pairs."""
    return f"""WITH {_blocked_sql(pairing)}
    SELECT DISTINCT knot, 'left' AS side, row_no FROM l JOIN too_many AS t ON {same_block(pairing.by, "l", "t")}
    UNION ALL
    SELECT DISTINCT knot, 'right', row_no FROM r JOIN too_many AS t ON {same_block(pairing.by, "r", "t")}"""
