"""What earlier versions of a model left in strict order, and whether this one can go on with it: refused where not.

What was cleared in order once has to be cleared in order by each later version: a refund, a late record or a rewind
comes back to it. And a rewind is made by one version, from its first record to its last.
"""

import pyarrow as pa

from everycent.base.platform.generations import Generation
from everycent.flow.clearing.contract import WAITING_CHARGE
from everycent.flow.pipeline import store
from everycent.flow.pipeline.contract import InputRefused
from everycent.flow.pipeline.plan import ModelPlan
from everycent.flow.pipeline.session import Session


def is_other_version(session: Session, plan: ModelPlan, begun: Generation) -> bool:
    """Whether a rewind was begun with a version of the model that says something else."""
    version = begun.model_version
    if version is None or version == plan.model.version_hash:
        return False
    return not store.says_the_same(session.connection, session.tenant, plan, version)


def refuse_other_version(session: Session, plan: ModelPlan, begun: Generation | None) -> None:
    """Raises InputRefused where a rewind was begun with another version: half of it would be of one, half of the
    other."""
    if begun is None or not is_other_version(session, plan, begun):
        return
    model = plan.model
    assert begun.model_version is not None, "it is another"
    with_it = store.version_named(session.connection, session.tenant, model.name, begun.model_version)
    raise InputRefused(
        f"a rewind from number {begun.starts_at} on was begun with {with_it} of '{model.name}' and broke off; this is"
        f" version {model.spec.version} ({model.version_hash[:8]}). End it with that version's file, by the same"
        f" command, or begin it anew with this one: everycent rewind run {model.path} --to RECORD"
    )


def refuse_left_behind(session: Session, plan: ModelPlan, *, always: bool = False) -> None:
    """Raises InputRefused where charges that an earlier version clears in strict order are not in this one's order.

    It is looked at where the version is another than that of the last batch, or `always`.
    """
    details, model = session.details, plan.model
    if not always and store.last_version(session.connection, session.tenant, model.name) == model.version_hash:
        return
    kinds = dict.fromkeys(part.kind for part in details.parts(WAITING_CHARGE, model.name))
    for kind in sorted(kinds):
        details.attach(session.engine, "in_order_before", WAITING_CHARGE, model.name, kind=kind, columns=_COLUMNS)
        found = session.engine.query(
            "SELECT DISTINCT charge, amount_minor IS NULL AS is_late FROM in_order_before ORDER BY ALL"
        )
        _refuse(plan, kind, found)


_COLUMNS = ["charge", "amount_minor"]


def _refuse(plan: ModelPlan, kind: str, found: pa.Table) -> None:
    """`found`: charge, is_late (its amount was left to its turn) of what was in order before."""
    spec, turn = plan.model.spec, plan.turns.get(kind)
    late = {charge.name for charge in turn.plan.charges} if turn is not None else set()
    late |= {share.name for of, share in plan.shares_in_order if of == kind}
    at = spec.records[kind].occurred_at if kind in spec.records else "occurred_at"
    for row in found.to_pylist():
        name, charge = row["charge"], spec.charges.get(row["charge"])
        if charge is None or kind not in charge.for_ or kind not in spec.ordered_kinds:
            here, right = (
                "has no such charge in its order",
                (
                    f"keep the charge, switched on, and the order; where it is to come no more, say so: when: {at} <"
                    " timestamp '2026-04-01 00:00:00', and everycent rerate takes it back from records that have it"
                ),
            )
        elif row["is_late"] and name not in late:
            here, right = (
                "computes it without a running total",
                ("keep that price as a rule with the days that it is valid for, and the new one as a rule beside it"),
            )
        elif not row["is_late"] and name not in plan.clearing.drawing:
            here, right = (
                "takes it from no budget",
                ("keep its budget, and share what is shared otherwise by a charge of its own"),
            )
        else:
            continue
        raise InputRefused(
            f"an earlier version of '{plan.model.name}' cleared '{name}' of {kind} in strict order, and this one"
            f" {here}: refunds, late records and rewinds would lose it; {right}"
        )
