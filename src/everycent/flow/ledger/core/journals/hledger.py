"""hledger: commodities and accounts are declared, so that its strict checks pass too; balances are asserted."""

import json
import re
from collections.abc import Sequence
from datetime import date

import pyarrow as pa

from everycent.flow.ledger.core.journals.names import account_name, commodity_name
from everycent.flow.ledger.core.journals.rows import Commodity, lines, renamed

_PLAIN = re.compile(r"[A-Z]+")
_NOT_IN_QUOTES = re.compile(r'["; \t]|[^\w -~]')
_NOT_IN_A_LINE = re.compile(r"\s+")


def _commodity(commodity: str) -> str:
    """Its own name, in quotes where it is more than capitals; where it cannot be in quotes, as Beancount has it."""
    if _PLAIN.fullmatch(commodity):
        return commodity
    name = commodity_name(commodity) if _NOT_IN_QUOTES.search(commodity) else commodity
    return f'"{name}"'


def _described(cause: str) -> str:
    """On one line, with nothing that would begin a comment."""
    return _NOT_IN_A_LINE.sub(" ", cause).replace(";", ",")


def head(title: str, commodities: Sequence[Commodity]) -> str:
    """The title, and each commodity with its decimals."""
    named = "".join(f"commodity 1000.{'0' * one.decimals} {_commodity(one.name)}\n" for one in commodities)
    return f"; {_described(title)}\ndecimal-mark .\n\n{named}\n"


def accounts(rows: pa.Table) -> str:
    """ACCOUNTS rows, each declared, with its name in the ledger as a comment."""
    told = renamed(rows["account"], lambda name: json.dumps(name, ensure_ascii=False))
    return lines("account ", renamed(rows["account"], account_name), "  ; ", told, "\n")


def transfers(rows: pa.Table) -> str:
    """MOVED rows as transactions."""
    commodity = renamed(rows["currency"], _commodity)
    debit, credit = (renamed(rows[f"{end}_account"], account_name) for end in ("debit", "credit"))
    told = (rows["booked_on"], " * (", rows["transfer_id"], ") ", renamed(rows["cause"], _described), "\n    ")
    amount = rows["amount"]
    sides = (debit, "  ", amount, " ", commodity, "\n    ", credit, "  -", amount, " ", commodity, "\n")
    return lines("\n", *told, *sides)


def balances(rows: pa.Table, last_day: date) -> str:
    """BALANCES rows as assertions at the end of the last day."""
    commodity, name = renamed(rows["currency"], _commodity), renamed(rows["account"], account_name)
    told = (
        f"\n{last_day} * the ledger's balance\n    ",
        name,
        "  0 ",
        commodity,
        " = ",
        rows["amount"],
        " ",
        commodity,
    )
    return lines(*told, "\n")
