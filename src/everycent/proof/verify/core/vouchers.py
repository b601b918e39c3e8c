"""Vouchers: their entries are the ledger's transfers, their numbers have no gap, and each stands where it was moved."""

from everycent.proof.verify.core.rule import Rule

#: What stands for each number: its last revision.
_STANDING = """(FROM ledger.voucher QUALIFY row_number() OVER (
    PARTITION BY legal_entity, voucher_no ORDER BY revision DESC) = 1)"""


def _company(account: str) -> str:
    """Whose an account is; NULL where its name does not say it."""
    return f"""nullif(CASE
        WHEN starts_with({account}, 'operator/') THEN regexp_extract({account}, '^operator/(.*)/[^/]*$', 1)
        WHEN starts_with({account}, 'balance/') THEN regexp_extract({account}, '^balance/(.*?)/[^/:]+:', 1)
        WHEN starts_with({account}, 'bank/') THEN substr({account}, 6)
        WHEN starts_with({account}, 'tax/') THEN substr({account}, 5) END, '')"""


#: A content as JSON; NULL where an altered one is none.
_JSON = "CASE WHEN json_valid(content) THEN content END"


def _minor(amount: str) -> str:
    """An amount in minor units; NULL where it is none, or so large that a sum of such might overflow."""
    return f"TRY_CAST(TRY_CAST(replace({amount}, '.', '') AS DECIMAL(33, 0)) AS HUGEINT)"


#: What a voucher's own columns repeat of its text: the text's name for it -> the column.
_HEAD = {
    "tenant": "tenant", "model": "model", "legal_entity": "legal_entity", "number": "voucher_no",
    "revision": "revision", "booked_on": "booked_on", "supplement": "supplement", "currency": "currency",
}  # fmt: skip


def lines(vouchers: str) -> str:
    """What stands in the lines of vouchers, by their texts."""
    return f"""SELECT voucher_id, line->>'account' AS account, line->>'purpose' AS purpose,
        TRY_CAST(line->>'transfers' AS BIGINT) AS transfers, {_minor("line->>'debit'")} AS debit,
        {_minor("line->>'credit'")} AS credit
    FROM (SELECT voucher_id, unnest(json_extract({_JSON}, '$.lines[*]')) AS line FROM {vouchers})"""


def heads(vouchers: str) -> str:
    """What the texts of vouchers say of themselves, in the order of _HEAD, and what they are digested to."""
    paths = ["$.debit", *(f"$.{name}" for name in _HEAD)]
    return f"""SELECT voucher_id, sha256(content) AS digested, {_minor("said[1]")} AS said_minor, said[2:] AS head
    FROM (SELECT voucher_id, content, json_extract_string({_JSON}, {paths}) AS said FROM {vouchers})"""


ADD_UP = Rule(
    "each voucher's entries are the transfers of its day, account by account",
    "ledger.voucher",
    f"""WITH moved AS (
        SELECT t.booked_on, p.supplement, t.currency, t.debit_account, t.credit_account, t.amount_minor,
            split_part(t.cause, ' ', 1) AS purpose, {_company("t.debit_account")} AS debited,
            {_company("t.credit_account")} AS credited
        FROM ledger.transfer AS t JOIN ledger.voucher_pass AS p ON p.booked_on = t.booked_on
            AND t.posting_no > p.after_no AND t.posting_no <= p.through_no
        WHERE t.kind IN ('posted', 'post_pending')),
    posted AS (
        SELECT booked_on, supplement, currency, account, purpose, sum(debit) AS debit, sum(credit) AS credit,
            count(*) AS transfers FROM (
            SELECT booked_on, supplement, currency, purpose, debit_account AS account, amount_minor AS debit,
                0 AS credit FROM moved
            UNION ALL SELECT booked_on, supplement, currency, purpose, credit_account, 0, amount_minor FROM moved
            -- between two companies, each has its side against what it has with the other
            UNION ALL SELECT booked_on, supplement, currency, purpose, 'intercompany/' || debited || '/' || credited,
                0, amount_minor FROM moved WHERE debited <> credited
            UNION ALL SELECT booked_on, supplement, currency, purpose, 'intercompany/' || credited || '/' || debited,
                amount_minor, 0 FROM moved WHERE debited <> credited) GROUP BY ALL),
    vouched AS (
        SELECT booked_on, supplement, currency, account, purpose, sum(debit) AS debit, sum(credit) AS credit,
            sum(transfers) AS transfers
        FROM {_STANDING} JOIN ledger.voucher_line USING (voucher_id) GROUP BY ALL)
    SELECT {{'o': booked_on, 's': supplement, 'c': currency, 'a': account, 'p': purpose}} AS place,
        format('{{}}, supplement {{}}, {{}} in {{}} ({{}}): its vouchers debit {{}} and credit {{}} with {{}} '
            || 'transfers, the ledger {{}} and {{}} with {{}}', booked_on, supplement, account, currency, purpose,
            coalesce(v.debit, 0), coalesce(v.credit, 0), coalesce(v.transfers, 0), coalesce(p.debit, 0),
            coalesce(p.credit, 0), coalesce(p.transfers, 0)) AS message
    FROM vouched v FULL JOIN posted p USING (booked_on, supplement, currency, account, purpose)
    WHERE (v.debit, v.credit, v.transfers) IS DISTINCT FROM (p.debit, p.credit, p.transfers)""",
)

