"""What parties gives to the rest of the house: party roles, and the parties found in records."""

from typing import Self

import pyarrow as pa
from pydantic import Field, model_validator

from everycent.base.engine.declaration import Declaration, Words
from everycent.base.engine.tables import TableSchema

#: Parties are decided rows: always in PostgreSQL (parties.party), first written wins.
PARTY = TableSchema(
    name="parties.party",
    columns=pa.schema(
        [
            pa.field("party_id", pa.string(), nullable=False),  # <role>:<key values joined by "/">
            pa.field("role", pa.string(), nullable=False),
            pa.field("party_key", pa.string(), nullable=False),  # the key values joined by "/"
        ]
    ),
    key=("party_id",),
)


class PartySpec(Declaration):
    """A party role: the operator itself, or whoever the key columns of a record name."""

    operator: str | None = Field(default=None, description="the platform's legal entity; this role is the platform itself")
    key: Words = Field(default=(), description="the record's columns that identify the party")

    @model_validator(mode="after")
    def _operator_or_key(self) -> Self:
        if (self.operator is None) == (not self.key):
            raise ValueError("a party role is either the 'operator' or found by its 'key' columns")
        return self
