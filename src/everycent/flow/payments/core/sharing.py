"""Profit sharing: parts of a customer's payment, frozen at its wallet, go to receivers; what is left is released.

A request is judged here by what the wallet has of its payment, before anything is sent. Its key derives from its
payment and its name, so it is the same however often it is asked for.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from fractions import Fraction
from itertools import groupby
from types import MappingProxyType
from uuid import UUID

from everycent.base.money.amount import NotAnAmount, format_minor, parse_minor
from everycent.base.money.currency import currency
from everycent.flow.payments.contract import ALIPAY, WECHAT, SharingSpec
from everycent.flow.payments.core.wallets import WALLET_CURRENCY


class Does(StrEnum):
    """What a request does."""

    SHARE = "share"
    FINISH = "finish"  # releases what is left to the payment's owner; it may share before
    RETURN = "return"  # a receiver gives back


class ShareRefusal(StrEnum):
    """Why a request is not sent, in the order in which it is looked at."""

    NOT_READABLE = "not_readable"
    NOTHING_ASKED = "nothing_asked"
    NOT_POSITIVE = "not_positive"
    RECEIVER_TWICE = "receiver_twice"
    OTHER_CONTENT = "other_content"
    UNKNOWN_PARTY = "unknown_party"
    OTHER_PARTY = "other_party"
    UNKNOWN_CHARGE = "unknown_charge"
    WHICH_CHARGE = "which_charge"
    OTHER_ENTITY = "other_entity"
    FINISHED = "finished"
    NO_LONGER_FROZEN = "no_longer_frozen"
    TOO_MANY_RECEIVERS = "too_many_receivers"
    TOO_MANY_REQUESTS = "too_many_requests"
    ABOVE_RATIO = "above_ratio"
    RETURNED_TOO_LATE = "returned_too_late"
    ABOVE_SHARE = "above_share"


@dataclass(frozen=True)
class Refused:
    """A refusal, and in words what is wrong."""

    refusal: ShareRefusal
    message: str


@dataclass(frozen=True)
class SharingLimits:
    """What a wallet allows; None: it publishes none. `ratio`: of the payment, in all."""

    receivers_max: int
    requests_max: int | None
    ratio: Fraction
    freeze_days: int
    return_days: int | None


@dataclass(frozen=True)
class Asked:
    """A request about one payment. `shares`: receiver -> fen; of a return, who gives back how much. `parties`: receiver
    -> the party that it is, where the house settles with it. `charge`: whose settling company's the payment is; empty
    where nothing says it."""

    payment: str
    request: str
    paid_minor: int
    paid_on: date
    does: Does
    shares: tuple[tuple[str, int], ...] = ()
    parties: tuple[tuple[str, str], ...] = ()
    charge: str = ""

    @property
    def key(self) -> UUID:
        """The same for the same request."""
        return UUID(hashlib.sha256(f"share\x1f{self.payment}\x1f{self.request}".encode()).hexdigest()[:32])

    @property
    def amount_minor(self) -> int:
        """What it moves."""
        return sum(amount for _, amount in self.shares)


@dataclass(frozen=True)
class Had:
    """A request that the wallet has. `state`: accepted, paid, refused or returned, as payment services say it."""

    key: UUID
    does: Does
    shares: tuple[tuple[str, int], ...]
    state: str


#: As read in November 2026, of a merchant who was given no others. WeChat: 50 requests, 50 receivers each, frozen 30
#: days (pay.weixin.qq.com/doc/v3/merchant/4014547102, of 17 November 2025); 30 % (pay.weixin.qq.com/wiki/doc/
#: api_external/ch/faq/chapter2_1_5.shtml); given back within 180 days (developers.weixin.qq.com/community/pay/doc/
#: 00044a7378071008b98ca032a5d800). Alipay: 30 %, frozen 30 days (zhifubao.apifox.cn/doc-3273123); more than 5 receivers
#: need its asynchronous way (zhifubao.apifox.cn/api-126563053).
PUBLISHED = MappingProxyType(
    {
        WECHAT: SharingLimits(50, 50, Fraction(30, 100), 30, 180),
        ALIPAY: SharingLimits(5, None, Fraction(30, 100), 30, None),
    }
)


#: What no merchant is given more of: WeChat's requests and receivers are those of its interface, and the longest is for
#: platforms (pay.weixin.qq.com/doc/v3/partner/4012525463, of 12 December 2025). Alipay publishes none.
WECHAT_MOST = MappingProxyType({"receivers": 50, "requests": 50})
WECHAT_MOST_FREEZE = timedelta(days=180)


def unfit(wallet: str, given: SharingSpec) -> str | None:
    """Why a wallet cannot share as a model says; None where it can."""
    if given.ratio is not None and Fraction(given.ratio) == 0:
        return "a ratio of 0 shares nothing; write a ratio above 0, such as 0.30"
    if given.freeze is not None and (given.freeze % timedelta(days=1) or not given.freeze):
        return "payments are frozen for whole days; write for example 30 days"
    if wallet != WECHAT:
        return None
    for name, most in WECHAT_MOST.items():
        if (getattr(given, name) or 0) > most:
            return f"wechat takes {most} {name} at most; write {most} or less, or nothing"
    if given.freeze is not None and given.freeze > WECHAT_MOST_FREEZE:
        return f"wechat freezes payments for {WECHAT_MOST_FREEZE.days} days at most; write that or less, or nothing"
    return None


def limits_of_sharing(wallet: str, given: SharingSpec) -> SharingLimits:
    """What a model says, else what the wallet publishes."""
    known = PUBLISHED[wallet]
    days = None if given.freeze is None else given.freeze // timedelta(days=1)
    return SharingLimits(
        given.receivers or known.receivers_max,
        given.requests or known.requests_max,
        known.ratio if given.ratio is None else Fraction(given.ratio),
        known.freeze_days if days is None else days,
        known.return_days,
    )


def judge(asked: Asked, had: Sequence[Had], limits: SharingLimits, today: date) -> Refused | None:
    """Why a request is not to be sent; None where it may, or where the wallet has it already, as it is.

    `had`: all that the wallet has of the payment.
    """
    twin = next((each for each in had if each.key == asked.key), None)
    standing = [each for each in had if each.state != "refused"]
    for broken in (_content(asked, twin), None if twin else _against(asked, standing, limits, today)):
        if broken is not None:
            return broken
    return None


def _content(asked: Asked, twin: Had | None) -> Refused | None:
    if not asked.shares and asked.does is not Does.FINISH:
        return Refused(ShareRefusal.NOTHING_ASKED, "it names no receiver; add one, or write finish")
    small = [receiver for receiver, amount in asked.shares if amount <= 0]
    if small:
        return Refused(ShareRefusal.NOT_POSITIVE, f"the amount of {small[0]} is not above 0")
    names = [receiver for receiver, _ in asked.shares]
    twice = [name for at, name in enumerate(names) if name in names[:at]]
    if twice:
        return Refused(ShareRefusal.RECEIVER_TWICE, f"{twice[0]} stands in it twice; add up its amounts")
    if twin is not None and (twin.does, sorted(twin.shares)) != (asked.does, sorted(asked.shares)):
        message = "the wallet has a request of this name with other content; give a new one another name"
        return Refused(ShareRefusal.OTHER_CONTENT, message)
    return None


def _against(asked: Asked, had: Sequence[Had], limits: SharingLimits, today: date) -> Refused | None:
    if asked.does is Does.RETURN:
        return _return(asked, had, limits, today)
    if any(each.does is Does.FINISH for each in had):
        return Refused(ShareRefusal.FINISHED, "what was left of the payment is released; nothing is shared any more")
    last = asked.paid_on + timedelta(days=limits.freeze_days)
    if today > last:
        message = f"it was frozen to {last}, {limits.freeze_days} days; then what was left was released"
        return Refused(ShareRefusal.NO_LONGER_FROZEN, message)
    if len(asked.shares) > limits.receivers_max:
        message = f"it has {len(asked.shares)} receivers; {limits.receivers_max} at most in one request"
        return Refused(ShareRefusal.TOO_MANY_RECEIVERS, message)
    requests = sum(each.does is not Does.RETURN for each in had)
    if limits.requests_max is not None and requests >= limits.requests_max:
        return Refused(ShareRefusal.TOO_MANY_REQUESTS, f"the payment has {requests} requests, as many as it may have")
    shared = sum(amount for each in had if each.does is not Does.RETURN for _, amount in each.shares)
    most = int(asked.paid_minor * limits.ratio)  # a part of a fen is not shared
    if asked.amount_minor and shared + asked.amount_minor > most:
        message = f"{_yuan(shared)} of at most {_yuan(most)} are shared, and it asks for {_yuan(asked.amount_minor)}"
        return Refused(ShareRefusal.ABOVE_RATIO, message)
    return None


def _return(asked: Asked, had: Sequence[Had], limits: SharingLimits, today: date) -> Refused | None:
    if limits.return_days is not None and today > asked.paid_on + timedelta(days=limits.return_days):
        message = f"receivers give back within {limits.return_days} days of the payment"
        return Refused(ShareRefusal.RETURNED_TOO_LATE, message)
    for receiver, amount in asked.shares:
        left = sum(
            -one if each.does is Does.RETURN else one for each in had for name, one in each.shares if name == receiver
        )
        if amount > left:
            return Refused(
                ShareRefusal.ABOVE_SHARE, f"{receiver} has {_yuan(left)} of it, and is to give back {_yuan(amount)}"
            )
    return None


def _yuan(fen: int) -> str:
    return format_minor(fen, currency(WALLET_CURRENCY))


#: The columns of a file with requests; a request may have several rows, one after another, a receiver each.
COLUMNS = ("payment", "request", "paid", "paid_on", "does", "receiver", "amount")
#: Columns that may be there: the party that a receiver is, and the charge for which the customer paid.
PARTY_COLUMN, CHARGE_COLUMN = "party", "charge"


def read_requests(rows: Sequence[Mapping[str, str | None]]) -> Iterator[tuple[str, str, Asked | Refused]]:
    """The payment, the request's name and the request, of the rows of a file in their order."""
    for (payment, request), group in groupby(rows, key=lambda row: (_cell(row, "payment"), _cell(row, "request"))):
        yield payment, request, _read(payment, request, list(group))


