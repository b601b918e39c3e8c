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

RULES = (
    RUN_SUMS,
    FINDINGS,
    FINDING_DIFFERENCE,
    EQUAL_IS_EQUAL,
    MATCHES,
    MATCH_CAUSES,
    ALTERNATIVES,
    ONLY_RIGHT,
    DIMENSIONS,
    CARRIED,
)
