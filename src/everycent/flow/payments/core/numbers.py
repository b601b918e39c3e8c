"""Numbers of verified accounts: masked where instructions are kept, in the clear only for the channel."""

from collections.abc import Mapping
from uuid import UUID

import pyarrow as pa

#: Why an instruction to an account that is verified no longer is not sent.
NOT_VERIFIED = (
    "its payout account is no longer verified: the next run takes it back and pays to the account of that day"
)


def account_ids(instructions: pa.Table) -> set[UUID]:
    """The verified accounts that INSTRUCTION rows pay to."""
    return {key for key in instructions["account_id"].to_pylist() if key is not None}


def with_numbers(instructions: pa.Table, numbers: Mapping[UUID, str]) -> pa.Table:
    """INSTRUCTION rows with the numbers of their verified accounts in the clear."""
    pairs = zip(instructions["account_id"].to_pylist(), instructions["account"].to_pylist(), strict=True)
    at = instructions.schema.get_field_index("account")
    accounts = pa.array([account if key is None else numbers[key] for key, account in pairs], pa.string())
    return instructions.set_column(at, instructions.schema.field(at), accounts)
