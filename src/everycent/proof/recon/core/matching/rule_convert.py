"""The rule `convert`: the left amount, converted by a table of rates, is the right one."""

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import identifier, literal
from everycent.base.money.currency import Currency
from everycent.base.money.currency import currency as currency_of
from everycent.proof.recon.contract import EXCHANGE_RATE, ITEM
from everycent.proof.recon.core.matching.blocks import DIFFERENCE_SQL, column_sql
from everycent.proof.recon.core.matching.found import Found
from everycent.proof.recon.core.matching.pairs import Pairing, assigned, candidates
from everycent.proof.recon.core.matching.words import days
from everycent.proof.recon.rules import ConvertRuleSpec

_RATE_DECIMALS = 9


@dataclass(frozen=True)
class ConvertRule:
    """The further the more minor units of the right currency lie between. `rates`: EXCHANGE_RATE, every day once."""

    pairing: Pairing
    rates: pa.Table
    exponents: Mapping[str, int]

    def find(self, left: pa.Table, right: pa.Table, engine: LocalEngine) -> Found:
        """Left and right: ITEM. A left row enters once for each currency that it can be converted to."""
        converted = engine.query(self._converted_sql(), left_items=left, rates=self.rates).cast(ITEM)
        return assigned(self.pairing, *candidates(self.pairing, converted, right, engine), engine)

    def _converted_sql(self) -> str:
        """Rounded once, half up. TRY: what even 128 bits do not hold is no amount, and matches nothing."""
        units = ", ".join(f"({literal(code)}, {exponent})" for code, exponent in self.exponents.items())
        columns = ", ".join(
            {
                "amount_minor": "minor AS amount_minor",
                "currency": "to_currency AS currency",
            }.get(name, identifier(name))
            for name in ITEM.names
        )
        return f"""WITH units(code, exponent) AS (VALUES {units}),
        wanted AS (
            SELECT l.*, w.from_currency, w.to_currency
            FROM (SELECT i.*, {column_sql("currency", "i", self.pairing.currency)} AS money FROM left_items AS i) AS l
            JOIN (SELECT DISTINCT from_currency, to_currency FROM rates) AS w ON w.from_currency = l.money),
        rated AS (
            SELECT l.*, replace(rate::VARCHAR, '.', '')::HUGEINT AS upper
            FROM wanted AS l ASOF JOIN rates AS x
            ON x.from_currency = l.from_currency AND x.to_currency = l.to_currency AND l.occurred_on >= x.valid_from),
        exact AS (
            SELECT l.*, TRY(l.amount_minor::HUGEINT * upper * {_power("t.exponent")}) AS upper_units,
                {10**_RATE_DECIMALS}::HUGEINT * {_power("f.exponent")} AS lower_units
            FROM rated AS l
            JOIN units AS f ON f.code = l.from_currency JOIN units AS t ON t.code = l.to_currency),
        rounded AS (
            SELECT *, TRY((sign(upper_units) * ((2 * abs(upper_units) + lower_units) // (2 * lower_units)))::BIGINT)
                AS minor
            FROM exact)
        SELECT {columns} FROM rounded WHERE minor IS NOT NULL"""


def _power(exponent: str) -> str:
    """10 to a currency's exponent, 0 to 4, without a power of binary fractions."""
    return f"(CASE {exponent} WHEN 0 THEN 1 WHEN 1 THEN 10 WHEN 2 THEN 100 WHEN 3 THEN 1000 ELSE 10000 END)::HUGEINT"


def plan_convert(spec: ConvertRuleSpec, currency: Currency, rates: Mapping[str, pa.Table]) -> ConvertRule:
    """ValueError where the table of rates is not there, is no EXCHANGE_RATE, has a rate not above 0, a day twice, or a
    code that no currency has."""
    if spec.rates not in rates:
        raise ValueError(f"convert: there is no table '{spec.rates}'; there are {', '.join(sorted(rates)) or 'none'}")
    table = rates[spec.rates]
    if table.column_names != EXCHANGE_RATE.names:
        raise ValueError(f"convert: table '{spec.rates}' has other columns than {', '.join(EXCHANGE_RATE.names)}")
    table = table.cast(EXCHANGE_RATE)
    if any(column.null_count for column in table.columns) or pc.any(pc.less_equal(table["rate"], 0)).as_py():
        raise ValueError(f"convert: table '{spec.rates}' has a row without a value, or a rate that is not above 0")
    days_of = table.group_by(["from_currency", "to_currency", "valid_from"]).aggregate([])
    if days_of.num_rows != table.num_rows:
        raise ValueError(f"convert: table '{spec.rates}' has two rates of one pair of currencies for one day")
    codes = sorted({*table["from_currency"].unique().to_pylist(), *table["to_currency"].unique().to_pylist()})
    pairing = Pairing(
        by=tuple(word for word in spec.by if word != "currency"),
        currency=currency.code,
        within_days=days(spec.within),
        later=spec.later,
        pairs_max=spec.pairs,
        budget=spec.budget,
        where=f"l.money = r.money AND abs({DIFFERENCE_SQL}) <= {spec.tolerance_minor}",
        distance=f"abs({DIFFERENCE_SQL})",
        clear_by=spec.clear_by,
        differences=(("conversion_difference", DIFFERENCE_SQL),),
    )
    exponents = {code: currency_of(code).exponent for code in (*codes, currency.code)}
    return ConvertRule(pairing, table, exponents)
