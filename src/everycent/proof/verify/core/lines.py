"""Statements' lines: what ended below 0 is carried on, what is held back is released, and nothing is made or lost."""

from everycent.proof.verify.core.rule import Rule

LINE_SUMS = Rule(
    "each statement's lines add up to what it says of them",
    "settlement.statement_line",
    """WITH added AS (
        SELECT statement_id, sum(amount_minor) AS amount, count(*) AS n, max(party_id) AS party_id,
            min(party_id) AS other_party, max(currency) AS currency, min(currency) AS other_currency,
            max(legal_entity) AS entity, min(legal_entity) AS other_entity
        FROM settlement.statement_line GROUP BY statement_id)
    SELECT statement_id AS place, format('statement {} of {}: {} of lines; its {} lines, of {}, add up to {}',
        statement_id, coalesce(s.party_id, 'nobody'), coalesce(lines_minor, 0), coalesce(n, 0),
        coalesce(a.party_id, 'nobody'), coalesce(amount, 0)) AS message
    FROM settlement.statement AS s FULL JOIN added AS a USING (statement_id)
    WHERE s.lines_minor IS DISTINCT FROM coalesce(amount, 0) OR n > 0 AND (s.party_id, s.party_id, s.currency,
        s.currency, s.legal_entity, s.legal_entity) IS DISTINCT FROM (a.party_id, other_party, a.currency,
        other_currency, entity, other_entity)""",
)

#: What goes out of one comes in on another of the same party, which ends later.
CARRIED = Rule(
    "what is carried out of a statement is carried into a later one, and nothing else is",
    "settlement.statement_line",
    """WITH line AS (
        SELECT l.*, s.period_last FROM settlement.statement_line AS l LEFT JOIN settlement.statement AS s
        USING (statement_id)),
    gone AS (FROM line WHERE kind = 'carried_out'), come AS (FROM line WHERE kind = 'carried_in')
    SELECT {'s': coalesce(g.statement_id, c.other_statement), 'o': coalesce(g.other_statement, c.statement_id)}
            AS place,
        format('statement {}: {} carried out of it to {}; {} carried in there', coalesce(g.statement_id,
            c.other_statement), coalesce(g.amount_minor, 0), coalesce(g.other_statement, c.statement_id),
            coalesce(c.amount_minor, 0)) AS message
    FROM gone AS g FULL JOIN come AS c ON c.other_statement = g.statement_id AND c.statement_id = g.other_statement
    WHERE g.amount_minor IS DISTINCT FROM -c.amount_minor OR g.amount_minor <= 0 OR g.period_last > c.period_last
        OR (g.party_id, g.currency, g.legal_entity, g.as_of) IS DISTINCT FROM
            (c.party_id, c.currency, c.legal_entity, c.as_of)""",
)

#: Worked out anew from what was frozen: before both, what is there is what obligations and other lines give.
HANDED_ON = Rule(
    "each closed statement handed on what it had to, and held back its part",
    "settlement.statement",
    """WITH on_it AS (
        SELECT statement_id,
            coalesce(sum(amount_minor) FILTER (WHERE kind = 'carried_out'), 0) AS carried,
            coalesce(-sum(amount_minor) FILTER (WHERE kind = 'reserve_held'), 0) AS held,
            coalesce(sum(amount_minor) FILTER (WHERE kind NOT IN ('carried_out', 'reserve_held')), 0) AS others
        FROM settlement.statement_line GROUP BY statement_id),
    told AS (
        SELECT s.*, coalesce(carried, 0) AS carried, coalesce(held, 0) AS held,
            CASE mode WHEN 'net' THEN payable_minor - receivable_minor ELSE payable_minor END AS own,
            own + coalesce(others, 0) AS there
        FROM settlement.statement AS s LEFT JOIN on_it USING (statement_id)),
    due AS (
        SELECT *, CASE WHEN carries THEN greatest(-there, 0) ELSE 0 END AS to_carry,
            least(greatest(there, 0), (2 * greatest(own, 0) * (reserve_ratio * 100000000)::HUGEINT + 100000000)
                // 200000000) AS to_hold
        FROM told)
    SELECT statement_id AS place, format('statement {}, {}: {} of its own, {} there: {} is carried and {} held back;'
        ' it should be {} and {}', statement_id, state, own, there, carried, held, to_carry, to_hold) AS message
    FROM due WHERE CASE WHEN state = 'open' THEN (carried, held) <> (0, 0) ELSE (carried, held) <> (to_carry, to_hold)
        END""",
)

