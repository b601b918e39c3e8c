"""A model of which only the payouts matter: each sale is owed to its merchant, and each day closes."""

from textwrap import dedent

_MODEL = """\
    model: paying
    version: 1
    currency: CNY
    calendar: {time_zone: Asia/Shanghai}
    parties: {platform: {operator: shanghai}, merchant: {key: [merchant]}}
    records:
      sold:
        file: sold.csv
        id: [id]
        occurred_at: at
        columns: {id: text, merchant: text, price: money, at: date}
    charges:
      goods: {for: sold, amount: price, ENDS}
    statements: {merchant: {cycle: daily}}
    payouts: {merchant: PAYOUT}
"""


def paying_model(payout: str, ends: str = "debtor: platform, creditor: merchant") -> str:
    """`payout`: what stands under the merchants' payouts, on one line; `ends`: who owes a sale to whom."""
    return dedent(_MODEL).replace("PAYOUT", payout).replace("ENDS", ends)
