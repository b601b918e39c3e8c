"""The difference between two ways of clearing the same records: by charge, party and bearer, down to single records.

Amounts of different currencies are never added: each row is of one currency.
"""

from dataclasses import dataclass

import pyarrow as pa

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import identifier

#: Sums of minor units; DuckDB adds in 128 bits.
_MINOR = "DECIMAL(38, 0)"


@dataclass(frozen=True)
class Difference:
    """What moves, in minor units; every table has `before_minor` and `after_minor`, decimal128(38, 0), 0 for nothing,
    and their `currency`.

    `charges`: charge, records (how many records differ in it). `parties`: party, what it is owed less what it owes,
    those that differ, most first. `bearers`: charge, bearer (its number), role; apportioned charges only, as declared.
    `records`: record_id, charge; single records, most first, at most as many as were asked for. `differing`: how many
    pairs of record and charge differ at all.
    """

    charges: pa.Table
    parties: pa.Table
    bearers: pa.Table
    records: pa.Table
    differing: int


def compare(engine: LocalEngine, before: str, after: str, records_max: int) -> Difference:
    """Compares the OBLIGATION rows of two views of the engine's connection."""
    engine.connection.execute(_paired_sql(before, after))
    try:
        charges = engine.query(
            f"SELECT charge, currency, {_summed()}, count(DISTINCT record_id) FILTER (differs) AS records"
            " FROM paired_obligations GROUP BY charge, currency ORDER BY charge, currency"
        )
        parties = engine.query(
            f"SELECT party, currency, {_summed()} FROM ("
            " SELECT creditor AS party, currency, before_minor, after_minor FROM paired_obligations"
            " UNION ALL SELECT debtor, currency, -before_minor, -after_minor FROM paired_obligations"
            ") GROUP BY party, currency HAVING sum(before_minor) <> sum(after_minor)"
            " ORDER BY abs(sum(after_minor) - sum(before_minor)) DESC, party, currency"
        )
        bearers = engine.query(
            f"SELECT charge, bearer, split_part(debtor, ':', 1) AS role, currency, {_summed()} FROM paired_obligations"
            " WHERE bearer > 0 GROUP BY ALL ORDER BY charge, bearer, role, currency"
        )
        records = engine.query(
            f"SELECT record_id, charge, currency, {_summed()} FROM paired_obligations"
            " GROUP BY record_id, charge, currency HAVING bool_or(differs)"
            " ORDER BY abs(sum(after_minor) - sum(before_minor)) DESC, record_id, charge, currency"
            f" LIMIT {records_max}"
        )
        counted = engine.query(
            "SELECT count(*) AS differing FROM"
            " (SELECT 1 FROM paired_obligations WHERE differs GROUP BY record_id, charge)"
        )
    finally:
        engine.connection.execute("DROP TABLE IF EXISTS paired_obligations")
    return Difference(charges, parties, bearers, records, int(counted.column("differing")[0].as_py()))


def _summed() -> str:
    return ", ".join(f"CAST(sum({name}) AS {_MINOR}) AS {name}" for name in ("before_minor", "after_minor"))


def _paired_sql(before: str, after: str) -> str:
    """Obligations of both sides side by side; a row is the same one where it owes the same to the same."""
    sides = " UNION ALL ".join(
        f"SELECT record_id, charge, bearer, debtor, creditor, currency, amount_minor AS {own}, 0::BIGINT AS {other}"
        f" FROM {identifier(view)}"
        for view, own, other in ((before, "before_minor", "after_minor"), (after, "after_minor", "before_minor"))
    )
    return (
        "CREATE OR REPLACE TEMP TABLE paired_obligations AS"
        " SELECT record_id, charge, bearer, debtor, creditor, currency, sum(before_minor) AS before_minor,"
        " sum(after_minor) AS after_minor, sum(before_minor) <> sum(after_minor) AS differs"
        f" FROM (SELECT * FROM ({sides.replace('UNION ALL', 'UNION ALL BY NAME')})) GROUP BY ALL"
    )
