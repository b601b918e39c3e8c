"""The small market of many tests: things are sold and returned, coupons are shared between a brand and the platform.

A test says of it what it is about (charges, budgets, order ...) and leaves the rest as it is.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from textwrap import dedent

HEAD = """\
model: {name}
version: 1
currency: {currency}
calendar: {{time_zone: Asia/Shanghai}}
parties:
  platform: {{operator: shanghai}}
  merchant: {{key: [merchant]}}
  brand: {{key: [brand]}}
records:
  sold:
    file: sold*.csv
    id: [id]
    occurred_at: at
    amount: price
    columns: {{id: text, merchant: text, brand: text, price: money, coupon: money, at: timestamp}}
  returned:
    file: returned*.csv
    refunds: sold
    of: [of]
    id: [id]
    occurred_at: at
    amount: refunded
    columns: {{id: text, of: text, refunded: money, at: timestamp}}
"""
#: The coupon is carried by the brand up to a cap for each merchant and month, and by the platform.
PROMOTIONS = """\
budgets:
  spring: {per: [merchant], period: month}
charges:
  goods: {for: sold, amount: price, debtor: platform, creditor: merchant}
  coupon:
    for: sold
    amount: coupon
    creditor: merchant
    apportion:
      budget: spring
      by: ratio
      bearers: {brand: {weight: 60, cap: 30.00}, platform: 40}
order: {by: [occurred_at, id], late: rewind, window: 3}
statements: {merchant: {cycle: daily, mode: net}, brand: {cycle: monthly, mode: net}}
payouts: {}
"""
COLUMNS = {"sold": "id,merchant,brand,price,coupon,at", "returned": "id,of,refunded,at"}

#: A record's kind, its key, its line in a file.
Fact = tuple[str, str, str]


def market(about: str = PROMOTIONS, name: str = "promotions", currency: str = "CNY") -> str:
    """The model's text: the small market, and what the test is `about`."""
    return HEAD.format(name=name, currency=currency) + dedent(about)


def sales(numbers: Iterable[int]) -> list[Fact]:
    """Four a day from 1 March 2026 on, for two merchants in turn and three brands."""
    return [
        (
            "sold",
            f"S{n:02}",
            f"S{n:02},m-{n % 2},b-{n % 3},100.00,{7 + n}.{n:02},2026-03-{1 + n // 4:02} {8 + n % 4:02}:00:00",
        )
        for n in numbers
    ]


def returns(numbers: Iterable[int]) -> list[Fact]:
    """A part of what was sold, a day or more later."""
    return [
        ("returned", f"R{n:02}", f"R{n:02},S{n:02},{30 + n}.00,2026-03-{2 + n // 3:02} {9 + n % 3:02}:30:00")
        for n in numbers
    ]


def written(facts: Sequence[Fact], folder: Path, name: str = "", columns: Mapping[str, str] = COLUMNS) -> list[Path]:
    """The facts as files, one a kind; `name` tells deliveries apart. `columns`: each kind's first line."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for kind, head in columns.items():
        lines = [line for of, _, line in facts if of == kind]
        if lines:
            files.append(folder / f"{kind}{name}.csv")
            files[-1].write_text("\n".join([head, *lines]) + "\n", encoding="utf-8")
    return files
