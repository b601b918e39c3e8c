"""An independent reading of formulas: plain nested tuples, evaluated row by row with Fractions.

A value is (number, boolean or None; unknown, undefined): unknown where a NULL reaches it, undefined where it divides by
zero. `bits` bounds the integers that exact arithmetic without any cancelling would need.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from everycent.base.money.rounding import Rounding, round_fraction

Tree = tuple[Any, ...]
Row = Mapping[str, int | None]  # stored integers: minor units, or a decimal's digits


@dataclass(frozen=True)
class Value:
    value: Fraction | bool | None
    unknown: bool = False
    undefined: bool = False
    num_bits: int = 1
    den_bits: int = 0


def render(tree: Tree) -> str:
    """The formula's text."""
    match tree:
        case ("name" | "number", text):
            return text
        case ("negate", x):
            return f"(- {render(x)})"
        case ("+" | "-" | "*" | "/" | "%" | "=" | "<>" | "<" | "<=" | ">" | ">=" | "and" | "or" as op, x, y):
            return f"({render(x)} {op} {render(y)})"
        case ("not", x):
            return f"(not {render(x)})"
        case ("is null", x):
            return f"({render(x)} is null)"
        case ("round", x, places):
            return f"round({render(x)}, {places})"
        case ("case", branches, otherwise):
            arms = " ".join(f"when {render(when)} then {render(then)}" for when, then in branches)
            return f"case {arms}{'' if otherwise is None else f' else {render(otherwise)}'} end"
        case (name, *arguments):
            return f"{name}({', '.join(render(x) for x in arguments)})"
    raise AssertionError(tree)


def names(tree: Any) -> list[str]:
    """Names used, in order of first use."""
    if isinstance(tree, tuple) and len(tree) == 2 and tree[0] == "name":
        return [tree[1]]
    if isinstance(tree, tuple | list):
        return list(dict.fromkeys(name for part in tree for name in names(part)))
    return []


def guarded(tree: Any) -> set[str]:
    if not isinstance(tree, tuple | list):
        return set()
    if tree and tree[0] in ("is null", "coalesce"):
        return set(names(tree))
    return {name for part in tree for name in guarded(part)}


