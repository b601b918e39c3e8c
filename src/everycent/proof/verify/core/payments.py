"""Instructions: each side of a released statement has one outcome; an instruction pays exactly its statements."""

from everycent.proof.verify.core.rule import Rule

#: The sides of released statements: one net amount, or payable and receivable apart. Above 0 is owed to the party.
_SIDES = """(SELECT *, 'net' AS side, payable_minor - receivable_minor + lines_minor AS due FROM settlement.statement
        WHERE released_as_of IS NOT NULL AND mode = 'net'
    UNION ALL SELECT *, 'payable', payable_minor + lines_minor FROM settlement.statement
        WHERE released_as_of IS NOT NULL AND mode = 'gross'
    UNION ALL SELECT *, 'receivable', -receivable_minor FROM settlement.statement
        WHERE released_as_of IS NOT NULL AND mode = 'gross')"""
#: Whose each of them is, and each non-order charge and each amount that is paid back, which stand among them under
#: their own ids.
_OF = """(SELECT statement_id, party_id, currency, legal_entity FROM settlement.statement
    UNION ALL SELECT charge_id::VARCHAR, party_id, currency, legal_entity FROM non_order.charge
    UNION ALL SELECT pay_back_id::VARCHAR, party_id, currency, legal_entity
    FROM payments.pay_back JOIN payments.receipt USING (receipt_id)
    UNION ALL SELECT entry_id::VARCHAR, party_id, currency, legal_entity FROM payments.share_entry)"""
#: What people released, or let go again, waits for the next instructing, which takes all that was released until then;
#: what they hold back waits for them.
_WAITS = """(o.statement_id IS NULL AND (d.parked_as_of IS NOT NULL OR (d.state <> 'closed' OR d.invoice_first
        OR d.statement_id IN (SELECT statement_id FROM settlement.statement_move WHERE move = 'unpark'))
        AND d.statement_id NOT IN (
        SELECT statement_id FROM payments.instruction_statement) AND d.released_as_of >= coalesce((
        SELECT max(as_of) FROM payments.instruction_statement), d.released_as_of)))"""

#: A side that its instruction did not pay has no outcome until it is instructed anew.
SIDE_OUTCOME = Rule(
    "each side of a released statement has its outcome, with its amount",
    "payments.instruction_statement",
    f"""SELECT {{'s': coalesce(d.statement_id, o.statement_id), 'side': coalesce(d.side, o.side)}} AS place,
        format('statement {{}}, {{}}: {{}} minor units are due, {{}} have an outcome', coalesce(d.statement_id,
            o.statement_id),
            coalesce(d.side, o.side), coalesce(d.due::VARCHAR, 'none'), coalesce(o.amount_minor::VARCHAR, 'none'))
                AS message
    FROM {_SIDES} d FULL JOIN (
        FROM payments.instruction_statement WHERE statement_id NOT IN (SELECT charge_id::VARCHAR FROM non_order.charge)
            AND statement_id NOT IN (SELECT pay_back_id::VARCHAR FROM payments.pay_back)
            AND statement_id NOT IN (SELECT entry_id::VARCHAR FROM payments.share_entry)
        ) o ON o.statement_id = d.statement_id AND o.side = d.side
    WHERE d.due IS DISTINCT FROM o.amount_minor AND NOT coalesce({_WAITS}, false)
        AND (o.statement_id IS NOT NULL OR NOT EXISTS (
            FROM payments.reopened_statement r
            WHERE r.statement_id = d.statement_id AND r.side = d.side AND r.amount_minor = d.due))""",
)

OUTCOME_KEPT = Rule(
    "each instructed side names its instruction, and no other side does",
    "payments.instruction_statement",
    """SELECT {'s': statement_id, 'side': side} AS place, format('statement {}, {}: {} with instruction {}',
        statement_id, side,
        outcome, coalesce(instruction_id::VARCHAR, 'none')) AS message
    FROM payments.instruction_statement o
    WHERE (outcome = 'instructed') <> (instruction_id IS NOT NULL) OR outcome NOT IN ('instructed', 'zero',
        'carried')""",
)

