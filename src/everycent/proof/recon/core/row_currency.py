"""What a side's row is in: the currency that it names, else the scenario's."""

import pyarrow as pa

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import literal


def names_currency(side: pa.Table | str, engine: LocalEngine) -> bool:
    """Whether the side's rows say which currency they are in."""
    return "currency" in engine.query("FROM recon_looked LIMIT 0", recon_looked=side).column_names


def code_sql(side: pa.Table | str, currency: str, engine: LocalEngine) -> str:
    """SQL for a row's currency; `currency` is the scenario's, which rows have that name none."""
    ours = literal(currency)
    return f"coalesce(currency, {ours})" if names_currency(side, engine) else ours


def has_others(side: pa.Table | str, currency: str, engine: LocalEngine) -> bool:
    """Whether the side has rows in others than the scenario's `currency`."""
    if not names_currency(side, engine):
        return False
    found = engine.query(
        f"SELECT bool_or(currency <> {literal(currency)}) AS others FROM recon_looked", recon_looked=side
    )
    return bool(found["others"][0].as_py())