class Oracle:
    def __init__(self, row: Row, scales: Mapping[str, int]) -> None:
        self.row = row
        self.scales = scales
        self.bits_max = 0

    def outcome(self, tree: Tree, scale: int, rounding: Rounding) -> tuple[str, Any]:
        """('amount', n), ('missing', name), ('zero division', None) or ('overflow', None)."""
        guards = guarded(tree)
        for name in names(tree):
            if name not in guards and self.row[name] is None:
                return "missing", name
        value = self.evaluate(tree)
        self._note(value.num_bits + 4 * scale, value.den_bits + 4 * scale)
        if value.unknown:
            absent = [name for name in names(tree) if name in guards and self.row[name] is None]
            return "missing", absent[0] if absent else "NULL"
        if value.undefined:
            return "zero division", None
        assert isinstance(value.value, Fraction)
        amount = round_fraction(value.value * 10**scale, rounding)
        return ("amount", amount) if -(2**63) <= amount < 2**63 else ("overflow", None)

    def evaluate(self, tree: Tree) -> Value:
        value = self._evaluate(tree)
        self._note(value.num_bits, value.den_bits)
        return value

    def _note(self, *bits: int) -> None:
        self.bits_max = max(self.bits_max, sum(bits))

    def _evaluate(self, tree: Tree) -> Value:
        match tree:
            case ("name", name):
                stored, scale = self.row[name], self.scales[name]
                if stored is None:
                    return Value(None, unknown=True, num_bits=64, den_bits=4 * scale)
                return Value(Fraction(stored, 10**scale), num_bits=max(stored.bit_length(), 1), den_bits=4 * scale)
            case ("number", text):
                exact = Fraction(text)
                return Value(exact, num_bits=exact.numerator.bit_length(), den_bits=exact.denominator.bit_length())
            case ("+" | "-" | "*" | "/" | "%" as op, x, y):
                return self._calculate(op, self.evaluate(x), self.evaluate(y))
            case ("=" | "<>" | "<" | "<=" | ">" | ">=" as op, x, y):
                return self._compare(op, self.evaluate(x), self.evaluate(y))
            case ("and" | "or" as op, x, y):
                return self._join(op == "or", self.evaluate(x), self.evaluate(y))
            case ("not", x):
                inner = self.evaluate(x)
                return Value(None if inner.value is None else not inner.value, inner.unknown, inner.undefined)
            case ("is null", x):
                inner = self.evaluate(x)
                return Value(None if inner.undefined else inner.value is None, False, inner.undefined)
            case ("case", branches, otherwise):
                return self._case(branches, otherwise)
            case ("coalesce", *items):
                return self._coalesce([self.evaluate(item) for item in items])
            case ("nullif", x, y):
                return self._nullif(self.evaluate(x), self.evaluate(y))
            case ("greatest" | "least" as name, *items):
                return self._extreme(max if name == "greatest" else min, [self.evaluate(item) for item in items])
            case (name, x, *more):
                return self._call(name, self.evaluate(x), *more)
        raise AssertionError(tree)

    def _calculate(self, op: str, x: Value, y: Value) -> Value:
        bits = {"*": (x.num_bits + y.num_bits, x.den_bits + y.den_bits)}
        bits["/"] = (x.num_bits + y.den_bits, x.den_bits + y.num_bits)
        crossed = max(x.num_bits + y.den_bits, y.num_bits + x.den_bits) + 1
        num_bits, den_bits = bits.get(op, (crossed, x.den_bits + y.den_bits))
        unknown, undefined = x.unknown or y.unknown, x.undefined or y.undefined
        if op in "/%" and y.value == 0 and y.value is not None:
            undefined = True
        if unknown or undefined or x.value is None or y.value is None:
            return Value(None, unknown, undefined, num_bits, den_bits)
        a, b = Fraction(x.value), Fraction(y.value)
        result = {"+": a + b, "-": a - b, "*": a * b}.get(op)
        if op == "/":
            result = a / b
        if op == "%":
            quotient = a / b
            result = a - b * (abs(quotient).__floor__() * (1 if quotient >= 0 else -1))
        return Value(result, False, False, num_bits, den_bits)

    def _compare(self, op: str, x: Value, y: Value) -> Value:
        self._note(max(x.num_bits + y.den_bits, y.num_bits + x.den_bits))
        if x.value is None or y.value is None:
            return Value(None, x.unknown or y.unknown, x.undefined or y.undefined)
        a, b = x.value, y.value
        return Value({"=": a == b, "<>": a != b, "<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[op])

    @staticmethod
    def _join(decided: bool, x: Value, y: Value) -> Value:
        """AND is decided by False, OR by True, whatever the other side is."""
        if x.value is decided or y.value is decided:
            return Value(decided)
        value = None if x.value is None or y.value is None else not decided
        return Value(value, x.unknown or y.unknown, x.undefined or y.undefined)

    def _case(self, branches: list[tuple[Tree, Tree]], otherwise: Tree | None) -> Value:
        conditions = [self.evaluate(when) for when, _ in branches]
        results = [self.evaluate(then) for _, then in branches]
        last = Value(None, unknown=True) if otherwise is None else self.evaluate(otherwise)
        num_bits, den_bits = _widest([*results, last])
        chosen = last
        for condition, result in zip(conditions, results, strict=True):
            if condition.undefined:
                chosen = Value(None, undefined=True)
                break
            if condition.value:
                chosen = result
                break
        return Value(chosen.value, chosen.unknown, chosen.undefined, num_bits, den_bits)

    @staticmethod
    def _coalesce(items: list[Value]) -> Value:
        num_bits, den_bits = _widest(items)
        for item in items:
            if item.undefined or item.value is not None:
                return Value(item.value, False, item.undefined, num_bits, den_bits)
        return Value(None, True, False, num_bits, den_bits)

    def _nullif(self, x: Value, y: Value) -> Value:
        self._note(max(x.num_bits + y.den_bits, y.num_bits + x.den_bits))
        equal = x.value is not None and x.value == y.value
        undefined = x.undefined or y.undefined
        value = None if equal or undefined else x.value
        return Value(value, x.unknown or equal, undefined, x.num_bits, x.den_bits)

    @staticmethod
    def _extreme(choose: Any, items: list[Value]) -> Value:
        num_bits, den_bits = _widest(items)
        unknown, undefined = any(item.unknown for item in items), any(item.undefined for item in items)
        value = None if unknown or undefined else choose(item.value for item in items)
        return Value(value, unknown, undefined, num_bits, den_bits)

    @staticmethod
    def _call(name: str, x: Value, places: int = 0) -> Value:
        num_bits = x.num_bits + 4 * places + 2
        if x.value is None:
            return Value(None, x.unknown, x.undefined, num_bits, x.den_bits)
        number = Fraction(x.value)
        match name:
            case "negate":
                return Value(-number, num_bits=x.num_bits, den_bits=x.den_bits)
            case "abs":
                return Value(abs(number), num_bits=x.num_bits, den_bits=x.den_bits)
            case "sign":
                return Value(Fraction((number > 0) - (number < 0)), num_bits=x.num_bits, den_bits=x.den_bits)
            case "floor":
                return Value(Fraction(number.__floor__()), num_bits=num_bits, den_bits=x.den_bits)
            case "ceil":
                return Value(Fraction(number.__ceil__()), num_bits=num_bits, den_bits=x.den_bits)
        assert name == "round", name
        rounded = Fraction(round_fraction(number * 10**places, Rounding.HALF_UP), 10**places)
        return Value(rounded, num_bits=num_bits, den_bits=x.den_bits + 4 * places)


def _widest(items: list[Value]) -> tuple[int, int]:
    """Bits when all items are brought over one denominator."""
    den_bits = sum(item.den_bits for item in items)
    return max(item.num_bits for item in items) + den_bits, den_bits
