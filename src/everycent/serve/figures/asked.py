"""What figures are asked for, and what a table of figures is."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Literal

#: From how many days on an amount is of the next age.
AGES_DAYS = (31, 61, 91)

Kind = Literal["text", "amount", "count", "date"]


@dataclass(frozen=True)
class Asked:
    """Whose figures, at the end of which day (None: of all that is booked), booked since when, and by what.

    `by`: party or role. `ages_days`: from how many days on an amount is of the next age, rising.
    """

    tenant: str
    model: str
    on: date | None = None
    since: date | None = None
    by: Literal["party", "role"] = "party"
    ages_days: tuple[int, ...] = AGES_DAYS

    @property
    def values(self) -> dict[str, Any]:
        """As parameters of a query."""
        return {
            "tenant": self.tenant, "model": self.model, "on": self.on or date.max, "since": self.since or date.min,
            "by_role": self.by == "role",
        }  # fmt: skip


@dataclass(frozen=True)
class Column:
    """A column; amounts are minor units of their row's `currency`."""

    name: str
    kind: Kind = "text"


@dataclass(frozen=True)
class Figures:
    """A table of figures. One of its columns is called `currency`, where there are amounts."""

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Any, ...], ...]

    @property
    def names(self) -> list[str]:
        """The columns' names."""
        return [column.name for column in self.columns]

    def at(self, name: str) -> int:
        """The place of a column."""
        return self.names.index(name)

    def dicts(self) -> list[dict[str, Any]]:
        """The rows by their columns' names."""
        return [dict(zip(self.names, row, strict=True)) for row in self.rows]

    def of(self, currency: str) -> "Figures":
        """The rows in one currency."""
        at = self.at("currency")
        return Figures(self.name, self.title, self.columns, tuple(row for row in self.rows if row[at] == currency))

    def totals(self) -> dict[str, dict[str, int]]:
        """By currency what each column of amounts adds up to, currencies in order."""
        if "currency" not in self.names:
            return {}
        amounts = [(at, column.name) for at, column in enumerate(self.columns) if column.kind == "amount"]
        codes = sorted({row[self.at("currency")] for row in self.rows if row[self.at("currency")]})
        return {
            code: {name: sum(int(row[at] or 0) for row in self._in(code)) for at, name in amounts} for code in codes
        }

    def _in(self, code: str) -> Iterator[tuple[Any, ...]]:
        at = self.at("currency")
        return (row for row in self.rows if row[at] == code)


def whole(rows: Iterable[Iterable[Any]]) -> tuple[tuple[Any, ...], ...]:
    """Rows as a database gives them: what comes as Decimal are whole minor units."""
    return tuple(tuple(int(cell) if isinstance(cell, Decimal) else cell for cell in row) for row in rows)


def columns(texts: Sequence[str], amounts: Sequence[str] = (), *, counts: Sequence[str] = ()) -> tuple[Column, ...]:
    """Columns of texts, then counts, then amounts with their currency."""
    return (
        *(Column(name) for name in texts),
        *(Column(name, "count") for name in counts),
        *(Column(name, "amount") for name in amounts),
        Column("currency"),
    )
