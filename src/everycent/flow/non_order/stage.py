"""Non-order charges' plan, for the pipeline: they are given one by one, so there is no stage that takes batches."""

from everycent.flow.non_order.core.plan import NonOrderKind, NonOrderPlan, NonOrderRefused, plan_non_order

__all__ = ["NonOrderKind", "NonOrderPlan", "NonOrderRefused", "plan_non_order"]
