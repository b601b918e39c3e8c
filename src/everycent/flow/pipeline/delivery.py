"""Knows a file again: the same content under the same model version was taken in before, and changes nothing."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from everycent.base.platform.tasks import Result, finished, task_id
from everycent.flow.intake.service import Attached
from everycent.flow.pipeline import store
from everycent.flow.pipeline.inputs import Assigned, Inputs
from everycent.flow.pipeline.plan import ModelPlan
from everycent.flow.pipeline.session import Session


@dataclass(frozen=True)
class Delivery:
    """One delivery of a file's content: `result` is what became of it, None where it is still to be taken in.

    `content_key` stands for the file's bytes and for the attached tables that its rows are joined with. `originals` is
    how many records of the refunded kind there are, 0 where the kind refunds nothing.
    """

    identity: str
    content_key: str
    originals: int
    result: Result | None


def find_delivery(
    session: Session, plan: ModelPlan, kind: str, file_hash: str, attached: Mapping[str, Attached]
) -> Delivery:
    """The delivery of a file with these bytes.

    Refunds that were set aside because their original had not arrived get another look when more originals are there:
    then the same file is a new delivery, in which the rows accepted before are duplicates.
    """
    refunds = plan.model.spec.records[kind].refunds
    originals = 0
    if refunds is not None:
        originals = store.accepted_rows(session.connection, session.tenant, plan.model.name, refunds)
    joined = [attached[lookup.table].content_hash for lookup in plan.intake[kind].lookups]
    content_key = _hash(file_hash, *joined)
    first = _delivery(session, plan, kind, content_key, originals)
    if first.result is None or first.result["quarantined"] == 0 or first.result["originals"] == originals:
        return first
    return _delivery(session, plan, kind, _hash(content_key, str(originals)), originals)


def kinds_beside(plan: ModelPlan, item: Assigned, inputs: Inputs) -> Sequence[str]:
    """The other kinds of the file, where `item` is its last and none takes every row: it says what nobody took."""
    kinds = [other.kind for other in inputs.records if other.path == item.path]
    chosen = all(plan.intake[kind].when is not None for kind in kinds)
    return [kind for kind in kinds if kind != item.kind] if chosen and kinds[-1] == item.kind else []


def _delivery(session: Session, plan: ModelPlan, kind: str, content_key: str, originals: int) -> Delivery:
    identity = task_id("intake", plan.model.name, plan.model.version_hash, kind, content_key)
    return Delivery(identity, content_key, originals, finished(session.connection, session.tenant, identity))


def _hash(*parts: str) -> str:
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()
