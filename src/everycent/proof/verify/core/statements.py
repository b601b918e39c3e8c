"""Statements: each obligation stands on the right one at both ends, and each statement is the sum of what is on it.

A party id has a role and a key, `merchant:m-7`; an id without ":" is the operator itself, which has no statements.
"""

from everycent.proof.verify.core.ordered import STANDING_OBLIGATIONS
from everycent.proof.verify.core.rule import Rule

_ENDS = f"""(SELECT record_id, charge, bearer, 'creditor' AS side, creditor AS party_id,
    creditor_statement AS statement_id,
        amount_minor AS payable, 0::BIGINT AS receivable, currency, legal_entity, booked_on FROM {STANDING_OBLIGATIONS}
    UNION ALL SELECT record_id, charge, bearer, 'debtor', debtor, debtor_statement,
        0::BIGINT, amount_minor, currency, legal_entity, booked_on FROM {STANDING_OBLIGATIONS})"""

PARTY_KNOWN = Rule(
    "each end of an obligation is a known party or the operator",
    "clearing.obligation",
    f"""SELECT {{'r': record_id, 'c': charge, 'b': bearer, 's': side}} AS place,
        format('obligation {{}}/{{}}/{{}}: its {{}} {{}} is no known party', record_id, charge, bearer, side, party_id)
            AS message
    FROM {_ENDS} ANTI JOIN parties.party USING (party_id) WHERE party_id LIKE '%:%'""",
)

OBLIGATION_PLACED = Rule(
    "each end of an obligation stands on its party's statement of its period",
    "clearing.obligation",
    f"""SELECT {{'r': record_id, 'c': charge, 'b': bearer, 's': side}} AS place,
        format('obligation {{}}/{{}}/{{}}, {{}} {{}}, booked on {{}}, {{}}, {{}}: stands on {{}}', record_id, charge,
            bearer,
            side, e.party_id, booked_on, e.currency, e.legal_entity, CASE
            WHEN e.statement_id IS NULL THEN 'no statement'
            WHEN e.party_id NOT LIKE '%:%' THEN e.statement_id || ', but the operator has no statements'
            WHEN s.statement_id IS NULL THEN e.statement_id || ', which does not exist'
            ELSE format('{{}} of {{}}, {{}} to {{}}, {{}}, {{}}', s.statement_id, s.party_id, s.period_first,
                s.period_last,
                s.currency, s.legal_entity) END) AS message
    FROM {_ENDS} e LEFT JOIN settlement.statement s USING (statement_id)
    WHERE CASE WHEN e.party_id NOT LIKE '%:%' THEN e.statement_id IS NOT NULL
        ELSE s.statement_id IS NULL OR s.party_id <> e.party_id OR s.currency <> e.currency
            OR s.legal_entity <> e.legal_entity OR NOT e.booked_on BETWEEN s.period_first AND s.period_last END""",
)

CHARGE_GROUPED = Rule(
    "each obligation stands on the statement of its charge's group",
    "settlement.statement",
    f"""WITH told AS (
        SELECT statement_id, charge, s.role, s.charge_group, s.agreed, min(record_id) AS one
        FROM {_ENDS} JOIN settlement.statement AS s USING (statement_id) GROUP BY ALL),
    named AS (SELECT DISTINCT role, charge FROM declared.charge_group),
    possible AS (
        SELECT DISTINCT role, charge, coalesce(g.charge_group, '') AS charge_group
        FROM named CROSS JOIN declared.version LEFT JOIN declared.charge_group AS g
            USING (model_version, role, charge))
    SELECT {{'s': statement_id, 'c': charge}} AS place,
        format('statement {{}} is of {{}}, and {{}} stands on it, of record {{}} first', statement_id,
            CASE charge_group WHEN '' THEN 'charges in no group' ELSE 'group ' || charge_group END, charge, one)
            AS message
    FROM told LEFT JOIN named AS n USING (role, charge) LEFT JOIN possible AS p USING (role, charge, charge_group)
    WHERE CASE WHEN json_exists(agreed, '$.charge_groups')
            THEN charge_group <> coalesce(agreed ->> ('$.charge_groups.' || charge), '')
        WHEN n.charge IS NULL THEN charge_group <> '' ELSE p.charge IS NULL END""",
)

STATEMENT_SUMS = Rule(
    "each statement is the sum of its obligations",
    "settlement.statement",
    f"""WITH added AS (
        SELECT statement_id, sum(payable) AS payable, sum(receivable) AS receivable, count(*) AS n
        FROM {_ENDS} WHERE statement_id IS NOT NULL GROUP BY statement_id)
    SELECT statement_id AS place, format(
        'statement {{}}: payable {{}}, receivable {{}}, {{}} obligations; its obligations add up to {{}}, {{}}, {{}}',
        statement_id, coalesce(payable_minor, 0), coalesce(receivable_minor, 0), coalesce(obligations, 0),
        coalesce(payable, 0), coalesce(receivable, 0), coalesce(n, 0)) AS message
    FROM settlement.statement s FULL JOIN added USING (statement_id)
    WHERE s.payable_minor IS DISTINCT FROM coalesce(payable, 0) OR s.receivable_minor IS DISTINCT
        FROM coalesce(receivable, 0)
        OR s.obligations IS DISTINCT FROM coalesce(n, 0)""",
)

