"""Beancount: accounts are opened, transfers are transactions, and each account's balance is asserted, exactly."""

from collections.abc import Sequence
from datetime import date, timedelta

import pyarrow as pa

from everycent.flow.ledger.core.journals.names import account_name, commodity_name
from everycent.flow.ledger.core.journals.rows import Commodity, lines, renamed

_ESCAPED = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n", "\r": r"\r", "\t": r"\t"})


def _quoted(text: str) -> str:
    return f'"{text.translate(_ESCAPED)}"'


def head(title: str, commodities: Sequence[Commodity]) -> str:
    """The title, and what each commodity is called in the ledger."""
    named = "".join(
        f"{one.first_day} commodity {commodity_name(one.name)}\n  name: {_quoted(one.name)}\n" for one in commodities
    )
    return f'option "title" {_quoted(title)}\n\n{named}\n'


def accounts(rows: pa.Table) -> str:
    """ACCOUNTS rows: each is opened on its first day, under its name in the ledger."""
    name = renamed(rows["account"], account_name)
    return lines(rows["first_day"], " open ", name, "\n  name: ", renamed(rows["account"], _quoted), "\n")


def transfers(rows: pa.Table) -> str:
    """MOVED rows as transactions."""
    commodity = renamed(rows["currency"], commodity_name)
    debit, credit = (renamed(rows[f"{end}_account"], account_name) for end in ("debit", "credit"))
    told = (rows["booked_on"], " * ", renamed(rows["cause"], _quoted), '\n  transfer: "', rows["transfer_id"], '"\n  ')
    amount = rows["amount"]
    return lines("\n", *told, debit, "  ", amount, " ", commodity, "\n  ", credit, "  -", amount, " ", commodity, "\n")


def balances(rows: pa.Table, last_day: date) -> str:
    """BALANCES rows as assertions, on the morning after the last day; nothing is tolerated."""
    commodity, name = renamed(rows["currency"], commodity_name), renamed(rows["account"], account_name)
    morning = str(last_day + timedelta(days=1))
    return lines(morning, " balance ", name, "  ", rows["amount"], " ~ 0 ", commodity, "\n")
