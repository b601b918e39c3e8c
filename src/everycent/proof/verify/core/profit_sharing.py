"""Shares of customers' payments: what parties got by them is booked as the wallet says it last, and settled once."""

from everycent.proof.verify.core.rule import Rule

SHARES_BOOKED = Rule(
    "each party's share of a payment is booked as its wallet says it last",
    "payments.share",
    """WITH last_said AS (
        SELECT share_id, arg_max(state, move_no) AS state, count(*) AS moves, max(move_no) AS last_no,
            arg_min(state, move_no) AS first_state
        FROM payments.share_move GROUP BY ALL),
    due AS (
        SELECT share_id, receiver, p.party_id, s.legal_entity, m.state, m.first_state, m.moves, m.last_no,
            CASE WHEN m.state <> 'paid' OR p.party_id IS NULL THEN 0 WHEN does = 'return' THEN p.amount_minor
                ELSE -p.amount_minor END AS due
        FROM payments.share s JOIN payments.share_part p USING (share_id) LEFT JOIN last_said m USING (share_id)),
    booked AS (
        SELECT share_id, receiver, min(party_id) AS party_id, max(party_id) AS other, min(legal_entity) AS legal_entity,
            max(legal_entity) AS other_entity, sum(amount_minor) AS booked
        FROM payments.share_entry GROUP BY ALL)
    SELECT {'s': coalesce(d.share_id, b.share_id), 'r': coalesce(d.receiver, b.receiver)} AS place,
        format('share {} to {} ({}): {} after {} moves gives {}, booked are {} to {}', coalesce(d.share_id, b.share_id),
            coalesce(d.receiver, b.receiver), coalesce(d.party_id, 'no party'), coalesce(d.state, 'nothing said'),
            coalesce(d.moves, 0), coalesce(d.due, 0), coalesce(b.booked, 0), coalesce(b.party_id, 'nobody')) AS message
    FROM due d FULL JOIN booked b ON b.share_id = d.share_id AND b.receiver = d.receiver
    WHERE d.share_id IS NULL OR d.state IS NULL OR d.first_state <> 'asked' OR d.last_no <> d.moves
        OR d.due <> coalesce(b.booked, 0) OR b.share_id IS NOT NULL
            AND ((b.party_id, b.legal_entity) IS DISTINCT FROM (d.party_id, d.legal_entity)
                OR b.party_id <> b.other OR b.legal_entity <> b.other_entity)""",
)

SHARES_POSTED = Rule(
    "each share that is booked is posted, once, and no other is",
    "payments.share_entry",
    """WITH due AS (
        SELECT entry_id, as_of, currency, abs(amount_minor) AS amount_minor,
            CASE WHEN amount_minor < 0 THEN 'party/' || party_id ELSE 'bank/' || legal_entity END AS debit_account,
            CASE WHEN amount_minor < 0 THEN 'bank/' || legal_entity ELSE 'party/' || party_id END AS credit_account
        FROM payments.share_entry),
    posted AS (FROM ledger.transfer WHERE batch_no IS NULL AND cause LIKE 'share %')
    SELECT coalesce(d.entry_id, p.transfer_id) AS place,
        format('share entry {}: {} {} from {} to {} on {}; posted {} {} from {} to {} on {}',
            coalesce(d.entry_id, p.transfer_id), coalesce(d.amount_minor, 0), coalesce(d.currency, ''),
            coalesce(d.debit_account, '-'), coalesce(d.credit_account, '-'), coalesce(d.as_of::VARCHAR, '-'),
            coalesce(p.amount_minor, 0), coalesce(p.currency, ''), coalesce(p.debit_account, '-'),
            coalesce(p.credit_account, '-'), coalesce(p.booked_on::VARCHAR, '-')) AS message
    FROM due d FULL JOIN posted p ON p.transfer_id = d.entry_id
    WHERE (d.amount_minor, d.currency, d.debit_account, d.credit_account, d.as_of)
        IS DISTINCT FROM (p.amount_minor, p.currency, p.debit_account, p.credit_account, p.booked_on)""",
)

SHARES_SETTLED = Rule(
    "what a party has by shares is taken off what it is paid once, with its amount",
    "payments.share_entry",
    """WITH settled AS (
        SELECT e.entry_id, e.party_id, e.amount_minor AS due, o.amount_minor AS amount,
            count(*) FILTER (o.outcome <> 'carried') OVER (PARTITION BY e.entry_id) AS times
        FROM payments.share_entry e JOIN payments.instruction_statement o ON o.statement_id = e.entry_id::VARCHAR)
    SELECT entry_id AS place, format('share entry {} of {}: {} minor units; settled with {}, {} times', entry_id,
        party_id, due, amount, times) AS message
    FROM settled WHERE due <> amount OR times > 1""",
)

RULES = (SHARES_BOOKED, SHARES_POSTED, SHARES_SETTLED)
