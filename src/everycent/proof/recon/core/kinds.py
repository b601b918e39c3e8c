"""What a column of texts can be read as: numbers, with a point or a comma before their decimals, or times."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import identifier, literal
from everycent.proof.recon.contract import CauseText
from everycent.proof.recon.core.cells import (
    NUMBER_TYPES,
    TIME_TYPES,
    Column,
    Kind,
    Mark,
    Reading,
    number_sql,
    text_sql,
    time_sql,
)

#: So many rows show what most columns are.
_LOOKED_AT = 10_000
#: So few show what is no time, in any of the many ways to write one.
_FEW = 100
#: What the engine needs to understand a query grows with the square of what is asked: so many columns in one.
_ASKED_TOGETHER = 20
_MARKS: tuple[Mark, ...] = (".", ",")

_A_NAME = "'^[-+]?0[0-9]'"

_CLOCKS = (" %H:%M:%S", " %H:%M", "")
#: How people write times, beside ISO 8601. A column that two of these fit says nothing of its times.
_DAYS = ("%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y.%m.%d", "%Y年%m月%d日", "%d %b %Y",
         "%d-%b-%Y", "%b %d, %Y", "%d/%b/%Y")  # fmt: skip
_WRITTEN_TIMES: tuple[tuple[str, ...], ...] = (
    *(tuple(day + clock for clock in _CLOCKS) for day in _DAYS),
    ("%Y%m%d%H%M%S", "%Y%m%d"),
)


#: What every time of these ways is: digits alone, or parts with two signs between them.
_MAY_BE_TIME = r"[0-9]{6,}|(?s:.*[-/. 年].*[-/. 月].*)"


@dataclass(frozen=True)
class Readable:
    """What a column can be read as, the likeliest way of each kind; `cells` have a value, `numbers` of them are
    numbers. `unsure` says why its times are not known."""

    column: Column
    kinds: frozenset[Kind]
    cells: int = 0
    numbers: int = 0
    unsure: CauseText | None = None


@dataclass
class _Ways:
    """The ways in which a column may still be read."""

    name: str
    marks: list[Mark]
    times: list[tuple[str, ...]]
    cells: int = 0
    numbers: dict[Mark, int] = field(default_factory=dict)


def readable(
    relation: str, columns: Sequence[Column], reading: Reading, side: int, engine: LocalEngine
) -> list[Readable]:
    """What all cells of each column can be read as. A number that begins with 0 is a name made of digits.

    The first rows are looked at before all of them: most columns show there what they are. side: 0 left, 1 right.
    """
    texts = [column for column in columns if column.type == "VARCHAR"]
    mark, times = reading.marks[side], reading.times[side]
    ways = {
        column.name: _Ways(
            column.name,
            list(_MARKS) if mark is None else [mark],
            [(), *_WRITTEN_TIMES] if times is None else [(times,)],
        )
        for column in texts
    }
    few, first = (f"(FROM {identifier(relation)} LIMIT {rows})" for rows in (_FEW, _LOOKED_AT))
    if times is None:
        _drop_times(list(ways.values()), few, reading, engine)
    timed = {way.name: _Ways(way.name, [], way.times) for way in ways.values()}
    _narrow(list(timed.values()), few, reading, engine)
    for name, way in ways.items():
        way.times = timed[name].times
    if _narrow(list(ways.values()), first, reading, engine) == _LOOKED_AT:
        _narrow(list(ways.values()), identifier(relation), reading, engine)
    return [_found(column, ways.get(column.name), reading, side) for column in columns]


def _drop_times(ways: list[_Ways], rows: str, reading: Reading, engine: LocalEngine) -> None:
    """Columns with a cell that is no time in any of the ways have none, which one look tells of most."""
    for at in range(0, len(ways), _ASKED_TOGETHER):
        some = ways[at : at + _ASKED_TOGETHER]
        may = ", ".join(
            f"bool_and(regexp_full_match({text_sql(way.name, reading)}, {literal(_MAY_BE_TIME)}))" for way in some
        )
        found = engine.query(f"SELECT unnest([{may}]) AS may FROM {rows}")["may"].to_pylist()
        for way, may_be in zip(some, found, strict=True):
            if may_be is False:
                way.times = []


def _narrow(ways: list[_Ways], rows: str, reading: Reading, engine: LocalEngine) -> int:
    """Looks at the rows; what does not fit all cells of a column is dropped, save where most are numbers. Gives how
    many rows there are, 0 where nothing is left to be looked at."""
    left = [way for way in ways if way.marks or way.times]
    counted = 0
    for at in range(0, len(left), _ASKED_TOGETHER):
        counted = _narrow_few(left[at : at + _ASKED_TOGETHER], rows, reading, engine)
    return counted


def _narrow_few(ways: Sequence[_Ways], rows: str, reading: Reading, engine: LocalEngine) -> int:
    texts = ", ".join(f"{text_sql(way.name, reading)} AS x{at}" for at, way in enumerate(ways))
    asked: list[str] = []
    for at, way in enumerate(ways):
        asked.append(f"count(x{at}) AS c{at}")
        asked += [
            f"count(CASE WHEN NOT regexp_matches(x{at}, {_A_NAME}) THEN {number_sql(f'x{at}', mark)} END) AS n{at}_{no}"
            for no, mark in enumerate(way.marks)
        ]
        asked += [f"count({_time(f'x{at}', formats)}) AS t{at}_{no}" for no, formats in enumerate(way.times)]
    found = engine.query(
        f"SELECT count(*) AS rows, {', '.join(asked)} FROM (SELECT {texts} FROM {rows}) AS read"
    ).to_pylist()[0]
    for at, way in enumerate(ways):
        way.cells = found[f"c{at}"]
        if not way.cells:
            continue  # it may have values further down
        way.numbers = {mark: found[f"n{at}_{no}"] for no, mark in enumerate(way.marks)}
        way.marks = [mark for mark in way.marks if 2 * way.numbers[mark] > way.cells]
        way.times = [formats for no, formats in enumerate(way.times) if found[f"t{at}_{no}"] == way.cells > 0]
    return int(found["rows"])


def _time(text: str, formats: tuple[str, ...]) -> str:
    if formats:
        return time_sql(text, formats)
    return f"CASE WHEN {text} LIKE '%-%' OR {text} LIKE '%/%' THEN {time_sql(text)} END"


def _found(column: Column, way: _Ways | None, reading: Reading, side: int) -> Readable:
    if column.type.startswith(NUMBER_TYPES):
        return Readable(column, frozenset({"number"}))
    if column.type.startswith(TIME_TYPES):
        return Readable(column, frozenset({"time"}))
    if way is None:
        return Readable(column, frozenset({"text"}))
    if not way.cells:
        return Readable(column, frozenset({"text", "number", "time"}))
    marks = sorted(way.marks, key=lambda mark: (-way.numbers[mark], _MARKS.index(mark)))
    numbers = way.numbers[marks[0]] if marks else 0
    kinds: set[Kind] = {"text"}
    if way.cells == numbers:
        kinds.add("number")
    iso = [formats for formats in way.times if not formats or reading.times[side] is not None]
    times = iso[:1] or (way.times if len(way.times) == 1 else [])
    if times:
        kinds.add("time")
    unsure = None
    if not times and len(way.times) > 1:
        ways = [formats[-1] for formats in way.times]
        unsure = CauseText(
            f"its times could be written {' or '.join(ways)}: say which with --left-dates, --right-dates",
            f"日期可能写作 {' 或 '.join(ways)}：请用 --left-dates、--right-dates 指明",
        )
    read = replace(column, mark=marks[0] if marks else ".", times=times[0] if times else ())
    return Readable(read, frozenset(kinds), way.cells, numbers, unsure)


def types_of(relation: str, engine: LocalEngine) -> dict[str, str]:
    """The columns of a relation, each with its type."""
    found = engine.query(f"SELECT column_name, column_type FROM (DESCRIBE {identifier(relation)})").to_pylist()
    return {row["column_name"]: row["column_type"] for row in found}
