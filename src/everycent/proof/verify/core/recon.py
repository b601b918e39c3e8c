"""Reconciliation runs: the buckets add up to both sides, and the findings to their buckets."""

from everycent.proof.verify.core.rule import Rule

RUN_SUMS = Rule(
    "each reconciliation's buckets add up to both sides, without a residual",
    "recon.run",
    """WITH added AS (
        SELECT run_id, sum(left_rows) AS l, sum(right_rows) AS r, sum(left_minor) AS lm, sum(right_minor) AS rm,
            sum(difference_minor) AS d
        FROM recon.total GROUP BY run_id)
    SELECT {'s': scenario, 'n': run_no} AS place,
        format('{} run {}: {} and {} rows, {} - {} = {}; its buckets add up to {} and {} rows, {} - {} = {}',
            scenario, run_no,
            left_rows, right_rows, left_minor, right_minor, difference_minor, l, r, lm, rm, d) AS message
    FROM recon.run LEFT JOIN added USING (run_id)
    WHERE left_minor - right_minor <> difference_minor OR (left_rows, right_rows, left_minor, right_minor,
        difference_minor)
        IS DISTINCT FROM (l::BIGINT, r::BIGINT, lm, rm, d)""",
)

FINDINGS = Rule(
    "each reconciliation's breaks and write-offs add up to their buckets",
    "recon.total",
    """WITH found AS (
        SELECT run_id, bucket, sum(left_rows) AS l, sum(right_rows) AS r, sum(coalesce(left_amount_minor, 0)) AS lm,
            sum(coalesce(right_amount_minor, 0)) AS rm, sum(difference_minor) AS d
        FROM (FROM recon.break UNION ALL FROM recon.write_off) GROUP BY run_id, bucket)
    SELECT {'r': run_id, 'b': bucket} AS place,
        format('run {}, {}: {} and {} rows, {} - {} = {}; the findings add up to {} and {} rows, {} - {} = {}',
            run_id, bucket,
            coalesce(t.left_rows, 0), coalesce(t.right_rows, 0), coalesce(t.left_minor, 0), coalesce(t.right_minor, 0),
            coalesce(t.difference_minor, 0), coalesce(l, 0), coalesce(r, 0), coalesce(lm, 0), coalesce(rm, 0),
            coalesce(d, 0)) AS message
    FROM (FROM recon.total WHERE bucket NOT IN ('equal', 'matched', 'only_right', 'in_total')) t
        FULL JOIN found USING (run_id, bucket)
    WHERE coalesce(t.left_rows, 0) <> coalesce(l, 0) OR coalesce(t.right_rows, 0) <> coalesce(r, 0)
        OR coalesce(t.left_minor, 0) <> coalesce(lm, 0) OR coalesce(t.right_minor, 0) <> coalesce(rm, 0)
        OR coalesce(t.difference_minor, 0) <> coalesce(d, 0)""",
)

FINDING_DIFFERENCE = Rule(
    "each finding's difference is left less right",
    "(FROM recon.break UNION ALL FROM recon.write_off)",
    """SELECT {'r': run_id, 'k': key, 'b': bucket} AS place,
        format('run {}, key {}: left {}, right {}, difference {}', run_id, key, coalesce(left_amount_minor, 0),
            coalesce(right_amount_minor, 0), difference_minor) AS message
    FROM (FROM recon.break UNION ALL FROM recon.write_off)
    WHERE coalesce(left_amount_minor, 0) - coalesce(right_amount_minor, 0) <> difference_minor""",
)

EQUAL_IS_EQUAL = Rule(
    "what a reconciliation calls equal is equal",
    "recon.total",
    """SELECT run_id AS place, format('run {}: equal rows of {} and {}', run_id, left_minor, right_minor) AS message
    FROM recon.total WHERE bucket = 'equal' AND (left_minor <> right_minor OR difference_minor <> 0)""",
)

