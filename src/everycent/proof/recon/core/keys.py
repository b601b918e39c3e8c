"""Which columns of two files tell their rows apart, where nobody has said it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import identifier
from everycent.proof.recon.core.cells import Reading, folded_sql
from everycent.proof.recon.core.columns import AMOUNT_NAMES, KEY_NAME, NothingToCompare, Pair, alike

#: What the engine needs to understand a query grows with the square of what is asked: so many columns in one.
_COUNTED_TOGETHER = 50
_SAMPLE_ROWS = 20_000
_VALUES_MET = 1_000
#: Two columns together are tried as a key where none alone is one, of so many columns.
_TRIED_TOGETHER = 8
#: So many columns of a side are met with each of the other side's by their values.
_COLUMNS_MOST = 40
#: Of a hundred values of columns with different names so many are on the other side, and so many in all, or they are
#: no key: one or two may be the same by chance.
_MET_PERCENT, _MET_LEAST = 50, 3

Group = tuple[Pair, ...]


@dataclass(frozen=True)
class _Counted:
    """Of a side's first rows: how many there are, how many of them have a value, and how many values differ."""

    rows: int
    given: int
    different: int

    @property
    def tells(self) -> bool:
        """Whether values tell rows apart; a few rows may have none, and are refused by name."""
        return 10 * self.different >= 9 * self.given and 2 * self.given >= self.rows > 0


@dataclass(frozen=True)
class _Told:
    """A column that tells rows apart, and how long its values are together."""

    name: str
    length: int


def guess_key(
    left: str, right: str, columns: tuple[Sequence[str], Sequence[str]], reading: Reading, engine: LocalEngine
) -> Group:
    """The column that tells rows apart and has the same values on both sides: one that both sides name alike and whose
    name says so first, then the one with most values; two such columns together where none does alone; then one that is
    called a key and mostly tells rows apart. All that by the left side's rows, then by the right side's: they may be
    the sums of the left's. Then columns of different names whose values are mostly the same. What is called an amount
    is never a key. Raises NothingToCompare.

    The first rows show which columns may be it; only the best of them are met with the other side. A side without rows
    meets everything.
    """
    common = alike(*columns)
    empty = [not engine.query(f"SELECT 1 FROM {identifier(relation)} LIMIT 1").num_rows for relation in (left, right)]
    sides = [side for side in (0, 1) if not empty[side]] or [0]
    for side in sides:
        told_by = (side, (left, right)[side])
        for group in _likely_keys(common, told_by, reading, engine) if not all(empty) else _first(common):
            if any(empty) or _meets(group, left, right, reading, engine):
                return group
    found = None if any(empty) else _by_values(left, right, columns, reading, engine)
    if found is not None:
        return (found,)
    names = ", ".join(pair.name for pair in common) or "none"
    called = next((pair.name for pair in common if _named(pair)), None)
    if called is not None:
        raise NothingToCompare(
            f"no column that both sides have tells their rows apart (both have: {names}); name more columns of a key "
            f"with --key, or say --key {called} with --sum-left --sum-right, which add up the rows of a key"
        )
    raise NothingToCompare(
        f"no column that both sides have tells their rows apart (both have: {names}); name "
        f"the key with --key, for example --key {_example(left, right, columns, reading, engine)}"
    )


def _likely_keys(
    common: Sequence[Pair], told_by: tuple[int, str], reading: Reading, engine: LocalEngine
) -> Iterator[Group]:
    """The groups that may be the key by the rows of one side, the likeliest first."""
    counted = _told_apart([(pair,) for pair in common], told_by, reading, engine)
    others = [pair for pair in common if not _is_amount(pair.left, pair.right)]
    likely = sorted(others, key=lambda pair: (not _named(pair), -counted[pair,].different, common.index(pair)))
    yield from ((pair,) for pair in likely if counted[pair,].tells)
    both = _told_apart(list(combinations(likely[:_TRIED_TOGETHER], 2)), told_by, reading, engine)
    yield from (group for group in both if _named(group[0]) and both[group].tells)
    yield from ((pair,) for pair in likely if _often(counted, pair))


def _first(common: Sequence[Pair]) -> Iterator[Group]:
    """Where no side has rows, what is called a key, or else the first column."""
    yield from ((pair,) for pair in sorted(common, key=lambda pair: not _named(pair)))


def _named(pair: Pair) -> bool:
    return KEY_NAME.search(pair.left) is not None


def _told_apart(
    asked: Sequence[Group], told_by: tuple[int, str], reading: Reading, engine: LocalEngine
) -> dict[Group, _Counted]:
    counted: dict[Group, _Counted] = {}
    for at in range(0, len(asked), _COUNTED_TOGETHER):
        counted |= _counted(asked[at : at + _COUNTED_TOGETHER], told_by, reading, engine)
    return counted


