"""The rule `subset`: rows of a block that add up, to the unit, to a row or to some rows of the other side."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from everycent.base.engine.kernels.assigning import ALWAYS, UNKNOWN
from everycent.base.engine.kernels.packing import pack
from everycent.base.engine.kernels.subsets import AMOUNT_MAX, sums_to_one
from everycent.base.engine.kernels.subsets_both import sums_to_some
from everycent.base.engine.local import LocalEngine
from everycent.base.money.currency import Currency
from everycent.proof.recon.core.matching.blocks import block_columns, blocked_sql
from everycent.proof.recon.core.matching.found import EXPLANATION, GIVEN_UP, VERDICT, Found
from everycent.proof.recon.core.matching.pairs import LABELS
from everycent.proof.recon.core.matching.words import days
from everycent.proof.recon.rules import SubsetRuleSpec

_Places = npt.NDArray[np.int64]
_Flags = npt.NDArray[np.bool_]

#: As days of a window, all that there are.
_ANY_DAYS = 1 << 40

#: Ways to explain rows: a line for each row of each way; rows are places, the right ones behind all left ones.
_WAY = pa.schema([pa.field("way", pa.int64()), pa.field("place", pa.int64())])


@dataclass(frozen=True)
class _Side:
    """A side's rows, block by block; within one the largest magnitude first."""

    first: int  # place of its first row among both sides
    starts: _Places
    amounts: _Places
    days: _Places

    @property
    def columns(self) -> tuple[_Places, _Places, _Places]:
        """What the kernels take."""
        return self.starts, self.amounts, self.days


@dataclass(frozen=True)
class SubsetRule:
    """All ways that there are, and then the choice of most ways that do not share a row."""

    by: tuple[str, ...]
    currency: str
    within_days: int | None
    later: str | None
    shapes: tuple[str, ...]
    most: int
    most_each: int
    budget: int
    alternatives: int

    def find(self, left: pa.Table, right: pa.Table, engine: LocalEngine) -> Found:
        """Left and right: ITEM. Amounts beyond AMOUNT_MAX take no part, nor, within a window, rows without a date."""
        rows = self._sorted(left, right, engine)
        lefts, rights = _side(rows, "left", *self._clock("left")), _side(rows, "right", *self._clock("right"))
        ways, given_up = [_WAY.empty_table()], [GIVEN_UP.empty_table()]
        for shape in self.shapes:
            found, failed = self._ways(shape, lefts, rights)
            first = 1 + max((int(pc.max(each["way"]).as_py()) for each in ways if each.num_rows), default=-1)
            ways.append(found.set_column(0, "way", pc.add(found["way"], first)))
            given_up.append(rows.filter(pa.array(failed)).select(GIVEN_UP.names))
        explanations = engine.query(_EXPLANATIONS, ways=pa.concat_tables(ways))
        return self._chosen(explanations, rows, pa.concat_tables(given_up), engine)

    def _sorted(self, left: pa.Table, right: pa.Table, engine: LocalEngine) -> pa.Table:
        """The rows of blocks that have rows on both sides: side, block, knot (the block's, should its search be given
        up), row_no, amount_minor, day. Left ones first; in a block the largest magnitude first."""
        columns = ", ".join(block_columns(self.by))
        dated = "true" if self.within_days is None and self.later is None else "occurred_on IS NOT NULL"
        sides = [
            f"""SELECT '{side}' AS side, * FROM ({blocked_sql(f"{side}_items", self.by, self.currency)})
            WHERE {dated} AND amount_minor BETWEEN -{AMOUNT_MAX} AND {AMOUNT_MAX}"""
            for side in ("left", "right")
        ]
        return engine.query(
            f"""WITH blocked AS ({" UNION ALL ".join(sides)}),
            blocks AS (
                SELECT {columns}, row_number() OVER (ORDER BY {columns}) - 1 AS block
                FROM (SELECT {columns} FROM blocked GROUP BY ALL HAVING count(DISTINCT side) = 2))
            SELECT side, block, -2 - block AS knot, row_no, amount_minor,
                coalesce(occurred_on - DATE '1970-01-01', 0)::BIGINT AS day
            FROM blocked JOIN blocks USING ({columns})
            ORDER BY side, block, abs(amount_minor) DESC, amount_minor DESC, day, row_no""",
            left_items=left,
            right_items=right,
        )

    @property
    def _window(self) -> int:
        return _ANY_DAYS if self.within_days is None else self.within_days

    def _clock(self, side: str) -> tuple[int, int]:
        """(by how much a day is multiplied, what is added), for a window that lies on one side: from 0 to w days later
        is within w half days of w half days later."""
        if self.later is None:
            return 1, 0
        return 2, self._window if side != self.later else 0

    def _ways(self, shape: str, lefts: _Side, rights: _Side) -> tuple[pa.Table, _Flags]:
        """_WAY of one shape, and of all rows those whose search was given up."""
        within = -1 if self.within_days is None and self.later is None else self._window
        if shape == "many_to_many":
            found = sums_to_some(lefts.columns, rights.columns, within, self.most_each, self.budget, self.alternatives)
            _, ends, left_places, other_ends, right_places, failed = found
            ways = pa.concat_tables(
                [_lines(ends, left_places + lefts.first), _lines(other_ends, right_places + rights.first)]
            )
            return ways, np.concatenate([np.repeat(failed, np.diff(side.starts)) for side in (lefts, rights)])
        ones, many = (lefts, rights) if shape == "one_to_many" else (rights, lefts)
        owners, ends, places, failed = sums_to_one(
            ones.columns, many.columns, within, self.most, self.budget, self.alternatives
        )
        own = _lines(np.arange(len(owners) + 1), owners + ones.first)
        none = np.zeros(len(many.amounts), dtype=np.bool_)
        lost = (failed, none) if shape == "one_to_many" else (none, failed)
        return pa.concat_tables([own, _lines(ends, places + many.first)]), np.concatenate(lost)

    def _chosen(self, explanations: pa.Table, rows: pa.Table, given_up: pa.Table, engine: LocalEngine) -> Found:
        """What every best choice holds. Where a search was given up, nothing of its block is certain."""
        if not explanations.num_rows:
            return Found(given_up=given_up.cast(GIVEN_UP))
        numbers, places = explanations["explanation"].to_numpy(), explanations["place"].to_numpy()
        starts = np.flatnonzero(np.diff(numbers, prepend=-1, append=-1)).astype(np.int64)
        verdicts, knots = pack(starts, places.astype(np.int64), self.budget)
        lost = set(given_up["knot"].unique().to_pylist())
        block_knot = rows["knot"].to_numpy()[places[starts[:-1]]]
        is_lost = np.isin(block_knot, np.array(sorted(lost), dtype=np.int64))
        label = np.where(is_lost, UNKNOWN, verdicts)
        knot = np.where(is_lost, block_knot, np.where(label == ALWAYS, -1, knots))
        names = ", ".join(f"({verdict}, '{name}')" for verdict, name in LABELS.items())
        held = engine.query(
            f"""SELECT explanation, label, knot, NULL::VARCHAR AS differing, false AS proposed, nearness
            FROM labelled JOIN (VALUES {names}) AS named(verdict, label) USING (verdict)""",
            labelled=pa.table(
                {
                    "explanation": numbers[starts[:-1]],
                    "verdict": label,
                    "knot": knot,
                    "nearness": _nearness(starts, rows["day"].to_numpy()[places]),
                }
            ),
        ).cast(VERDICT)
        claimed = engine.query(
            "SELECT explanation, side, row_no FROM e JOIN r USING (place) SEMI JOIN h USING (explanation)",
            e=explanations,
            r=rows.select(["side", "row_no"]).append_column("place", pa.array(np.arange(rows.num_rows))),
            h=held,
        )
        return Found(explanations=claimed.cast(EXPLANATION), verdicts=held, given_up=given_up.cast(GIVEN_UP))


