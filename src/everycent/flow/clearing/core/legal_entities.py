"""Which of the platform's companies settles a charge: by tenant, business and charge, and by business day."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from everycent.flow.clearing.contract import ClearingRefused

#: The columns of the table; the first three may be empty and then say nothing of their kind.
COLUMNS = ("tenant", "business", "charge", "legal_entity", "valid_from", "valid_to")

#: Who settles a charge: a legal entity and the first day on which it does; the first one from the beginning of time.
Settled = tuple[tuple[date, str], ...]

_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()


@dataclass(frozen=True)
class _Row:
    line: int
    entity: str
    since: date
    until: date

    @property
    def days(self) -> str:
        since = "" if self.since == date.min else f" from {self.since}"
        return f"line {self.line} ({self.entity}{since}{'' if self.until == date.max else f' until {self.until}'})"


def read_legal_entities(
    file: str,
    columns: Sequence[str],
    rows: Iterable[tuple[int, Sequence[str]]],
    tenant: str,
    business: str,
    charges: Collection[str],
) -> dict[str, Settled]:
    """By charge of `charges` that the table has rows of: who settles it, and from when on.

    `rows`: line and cells. Rows of another tenant or business are passed over. Raises ClearingRefused where a day has
    nobody or two, or where what is written cannot be read.
    """
    if set(columns) != set(COLUMNS):
        raise _refused(f"{file} has the columns {', '.join(columns)}; the table has {', '.join(COLUMNS)}")
    by_charge: dict[str, list[_Row]] = {}
    for line, cells in rows:
        said = dict(zip(columns, (cell.strip() for cell in cells), strict=True))
        if said["tenant"] not in ("", tenant) or said["business"] not in ("", business):
            continue
        if said["charge"] not in ("", *charges):
            if said["business"]:
                raise _refused(f"{file}, line {line}: {_unknown(said['charge'], charges)}")
            continue  # another business's
        row = _row(file, line, said)
        for charge in charges if said["charge"] == "" else (said["charge"],):
            by_charge.setdefault(charge, []).append(row)
    return {charge: _in_order(file, charge, by_charge[charge]) for charge in charges if charge in by_charge}


def _row(file: str, line: int, said: Mapping[str, str]) -> _Row:
    if not said["legal_entity"]:
        raise _refused(f"{file}, line {line}: the legal entity is missing")
    since = _day(file, line, said["valid_from"]) or date.min
    until = _day(file, line, said["valid_to"]) or date.max
    if until <= since:
        raise _refused(f"{file}, line {line}: it ends before it begins; valid_to is the first day after")
    return _Row(line, said["legal_entity"], since, until)


def _day(file: str, line: int, text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise _refused(f"{file}, line {line}: '{text}' is not a date; write for example 2026-03-01") from None


def _in_order(file: str, charge: str, rows: list[_Row]) -> Settled:
    ordered = sorted(rows, key=lambda row: (row.since, row.line))
    if ordered[0].since > date.min:
        said = f"{file}: nobody settles '{charge}' before {ordered[0].since}"
        raise _refused(f"{said}; leave valid_from empty in line {ordered[0].line}, or add who did")
    for row, following in pairwise(ordered):
        if following.since < row.until:
            said = f"{file}: two settle '{charge}' on {following.since}, {row.days} and {following.days}"
            raise _refused(f"{said}; end one where the other begins")
        if following.since > row.until:
            raise _refused(f"{file}: nobody settles '{charge}' from {row.until} until {following.since}; add who does")
    if ordered[-1].until < date.max:
        said = f"{file}: nobody settles '{charge}' from {ordered[-1].until} on"
        raise _refused(f"{said}; leave valid_to empty in line {ordered[-1].line}, or add who does")
    return tuple((row.since, row.entity) for row in ordered)


def _refused(message: str) -> ClearingRefused:
    return ClearingRefused(message, ("legal_entities",))


def _unknown(charge: str, charges: Collection[str]) -> str:
    near = get_close_matches(charge, list(charges), n=1)
    hint = f"did you mean '{near[0]}'?" if near else f"it has {', '.join(charges)}"
    return f"the model has no charge '{charge}'; {hint}"


def settled_by(
    settled: Sequence[Settled], code: npt.NDArray[np.integer], days: Callable[[], npt.NDArray[np.int32]]
) -> tuple[npt.NDArray[np.int32], list[str]]:
    """Each row's legal entity as its place among the distinct names.

    `settled`: of each charge; `code`: each row's charge. `days`: each row's business day, in days since 1970; asked for
    where a charge changed hands.
    """
    names = list(dict.fromkeys(name for each in settled for _, name in each))
    entity = np.array([names.index(each[0][1]) for each in settled], dtype=np.int32)[code]
    changing = [at for at, each in enumerate(settled) if len(each) > 1]
    if not changing:
        return entity, names
    day = days()
    for at in changing:
        rows = np.flatnonzero(code == at)
        starts = np.array([since.toordinal() - _EPOCH_ORDINAL for since, _ in settled[at][1:]], dtype=np.int64)
        theirs = np.array([names.index(name) for _, name in settled[at]], dtype=np.int32)
        entity[rows] = theirs[np.searchsorted(starts, day[rows], side="right")]
    return entity, names