def _counted(
    asked: Sequence[Group], told_by: tuple[int, str], reading: Reading, engine: LocalEngine
) -> dict[Group, _Counted]:
    side, relation = told_by
    pairs = list(dict.fromkeys(pair for group in asked for pair in group))
    texts = ", ".join(f"{folded_sql(pair.of(side), reading)} AS x{at}" for at, pair in enumerate(pairs))
    counts = []
    for at, group in enumerate(asked):
        values = [f"x{pairs.index(pair)}" for pair in group]
        given = " AND ".join(f"{value} IS NOT NULL" for value in values)
        counts.append(f"count(*) FILTER ({given}) AS g{at}")
        counts.append(f"count(DISTINCT ({', '.join(values)})) FILTER ({given}) AS d{at}")
    found = engine.query(
        f"""SELECT count(*) AS rows, {", ".join(counts)}
        FROM (SELECT {texts} FROM (FROM {identifier(relation)} LIMIT {_SAMPLE_ROWS})) AS read"""
    ).to_pylist()[0]
    return {group: _Counted(found["rows"], found[f"g{at}"], found[f"d{at}"]) for at, group in enumerate(asked)}


def _is_amount(*names: str) -> bool:
    return any(not KEY_NAME.search(name) and any(word in name.lower() for word in AMOUNT_NAMES) for name in names)


def _often(counted: Mapping[Group, _Counted], pair: Pair) -> bool:
    """Whether the name says key, and most rows have a value of their own."""
    found = counted[pair,]
    return _named(pair) and 2 * found.different >= found.rows > 0


def _meets(group: Group, left: str, right: str, reading: Reading, engine: LocalEngine) -> bool:
    """Whether some of the left side's values are on the right side."""
    ours, theirs = (
        ", ".join(f"{folded_sql(pair.of(side), reading)} AS v{at}" for at, pair in enumerate(group)) for side in (0, 1)
    )
    by = ", ".join(f"v{at}" for at in range(len(group)))
    met = engine.query(
        f"""SELECT count(*) AS met FROM (
            SELECT DISTINCT {ours} FROM {identifier(left)} USING SAMPLE {_VALUES_MET} ROWS (reservoir, 1)) AS few
        SEMI JOIN (SELECT {theirs} FROM {identifier(right)}) AS all_of USING ({by})"""
    )
    return bool(met["met"][0].as_py())


def _by_values(
    left: str, right: str, columns: tuple[Sequence[str], Sequence[str]], reading: Reading, engine: LocalEngine
) -> Pair | None:
    """The two columns that tell their side's rows apart and whose values are mostly the same; those named like a key
    first, then those with the longest values. None where there are none."""
    ours, theirs = (
        _telling(relation, names[:_COLUMNS_MOST], reading, engine)
        for relation, names in zip((left, right), columns, strict=True)
    )
    likely: list[tuple[int, int, Pair]] = []
    for mine in ours:
        few = engine.query(
            f"""SELECT DISTINCT {folded_sql(mine.name, reading)} AS v FROM {identifier(left)} WHERE v IS NOT NULL
            USING SAMPLE {_VALUES_MET} ROWS (reservoir, 1)"""
        )
        for yours in theirs:
            there = f"SELECT {folded_sql(yours.name, reading)} AS v FROM {identifier(right)}"
            met = engine.query(f"SELECT count(*) AS n FROM few SEMI JOIN ({there}) USING (v)", few=few)["n"][0].as_py()
            if met >= _MET_LEAST and 100 * met >= _MET_PERCENT * few.num_rows:
                pair = Pair(mine.name, yours.name)
                named = sum(KEY_NAME.search(name) is not None for name in (mine.name, yours.name))
                likely.append((-named, -mine.length, pair))
    return min(likely, key=lambda found: found[:2], default=(0, 0, None))[2]


def _telling(relation: str, names: Sequence[str], reading: Reading, engine: LocalEngine) -> list[_Told]:
    """The columns that tell the first rows apart."""
    names = [name for name in names if not _is_amount(name)]
    if not names:
        return []
    counts = ", ".join(
        f"count({text}) AS g{at}, count(DISTINCT {text}) AS d{at}, coalesce(sum(length({text})), 0)::BIGINT AS l{at}"
        for at, text in enumerate(folded_sql(name, reading) for name in names)
    )
    found = engine.query(
        f"SELECT count(*) AS rows, {counts} FROM (FROM {identifier(relation)} LIMIT {_SAMPLE_ROWS})"
    ).to_pylist()[0]
    counted = [_Counted(found["rows"], found[f"g{at}"], found[f"d{at}"]) for at in range(len(names))]
    return [_Told(name, found[f"l{at}"]) for at, name in enumerate(names) if counted[at].tells]


def _example(
    left: str, right: str, columns: tuple[Sequence[str], Sequence[str]], reading: Reading, engine: LocalEngine
) -> str:
    """The two columns, one of each side, that have most values in common; an invented pair where none have any."""
    if not columns[0] or not columns[1]:
        return "order_id=reference"
    sides = [
        engine.query(
            f"SELECT DISTINCT place, v FROM (SELECT unnest(range({len(names)})) AS place, unnest(["
            f"{', '.join(folded_sql(name, reading) for name in names)}]) AS v "
            f"FROM (FROM {identifier(relation)} LIMIT {_SAMPLE_ROWS})) WHERE length(v) > 2"
        )
        for relation, names in ((left, columns[0]), (right, columns[1]))
    ]
    best = engine.query(
        """SELECT ours.place AS ours, theirs.place AS theirs, count(*) AS met FROM ours JOIN theirs USING (v)
        GROUP BY 1, 2 ORDER BY met DESC, 1, 2 LIMIT 1""",
        ours=sides[0],
        theirs=sides[1],
    ).to_pylist()
    if not best:
        return "order_id=reference"
    return f"{Pair(columns[0][best[0]['ours']], columns[1][best[0]['theirs']]).name} (they have values in common)"
