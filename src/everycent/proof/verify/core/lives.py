"""The life of statements: each stands where its moves led, and none is released without what was frozen on it."""

from everycent.proof.verify.core.rule import Rule

STANDS = Rule(
    "each statement stands where its moves led",
    "settlement.statement_move",
    """WITH linked AS (
        SELECT *, row_number() OVER w AS place_no, lag(to_state, 1, 'open') OVER w AS before,
            row_number() OVER (PARTITION BY statement_id ORDER BY move_no DESC) = 1 AS is_last
        FROM settlement.statement_move WINDOW w AS (PARTITION BY statement_id ORDER BY move_no)),
    broken AS (
        SELECT statement_id, move_no, format('move {} ({}) begins at {}, the one before it ended at {}', move_no, move,
            from_state, before) AS what
        FROM linked WHERE from_state <> before OR move_no <> place_no),
    ends AS (
        SELECT statement_id, coalesce(l.move_no, 0) AS move_no, format('it is {} after {} moves, the last move says {}'
            ' after {}', coalesce(s.state, 'not there'), coalesce(s.moves, 0), coalesce(l.to_state, 'open'),
            coalesce(l.move_no, 0)) AS what
        FROM settlement.statement AS s FULL JOIN (FROM linked WHERE is_last) AS l USING (statement_id)
        WHERE (s.state, s.moves) IS DISTINCT FROM (coalesce(l.to_state, 'open'), coalesce(l.move_no, 0)))
    SELECT {'s': statement_id, 'n': move_no} AS place, format('statement {}: {}', statement_id, what) AS message
    FROM (FROM broken UNION ALL FROM ends)""",
)

#: What may follow what, restated: the move, the states before it, and the state after it (empty: the same).
_ALLOWED = (
    ("close", "open", "closed"),
    ("confirm", "closed", "confirmed"),
    ("dispute", "closed confirmed", "disputed"),
    ("resolve", "disputed", "closed"),
    ("approve", "closed confirmed", "approved"),
    ("decline", "closed confirmed", "disputed"),
    ("release", "closed confirmed approved", ""),
    ("park", "closed confirmed approved", ""),
    ("unpark", "closed confirmed approved", ""),
    ("settle", "closed confirmed approved", ""),
    ("reopen", "closed confirmed approved", ""),
)
_STEPS = ", ".join(
    f"('{move}', '{state}', '{after or state}')" for move, states, after in _ALLOWED for state in states.split(" ")
)

ALLOWED = Rule(
    "each move of a statement is one that may be made",
    "settlement.statement_move",
    f"""SELECT {{'s': statement_id, 'n': move_no}} AS place,
        format('statement {{}}, move {{}}: {{}} from {{}} to {{}} by {{}}', statement_id, move_no, move, from_state,
            to_state, person) AS message
    FROM settlement.statement_move WHERE (move, from_state, to_state) NOT IN (VALUES {_STEPS})
        OR (move_no = 1) <> (move = 'close') OR trim(person) = ''
        OR (move IN ('dispute', 'resolve', 'decline', 'park') AND coalesce(trim(reason), '') = '')""",
)

DATED = Rule(
    "each statement was closed and released on the days that its moves say",
    "settlement.statement",
    """WITH moved AS (
        SELECT statement_id, min(as_of) FILTER (WHERE move = 'close') AS closed,
            max(as_of) FILTER (WHERE move = 'release') AS released,
            max(as_of) FILTER (WHERE move = 'unpark') AS unparked,
            CASE arg_max(move, move_no) FILTER (WHERE move IN ('park', 'unpark')) WHEN 'park'
                THEN max(as_of) FILTER (WHERE move = 'park') END AS parked,
            count(*) FILTER (WHERE move = 'release') AS releases,
            count(*) FILTER (WHERE move = 'resolve') AS resolved
        FROM settlement.statement_move GROUP BY statement_id),
    told AS (
        SELECT s.*, m.closed, coalesce(m.unparked, CASE WHEN s.confirms OR s.approve IS NOT NULL OR s.invoice_first
            THEN m.released
            ELSE m.closed END) AS free, m.parked,
            coalesce(m.releases, 0) AS releases, coalesce(m.resolved, 0) AS resolved
        FROM settlement.statement AS s LEFT JOIN moved AS m USING (statement_id))
    SELECT statement_id AS place, format('statement {}: closed {}, released {}, parked {}, {} rounds; its moves say '
        || '{}, {}, {}, {}', statement_id, coalesce(closed_as_of::VARCHAR, 'never'), coalesce(released_as_of::VARCHAR,
        'never'), coalesce(parked_as_of::VARCHAR, 'never'), rounds, coalesce(closed::VARCHAR, 'never'),
        coalesce(free::VARCHAR, 'never'), coalesce(parked::VARCHAR, 'never'), resolved) AS message
    FROM told WHERE (closed_as_of, released_as_of, parked_as_of, rounds) IS DISTINCT FROM (closed, free, parked,
        resolved) OR releases > 1""",
)

