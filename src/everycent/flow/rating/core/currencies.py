"""Which currency each amount is in: a formula's money is all in one, a charge's result in the charge's own."""

from collections.abc import Mapping
from dataclasses import dataclass

from everycent.base.engine.types import ColumnType
from everycent.base.money.currency import Currency, UnknownCurrency, currency
from everycent.flow.intake.contract import RECORDS_OWN, RecordMoney, TableSpec
from everycent.flow.rating.contract import FactorSpec, RatedChargeSpec, RatingRefused


@dataclass(frozen=True)
class Denomination:
    """What an amount is in: `said` is a code, or RECORDS_OWN; `currency` is that of the records planned for."""

    said: str
    currency: Currency


def of_record(money: RecordMoney, known: Currency) -> Denomination:
    """What the records' own money is in."""
    return Denomination(known.code if money.column is None else RECORDS_OWN, known)


def of_charge(name: str, spec: RatedChargeSpec, record: Denomination) -> Denomination:
    """What a charge is in: what it says, or what its record is in. Raises RatingRefused."""
    return record if spec.currency is None else of_code(spec.currency, ("charges", name, "currency"))


def of_code(code: str, path: tuple[str, ...]) -> Denomination:
    """A currency by its ISO 4217 code. Raises RatingRefused."""
    try:
        return Denomination(code, currency(code))
    except UnknownCurrency as unknown:
        raise RatingRefused(str(unknown), path) from None


def money_of_factors(
    factors: Mapping[str, FactorSpec], tables: Mapping[str, TableSpec], of: Mapping[str, str], model: Currency
) -> dict[str, str]:
    """What the factors are in as far as they are money."""
    found: dict[str, str] = {}
    for name, spec in factors.items():
        column = spec.column or name
        if spec.is_column:
            found |= {name: of[column]} if column in of else {}
            continue
        there = tables[spec.table].columns.get(column) if spec.table is not None and spec.table in tables else None
        found[name] = (None if there is None else there.currency) or model.code
    return found


def columns_in(columns: Mapping[str, ColumnType], of: Mapping[str, str], record: Denomination) -> dict[str, ColumnType]:
    """The columns' types in one currency of the records."""
    own = ColumnType("money", record.currency.exponent)
    return {
        name: own if kind.kind == "money" and of.get(name, record.said) == record.said else kind
        for name, kind in columns.items()
    }
