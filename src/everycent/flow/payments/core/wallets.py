"""What wallets transfer at least and at most, as they publish it; a model may say otherwise.

The figures are those of a merchant who was given no others, as read in November 2026:

- WeChat's: at least 0.10, 20,000 to one user on a day, and 100,000 on a day before it is raised
  (developers.weixin.qq.com/community/personal/oCJUsw4kWUu5xN70qVOla2OHCiSw/fav, on rules of transfers to balances); a
  remark has 32 characters (pay.weixin.qq.com/doc/v3/partner/4015469096, of 29 July 2025).
- Alipay's: at least 0.10, 50,000 to a person at once, 1,000,000 on a day; a remark has 100 Chinese characters
  (developer.aliyun.com/article/711101).
"""

from dataclasses import dataclass
from types import MappingProxyType

from everycent.base.money.amount import NotAnAmount, parse_minor
from everycent.base.money.currency import currency
from everycent.flow.payments.contract import ALIPAY, WECHAT, WalletLimitsSpec

#: What wallets transfer.
WALLET_CURRENCY = "CNY"


@dataclass(frozen=True)
class WalletLimits:
    """Amounts in fen. `day`: of one legal entity; `receiver_day`: of it to one party; None: as much as there is."""

    least_minor: int
    most_minor: int
    day_minor: int | None
    receiver_day_minor: int | None
    remark_characters_max: int


PUBLISHED = MappingProxyType(
    {
        WECHAT: WalletLimits(10, 20_000_00, 100_000_00, 20_000_00, 32),
        ALIPAY: WalletLimits(10, 50_000_00, 1_000_000_00, None, 100),
    }
)


def limits_of(wallet: str, given: WalletLimitsSpec) -> WalletLimits:
    """The wallet's limits: what the model gives, else what is published. Raises NotAnAmount."""
    known = PUBLISHED[wallet]
    limits = WalletLimits(
        _minor(given.least, known.least_minor) or 0,
        _minor(given.most, known.most_minor) or 0,
        _minor(given.day, known.day_minor),
        _minor(given.receiver_day, known.receiver_day_minor),
        given.remark_characters or known.remark_characters_max,
    )
    if not 0 < limits.least_minor <= limits.most_minor:
        raise NotAnAmount(f"{wallet} transfers nothing from {given.least} to {given.most}; write the larger as most")
    return limits


def _minor(given: str | None, known: int | None) -> int | None:
    return known if given is None else parse_minor(given, currency(WALLET_CURRENCY))
