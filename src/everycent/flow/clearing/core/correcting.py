"""What a correction takes back: the obligations that stand, with their signs turned, out of the totals they are in."""

import pyarrow as pa

from everycent.base.engine.local import LocalEngine
from everycent.flow.clearing.contract import ACCUMULATOR, IN_POT, OBLIGATION, SEQUENCED

#: An obligation that is taken back, or stands in its place: where no order decided it, it has no number and no pot.
CORRECTING = pa.schema([*OBLIGATION.columns, *SEQUENCED, *IN_POT])

_SAME = "record_id, charge, bearer, debtor, creditor, currency, legal_entity, refund_of, sequence_no"
_POT = "budget, pot, period, leaf"
#: The last record gives back first, as if it had not come.
_TURN = "sequence_no DESC, record_id DESC, charge, bearer, debtor, creditor"


def taken_back(standing: pa.Table, accumulators: pa.Table, engine: LocalEngine) -> tuple[pa.Table, pa.Table]:
    """CORRECTING rows that take `standing` (such rows) back, and the ACCUMULATOR rows (all of them) after that.

    What stands of a bearer in several rows is taken back in one; what adds up to nothing needs none. Taking back and
    putting the same in again leaves the accumulators as they were.
    """
    rows = engine.query(
        f"""
        WITH owed AS (
            SELECT {_SAME}, {_POT}, -sum(amount_minor)::BIGINT AS amount_minor, max(booked_on) AS booked_on
            FROM standing GROUP BY ALL HAVING sum(amount_minor) <> 0
        ), known AS (SELECT budget, pot, period, bearer AS leaf, total_minor FROM accumulators),
        moved AS (
            SELECT *, sum(amount_minor) OVER (
                PARTITION BY {_POT} ORDER BY {_TURN} ROWS UNBOUNDED PRECEDING) AS moved_minor
            FROM owed
        )
        SELECT * EXCLUDE (moved_minor, total_minor), NULL::VARCHAR AS debtor_statement,
            NULL::VARCHAR AS creditor_statement,
            CASE WHEN budget IS NOT NULL THEN coalesce(total_minor, 0) + moved_minor - amount_minor END::BIGINT
                AS total_before_minor,
            CASE WHEN budget IS NOT NULL THEN coalesce(total_minor, 0) + moved_minor END::BIGINT AS total_after_minor
        FROM moved LEFT JOIN known USING ({_POT}) ORDER BY {_TURN}
        """,
        standing=standing,
        accumulators=accumulators,
    )
    left = engine.query(
        """
        SELECT budget, pot, period, bearer, sum(total_minor)::BIGINT AS total_minor FROM (
            SELECT * FROM accumulators UNION ALL
            SELECT budget, pot, period, leaf, amount_minor FROM gone WHERE budget IS NOT NULL)
        GROUP BY ALL ORDER BY ALL
        """,
        accumulators=accumulators,
        gone=rows,
    )
    return rows.select(CORRECTING.names).cast(CORRECTING), left.cast(ACCUMULATOR.columns)
