"""Money kept on account: each receipt is booked once, and no more of it is used than came in."""

from everycent.proof.verify.core.rule import Rule

#: The first end of an instruction settles what is set aside for it: paid, it is used; else it is free again.
_ENDED = """(SELECT instruction_id, arg_min(booking, move_no) AS first_end FROM payments.instruction_move
    WHERE booking <> 'in_flight' GROUP BY instruction_id)"""

RECEIPTS_POSTED = Rule(
    "each receipt is on its party's account, and leaves it for what it has paid",
    "payments.receipt",
    f"""WITH due AS (
        SELECT receipt_id::VARCHAR AS place, 'receipt ' || receipt_id AS cause, 'bank/' || legal_entity
            AS debit_account, 'on_account/' || party_id AS credit_account, currency, amount_minor, as_of AS booked_on
        FROM payments.receipt
        UNION ALL
        SELECT u.receipt_id || ' for ' || u.instruction_id, 'use ' || u.instruction_id || ' ' || u.receipt_id,
            'on_account/' || party_id, 'bank/' || legal_entity, currency, u.amount_minor, NULL
        FROM payments.receipt_use u JOIN payments.receipt USING (receipt_id)
            JOIN {_ENDED} e ON e.instruction_id = u.instruction_id AND e.first_end = 'paid'),
    posted AS (
        SELECT cause, currency, debit_account, credit_account, sum(amount_minor) AS amount_minor,
            min(booked_on) AS booked_on
        FROM ledger.transfer WHERE debit_account LIKE 'on_account/%' OR credit_account LIKE 'on_account/%'
        GROUP BY ALL)
    SELECT coalesce(d.cause, p.cause) AS place,
        format('{{}}: {{}} {{}} from {{}} to {{}} on {{}}; posted {{}} {{}} from {{}} to {{}} on {{}}',
            coalesce(d.place, p.cause), coalesce(d.amount_minor, 0), coalesce(d.currency, ''),
            coalesce(d.debit_account, '-'), coalesce(d.credit_account, '-'), coalesce(d.booked_on::VARCHAR, '-'),
            coalesce(p.amount_minor, 0), coalesce(p.currency, ''), coalesce(p.debit_account, '-'),
            coalesce(p.credit_account, '-'), coalesce(p.booked_on::VARCHAR, '-')) AS message
    FROM due d FULL JOIN posted p ON p.cause = d.cause
    WHERE (d.amount_minor, d.currency, d.debit_account, d.credit_account)
            IS DISTINCT FROM (p.amount_minor, p.currency, p.debit_account, p.credit_account)
        OR d.booked_on IS NOT NULL AND d.booked_on IS DISTINCT FROM p.booked_on""",
)

RECEIPTS_USED = Rule(
    "no receipt is used for more than came in, nor for another party's debt",
    "payments.receipt_use",
    f"""WITH used AS (
        SELECT u.receipt_id, sum(u.amount_minor) AS used FROM payments.receipt_use u LEFT JOIN {_ENDED} e
            USING (instruction_id)
        WHERE coalesce(e.first_end, 'paid') = 'paid' GROUP BY ALL)
    SELECT receipt_id::VARCHAR AS place, format('receipt {{}} of {{}}: {{}} came in, {{}} are used', receipt_id,
        party_id, amount_minor, used) AS message
    FROM used JOIN payments.receipt USING (receipt_id) WHERE used > amount_minor
    UNION ALL
    SELECT u.receipt_id || '/' || u.instruction_id, format('receipt {{}} of {{}} ({{}}, {{}}) is used for instruction '
        || '{{}}: {{}} {{}} ({{}}, {{}})', u.receipt_id, coalesce(r.party_id, 'nobody'), coalesce(r.legal_entity, '-'),
        coalesce(r.currency, '-'), u.instruction_id, coalesce(i.direction, 'none:'), coalesce(i.party_id, 'nobody'),
        coalesce(i.legal_entity, '-'), coalesce(i.currency, '-'))
    FROM payments.receipt_use u LEFT JOIN payments.receipt r USING (receipt_id)
        LEFT JOIN payments.instruction i ON i.instruction_id = u.instruction_id
    WHERE (r.party_id, r.legal_entity, r.currency, 'collect')
        IS DISTINCT FROM (i.party_id, i.legal_entity, i.currency, i.direction)""",
)

#: What receipts make whole is paid: nothing that is set aside lies there for good.
RECEIPTS_CLOSE = Rule(
    "each instruction takes no more from receipts than it lacks, and is paid when they make it whole",
    "payments.receipt_use",
    f"""SELECT i.instruction_id AS place, format('instruction {{}} of {{}}: {{}} to collect, {{}} came in parts; it is '
        || '{{}}', i.instruction_id, i.party_id, i.amount_minor, parts, i.state) AS message
    FROM (SELECT instruction_id, sum(amount_minor) AS parts FROM payments.receipt_use GROUP BY ALL)
        JOIN payments.instruction i USING (instruction_id) LEFT JOIN {_ENDED} e USING (instruction_id)
    WHERE parts > i.amount_minor OR parts = i.amount_minor AND e.first_end IS NULL AND i.state <> 'parked'""",
)

RULES = (RECEIPTS_POSTED, RECEIPTS_USED, RECEIPTS_CLOSE)
