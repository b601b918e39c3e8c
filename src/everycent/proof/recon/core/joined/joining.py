"""Both sides met in memory, each read once: for sides of which much differs, where the engine's memory allows it.

What `differing` and a join of the rows that it finds do with two readings, this does with one, as a join does; unlike a
join it tells rows that repeat. Of keys of which a side has several rows that are not alike, the rows are handed back.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from everycent.base.engine.arrays import empty
from everycent.base.engine.local import LocalEngine
from everycent.base.engine.side_by_side import side_by_side
from everycent.base.engine.sql import literal
from everycent.proof.recon.contract import BREAK, CAUSES, Bucket
from everycent.proof.recon.core.buckets import CAUSE_SQL, bucket_sql
from everycent.proof.recon.core.joined.meeting import LEFT_TOO_MANY, NONE, RIGHT_TOO_MANY, Long, parted, rows_of
from everycent.proof.recon.core.joined.met import TooMuch, marks, meet
from everycent.proof.recon.core.joined.ordering import ordered
from everycent.proof.recon.core.joined.shown import Shown
from everycent.proof.recon.core.plan import ReconPlan
from everycent.proof.recon.core.stated import Stated, breaks_schema

_AMOUNT = BREAK.field("difference_minor").type
_BUCKETS, _CAUSES = tuple(sorted(Bucket)), tuple(CAUSES)

#: Where fewer than one row in so many differs, reading what differs again takes less time than keeping all.
ONE_IN_LEAST = 12

#: So many bytes a row of the left side takes, and one of the right side that does not agree, about.
_ROW_BYTES = 200
_MB = 1_000_000


@dataclass(frozen=True)
class Joined:
    """`listed`: BREAK, with statuses as they are stated, in the order of breaks. `odd`: of each side, rows (SIDE, with
    the status as a text) that are yet to be placed. `agree`: how many rows of each side agree. `added`: keys,
    rows and amounts by bucket, of what is listed and of first rows that agree while others are too many."""

    listed: pa.Table
    odd: tuple[pa.Table, pa.Table]
    agree: int
    added: pa.Table


def worth_it(rows: tuple[int, int], expected: int, engine: LocalEngine) -> bool:
    """Whether sides with so many rows, of which about so many differ, are better joined: enough differ, and they are
    likely to fit half of the engine's memory."""
    return expected * ONE_IN_LEAST >= sum(rows) and ((rows[0] + expected) * _ROW_BYTES <= engine.memory_mb * _MB // 2)


def join(
    plan: ReconPlan, left: str, right: str, rows: tuple[int, int], status: Stated, engine: LocalEngine
) -> Joined | None:
    """None where the sides do not fit memory after all, or hashes of keys deceive."""
    try:
        met = meet(left, right, rows, status, plan.compares_status, engine)
    except TooMuch:
        return None
    found, odd = empty((sum(rows), 5), np.int32), empty(met.count, np.int32)
    lines, odds, agree = parted(met.known, met.places, met.count, met.lefts, found, odd)
    ours, theirs = empty(met.lefts, np.int32), empty(rows[1], np.int32)
    of_left, of_right = rows_of(odd[:odds], met.known, met.lefts, ours, theirs)
    shown = Shown(met, found[:lines], (ours[:of_left], theirs[:of_right]), status, engine.threads)
    if not shown.told_apart:
        return None
    buckets, causes, added = _bucketed(plan, shown, engine)
    listed = _listed(shown, buckets, causes, engine)
    return Joined(listed, (shown.odd_side(False, engine), shown.odd_side(True, engine)), agree, added)


Codes = npt.NDArray[np.int8]


def _bucketed(plan: ReconPlan, shown: Shown, engine: LocalEngine) -> tuple[Codes, Codes, pa.Table]:
    """Of each line its bucket and its cause, as places in _BUCKETS and _CAUSES; and all added up by bucket."""
    left, right = shown.left, shown.right
    lines = pa.table(
        {
            "what": shown.what,
            "keys": shown.first.astype(np.int64),
            "left_rows": (left != NONE).astype(np.int64),
            "right_rows": (right != NONE).astype(np.int64),
            "left_amount": shown.amounts(left),
            "right_amount": shown.amounts(right),
            "status_agrees": marks(shown.says(left) == shown.says(right)),
        }
    )
    too_many = f"""CASE what WHEN {LEFT_TOO_MANY} THEN {literal(Bucket.DUPLICATED_LEFT)}
        WHEN {RIGHT_TOO_MANY} THEN {literal(Bucket.DUPLICATED_RIGHT)} ELSE {bucket_sql(plan.tolerance_minor)} END"""
    bucketed = engine.query(
        f"""SELECT what, ({_place_sql(CAUSE_SQL, _CAUSES)})::TINYINT AS cause_at,
            ({_place_sql("bucket", _BUCKETS)})::TINYINT AS bucket_at
        FROM (SELECT *, {too_many} AS bucket FROM lines)""",
        lines=lines,
    )
    assert bucketed["what"].equals(lines["what"]), "the engine keeps the order of a table that it only projects"
    added = engine.query(
        f"""SELECT {_word_sql("bucket_at", _BUCKETS)} AS bucket, sum(keys)::BIGINT AS keys,
            sum(left_rows)::BIGINT AS left_rows, sum(right_rows)::BIGINT AS right_rows,
            sum(left_amount)::DECIMAL(38, 0) AS left_amount, sum(right_amount)::DECIMAL(38, 0) AS right_amount
        FROM lines GROUP BY bucket_at""",
        lines=lines.append_column("bucket_at", bucketed["bucket_at"]),
    )
    buckets, causes = (np.asarray(bucketed[name].combine_chunks()) for name in ("bucket_at", "cause_at"))
    return buckets, causes, added


def _word_sql(place: str, words: tuple[str, ...]) -> str:
    cases = " ".join(f"WHEN {at} THEN {literal(each)}" for at, each in enumerate(words))
    return f"CASE {place} {cases} END"


def _place_sql(word: str, words: tuple[str, ...]) -> str:
    cases = " ".join(f"WHEN {literal(each)} THEN {place}" for place, each in enumerate(words))
    return f"CASE {word} {cases} ELSE -1 END"


def _listed(shown: Shown, buckets: Codes, causes: Codes, engine: LocalEngine) -> pa.Table:
    """All but what is equal."""
    some = np.flatnonzero(buckets != _BUCKETS.index(Bucket.EQUAL))
    places = [shown.places(numbers[some], side) for numbers, side in ((shown.left, False), (shown.right, True))]
    order = ordered(shown.cells["key"], shown.key_at[some], shown.head[some], buckets[some], places[0], places[1])
    lines = some[order]
    left, right = (numbers[lines] for numbers in (shown.left, shown.right))
    amounts = shown.amounts(left), shown.amounts(right)
    repeats = shown.what[lines] >= LEFT_TOO_MANY
    columns: dict[str, pa.Array] = {}
    for made in side_by_side(
        [
            lambda: {"left_status": shown.statuses(left, repeats)},
            lambda: {"right_status": shown.statuses(right, repeats)},
            lambda: {"key": shown.cells["key"].take(pa.array(shown.key_at[lines]))},
            lambda: _placed("left", shown, places[0][order]),
            lambda: _placed("right", shown, places[1][order]),
            lambda: _counted("left", amounts[0], left == NONE),
            lambda: _counted("right", amounts[1], right == NONE),
            lambda: {"difference_minor": _difference(*amounts)},
            lambda: _told(buckets[lines], causes[lines]),
        ],
        engine.threads,
    ):
        columns |= made
    listed = pa.table({name: columns[name] for name in BREAK.names})
    return listed.cast(breaks_schema(listed.schema))


def _placed(side: str, shown: Shown, places: Long) -> dict[str, pa.Array]:
    """The columns of a side's places."""
    file, line = shown.place(places)
    return {f"{side}_file": file, f"{side}_line": line}


def _counted(side: str, amounts: Long, missing: npt.NDArray[np.bool_]) -> dict[str, pa.Array]:
    """The columns of a side's amounts and rows."""
    return {f"{side}_amount_minor": _wide(amounts, missing), f"{side}_rows": pa.array((~missing).astype(np.int64))}


def _told(buckets: Codes, causes: Codes) -> dict[str, pa.Array]:
    """The words for buckets and causes."""
    texts = list(CAUSES.values())
    return {
        "bucket": pa.array(_BUCKETS).take(pa.array(buckets)),
        "cause": pa.array(_CAUSES).take(pa.array(causes)),
        "cause_en": pa.array([text.en for text in texts]).take(pa.array(causes)),
        "cause_zh": pa.array([text.zh for text in texts]).take(pa.array(causes)),
    }


def _wide(amounts: Long, missing: npt.NDArray[np.bool_]) -> pa.Array:
    """As decimals, which have 128 bits."""
    words = np.empty((len(amounts), 2), np.int64)
    words[:, 0], words[:, 1] = amounts, amounts >> 63
    return _decimals(words, missing)


def _difference(left: Long, right: Long) -> pa.Array:
    """left - right, of which 64 bits may be too few."""
    words = np.empty((len(left), 2), np.int64)
    words[:, 0] = left - right  # modulo 2**64
    overflows = ((left ^ right) & (left ^ words[:, 0])) < 0
    words[:, 1] = np.where(overflows, left, words[:, 0]) >> 63
    return _decimals(words, None)


def _decimals(words: Long, missing: npt.NDArray[np.bool_] | None) -> pa.Array:
    there = None if missing is None else marks(~missing).buffers()[1]
    return pa.Array.from_buffers(_AMOUNT, len(words), [there, pa.py_buffer(words)])
