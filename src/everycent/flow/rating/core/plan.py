"""What rating works from: the charges of one record kind, checked, in order, and compiled."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

import pyarrow as pa

from everycent.base.engine.formula import CompiledAmount
from everycent.base.engine.types import Column, ColumnType
from everycent.base.money.currency import Currency
from everycent.flow.parties.contract import PartySpec
from everycent.flow.rating.contract import FETCHED_TABLE, RuleSpec, SharesOf, factor_of_bearer


def shown_validity(valid: tuple[date | None, date | None]) -> str:
    """`valid from 2026-03-01, before 2026-04-01`."""
    since, until = valid
    parts = [] if since is None else [f"from {since}"]
    parts += [] if until is None else [f"before {until}"]
    return f"valid {', '.join(parts) or 'always'}"


@dataclass(frozen=True)
class Lookup:
    """One attached table, looked up by one key: one join, however many factors read from it.

    `keys` pairs the record's column (or a constant) with the table's. `valid` names the table's columns valid_from
    (inclusive) and valid_to (exclusive); NULL there is without end. `dated` names its one date column instead: a row
    holds on its date, and unless it must be found `exact`ly, until the key's next row. `on` is the record's column that
    this is asked of, None for the business date. `values` are the table's columns that factors read.
    """

    table: str
    keys: tuple[tuple[Column, str], ...]
    valid: tuple[str, str] | None
    values: tuple[str, ...]
    dated: str | None = None
    exact: bool = False
    on: Column | None = None

    @property
    def is_fetched(self) -> bool:
        """Whether its rows are fetched from outside; they say why there is no value."""
        return self.table.startswith(FETCHED_TABLE)

    @property
    def changes(self) -> bool:
        """Whether its rows hold for a time only."""
        return self.valid is not None or self.dated is not None

    @property
    def day_sql(self) -> str:
        """The record's date that its rows are asked for."""
        return "d" if self.on is None else f"CAST({self.on.sql} AS DATE)"


@dataclass(frozen=True)
class Factor:
    """A factor that the kind's charges use: from `column` of a lookup (its place in the plan), or a constant's SQL.

    `alias` is what a looked-up value is called in SQL.
    """

    name: str
    type: ColumnType
    alias: str
    lookup: int | None = None
    column: str | None = None
    constant_sql: str | None = None
    record_column: str | None = None


@dataclass(frozen=True)
class Condition:
    """A condition: its text, its boolean SQL (NULL where it cannot be decided), the names that it uses."""

    text: str
    sql: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class Rule:
    """One way to compute a charge; no condition always matches. The condition includes the validity."""

    label: str
    condition: Condition | None
    text: str
    amount: CompiledAmount
    names: tuple[str, ...]
    priority: int
    specificity: int
    valid: tuple[date | None, date | None]

    @property
    def validity(self) -> str:
        """When it is valid, in words."""
        return shown_validity(self.valid)


@dataclass(frozen=True)
class Charge:
    """A charge of the kind, in `currency`; `said` is what the model calls that. `rules` are in the order in which they
    are tried; `level` is above its bases' levels.

    `adds`: all rules that hold add up; otherwise the first one does. `names`: all that it is computed from, as written,
    and `contracts`: the factors that are its parties' contracts, each of which there must be.
    """

    name: str
    when: Condition | None
    rules: tuple[Rule, ...]
    bases: tuple[int, ...]
    level: int
    debtor: str | None
    creditor: str
    adds: bool
    said: str
    currency: Currency
    names: tuple[str, ...]
    contracts: tuple[str, ...] = ()

    @property
    def roles(self) -> tuple[str, ...]:
        """The party roles that must be known for the charge to stand."""
        return (self.creditor,) if self.debtor is None else (self.debtor, self.creditor)


@dataclass(frozen=True)
class PerShare:
    """A charge per share, as far as it is known before the shares are: what is looked up for it.

    `names`: all that it is computed from, as written. `looked_up`: those of them that are factors from tables;
    `by_bearer`: of these, the ones that each bearer has a value of its own of.
    """

    name: str
    of: SharesOf
    names: tuple[str, ...]
    looked_up: tuple[str, ...]
    by_bearer: tuple[str, ...]

    @property
    def reads(self) -> tuple[str, ...]:
        """`names`, with the factors that are looked up for each role in the place of those that are so by bearer."""
        roles = tuple(dict.fromkeys(self.of.rated.values()))
        each = (
            tuple(factor_of_bearer(name, role) for role in roles) if name in self.by_bearer else (name,)
            for name in self.names
        )
        return tuple(name for names in each for name in names)


@dataclass(frozen=True)
class RatingPlan:
    """How records of one kind become charges. `charges` and `factors` are in declared order.

    In SQL a record's column is c<n>, a charge's amount a<n>, by their places here. `money`: what each name that is
    money is in. `in_currency`: where records have a currency of their own, in the column `currency_column`, the plan of
    each; they differ in the scale of money only, and this is the first of them.

    `in_turn`: the charges that depend on what came before; here they are computed as if that were 1, as far as that
    cannot change whether they are held. `history`: the factors that make them so. `given`: columns that are no columns
    of the record, and what to say where they have no value. `per_share`: charges that are computed later, from shares;
    what they look up is among the factors. `rows`: by charge, the rules that the rows of its decision table are, each
    with the name that it goes by.
    """

    kind: str
    columns: tuple[Column, ...]
    lookups: tuple[Lookup, ...]
    factors: tuple[Factor, ...]
    charges: tuple[Charge, ...]
    roles: dict[str, PartySpec]
    money: Mapping[str, str]
    currency_column: str | None = None
    in_currency: Mapping[str, "RatingPlan"] = field(default_factory=dict)
    in_turn: tuple[str, ...] = ()
    history: tuple[Factor, ...] = ()
    given: Mapping[str, str] = field(default_factory=dict)
    per_share: tuple[PerShare, ...] = ()
    rows: Mapping[str, tuple[RuleSpec, ...]] = field(default_factory=dict)

    @property
    def computed_from(self) -> dict[str, tuple[str, ...]]:
        """What each charge is computed from, those per share among them."""
        return {charge.name: charge.names for charge in self.charges} | {
            charge.name: charge.reads for charge in self.per_share
        }

    @property
    def levels(self) -> tuple[tuple[int, ...], ...]:
        """The places of the charges, level by level: a charge uses only charges of earlier levels."""
        depth = max((charge.level for charge in self.charges), default=-1) + 1
        return tuple(
            tuple(place for place, charge in enumerate(self.charges) if charge.level == level) for level in range(depth)
        )

    @property
    def snapshot_type(self) -> pa.DataType:
        """The type of a snapshot's body: each factor and its value."""
        return pa.struct([pa.field(factor.name, factor.type.arrow) for factor in self.factors])

    def value_sql(self, name: str) -> str:
        """SQL of a name that is a column or a factor from a table."""
        factors = {factor.name: factor.alias for factor in self.factors}
        return factors[name] if name in factors else self.column(name).sql

    def column(self, name: str) -> Column:
        """The record's column of this name."""
        return next(column for column in self.columns if column.name == name)
