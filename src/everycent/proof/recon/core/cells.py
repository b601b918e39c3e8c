"""How cells of a file become what is compared: texts, exact numbers, times. No cell passes through a float.

A number has up to nine decimals; what has more whole digits than 38 digits leave room for is compared as its digits.
"""

from dataclasses import dataclass
from typing import Literal

from everycent.base.engine.sql import identifier, literal

#: Decimals beyond these are not told apart.
DECIMALS_MOST = 9

#: Types that hold whole numbers, those that hold any, and those that hold times.
WHOLE_TYPES = ("BIGINT", "INTEGER", "SMALLINT", "TINYINT")
NUMBER_TYPES = ("DECIMAL", "DOUBLE", "FLOAT", "HUGEINT", *(f"U{kind}" for kind in WHOLE_TYPES), *WHOLE_TYPES)
TIME_TYPES = ("TIMESTAMP", "DATE")

#: What cells are compared as. `digits`: numbers that may be too long for arithmetic, as their canonical digits.
Kind = Literal["whole", "number", "digits", "time", "text"]
Mark = Literal[".", ","]

_EXACT_TYPE = f"DECIMAL(38, {DECIMALS_MOST})"

#: A number as programs write it, and as spreadsheets write very small and very large ones.
_PLAIN = r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+][0-9]+)?"
#: A number as people write it: a sign before or behind, a currency's sign, groups of three, decimals, a
#: sign for per cent (12.5% is 12.5).
_WRITTEN = (
    r"^([-+]?) ?[¥￥$€£]? ?([-+]?)([0-9]{{1,3}}(?:[{group}' \x{{00a0}}\x{{202f}}][0-9]{{3}})+|[0-9]+)({mark}[0-9]*)?"
    r" ?[¥￥$€£元%]?([-+]?)$"
)
_SIGN_WHOLE_PART = r"\1\2\5\3\4"
_GROUPING = r"[' \x{00a0}\x{202f}]"


@dataclass(frozen=True)
class Reading:
    """How cells become values. `blanks`: texts that say that there is no value. `trim`, `fold_case`: done before.
    `marks`, `times`: of the left and of the right side, what stands before decimals, and how times are written
    (strptime); None where it is found out."""

    blanks: tuple[str, ...] = ()
    trim: bool = True
    fold_case: bool = False
    marks: tuple[Mark | None, Mark | None] = (None, None)
    times: tuple[str | None, str | None] = (None, None)


@dataclass(frozen=True)
class Column:
    """A column of a file, and how its cells are written. `type`: the engine's. `times`: strptime formats, of which one
    fits; none: ISO 8601."""

    name: str
    type: str
    mark: Mark = "."
    times: tuple[str, ...] = ()


def text_sql(name: str, reading: Reading) -> str:
    """A cell as text, NULL where it has no value."""
    text = f"{identifier(name)}::VARCHAR"
    text = _trimmed(text) if reading.trim else text
    for blank in ("", *reading.blanks):
        text = f"nullif({text}, {literal(blank)})"
    return text


def folded_sql(name: str, reading: Reading) -> str:
    """A cell as the text by which it is compared, or found as a key."""
    text = text_sql(name, reading)
    return f"lower({text})" if reading.fold_case else text


def mended_sql(name: str, reading: Reading) -> str:
    """Whether the text of a cell is another than the cell as it stands."""
    cell = f"{identifier(name)}::VARCHAR"
    other = f"({text_sql(name, reading)}) IS DISTINCT FROM {cell}"
    return other if reading.blanks else f"CASE WHEN {_plain(cell)} THEN false ELSE {other} END"


def _trimmed(text: str) -> str:
    return f"CASE WHEN {_plain(text)} THEN {text} ELSE trim({text}) END"


def _plain(text: str) -> str:
    """Whether it surely has nothing to trim: letters of one byte, no blank at either end. (The engine's own trim looks
    up each letter, which takes ten times as long.)"""
    return f"strlen({text}) = length({text}) AND {text} >= '!' AND NOT ends_with({text}, ' ')"


