"""How much of a charge is given back once so much of its record is refunded: in all, so that parts sum to the whole."""

import pyarrow as pa

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import literal
from everycent.base.money.rounding import Rounding
from everycent.flow.clearing.contract import OnRefund

_ROUNDED_UP = {
    Rounding.HALF_UP: "2 * rest >= worth",
    Rounding.HALF_EVEN: "2 * rest > worth OR (2 * rest = worth AND whole % 2 = 1)",
    Rounding.DOWN: "FALSE",
    Rounding.UP: "rest > 0",
}


def targets(pairs: pa.Table, engine: LocalEngine) -> pa.ChunkedArray:
    """For each pair of a refund and a charge: what of the charge is given back in all, without sign, in minor units.

    pairs: pos (its place), charge_minor (the original charge), after (refunded of the record with this refund, minor
    units), worth (the record's), on_refund, rounding. Prorated: |charge| * after / worth, rounded as the charge is;
    128-bit in between.
    """
    rounding = " ".join(f"WHEN {literal(name)} THEN {more}" for name, more in _ROUNDED_UP.items())
    found = engine.query(
        f"""
        WITH divided AS (
            SELECT *, abs(charge_minor::HUGEINT) AS size,
                size * after // greatest(worth, 1) AS whole, size * after % greatest(worth, 1) AS rest
            FROM pairs
        )
        SELECT CAST(CASE
            WHEN after = 0 OR on_refund = {literal(OnRefund.KEEP)} THEN 0
            WHEN on_refund = {literal(OnRefund.RETURN)} THEN size
            ELSE whole + CASE WHEN CASE rounding {rounding} END THEN 1 ELSE 0 END
        END AS BIGINT) AS target FROM divided ORDER BY pos
        """,
        pairs=pairs,
    )
    assert found.num_rows == pairs.num_rows, "one target for each pair"
    assert found.column("target").null_count == 0, "each rounding has its rule"
    return found.column("target")
