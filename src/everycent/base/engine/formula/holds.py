"""Why a formula has no value: which columns hold it, and where it divides by zero."""

from collections.abc import Iterable, Set
from typing import TYPE_CHECKING

from everycent.base.engine.formula.tree import (
    Arithmetic,
    Case,
    Coalesce,
    Extreme,
    IsNull,
    Junction,
    Name,
    Node,
    Null,
    NullIf,
    Number,
    NumberCall,
    Rounded,
)

if TYPE_CHECKING:
    from everycent.base.engine.formula.emit import Emitter


def guarded(root: Node) -> set[str]:
    """The names that the formula itself guards: tested with IS NULL, or inside COALESCE."""
    guards = [node for node in root.walk() if isinstance(node, IsNull | Coalesce)]
    return {name.column.name for guard in guards for name in guard.walk() if isinstance(name, Name)}


def strict(node: Node) -> set[str]:
    """Names whose NULL surely makes the SQL of `node` NULL."""
    match node:
        case Name(column=column):
            return {column.name}
        case Case() | Coalesce() | Junction() | IsNull() | Extreme():
            return set()
        case NullIf(left=left):
            return strict(left)
    return {name for child in node.children() for name in strict(child)}


def known_by_its_columns(node: Node, guards: Set[str]) -> bool:
    """Whether `node` has a value wherever its columns have, none of them guarded: nothing in it can make a NULL."""
    match node:
        case Name(column=column):
            return column.name not in guards
        case Number():
            return True
        case Arithmetic(op="/" | "%", right=right) if not isinstance(right, Number):
            return False
        case Arithmetic() | NumberCall() | Rounded() | Extreme():
            return all(known_by_its_columns(child, guards) for child in node.children())
    return False


def any_of(conditions: Iterable[str | None]) -> str | None:
    """OR over conditions that are never NULL; None where there are none."""
    known = list(dict.fromkeys(condition for condition in conditions if condition is not None))
    return None if not known else known[0] if len(known) == 1 else f"({' OR '.join(known)})"


def undefined(emitter: "Emitter", node: Node) -> str | None:
    """Where `node` divides by zero, as a boolean that is never NULL; None where it cannot.

    A condition that is decided without the division (FALSE AND ..., TRUE OR ...) is not undefined.
    """
    match node:
        case Arithmetic(op="/" | "%", right=right):
            zero = None
            if (divisor := emitter.number(right)).constant is None:
                zero = f"COALESCE({emitter.exact.typed(divisor.factor, divisor.num)} = 0, FALSE)"
            return any_of([*(undefined(emitter, child) for child in node.children()), zero])
        case Junction(op=op, left=left, right=right):
            return _in_junction(emitter, op, (left, undefined(emitter, left)), (right, undefined(emitter, right)))
        case Case():
            return _in_case(emitter, node)
        case Coalesce(items=items):
            return _in_coalesce(emitter, items)
    return any_of(undefined(emitter, child) for child in node.children())


def _in_junction(emitter: "Emitter", op: str, *sides: tuple[Node, str | None]) -> str | None:
    (left, left_is), (right, right_is) = sides
    decided = "FALSE" if op == "AND" else "TRUE"
    return any_of(
        [
            left_is and f"({left_is} AND {emitter.sql(right)} IS NOT {decided})",
            right_is and f"({right_is} AND {emitter.sql(left)} IS NOT {decided})",
        ]
    )


def _in_case(emitter: "Emitter", node: Case) -> str | None:
    parts = [(undefined(emitter, branch.condition), undefined(emitter, branch.result)) for branch in node.branches]
    last = None if node.otherwise is None else undefined(emitter, node.otherwise)
    if last is None and all(part == (None, None) for part in parts):
        return None
    arms = []
    for branch, (condition, result) in zip(node.branches, parts, strict=True):
        arms += [f"WHEN {condition} THEN TRUE"] if condition else []
        arms.append(f"WHEN {emitter.sql(branch.condition)} THEN {result or 'FALSE'}")
    return f"CASE {' '.join(arms)} ELSE {last or 'FALSE'} END"


def _in_coalesce(emitter: "Emitter", items: tuple[Node, ...]) -> str | None:
    parts = [undefined(emitter, item) for item in items]
    if all(part is None for part in parts):
        return None
    arms = []
    for item, part in zip(items, parts, strict=True):
        arms += [f"WHEN {part} THEN TRUE"] if part else []
        arms.append(f"WHEN {emitter.nullable(item)} IS NOT NULL THEN FALSE")
    return f"CASE {' '.join(arms)} ELSE FALSE END"


def unknown(emitter: "Emitter", node: Node, names: Set[str]) -> str | None:
    """Where `node` is unknown because one of `names` is, or a NULL of the formula itself; never NULL. None: nowhere."""
    match node:
        case Name(column=column):
            return f"({column.sql}) IS NULL" if column.name in names else None
        case Null():
            return "TRUE"
        case IsNull():
            return None
        case Junction(op=op, left=left, right=right):
            return _in_junction(
                emitter, op, (left, unknown(emitter, left, names)), (right, unknown(emitter, right, names))
            )
        case Case(branches=branches, otherwise=otherwise):
            last = "TRUE" if otherwise is None else unknown(emitter, otherwise, names)
            results = [unknown(emitter, branch.result, names) for branch in branches]
            if last is None and all(result is None for result in results):
                return None
            arms = []
            for branch, result in zip(branches, results, strict=True):
                if nowhere := undefined(emitter, branch.condition):
                    arms.append(f"WHEN {nowhere} THEN FALSE")
                arms.append(f"WHEN {emitter.sql(branch.condition)} THEN {result or 'FALSE'}")
            return f"CASE {' '.join(arms)} ELSE {last or 'FALSE'} END"
        case Coalesce(items=items):
            parts = [unknown(emitter, item, names) for item in items]
            known = [part for part in parts if part is not None]
            return None if len(known) < len(parts) else f"({' AND '.join(known)})"
        case NullIf(left=left, right=right):
            equal = f"COALESCE({emitter.compared('=', left, right)}, FALSE)"
            return any_of([unknown(emitter, left, names), equal])
    return any_of(unknown(emitter, child, names) for child in node.children())
