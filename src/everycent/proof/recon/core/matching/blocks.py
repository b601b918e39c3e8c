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


#: What a row is told by, beside its amount and its date.
_TELLING = ("key", "status", "reference", "counterparty", "group")


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


def near_sql(within_days: int | None, later: str | None) -> str:
    """The condition that rows `l` and `r` are so many days apart at most, and none of the side `later` the earlier one;
    a row without a date is neither."""
    near = [] if within_days is None else [f"abs(l.occurred_on - r.occurred_on) <= {int(within_days)}"]
    if later is not None:
        near.append("l.occurred_on <= r.occurred_on" if later == "right" else "l.occurred_on >= r.occurred_on")
    return " AND ".join(near) or "true"


#: left - right, wide enough for any two.
DIFFERENCE_SQL = "(l.amount_minor::HUGEINT - r.amount_minor::HUGEINT)"

#: How many columns both have, and have differently.
UNLIKE_SQL = "({})".format(
    " + ".join(f"coalesce(l.{name} <> r.{name}, false)::BIGINT" for name in map(identifier, _TELLING))
)

#: How many days lie between; more than any number of them where one has no date.
DAYS_SQL = f"coalesce(abs(l.occurred_on - r.occurred_on), {1 << 30})::BIGINT"
