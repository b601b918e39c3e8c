"""What a look-up outside gives for its keys, whoever was asked."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Protocol

#: The values of a key's columns.
Key = tuple[str | int | date, ...]
Value = str | int | Decimal | bool

#: Why a key has no value that its source could have given.
NOT_THERE = "its source has no value for it"


@dataclass(frozen=True)
class Answer:
    """A value, or why there is none. `absent`: the source was asked and has none; it did not fail."""

    value: Value | None = None
    why: str | None = None
    absent: bool = False


class LookUp(Protocol):
    """A source outside. It never raises for what the source does: a failure is an answer."""

    def fetch(self, columns: Sequence[str], keys: Sequence[Key], value: str) -> Mapping[Key, Answer]:
        """An answer for each of `keys`, distinct values of `columns`; `value` names what is asked for."""


def matched(
    columns: Sequence[str], keys: Sequence[Key], value: str, rows: Iterable[Mapping[str, Any]]
) -> dict[Key, Answer]:
    """The rows by their keys. Two rows with different values for one key are no answer; nor is a row without both."""
    texts = {tuple(map(str, key)): key for key in keys}
    found: dict[Key, Answer] = {}
    for row in rows:
        key = texts.get(tuple(str(row.get(column)) for column in columns))
        if key is None:
            continue  # nobody asked
        given = row.get(value)
        if given is None:
            answer = Answer(why=f"the answer's row has no '{value}'")
        elif isinstance(given, str | int | Decimal | bool):
            answer = Answer(given)
        else:
            answer = Answer(why=f"'{value}' is no single value")
        if key in found and found[key] != answer:
            answer = Answer(why="it was answered twice, with different values")
        found[key] = answer
    return {key: found.get(key, Answer(why=NOT_THERE, absent=True)) for key in keys}


def failed(keys: Sequence[Key], why: str) -> dict[Key, Answer]:
    """The same failure for each key."""
    return dict.fromkeys(keys, Answer(why=why))
