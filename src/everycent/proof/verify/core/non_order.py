"""Non-order charges: each is owed once and settled for what it is; no more of a deposit is given back than is there."""

from everycent.proof.verify.core.rule import Rule

CHARGES_POSTED = Rule(
    "each booked non-order charge is posted, once, and no other is",
    "non_order.charge",
    """WITH due AS (
        SELECT charge_id, booked_on, currency, amount_minor,
            CASE direction WHEN 'pay' THEN 'operator/' || legal_entity || '/' || account ELSE 'party/' || party_id END
                AS debit_account,
            CASE direction WHEN 'pay' THEN 'party/' || party_id ELSE 'operator/' || legal_entity || '/' || account END
                AS credit_account
        FROM non_order.charge WHERE state = 'booked'),
    posted AS (SELECT * FROM ledger.transfer WHERE batch_no IS NULL AND cause LIKE 'charge %')
    SELECT coalesce(d.charge_id, p.transfer_id) AS place,
        format('non-order charge {}: {} {} from {} to {} on {}; posted {} {} from {} to {} on {}',
            coalesce(d.charge_id, p.transfer_id), coalesce(d.amount_minor, 0), coalesce(d.currency, ''),
            coalesce(d.debit_account, '-'), coalesce(d.credit_account, '-'), coalesce(d.booked_on::VARCHAR, '-'),
            coalesce(p.amount_minor, 0), coalesce(p.currency, ''), coalesce(p.debit_account, '-'),
            coalesce(p.credit_account, '-'), coalesce(p.booked_on::VARCHAR, '-')) AS message
    FROM due d FULL JOIN posted p ON p.transfer_id = d.charge_id
    WHERE (d.amount_minor, d.currency, d.debit_account, d.credit_account, d.booked_on, 'charge ' || d.charge_id)
        IS DISTINCT FROM (p.amount_minor, p.currency, p.debit_account, p.credit_account, p.booked_on, p.cause)""",
)

CHARGES_SETTLED = Rule(
    "each non-order charge is settled at most once, for its amount, alone where it is settled by itself",
    "non_order.charge",
    """WITH settled AS (
        SELECT c.charge_id, c.state, c.settled_by, o.amount_minor AS amount, o.instruction_id,
            CASE c.direction WHEN 'pay' THEN c.amount_minor ELSE -c.amount_minor END AS due,
            count(*) FILTER (o.outcome <> 'carried') OVER (PARTITION BY c.charge_id) AS times,
            (SELECT count(*) FROM payments.instruction_statement other
                WHERE other.instruction_id = o.instruction_id) AS beside
        FROM non_order.charge c JOIN payments.instruction_statement o ON o.statement_id = c.charge_id::VARCHAR)
    SELECT charge_id AS place,
        format('non-order charge {}, {}: {} minor units; settled with {}, {} times, among {} sides',
            charge_id, state, due, amount, times, beside) AS message
    FROM settled WHERE state <> 'booked' OR due <> amount OR times > 1 OR settled_by = 'instruction' AND beside <> 1""",
)

#: By the days on which they are booked, each day's deposits before what is given back of them.
DEPOSITS_LEFT = Rule(
    "no more of a deposit is given back than is there, on any day",
    "non_order.charge",
    """WITH day AS (
        SELECT party_id, account, legal_entity, currency, booked_on,
            sum(CASE WHEN kind = account THEN amount_minor ELSE -amount_minor END) AS moved
        FROM non_order.charge WHERE state = 'booked' AND account IN (
            SELECT account FROM non_order.charge WHERE kind <> account) GROUP BY ALL),
    run AS (
        SELECT *, sum(moved) OVER (PARTITION BY party_id, account, legal_entity, currency ORDER BY booked_on)
            AS left_over
        FROM day)
    SELECT {'p': party_id, 'a': account, 'l': legal_entity, 'c': currency, 'o': booked_on} AS place,
        format('{} with {}: {} of {} is {} {} on {}', party_id, legal_entity, account, party_id, left_over, currency,
            booked_on) AS message
    FROM run WHERE left_over < 0""",
)

CHARGES_APPROVED = Rule(
    "each non-order charge that was asked for stands where its request led",
    "non_order.charge",
    """SELECT charge_id AS place,
        format('non-order charge {} of {} {}: {}; its request is {}, of {} {}', charge_id, c.amount_minor, c.currency,
            c.state, coalesce(r.state, 'not there'), coalesce(r.amount_minor, 0), coalesce(r.currency, '')) AS message
    FROM non_order.charge c LEFT JOIN approvals.request r ON r.request_id = c.approval_id
    WHERE (c.approval_id IS NULL AND c.state <> 'booked') OR (c.approval_id IS NOT NULL AND (
        r.kind IS DISTINCT FROM 'non_order_charge' OR r.subject_id <> c.charge_id::VARCHAR
        OR r.amount_minor <> c.amount_minor OR r.currency <> c.currency OR r.requested_by <> c.given_by
        OR CASE c.state WHEN 'booked' THEN r.state <> 'approved' WHEN 'asked' THEN r.state <> 'pending'
            ELSE r.state = 'pending' END))""",
)

RULES = (CHARGES_POSTED, CHARGES_SETTLED, DEPOSITS_LEFT, CHARGES_APPROVED)
