"""A calendar of the business's own: periods that a table beside the model names, such as those of a 4-4-5 year."""

import re
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from itertools import pairwise

from everycent.base.money.cycle import Period

COLUMNS = ("period", "first", "last")
_NAME = re.compile(r"\w[\w.-]{0,39}")
#: As the periods of other cycles are named, and those that a contract cuts.
_OF_ANOTHER = re.compile(r"E\d+|\d{4}-\d\d(-\d\d|-H[12]|-D\d\d)?|\d{4}-W\d\d|.*\.\..*")


class CalendarRefused(ValueError):
    """What a table says is no calendar: where, why, and what would be right."""


def read_periods(file: str, columns: Sequence[str], rows: Iterable[tuple[int, Sequence[str]]]) -> tuple[Period, ...]:
    """The periods of a table, by their days, without gap or overlap. `rows`: line and cells. Raises CalendarRefused."""
    if set(columns) != set(COLUMNS):
        raise CalendarRefused(f"{file} has the columns {', '.join(columns)}; a calendar has {', '.join(COLUMNS)}")
    found: list[tuple[int, Period]] = []
    lines: dict[str, int] = {}
    for line, cells in rows:
        where = f"{file}, line {line}"
        said = dict(zip(columns, (cell.strip() for cell in cells), strict=True))
        name = said["period"]
        if _NAME.fullmatch(name) is None:
            raise CalendarRefused(f"{where}: '{name}' names no period; write 1 to 40 letters, digits, . _ or -")
        if _OF_ANOTHER.fullmatch(name) is not None:
            raise CalendarRefused(
                f"{where}: periods of other cycles are called such as '{name}'; write such as 2026-P03"
            )
        if name in lines:
            raise CalendarRefused(f"{where}: period '{name}' is in line {lines[name]} already; give it its own name")
        first, last = (_day(where, said[column]) for column in COLUMNS[1:])
        if last < first:
            raise CalendarRefused(
                f"{where}: '{name}' ends on {last}, before it begins on {first}; last is its last day"
            )
        lines[name] = line
        found.append((line, Period(name, first, last)))
    if not found:
        raise CalendarRefused(f"{file} has no period; write a line for each: {', '.join(COLUMNS)}")
    found.sort(key=lambda each: (each[1].first, each[0]))
    for (_, before), (line, after) in pairwise(found):
        if after.first != before.last + timedelta(days=1):
            what = "overlaps" if after.first <= before.last else "leaves days out after"
            said_to = f"'{before.label}', which ends on {before.last}"
            right = f"begin it on {before.last + timedelta(days=1)}"
            raise CalendarRefused(f"{file}, line {line}: '{after.label}' {what} {said_to}; {right}")
    return tuple(period for _, period in found)


def _day(where: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise CalendarRefused(f"{where}: '{text}' is not a date; write for example 2026-03-01") from None
