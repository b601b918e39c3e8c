"""Which stored records a day cut takes: those of the batches that came after the cut before."""

from dataclasses import dataclass
from datetime import date

from everycent.flow.pipeline.service import Session
from everycent.proof.recon.service import cut_before


@dataclass(frozen=True)
class Batches:
    """Those after the one, up to the other."""

    after: int = 0
    through: int = 0


def batches_of(session: Session, model: str, scenario: str, day: date | None) -> Batches:
    """What the scenario takes at the day; everything that is there where it has no cut before."""
    last = None if day is None else cut_before(session.connection, (session.tenant, model, scenario), day)
    row = session.connection.execute(
        "SELECT coalesce(max(batch_no), 0) FROM platform.batch WHERE tenant = %s AND model = %s",
        (session.tenant, model),
    ).fetchone()
    return Batches(0 if last is None else last.through_batch, 0 if row is None else int(row[0]))