NUMBERED = Rule(
    "vouchers are numbered without a gap, and no posting is between their passes",
    "ledger.voucher",
    """WITH numbered AS (
        SELECT legal_entity, voucher_no, revision, row_number() OVER (PARTITION BY legal_entity ORDER BY voucher_no,
            revision) AS place_no, dense_rank() OVER (PARTITION BY legal_entity ORDER BY voucher_no) AS rank_no,
            row_number() OVER (PARTITION BY legal_entity, voucher_no ORDER BY revision) AS revision_no
        FROM ledger.voucher),
    gaps AS (
        SELECT legal_entity AS entity, place_no, format('{}: number {}, revision {}, is its {}. number, revision {}',
            legal_entity, voucher_no, revision, rank_no, revision_no) AS what
        FROM numbered WHERE voucher_no <> rank_no OR revision <> revision_no),
    passed AS (
        SELECT *, lag(through_no, 1, 0) OVER w AS before, row_number() OVER w - 1 AS pass_no
        FROM ledger.voucher_pass WINDOW w AS (PARTITION BY booked_on ORDER BY supplement)),
    holes AS (
        SELECT '' AS entity, supplement, format('{}, supplement {}: it begins after posting {}, the {} before ended at '
            || '{}', booked_on, supplement, after_no, pass_no, before) AS what
        FROM passed WHERE after_no <> before OR supplement <> pass_no)
    SELECT {'e': entity, 'n': place_no} AS place, what AS message FROM (FROM gaps UNION ALL FROM holes)""",
)

_KEPT = ", ".join(f"{column}::VARCHAR" for column in _HEAD.values())
#: An account in a voucher that is not of the voucher's company.
_STRANGE = f"""CASE WHEN starts_with(account, 'intercompany/')
    THEN NOT starts_with(account, 'intercompany/' || legal_entity || '/')
    ELSE {_company("account")} <> legal_entity END"""

SAID = Rule(
    "each voucher says what it was made of, balanced, and is chained to the one before",
    "ledger.voucher",
    f"""WITH linked AS (
        SELECT * EXCLUDE content, lag(chained, 1, repeat('0', 64)) OVER w AS before, row_number() OVER w AS place_no
        FROM ledger.voucher WINDOW w AS (PARTITION BY legal_entity ORDER BY chain_no)),
    added AS (
        SELECT voucher_id, sum(debit) AS debit, sum(credit) AS credit, count(*) AS lines,
            count(*) FILTER (WHERE {_STRANGE}) AS strangers,
            count(*) FILTER (WHERE debit IS NULL OR credit IS NULL) AS unread
        FROM ledger.voucher JOIN ledger.voucher_line USING (voucher_id) GROUP BY voucher_id)
    SELECT voucher_id AS place, format('voucher {{}}, {{}} of {{}}: total {{}}, its lines {{}} and {{}}; {{}}',
        voucher_id, voucher_no, legal_entity, total_minor, coalesce(debit, 0), coalesce(credit, 0), CASE
            WHEN digest <> digested THEN 'its content is not what was digested'
            WHEN chained <> sha256('voucher ' || previous || ' ' || digest) OR previous <> before
                OR chain_no <> place_no THEN 'it is not chained to the one before'
            WHEN strangers > 0 THEN 'an account is of another company'
            ELSE 'its columns are not its content' END) AS message
    FROM linked JOIN ledger.voucher_said USING (voucher_id) LEFT JOIN added USING (voucher_id)
    WHERE digest <> digested OR voucher_id IS DISTINCT FROM TRY_CAST(left(digest, 32) AS UUID)
        OR previous <> before
        OR chain_no <> place_no OR chained <> sha256('voucher ' || previous || ' ' || digest)
        OR (total_minor, total_minor, total_minor, 2 * entries, 0, 0)
            IS DISTINCT FROM (debit, credit, said_minor, lines, strangers, unread)
        OR head IS DISTINCT FROM [{_KEPT}]""",
)

