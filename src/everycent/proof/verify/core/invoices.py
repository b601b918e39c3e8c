"""Invoices: each is what its charges come to on the statement, with their taxes; none is paid before those it needs."""

from everycent.proof.verify.core.ordered import STANDING_OBLIGATIONS
from everycent.proof.verify.core.rule import Rule

_INVOICED = "SELECT statement_id FROM settlement.invoice_line"


def _stood(statements: str) -> str:
    """What each charge comes to on each side of these statements."""
    return f"""stood AS (
        SELECT creditor_statement AS statement_id, 'payable' AS side, charge, sum(amount_minor) AS owed
        FROM {STANDING_OBLIGATIONS} WHERE creditor_statement IN ({statements}) GROUP BY ALL
        UNION ALL SELECT debtor_statement, 'receivable', charge, sum(amount_minor)
        FROM {STANDING_OBLIGATIONS} WHERE debtor_statement IN ({statements}) GROUP BY ALL)"""


#: A tax is the whole part of `part / whole`, and one more where its rounding says so.
LINES = Rule(
    "each line of an invoice is its charge on the statement, its tax rounded as it says",
    "settlement.invoice_line",
    f"""WITH {_stood(_INVOICED)},
    told AS (
        SELECT l.*, coalesce(owed, 0) AS owed, abs(coalesce(owed, 0))::HUGEINT * rate AS part,
            (100000000 + CASE WHEN included THEN rate ELSE 0 END)::HUGEINT AS whole
        FROM settlement.invoice_line AS l LEFT JOIN stood USING (statement_id, side, charge)),
    taxed AS (
        SELECT *, sign(owed) * ((part - part % whole) // whole + (CASE rounding WHEN 'down' THEN 0
            WHEN 'up' THEN least(part % whole, 1)
            WHEN 'half_even' THEN (part % whole * 2 + part // whole % 2 > whole)::INTEGER
            ELSE (part % whole * 2 >= whole)::INTEGER END)) AS tax
        FROM told)
    SELECT {{'s': statement_id, 'x': side, 'c': charge}} AS place,
        format('statement {{}}, {{}} {{}}: {{}} on the invoice and {{}} of tax; {{}} are on the statement, and {{}} of '
            || 'them are tax at {{}} of 100000000', statement_id, side, charge, net_minor, tax_minor, owed, tax, rate)
            AS message
    FROM taxed WHERE tax_minor <> tax OR net_minor <> owed - CASE WHEN included THEN tax ELSE 0 END""",
)

#: A contract alone asks for all charges, without tax. A statement that does not say under which version it closed is
#: compared with all that are kept; so nobody can say which charges it lacks.
RATED = Rule(
    "each charge is invoiced as the model said when its statement closed",
    "settlement.invoice_line",
    f"""WITH wanted AS (
        SELECT s.statement_id, s.role, v.model_version, coalesce(i.chosen, false) AS chosen,
            closed_under IS NOT NULL AS is_sure
        FROM settlement.statement AS s
            JOIN declared.version AS v ON v.model_version = coalesce(s.closed_under, v.model_version)
            LEFT JOIN declared.invoiced AS i ON i.model_version = v.model_version AND i.role = s.role
        WHERE state <> 'open' AND (i.role IS NOT NULL OR agreed ->> '$.invoice' = 'before_payment')),
    {_stood("SELECT statement_id FROM wanted")},
    due AS (
        SELECT statement_id, side, charge, is_sure, coalesce(rate, 0) AS rate, coalesce(included, true) AS included,
            coalesce(rounding, 'half_up') AS rounding
        FROM wanted JOIN stood USING (statement_id) LEFT JOIN declared.tax USING (model_version, role, charge)
        WHERE owed <> 0 AND (rate IS NOT NULL OR NOT chosen)),
    off AS (
        SELECT l.statement_id, l.side, l.charge, format('invoiced at {{}} of 100000000, {{}}, rounded {{}}', l.rate,
            CASE WHEN l.included THEN 'included' ELSE 'added' END, l.rounding) AS what
        FROM settlement.invoice_line AS l
            ANTI JOIN due USING (statement_id, side, charge, rate, included, rounding)
        UNION ALL
        SELECT statement_id, side, charge, 'not invoiced' FROM due
            ANTI JOIN settlement.invoice_line USING (statement_id, side, charge) WHERE is_sure),
    said AS (
        SELECT statement_id, side, charge, string_agg(DISTINCT format('{{}} of 100000000, {{}}, rounded {{}}', rate,
            CASE WHEN included THEN 'included' ELSE 'added' END, rounding), '; or ') AS what
        FROM due GROUP BY ALL)
    SELECT {{'s': statement_id, 'x': side, 'c': charge}} AS place, format('statement {{}}, {{}} {{}}: {{}}; the model '
        || 'says {{}}', statement_id, side, charge, off.what, coalesce(said.what, 'nothing of it')) AS message
    FROM off LEFT JOIN said USING (statement_id, side, charge)""",
)