INSTRUCTION_SUMS = Rule(
    "each instruction moves what its statements add up to, for their party",
    "payments.instruction",
    f"""WITH added AS (
        SELECT instruction_id, sum(o.amount_minor) AS due, min(s.party_id) AS party_id, max(s.party_id) AS other,
            min(s.currency) AS currency, max(s.currency) AS other_currency, min(s.legal_entity) AS legal_entity,
            max(s.legal_entity) AS other_entity
        FROM (SELECT statement_id, instruction_id, amount_minor FROM payments.instruction_statement
            UNION ALL SELECT statement_id, instruction_id, amount_minor FROM payments.reopened_statement) o
            JOIN {_OF} s USING (statement_id)
        WHERE instruction_id IS NOT NULL GROUP BY instruction_id)
    SELECT coalesce(i.instruction_id, a.instruction_id) AS place,
        format('instruction {{}}: {{}} {{}} {{}} {{}}, its statements add up to {{}} {{}} for {{}}',
            coalesce(i.instruction_id,
            a.instruction_id),
            coalesce(i.direction, 'none:'), coalesce(i.party_id, 'nobody'), coalesce(i.amount_minor, 0),
            coalesce(i.currency, ''), coalesce(a.due, 0), coalesce(a.currency, ''), coalesce(a.party_id, 'nobody'))
                AS message
    FROM payments.instruction i FULL JOIN added a ON a.instruction_id = i.instruction_id
    WHERE i.instruction_id IS NULL OR a.instruction_id IS NULL OR i.amount_minor <= 0
        OR CASE i.direction WHEN 'pay' THEN i.amount_minor WHEN 'collect' THEN -i.amount_minor END IS DISTINCT
            FROM a.due
        OR i.party_id <> a.party_id OR i.party_id <> a.other OR i.currency <> a.currency
            OR i.currency <> a.other_currency
        OR i.legal_entity <> a.legal_entity OR i.legal_entity <> a.other_entity""",
)

ZERO_GROUPS = Rule(
    "sides settled without payment add up to nothing",
    "payments.instruction_statement",
    f"""SELECT {{'p': s.party_id, 'l': s.legal_entity, 'c': s.currency, 'd': o.side, 'a': o.as_of}} AS place,
        format('{{}} ({{}}, {{}}), {{}} of {{}}: settled without payment, but its statements add up to {{}}',
            s.party_id,
            s.legal_entity,
            s.currency, o.side, o.as_of, sum(o.amount_minor)) AS message
    FROM payments.instruction_statement o JOIN {_OF} s USING (statement_id) WHERE o.outcome = 'zero'
    GROUP BY s.party_id, s.legal_entity, s.currency, o.side, o.as_of HAVING sum(o.amount_minor) <> 0""",
)

#: Only what is back is opened, and all of it: what is in flight or paid still pays its statements.
REOPENED = Rule(
    "what is instructed anew was not paid, and is not being paid",
    "payments.instruction",
    """SELECT i.instruction_id AS place,
        format('instruction {} to {}: {}, its money {}; {} of its {} sides of statements are opened again',
            i.instruction_id, i.party_id, i.state, i.booking, coalesce(r.sides, 0),
            coalesce(r.sides, 0) + coalesce(o.sides, 0)) AS message
    FROM payments.instruction i
        LEFT JOIN (SELECT instruction_id, count(*) AS sides FROM payments.reopened_statement GROUP BY ALL) r
            USING (instruction_id)
        LEFT JOIN (SELECT instruction_id, count(*) AS sides FROM payments.instruction_statement GROUP BY ALL) o
            USING (instruction_id)
    WHERE CASE i.booking WHEN 'back' THEN coalesce(o.sides, 0) > 0 WHEN 'in_flight' THEN coalesce(r.sides, 0) > 0
        ELSE i.state <> 'parked' AND coalesce(r.sides, 0) > 0 AND NOT EXISTS (FROM payments.instruction_move m
            WHERE m.instruction_id = i.instruction_id AND m.move = 'judge_paid') END""",
)

MOVED = Rule(
    "each instruction stands where its moves led",
    "payments.instruction",
    """WITH moved AS (
        SELECT instruction_id, count(*) AS moves, max(move_no) AS last_no, arg_max(to_state, move_no) AS state,
            arg_max(booking, move_no) AS booking FROM payments.instruction_move GROUP BY ALL),
    torn AS (
        SELECT instruction_id, count(*) AS breaks FROM (
            SELECT instruction_id, from_state, lag(to_state) OVER (PARTITION BY instruction_id ORDER BY move_no) AS led
            FROM payments.instruction_move) WHERE led <> from_state GROUP BY ALL)
    SELECT coalesce(i.instruction_id, m.instruction_id) AS place,
        format('instruction {}: {}, its money {}, {} moves; its history has {} and ends with {}, {}',
            coalesce(i.instruction_id, m.instruction_id), coalesce(i.state, 'not there'), coalesce(i.booking, '-'),
            coalesce(i.moves, 0), coalesce(m.moves, 0), coalesce(m.state, 'none'), coalesce(m.booking, '-')) AS message
    FROM payments.instruction i FULL JOIN moved m ON m.instruction_id = i.instruction_id
        LEFT JOIN torn t ON t.instruction_id = m.instruction_id
    WHERE i.instruction_id IS NULL OR i.moves <> coalesce(m.moves, 0) OR m.last_no <> m.moves OR t.breaks > 0
        OR i.state <> m.state OR i.booking <> m.booking
        OR m.moves IS NULL AND (i.state NOT IN ('waiting', 'created', 'filed') OR i.booking <> 'in_flight')""",
)