RELEASED = Rule(
    "each released statement was confirmed and approved as was frozen on it",
    "settlement.statement",
    """WITH said AS (
        SELECT statement_id, last(move ORDER BY move_no) FILTER (WHERE move IN ('confirm', 'dispute', 'decline'))
                = 'confirm' AS confirmed
        FROM settlement.statement_move GROUP BY statement_id),
    asked AS (
        SELECT s.*, coalesce(said.confirmed, false) AS confirmed, r.state AS request_state,
            r.kind = 'statement' AND r.subject_id = s.statement_id AND r.currency = s.currency
                AND r.amount_minor = CASE s.mode
                    WHEN 'net' THEN abs(s.payable_minor - s.receivable_minor + s.lines_minor)
                    ELSE abs(s.payable_minor + s.lines_minor) + abs(s.receivable_minor) END AS is_of_it,
            coalesce(json_array_length(r.levels), 0) AS asked_levels,
            json_array_length(s.approve) - len(list_filter(json_extract_string(s.approve, '$[*].above'),
                lambda above: coalesce(above, 'null') <> 'null')) AS always
        FROM settlement.statement AS s LEFT JOIN said USING (statement_id)
            LEFT JOIN approvals.request AS r ON r.request_id = s.approval_id)
    SELECT statement_id AS place, format('statement {} is {} and released: {}', statement_id, state, CASE
        WHEN confirms AND NOT confirmed THEN 'its party did not confirm it'
        WHEN approve IS NULL THEN 'it waits for something'
        WHEN request_state IS NULL THEN 'nobody was asked to approve it'
        WHEN NOT is_of_it THEN 'the request is not of it, or of another amount'
        ELSE format('the request is {}, with {} levels', request_state, asked_levels) END) AS message
    FROM asked WHERE released_as_of IS NOT NULL AND ((confirms AND NOT confirmed) OR CASE
        WHEN approve IS NOT NULL THEN state <> 'approved' OR request_state IS DISTINCT FROM 'approved' OR NOT is_of_it
            OR asked_levels < always
        WHEN confirms THEN state <> 'confirmed'
        ELSE state <> 'closed' END)""",
)

#: What payments say (`paid`) is what is on the statement, and what its moves say last of each side (`said`).
SETTLED = Rule(
    "each statement is settled where its payments are made",
    "settlement.statement",
    """WITH paid AS (
        SELECT statement_id, '{' || string_agg(side, ',' ORDER BY side) || '}' AS sides
        FROM payments.instruction_statement WHERE outcome = 'zero' OR instruction_id IN (
            SELECT instruction_id FROM payments.instruction WHERE booking = 'paid')
        GROUP BY statement_id),
    last_said AS (
        SELECT statement_id, side, arg_max(move, move_no) AS move, arg_max(as_of, move_no) AS as_of
        FROM settlement.statement_move WHERE move IN ('settle', 'reopen') GROUP BY statement_id, side),
    said AS (
        SELECT statement_id, '{' || string_agg(side, ',' ORDER BY side) || '}' AS sides, count(*) AS settled,
            max(as_of) AS as_of
        FROM last_said WHERE move = 'settle' GROUP BY statement_id),
    told AS (
        SELECT s.statement_id, s.settled_sides, s.settled_as_of, coalesce(p.sides, '{}') AS paid,
            coalesce(d.sides, '{}') AS said, CASE WHEN coalesce(d.settled, 0) = CASE s.mode WHEN 'net' THEN 1 ELSE 2 END
            THEN d.as_of END AS settled
        FROM settlement.statement s LEFT JOIN paid p USING (statement_id) LEFT JOIN said d USING (statement_id))
    SELECT statement_id AS place, format('statement {}: settled are {} ({}), its payments say {}, its moves {} ({})',
        statement_id, settled_sides, coalesce(settled_as_of::VARCHAR, 'not all'), paid, said,
        coalesce(settled::VARCHAR, 'not all')) AS message
    FROM told WHERE settled_sides <> paid OR settled_sides <> said OR settled_as_of IS DISTINCT FROM settled""",
)

RULES = (STANDS, ALLOWED, DATED, RELEASED, SETTLED)
