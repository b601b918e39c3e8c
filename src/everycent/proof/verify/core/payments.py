"""Instructions: each side of a closed statement has one outcome; an instruction pays exactly its statements."""

from everycent.proof.verify.core.rule import Rule

#: The sides of closed statements: one net amount, or payable and receivable apart. Above 0 is owed to the party.
_SIDES = """(SELECT *, 'net' AS side, payable_minor - receivable_minor AS due FROM settlement.statement
        WHERE state = 'closed' AND mode = 'net'
    UNION ALL SELECT *, 'payable', payable_minor FROM settlement.statement WHERE state = 'closed' AND mode = 'gross'
    UNION ALL SELECT *, 'receivable', -receivable_minor FROM settlement.statement
        WHERE state = 'closed' AND mode = 'gross')"""

SIDE_OUTCOME = Rule(
    "each side of a closed statement has its outcome, with its amount",
    "payments.instruction_statement",
    f"""SELECT {{'s': coalesce(d.statement_id, o.statement_id), 'side': coalesce(d.side, o.side)}} AS place,
        format('statement {{}}, {{}}: {{}} minor units are due, {{}} have an outcome', coalesce(d.statement_id,
            o.statement_id),
            coalesce(d.side, o.side), coalesce(d.due::VARCHAR, 'none'), coalesce(o.amount_minor::VARCHAR, 'none'))
                AS message
    FROM {_SIDES} d FULL JOIN payments.instruction_statement o ON o.statement_id = d.statement_id AND o.side = d.side
    WHERE d.due IS DISTINCT FROM o.amount_minor""",
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
    """WITH added AS (
        SELECT instruction_id, sum(o.amount_minor) AS due, min(s.party_id) AS party_id, max(s.party_id) AS other,
            min(s.currency) AS currency, max(s.currency) AS other_currency, min(s.legal_entity) AS legal_entity,
            max(s.legal_entity) AS other_entity
        FROM payments.instruction_statement o JOIN settlement.statement s USING (statement_id)
        WHERE instruction_id IS NOT NULL GROUP BY instruction_id)
    SELECT coalesce(i.instruction_id, a.instruction_id) AS place,
        format('instruction {}: {} {} {} {}, its statements add up to {} {} for {}', coalesce(i.instruction_id,
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
    """SELECT {'p': s.party_id, 'l': s.legal_entity, 'c': s.currency, 'd': o.side, 'a': o.as_of} AS place,
        format('{} ({}, {}), {} of {}: settled without payment, but its statements add up to {}', s.party_id,
            s.legal_entity,
            s.currency, o.side, o.as_of, sum(o.amount_minor)) AS message
    FROM payments.instruction_statement o JOIN settlement.statement s USING (statement_id) WHERE o.outcome = 'zero'
    GROUP BY s.party_id, s.legal_entity, s.currency, o.side, o.as_of HAVING sum(o.amount_minor) <> 0""",
)

RULES = (SIDE_OUTCOME, OUTCOME_KEPT, INSTRUCTION_SUMS, ZERO_GROUPS)
