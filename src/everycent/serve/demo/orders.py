"""Draws one chunk of a marketplace's orders: items, refunds, payments and payment refunds, as numpy columns.

Every chunk has a random stream of its own, seeded by (seed, chunk), so that neither the number of chunks nor the order
in which they are drawn changes a single row. Amounts are integers of minor units throughout; random numbers are floats,
rounded to integers where they become an amount.

Some figures follow the public Olist sample, measured there: prices log-normal with a standard deviation of about 0.97
of the logarithm and a median of about 79 units (0.967 and 78.90), delivery times log-normal with about 0.6, weekends
some 25 % weaker than working days, nights nearly empty and a plateau from 10:00 to 22:00, sellers as orders^0.7.

All else is invented, so that each rule of the model meets enough rows, and says nothing of any real marketplace: orders
with several items (28 %) and from several sellers (about 12 %; Olist has 9 % and 1 %), refunds (about 6 % of items) and
how they are split, coupons and who shares them, payments per order, the sizes of sellers (a power law), and the faults.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]

CHUNK_ORDERS = 100_000
CATEGORIES = (
    "appliances", "automotive", "baby", "bed-and-bath", "beauty", "books", "computers", "electronics", "fashion",
    "furniture", "garden", "groceries", "health", "jewellery", "office", "pets", "phones", "shoes", "sports", "toys",
)  # fmt: skip
CHANNELS = ("alipay", "wechat_pay", "bank_card", "digital_yuan")
BRANDS_PER_CATEGORY = 6
DISTRIBUTORS = 12
FIRST_DAY = np.datetime64("2026-03-01T00:00:00", "s").astype(np.int64)
DAYS = 31

_DAY_S = 86_400
_WEEKDAY_WEIGHT = np.array([1.10, 1.05, 1.02, 1.01, 0.96, 0.75, 0.78])  # Monday first
_HOUR_WEIGHT = np.array([19, 10, 4, 2, 1, 1, 5, 10, 21, 39, 54, 53, 55, 52, 51, 52, 54, 50, 50, 49, 53, 49, 46, 32])
_CATEGORY_LOG_PRICE = np.log(79) + np.linspace(-0.6, 0.6, len(CATEGORIES))[(np.arange(len(CATEGORIES)) * 7) % 20]
_ITEMS_PER_ORDER = (0.72, 0.18, 0.07, 0.03)
_OTHER_SELLER = 0.335  # chance that a further item of an order comes from another seller: 12 % of orders have several
_PAYMENTS_PER_ORDER = (0.91, 0.07, 0.02)
_CHANNEL_SHARE = (0.42, 0.43, 0.12, 0.03)
_PAYMENT_PERCENT = np.array([[100, 0, 0], [65, 35, 0], [50, 30, 20]])


@dataclass(frozen=True)
class Items:
    """Item lines; `order` is the order's number in the whole run, times are seconds since 1970 in business time."""

    order: Ints
    line_no: Ints
    seller: Ints
    category: Ints
    brand: Ints
    distributor: Ints  # -1: none
    price: Ints
    coupon: Ints
    freight: Ints
    paid_at: Ints
    delivered_at: Ints

    @property
    def paid(self) -> Ints:
        """What the buyer paid for each line, minor units."""
        total: Ints = self.price - self.coupon + self.freight
        return total


@dataclass(frozen=True)
class Refunds:
    """Money given back; `item` is the row in Items, `nth` counts the refunds of one item from 1."""

    item: Ints
    nth: Ints
    refunded: Ints
    refunded_at: Ints


@dataclass(frozen=True)
class Payments:
    """Payments, several per order at times; `nth` counts those of one order from 1."""

    order: Ints
    nth: Ints
    channel: Ints
    amount: Ints
    paid_at: Ints


@dataclass(frozen=True)
class PaymentRefunds:
    """The parts of refunds by the payment that they go back to; `nth` counts the parts of one refund from 1."""

    refund: Ints
    payment: Ints
    nth: Ints
    amount: Ints


def sellers_of(orders: int) -> int:
    """How many sellers a marketplace of this many orders has: orders^0.7, as measured on Olist (99,441 and 3,095)."""
    return int(min(100_000, max(20, round(orders**0.7))))


def _within(counts: Ints) -> Ints:
    """0, 1, .. counts[0]-1, 0, 1, .. counts[1]-1, ..."""
    return np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)


def _paid_at(rng: np.random.Generator, count: int) -> Ints:
    days = np.arange(DAYS)
    weight = _WEEKDAY_WEIGHT[(days + 6) % 7]  # the first day, 1 March 2026, is a Sunday
    day = rng.choice(days, count, p=weight / weight.sum())
    hour = rng.choice(24, count, p=_HOUR_WEIGHT / _HOUR_WEIGHT.sum())
    return FIRST_DAY + day * _DAY_S + hour * 3600 + rng.integers(0, 3600, count)