STATEMENT_NET = Rule(
    "each statement's net is payable less receivable",
    "settlement.statement",
    """SELECT statement_id AS place, format('statement {}: net {}, but payable {} less receivable {} is {}',
        statement_id,
        net_minor, payable_minor, receivable_minor, payable_minor - receivable_minor) AS message
    FROM settlement.statement WHERE net_minor <> payable_minor - receivable_minor""",
)

STATEMENT_NAMED = Rule(
    "each statement is one party's, named after what it holds",
    "settlement.statement",
    """SELECT statement_id AS place,
        format('statement {} is of {} ({}), {}, {}, {}: its name or its party is another', statement_id, s.party_id,
            s.role,
            period, currency, legal_entity) AS message
    FROM settlement.statement s LEFT JOIN parties.party p USING (party_id)
    WHERE statement_id <> concat_ws('/', s.model, s.party_id, period, currency, legal_entity,
            nullif(charge_group, '')) OR p.role IS DISTINCT
        FROM s.role""",
)

STATEMENT_PERIOD = Rule(
    "each statement's days are those that its period names",
    "settlement.statement",
    """SELECT statement_id AS place, format('statement {}: {} to {}, closing on {}, is not period {}', statement_id,
        period_first, period_last, closes_on, period) AS message
    FROM (SELECT *, TRY_CAST(left(period, 7) || '-01' AS DATE) AS month
        FROM (SELECT *, regexp_extract(period, '(^|[.][.])(E[0-9]+)($|[.][.])', 2) AS turn FROM settlement.statement)
        LEFT JOIN (SELECT party_id, 'E' || row_number() OVER w AS turn, lag(occurred_on) OVER w AS ended_before,
                occurred_on AS ended
            FROM (SELECT party_id, occurred_on FROM settlement.cycle_event WHERE refusal IS NULL
                UNION ALL SELECT DISTINCT party_id, DATE '9999-12-30' FROM settlement.statement)
            WINDOW w AS (PARTITION BY party_id ORDER BY occurred_on)) USING (party_id, turn)
        LEFT JOIN settlement.calendar_period AS own USING (period))
    WHERE NOT (closes_on > period_last AND CASE
        WHEN first_on IS NOT NULL THEN (period_first, period_last) = (first_on, last_on)
        WHEN starts_with(period, 'E') THEN (period_first, period_last)
            IS NOT DISTINCT FROM (coalesce(ended_before + 1, DATE '1970-01-01'), ended)
        WHEN turn <> '' THEN agreed IS NOT NULL AND coalesce(
            starts_with(period, strftime(period_first, '%Y-%m-%d') || '..' || turn)
            AND period_first >= coalesce(ended_before + 1, DATE '1970-01-01')
            AND period_last = least(ended, TRY_CAST(nullif(split_part(period, '..', 3), '') AS DATE)), false)
        WHEN period LIKE '%-W%' THEN period = strftime(period_first, '%G-W%V') AND isodow(period_first) = 1
            AND period_last = period_first + 6
        WHEN period LIKE '%-H1' THEN period = strftime(period_first, '%Y-%m-H1') AND day(period_first) = 1
            AND period_last = period_first + 14
        WHEN period LIKE '%-H2' THEN period = strftime(period_first, '%Y-%m-H2') AND day(period_first) = 16
            AND period_last = last_day(period_first)
        WHEN period LIKE '____-__-D__' THEN coalesce(period_last = least(last_day(month),
                CAST(month + TRY_CAST(right(period, 2) AS INTEGER) - 1 AS DATE))
            AND period_first BETWEEN period_last - 30 AND period_last, false)
        WHEN period LIKE '%..%' THEN agreed IS NOT NULL
            AND period = strftime(period_first, '%Y-%m-%d') || '..' || strftime(period_last, '%Y-%m-%d')
        WHEN length(period) = 7 THEN period = strftime(period_first, '%Y-%m') AND day(period_first) = 1
            AND period_last = last_day(period_first)
        ELSE period = strftime(period_first, '%Y-%m-%d') AND period_last = period_first END)
        OR (state <> 'open') <> coalesce(closed_as_of >= closes_on, false)""",
)

PARTY_NAMED = Rule(
    "each party is named after its role and its key",
    "parties.party",
    """SELECT party_id AS place, format('party {} has the role {} and the key {}', party_id, role, party_key) AS message
    FROM parties.party WHERE party_id NOT IN (role, role || ':' || party_key)""",
)

RULES = (
    PARTY_KNOWN,
    PARTY_NAMED,
    OBLIGATION_PLACED,
    CHARGE_GROUPED,
    STATEMENT_SUMS,
    STATEMENT_NET,
    STATEMENT_NAMED,
    STATEMENT_PERIOD,
)
