"""What parties gives to the rest of the house: party roles, and the parties found in records."""

from collections.abc import Callable
from typing import Self

import pyarrow as pa
from pydantic import Field, model_validator

from everycent.base.engine.declaration import Declaration, Name, Words
from everycent.base.engine.sql import identifier, literal
from everycent.base.engine.tables import TableSchema

#: Parties are decided rows: always in PostgreSQL (parties.party), first written wins.
PARTY = TableSchema(
    name="parties.party",
    columns=pa.schema(
        [
            pa.field("party_id", pa.string(), nullable=False),  # <role>:<key values joined by "/">
            pa.field("role", pa.string(), nullable=False),
            pa.field(
                "party_key", pa.string(), nullable=False
            ),  # the key values joined by "/"; the operator's: its legal entity
        ]
    ),
    key=("party_id",),
)


class ContractSpec(Declaration):
    """Where the contract is found under which a party is settled: by the party's key, on the business date."""

    table: str = Field(
        description="an attached table keyed by the party's key columns, or a file beside the model",
        examples=["contracts.csv"],
    )
    number: Name = Field(
        default="contract_no", description="its column with the contract's number", examples=["agreement"]
    )


class PartySpec(Declaration):
    """A party role: the operator itself, or whoever the key columns of a record name."""

    operator: str | None = Field(
        default=None,
        description="the platform's legal entity; this role is the platform itself",
        examples=["market-shanghai"],
    )
    key: Words = Field(
        default=(), description="the record's columns that identify the party", examples=[["merchant", "store"]]
    )

    contract: ContractSpec | None = Field(
        default=None,
        description="where the party's contract is found; a charge of a party that has none on the day is held",
        examples=[{"table": "contracts.csv"}],
    )

    @model_validator(mode="after")
    def _operator_or_key(self) -> Self:
        if (self.operator is None) == (not self.key):
            raise ValueError("a party role is either the 'operator' or found by its 'key' columns")
        if self.operator is not None and self.contract is not None:
            raise ValueError("the operator has no contract with itself; write 'contract' at the roles that have one")
        return self


def party_id_sql(role: str, spec: PartySpec, column_sql: Callable[[str], str] = identifier) -> str:
    """DuckDB expression of a party's id: `<role>:<key values joined by "/">`; of the operator: its role's name.

    `column_sql` gives the SQL that reaches a key column. "/" and "\\" within a value are escaped by "\\", so that
    different keys never share an id. NULL where a key value is NULL or empty: nobody is named there.
    """
    if spec.operator is not None:
        return literal(role)
    return f"({literal(role + ':')} || {party_key_sql(tuple(column_sql(column) for column in spec.key))})"


def party_key_sql(values_sql: tuple[str, ...]) -> str:
    """DuckDB expression of a party key from the SQL of its values, in the order of the role's key columns."""
    assert values_sql, "a party key has at least one value"
    return " || '/' || ".join(escaped_sql(value) for value in values_sql)


def escaped_sql(value: str) -> str:
    """DuckDB expression of the value as text, "/" and "\\" escaped by "\\"; NULL where it is NULL or empty."""
    text = f"CAST({value} AS VARCHAR)"
    escaped = f"replace(replace({text}, '\\', '\\\\'), '/', '\\/')"
    # Most values have nothing to escape; looking first is twice as fast as replacing always.
    return (
        f"(CASE WHEN contains({text}, '/') OR contains({text}, '\\') THEN {escaped} WHEN {text} <> '' THEN {text} END)"
    )