def _read(payment: str, request: str, rows: Sequence[Mapping[str, str | None]]) -> Asked | Refused:
    heads = {tuple(_cell(row, name) for name in ("paid", "paid_on", "does", CHARGE_COLUMN)) for row in rows}
    if len(heads) > 1 or not payment or not request:
        message = "each row has payment and request, and the rows of one request the same paid, paid_on, does, charge"
        return Refused(ShareRefusal.NOT_READABLE, message)
    ((paid, paid_on, does, charge),) = heads
    fen = currency(WALLET_CURRENCY)
    try:
        shares = tuple(
            (_cell(row, "receiver"), parse_minor(_cell(row, "amount"), fen)) for row in rows if _cell(row, "receiver")
        )
        day = date.fromisoformat(paid_on)
        parties = tuple(
            dict.fromkeys(
                (_cell(row, "receiver"), _cell(row, PARTY_COLUMN)) for row in rows if _cell(row, PARTY_COLUMN)
            )
        )
        how = Does(does or Does.SHARE)
        return Asked(payment, request, parse_minor(paid, fen), day, how, shares, parties, charge)
    except (NotAnAmount, ValueError) as error:
        return Refused(ShareRefusal.NOT_READABLE, str(error))


def _cell(row: Mapping[str, str | None], name: str) -> str:
    return (row.get(name) or "").strip()
