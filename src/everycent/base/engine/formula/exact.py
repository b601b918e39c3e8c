"""Exact rationals written in integer SQL: the arithmetic of formulas.

A number is `factor * num / (den * unit)`: `factor` and `unit` are known now, `num` and `den` are integer SQL (BIGINT,
or HUGEINT in wide mode). `num` is NULL exactly where the value is undefined (an operand is NULL, a division by zero);
where it is not, `den` is positive. Nothing is rounded before `whole` is asked for.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import gcd, lcm

from everycent.base.money.rounding import Rounding, round_fraction


class TooWideError(ArithmeticError):
    """A constant of the arithmetic does not fit its integers."""


@dataclass(frozen=True)
class Rational:
    """An exact number; `num` is None for 1 (a constant), `den` is None for 1."""

    factor: int
    num: str | None
    den: str | None
    unit: int
    decimal: tuple[str, int] | None = None  # SQL of a DECIMAL(18, s), and s, that is num / 10^s: it rounds by one cast

    @classmethod
    def of(cls, value: Fraction) -> "Rational":
        return cls(value.numerator, None, None, value.denominator)

    def __post_init__(self) -> None:
        assert self.unit >= 1, "a denominator is positive"
        assert self.num is not None or self.den is None, "a constant has no denominator in SQL"

    @property
    def constant(self) -> Fraction | None:
        """The value where it is known now."""
        return Fraction(self.factor, self.unit) if self.num is None else None

    @property
    def decimals(self) -> int | None:
        """How many decimals hold every value exactly; None where no number of them does."""
        if self.den is not None:
            return None
        unit = self.unit // gcd(self.factor, self.unit)
        places = 0
        while 10**places % unit:
            places += 1
            if places > unit.bit_length():
                return None
        return places


class Arithmetic:
    """Writes the arithmetic on Rationals, in 64-bit integers or, `wide`, in 128-bit ones."""

    def __init__(self, wide: bool) -> None:
        self.integer = "HUGEINT" if wide else "BIGINT"
        self.can_fail = False  # whether what was written so far can overflow
        self._limit = 2 ** (127 if wide else 63)

    def literal(self, value: int) -> str:
        """`value` as SQL; it takes its type from what it is combined with."""
        if not -self._limit < value < self._limit:
            raise TooWideError
        return f"({value})" if value < 0 else str(value)

    def typed(self, factor: int, num: str | None) -> str:
        """`factor * num` of the mode's own integer type."""
        return f"{self.literal(factor)}::{self.integer}" if num is None else self._times(factor, num)

    def _times(self, factor: int, num: str | None) -> str:
        if num is None:
            return self.literal(factor)
        if factor == 1:
            return num
        self.can_fail = True
        return f"(-{num})" if factor == -1 else f"({num} * {self.literal(factor)})"

    def _product(self, *factors: str | None) -> str | None:
        known = [factor for factor in factors if factor is not None]
        self.can_fail = self.can_fail or len(known) > 1
        return None if not known else known[0] if len(known) == 1 else f"({' * '.join(known)})"

    def add(self, left: Rational, right: Rational, sign: int = 1) -> Rational:
        """left + sign * right."""
        common = lcm(left.unit, right.unit)
        left_factor = left.factor * (common // left.unit)
        right_factor = right.factor * (common // right.unit) * sign
        if left.num is None and right.num is None:
            return Rational.of(Fraction(left_factor + right_factor, common))
        if right_factor == 0 or left_factor == 0:
            return self._add_nothing(left, right, sign)
        self.can_fail = True
        shared = gcd(left_factor, right_factor)
        left_num, right_num, den = self._over_one_denominator(left, right)
        first = self._times(left_factor // shared, left_num)
        second = self._times(abs(right_factor) // shared, right_num)
        return _reduced(shared, f"({first} {'+' if right_factor > 0 else '-'} {second})", den, common)

    def _add_nothing(self, left: Rational, right: Rational, sign: int) -> Rational:
        """The sum where one factor is 0; a column times 0 must still be NULL where the column is."""
        zero, other, at = (right, left, 1) if right.factor == 0 else (left, right, sign)
        if zero.num is None:
            return Rational(other.factor * at, other.num, other.den, other.unit)
        value = Rational(other.factor * at, other.num, other.den, other.unit)
        return self.strict_on(value, zero.num)

    def strict_on(self, value: Rational, num: str) -> Rational:
        """`value`, but NULL where `num` is."""
        kept = self.typed(value.factor, value.num)
        return Rational(1, f"CASE WHEN {num} IS NOT NULL THEN {kept} END", value.den, value.unit)

    def _over_one_denominator(self, left: Rational, right: Rational) -> tuple[str | None, str | None, str | None]:
        if left.den == right.den:
            return left.num, right.num, left.den
        den = self._product(left.den, right.den)
        return self._product(left.num, right.den), self._product(right.num, left.den), den

    def multiply(self, left: Rational, right: Rational) -> Rational:
        num = self._product(left.num, right.num)
        product = _reduced(left.factor * right.factor, num, self._product(left.den, right.den), left.unit * right.unit)
        if left.decimal is None and right.decimal is not None and left.num is not None:
            sql, scale = right.decimal
            return replace(product, decimal=(f"(CAST({left.num} AS DECIMAL(18, 0)) * {sql})", scale))
        return product

    def divide(self, left: Rational, right: Rational) -> Rational:
        """left / right; undefined where right is 0. A constant right is not 0."""
        assert right.constant != 0, "a constant zero is refused before"
        sign = 1 if right.factor > 0 else -1
        if right.factor == 0:  # a column times 0: undefined wherever it is known
            return Rational(1, f"(NULL::{self.integer})", None, 1)
        factor, unit = left.factor * right.unit * sign, left.unit * abs(right.factor)
        if right.num is None:
            return _reduced(factor, left.num, left.den, unit)
        self.can_fail = True
        divisor = f"NULLIF({right.num}, 0)"
        num = self._product(left.num, right.den, f"CAST(sign({divisor}) AS {self.integer})")
        return _reduced(factor, num, self._product(left.den, f"abs({divisor})"), unit)

    def remainder(self, left: Rational, right: Rational) -> Rational:
        """left - trunc(left / right) * right; it has the sign of left. Undefined where right is 0."""
        assert right.constant != 0, "a constant zero is refused before"
        common = lcm(left.unit, right.unit)
        left_num, right_num, den = self._over_one_denominator(left, right)
        self.can_fail = True  # -2^63 % -1
        first = self.typed(left.factor * (common // left.unit), left_num)
        second = self.typed(right.factor * (common // right.unit), right_num)
        divisor = second if right_num is None else f"NULLIF({second}, 0)"
        return Rational(1, f"({first} % {divisor})", den, common)

    def absolute(self, value: Rational) -> Rational:
        self.can_fail = self.can_fail or value.num is not None
        num = None if value.num is None else f"abs({value.num})"
        return Rational(abs(value.factor), num, value.den, value.unit)

    def sign(self, value: Rational) -> Rational:
        if value.num is None:
            return Rational.of(Fraction((value.factor > 0) - (value.factor < 0)))
        return Rational(1, f"CAST(sign({self.typed(value.factor, value.num)}) AS {self.integer})", None, 1)

    def compare(self, op: str, left: Rational, right: Rational) -> str:
        """`left op right` as a boolean; NULL where either is undefined."""
        common = lcm(left.unit, right.unit)
        factors = left.factor * (common // left.unit), right.factor * (common // right.unit)
        shared = gcd(*factors) or 1
        left_num, right_num, _ = self._over_one_denominator(left, right)
        first = self._times(factors[0] // shared, left_num)
        return f"({first} {op} {self._times(factors[1] // shared, right_num)})"

    def choose(self, choices: Sequence[tuple[str, Rational | None]], otherwise: Rational | None) -> Rational:
        """CASE over (condition, result); a result of None is NULL."""
        results = [result for _, result in choices if result is not None] + ([otherwise] if otherwise else [])
        common = lcm(*(result.unit for result in results))
        shared = gcd(*(result.factor * (common // result.unit) for result in results)) or 1

        def num(result: Rational) -> str:
            return self.typed(result.factor * (common // result.unit) // shared, result.num)

        def den(result: Rational) -> str:
            return result.den or f"1::{self.integer}"

        def case(write: Callable[[Rational], str]) -> str:
            arms = " ".join(f"WHEN {when} THEN {write(then) if then else 'NULL'}" for when, then in choices)
            return f"CASE {arms}{f' ELSE {write(otherwise)}' if otherwise else ''} END"

        divides = any(result.den is not None for result in results)
        return _reduced(shared, case(num), case(den) if divides else None, common)

    def extreme(self, greatest: bool, left: Rational, right: Rational) -> Rational:
        """The greater or lesser of two; undefined where either is."""
        op, other = ("<", ">=") if greatest else (">", "<=")
        if right.num is None:
            return self.choose([(self.compare(op, left, right), right)], left)
        if left.num is None:
            return self.choose([(self.compare(op, right, left), left)], right)
        return self.choose([(self.compare(op, left, right), right), (self.compare(other, left, right), left)], None)

    def whole(self, value: Rational, places: int, how: Rounding | str) -> str:
        """value * 10 ** places as a whole number, rounded as `how` says (a Rounding, or floor or ceil)."""
        if value.constant is not None:
            return self.typed(round_constant(value.constant * 10**places, how), None)
        reduced = Fraction(value.factor * 10**places, value.unit)
        factor, unit = reduced.numerator, reduced.denominator
        num = self.typed(factor, value.num)
        if unit == 1 and value.den is None:
            return num
        if how == Rounding.HALF_UP and value.decimal and unit == factor * 10 ** value.decimal[1]:
            return f"CAST({value.decimal[0]} AS BIGINT)"  # DuckDB rounds halves away from zero
        if how == Rounding.HALF_UP and value.den is None:
            self.can_fail = True
            below = f"{value.num} {'<' if factor > 0 else '>'} 0"
            return f"(({num} + CASE WHEN {below} THEN {-(unit // 2)} ELSE {unit // 2} END) // {self.literal(unit)})"
        if how == Rounding.HALF_UP:  # trunc(2x) - trunc(trunc(2x) / 2)
            half = f"({self.typed(2 * factor, value.num)} // {self._times(unit, value.den)})"
            return f"({half} - {half} // 2)"
        return self._round_by_remainder(num, self._times(unit, value.den), how)

    def _round_by_remainder(self, num: str, den: str, how: Rounding | str) -> str:
        down, rest = f"({num} // {den})", f"({num} % {den})"
        match how:
            case Rounding.DOWN:
                return down
            case Rounding.UP:
                return f"({down} + sign{rest})"
            case Rounding.HALF_EVEN:
                up = f"abs{rest} > {den} - abs{rest} OR (abs{rest} = {den} - abs{rest} AND {down} % 2 <> 0)"
                return f"({down} + CASE WHEN {up} THEN sign{rest} ELSE 0 END)"
            case "floor":
                return f"({down} - CASE WHEN {rest} < 0 THEN 1 ELSE 0 END)"
            case _:
                assert how == "ceil", f"no such rounding: {how}"
                return f"({down} + CASE WHEN {rest} > 0 THEN 1 ELSE 0 END)"


def round_constant(value: Fraction, how: Rounding | str) -> int:
    """`value` rounded now."""
    if how == "floor":
        return value.numerator // value.denominator
    if how == "ceil":
        return -(-value.numerator // value.denominator)
    return round_fraction(value, Rounding(how))


def _reduced(factor: int, num: str | None, den: str | None, unit: int) -> Rational:
    shared = gcd(factor, unit)
    return Rational(factor // shared, num, den, unit // shared)
