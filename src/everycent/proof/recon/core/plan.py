"""A reconciliation, ready to run: its scenario with every word resolved."""

from dataclasses import dataclass

from everycent.base.money.amount import parse_minor
from everycent.base.money.currency import Currency
from everycent.proof.recon.contract import ReconSpec


@dataclass(frozen=True)
class ReconPlan:
    """`*_sums`: several rows of a key add up on that side; otherwise they are duplicates of the first."""

    scenario: str
    tolerance_minor: int
    left_sums: bool
    right_sums: bool
    compares_status: bool


def plan_recon(scenario: str, spec: ReconSpec, currency: Currency) -> ReconPlan:
    """Resolves `spec`. Statuses are compared where both sides declare one.

    ValueError when the tolerance is negative or has more decimals than the currency, or where there are rules: a
    model's own run compares by key alone.
    """
    if spec.rules:
        raise ValueError(f"recon '{scenario}': a model's run compares by key alone; leave `rules` out")
    tolerance_minor = parse_minor(spec.tolerance, currency)
    if tolerance_minor < 0:
        raise ValueError(
            f"recon '{scenario}': tolerance {spec.tolerance} is negative; write how much may differ, 0 or more"
        )
    return ReconPlan(
        scenario=scenario,
        tolerance_minor=tolerance_minor,
        left_sums=spec.left.rows == "sum",
        right_sums=spec.right.rows == "sum",
        compares_status=spec.left.status is not None and spec.right.status is not None,
    )
