"""Payout accounts: each stands where its moves led it; what may be used was accepted, and a change by two people."""

from everycent.proof.verify.core.rule import Rule

#: The moves that there are, restated.
_MOVES = """(VALUES ('given', 'confirm', 'confirmed'), ('given', 'decline', 'declined'),
    ('confirmed', 'ask', 'verifying'), ('verifying', 'ask', 'verifying'), ('verifying', 'accept', 'verified'),
    ('verifying', 'refuse', 'refused'), ('given', 'withdraw', 'withdrawn'), ('confirmed', 'withdraw', 'withdrawn'),
    ('verifying', 'withdraw', 'withdrawn'), ('verified', 'withdraw', 'withdrawn'))
    AS allowed(from_state, move, to_state)"""

MOVED = Rule(
    "each payout account stands where its moves led it, one after the other",
    "parties.payout_account",
    f"""WITH told AS (
        SELECT account_id, move_no, move, from_state, to_state,
            lag(to_state) OVER (PARTITION BY account_id ORDER BY move_no) AS before,
            lead(move_no) OVER (PARTITION BY account_id ORDER BY move_no) IS NULL AS is_last
        FROM parties.account_move
    ), wrong AS (
        SELECT account_id, move_no, format('{{}} from {{}} to {{}}', move, coalesce(from_state, 'nothing'), to_state)
            AS said
        FROM told LEFT JOIN {_MOVES} USING (from_state, move, to_state)
        WHERE from_state IS DISTINCT FROM before OR move_no = 1 AND (move <> 'give'
            OR to_state NOT IN ('given', 'confirmed')) OR move_no > 1 AND allowed.move IS NULL
        UNION ALL
        SELECT a.account_id, coalesce(t.move_no, 0), format('it is {{}}, its last move led to {{}}', a.state,
            coalesce(t.to_state, 'nothing'))
        FROM parties.payout_account a LEFT JOIN told t ON t.account_id = a.account_id AND t.is_last
        WHERE t.to_state IS DISTINCT FROM a.state)
    SELECT {{'a': account_id, 'n': move_no}} AS place, format('payout account {{}}: {{}}', account_id, said) AS message
    FROM wrong""",
)

ACCEPTED = Rule(
    "each payout account that may be used was accepted, and a change by two people",
    "parties.payout_account",
    """WITH seen AS (
        SELECT account_id, bool_or(move = 'accept') AS accepted,
            arg_max(moved_by, move_no) FILTER (WHERE move = 'confirm') AS confirmed_by,
            arg_min(moved_by, move_no) AS given_by, arg_min(to_state, move_no) AS began
        FROM parties.account_move GROUP BY account_id)
    SELECT a.account_id AS place, format('payout account {} of {} may be used from {}: accepted: {}, given by {}, '
        || 'confirmed by {}', a.account_id, a.party_id, a.usable_on, coalesce(accepted, false), a.given_by,
        coalesce(s.confirmed_by, 'nobody')) AS message
    FROM parties.payout_account a LEFT JOIN seen s USING (account_id)
    WHERE a.usable_on IS NOT NULL AND (NOT coalesce(accepted, false) OR s.given_by IS DISTINCT FROM a.given_by
        OR a.is_change <> (began = 'given') OR a.is_change AND (s.confirmed_by IS NULL
            OR s.confirmed_by = a.given_by))""",
)

RULES = (MOVED, ACCEPTED)
