"""What reconciliations booked: the ledger has it, and what caused it says the same."""

from everycent.proof.verify.core.posted import posted_otherwise
from everycent.proof.verify.core.rule import Rule

ENTRIES_POSTED = Rule(
    "each booked entry is in the ledger, and what was taken back is there the other way round",
    "recon.booked_entry",
    posted_otherwise(
        "booked entry",
        """SELECT transfer_id, booked_on AS as_of, currency, amount_minor, debit_account, credit_account
        FROM recon.booked_entry
        UNION ALL SELECT back_id, back_on, currency, amount_minor, credit_account, debit_account
        FROM recon.booked_entry WHERE back_id IS NOT NULL""",
        "cause LIKE 'recon %'",
    ),
)

CAUSES_AGREE = Rule(
    "each booked entry is as its run, or the break that a person wrote off, says",
    "recon.booked_entry",
    """WITH said AS (
        SELECT b.transfer_id, e.cause, e.key, e.debit_account, e.credit_account, e.amount_minor, e.currency
        FROM recon.booked_entry b JOIN recon.entry e USING (run_id, entry_no)
        UNION ALL
        SELECT b.transfer_id, 'written_off', s.key, b.debit_account, b.credit_account,
            CASE WHEN b.back_id IS NOT NULL THEN b.amount_minor
                WHEN s.state = 'closed' AND s.reason = 'written_off' THEN abs(f.difference_minor) END,
            CASE WHEN b.back_id IS NOT NULL THEN b.currency
                ELSE coalesce(m.left_currency, m.right_currency, r.currency) END
        FROM recon.booked_entry b JOIN recon.standing_break s USING (break_id)
        LEFT JOIN recon.break f ON (f.run_id, f.finding_no) = (s.run_id, s.finding_no)
        LEFT JOIN recon.break_currency m ON (m.run_id, m.finding_no) = (s.run_id, s.finding_no)
        LEFT JOIN recon.run r ON r.run_id = s.run_id)
    SELECT b.transfer_id AS place,
        format('booked entry {}: {} of {}, {} {} from {} to {}; what caused it says {} of {}, {} {} from {} to {}',
            b.transfer_id, b.cause, b.key, b.amount_minor, b.currency, b.debit_account, b.credit_account,
            coalesce(s.cause, '-'), coalesce(s.key, '-'), coalesce(s.amount_minor, 0), coalesce(s.currency, ''),
            coalesce(s.debit_account, '-'), coalesce(s.credit_account, '-')) AS message
    FROM recon.booked_entry b LEFT JOIN said s USING (transfer_id)
    WHERE (b.cause, b.key, b.debit_account, b.credit_account, b.amount_minor, b.currency)
        IS DISTINCT FROM (s.cause, s.key, s.debit_account, s.credit_account, s.amount_minor, s.currency)""",
)

_SAME = "scenario, cause, key, debit_account, credit_account, amount_minor, currency"

#: A day cut before the last books nothing any more; a scenario that no run has booked yet is not asked.
LAST_RUN_BOOKED = Rule(
    "each entry of the last run of a scenario that books stands",
    "recon.booked_entry",
    f"""WITH last AS (
        SELECT scenario, arg_max(run_id, observation_no) AS run_id FROM recon.observation
        SEMI JOIN recon.booked_entry USING (scenario) GROUP BY scenario),
    asked AS (
        SELECT last.* FROM last LEFT JOIN recon.cut c ON c.run_id = last.run_id
        LEFT JOIN (SELECT scenario, max(day) AS day FROM recon.cut GROUP BY scenario) AS newest
            ON newest.scenario = last.scenario
        WHERE c.day IS NOT DISTINCT FROM newest.day),
    stated AS (SELECT {_SAME}, count(*) AS n FROM recon.entry JOIN asked USING (run_id) GROUP BY ALL),
    standing AS (
        SELECT {_SAME}, count(*) AS n FROM recon.booked_entry WHERE back_id IS NULL AND run_id IS NOT NULL GROUP BY ALL)
    SELECT {{'s': scenario, 'c': cause, 'k': key}} AS place,
        format('{{}}: {{}} of {{}}, {{}} {{}}: its last run states it {{}} times, {{}} stand', scenario, cause, key,
            amount_minor, currency, stated.n, coalesce(standing.n, 0)) AS message
    FROM stated LEFT JOIN standing USING ({_SAME}) WHERE coalesce(standing.n, 0) < stated.n""",
)

RULES = (ENTRIES_POSTED, CAUSES_AGREE, LAST_RUN_BOOKED)