MATCHES = Rule(
    "each reconciliation's matches add up to their buckets",
    "recon.match",
    """WITH found AS (
        SELECT run_id, CASE label WHEN 'unique' THEN 'matched' ELSE label END AS bucket,
            coalesce(sum(rows) FILTER (side = 'left'), 0) AS l, coalesce(sum(rows) FILTER (side = 'right'), 0) AS r,
            coalesce(sum(amount_minor) FILTER (side = 'left'), 0) AS lm,
            coalesce(sum(amount_minor) FILTER (side = 'right'), 0) AS rm
        FROM recon.match GROUP BY ALL)
    SELECT {'r': run_id, 'b': bucket} AS place,
        format('run {}, {}: {} and {} rows, {} and {}; its matches add up to {} and {} rows, {} and {}', run_id, bucket,
            coalesce(t.left_rows, 0), coalesce(t.right_rows, 0), coalesce(t.left_minor, 0), coalesce(t.right_minor, 0),
            coalesce(l, 0), coalesce(r, 0), coalesce(lm, 0), coalesce(rm, 0)) AS message
    FROM (FROM recon.total WHERE bucket IN ('matched', 'ambiguous', 'budget_exhausted')) t
        FULL JOIN found USING (run_id, bucket)
    WHERE (coalesce(t.left_rows, 0), coalesce(t.right_rows, 0), coalesce(t.left_minor, 0), coalesce(t.right_minor, 0))
        <> (coalesce(l, 0), coalesce(r, 0), coalesce(lm, 0), coalesce(rm, 0))""",
)

MATCH_CAUSES = Rule(
    "what a sure match leaves has names",
    "recon.match_difference",
    """WITH apart AS (
        SELECT run_id, match_no, any_value(label) AS label,
            sum(CASE side WHEN 'left' THEN amount_minor ELSE -amount_minor END) AS d
        FROM recon.match GROUP BY run_id, match_no),
    named AS (SELECT run_id, match_no, sum(difference_minor) AS d FROM recon.match_difference GROUP BY run_id, match_no)
    SELECT {'r': run_id, 'm': match_no} AS place,
        format('run {}, match {}: left less right is {}, its causes add up to {}', run_id, match_no,
            coalesce(apart.d, 0), coalesce(named.d, 0)) AS message
    FROM (FROM apart WHERE label = 'unique') AS apart FULL JOIN named USING (run_id, match_no)
    WHERE coalesce(apart.d, 0) <> coalesce(named.d, 0)""",
)

ALTERNATIVES = Rule(
    "each match that is not sure has its ways, and no sure one has any",
    "recon.match_alternative",
    """WITH ways AS (
        SELECT run_id, match_no, count(DISTINCT alternative_no) AS n,
            bool_and(EXISTS (FROM recon.match m WHERE (m.run_id, m.match_no, m.side, m.row_no)
                = (a.run_id, a.match_no, a.side, a.row_no))) AS own
        FROM recon.match_alternative AS a GROUP BY run_id, match_no)
    SELECT {'r': run_id, 'm': match_no} AS place,
        format('run {}, match {} is {}: it has {} ways', run_id, match_no, coalesce(label, 'not there'),
            coalesce(n, 0)) AS message
    FROM (SELECT DISTINCT run_id, match_no, label FROM recon.match) FULL JOIN ways USING (run_id, match_no)
    WHERE NOT coalesce(own, true) OR (label = 'ambiguous' AND coalesce(n, 0) < 2)
        OR (coalesce(label, 'unique') = 'unique' AND n > 0)""",
)

ONLY_RIGHT = Rule(
    "what only the right side has is nothing of the left",
    "(FROM recon.total WHERE bucket = 'only_right')",
    """SELECT run_id AS place, format('run {}: {} rows of the left, {}, are only on the right', run_id, left_rows,
        left_minor) AS message
    FROM recon.total WHERE bucket = 'only_right' AND (left_rows <> 0 OR left_minor <> 0)""",
)

DIMENSIONS = Rule(
    "each reconciliation's totals by dimension add up to both sides and to its details",
    "recon.dimension",
    """WITH added AS (
        SELECT run_id, sum(left_rows) AS l, sum(right_rows) AS r, sum(left_minor) AS lm, sum(right_minor) AS rm,
            sum(detail_minor) AS d FROM recon.dimension GROUP BY run_id)
    SELECT {'s': scenario, 'n': run_no, 'd': ''} AS place,
        format('{} run {}: {} and {} rows, {} and {}; by dimension {} and {} rows, {} and {}, details {}', scenario,
            run_no, left_rows, right_rows, left_minor, right_minor, l, r, lm, rm, coalesce(d::VARCHAR, 'none'))
            AS message
    FROM recon.run JOIN added USING (run_id)
    WHERE (left_rows, right_rows, left_minor, right_minor) <> (l::BIGINT, r::BIGINT, lm, rm)
        OR coalesce(d, difference_minor) <> difference_minor
    UNION ALL
    SELECT {'s': scenario, 'n': run_no, 'd': dimension},
        format('{} run {}, {}: {} - {} is said to be {}, of which details {}, apart {}', scenario, run_no, dimension,
            t.left_minor, t.right_minor, t.difference_minor, coalesce(t.detail_minor, 0), t.apart_minor)
    FROM recon.dimension t JOIN recon.run USING (run_id)
    WHERE t.left_minor - t.right_minor <> t.difference_minor
        OR t.difference_minor - coalesce(t.detail_minor, 0) <> t.apart_minor""",
)