SUMS = Rule(
    "each invoice is the sum of its lines, and each statement has those that it says",
    "settlement.invoice",
    """WITH added AS (
        SELECT statement_id, side, sum(net_minor) AS net, sum(tax_minor) AS tax FROM settlement.invoice_line
        GROUP BY ALL),
    held AS (
        SELECT statement_id, side, count(*) FILTER (WHERE state <> 'voided') AS hold, max(issue_no) AS last_no,
            count(*) AS n FROM settlement.invoice GROUP BY ALL),
    of_it AS (SELECT statement_id, count(*) AS sides FROM held GROUP BY ALL),
    off AS (
        SELECT statement_id, side, format('invoice {}/{} of {}: {} and {} of tax; its lines are {} and {}',
            side, coalesce(issue_no, 0), coalesce(issuer, 'nobody'), coalesce(i.net_minor, 0),
            coalesce(i.tax_minor, 0), coalesce(net, 0), coalesce(tax, 0)) AS what
        FROM settlement.invoice AS i FULL JOIN added USING (statement_id, side)
            LEFT JOIN settlement.statement AS s USING (statement_id)
        WHERE (i.net_minor, i.tax_minor, i.currency, i.issuer) IS DISTINCT FROM (net, tax, s.currency,
            CASE side WHEN 'payable' THEN s.party_id ELSE s.legal_entity END)
        UNION ALL
        SELECT statement_id, side, format('{}: {} invoices up to number {}, {} of them hold', side, n, last_no, hold)
        FROM held WHERE hold <> 1 OR n <> last_no
        UNION ALL
        SELECT statement_id, '', format('it says {} sides are invoiced, {} are', coalesce(invoice_sides, 0),
            coalesce(sides, 0))
        FROM settlement.statement FULL JOIN of_it USING (statement_id)
        WHERE coalesce(invoice_sides, 0) <> coalesce(sides, 0))
    SELECT {'s': statement_id, 'x': side} AS place, format('statement {}: {}', statement_id, what) AS message
    FROM off""",
)

ADDED = Rule(
    "taxes that are added on a statement's invoices are added to it",
    "settlement.invoice_line",
    """WITH due AS (
        SELECT statement_id, sum(CASE side WHEN 'payable' THEN tax_minor ELSE -tax_minor END) AS amount
        FROM settlement.invoice_line WHERE NOT included GROUP BY ALL HAVING amount <> 0),
    stood AS (
        SELECT statement_id, sum(amount_minor) AS amount FROM settlement.statement_line WHERE kind = 'tax_added'
        GROUP BY ALL)
    SELECT statement_id AS place, format('statement {}: {} of taxes are added to it, {} on its invoices', statement_id,
        coalesce(stood.amount, 0), coalesce(due.amount, 0)) AS message
    FROM due FULL JOIN stood USING (statement_id) WHERE due.amount IS DISTINCT FROM stood.amount""",
)

