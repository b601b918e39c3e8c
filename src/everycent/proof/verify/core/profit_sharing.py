"""Shares of customers' payments: what receivers got by them is booked as the wallet says it last, and settled once."""

from everycent.proof.verify.core.posted import posted_otherwise
from everycent.proof.verify.core.rule import Rule

SHARES_BOOKED = Rule(
    "each share of a payment is booked as its wallet says it last",
    "payments.share",
    """WITH last_said AS (
        SELECT share_id, arg_max(state, move_no) AS state, count(*) AS moves, max(move_no) AS last_no,
            arg_min(state, move_no) AS first_state
        FROM payments.share_move GROUP BY ALL),
    due AS (
        SELECT share_id, receiver, p.party_id, s.legal_entity, m.state, m.first_state, m.moves, m.last_no,
            CASE WHEN m.state <> 'paid' THEN 0 WHEN does = 'return' THEN p.amount_minor
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
    posted_otherwise(
        "share entry",
        """SELECT entry_id AS transfer_id, as_of, currency, abs(amount_minor) AS amount_minor,
            CASE WHEN amount_minor < 0 THEN theirs ELSE 'bank/' || legal_entity END AS debit_account,
            CASE WHEN amount_minor < 0 THEN 'bank/' || legal_entity ELSE theirs END AS credit_account
        FROM (
            FROM payments.share_entry
            SELECT *, coalesce('party/' || party_id, 'shared/' || legal_entity) AS theirs)""",
        "cause LIKE 'share %'",
    ),
)

SHARES_SETTLED = Rule(
    "what a party has by shares is taken off what it is paid once, with its amount",
    "payments.share_entry",
    """WITH settled AS (
        SELECT e.entry_id, e.party_id, e.amount_minor AS due, o.amount_minor AS amount,
            count(*) FILTER (o.outcome <> 'carried') OVER (PARTITION BY e.entry_id) AS times
        FROM payments.share_entry e JOIN payments.instruction_statement o ON o.statement_id = e.entry_id::VARCHAR)
    SELECT entry_id AS place, format('share entry {} of {}: {} minor units; settled with {}, {} times', entry_id,
        coalesce(party_id, 'nobody'), due, amount, times) AS message
    FROM settled WHERE due <> amount OR times > 1 OR party_id IS NULL""",
)

SHARED_KEPT = Rule(
    "what others than parties got by shares is what their account has",
    "payments.share_entry",
    """WITH said AS (
        SELECT 'shared/' || legal_entity AS account, currency, sum(amount_minor) AS due FROM payments.share_entry
            WHERE party_id IS NULL GROUP BY ALL),
    held AS (
        SELECT account, currency, sum(credits_minor - debits_minor) AS balance FROM ledger.account
            WHERE account LIKE 'shared/%' GROUP BY ALL)
    SELECT {'a': account, 'c': currency} AS place,
        format('{} in {}: balance {}, shares of those who are no parties say {}', account, currency,
            coalesce(balance, 0), coalesce(due, 0)) AS message
    FROM held FULL JOIN said USING (account, currency) WHERE coalesce(balance, 0) <> coalesce(due, 0)""",
)

SHARES_OF_ONE = Rule(
    "a payment that is shared is one company's",
    "payments.share",
    """SELECT payment AS place, format('payment {} was paid to {} and to {}, as its requests say', payment,
        min(legal_entity), max(legal_entity)) AS message
    FROM payments.share GROUP BY payment HAVING min(legal_entity) <> max(legal_entity)""",
)

RULES = (SHARES_BOOKED, SHARES_POSTED, SHARES_SETTLED, SHARED_KEPT, SHARES_OF_ONE)