#: The end states and where the money is then; before them it is in flight, and a parked one's stays where it was.
BOOKED = Rule(
    "each instruction's money is where its state says",
    "payments.instruction",
    """SELECT instruction_id AS place,
        format('instruction {} to {}: {} on {}, and its money {}', instruction_id, party_id, state,
            coalesce(ended_as_of::VARCHAR, 'no day'), booking) AS message
    FROM payments.instruction
    WHERE booking <> CASE state WHEN 'succeeded' THEN 'paid' WHEN 'failed' THEN 'back' WHEN 'returned' THEN 'back'
        WHEN 'parked' THEN booking ELSE 'in_flight' END
        OR (ended_as_of IS NOT NULL) <> (state IN ('succeeded', 'failed', 'returned'))""",
)

#: Before approvals did, two persons released: the first proposed it.
RELEASED = Rule(
    "each released instruction was released by those who have to",
    "payments.instruction",
    """WITH done AS (
        SELECT instruction_id, arg_max(who, move_no) FILTER (WHERE move = 'release') AS released_by,
            arg_max(who, move_no) FILTER (WHERE move = 'propose') AS proposed_by,
            bool_or(move IN ('file', 'begin')) AS sent
        FROM payments.instruction_move GROUP BY instruction_id),
    told AS (
        SELECT i.instruction_id, i.party_id, i.approval_id, d.*, q.state AS asked, q.kind = 'payment'
            AND q.subject_id = i.instruction_id::VARCHAR AND q.amount_minor = i.amount_minor
            AND q.currency = i.currency AND q.requested_by <> d.released_by OR q.levels = '[]' AS is_of_it
        FROM payments.instruction i JOIN done d USING (instruction_id)
            LEFT JOIN approvals.request q ON q.request_id = i.approval_id)
    SELECT instruction_id AS place, format('instruction {} to {}: released by {}, sent: {}; its request is {}',
        instruction_id, party_id, coalesce(released_by, 'nobody'), sent, coalesce(asked, 'not there')) AS message
    FROM told WHERE (released_by IS NOT NULL AND coalesce(proposed_by = released_by, true)
            AND NOT coalesce(asked = 'approved' AND is_of_it, false))
        OR (sent AND approval_id IS NOT NULL AND released_by IS NULL)""",
)

PAID_TO = Rule(
    "each instruction to a verified account pays its party's own",
    "payments.instruction",
    """SELECT i.instruction_id AS place, format('instruction {} to {}: its payout account {} is {}', i.instruction_id,
            i.party_id, i.account_id, CASE WHEN a.account_id IS NULL THEN 'not there' WHEN a.usable_on IS NULL
            THEN 'never verified' ELSE 'that of ' || a.party_id END) AS message
    FROM payments.instruction i LEFT JOIN parties.payout_account a USING (account_id)
    WHERE i.account_id IS NOT NULL AND (a.usable_on IS NULL OR a.party_id <> i.party_id)""",
)

DEBITED = Rule(
    "each direct debit of a verified account is under a mandate of that account",
    "payments.instruction",
    """SELECT instruction_id AS place, format('instruction {} from {}: no mandate {} of account {} was signed on {}',
        instruction_id, party_id, mandate, i.account_id, mandate_signed_on) AS message
    FROM payments.instruction i LEFT JOIN parties.mandate m
        ON m.account_id = i.account_id AND m.signed_on = i.mandate_signed_on AND m.masked = i.mandate
    WHERE i.account_id IS NOT NULL AND i.mandate IS NOT NULL AND m.account_id IS NULL""",
)

RULES = (SIDE_OUTCOME, OUTCOME_KEPT, INSTRUCTION_SUMS, ZERO_GROUPS, REOPENED, MOVED, BOOKED, RELEASED, PAID_TO, DEBITED)
