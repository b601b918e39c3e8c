"""Terms of contracts: a statement that names one has its words, and what was frozen as it closed is what they say."""

from everycent.proof.verify.core.rule import Rule

#: A statement's words, each beside its contract's; a contract's revision never changes.
AGREED = Rule(
    "each statement under a contract has the terms of that contract",
    "settlement.statement",
    """WITH told AS (
        SELECT *, agreed ->> '$.contract' AS contract_no, CAST(agreed ->> '$.revision' AS INTEGER) AS revision,
            agreed ->> '$.cycle' AS cycle, CAST(agreed ->> '$.reserve_ratio' AS DECIMAL(9, 8)) AS ratio,
            CAST(agreed ->> '$.silent_days' AS INTEGER) AS silent, agreed ->> '$.negative' AS negative,
            agreed ->> '$.invoice' AS invoice,
            CAST(agreed ->> ('$.minimum_minor.' || currency) AS HUGEINT) AS minimum
        FROM settlement.statement WHERE agreed IS NOT NULL),
    beside AS (
        SELECT s.*, EXISTS (
            FROM parties.contract AS c WHERE c.party_id = s.party_id AND c.contract_no = s.contract_no
                AND c.revision = s.revision AND c.cycle = s.cycle AND c.mode = s.agreed ->> '$.mode'
                AND c.valid_from <= s.period_first AND (c.valid_to IS NULL OR s.period_last < c.valid_to)
                AND (c.reserve_ratio, c.silent_days, c.negative, c.invoice) IS NOT DISTINCT FROM
                    (ratio, silent, s.negative, s.invoice)
                AND json(c.charge_groups) IS NOT DISTINCT FROM json(s.agreed -> '$.charge_groups')
                AND CAST(c.minimum_payout_minor ->> ('$.' || currency) AS HUGEINT) IS NOT DISTINCT FROM minimum
            ) AS is_so
        FROM told AS s)
    SELECT statement_id AS place, format('statement {}, {} to {}: under contract {}, revision {}, with {}',
        statement_id, period_first, period_last, coalesce(contract_no, '-'), coalesce(revision, 0), agreed) AS message
    FROM beside WHERE NOT is_so""",
)

FROZEN = Rule(
    "each closed statement under a contract closed by its terms",
    "settlement.statement",
    """SELECT statement_id AS place,
        format('statement {}: closed with carries {}, ratio {}, silence {}; agreed is {}', statement_id, carries,
            reserve_ratio::VARCHAR, coalesce(silent_days, -1), agreed) AS message
    FROM settlement.statement WHERE agreed IS NOT NULL AND state <> 'open' AND (
        carries <> coalesce(agreed ->> '$.negative' = 'carry', carries)
        OR reserve_ratio <> coalesce(CAST(agreed ->> '$.reserve_ratio' AS DECIMAL(9, 8)), reserve_ratio)
        OR reserve_days <> coalesce(CAST(agreed ->> '$.reserve_days' AS INTEGER), reserve_days)
        OR silent_days IS DISTINCT FROM coalesce(CAST(agreed ->> '$.silent_days' AS INTEGER), silent_days)
        OR agreed ->> '$.silent_days' IS NOT NULL AND NOT confirms)""",
)

RULES = (AGREED, FROZEN)
