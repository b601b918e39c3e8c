"""Coupons in several currencies, in strict order: caps, a refund, a late sale, and a reconciliation for each."""

from typing import Any

MODEL = """
model: bazaar
version: 1
currency: CNY
calendar: {time_zone: Asia/Shanghai}
parties: {platform: {operator: bazaar}, merchant: {key: [merchant]}, brand: {key: [brand]}}
tables:
  fx: {file: fx.csv, key: [currency], dated: day, columns: {day: date, currency: text, mid: decimal(8)}}
records:
  sale:
    file: "sales*.csv"
    id: [no]
    occurred_at: at
    currency: paid_in
    columns:
      no: text
      merchant: text
      brand: text
      paid_in: {type: text, in: [CNY, JPY, KWD]}
      coupon: money
      at: timestamp
    amount: coupon
  refund:
    file: "refunds*.csv"
    refunds: sale
    of: [sale]
    id: [no]
    occurred_at: at
    currency: paid_in
    columns:
      no: text
      sale: text
      paid_in: {type: text, in: [CNY, JPY, KWD]}
      refunded: money
      at: timestamp
    amount: refunded
budgets:
  yen: {currency: JPY, period: month}
  yuan: {cap: 11.00}
charges:
  coupon_in_yen:
    for: sale
    when: paid_in = 'JPY'
    currency: JPY
    amount: coupon
    convert: {from: paid_in, rates: fx, rate: mid, direction: multiply, find: latest}
    creditor: merchant
    apportion: {budget: yen, bearers: {brand: {weight: 60, cap: 700}, platform: 40}, when_all_capped: platform}
  coupon_in_yuan:
    for: sale
    when: paid_in <> 'JPY'
    currency: CNY
    amount: coupon
    convert: {from: paid_in, rates: fx, rate: mid, direction: multiply, find: latest}
    creditor: merchant
    apportion: {budget: yuan, bearers: {brand: {weight: 60, cap: 5.00}, platform: 40}, when_all_capped: platform}
order: {by: [occurred_at, no], late: rewind}
statements: {merchant: {cycle: monthly}, brand: {cycle: monthly}}
payouts: {}
recon:
  in_yen:
    currency: JPY
    left: {records: sale, key: [no], amount: coupon}
    right: {file: "bill*.csv", columns: {no: text, yen: money}, key: [no], amount: yen}
  in_yuan:
    left: {records: sale, key: [no], amount: coupon}
    right: {file: "paper*.csv", columns: {no: text, yuan: money}, key: [no], amount: yuan}
"""
FX = "day,currency,mid\n2026-02-27,KWD,23.40\n2026-02-27,JPY,0.047\n"
SALES = """no,merchant,brand,paid_in,coupon,at
J1,m-1,b-1,JPY,1000,2026-03-01 10:00
K1,m-1,b-1,KWD,0.300,2026-03-01 11:00
C1,m-1,b-1,CNY,5.00,2026-03-02 10:00
J2,m-1,b-1,JPY,500,2026-03-03 10:00
J3,m-1,b-1,JPY,100,2026-03-05 10:00
"""
REFUNDS = "no,sale,paid_in,refunded,at\nR1,J1,JPY,500,2026-03-04 10:00\nR2,K1,KWD,0.300,2026-03-04 11:00\n"
LATE = "no,merchant,brand,paid_in,coupon,at\nJ0,m-1,b-1,JPY,333,2026-03-02 12:00\n"
SHARES = """
    SELECT r.key, split_part(o.debtor, ':', 1), o.amount_minor, o.total_after_minor, o.currency
    FROM clearing.ordered_obligation o JOIN intake.record r USING (tenant, model, record_id)
    WHERE generation = {} AND split_part(o.debtor, ':', 1) = 'brand' ORDER BY sequence_no, r.key
"""


def test_caps_and_reconciliations_are_each_in_their_own_currency(tell: Any) -> None:
    files = {"fx.csv": FX, "sales-1.csv": SALES, "refunds-1.csv": REFUNDS}
    told = tell(
        MODEL,
        files,
        as_of="2026-03-31",
        bills={"bill.csv": "no,yen\nJ1,1000\nJ2,499\n", "paper.csv": "no,yuan\nC1,5.00\n"},
    )
    assert told.rows(SHARES.format(0)) == [
        ("J1", "brand", 600, 600, "JPY"),
        ("K1", "brand", 421, 421, "CNY"),  # 60 % of 0.300 * 23.40 = 7.02
        ("C1", "brand", 79, 500, "CNY"),  # the cap of 5.00
        ("J2", "brand", 100, 700, "JPY"),  # the cap of 700 yen
        ("R1", "brand", -300, 400, "JPY"),
        ("R2", "brand", -421, 79, "CNY"),
        ("J3", "brand", 60, 460, "JPY"),
    ]
    assert told.rows(
        "SELECT party_id, currency, payable_minor, receivable_minor FROM settlement.statement ORDER BY 1, 2"
    ) == [
        ("brand:b-1", "CNY", 0, 79),
        ("brand:b-1", "JPY", 0, 460),
        ("merchant:m-1", "CNY", 702 + 500 - 702, 0),
        ("merchant:m-1", "JPY", 1600 - 500, 0),
    ]
    assert told.rows("SELECT scenario, currency, left_minor, right_minor FROM recon.run ORDER BY 1") == [
        ("in_yen", "JPY", 1600, 1499),
        ("in_yuan", "CNY", 500, 500),
    ]
    again = tell(MODEL, {"fx.csv": FX, "sales-2.csv": LATE}, as_of="2026-03-31")
    assert again.rows(SHARES.format(1)) == [
        ("J0", "brand", 100, 700, "JPY"),
        ("J2", "brand", 0, 700, "JPY"),
        ("R1", "brand", -300, 400, "JPY"),
        ("R2", "brand", -421, 79, "CNY"),
        ("J3", "brand", 60, 460, "JPY"),
    ]
    assert again.rows(
        "SELECT currency, sum(debits_minor) - sum(credits_minor) FROM ledger.account GROUP BY 1 ORDER BY 1"
    ) == [("CNY", 0), ("JPY", 0)]
