"""One cent's way through the house, told from the beginning: facts in, obligations, statements and payments out."""

from everycent.proof.explain.service import explain

MARKET = """
    model: corner-market
    version: 1
    currency: CNY
    calendar: {time_zone: Asia/Shanghai, day_cut: "00:00"}
    parties:
      platform: {operator: market-shanghai}
      merchant: {key: [merchant, store]}
      brand: {key: [brand]}
    records:
      item_delivered:
        file: delivered*.csv
        id: [order_id, line_no]
        occurred_at: delivered_at
        columns:
          order_id: text
          line_no: integer
          merchant: text
          store: text
          brand: text
          category: text
          price: money
          coupon: money
          delivered_at: timestamp
        check:
          positive price: price > 0
          coupon within price: coupon between 0 and price
        amount: price - coupon
      item_refunded:
        file: refunded*.csv
        refunds: item_delivered
        of: [order_id, line_no]
        id: [refund_id]
        occurred_at: refunded_at
        columns: {refund_id: text, order_id: text, line_no: integer, refunded: money, refunded_at: timestamp}
        amount: refunded
    factors:
      rate: {table: rates.csv, key: [category], unit: ratio}
    charges:
      goods:
        for: item_delivered
        amount: price - coupon
        debtor: platform
        creditor: merchant
      commission:
        for: item_delivered
        amount: greatest(price * rate, 0.30)
        debtor: merchant
        creditor: platform
        on_refund: return
      coupon:
        for: item_delivered
        when: coupon > 0
        amount: coupon
        creditor: merchant
        apportion:
          bearers: {platform: 60, brand: 40}
    statements:
      merchant: {cycle: weekly, ready_after: 7 days}
      brand: {cycle: monthly}
"""
RATES = "category,rate,valid_from,valid_to\ntoys,0.05,2026-01-01,\n"
DELIVERED = """\
    order_id,line_no,merchant,store,brand,category,price,coupon,delivered_at
    A1,1,m-7,s-1,b-2,toys,99.99,10.01,2026-03-03 10:00:00
"""
REFUNDED = """\
    refund_id,order_id,line_no,refunded,refunded_at
    R1,A1,1,30.00,2026-03-04 09:00:00
    R2,A1,1,59.98,2026-03-05 09:00:00
"""


def test_an_item_becomes_charges_and_obligations_to_the_cent(tell) -> None:
    told = tell(MARKET, {"delivered.csv": DELIVERED, "rates.csv": RATES}, as_of="2026-03-06")
    assert told.obligations() == [
        ("commission", "merchant:m-7/s-1", "platform", "5.00"),
        ("coupon", "platform", "merchant:m-7/s-1", "6.01"),
        ("coupon", "brand:b-2", "merchant:m-7/s-1", "4.00"),
        ("goods", "platform", "merchant:m-7/s-1", "89.98"),
    ]
    assert told.outcome.summary.closed_statements == 0, "the week is still open"


def test_statements_close_when_they_are_due_and_are_paid_net(tell) -> None:
    told = tell(MARKET, {"delivered.csv": DELIVERED, "rates.csv": RATES}, as_of="2026-04-01")
    statements = told.rows(
        "SELECT statement_id, payable_minor, receivable_minor, state FROM settlement.statement ORDER BY 1"
    )
    assert statements == [
        ("corner-market/brand:b-2/2026-03/CNY/market-shanghai", 0, 400, "closed"),
        ("corner-market/merchant:m-7/s-1/2026-W10/CNY/market-shanghai", 9999, 500, "closed"),
    ]
    paid = told.rows("SELECT party_id, direction, amount_minor FROM payments.instruction ORDER BY 1")
    assert paid == [("brand:b-2", "collect", 400), ("merchant:m-7/s-1", "pay", 9499)]


def test_partial_refunds_add_up_to_the_whole_and_a_returned_fee_comes_back_once(tell) -> None:
    files = {"delivered.csv": DELIVERED, "refunded.csv": REFUNDED, "rates.csv": RATES}
    told = tell(MARKET, files, as_of="2026-03-06")
    rows = [row for row in told.obligations() if row[3].startswith("-")]
    assert rows == [
        ("commission", "merchant:m-7/s-1", "platform", "-5.00"),
        ("coupon", "platform", "merchant:m-7/s-1", "-2.01"),
        ("coupon", "brand:b-2", "merchant:m-7/s-1", "-1.33"),
        ("goods", "platform", "merchant:m-7/s-1", "-30.00"),
        ("coupon", "platform", "merchant:m-7/s-1", "-4.00"),
        ("coupon", "brand:b-2", "merchant:m-7/s-1", "-2.67"),
        ("goods", "platform", "merchant:m-7/s-1", "-59.98"),
    ]
    left = told.rows("SELECT sum(amount_minor) FROM clearing.obligation")
    assert left == [(0,)], "what was refunded whole leaves nothing"