RELEASED = Rule(
    "what is held back is released once, all of it, on its day and not before",
    "settlement.statement_line",
    """WITH held AS (
        SELECT l.*, coalesce(l.as_of + s.reserve_days, l.release_on) AS due_on FROM settlement.statement_line AS l
        LEFT JOIN settlement.statement AS s USING (statement_id) WHERE kind = 'reserve_held'),
    free AS (FROM settlement.statement_line WHERE kind = 'reserve_released'),
    today AS (SELECT coalesce(max(open_on), DATE '0001-01-01') AS open_on FROM settlement.book_date)
    SELECT {'s': coalesce(h.statement_id, f.other_statement), 'l': coalesce(f.line_id, h.line_id)} AS place,
        format('statement {}: {} held back until {}; {} released on {} ({}), the open day is {}',
            coalesce(h.statement_id, f.other_statement), coalesce(-h.amount_minor, 0),
            coalesce(h.release_on::VARCHAR, 'never'), coalesce(f.amount_minor, 0),
            coalesce(f.as_of::VARCHAR, 'no day'), coalesce(f.statement_id, 'no statement'), open_on) AS message
    FROM held AS h FULL JOIN free AS f ON f.other_statement = h.statement_id CROSS JOIN today
    WHERE h.release_on <> h.due_on
        OR CASE WHEN f.line_id IS NULL THEN h.settled_by IS NOT NULL OR h.release_on <= open_on
        ELSE h.settled_by IS DISTINCT FROM f.line_id OR f.amount_minor IS DISTINCT FROM -h.amount_minor
            OR f.as_of < h.release_on OR f.party_id <> h.party_id OR f.currency <> h.currency END""",
)

POSTED = Rule(
    "what is held back and released, and added taxes, are posted line by line, and no other line is",
    "settlement.statement_line",
    """WITH line AS (
        SELECT *, 'party/' || party_id AS own, CASE kind WHEN 'tax_added' THEN 'tax/' || legal_entity
            ELSE 'reserve/' || party_id END AS other
        FROM settlement.statement_line WHERE kind IN ('reserve_held', 'reserve_released', 'tax_added')),
    due AS (
        SELECT line_id, as_of, currency, abs(amount_minor) AS amount,
            CASE WHEN amount_minor < 0 THEN own ELSE other END AS debit_account,
            CASE WHEN amount_minor < 0 THEN other ELSE own END AS credit_account
        FROM line),
    posted AS (FROM ledger.transfer WHERE cause = 'statement line'
        OR split_part(debit_account, '/', 1) IN ('reserve', 'tax')
        OR split_part(credit_account, '/', 1) IN ('reserve', 'tax'))
    SELECT coalesce(d.line_id, p.transfer_id) AS place,
        format('line {}: {} {} from {} to {} on {}; posted {} {} from {} to {} on {}',
            coalesce(d.line_id, p.transfer_id), coalesce(d.amount, 0), coalesce(d.currency, ''),
            coalesce(d.debit_account, '-'), coalesce(d.credit_account, '-'), coalesce(d.as_of::VARCHAR, '-'),
            coalesce(p.amount_minor, 0), coalesce(p.currency, ''), coalesce(p.debit_account, '-'),
            coalesce(p.credit_account, '-'), coalesce(p.booked_on::VARCHAR, '-')) AS message
    FROM due AS d FULL JOIN posted AS p ON p.transfer_id = d.line_id
    WHERE (d.amount, d.currency, d.debit_account, d.credit_account, d.as_of)
        IS DISTINCT FROM (p.amount_minor, p.currency, p.debit_account, p.credit_account, p.booked_on)""",
)

RULES = (LINE_SUMS, CARRIED, HANDED_ON, RELEASED, POSTED)
