"""The column types of the model's language, and what they are in DuckDB and in Arrow.

Money travels as int64 minor units, a decimal as DECIMAL(18, scale); neither is ever a float. A timestamp is the
business's own wall clock, without a zone, in microseconds.
"""

import re
from dataclasses import dataclass
from typing import Final, Literal, Self

import pyarrow as pa

Kind = Literal["text", "integer", "decimal", "money", "boolean", "timestamp", "date"]

#: Digits of a stored decimal: it fits 64 bits.
DECIMAL_DIGITS: Final = 18
#: The scale of a decimal that names none.
DEFAULT_SCALE: Final = 6

_DUCKDB: Final = {
    "text": "VARCHAR",
    "integer": "BIGINT",
    "money": "BIGINT",
    "boolean": "BOOLEAN",
    "timestamp": "TIMESTAMP",
    "date": "DATE",
}
_ARROW: Final = {
    "text": pa.string(),
    "integer": pa.int64(),
    "money": pa.int64(),
    "boolean": pa.bool_(),
    "timestamp": pa.timestamp("us"),
    "date": pa.date32(),
}


@dataclass(frozen=True)
class ColumnType:
    """The type of a column or of a formula.

    `scale` is the number of decimals: of a decimal its own, of money the currency's exponent, otherwise 0.
    """

    kind: Kind
    scale: int = 0

    def __post_init__(self) -> None:
        assert self.kind == "decimal" or self.kind in _DUCKDB, f"no such kind: {self.kind}"
        assert 0 <= self.scale <= DECIMAL_DIGITS, f"scale {self.scale} is outside 0 to {DECIMAL_DIGITS}"

    @classmethod
    def parse(cls, text: str, money_scale: int = 2) -> Self:
        """The type that a model names: `text`, `money`, `decimal(4)` ...; ValueError where there is none of that name.

        `money_scale` is the exponent of the currency that money is in.
        """
        found = re.fullmatch(r"decimal(?:\((\d{1,2})\))?", text)
        if found:
            scale = DEFAULT_SCALE if found[1] is None else int(found[1])
            if scale > DECIMAL_DIGITS:
                raise ValueError(f"{text} has more than {DECIMAL_DIGITS} decimals; write decimal(0) to decimal(18)")
            return cls("decimal", scale)
        match text:
            case "money":
                return cls("money", money_scale)
            case "text" | "integer" | "boolean" | "timestamp" | "date":
                return cls(text)
        raise ValueError(
            f"'{text}' is not a type; write text, integer, decimal, decimal(4), money, boolean, timestamp or date"
        )

    @property
    def is_number(self) -> bool:
        """Whether values of the type can be calculated with."""
        return self.kind in ("integer", "decimal", "money")

    @property
    def duckdb(self) -> str:
        """The type's name in DuckDB."""
        return f"DECIMAL({DECIMAL_DIGITS}, {self.scale})" if self.kind == "decimal" else _DUCKDB[self.kind]

    @property
    def arrow(self) -> pa.DataType:
        """The type in Arrow."""
        return pa.decimal128(DECIMAL_DIGITS, self.scale) if self.kind == "decimal" else _ARROW[self.kind]

    def __str__(self) -> str:
        """As a model writes it."""
        return f"decimal({self.scale})" if self.kind == "decimal" else self.kind


@dataclass(frozen=True)
class Column:
    """A name in scope of a formula, its type, and the DuckDB SQL that reaches it, for example `r.body."price"`."""

    name: str
    type: ColumnType
    sql: str
