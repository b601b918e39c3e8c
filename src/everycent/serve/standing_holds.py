"""What runs found holds a settlement step too: the records whose key has a break that stands."""

import pyarrow as pa

from everycent.base.engine.sql import literal
from everycent.flow.pipeline.service import Session
from everycent.flow.settlement.contract import HELD_RECORD
from everycent.proof.recon.service import standing_breaks
from everycent.serve.reconciling import PlannedScenario
from everycent.serve.watching import Live, new_records, records_of, watched


def held_by_runs(session: Session, live: Live, scenario: PlannedScenario, *, unsure: bool) -> pa.Table:
    """HELD_RECORD: the stored records whose key has a break that stands; with `unsure` also one that still waits to be
    looked at again. Records are read through only where there is one."""
    standing = standing_breaks(session.connection, watched(session, live, scenario), unsure=unsure)
    parts = [HELD_RECORD.empty_table()]
    if standing:
        keys = pa.table({"key": pa.array(standing, pa.string()), "kind": pa.array(standing.values(), pa.string())})
        for name in ("left", "right"):
            if (kind := records_of(scenario, name)) is not None:
                envelope, read = new_records(session, live, getattr(scenario, name), kind, after=0)
                held = session.engine.query(
                    f"""SELECT e.record_id,
                        {literal(scenario.name)} || ': ' || key || ' is a break that stands: ' || kind AS reason
                    FROM keys JOIN compared AS c USING (key) JOIN envelope AS e ON c.source_line = e.row_no
                    ORDER BY key, e.row_no""",
                    keys=keys,
                    compared=read.rows,
                    envelope=envelope,
                )
                parts.append(held.cast(HELD_RECORD))
    return pa.concat_tables(parts)