def number_sql(text: str, mark: Mark = ".") -> str:
    """A text as an exact number; NULL where it is none."""
    # '(1.00)' is how accountants write -1.00
    signed = rf"regexp_replace({text}, '^\((.+)\)$', '-\1')"
    if mark == ".":
        written = literal(_WRITTEN.format(group=",", mark=r"\."))
        loose = f"replace(regexp_replace({signed}, {written}, {literal(_SIGN_WHOLE_PART)}), ',', '')"
    else:
        written = literal(_WRITTEN.format(group=r"\.", mark=","))
        loose = f"replace(replace(regexp_replace({signed}, {written}, {literal(_SIGN_WHOLE_PART)}), '.', ''), ',', '.')"
    found = (
        f"CASE WHEN regexp_matches({signed}, {written}) "
        f"THEN TRY_CAST(regexp_replace({loose}, {literal(_GROUPING)}, '', 'g') AS {_EXACT_TYPE}) END"
    )
    if mark == ",":
        return found
    plain = f"regexp_full_match({text}, {literal(_PLAIN)})"
    return f"CASE WHEN {plain} THEN TRY_CAST({text} AS {_EXACT_TYPE}) ELSE {found} END"


def time_sql(text: str, formats: tuple[str, ...] = ()) -> str:
    """A text as a time, UTC where it states its distance to UTC; NULL where it is none."""
    if formats:
        return f"try_strptime({text}, [{', '.join(map(literal, formats))}])"
    stated = f"length({text}) > 19 OR contains({text}, '+')"
    return f"CASE WHEN {stated} THEN TRY_CAST({text} AS TIMESTAMPTZ)::TIMESTAMP ELSE TRY_CAST({text} AS TIMESTAMP) END"


def exact_sql(column: Column, reading: Reading) -> str:
    """A cell as an exact number; a binary fraction by its shortest digits. NULL where it is none, or too long."""
    if column.type.startswith("DECIMAL") and _fits(column.type):
        return f"{identifier(column.name)}::{_EXACT_TYPE}"
    if column.type in WHOLE_TYPES:
        return f"{identifier(column.name)}::{_EXACT_TYPE}"
    if column.type.startswith(("DECIMAL", "HUGEINT", *(f"U{kind}" for kind in WHOLE_TYPES))):
        return f"TRY_CAST({identifier(column.name)} AS {_EXACT_TYPE})"
    return number_sql(text_sql(column.name, reading), column.mark)


def value_sql(column: Column, kind: Kind, reading: Reading) -> str:
    """A cell as it is compared; what has the type already is taken as it is."""
    match kind:
        case "whole":
            return f"{identifier(column.name)}::BIGINT"
        case "number":
            return exact_sql(column, reading)
        case "digits":
            return _digits_sql(column, reading)
        case "time" if column.type.startswith(TIME_TYPES):
            return f"{identifier(column.name)}::TIMESTAMP"
        case "time":
            return time_sql(text_sql(column.name, reading), column.times)
    return folded_sql(column.name, reading)


def minor_sql(column: Column, decimals: int, reading: Reading) -> str:
    """A cell in units of 10**-decimals; NULL where it has more decimals, or does not fit 64 bits."""
    if column.type in WHOLE_TYPES and not decimals:
        return f"{identifier(column.name)}::BIGINT"
    scaled = f"TRY({exact_sql(column, reading)} * {10**decimals})"
    return f"CASE WHEN {scaled} = trunc({scaled}) THEN TRY_CAST({scaled} AS BIGINT) END"


def too_long(column_type: str) -> bool:
    """Whether numbers of the type may not fit the exact type."""
    return column_type in ("HUGEINT", "UHUGEINT") or (column_type.startswith("DECIMAL") and not _fits(column_type))


def _fits(decimal_type: str) -> bool:
    width, _, scale = decimal_type.removeprefix("DECIMAL(").removesuffix(")").partition(",")
    return int(scale) <= DECIMALS_MOST and int(width) - int(scale) <= 38 - DECIMALS_MOST


def _digits_sql(column: Column, reading: Reading) -> str:
    """The digits of a number, without zeros that say nothing."""
    exact = column.type.startswith(("DECIMAL", "HUGEINT", "U", *WHOLE_TYPES))
    text = f"{identifier(column.name)}::VARCHAR" if exact else f"({exact_sql(column, reading)})::VARCHAR"
    return rf"regexp_replace(regexp_replace({text}, '(\.[0-9]*?)0+$', '\1'), '\.$', '')"
