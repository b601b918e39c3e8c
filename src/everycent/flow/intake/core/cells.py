"""From a cell's text to its typed value, exactly, and why a cell has none. Pure builders of DuckDB expressions.

A cell is empty when nothing is left of its text once the blanks around it are off; with `trim: no` they are part of a
text. Numbers are plain digits with at most one point; zeros beyond the type's decimals say nothing, so `12.300` is a
fine amount of CNY and `12.305` is refused. Nothing is rounded and nothing passes through a float.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from everycent.base.engine.sql import literal
from everycent.base.engine.types import ColumnType
from everycent.base.money.amount import INT64_MAX, INT64_MIN, format_minor
from everycent.base.money.currency import Currency
from everycent.flow.intake.contract import ColumnSpec

_LOCAL_TIME = r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?)?"
_INSTANT = r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(Z|[+-]\d{2}(:?\d{2})?)"
_DATE = r"\d{4}-\d{2}-\d{2}([T ]00:00(:00(\.0+)?)?)?"
_TRUE = ("true", "t", "yes", "y", "1")
_FALSE = ("false", "f", "no", "n", "0")


@dataclass(frozen=True)
class CellReader:
    """How one column's cells are read: the currency of its money, and the zone of its wall clock."""

    name: str
    spec: ColumnSpec
    type: ColumnType
    currency: Currency
    time_zone: str

    def text_sql(self, raws: Sequence[str]) -> str:
        """Of the cells `raws` the first that is not empty, as text after mapping and default; NULL where none is.

        A source value that is not in `map` stays as it is.
        """
        texts = [f"CAST({raw} AS VARCHAR)" for raw in raws]
        texts = [f"nullif({self._trimmed_sql(text)}, '')" for text in texts]
        text = texts[0] if len(texts) == 1 else f"coalesce({', '.join(texts)})"
        if self.spec.map:
            turned = " ".join(f"WHEN {literal(old)} THEN {literal(new)}" for old, new in self.spec.map.items())
            text = f"(CASE {text} {turned} ELSE {text} END)"
        return text if self.spec.default is None else f"coalesce({text}, {literal(self.spec.default)})"

    def _trimmed_sql(self, text: str) -> str:
        """Without blanks around it: ' m-1' and 'm-1' are one party. Looking first is much faster than trimming all."""
        if self.type.kind != "text":
            return f"trim({text})"
        if not self.spec.trim:
            return text
        blanks = f"{text} < '!' OR suffix({text}, ' ') OR suffix({text}, chr(9))"
        return f"(CASE WHEN {blanks} THEN trim({text}, ' ' || chr(9)) ELSE {text} END)"

    def value_sql(self, text: str) -> str:
        """The typed value of the text, in `type.duckdb`; NULL where it has none."""
        value = self._unsigned_sql(text)
        match self.spec.sign:
            case "negate":
                return f"TRY(-({value}))"
            case "absolute":
                return f"TRY(abs({value}))"
        return value

    def fault_sql(self, text: str) -> str:
        """Why the text has no value; only asked where it is not NULL and its value is."""
        return f"{literal(self.name + ': ')} || {shown_sql(text)} || {self._problem_sql(text)}"

    def _unsigned_sql(self, t: str) -> str:
        match self.type.kind:
            case "text":
                return f"(CASE WHEN NOT contains({t}, chr(0)) THEN {t} END)"
            case "integer":
                return _integer_sql(t)
            case "decimal":
                return f"(CASE WHEN {_is(t, _plain(self.type.scale))} THEN TRY_CAST({t} AS {self.type.duckdb}) END)"
            case "money":
                return _integer_sql(t) if self.spec.unit == "minor" else _minor_sql(t, self.currency.exponent)
            case "boolean":
                yes, no = _list(_TRUE), _list(_FALSE)
                return f"(CASE WHEN lower({t}) IN {yes} THEN true WHEN lower({t}) IN {no} THEN false END)"
            case "timestamp":
                return self._timestamp_sql(t)
            case "date":
                if self.spec.format is not None:
                    return f"CAST(try_strptime({t}, {literal(self.spec.format)}) AS DATE)"
                return f"(CASE WHEN {_is(t, _DATE)} THEN TRY_CAST(left({t}, 10) AS DATE) END)"

    def _timestamp_sql(self, t: str) -> str:
        """Naive wall-clock time of the business's zone; text that names its offset is moved there."""
        zone = literal(self.time_zone)
        if self.spec.format is not None:
            parsed = f"try_strptime({t}, {literal(self.spec.format)})"
            return f"timezone({zone}, {parsed})" if "%z" in self.spec.format.lower() else parsed
        return (
            f"(CASE WHEN {_is(t, _LOCAL_TIME)} THEN TRY_CAST({t} AS TIMESTAMP) "
            f"WHEN {_is(t, _INSTANT)} THEN timezone({zone}, TRY_CAST({t} AS TIMESTAMPTZ)) END)"
        )

    def _problem_sql(self, t: str) -> str:
        match self.type.kind:
            case "money" if self.spec.unit == "minor":
                return literal(" is not a whole number of minor units, such as 1230")
            case "money":
                low, high = (format_minor(minor, self.currency) for minor in (INT64_MIN, INT64_MAX))
                example = format_minor(1234567, self.currency)
                return _number_problem_sql(t, self.currency.exponent, str(self.currency), "amount", example, low, high)
            case "decimal":
                high = "9" * (18 - self.type.scale) or "0"
                name = str(self.type)
                return _number_problem_sql(t, self.type.scale, name, "number", "1234.5", "-" + high, high)
            case "integer":
                return _number_problem_sql(t, 0, "integer", "whole number", "12", str(INT64_MIN), str(INT64_MAX))
            case "boolean":
                return literal(" is neither true nor false; write true or false, or use 'map'")
            case "timestamp":
                wanted = self.spec.format or "2026-03-01 10:00:00"
                return literal(f" is not a time like {wanted}; name its form with 'format'")
            case "date":
                return literal(f" is not a date like {self.spec.format or '2026-03-01'}; name its form with 'format'")
            case "text":
                return literal(" holds a NUL character, which cannot be stored; take it out")


