"""From a formula's text to its typed tree: sqlglot reads it, the language's rules take in what they know, the rest is
refused by name. sqlglot, which takes half a second to load, is loaded by the first formula."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from everycent.base.engine.formula.emit import Emitter
from everycent.base.engine.formula.errors import FormulaError
from everycent.base.engine.formula.tree import Name, Node
from everycent.base.engine.types import DECIMAL_DIGITS, Column, ColumnType

#: A longer formula wants to be split into named tags or charges.
TOKENS_MAX = 400


@dataclass(frozen=True)
class Formula:
    """A checked formula: its text, the columns it names in order of first use, and the type of its value.

    Money has the scale of the money columns it is made of, a decimal the scale that holds it exactly (18 at most).
    """

    text: str
    columns: tuple[str, ...]
    type: ColumnType
    root: Node = field(repr=False)


def parse_formula(text: str, scope: Mapping[str, Column], tokens_max: int = TOKENS_MAX) -> Formula:
    """The formula that `text` writes over the names in `scope`; FormulaError where it is not one.

    `tokens_max`: how many words and signs it may have; what a program wrote may be longer.
    """
    from everycent.base.engine.formula.language import Reading
    from everycent.base.engine.formula.statement import parsed

    try:
        root = Reading(text, scope).read(parsed(text, tokens_max))
    except RecursionError:
        raise FormulaError("the formula is nested too deeply; split it into named tags or charges") from None
    named = {node.column.name: node.column for node in root.walk() if isinstance(node, Name)}
    return Formula(text, tuple(named), _type(root, named), root)


def _type(root: Node, named: Mapping[str, Column]) -> ColumnType:
    """Also compiles once, so that what cannot be compiled is refused here."""
    if not root.is_number:
        Emitter(wide=True).sql(root)
        return ColumnType(root.kind)
    decimals = Emitter(wide=True).number(root).decimals
    if root.kind == "money":
        return ColumnType("money", max(column.type.scale for column in named.values() if column.type.kind == "money"))
    if root.kind == "integer":
        return ColumnType("integer")
    return ColumnType("decimal", DECIMAL_DIGITS if decimals is None else min(decimals, DECIMAL_DIGITS))
