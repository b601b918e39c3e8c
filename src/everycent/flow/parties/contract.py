"""What parties gives to the rest of the house: party roles, and the parties found in records."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from enum import StrEnum
from typing import Self

import pyarrow as pa
from pydantic import Field, model_validator

from everycent.base.engine.declaration import Declaration, Duration, Name, ScalarText, Words
from everycent.base.engine.sql import identifier, literal
from everycent.base.engine.tables import UUID, TableSchema

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


#: What a contract that came as a message says, from `since` until the day before `until`.
CONTRACT_PERIOD = TableSchema(
    name="parties.contract_period",
    columns=pa.schema(
        [
            pa.field("party_id", pa.string(), nullable=False),
            pa.field("role", pa.string(), nullable=False),
            pa.field("contract_no", pa.string(), nullable=False),
            pa.field("revision", pa.int64(), nullable=False),
            pa.field("since", pa.date32(), nullable=False),
            pa.field("until", pa.date32()),  # None: it has no end
            pa.field("cycle", pa.string(), nullable=False),
            pa.field("mode", pa.string(), nullable=False),  # net | gross
            pa.field("legal_entity", pa.string()),
            pa.field("reserve_ratio", pa.decimal128(9, 8)),
            pa.field("reserve_release_seconds", pa.int64()),
            pa.field("minimum_payout_minor", pa.string(), nullable=False),  # JSON: minor units by currency
            pa.field("silent_days", pa.int64()),  # so long after closing, silence confirms
            pa.field("negative", pa.string()),  # collect | carry
            pa.field("invoice", pa.string()),  # before_payment | none
            pa.field("charge_groups", pa.string()),  # JSON: by charge, the group that has a statement of its own
        ]
    ),
    key=("party_id", "since"),
)

#: The verified account that a party is paid to on a day.
USABLE_ACCOUNT = TableSchema(
    name="parties.usable_account",
    columns=pa.schema(
        [
            pa.field("party_id", pa.string(), nullable=False),
            pa.field("account_id", UUID, nullable=False),
            pa.field("method", pa.string(), nullable=False),  # bank_card | alipay | wechat
            pa.field("number", pa.string(), nullable=False),  # in the clear: for the channel, and nobody else
            pa.field("holder", pa.string(), nullable=False),
            pa.field("masked", pa.string(), nullable=False),
            pa.field("mandate", pa.string()),  # masked; of the one that was signed last
            pa.field("mandate_signed_on", pa.date32()),
            pa.field("mandate_revoked_on", pa.date32()),
        ]
    ),
    key=("party_id",),
)

#: What a table of verified accounts tells of each, as text; beside its party's key.
ACCOUNT_COLUMNS = (
    "account_id", "number", "holder", "masked", "method", "mandate", "mandate_signed_on", "mandate_revoked_on",
)  # fmt: skip

#: What a contract's message says of whom it is with: the relation group.
RELATION_FIELDS = ("system", "tenant", "company", "merchant", "merchant_type", "store", "sales_associate")

_CONTRACTS_OF = "contracts of "


class MerchantType(StrEnum):
    """What a merchant is to the platform."""

    SUPPLIER = "supplier"
    DISTRIBUTOR = "distributor"
    CONCESSIONAIRE = "concessionaire"


class ContractSpec(Declaration):
    """Where the contract is found under which a party is settled: by the party's key, on the business date."""

    table: str | None = Field(
        default=None,
        description="an attached table keyed by the party's key columns, or a file beside the model",
        examples=["contracts.csv"],
    )
    messages: bool = Field(
        default=False, description="contracts come as messages instead, `everycent party contract take`"
    )
    number: Name = Field(
        default="contract_no", description="its column with the contract's number", examples=["agreement"]
    )

    @model_validator(mode="after")
    def _table_or_messages(self) -> Self:
        if (self.table is None) != self.messages:
            raise ValueError("contracts have one source: write either 'table' or 'messages: yes'")
        return self


class OnboardSpec(Declaration):
    """Which contracts make parties of this role, and how a party's key is read off the contract's relation group."""

    merchant_types: tuple[MerchantType, ...] = Field(
        default=tuple(MerchantType),
        description="whose contracts they are: a supplier, a distributor, a concessionaire",
        examples=[["concessionaire"]],
    )
    sales_associate: bool = Field(
        default=False, description="yes: contracts that name a sales associate; no: those that name none"
    )
    key: dict[Name, str] = Field(
        default_factory=dict,
        description="from which of the contract's fields a key column comes, where it is called otherwise there: "
        + ", ".join(RELATION_FIELDS),
        examples=[{"shop": "store"}],
    )


class OnboardingSpec(Declaration):
    """Whose contract messages are taken."""

    sources: dict[ScalarText, Words] = Field(
        description="the source systems, each with the tenants in it whose contracts are taken",
        examples=[{"mall": ["1", "2"]}],
    )
    cooling: Duration = Field(
        default=timedelta(days=1),
        description="how long a changed payout account waits, after a second person's yes, before it is paid to",
        examples=["2 days"],
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
    onboard: OnboardSpec | None = Field(
        default=None,
        description="which contract messages make parties of this role",
        examples=[{"merchant_types": ["concessionaire"]}],
    )

    @model_validator(mode="after")
    def _operator_or_key(self) -> Self:
        if (self.operator is None) == (not self.key):
            raise ValueError("a party role is either the 'operator' or found by its 'key' columns")
        if self.operator is not None and (self.contract is not None or self.onboard is not None):
            raise ValueError("the operator has no contract with itself; write 'contract' at the roles that have one")
        if self.contract is not None and self.contract.messages and self.onboard is None:
            raise ValueError("no contract message makes a party of this role; say with 'onboard' which do")
        return self


def verified_table(role: str) -> str:
    """The table of a role's verified accounts, as payments look them up."""
    return f"verified accounts of {role}"


def contract_table(role: str) -> str:
    """The table of a role's contracts that came as messages, as factors look them up."""
    return _CONTRACTS_OF + role


def role_of_contract_table(table: str) -> str | None:
    """The role whose contract messages a table is made of; None of any other table."""
    return table.removeprefix(_CONTRACTS_OF) if table.startswith(_CONTRACTS_OF) else None


def party_key(values: Sequence[str]) -> str:
    """The key that `party_key_sql` gives for these values, in the order of the role's key columns. None is empty."""
    assert values, "a party key has at least one value"
    assert all(values), f"an empty value in {values} names nobody"
    return "/".join(value.replace("\\", "\\\\").replace("/", "\\/") for value in values)


def key_values(party_key: str) -> list[str]:
    """The values that a party's key was made of."""
    values, rest = [""], iter(party_key)
    for character in rest:
        if character == "/":
            values.append("")
        else:
            values[-1] += next(rest) if character == "\\" else character
    return values


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
