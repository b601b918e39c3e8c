"""Which levels an amount needs."""

from collections.abc import Sequence
from decimal import Decimal

from everycent.base.money.currency import Currency
from everycent.flow.approvals.contract import Level, LevelSpec, OnTimeout


def needed_levels(levels: Sequence[LevelSpec], amount_minor: int, money: Currency) -> tuple[Level, ...]:
    """The levels that `amount_minor` (0 or more) of a currency needs, in declared order. A larger amount needs all that
    a smaller one needs. A level escalates to the next declared one, also where the amount does not need that."""
    assert amount_minor >= 0, "an amount to approve is 0 or more"
    needed = []
    for at, level in enumerate(levels):
        if not _asks(level, amount_minor, money):
            continue
        above = levels[at + 1].by if level.then is OnTimeout.ESCALATE and at + 1 < len(levels) else None
        within_s = None if level.within is None else level.within.days * 86_400 + level.within.seconds
        needed.append(Level(level.by, within_s, above))
    assert len(needed) <= len(levels), "nobody is asked who is not declared"
    return tuple(needed)


def _asks(level: LevelSpec, amount_minor: int, money: Currency) -> bool:
    limit = level.above.get(money.code) if isinstance(level.above, dict) else level.above
    return limit is None or Decimal(amount_minor) > Decimal(limit).scaleb(money.exponent)