#: What may follow what, restated: the move, what came of it, the states before it, and the state after it.
_ALLOWED = (
    ("hand_over", "moved", "made", "sent"),
    ("accept", "moved", "sent", "accepted"),
    ("refuse", "moved", "sent", "refused"),
    ("correct", "moved", "refused", "replaced"),
    ("judge_accepted", "moved", "sent disputed", "accepted"),
    ("judge_refused", "moved", "sent disputed", "refused"),
    ("judge_refused", "moved", "disputed", "replaced"),  # it has a later revision
    ("accept", "contradicted", "sent", "disputed"),  # another revision is accepted
    ("accept", "contradicted", "accepted refused replaced", "disputed"),
    ("refuse", "contradicted", "accepted", "disputed"),
    ("accept", "noted", "disputed", "disputed"),
    ("refuse", "noted", "disputed", "disputed"),
)
_STEPS = ", ".join(
    f"('{move}', '{came}', '{state}', '{after}')"
    for move, came, states, after in _ALLOWED
    for state in states.split(" ")
)

STANDS = Rule(
    "each voucher stands where its moves led, and each number is accepted once",
    "ledger.voucher",
    f"""WITH linked AS (
        SELECT *, row_number() OVER w AS place_no, lag(to_state, 1, 'made') OVER w AS before,
            row_number() OVER (PARTITION BY voucher_id ORDER BY move_no DESC) = 1 AS is_last,
            last_value(CASE WHEN came <> 'noted' THEN number END IGNORE NULLS) OVER w AS last_number,
            last_value(CASE WHEN came <> 'noted' THEN reason END IGNORE NULLS) OVER w AS last_reason
        FROM ledger.voucher_move WINDOW w AS (PARTITION BY voucher_id ORDER BY move_no)),
    broken AS (
        SELECT voucher_id, format('move {{}}: {{}}, {{}}, from {{}} to {{}} by {{}}, after {{}}', move_no, move, came,
            from_state, to_state, who, before) AS what
        FROM linked WHERE from_state <> before OR move_no <> place_no OR trim(who) = ''
            OR (move, came, from_state, to_state) NOT IN (VALUES {_STEPS})
            OR (to_state = 'accepted' AND number IS NULL)),
    ends AS (
        SELECT voucher_id, format('it is {{}} after {{}} moves, the last move says {{}} after {{}}',
            coalesce(v.state, 'not there'), coalesce(v.moves, 0), coalesce(l.to_state, 'made'), coalesce(l.move_no, 0))
            AS what
        FROM ledger.voucher AS v FULL JOIN (FROM linked WHERE is_last) AS l USING (voucher_id)
        WHERE (v.state, v.moves) IS DISTINCT FROM (coalesce(l.to_state, 'made'), coalesce(l.move_no, 0))
        UNION ALL SELECT voucher_id, format('its number is {{}}, its reason {{}}; its moves say {{}} and {{}}',
            coalesce(v.number, 'none'), coalesce(v.reason, 'none'), coalesce(last_number, 'none'),
            coalesce(last_reason, 'none'))
        FROM ledger.voucher AS v LEFT JOIN (FROM linked WHERE is_last) AS l USING (voucher_id)
        WHERE (v.number, v.reason) IS DISTINCT FROM (last_number, last_reason)),
    twice AS (
        SELECT min(voucher_id) AS voucher_id, format('number {{}} of {{}} has {{}} accepted revisions, {{}} that '
            || 'follow no refused one', voucher_no, legal_entity, count(*) FILTER (WHERE state = 'accepted'),
            count(*) FILTER (WHERE revision > 1) - count(*) FILTER (WHERE replaced)) AS what
        FROM (SELECT *, EXISTS (FROM ledger.voucher_move AS m WHERE m.voucher_id = v.voucher_id AND move = 'correct')
            AS replaced FROM ledger.voucher AS v)
        GROUP BY legal_entity, voucher_no
        HAVING count(*) FILTER (WHERE state = 'accepted') > 1
            OR count(*) FILTER (WHERE revision > 1) <> count(*) FILTER (WHERE replaced))
    SELECT voucher_id AS place, format('voucher {{}}: {{}}', voucher_id, what) AS message
    FROM (FROM broken UNION ALL FROM ends UNION ALL FROM twice)""",
)

RULES = (ADD_UP, NUMBERED, SAID, STANDS)
