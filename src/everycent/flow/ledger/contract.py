"""What the ledger gives to the rest of the house: transfers between accounts, and how accounts are named."""

import pyarrow as pa

from everycent.base.engine.tables import UUID, TableSchema

#: Sums of minor units: 128 bits wide, so that no number of rows overflows them.
TOTAL_MINOR = pa.decimal128(38, 0)

#: A transfer moves a positive amount from the account it debits to the account it credits.
TRANSFER = TableSchema(
    name="ledger.transfer",
    columns=pa.schema(
        [
            pa.field("transfer_id", UUID, nullable=False),  # from (what caused it, booked_on, accounts, currency)
            pa.field("booked_on", pa.date32(), nullable=False),
            pa.field("debit_account", pa.string(), nullable=False),
            pa.field("credit_account", pa.string(), nullable=False),
            pa.field("amount_minor", TOTAL_MINOR, nullable=False),  # > 0
            pa.field("currency", pa.string(), nullable=False),
            pa.field("cause", pa.string(), nullable=False),  # OBLIGATIONS_CAUSE of its batch, or `instruction <id>`
        ]
    ),
    key=("transfer_id",),
)

#: Account names begin with one of these: `party/<party_id>`, `operator/<legal_entity>/<charge>`, `channel/<name>`.
PARTY_ACCOUNT = "party/"
OPERATOR_ACCOUNT = "operator/"
CHANNEL_ACCOUNT = "channel/"

#: The cause of a batch's transfers: its obligations of one day between two accounts, added up.
OBLIGATIONS_CAUSE = "obligations"
