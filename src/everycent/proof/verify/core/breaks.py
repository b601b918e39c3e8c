"""Standing breaks: they are what the runs found and what the moves say, and the moves are such as are allowed."""

from everycent.proof.verify.core.rule import Rule

#: A break's findings, run by run: of several of one kind and key the first is occurrence 1.
_FINDINGS = """SELECT f.run_id, r.scenario, f.bucket AS kind, f.key, f.finding_no,
        row_number() OVER (PARTITION BY f.run_id, f.bucket, f.key ORDER BY f.finding_no) AS occurrence
    FROM recon.break AS f JOIN recon.run AS r USING (run_id)"""
_OBSERVED = "SELECT scenario, run_id, max(observation_no) AS observation_no FROM recon.observation GROUP BY ALL"

FOUND = Rule(
    "each break stands as the last observed run that found it says",
    "recon.standing_break",
    f"""WITH last AS (
        SELECT scenario, kind, key, occurrence, max_by(run_id, observation_no) AS run_id,
            max_by(finding_no, observation_no) AS finding_no, min_by(run_id, observation_no) AS first_run_id
        FROM ({_FINDINGS}) JOIN ({_OBSERVED}) USING (scenario, run_id) GROUP BY ALL)
    SELECT {{'s': scenario, 'k': key, 'b': kind, 'o': occurrence}} AS place,
        format('{{}}, {{}} of key {{}}: it stands as finding {{}} of run {{}}, the runs say {{}} of {{}}',
            scenario, kind, key, coalesce(s.finding_no::VARCHAR, 'none'), coalesce(s.run_id::VARCHAR, 'none'),
            coalesce(last.finding_no::VARCHAR, 'none'), coalesce(last.run_id::VARCHAR, 'none')) AS message
    FROM (FROM recon.standing_break WHERE finding_no IS NOT NULL) AS s
    FULL JOIN last USING (scenario, kind, key, occurrence)
    WHERE (s.run_id, s.finding_no) IS DISTINCT FROM (last.run_id, last.finding_no)""",
)

CHECKED = Rule(
    "each break that a checker found stands as that checker says",
    "recon.standing_break",
    """SELECT s.break_id AS place, format('{}, {} of key {}: {}', s.scenario, s.kind, s.key,
            CASE WHEN f.said IS NULL THEN 'it has no words' ELSE 'its run has no such finding' END) AS message
    FROM recon.standing_break AS s LEFT JOIN recon.standing_finding AS f USING (break_id)
    WHERE s.finding_no IS NULL AND (f.said IS NULL OR (s.state <> 'closed' AND NOT EXISTS (
        FROM recon.finding AS r WHERE r.run_id = s.run_id AND r.key = s.key AND r.checker = f.checker
            AND r.kind = f.cause AND r.reason = f.said AND s.kind = concat(r.checker, '/', r.kind))))""",
)

OBSERVED = Rule(
    "each run since the first observed one is observed",
    "recon.run",
    """WITH first AS (
        SELECT scenario, min(run_no) AS run_no FROM recon.observation JOIN recon.run USING (scenario, run_id)
        GROUP BY scenario)
    SELECT {'s': scenario, 'n': r.run_no} AS place,
        format('{} run {} was not observed, run {} was', scenario, r.run_no, first.run_no) AS message
    FROM recon.run AS r JOIN first USING (scenario)
    WHERE r.run_no > first.run_no AND NOT EXISTS (FROM recon.observation AS o WHERE o.run_id = r.run_id)""",
)

LIFE = Rule(
    "each break stands where its moves led",
    "recon.move",
    """WITH linked AS (
        SELECT *, row_number() OVER w AS place_no, lag(to_state) OVER w AS before,
            row_number() OVER (PARTITION BY break_id ORDER BY move_no DESC) = 1 AS is_last
        FROM recon.move WINDOW w AS (PARTITION BY break_id ORDER BY move_no)),
    broken AS (
        SELECT break_id, move_no, format('move {} ({}) begins at {}, the one before it ended at {}', move_no, move,
            coalesce(from_state, 'nothing'), coalesce(before, 'nothing')) AS what
        FROM linked WHERE from_state IS DISTINCT FROM before OR move_no <> place_no),
    ends AS (
        SELECT break_id, s.moves AS move_no, format('it is {} after {} moves, the last move says {} after {}',
            concat_ws(': ', s.state, s.reason), s.moves, coalesce(concat_ws(': ', l.to_state, l.reason), 'nothing'),
            coalesce(l.move_no, 0)) AS what
        FROM recon.standing_break AS s FULL JOIN (FROM linked WHERE is_last) AS l USING (break_id)
        WHERE (s.state, s.reason, s.moves) IS DISTINCT FROM (l.to_state, l.reason, l.move_no))
    SELECT {'b': break_id, 'n': move_no} AS place, format('break {}: {}', break_id, what) AS message
    FROM (FROM broken UNION ALL FROM ends)""",
)

