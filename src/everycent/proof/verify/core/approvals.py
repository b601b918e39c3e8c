"""Approvals: each request stands where its decisions led, and each decision is one that may be made."""

from everycent.proof.verify.core.rule import Rule

REQUEST_STANDS = Rule(
    "each request stands where its decisions led",
    "approvals.request",
    """WITH said AS (
        SELECT request_id, count(*) AS n, max(level) AS last, count(*) FILTER (NOT yes) AS noes,
            max(level) FILTER (NOT yes) AS no_at
        FROM approvals.decision GROUP BY request_id),
    counted AS (
        SELECT coalesce(r.request_id, s.request_id) AS request_id, r.state, json_array_length(r.levels) AS levels,
            coalesce(n, 0) AS n, coalesce(last, 0) AS last, coalesce(noes, 0) AS noes, no_at
        FROM approvals.request AS r FULL JOIN said AS s USING (request_id))
    SELECT request_id AS place, format('request {}: it is {}, with {} levels; {} decisions, {} of them no', request_id,
        coalesce(state, 'not there'), coalesce(levels, 0), n, noes) AS message
    FROM counted
    WHERE state IS NULL OR n <> last OR n > levels OR noes > 1 OR no_at < last
        OR (state = 'refused') <> (noes = 1) OR (state = 'approved') <> (n = levels AND noes = 0)""",
)

OTHERS_DECIDED = Rule(
    "each level of a request is decided by another person, none of them who asked for it",
    "approvals.decision",
    """WITH voice AS (
        SELECT request_id, level, unnest(list_filter([person, on_behalf_of], lambda p: p IS NOT NULL)) AS person
        FROM approvals.decision)
    SELECT {'r': v.request_id, 'l': v.level, 'p': v.person} AS place,
        format('request {}, level {}: {} {}', v.request_id, v.level, v.person, CASE
            WHEN v.person = r.requested_by THEN 'asked for it' ELSE 'has decided another level, too' END) AS message
    FROM voice AS v JOIN approvals.request AS r USING (request_id)
    WHERE v.person = r.requested_by OR EXISTS (
        FROM voice AS o WHERE o.request_id = v.request_id AND o.person = v.person AND o.level <> v.level)""",
)

RULES = (REQUEST_STANDS, OTHERS_DECIDED)