CARRIED = Rule(
    "what a reconciliation's day cut carries on is what is open",
    "recon.carried",
    """WITH found AS (
        SELECT run_id, scenario, day, side, sum(n) AS n, sum(minor) AS minor FROM (
            SELECT run_id, 'left' AS side, left_rows AS n, coalesce(left_amount_minor, 0) AS minor FROM recon.break
            UNION ALL SELECT run_id, 'right', right_rows, coalesce(right_amount_minor, 0) FROM recon.break)
        JOIN recon.cut USING (run_id) GROUP BY ALL),
    carried AS (
        SELECT run_id, scenario, day, side, count(*) AS n, sum(amount_minor) AS minor
        FROM recon.carried JOIN recon.cut USING (run_id)
        WHERE occurred_on IS NULL OR occurred_on <= day GROUP BY ALL)
    SELECT {'s': scenario, 'd': day, 'r': run_id, 'i': side} AS place,
        format('{} at {}, {}: {} rows, {} are open; {}, {} are carried', scenario, day::VARCHAR, side,
            coalesce(found.n, 0), coalesce(found.minor, 0), coalesce(carried.n, 0), coalesce(carried.minor, 0))
            AS message
    FROM found FULL JOIN carried USING (run_id, scenario, day, side)
    WHERE coalesce(found.n, 0) <> coalesce(carried.n, 0) OR coalesce(found.minor, 0) <> coalesce(carried.minor, 0)""",
)

#: Each side of each finding with what it is in, where that is not the run's currency alone.
_SIDES = """findings AS (
        SELECT *, 'break' AS found FROM recon.break UNION ALL SELECT *, 'write_off' FROM recon.write_off),
    money AS (
        SELECT *, 'break' AS found FROM recon.break_currency
        UNION ALL SELECT *, 'write_off' FROM recon.write_off_currency),
    sides AS (
        SELECT run_id, finding_no, found, key, bucket, 'left' AS side, left_rows AS n, m.run_id IS NOT NULL AS told,
            coalesce(left_amount_minor, 0) AS minor, left_currency AS currency, left_amounts AS amounts
        FROM findings LEFT JOIN money AS m USING (run_id, finding_no, found)
        UNION ALL
        SELECT run_id, finding_no, found, key, bucket, 'right', right_rows, m.run_id IS NOT NULL,
            coalesce(right_amount_minor, 0), right_currency, right_amounts
        FROM findings LEFT JOIN money AS m USING (run_id, finding_no, found)),
    parts AS (
        SELECT run_id, finding_no, found, bucket, side, code AS currency,
            json_extract_string(amounts, concat('$.', code))::HUGEINT AS minor
        FROM (SELECT *, unnest(json_keys(amounts)) AS code FROM sides WHERE amounts IS NOT NULL)
        UNION ALL
        SELECT run_id, finding_no, found, bucket, side, coalesce(s.currency, r.currency), minor
        FROM sides AS s JOIN recon.run AS r USING (run_id) WHERE amounts IS NULL AND n > 0)"""

FINDING_CURRENCIES = Rule(
    "each finding is worth on each side what it has there of each currency",
    "(FROM recon.break_currency UNION ALL FROM recon.write_off_currency)",
    f"""WITH {_SIDES},
    summed AS (SELECT run_id, finding_no, found, side, sum(minor) AS minor FROM parts GROUP BY ALL)
    SELECT {{'r': run_id, 'f': found, 'n': finding_no, 's': side}} AS place,
        format('run {{}}, {{}} {{}}, key {{}}, {{}}: {{}} rows of {{}}, in {{}} {{}}', run_id, found, finding_no, key,
            side, n, s.minor, coalesce(s.currency, s.amounts, 'nothing'), coalesce(summed.minor, 0)) AS message
    FROM sides AS s LEFT JOIN summed USING (run_id, finding_no, found, side)
    WHERE told AND (coalesce(summed.minor, 0) <> s.minor OR (n > 0) <> (coalesce(s.currency, s.amounts) IS NOT NULL))
    UNION ALL
    SELECT {{'r': run_id, 'f': found, 'n': finding_no, 's': ''}},
        format('run {{}} has no {{}} {{}}, and it is in a currency', run_id, found, finding_no)
    FROM money ANTI JOIN findings USING (run_id, finding_no, found)""",
)

