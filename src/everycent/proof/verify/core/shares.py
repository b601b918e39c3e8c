"""Charges per share: who has an amount of one carries a share of what it is on."""

from everycent.proof.verify.core.ordered import standing
from everycent.proof.verify.core.rule import Rule

_ENDS = "record_id, charge, bearer, debtor, creditor, amount_minor, refund_of, batch_no"

PER_SHARE = Rule(
    "each amount per share is of who carries that share",
    "clearing.obligation",
    f"""WITH owed AS (
        SELECT {_ENDS} FROM clearing.obligation UNION ALL
        SELECT {_ENDS} FROM {standing("clearing.ordered_obligation")}),
    amounts AS (
        SELECT o.record_id, o.charge, o.bearer, o.amount_minor, p.base,
            CASE p.bearer_is WHEN 'debtor' THEN o.debtor ELSE o.creditor END AS party
        FROM owed o JOIN platform.batch b ON b.batch_no = o.batch_no
            JOIN declared.per_share p ON p.model_version = b.model_version AND p.charge = o.charge
        WHERE o.refund_of IS NULL AND o.charge IN (SELECT charge FROM declared.per_share)),
    carried AS (
        SELECT DISTINCT record_id, charge, bearer, debtor FROM owed
        WHERE charge IN (SELECT base FROM declared.per_share))
    SELECT {{'r': a.record_id, 'c': a.charge, 'b': a.bearer}} AS place,
        format('obligation {{}}/{{}}/{{}}: {{}} minor units of {{}}, {{}}', a.record_id, a.charge, a.bearer,
            a.amount_minor, a.party,
            coalesce('share ' || a.bearer || ' of charge ' || a.base || ' is carried by ' || s.debtor,
                'charge ' || a.base || ' has no such share')) AS message
    FROM amounts a LEFT JOIN carried s
        ON s.record_id = a.record_id AND s.charge = a.base AND s.bearer = a.bearer
    WHERE s.debtor IS DISTINCT FROM a.party""",
    slice_by="record",
)

RULES = (PER_SHARE,)
