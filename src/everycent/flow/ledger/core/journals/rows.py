"""What journals are written from: texts in columns, some rows at a time."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

_TEXT = pa.string()


def _texts(*names: str) -> pa.Schema:
    return pa.schema([pa.field(name, _TEXT, nullable=False) for name in names])


#: Accounts in their order, with the first day on which anything was booked.
ACCOUNTS = _texts("account", "first_day")
#: Transfers that moved money, by day; `amount` has all of its commodity's decimals.
MOVED = _texts("booked_on", "transfer_id", "debit_account", "credit_account", "amount", "currency", "cause")
#: Debits less credits of each account: the sign that journals have.
BALANCES = _texts("account", "amount", "currency")


@dataclass(frozen=True)
class Commodity:
    """A commodity that the ledger holds: its name there, its decimals, and when it was first booked."""

    name: str
    decimals: int
    first_day: date


def renamed(column: pa.ChunkedArray, name: Callable[[str], str]) -> pa.Array:
    """Each text by another name, worked out once for each different one."""
    given = column.combine_chunks()
    coded = (given if isinstance(given, pa.Array) else pa.array([], _TEXT)).dictionary_encode()
    return pa.array([name(text) for text in coded.dictionary.to_pylist()], _TEXT).take(coded.indices)


def lines(*parts: pa.Array | pa.ChunkedArray | str) -> str:
    """The parts of each row one after another, and the rows one after another."""
    texts = pc.binary_join_element_wise(*parts, "")
    return "".join(texts.to_pylist())