STANDS = Rule(
    "each invoice stands where its moves led, under the number that they say",
    "settlement.invoice",
    """WITH linked AS (
        SELECT *, row_number() OVER w AS place_no, lag(to_state, 1, 'due') OVER w AS before,
            row_number() OVER (PARTITION BY statement_id, side, issue_no ORDER BY move_no DESC) = 1 AS is_last
        FROM settlement.invoice_move WINDOW w AS (PARTITION BY statement_id, side, issue_no ORDER BY move_no)),
    off AS (
        SELECT statement_id, side, issue_no, format('move {} ({}) begins at {}, the one before it ended at {}', move_no,
            move, from_state, before) AS what
        FROM linked WHERE from_state <> before OR move_no <> place_no
        UNION ALL
        SELECT statement_id, side, issue_no, format('it is {} as {} after {} moves; the last says {} as {} after {}',
            coalesce(i.state, 'not there'), coalesce(i.number, '-'), coalesce(i.moves, 0), coalesce(l.to_state, 'due'),
            coalesce(l.number, '-'), coalesce(l.move_no, 0))
        FROM settlement.invoice AS i FULL JOIN (FROM linked WHERE is_last) AS l USING (statement_id, side, issue_no)
        WHERE (i.state, i.number, i.moves) IS DISTINCT FROM (coalesce(l.to_state, 'due'), l.number,
            coalesce(l.move_no, 0)))
    SELECT {'s': statement_id, 'x': side, 'n': issue_no} AS place,
        format('invoice {}/{}/{}: {}', statement_id, side, issue_no, what) AS message
    FROM off""",
)

#: What may follow what, restated: the side, the move, the state before it and the state after it.
_STEPS = """
    ('receivable', 'issue', 'due', 'issued'), ('receivable', 'confirm', 'issued', 'confirmed'),
    ('receivable', 'void', 'issued', 'voided'), ('receivable', 'void', 'confirmed', 'voided'),
    ('payable', 'receive', 'due', 'received'), ('payable', 'confirm', 'received', 'confirmed'),
    ('payable', 'void', 'received', 'voided'), ('payable', 'void', 'confirmed', 'voided')
"""
ALLOWED = Rule(
    "each move of an invoice is one that may be made",
    "settlement.invoice_move",
    f"""SELECT {{'s': statement_id, 'x': side, 'n': issue_no, 'm': move_no}} AS place,
        format('invoice {{}}/{{}}/{{}}, move {{}}: {{}} from {{}} to {{}} by {{}}', statement_id, side, issue_no,
            move_no, move, from_state, to_state, person) AS message
    FROM settlement.invoice_move WHERE (side, move, from_state, to_state) NOT IN (VALUES {_STEPS})
        OR trim(person) = '' OR (move = 'void' AND coalesce(trim(reason), '') = '')""",
)

#: A side is there once its party's invoice was confirmed, or the own one issued.
WAITED = Rule(
    "each statement that waits for invoices was released with all of them",
    "settlement.statement",
    """WITH had AS (
        SELECT statement_id, count(DISTINCT side) AS sides FROM settlement.invoice_move
        WHERE (side, move) IN (('payable', 'confirm'), ('receivable', 'issue')) GROUP BY ALL),
    missing AS (
        SELECT statement_id, count(*) AS n FROM settlement.invoice
        WHERE (side, state) IN (('payable', 'due'), ('payable', 'received'), ('receivable', 'due')) GROUP BY ALL),
    told AS (
        SELECT s.*, coalesce(had.sides, 0) AS sides, CASE WHEN invoice_first AND released_as_of IS NULL
            THEN coalesce(missing.n, 0) ELSE 0 END AS n
        FROM settlement.statement AS s LEFT JOIN had USING (statement_id) LEFT JOIN missing USING (statement_id))
    SELECT statement_id AS place, format('statement {}: {} of {} sides were invoiced, it waits for {}, {} are missing',
        statement_id, sides, invoice_sides, uninvoiced, n) AS message
    FROM told WHERE uninvoiced <> n OR (invoice_first AND released_as_of IS NOT NULL AND sides < invoice_sides)""",
)

RULES = (LINES, RATED, SUMS, ADDED, STANDS, ALLOWED, WAITED)