BUCKET_CURRENCIES = Rule(
    "each reconciliation's buckets add up in each currency by itself",
    "recon.total_currency",
    f"""WITH {_SIDES},
    of_runs AS (SELECT run_id FROM recon.total_currency UNION SELECT run_id FROM money),
    summed AS (
        SELECT run_id, bucket, sum(left_rows) AS l, sum(right_rows) AS r, sum(left_minor) AS lm, sum(right_minor) AS rm,
            sum(difference_minor) AS d
        FROM recon.total_currency GROUP BY ALL),
    added AS (
        SELECT run_id, bucket, currency, coalesce(sum(minor) FILTER (side = 'left'), 0) AS lm,
            coalesce(sum(minor) FILTER (side = 'right'), 0) AS rm
        FROM (SELECT run_id, bucket, currency, side, minor FROM parts
            UNION ALL SELECT run_id, 'matched', coalesce(m.currency, run.currency), side, amount_minor
            FROM recon.match AS m JOIN recon.run AS run USING (run_id) WHERE label = 'unique')
        SEMI JOIN of_runs USING (run_id) GROUP BY ALL)
    SELECT {{'r': run_id, 'b': bucket, 'c': ''}} AS place,
        format('run {{}}, {{}}: {{}} and {{}} rows, {{}} and {{}}; in its currencies {{}} and {{}}, {{}} and {{}}',
            run_id, bucket, coalesce(left_rows, 0), coalesce(right_rows, 0), coalesce(left_minor, 0),
            coalesce(right_minor, 0), coalesce(l, 0), coalesce(r, 0), coalesce(lm, 0), coalesce(rm, 0)) AS message
    FROM (FROM recon.total SEMI JOIN of_runs USING (run_id)) AS t FULL JOIN summed USING (run_id, bucket)
    WHERE (coalesce(left_rows, 0), coalesce(right_rows, 0), coalesce(left_minor, 0), coalesce(right_minor, 0),
            coalesce(difference_minor, 0))
        IS DISTINCT FROM (coalesce(l, 0), coalesce(r, 0), coalesce(lm, 0), coalesce(rm, 0), coalesce(d, 0))
    UNION ALL
    SELECT {{'r': run_id, 'b': bucket, 'c': currency}},
        format('run {{}}, {{}}: {{}} and {{}} {{}}, less {{}}; what is in it adds up to {{}} and {{}}', run_id, bucket,
            coalesce(left_minor, 0), coalesce(right_minor, 0), currency, coalesce(difference_minor, 0),
            coalesce(lm, 0), coalesce(rm, 0))
    FROM recon.total_currency FULL JOIN added USING (run_id, bucket, currency)
    WHERE coalesce(left_minor, 0) - coalesce(right_minor, 0) <> coalesce(difference_minor, 0)
        OR (bucket = 'equal' AND left_minor <> right_minor)
        OR (bucket NOT IN ('equal', 'only_right', 'in_total')
            AND (coalesce(left_minor, 0) <> coalesce(lm, 0) OR coalesce(right_minor, 0) <> coalesce(rm, 0)))""",
)

#: What differs and has a cause: of a write-off by its key, of a match by its number.
_APART = """(SELECT run_id, 0 AS match_no, key, 'within_tolerance' AS cause, w.difference_minor AS d,
            coalesce(m.left_currency, r.currency) AS currency
        FROM recon.write_off AS w JOIN recon.run AS r USING (run_id)
        LEFT JOIN recon.write_off_currency AS m USING (run_id, finding_no) WHERE w.difference_minor <> 0
        UNION ALL SELECT run_id, match_no, '', cause, d.difference_minor, coalesce(d.currency, r.currency)
        FROM recon.match_difference AS d JOIN recon.run AS r USING (run_id))"""
