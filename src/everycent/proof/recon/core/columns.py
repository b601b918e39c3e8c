"""Which columns of two files belong together: what was said, and what is found out where nothing was."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import identifier
from everycent.proof.recon.core.cells import Kind, Reading, text_sql

#: Names that say that a column tells rows apart.
KEY_NAME = re.compile(r"(^|[_ ])(id|no|nr|number|ref|reference|key|code|uuid)$|号|编号|Id$|ID$|No$", re.IGNORECASE)
#: Names that say that a column holds what is to be compared in money, the most telling first.
AMOUNT_NAMES = ("amount_minor", "amount", "total", "金额", "gross", "net", "paid", "value", "price")
#: Names that say in which currency a row's amount is.
CURRENCY_NAME = re.compile(r"(^|[_ ])(currency|ccy|curr)([_ ]code)?$|币种|货币", re.IGNORECASE)

#: What a column may be said to be compared as.
_SAID: tuple[Kind, ...] = ("number", "time", "text")
_SAMPLE_ROWS = 20_000
_VALUES_MET = 1_000
#: Two columns together are tried as a key where none alone is one, of so many columns.
_TRIED_TOGETHER = 8


class NothingToCompare(Exception):
    """The columns named do not fit the files. The message says which, and what there is."""


@dataclass(frozen=True)
class Pair:
    """A column of the left side and the column of the right side that says the same; `name` is what people read."""

    left: str
    right: str

    @property
    def name(self) -> str:
        return self.left if self.left == self.right else f"{self.left}={self.right}"

    def of(self, side: int) -> str:
        """The column's name on a side: 0 left, 1 right."""
        return self.right if side else self.left


def pairs_of(words: Sequence[str], left: Sequence[str], right: Sequence[str]) -> tuple[Pair, ...]:
    """`a`, `a,b` and `ours=theirs` as pairs of columns. Raises NothingToCompare for a column that is not there."""
    return tuple(pair for pair, _ in compared_pairs(words, left, right, kinds=False))


def compared_pairs(
    words: Sequence[str], left: Sequence[str], right: Sequence[str], *, kinds: bool = True
) -> tuple[tuple[Pair, Kind | None], ...]:
    """As pairs_of, each perhaps with what it is compared as: `a:number`, `ours=theirs:time`."""
    pairs: list[tuple[Pair, Kind | None]] = []
    for word in (part.strip() for text in words for part in _apart(text, (*left, *right))):
        named, kind = _kind_said(word, (*left, *right)) if kinds else (word, None)
        ours, equals, theirs = (named, "", "") if named in left and named in right else named.partition("=")
        pair = Pair(ours.strip(), theirs.strip() if equals else ours.strip())
        for side, name, there in (("left", pair.left, left), ("right", pair.right, right)):
            if name not in there:
                raise NothingToCompare(
                    f"the {side} side has no column '{name}'; it has: {', '.join(there)}. Where the two sides name it "
                    f"differently, write LEFT=RIGHT"
                )
        pairs.append((pair, kind))
    return tuple(pairs)


def currency_pair(left: Sequence[str], right: Sequence[str]) -> Pair | None:
    """The column that both sides have in which a row names its currency."""
    return next((Pair(name, name) for name in left if CURRENCY_NAME.search(name) and name in right), None)


def _apart(text: str, names: Sequence[str]) -> list[str]:
    """The parts between commas; a column's own comma does not part its name."""
    return [text] if text in names else text.split(",")


def _kind_said(word: str, names: Sequence[str]) -> tuple[str, Kind | None]:
    named, colon, kind = word.rpartition(":")
    if not colon or word in names or kind not in _SAID:
        return word, None
    return named, kind