#: What may follow what, restated: the move, the states before it, and the state after it (empty: the same).
_ALLOWED = (
    ("find", "", "waiting"),
    ("find", "", "confirmed"),
    ("find_again", "closed", "waiting"),
    ("recheck", "waiting", ""),
    ("confirm", "waiting repaired", "confirmed"),
    ("mend", "waiting confirmed in_doubt repaired alerted in_hand to_approve", "closed"),
    ("repair", "confirmed alerted in_hand", "repairing"),
    ("try", "confirmed alerted in_hand", ""),
    ("succeed", "repairing in_doubt", "repaired"),
    ("fail", "repairing in_doubt", "confirmed"),
    ("doubt", "repairing", "in_doubt"),
    ("alert", "confirmed", "alerted"),
    ("alert", "in_doubt", ""),
    ("assign", "confirmed alerted", "in_hand"),
    ("assign", "waiting repairing in_doubt repaired in_hand to_approve", ""),
    ("comment", "waiting confirmed repairing in_doubt repaired alerted in_hand to_approve closed", ""),
    ("attach", "waiting confirmed repairing in_doubt repaired alerted in_hand to_approve closed", ""),
    ("ask_write_off", "waiting confirmed in_doubt repaired alerted in_hand", "to_approve"),
    ("write_off", "waiting confirmed in_doubt repaired alerted in_hand", "closed"),
    ("approve", "to_approve", "closed"),
    ("decline", "to_approve", "in_hand"),
    ("close", "waiting confirmed in_doubt repaired alerted in_hand", "closed"),
    ("reopen", "closed", "in_hand"),
)
_STEPS = ", ".join(
    f"('{move}', '{state}', '{after or state}')" for move, states, after in _ALLOWED for state in states.split(" ")
)

ALLOWED = Rule(
    "each move of a break is one that may be made",
    "recon.move",
    f"""SELECT {{'b': break_id, 'n': move_no}} AS place,
        format('break {{}}, move {{}}: {{}} from {{}} to {{}}', break_id, move_no, move,
            coalesce(from_state, 'nothing'), to_state) AS message
    FROM recon.move WHERE (move, coalesce(from_state, ''), to_state) NOT IN (VALUES {_STEPS})
        OR (move_no = 1) <> (move = 'find')""",
)

APPROVED = Rule(
    "each closing that waited for a second person was approved by one",
    "recon.move",
    """SELECT {'b': m.break_id, 'n': m.move_no} AS place,
        format('break {}: {} asked for its closing and approved it', m.break_id, m.who) AS message
    FROM recon.move AS m WHERE m.move = 'approve' AND lower(trim(m.who)) = (
        SELECT lower(trim(max_by(a.who, a.move_no))) FROM recon.move AS a
        WHERE a.break_id = m.break_id AND a.move = 'ask_write_off' AND a.move_no < m.move_no)""",
)

ATTEMPTS = Rule(
    "each attempt to repair a break is written down once",
    "recon.standing_break",
    """WITH made AS (SELECT break_id, count(*) AS n, max(attempt_no) AS last FROM recon.repair_attempt GROUP BY 1),
    moved AS (SELECT break_id, count(*) AS n FROM recon.move WHERE move = 'repair' GROUP BY 1)
    SELECT s.break_id AS place, format('break {}: {} attempts are written down, {} moves are repairs, it says {}',
        s.break_id, coalesce(made.n, 0), coalesce(moved.n, 0), s.repairs) AS message
    FROM recon.standing_break AS s LEFT JOIN made USING (break_id) LEFT JOIN moved USING (break_id)
    WHERE (coalesce(made.n, 0), coalesce(made.last, 0), coalesce(moved.n, 0))
        IS DISTINCT FROM (s.repairs, s.repairs, s.repairs)""",
)

RULES = (FOUND, CHECKED, OBSERVED, LIFE, ALLOWED, APPROVED, ATTEMPTS)