def test_a_refund_that_comes_before_its_item_waits_and_is_taken_when_the_item_is_there(tell) -> None:
    early = tell(MARKET, {"refunded.csv": REFUNDED, "rates.csv": RATES}, as_of="2026-03-06")
    assert early.counts("item_refunded")["quarantined"] == 2
    assert "has not arrived" in early.rows("SELECT min(reason) FROM intake.quarantine")[0][0]
    later = tell(MARKET, {"delivered.csv": DELIVERED, "refunded.csv": REFUNDED, "rates.csv": RATES}, as_of="2026-03-06")
    assert later.counts("item_refunded")["accepted"] == 2
    again = tell(MARKET, {"delivered.csv": DELIVERED, "refunded.csv": REFUNDED, "rates.csv": RATES}, as_of="2026-03-06")
    assert not again.outcome.summary.changed


def test_what_is_closed_stays_closed_and_a_late_fact_lands_in_the_next_open_statement(tell) -> None:
    first = tell(MARKET, {"delivered.csv": DELIVERED, "rates.csv": RATES}, as_of="2026-04-01")
    closed = first.rows("SELECT * FROM settlement.statement WHERE state = 'closed' ORDER BY statement_id")
    late = DELIVERED.replace(
        "A1,1,m-7,s-1,b-2,toys,99.99,10.01,2026-03-03 10:00:00", "A2,1,m-7,s-1,b-2,toys,20.00,0,2026-03-03"
    )
    told = tell(MARKET, {"delivered-late.csv": late, "rates.csv": RATES}, as_of="2026-04-01")
    assert told.rows("SELECT * FROM settlement.statement WHERE state = 'closed' ORDER BY statement_id") == closed
    booked = told.rows("SELECT r.business_date::text, r.booked_on::text FROM intake.record r WHERE r.key = 'A2/1'")
    assert booked == [("2026-03-03", "2026-04-01")]
    assert told.rows("SELECT period, payable_minor FROM settlement.statement WHERE state = 'open'") == [
        ("2026-W14", 2000)
    ]


def test_a_new_rate_never_reprices_what_was_rated(tell) -> None:
    tell(MARKET, {"delivered.csv": DELIVERED, "rates.csv": RATES}, as_of="2026-03-06")
    dearer = RATES.replace("0.05", "0.50")
    told = tell(MARKET, {"delivered.csv": DELIVERED, "rates.csv": dearer}, as_of="2026-03-06")
    assert told.counts("item_delivered")["duplicate"] == 1
    assert ("commission", "merchant:m-7/s-1", "platform", "5.00") in told.obligations()


def test_a_missing_rate_holds_the_charge_and_says_so(tell) -> None:
    unknown = DELIVERED.replace("toys", "books")
    told = tell(MARKET, {"delivered.csv": unknown, "rates.csv": RATES}, as_of="2026-03-06")
    assert told.rows("SELECT charge, state FROM rating.held_charge") == [("commission", "held")]
    assert "books" in told.rows("SELECT reason FROM rating.held_charge")[0][0]
    assert [row[0] for row in told.obligations()] == ["coupon", "coupon", "goods"]


def test_any_cent_is_walked_back_to_its_source_row(tell) -> None:
    told = tell(MARKET, {"delivered.csv": DELIVERED, "rates.csv": RATES}, as_of="2026-04-01")
    session = told.session
    walk = explain(session.connection, session.details, session.engine, session.tenant, "A1/1/commission")
    text = "\n".join(walk.to_lines())
    for part in ("greatest(price * rate, 0.30)", "0.05", "99.99", "delivered.csv:2", "5.00"):
        assert part in text, text


def test_charges_that_another_system_worked_out_go_the_same_way(tell) -> None:
    ready_made = """
        model: ready-made
        version: 1
        currency: JPY
        calendar: {time_zone: Asia/Tokyo}
        parties:
          platform: {operator: market-tokyo}
          merchant: {key: [merchant]}
        records:
          fee_line:
            file: fees.csv
            id: [line_id]
            occurred_at: worked_out_at
            columns:
              line_id: text
              fee: {type: text, in: [listing, advert]}
              merchant: text
              amount: money
              worked_out_at: date
            amount: amount
        charges:
          listing: {for: fee_line, when: fee = 'listing', amount: amount, debtor: merchant, creditor: platform}
          advert: {for: fee_line, when: fee = 'advert', amount: amount, debtor: merchant, creditor: platform}
        statements:
          merchant: {cycle: daily}
    """
    fees = "line_id,fee,merchant,amount,worked_out_at\n1,listing,m-1,120,2026-03-01\n2,advert,m-1,3000,2026-03-01\n"
    told = tell(ready_made, {"fees.csv": fees}, as_of="2026-03-10")
    assert told.obligations() == [
        ("listing", "merchant:m-1", "platform", "120"),
        ("advert", "merchant:m-1", "platform", "3000"),
    ]
    assert told.rows("SELECT direction, amount_minor FROM payments.instruction") == [("collect", 3120)]
