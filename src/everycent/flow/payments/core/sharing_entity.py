"""Whose customers' payment is shared: that of the company which settles what the customer paid for."""

from collections.abc import Mapping
from datetime import date

from everycent.flow.payments.core.sharing import CHARGE_COLUMN, Refused, ShareRefusal

#: Who settles a charge and the first day on which it does; the first one from the beginning of time.
Settled = tuple[tuple[date, str], ...]


def paid_to(settled: Mapping[str, Settled], charge: str, day: date) -> str | Refused:
    """The legal entity that settles a charge on a business day; without a charge, the one that settles all.

    `settled`: of each charge of the model, as obligations have it.
    """
    if charge and charge not in settled:
        message = f"the model has no charge '{charge}'; it has {', '.join(settled)}"
        return Refused(ShareRefusal.UNKNOWN_CHARGE, message)
    by_charge = {name: _on(settled[name], day) for name in ([charge] if charge else settled)}
    found = sorted(set(by_charge.values()))
    if len(found) == 1:
        return found[0]
    said = ", ".join(f"{name} {entity}" for name, entity in by_charge.items())
    message = f"several settle on {day} ({said}); name the charge that was paid in a column '{CHARGE_COLUMN}'"
    return Refused(ShareRefusal.WHICH_CHARGE, message)


def _on(settled: Settled, day: date) -> str:
    return next(entity for since, entity in reversed(settled) if since <= day)
