"""What payments gives to the rest of the house: payment instructions, and its part of the model's language."""

from enum import StrEnum

import pyarrow as pa
from pydantic import Field

from everycent.base.engine.declaration import Declaration, Name, NumberText, Words
from everycent.base.engine.tables import UUID, TableSchema

#: Sums of minor units: 128 bits wide, so that no number of rows overflows them.
TOTAL_MINOR = pa.decimal128(38, 0)


class InstructionState(StrEnum):
    """The life of an instruction, in this issue."""

    WAITING = "waiting"  # it cannot go to a channel; its reason says why
    CREATED = "created"  # ready for its channel
    FILED = "filed"  # it stands in a bank file


class Outcome(StrEnum):
    """What became of one side of a closed statement."""

    INSTRUCTED = "instructed"  # an instruction pays or collects it
    ZERO = "zero"  # settled without payment: with the others of its group it adds up to nothing
    CARRIED = "carried"  # below the minimum: it waits for the next closing


class InstructionAltered(Exception):
    """A stored instruction is not as it was written; it is neither filed nor changed."""

    def __init__(self, instruction_id: object, party_id: str) -> None:
        super().__init__(
            f"instruction {instruction_id} to {party_id} was altered in the database after it was written, and no bank "
            "file is made of it; see what `everycent verify` finds, and restore the database from a copy"
        )


#: Instructions are decided rows: always in PostgreSQL (payments.instruction).
INSTRUCTION = TableSchema(
    name="payments.instruction",
    columns=pa.schema(
        [
            pa.field("instruction_id", UUID, nullable=False),  # from what it pays: party, day, direction, statements
            pa.field("party_id", pa.string(), nullable=False),
            pa.field("role", pa.string(), nullable=False),
            pa.field("legal_entity", pa.string(), nullable=False),
            pa.field("currency", pa.string(), nullable=False),
            pa.field("direction", pa.string(), nullable=False),  # pay (to the party) | collect (from the party)
            pa.field("amount_minor", TOTAL_MINOR, nullable=False),  # > 0
            pa.field("channel", pa.string(), nullable=False),
            pa.field("as_of", pa.date32(), nullable=False),  # the day cut that caused it; its ledger date
            pa.field("account", pa.string()),
            pa.field("account_name", pa.string()),
            pa.field("state", pa.string(), nullable=False),  # an InstructionState
            pa.field("reason", pa.string()),  # why it waits
            pa.field("file", pa.string()),  # the bank file's name, without its ending
            pa.field("filed_as_of", pa.date32()),
        ]
    ),
    key=("instruction_id",),
)

#: What became of each side of each closed statement (payments.instruction_statement).
INSTRUCTED_STATEMENT = TableSchema(
    name="payments.instruction_statement",
    columns=pa.schema(
        [
            pa.field("statement_id", pa.string(), nullable=False),
            pa.field("side", pa.string(), nullable=False),  # net; in gross mode payable and receivable apart
            pa.field("amount_minor", TOTAL_MINOR, nullable=False),  # signed: above 0 is owed to the party
            pa.field("outcome", pa.string(), nullable=False),  # an Outcome
            pa.field("instruction_id", UUID),
            pa.field("as_of", pa.date32(), nullable=False),  # of the outcome; of a carried one, since when
        ]
    ),
    key=("statement_id", "side"),
)


class PayoutAccountSpec(Declaration):
    """Where a party's account number is found: an attached table by party key; the party's own key otherwise."""

    table: str | None = Field(
        default=None, description="an attached table keyed by the party's key columns", examples=["bank_accounts"]
    )
    number: Name = Field(default="account", description="its column with the account's number", examples=["iban"])
    name: Name = Field(default="account_name", description="its column with the holder's name", examples=["holder"])
    currency: Name | None = Field(
        default=None,
        description="its key column with the currency that an account takes, by ISO 4217 code; all otherwise",
        examples=["currency"],
    )


class PayoutSpec(Declaration):
    """How a party role is paid and charged."""

    channels: Words = Field(default=("bank_file",), description="how it is paid", examples=["bank_file"])
    minimum: NumberText | dict[str, NumberText] = Field(
        default="0",
        description="smaller amounts, in major units, wait for the next statement; with several currencies, by code",
        examples=["1.00", {"CNY": "1.00", "JPY": "100"}],
    )
    account: PayoutAccountSpec | None = Field(
        default=None,
        description="where the party's account is found; without it the party's key is the account where no role has "
        "a table of accounts, and its payments wait where one has",
    )
    payer_accounts: dict[str, str] = Field(
        default_factory=dict,
        description="legal entity -> its own account that pays; its name stands in otherwise",
        examples=[{"market-shanghai": "DE89370400440532013000"}],
    )
