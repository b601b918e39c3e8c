"""Checker: a rule written as a formula over the columns of both sides; what it holds for is found."""

from collections.abc import Mapping, Sequence

import pyarrow as pa
from pydantic import Field

from everycent.base.engine.declaration import Declaration, FormulaText, Name
from everycent.base.engine.formula import Formula, FormulaError, compile_condition, parse_formula
from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import identifier, literal
from everycent.base.engine.types import Column, ColumnType
from everycent.proof.recon.chain import DECLARED, FINDING, CheckSides, Surroundings

_SIDES = ("left", "right")
_MEMORY_MB = 512


class FormulaWords(Declaration):
    """A rule: when it holds for a key's rows, and what that is called."""

    name: Name = Field(description="what a finding is called", examples=["shipped_unpaid"])
    when: FormulaText = Field(
        description="a condition over left.COLUMN and right.COLUMN; columns of a row that is not there have no value",
        examples=["right.shipped_at is not null and left.state <> 'paid'"],
    )
    cause: Name | None = Field(
        default=None, description="the kind of the break that it is; the rule's name otherwise", examples=["unpaid"]
    )
    say: str = Field(default="", description="for people", examples=["shipped, and never paid"])


class FormulaChecker:
    """The checker `formula`. Of several rows of a key, the first of one side stands beside the first of the other."""

    name = "formula"
    words = FormulaWords

    def sees(
        self, words: FormulaWords, left: Mapping[str, ColumnType], right: Mapping[str, ColumnType]
    ) -> tuple[Sequence[str], Sequence[str]]:
        """The columns that the formula names. Raises FormulaError."""
        named = _parsed(words, left, right).columns
        of_left, of_right = ([name.partition(".")[2] for name in named if name.startswith(f"{s}.")] for s in _SIDES)
        return of_left, of_right

    def check(self, words: FormulaWords, sides: CheckSides, around: Surroundings) -> pa.Table:
        """A finding for each pair of rows, or row alone, for which the condition is true."""
        holds = compile_condition(_parsed(words, sides.left_types, sides.right_types))
        said = words.say or f"{words.name}: {words.when}"
        place = ", ".join(f"{side[0]}.source_{part} AS {side}_{part}" for side in _SIDES for part in ("file", "line"))
        with LocalEngine(1, _MEMORY_MB, around.temp_dir / "formula") as engine:
            return engine.query(
                f"""SELECT coalesce(l.key, r.key) AS key, {literal(words.cause or words.name)} AS kind,
                    {literal(said)} AS reason, {place}
                FROM ({_NUMBERED.format("left_side")}) AS l FULL JOIN ({_NUMBERED.format("right_side")}) AS r
                    ON l.key = r.key AND l.row_of_key = r.row_of_key
                WHERE {holds}""",
                left_side=sides.left,
                right_side=sides.right,
            ).cast(FINDING)


_NUMBERED = "SELECT *, row_number() OVER (PARTITION BY key ORDER BY source_file, source_line) AS row_of_key FROM {}"


def _parsed(words: FormulaWords, left: Mapping[str, ColumnType], right: Mapping[str, ColumnType]) -> Formula:
    """Raises FormulaError."""
    scope = {
        f"{side}.{name}": Column(f"{side}.{name}", kind, f"{side[0]}.{identifier(DECLARED + name)}")
        for side, types in zip(_SIDES, (left, right), strict=True)
        for name, kind in types.items()
    }
    formula = parse_formula(words.when, scope)
    if formula.type.kind != "boolean":
        raise FormulaError(f"a rule is a condition; '{words.when}' is {formula.type}")
    return formula


CHECKER = FormulaChecker()
