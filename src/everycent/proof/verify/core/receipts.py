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
            JOIN {_ENDED} e ON e.instruction_id = u.instruction_id AND e.first_end = 'paid'
        UNION ALL
        SELECT pay_back_id::VARCHAR, 'pay back ' || pay_back_id, 'on_account/' || party_id, 'party/' || party_id,
            currency, p.amount_minor, p.as_of
        FROM payments.pay_back p JOIN payments.receipt USING (receipt_id)
        UNION ALL
        SELECT pay_back_id::VARCHAR, 'pay back ' || pay_back_id || ' undone', 'party/' || party_id,
            'on_account/' || party_id, currency, p.amount_minor, g.as_of
        FROM payments.pay_back_undone g JOIN payments.pay_back p USING (pay_back_id)
            JOIN payments.receipt USING (receipt_id)),
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
        SELECT receipt_id, sum(amount_minor) AS used FROM (
            SELECT u.receipt_id, u.amount_minor FROM payments.receipt_use u LEFT JOIN {_ENDED} e USING (instruction_id)
            WHERE coalesce(e.first_end, 'paid') = 'paid'
            UNION ALL SELECT receipt_id, amount_minor FROM payments.pay_back
                ANTI JOIN payments.pay_back_undone USING (pay_back_id)) GROUP BY ALL)
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

#: Once it was not paid, or came back, it is on account for good; somebody has to ask for it anew.
PAID_BACK = Rule(
    "what is paid back goes to its party's verified account, once; what does not stay there is on account again",
    "payments.pay_back",
    """WITH side AS (
        SELECT statement_id, instruction_id, amount_minor FROM payments.instruction_statement
        UNION ALL SELECT statement_id, instruction_id, amount_minor FROM payments.reopened_statement),
    sent AS (
        SELECT p.pay_back_id, p.amount_minor, r.party_id, r.legal_entity, r.currency, side.instruction_id, i.direction,
            i.party_id AS to_party, i.amount_minor AS paid_minor, i.state, i.account_id, i.legal_entity AS of_entity,
            i.currency AS paid_in, (SELECT bool_or(m.booking = 'back') FROM payments.instruction_move m
                WHERE m.instruction_id = side.instruction_id) AS was_back,
            count(side.instruction_id) OVER (PARTITION BY p.pay_back_id) AS times
        FROM payments.pay_back p LEFT JOIN payments.receipt r USING (receipt_id)
            LEFT JOIN side ON side.statement_id = p.pay_back_id::VARCHAR
            LEFT JOIN payments.instruction i ON i.instruction_id = side.instruction_id)
    SELECT coalesce(s.pay_back_id, g.pay_back_id) AS place, format('pay-back {} of {} to {}: instruction {} {} {} to '
        || '{} ({}, account {}), {} times; on account again: {}', coalesce(s.pay_back_id, g.pay_back_id),
        coalesce(s.amount_minor, 0), coalesce(s.party_id, 'nobody'), coalesce(s.instruction_id::VARCHAR, 'none'),
        coalesce(s.direction, '-'), coalesce(s.paid_minor, 0), coalesce(s.to_party, '-'), coalesce(s.state, '-'),
        coalesce(s.account_id::VARCHAR, 'none'), coalesce(s.times, 0), g.pay_back_id IS NOT NULL) AS message
    FROM sent s FULL JOIN payments.pay_back_undone g ON g.pay_back_id = s.pay_back_id
    WHERE s.party_id IS NULL OR s.times > 1 OR (g.pay_back_id IS NOT NULL) <> coalesce(s.was_back, false)
        OR g.instruction_id <> s.instruction_id
        OR s.instruction_id IS NOT NULL AND ((s.to_party, s.of_entity, s.paid_in, s.direction, s.paid_minor)
            IS DISTINCT FROM (s.party_id, s.legal_entity, s.currency, 'pay', s.amount_minor)
            OR s.account_id IS NULL AND s.state NOT IN ('waiting', 'failed'))""",
)

RULES = (RECEIPTS_POSTED, RECEIPTS_USED, RECEIPTS_CLOSE, PAID_BACK)