def guess_key(
    left: str, right: str, columns: tuple[Sequence[str], Sequence[str]], reading: Reading, engine: LocalEngine
) -> tuple[Pair, ...]:
    """The common column that tells rows apart and has the same values on both sides: one whose name says so first, then
    the one with most values; two columns together where none does alone; else one that is called a key and mostly tells
    rows apart. Raises NothingToCompare.

    The first rows show which columns may be it; only the best of them are met with the other side. A side without rows
    meets everything.
    """
    common = [name for name in columns[0] if name in columns[1]]
    empty = [not engine.query(f"SELECT 1 FROM {identifier(relation)} LIMIT 1").num_rows for relation in (left, right)]
    told_by = right if empty[0] else left
    counted = _told_apart([(name,) for name in common], told_by, reading, engine)
    alone = [names for names in counted if (_tells(counted, names) and not _is_amount(names[0])) or all(empty)]
    ranked = sorted(
        alone, key=lambda names: (not KEY_NAME.search(names[0]), -counted[names][0], common.index(names[0]))
    )
    for names in ranked:
        if any(empty) or _meets(names, left, right, reading, engine):
            return (Pair(names[0], names[0]),)
    named = [name for name in common if not _is_amount(name)]
    likely = sorted(named, key=lambda name: (not KEY_NAME.search(name), -counted[name,][0], common.index(name)))
    both = _told_apart(list(combinations(likely[:_TRIED_TOGETHER], 2)), told_by, reading, engine)
    for names in both:
        if KEY_NAME.search(names[0]) and _tells(both, names) and _meets(names, left, right, reading, engine):
            return tuple(Pair(name, name) for name in names)
    for name in likely:
        if _often(counted, name) and (any(empty) or _meets((name,), left, right, reading, engine)):
            return (Pair(name, name),)
    raise NothingToCompare(
        f"no column that both sides have tells their rows apart (both have: {', '.join(common) or 'none'}); name "
        f"the key with --key, for example --key {_example(left, right, columns, reading, engine)}"
    )


def _told_apart(
    asked: Sequence[tuple[str, ...]], relation: str, reading: Reading, engine: LocalEngine
) -> dict[tuple[str, ...], tuple[int, int]]:
    """Of each group of columns, how many different values and how many rows the first rows have."""
    if not asked:
        return {}
    counts = ", ".join(
        f"count(DISTINCT ({', '.join(text_sql(name, reading) for name in names)})) AS d{at}"
        if len(names) > 1
        else f"count(DISTINCT {text_sql(names[0], reading)}) AS d{at}"
        for at, names in enumerate(asked)
    )
    found = engine.query(
        f"SELECT count(*) AS rows, {counts} FROM (FROM {identifier(relation)} LIMIT {_SAMPLE_ROWS})"
    ).to_pylist()[0]
    return {names: (found[f"d{at}"], found["rows"]) for at, names in enumerate(asked)}


def _tells(counted: dict[tuple[str, ...], tuple[int, int]], names: tuple[str, ...]) -> bool:
    different, rows = counted[names]
    return different > 0 and different * 10 >= rows * 9


def _is_amount(name: str) -> bool:
    return not KEY_NAME.search(name) and any(word in name.lower() for word in AMOUNT_NAMES)


def _often(counted: dict[tuple[str, ...], tuple[int, int]], name: str) -> bool:
    """Whether the name says key, and most rows have a value of their own."""
    different, rows = counted[name,]
    return bool(KEY_NAME.search(name)) and different > 0 and different * 2 >= rows


def _meets(names: Sequence[str], left: str, right: str, reading: Reading, engine: LocalEngine) -> bool:
    """Whether some of the left side's values are on the right side."""
    values = ", ".join(f"{text_sql(name, reading)} AS v{at}" for at, name in enumerate(names))
    by = ", ".join(f"v{at}" for at in range(len(names)))
    met = engine.query(
        f"""SELECT count(*) AS met FROM (
            SELECT DISTINCT {values} FROM {identifier(left)} USING SAMPLE {_VALUES_MET} ROWS (reservoir, 1)) AS few
        SEMI JOIN (SELECT {values} FROM {identifier(right)}) AS all_of USING ({by})"""
    )
    return bool(met["met"][0].as_py())


def _example(
    left: str, right: str, columns: tuple[Sequence[str], Sequence[str]], reading: Reading, engine: LocalEngine
) -> str:
    """The two columns, one of each side, that have most values in common; an invented pair where none have any."""
    if not columns[0] or not columns[1]:
        return "order_id=reference"
    sides = [
        engine.query(
            f"SELECT DISTINCT place, v FROM (SELECT unnest(range({len(names)})) AS place, unnest(["
            f"{', '.join(text_sql(name, reading) for name in names)}]) AS v "
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
