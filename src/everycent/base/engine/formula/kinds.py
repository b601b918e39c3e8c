"""Which kinds of values go together, and what comes out."""

from collections.abc import Set
from typing import Final, NamedTuple

from everycent.base.engine.formula.tree import Node
from everycent.base.engine.types import Kind

_WIDTH: Final[tuple[Kind, ...]] = ("integer", "decimal", "money")

#: The exact casts there are, for messages.
CASTS: Final = "known are integer, boolean and date to text, timestamp to date, date to timestamp"


def common(kinds: Set[Kind]) -> Kind | None:
    """The kind that holds values of all `kinds`: money if some are money; None where there is none."""
    if kinds and kinds <= set(_WIDTH):
        return max(kinds, key=_WIDTH.index)
    return next(iter(kinds)) if len(kinds) == 1 else None


def arithmetic(op: str, left: Node, right: Node) -> Kind:
    """The kind of `left op right`; ValueError saying why there is none."""
    for side in (left, right):
        if not side.is_number:
            hint = "; texts are joined by ||" if side.kind == "text" and op == "+" else ""
            if side.kind in ("timestamp", "date"):
                hint = "; time is added as interval '7 days'"
            raise ValueError(f"'{op}' needs numbers, not {side.kind}{hint}")
    moneys = (left.kind == "money") + (right.kind == "money")
    match op:
        case "*" if moneys == 2:
            raise ValueError("money times money makes no sense; one side must be a plain number")
        case "*":
            return "money" if moneys else max(left.kind, right.kind, key=_WIDTH.index)
        case "/" if right.kind == "money" and moneys == 1:
            raise ValueError("a number divided by money makes no sense; divide money by money for a ratio")
        case "/":
            return "money" if moneys == 1 else "decimal"
    return max(left.kind, right.kind, key=_WIDTH.index)


def comparable(left: Node, right: Node, ordered: bool) -> None:
    """ValueError, saying why, where the two cannot be compared."""
    if left.is_number and right.is_number:
        return
    if left.kind != right.kind:
        kinds = {left.kind, right.kind}
        hint = ""
        if kinds == {"timestamp", "date"}:
            hint = "; compare date(x) with a date"
        elif "text" in kinds and kinds & {"timestamp", "date"}:
            hint = "; write the other side as date '2026-03-01' or timestamp '2026-03-01 10:00:00'"
        raise ValueError(f"{left.kind} cannot be compared with {right.kind}{hint}")
    if ordered and left.kind == "boolean":
        raise ValueError("booleans have no order; compare them with = or <>")


class ExactCast(NamedTuple):
    """A cast that keeps the value: the kind it gives, and its SQL."""

    kind: Kind
    template: str


def exact_cast(kind: Kind, to: str) -> ExactCast | None:
    """The cast of a value of `kind` to SQL's type `to`, where it is exact."""
    match (kind, to):
        case ("integer" | "boolean" | "date", "text" | "varchar"):
            return ExactCast("text", "CAST({0} AS VARCHAR)")
        case ("text", "text" | "varchar"):
            return ExactCast("text", "{0}")
        case ("timestamp", "date"):
            return ExactCast("date", "CAST({0} AS DATE)")
        case ("date", "timestamp"):
            return ExactCast("timestamp", "CAST({0} AS TIMESTAMP)")
        case ("integer", "bigint"):
            return ExactCast("integer", "{0}")
    return None
