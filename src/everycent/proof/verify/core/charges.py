"""Charges: each of a record, each carried in full by its obligations, none given back beyond what it was."""

from everycent.proof.verify.core.rule import Rule

CHARGE_ONCE = Rule(
    "each charge is stored once",
    "rating.charge",
    """SELECT {'r': record_id, 'c': charge} AS place,
        format('charge {}/{} is stored {} times', record_id, charge, count(*)) AS message
    FROM rating.charge GROUP BY record_id, charge HAVING count(*) > 1""",
    slice_by="record",
)

#: Rows of a record that were written after it, of charges that were held: a retry of the same batch says so.
_RELEASED = "SELECT record_id, batch_no, charge FROM rating.retry WHERE outcome IN ('charged', 'not_charged')"

CHARGE_OF_RECORD = Rule(
    "each charge is of a record of the same batch, or was released in its batch",
    "rating.charge",
    f"""WITH released AS ({_RELEASED} AND outcome = 'charged')
    SELECT {{'r': c.record_id, 'c': c.charge}} AS place,
        format('charge {{}}/{{}} is in batch {{}}, its record {{}}', c.record_id, c.charge, c.batch_no,
            coalesce('in batch ' || r.batch_no, 'is not stored')) AS message
    FROM rating.charge c LEFT JOIN intake.record r USING (record_id)
        LEFT JOIN released a
        ON a.record_id = c.record_id AND a.batch_no = c.batch_no AND a.charge IN (c.charge, '*')
    WHERE r.batch_no IS DISTINCT FROM c.batch_no AND (r.batch_no IS NULL OR a.record_id IS NULL)""",
    slice_by="record",
)

HELD_OF_RECORD = Rule(
    "each held charge is of a record of the same batch, and is not charged too unless it was released",
    "rating.held_charge",
    f"""WITH released AS ({_RELEASED})
    SELECT {{'r': h.record_id, 'c': h.charge}} AS place,
        format('held charge {{}}/{{}} is in batch {{}}, its record {{}}', h.record_id, h.charge, h.batch_no,
            coalesce('in batch ' || r.batch_no, 'is not stored')) AS message
    FROM rating.held_charge h LEFT JOIN intake.record r USING (record_id)
        LEFT JOIN (SELECT DISTINCT record_id, batch_no FROM released) a
        ON a.record_id = h.record_id AND a.batch_no = h.batch_no
    WHERE r.batch_no IS DISTINCT FROM h.batch_no AND (r.batch_no IS NULL OR a.record_id IS NULL)
    UNION ALL
    SELECT {{'r': h.record_id, 'c': h.charge}} AS place,
        format('held charge {{}}/{{}} is charged too', h.record_id, h.charge) AS message
    FROM rating.held_charge h SEMI JOIN rating.charge c USING (record_id, charge)
        ANTI JOIN (FROM released SELECT record_id, charge) a USING (record_id, charge)""",
    slice_by="record",
)

RETRY_OF_HELD = Rule(
    "each retry is of a held charge that was not released before, and what it calls charged is charged in its batch",
    "rating.retry",
    """WITH rated AS (SELECT record_id, batch_no, charge FROM rating.charge
        UNION SELECT record_id, batch_no, charge FROM clearing.waiting_charge),
    charged AS (SELECT record_id, batch_no, charge FROM rated UNION SELECT record_id, batch_no, '*' FROM rated),
    ends AS (SELECT record_id, charge, count(*) AS times, min(attempt) AS first_on FROM rating.retry
        WHERE outcome IN ('charged', 'not_charged') GROUP BY record_id, charge)
    SELECT {'r': t.record_id, 'c': t.charge, 'a': t.attempt} AS place,
        format('retry {} of charge {}/{} (batch {}) says {}, but {}', t.attempt, t.record_id, t.charge, t.batch_no,
            t.outcome, CASE WHEN h.record_id IS NULL THEN 'the charge was not held before'
            WHEN e.first_on < t.attempt THEN 'it was released before, by retry ' || e.first_on
            ELSE 'the batch has no such charge' END) AS message
    FROM rating.retry t
        LEFT JOIN rating.held_charge h ON h.record_id = t.record_id AND h.charge = t.charge AND h.batch_no < t.batch_no
        LEFT JOIN ends e ON e.record_id = t.record_id AND e.charge = t.charge
        LEFT JOIN charged c ON c.record_id = t.record_id AND c.charge = t.charge AND c.batch_no = t.batch_no
    WHERE h.record_id IS NULL OR e.first_on < t.attempt OR (t.outcome = 'charged') <> (c.record_id IS NOT NULL)""",
    slice_by="record",
)

RECORD_CHARGED = Rule(
    "each record of a kind that is charged has a charge or a held charge",
    "intake.record",
    """WITH charged AS (SELECT record_id FROM rating.charge UNION SELECT record_id FROM rating.held_charge
        UNION SELECT record_id FROM clearing.waiting_charge),
    kinds AS (SELECT DISTINCT kind FROM intake.record SEMI JOIN charged USING (record_id))
    SELECT r.record_id AS place, format('record {} ({} {}) has no charge and none held', r.record_id, kind, key)
        AS message
    FROM intake.record r SEMI JOIN kinds USING (kind) ANTI JOIN charged USING (record_id) WHERE r.refund_of IS NULL""",
    slice_by="record",
)