_BOOKED = "SELECT *, coalesce(match_no, 0) AS of_match, CASE WHEN match_no IS NULL THEN key ELSE '' END AS of_key"

ENTRIES = Rule(
    "each reconciliation's entries are what the causes that they name leave",
    "recon.entry",
    f"""WITH booked AS (
        SELECT run_id, of_match AS match_no, of_key AS key, cause, currency, sum(amount_minor) AS minor
        FROM ({_BOOKED} FROM recon.entry) GROUP BY ALL),
    apart AS (
        SELECT run_id, match_no, key, cause, currency, sum(abs(d)) AS minor
        FROM {_APART} SEMI JOIN recon.entry USING (run_id, cause) GROUP BY ALL)
    SELECT {{'r': run_id, 'm': match_no, 'k': key, 'c': cause}} AS place,
        format('run {{}}, {{}} of {{}}: {{}} {{}} differ, {{}} are booked', run_id, cause,
            CASE match_no WHEN 0 THEN 'key ' || key ELSE 'match ' || match_no END, coalesce(apart.minor, 0), currency,
            coalesce(booked.minor, 0)) AS message
    FROM booked FULL JOIN apart USING (run_id, match_no, key, cause, currency)
    WHERE coalesce(booked.minor, 0) <> coalesce(apart.minor, 0)""",
)

ENTRY_ACCOUNTS = Rule(
    "each reconciliation's entries balance: they close one account, each cause by one of its own",
    "recon.entry",
    f"""WITH told AS (
        SELECT run_id, cause, CASE WHEN d > 0 THEN credit_account ELSE debit_account END AS against,
            CASE WHEN d > 0 THEN debit_account ELSE credit_account END AS taker
        FROM ({_BOOKED} FROM recon.entry) AS e
        JOIN (SELECT run_id, match_no AS of_match, key AS of_key, cause, any_value(d) AS d FROM {_APART}
            GROUP BY ALL HAVING count(*) = 1) USING (run_id, of_match, of_key, cause))
    SELECT {{'r': run_id, 'c': ''}} AS place,
        format('run {{}} closes several accounts: {{}}', run_id, string_agg(DISTINCT against, ', ' ORDER BY against))
            AS message
    FROM told GROUP BY run_id HAVING count(DISTINCT against) > 1
    UNION ALL
    SELECT {{'r': run_id, 'c': cause}}, format('run {{}}, {{}} is booked on several accounts: {{}}', run_id, cause,
        string_agg(DISTINCT taker, ', ' ORDER BY taker))
    FROM told GROUP BY run_id, cause HAVING count(DISTINCT taker) > 1
    UNION ALL
    SELECT {{'r': run_id, 'c': entry_no::VARCHAR}},
        format('run {{}}, entry {{}}: {{}} from {{}} to {{}}', run_id, entry_no, amount_minor, debit_account,
            credit_account)
    FROM recon.entry WHERE amount_minor <= 0 OR debit_account = credit_account""",
)

PAYOUTS = Rule(
    "each payment is, in each currency, the sum of what it is made of",
    "recon.payout_part",
    """SELECT {'r': run_id, 'k': paid_key, 'p': payout, 'c': code} AS place,
        format('run {}, {}: {} {} was paid, its parts add up to {}', run_id,
            coalesce('line ' || paid_key, 'payout ' || payout), paid, code, parts) AS message
    FROM (SELECT run_id, paid_key, CASE WHEN paid_key IS NULL THEN payout END AS payout,
            coalesce(c.currency, r.currency) AS code, coalesce(max(paid_minor), 0) AS paid, sum(amount_minor) AS parts
        FROM recon.payout_part JOIN recon.run AS r USING (run_id)
        LEFT JOIN recon.payout_currency AS c USING (run_id, part_no) GROUP BY ALL)
    WHERE paid <> parts""",
)

RULES = (
    RUN_SUMS,
    FINDINGS,
    FINDING_DIFFERENCE,
    EQUAL_IS_EQUAL,
    FINDING_CURRENCIES,
    BUCKET_CURRENCIES,
    MATCHES,
    MATCH_CAUSES,
    ALTERNATIVES,
    ONLY_RIGHT,
    DIMENSIONS,
    CARRIED,
    ENTRIES,
    ENTRY_ACCOUNTS,
    PAYOUTS,
)
