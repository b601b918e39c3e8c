"""What a condition asks of each value that it looks at: how special it is, and whether two exclude each other.

A condition is a list of conjuncts (the parts that AND joins). Most compare a *subject* (a column, or an expression)
with constants; what several of them ask of one subject is one demand.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction

from everycent.base.engine.formula.parse import Formula
from everycent.base.engine.formula.tree import Call, Compare, Constant, Junction, Name, Node, Not, Number, NumberCall

Value = Fraction | str
_FLIPPED = {"=": "=", "<>": "<>", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_IN = "({0} IN ("


@dataclass(frozen=True)
class Demand:
    """Which constants a subject may equal; None for any. Bounds are (value, whether it is included)."""

    allowed: frozenset[Value] | None = None
    barred: frozenset[Value] = frozenset()
    low: tuple[Fraction, bool] | None = None
    high: tuple[Fraction, bool] | None = None

    def also(self, other: "Demand") -> "Demand":
        """What both ask together."""
        allowed = other.allowed if self.allowed is None else self.allowed
        if self.allowed is not None and other.allowed is not None:
            allowed = self.allowed & other.allowed
        lows = [low for low in (self.low, other.low) if low is not None]
        highs = [high for high in (self.high, other.high) if high is not None]
        low = max(lows, key=lambda bound: (bound[0], not bound[1]), default=None)
        high = min(highs, key=lambda bound: (bound[0], bound[1]), default=None)
        return Demand(allowed, self.barred | other.barred, low, high)

    @property
    def is_impossible(self) -> bool:
        """Whether no value can meet it."""
        if self.allowed is not None:
            return not any(self._admits(value) for value in self.allowed)
        if self.low is None or self.high is None:
            return False
        return self.low[0] > self.high[0] or (self.low[0] == self.high[0] and not (self.low[1] and self.high[1]))

    def _admits(self, value: Value) -> bool:
        if value in self.barred:
            return False
        if not isinstance(value, Fraction):
            return True
        above = self.low is None or value > self.low[0] or (value == self.low[0] and self.low[1])
        return above and (self.high is None or value < self.high[0] or (value == self.high[0] and self.high[1]))


#: A conjunct that compares nothing with constants: nothing is known of what it lets pass.
UNKNOWN = Demand()


def demands(formula: Formula) -> dict[Node, Demand]:
    """What a condition asks of each subject, in the order of the formula; a conjunct without one is its own subject."""
    found: dict[Node, Demand] = {}
    for conjunct in _conjuncts(formula.root):
        subject, demand = _demand(conjunct) or (conjunct, UNKNOWN)
        found[subject] = found[subject].also(demand) if subject in found else demand
    return found


def exclude(left: Mapping[Node, Demand], right: Mapping[Node, Demand]) -> bool:
    """Whether two conditions provably never hold for the same record: on some subject they ask for what cannot be."""
    return any(demand.also(right[subject]).is_impossible for subject, demand in left.items() if subject in right)


def names_of(subject: Node) -> str:
    """The names in a subject, for messages."""
    return ", ".join(dict.fromkeys(node.column.name for node in subject.walk() if isinstance(node, Name)))


def _conjuncts(node: Node) -> Iterator[Node]:
    if isinstance(node, Junction) and node.op == "AND":
        yield from _conjuncts(node.left)
        yield from _conjuncts(node.right)
    else:
        yield node


def _demand(node: Node) -> tuple[Node, Demand] | None:
    match node:
        case Compare(op=op, left=left, right=right):
            return _compared(op, left, right)
        case Name(kind="boolean"):
            return node, Demand(allowed=frozenset({"TRUE"}))
        case Call(template=template, arguments=(subject, *items)) if template.startswith(_IN):
            return subject, Demand(allowed=frozenset(value for item in items if (value := _value(item)) is not None))
        case Junction(op="OR", left=left, right=right):
            return _either(_demand(left), _demand(right))
        case Not(operand=operand):
            return _denied(_demand(operand))
    return None


def _compared(op: str, left: Node, right: Node) -> tuple[Node, Demand] | None:
    if _value(left) is not None:
        left, right, op = right, left, _FLIPPED[op]
    value = _value(right)
    if value is None or _value(left) is not None:
        return None
    if op in ("=", "<>"):
        one = frozenset({value})
        return left, Demand(allowed=one) if op == "=" else Demand(barred=one)
    if not isinstance(value, Fraction):
        return None
    bound = (value, op.endswith("="))
    return left, Demand(low=bound) if op.startswith(">") else Demand(high=bound)


def _either(left: tuple[Node, Demand] | None, right: tuple[Node, Demand] | None) -> tuple[Node, Demand] | None:
    """Only lists of values of one subject: x = 1 OR x = 2."""
    if left is None or right is None or left[0] != right[0]:
        return None
    sets = left[1].allowed, right[1].allowed
    if sets[0] is None or sets[1] is None:
        return None
    return left[0], Demand(allowed=sets[0] | sets[1])


def _denied(found: tuple[Node, Demand] | None) -> tuple[Node, Demand] | None:
    if found is None or found[1].allowed is None:
        return None
    subject, allowed = found[0], found[1].allowed
    if subject.kind == "boolean" and allowed == {"TRUE"}:
        return subject, Demand(allowed=frozenset({"FALSE"}))
    return subject, Demand(barred=allowed)


def _value(node: Node) -> Value | None:
    match node:
        case Number(value=value):
            return value
        case NumberCall(name="negate", operand=Number(value=value)):
            return -value
        case Constant(sql=sql):
            return sql
    return None