#: A way that two shapes give is one explanation. They are numbered by their rows, which are in a declared order.
_EXPLANATIONS = """
    WITH sets AS (SELECT DISTINCT list(place ORDER BY place) AS places FROM ways GROUP BY way),
    numbered AS (SELECT row_number() OVER (ORDER BY places) - 1 AS explanation, places FROM sets)
    SELECT explanation, unnest(places) AS place FROM numbered ORDER BY explanation, place"""


def _side(rows: pa.Table, side: str, times: int, plus: int) -> _Side:
    blocks = 1 + (int(pc.max(rows["block"]).as_py()) if rows.num_rows else -1)
    chosen = rows.filter(pc.equal(rows["side"], side))
    starts = np.searchsorted(chosen["block"].to_numpy(), np.arange(blocks + 1)).astype(np.int64)
    first = 0 if side == "left" else rows.num_rows - chosen.num_rows
    return _Side(first, starts, chosen["amount_minor"].to_numpy(), times * chosen["day"].to_numpy() + plus)


def _nearness(starts: _Places, days: _Places) -> _Places:
    """Of each way: the fewer rows the better, since more of them add up by chance; then the fewer days between them."""
    first, last = (ufunc.reduceat(days, starts[:-1]) for ufunc in (np.minimum, np.maximum))
    found: _Places = (np.diff(starts) << 32) + (last - first)
    return found


def _lines(ends: _Places, places: _Places) -> pa.Table:
    """Way w has the places ends[w] to ends[w + 1]."""
    return pa.table({"way": np.repeat(np.arange(len(ends) - 1), np.diff(ends)), "place": places}).cast(_WAY)


def plan_subset(spec: SubsetRuleSpec, currency: Currency) -> SubsetRule:
    """A block has one currency."""
    return SubsetRule(
        by=(*(word for word in spec.by if word != "currency"), "currency"),
        currency=currency.code,
        within_days=days(spec.within),
        later=spec.later,
        shapes=spec.shapes,
        most=spec.most,
        most_each=spec.most_each,
        budget=spec.budget,
        alternatives=spec.alternatives,
    )
