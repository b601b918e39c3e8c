"""Which stored records a run takes: those of batches that are there when it begins, and came after the cut before."""

from datetime import date

from everycent.flow.pipeline.service import Session
from everycent.proof.recon.service import Batches, cut_before


def batches_of(session: Session, model: str, scenario: str, day: date | None, *, carries: bool) -> Batches:
    """What the scenario takes at the day, of that which is committed at this moment; everything that is there where it
    does not carry on, or has no cut before."""
    last = (
        None if day is None or not carries else cut_before(session.connection, (session.tenant, model, scenario), day)
    )
    row = session.connection.execute(
        "SELECT coalesce(max(batch_no), 0) FROM platform.batch WHERE tenant = %s AND model = %s",
        (session.tenant, model),
    ).fetchone()
    return Batches(0 if last is None else last.through_batch, 0 if row is None else int(row[0]))
