"""Checker: gives combinations of statuses a name: paid here, still waiting for payment there."""

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from everycent.base.engine.declaration import Declaration, Name, Words
from everycent.proof.recon.chain import FINDING, CheckSides, Surroundings

#: Stands for a row that is not there, or that has no status.
MISSING = "missing"
_PLACES = ("left_file", "left_line", "right_file", "right_line")


class CombinationSpec(Declaration):
    """A combination, and what is said of it."""

    left: Words = Field(description="statuses of the left side; missing: it has no such row", examples=["paid"])
    right: Words = Field(description="statuses of the right side", examples=[["waiting", "missing"]])
    say: str = Field(default="", description="for people", examples=["paid, but the order still waits for payment"])


class StatusesWords(Declaration):
    """Combinations of statuses, by name; of several that fit, the first."""

    combinations: dict[Name, CombinationSpec] = Field(description="what each combination is called")


class Statuses:
    """The checker `statuses`."""

    name = "statuses"
    words = StatusesWords

    def check(self, words: StatusesWords, sides: CheckSides, around: Surroundings) -> pa.Table:
        """A finding for each break that fits a combination."""
        del around
        breaks = sides.breaks
        left, right = (pc.fill_null(breaks[f"{side}_status"], MISSING) for side in ("left", "right"))
        free = pa.chunked_array([pa.repeat(True, breaks.num_rows)])
        found = [FINDING.empty_table()]
        for name, combination in words.combinations.items():
            fits = pc.and_(_is_in(left, combination.left), _is_in(right, combination.right))
            these = pc.and_(fits, free)
            free = pc.and_not(free, fits)
            said = combination.say or f"{' or '.join(combination.left)} | {' or '.join(combination.right)}"
            rows = breaks.filter(these)
            texts = [pa.repeat(pa.scalar(text), rows.num_rows) for text in (name, said)]
            places = [rows[place] for place in _PLACES]
            found.append(pa.table([rows["key"], *texts, *places], schema=FINDING))
        return pa.concat_tables(found)


def _is_in(column: pa.ChunkedArray, words: tuple[str, ...]) -> pa.ChunkedArray:
    return pc.is_in(column, value_set=pa.array(words, pa.string()))


CHECKER = Statuses()
