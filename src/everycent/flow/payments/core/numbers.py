"""Numbers and mandates of verified accounts: masked where instructions are kept, in the clear only for the channel."""

from collections.abc import Collection, Mapping
from datetime import date
from uuid import UUID

import pyarrow as pa

#: Why an instruction to an account that is verified no longer is not sent.
NOT_VERIFIED = (
    "its payout account is no longer verified: the next run takes it back and pays to the account of that day"
)
#: Why a debit whose mandate was taken back is not filed.
REVOKED = "its mandate was revoked: the next run takes it back and asks the party itself"


def account_ids(instructions: pa.Table) -> set[UUID]:
    """The verified accounts that INSTRUCTION rows pay to."""
    return {key for key in instructions["account_id"].to_pylist() if key is not None}


def with_numbers(instructions: pa.Table, numbers: Mapping[UUID, str]) -> pa.Table:
    """INSTRUCTION rows with the numbers of their verified accounts in the clear."""
    pairs = zip(instructions["account_id"].to_pylist(), instructions["account"].to_pylist(), strict=True)
    at = instructions.schema.get_field_index("account")
    accounts = pa.array([account if key is None else numbers[key] for key, account in pairs], pa.string())
    return instructions.set_column(at, instructions.schema.field(at), accounts)


def debited_accounts(instructions: pa.Table) -> set[UUID]:
    """The verified accounts that INSTRUCTION rows debit."""
    pairs = zip(instructions["account_id"].to_pylist(), instructions["mandate"].to_pylist(), strict=True)
    return {key for key, mandate in pairs if key is not None and mandate is not None}


def without_mandate(instructions: pa.Table, mandated: Collection[tuple[UUID, date]]) -> list[UUID]:
    """The INSTRUCTION rows that debit a verified account under a mandate that is none of these."""
    rows = instructions.select(["instruction_id", "account_id", "mandate", "mandate_signed_on"]).to_pylist()
    return [
        row["instruction_id"]
        for row in rows
        if row["account_id"] is not None
        and row["mandate"] is not None
        and (row["account_id"], row["mandate_signed_on"]) not in mandated
    ]


def with_mandates(instructions: pa.Table, mandates: Mapping[tuple[UUID, date], str]) -> pa.Table:
    """INSTRUCTION rows with the mandates of their verified accounts in the clear."""
    names = ("account_id", "mandate_signed_on", "mandate")
    rows = zip(*(instructions[name].to_pylist() for name in names), strict=True)
    at = instructions.schema.get_field_index("mandate")
    clear = [known if key is None or known is None else mandates[key, day] for key, day, known in rows]
    return instructions.set_column(at, instructions.schema.field(at), pa.array(clear, pa.string()))