def draw_items(rng: np.random.Generator, first: int, count: int, sellers: int) -> Items:
    """Orders `first` to `first + count - 1` as item lines, in order number and line number."""
    lines = rng.choice(4, count, p=_ITEMS_PER_ORDER) + 1
    row = np.repeat(np.arange(count), lines)
    rows = len(row)
    line_no = _within(lines)
    main_seller = (sellers * rng.random(count) ** 2.2).astype(np.int64)
    other = (line_no > 0) & (rng.random(rows) < _OTHER_SELLER)
    seller = np.where(other, (sellers * rng.random(rows) ** 2.2).astype(np.int64), main_seller[row])
    own = rng.random(rows) < 0.85
    category = np.where(own, seller * 7919 % len(CATEGORIES), rng.integers(0, len(CATEGORIES), rows))
    brand = category * BRANDS_PER_CATEGORY + (BRANDS_PER_CATEGORY * rng.random(rows) ** 1.5).astype(np.int64)
    distributor = np.where(rng.random(rows) < 0.65, brand * 5 % DISTRIBUTORS, -1)
    price = np.rint(np.exp(rng.normal(_CATEGORY_LOG_PRICE[category], 0.9)) * 100).astype(np.int64)
    price = np.clip(price, 100, 5_000_000)
    price = np.where(rng.random(rows) < 0.6, price // 100 * 100 + rng.choice([90, 99], rows), price)
    coupon = np.where(rng.random(rows) < 0.25, price * rng.choice([5, 10, 15, 20], rows) // 100, 0)
    freight = np.where(rng.random(rows) < 0.42, 0, 500 + 100 * rng.integers(0, 16, rows))
    paid_at = _paid_at(rng, count)[row]
    transit_days = np.clip(np.exp(rng.normal(np.log(3.2), 0.6, count)), 0.3, 14)[row] + other * rng.random(rows)
    late_days = np.where(rng.random(rows) < 0.02, rng.uniform(15, 25, rows), 0)
    delivered_at = paid_at + ((transit_days + late_days) * _DAY_S).astype(np.int64)
    return Items(
        first + row, line_no + 1, seller, category, brand, distributor, price, coupon, freight, paid_at, delivered_at
    )


def draw_refunds(rng: np.random.Generator, items: Items) -> Refunds:
    """About 6 % of items: 55 % of them whole, 30 % one part, 15 % two parts that stay within what was paid."""
    item = np.flatnonzero(rng.random(len(items.order)) < 0.06)
    fate = rng.choice(3, len(item), p=(0.55, 0.30, 0.15))
    times = np.where(fate == 2, 2, 1)
    row = np.repeat(np.arange(len(item)), times)
    nth = _within(times) + 1
    percent = np.where(fate[row] == 0, 100, rng.integers(10, 51, len(row)))
    refunded = np.maximum(items.paid[item[row]] * percent // 100, 1)
    wait_s = rng.integers(_DAY_S, 10 * _DAY_S, len(item))[row] + (nth - 1) * rng.integers(_DAY_S, 4 * _DAY_S, len(row))
    return Refunds(item[row], nth, refunded, items.delivered_at[item[row]] + wait_s)


def draw_payments(rng: np.random.Generator, items: Items) -> Payments:
    """What buyers paid, in one to three payments per order that add up to its items."""
    starts = np.flatnonzero(items.line_no == 1)
    totals = np.add.reduceat(items.paid, starts)
    times = rng.choice(3, len(starts), p=_PAYMENTS_PER_ORDER) + 1
    parts = totals[:, None] * _PAYMENT_PERCENT[times - 1] // 100
    parts[:, 0] += totals - parts.sum(axis=1)
    row = np.repeat(np.arange(len(starts)), times)
    nth = _within(times)
    channel = rng.choice(len(CHANNELS), len(row), p=_CHANNEL_SHARE)
    paid_at = items.paid_at[starts][row] + 40 * nth
    payments = Payments(items.order[starts][row], nth + 1, channel, parts[row, nth], paid_at)
    assert payments.amount.min() > 0 and payments.amount.sum() == totals.sum()
    return payments


def assign_refunds(items: Items, payments: Payments, refunds: Refunds) -> PaymentRefunds:
    """Refunds go back to the order's payments from the first on, each at most what was paid by it.

    All payments lie end to end on one axis of money; a refund covers the stretch where its order's refunds stopped.
    """
    ends = np.cumsum(payments.amount)
    begins = ends - payments.amount
    order_row = np.searchsorted(payments.order, items.order[refunds.item])  # the order's first payment
    running = np.cumsum(refunds.refunded) - refunds.refunded
    first_of_order = np.searchsorted(order_row, order_row)
    start = begins[order_row] + running - running[first_of_order] if len(order_row) else ends[:0]
    stop = start + refunds.refunded
    first = np.searchsorted(ends, start, side="right")
    parts = np.searchsorted(ends, stop, side="left") - first + 1
    refund = np.repeat(np.arange(len(parts)), parts)
    nth = _within(parts)
    payment = first[refund] + nth
    amount = np.minimum(stop[refund], ends[payment]) - np.maximum(start[refund], begins[payment])
    assert amount.sum() == refunds.refunded.sum() and (amount > 0).all()
    assert (payments.order[payment] == items.order[refunds.item[refund]]).all()
    return PaymentRefunds(refund, payment, nth + 1, amount)