CHARGE_CARRIED = Rule(
    "each charge's obligations add up to it, in its currency, on its date",
    "rating.charge",
    """WITH carried AS (
        SELECT record_id, charge, sum(amount_minor) AS amount, count(*) AS n, min(currency) AS currency,
            bool_and(currency = o.currency) AS one_currency, min(booked_on) AS first_on, max(booked_on) AS last_on,
            min(batch_no) AS first_batch, max(batch_no) AS last_batch
        FROM clearing.obligation o GROUP BY record_id, charge),
    both_ends AS (
        SELECT coalesce(c.record_id, o.record_id) AS record_id, coalesce(c.charge, o.charge) AS charge,
            c.amount_minor AS charged, o.amount AS amount, c.currency AS charge_currency, o.currency AS currency,
            c.booked_on, o.first_on, o.last_on, c.batch_no, o.first_batch, o.last_batch
        FROM rating.charge c FULL JOIN carried o ON o.record_id = c.record_id AND o.charge = c.charge)
    SELECT {'r': record_id, 'c': charge} AS place, format('charge {}/{}: {}', record_id, charge, CASE
        WHEN charged IS NULL THEN 'obligations of ' || amount || ' minor units, but no charge'
        WHEN coalesce(amount, 0) <> charged THEN
            'charged ' || charged || ' minor units, its obligations add up to ' || coalesce(amount, 0)
        WHEN charge_currency <> currency THEN 'charged in ' || charge_currency || ', its obligations are in '
            || currency
        WHEN booked_on <> first_on OR booked_on <> last_on THEN
            'booked on ' || booked_on || ', its obligations on ' || first_on || ' to ' || last_on
        ELSE 'in batch ' || batch_no || ', its obligations in batch ' || first_batch || ' to ' || last_batch END)
            AS message
    FROM both_ends
    WHERE charged IS NULL OR coalesce(amount, 0) <> charged OR charge_currency <> currency
        OR booked_on <> first_on OR booked_on <> last_on OR batch_no <> first_batch OR batch_no <> last_batch""",
    slice_by="record",
)

OBLIGATION_ONCE = Rule(
    "each obligation is stored once",
    "clearing.obligation",
    """SELECT {'r': record_id, 'c': charge} AS place,
        format('obligations of charge {}/{}: {} rows of {} bearers', record_id, charge, count(*),
            count(DISTINCT bearer))
            AS message
    FROM clearing.obligation GROUP BY record_id, charge
    HAVING count(*) > 1 AND count(*) <> count(DISTINCT bearer)""",
    slice_by="record",
)

OBLIGATION_PARTIES = Rule(
    "each obligation is between its charge's parties, in one currency",
    "clearing.obligation",
    """SELECT {'r': o.record_id, 'c': o.charge, 'b': o.bearer} AS place,
        format('obligation {}/{}/{}: {} owes {} in {}, the charge says {} owes {} in {}', o.record_id, o.charge,
            o.bearer,
            o.debtor, o.creditor, o.currency, coalesce(c.debtor, 'its bearers'), c.creditor, c.currency) AS message
    FROM clearing.obligation o JOIN rating.charge c USING (record_id, charge)
    WHERE o.creditor <> c.creditor OR o.debtor <> c.debtor OR o.currency <> c.currency
        OR o.refund_of IS DISTINCT FROM c.refund_of""",
    slice_by="record",
)

_OWED = "record_id, charge, bearer, debtor, creditor, amount_minor, refund_of"

REFUND_WITHIN = Rule(
    "refunds give back at most what was charged, between the same parties",
    "clearing.obligation",
    f"""WITH own AS (
        SELECT {_OWED} FROM clearing.obligation UNION ALL
        SELECT {_OWED} FROM clearing.corrected_obligation WHERE sequence_no = 0),
    given_back AS (
        SELECT refund_of AS record_id, charge, bearer, debtor, creditor, sum(amount_minor) AS refunded
        FROM own WHERE refund_of IS NOT NULL GROUP BY ALL),
    owed AS (
        SELECT record_id, charge, bearer, debtor, creditor, sum(amount_minor) AS amount_minor
        FROM own SEMI JOIN given_back USING (record_id) GROUP BY ALL)
    SELECT {{'r': g.record_id, 'c': g.charge, 'b': g.bearer, 'd': g.debtor}} AS place,
        format('obligation {{}}/{{}}/{{}}, {{}} owes {{}}: {{}} minor units, its refunds add up to {{}}', g.record_id,
            g.charge, g.bearer, g.debtor, g.creditor, coalesce(o.amount_minor::VARCHAR, 'no such obligation of'),
            refunded) AS message
    FROM given_back g LEFT JOIN owed o
        ON o.record_id = g.record_id AND o.charge = g.charge AND o.bearer = g.bearer
        AND o.debtor = g.debtor AND o.creditor = g.creditor
    WHERE o.amount_minor IS NULL OR sign(refunded) * sign(o.amount_minor) > 0 OR abs(refunded) > abs(o.amount_minor)""",
)

RULES = (
    RECORD_CHARGED,
    CHARGE_ONCE,
    CHARGE_OF_RECORD,
    HELD_OF_RECORD,
    RETRY_OF_HELD,
    OBLIGATION_ONCE,
    OBLIGATION_PARTIES,
    CHARGE_CARRIED,
    REFUND_WITHIN,
)
