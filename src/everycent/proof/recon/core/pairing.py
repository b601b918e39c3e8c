"""Columns of two files whose names do not say that they belong together: what they hold does.

Of rows that found each other by key, a column agrees with the one that says the same. Where two columns agree equally
well, nothing is guessed.
"""

from collections.abc import Mapping, Sequence
from itertools import product

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import identifier
from everycent.proof.recon.core.cells import Column, Kind, Reading, text_sql, value_sql
from everycent.proof.recon.core.columns import Pair
from everycent.proof.recon.core.kinds import Readable, readable, types_of

#: So many rows of the left side are met with the right side's.
_ROWS_SHOWN = 20_000
#: So many columns of a side are looked at by their values; more would be met with each of the other side's.
_COLUMNS_MOST = 40
#: Of a hundred rows so many agree.
_AGREE_PERCENT = 90

#: What columns are compared as, the strictest first.
_KINDS: tuple[Kind, ...] = ("number", "time", "text")

_LEFT, _RIGHT = "pairing_left", "pairing_right"


def by_values(
    key: Sequence[Pair],
    left: str,
    right: str,
    columns: tuple[Sequence[str], Sequence[str]],
    reading: Reading,
    engine: LocalEngine,
) -> tuple[Pair, ...]:
    """Of columns not paired yet, those that agree in nearly all rows that have the same key, in the left side's order.

    A column that agrees as well with another is left out, and so is one whose values are all the same.
    """
    ours, theirs = (names[:_COLUMNS_MOST] for names in columns)
    if not ours or not theirs:
        return ()
    _meet(key, left, right, reading, engine)
    sides = [
        {one.column.name: one for one in readable(relation, _columns(relation, names, engine), reading, side, engine)}
        for side, (relation, names) in enumerate(((_LEFT, ours), (_RIGHT, theirs)))
    ]
    shares = _agreeing(sides[0], sides[1], reading, engine)
    for name in (_LEFT, _RIGHT):
        engine.connection.execute(f"DROP TABLE {name}")
    return tuple(pair for pair, share in shares.items() if _alone(pair, share, shares))


def _meet(key: Sequence[Pair], left: str, right: str, reading: Reading, engine: LocalEngine) -> None:
    """Some rows of the left side, and those of the right side that have their keys, each key once."""
    keys = [
        f"({', '.join(text_sql(pair.of(side), reading) for pair in key)}{',' if len(key) == 1 else ''})"
        for side in (0, 1)
    ]
    for name, which, rows, met in (
        (_LEFT, keys[0], f"(FROM {identifier(left)} LIMIT {_ROWS_SHOWN})", ""),
        (_RIGHT, keys[1], identifier(right), f" WHERE {keys[1]}::VARCHAR IN (SELECT key_met FROM {_LEFT})"),
    ):
        engine.connection.execute(
            f"""CREATE OR REPLACE TEMP TABLE {name} AS SELECT DISTINCT ON (key_met) {which}::VARCHAR AS key_met, *
            FROM {rows}{met} ORDER BY key_met, source_line"""
        )


def _columns(relation: str, names: Sequence[str], engine: LocalEngine) -> list[Column]:
    types = types_of(relation, engine)
    return [Column(name, types[name]) for name in names]


def _agreeing(
    ours: Mapping[str, Readable], theirs: Mapping[str, Readable], reading: Reading, engine: LocalEngine
) -> dict[Pair, int]:
    """The pairs whose values agree in nearly all rows that have both, each with how many rows do."""
    asked = {
        Pair(one, other): kind
        for one, other in product(ours, theirs)
        if (kind := _kind(ours[one], theirs[other])) is not None
    }
    if not asked:
        return {}
    parts = []
    for at, (pair, kind) in enumerate(asked.items()):
        mine = value_sql(ours[pair.left].column, kind, reading)
        yours = value_sql(theirs[pair.right].column, kind, reading)
        parts.append((f"{mine} AS l{at}", f"{yours} AS r{at}"))
    counts = ", ".join(
        f"count(CASE WHEN l{at} = r{at} THEN 1 END) AS a{at}, count(CASE WHEN l{at} IS NOT NULL AND r{at} IS NOT NULL "
        f"THEN 1 END) AS b{at}, count(DISTINCT l{at}) AS d{at}"
        for at in range(len(parts))
    )
    found = engine.query(
        f"""SELECT {counts} FROM (SELECT key_met, {", ".join(mine for mine, _ in parts)} FROM {_LEFT})
        JOIN (SELECT key_met, {", ".join(yours for _, yours in parts)} FROM {_RIGHT}) USING (key_met)"""
    ).to_pylist()[0]
    return {
        pair: found[f"a{at}"]
        for at, pair in enumerate(asked)
        if 100 * found[f"a{at}"] >= _AGREE_PERCENT * found[f"b{at}"] > 0 and found[f"d{at}"] > 1
    }


def _kind(one: Readable, other: Readable) -> Kind | None:
    """What two columns are compared as; None where one holds what the other cannot."""
    both = one.kinds & other.kinds
    return next((kind for kind in _KINDS if kind in both), None)


def _alone(pair: Pair, share: int, shares: Mapping[Pair, int]) -> bool:
    """Whether no other pair with one of the two columns agrees in as many rows."""
    return not any(
        other != pair and (other.left == pair.left or other.right == pair.right) and there >= share
        for other, there in shares.items()
    )