def shown_sql(text: str) -> str:
    """Text in quotes, cut off after 40 characters."""
    text = f"replace({text}, chr(0), '\\0')"
    return f"('''' || CASE WHEN length({text}) > 40 THEN left({text}, 37) || '...' ELSE {text} END || '''')"


def written_sql(type_: ColumnType, value: str) -> str:
    """A typed value as a person writes it: money in major units with all its decimals. NULL where the value is."""
    if type_.kind == "money" and type_.scale > 0:
        # Negated rather than abs(): the lowest int64 has no positive.
        whole, part = f"({value} // {10**type_.scale})", f"({value} % {10**type_.scale})"
        return (
            f"(CASE WHEN {value} < 0 THEN '-' ELSE '' END || CAST(abs({whole}) AS VARCHAR) || '.' || "
            f"lpad(CAST(abs({part}) AS VARCHAR), {type_.scale}, '0'))"
        )
    return f"CAST({value} AS VARCHAR)"


def _integer_sql(t: str) -> str:
    """Whole numbers; a point followed by zeros only is what spreadsheets and data frames write for them."""
    return (
        f"(CASE WHEN {_is(t, '[+-]?[0-9]+')} THEN TRY_CAST({t} AS BIGINT) "
        f"WHEN {_is(t, _plain(0))} THEN TRY_CAST(split_part({t}, '.', 1) AS BIGINT) END)"
    )


def _minor_sql(t: str, exponent: int) -> str:
    """The exact minor units of an amount in major units, in 64-bit integer arithmetic; NULL beyond int64."""
    if exponent == 0:
        return _integer_sql(t)
    point = f"strpos({t}, '.')"
    decimals = f"(length({t}) - {point})"
    factor = " ".join(f"WHEN {given} THEN {10 ** (exponent - given)}" for given in range(1, exponent + 1))
    return (
        f"(CASE WHEN {_is(t, _plain(exponent))} THEN TRY(CASE "
        f"WHEN {point} = 0 THEN CAST({t} AS BIGINT) * {10**exponent} "
        f"WHEN {decimals} <= {exponent} THEN CAST(replace({t}, '.', '') AS BIGINT) * (CASE {decimals} {factor} END) "
        f"ELSE CAST(replace(left({t}, {point} + {exponent}), '.', '') AS BIGINT) END) END)"
    )


def _number_problem_sql(t: str, scale: int, name: str, what: str, example: str, low: str, high: str) -> str:
    """Named after the rule that was broken, in the order of the rules."""
    part = f"rtrim(split_part({t}, '.', 2), '0')"
    lower = (
        f"TRY_CAST(CASE WHEN {scale} = 0 THEN split_part({t}, '.', 1) ELSE left({t}, strpos({t}, '.') + {scale}) END"
    )
    lower = f"{lower} AS DECIMAL(38, {scale}))"
    unit = f"CAST('{_unit(scale)}' AS DECIMAL(38, {scale}))"
    upper = f"CASE WHEN {t} LIKE '-%' THEN {lower} - {unit} ELSE {lower} + {unit} END"
    nearest = f"coalesce('; write ' || TRY(CAST({lower} AS VARCHAR) || ' or ' || CAST({upper} AS VARCHAR)), '')"
    return (
        f"(CASE WHEN {_is(f'lower({t})', '[+-]?(nan|inf|infinity)')} "
        f"THEN {literal(f' is not a number; write for example {example}')} "
        f"WHEN {_is(t, '[+-]?[0-9]*[.]?[0-9]*[eE][+-]?[0-9]+')} "
        f"THEN {literal(f' is in scientific notation; write all digits, for example {example}')} "
        f"WHEN {_is(t, _plain(scale))} THEN {literal(f' does not fit; {name} lies between {low} and {high}')} "
        f"WHEN {_is(t, '[+-]?[0-9]+[.][0-9]+')} "
        f"THEN ' has ' || length({part}) || CASE length({part}) WHEN 1 THEN ' decimal, ' ELSE ' decimals, ' END "
        f"|| {literal(f'{name} has {scale}')} || {nearest} "
        f"WHEN {_is(t, '[+-]?[0-9]{1,3}([, _.][0-9]{3})+([.,][0-9]+)?')} "
        f"THEN {literal(f' has thousands separators; write the digits together, for example {example}')} "
        f"ELSE {literal(f' is not {_a(what)}; write for example {example}')} END)"
    )


def _unit(scale: int) -> str:
    return "1" if scale == 0 else f"0.{'1'.rjust(scale, '0')}"


def _a(what: str) -> str:
    return f"an {what}" if what[0] in "aeiou" else f"a {what}"


def _plain(scale: int) -> str:
    """Plain digits with at most `scale` decimals that say something."""
    return rf"[+-]?[0-9]+(\.[0-9]{{1,{scale}}}0*)?" if scale else r"[+-]?[0-9]+(\.0+)?"


def _is(text: str, pattern: str) -> str:
    return f"regexp_full_match({text}, {literal(pattern)})"


def _list(words: tuple[str, ...]) -> str:
    return f"({', '.join(literal(word) for word in words)})"
