"""A correction as a batch: its charges and obligations, with what they move of statements and of the ledger."""

import hashlib
from collections.abc import Callable

import pyarrow as pa
import structlog

from everycent.base.platform.database import Connection
from everycent.flow.clearing.contract import IN_ORDER, OBLIGATION
from everycent.flow.intake import stage as intake
from everycent.flow.intake.contract import QUARANTINE
from everycent.flow.ledger import stage as ledger
from everycent.flow.parties import stage as parties
from everycent.flow.pipeline.committing import Origin, commit
from everycent.flow.pipeline.compute import Batch
from everycent.flow.pipeline.correcting import Correction
from everycent.flow.pipeline.family import NO_ROWS
from everycent.flow.pipeline.parked import NO_FILE
from everycent.flow.pipeline.plan import ModelPlan
from everycent.flow.pipeline.session import Session
from everycent.flow.pipeline.windows import placed_on_statements
from everycent.flow.rating.contract import CHARGE, HELD, RETRY_SNAPSHOT, SNAPSHOT

_log = structlog.get_logger()


def write_correction(
    session: Session,
    plan: ModelPlan,
    kind: str,
    part: Correction,
    write: Callable[[Connection, int], None],
    *,
    ordered: bool,
) -> pa.Table:
    """Commits what arrival decided of originals of a kind, or what order did, as a batch; gives its OBLIGATION rows.

    `write`: what else is written, with the batch's number.
    """
    rows, accruals = placed_on_statements(session, plan, part.obligations)
    names = part.charges.select(["record_id", "charge", "revision"]).to_pylist()
    told = "\x1f".join(f"{each['record_id']}/{each['charge']}/{each['revision']}" for each in names)
    content = hashlib.sha256(told.encode()).hexdigest()
    owed = rows.select(OBLIGATION.columns.names).cast(OBLIGATION.columns)
    batch = Batch(
        intake=intake.Intake(part.originals.slice(0, 0), QUARANTINE.empty(), NO_ROWS),
        snapshots=SNAPSHOT.empty(pa.struct([])),
        charges=CHARGE.empty(),
        held=HELD.empty(),
        obligations=OBLIGATION.empty(),
        accruals=accruals,
        parties=parties.identify(plan.model.spec.parties, part.originals, session.engine),
        transfers=ledger.post(owed, plan.operators, session.engine, f"correction {content}"),
    )
    batch_no = commit(
        session,
        plan.model,
        Origin(IN_ORDER if ordered else kind, NO_FILE, 0, content),
        batch,
        write,
        more=((CHARGE.corrected, part.charges), (OBLIGATION.corrected, rows), (RETRY_SNAPSHOT, part.snapshots)),
        more_kind=kind,
    )
    _log.info("charges corrected", batch_no=batch_no, kind=kind, charges=len(names))
    return owed
