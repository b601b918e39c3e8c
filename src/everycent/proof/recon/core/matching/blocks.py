"""Rows that are worth comparing: those of one block, which have named columns in common. Never each with each."""

from collections.abc import Sequence

from everycent.base.engine.sql import identifier, literal

#: By the words of the rules; `currency` is told apart.
_COLUMNS = {
    "key": "key",
    "amount": "amount_minor",
    "status": "status",
    "occurred_on": "occurred_on",
    "reference": "reference",
    "counterparty": "counterparty",
    "group": "group",
}


def column_sql(word: str, row: str, currency: str) -> str:
    """The column that a rule's word names, of the row `l` or `r`. A row without a currency has the scenario's."""
    if word == "currency":
        return f"coalesce({row}.currency, {literal(currency)})"
    return f"{row}.{identifier(_COLUMNS[word])}"


def blocked_sql(items: str, by: Sequence[str], currency: str) -> str:
    """SQL for `items` with their block in b0, b1 …, and `money`, their currency; rows without a block are left out."""
    assert by, "without a block each row would be compared with each other"
    values = [column_sql(word, "i", currency) for word in by]
    names = ", ".join(f"{value} AS {name}" for value, name in zip(values, block_columns(by), strict=True))
    present = " AND ".join(f"{value} IS NOT NULL" for value in values)
    money = column_sql("currency", "i", currency)
    return f"SELECT i.*, {money} AS money, {names} FROM {identifier(items)} AS i WHERE {present}"


def block_columns(by: Sequence[str]) -> list[str]:
    """The columns that make a block."""
    return [f"b{place}" for place in range(len(by))]


def same_block(by: Sequence[str], one: str, other: str) -> str:
    """The condition that two blocked rows are in one block."""
    return " AND ".join(f"{one}.{name} = {other}.{name}" for name in block_columns(by))


def near_sql(within_days: int | None) -> str:
    """The condition that rows `l` and `r` are so many days apart at most; a row without a date never is."""
    return "true" if within_days is None else f"abs(l.occurred_on - r.occurred_on) <= {int(within_days)}"


#: left - right, wide enough for any two.
DIFFERENCE_SQL = "(l.amount_minor::HUGEINT - r.amount_minor::HUGEINT)"
