"""The ledger: its transfers are the obligations and instructions, its accounts are its transfers, and it balances."""

from everycent.proof.verify.core.ordered import standing
from everycent.proof.verify.core.rule import Rule

_ACCOUNT = "CASE WHEN {end} LIKE '%:%' THEN 'party/' || {end} ELSE 'operator/' || legal_entity || '/' || charge END"

_POSTED = "batch_no, booked_on, currency, amount_minor, debtor, creditor, legal_entity, charge"

#: What obligations must have posted, per batch, day, pair of accounts and currency; a negative amount swaps the ends.
_OWED = f"""(SELECT batch_no, booked_on, CASE WHEN amount_minor > 0 THEN debtor ELSE creditor END AS debit_account,
        CASE WHEN amount_minor > 0 THEN creditor ELSE debtor END AS credit_account, currency,
        sum(abs(amount_minor::HUGEINT)) AS amount
    FROM (SELECT batch_no, booked_on, currency, amount_minor, {_ACCOUNT.format(end="debtor")} AS debtor,
            {_ACCOUNT.format(end="creditor")} AS creditor FROM (
            SELECT {_POSTED} FROM clearing.obligation UNION ALL
            SELECT {_POSTED} FROM clearing.corrected_obligation WHERE sequence_no = 0) WHERE amount_minor <> 0)
    WHERE debtor <> creditor GROUP BY ALL)"""

OBLIGATIONS_POSTED = Rule(
    "each batch posted its obligations, account by account",
    "ledger.transfer",
    f"""WITH posted AS (
        SELECT batch_no, booked_on, debit_account, credit_account, currency, sum(amount_minor) AS amount
        FROM ledger.transfer ANTI JOIN (FROM platform.batch SELECT batch_no WHERE kind = '(in order)') USING (batch_no)
        WHERE batch_no IS NOT NULL GROUP BY ALL)
    SELECT {{'b': batch_no, 'o': booked_on, 'd': debit_account, 'c': credit_account, 'u': currency}} AS place,
        format('batch {{}}, {{}}: {{}} to {{}}: posted {{}} {{}}, its obligations add up to {{}}', batch_no, booked_on,
            debit_account, credit_account, coalesce(p.amount, 0), currency, coalesce(o.amount, 0)) AS message
    FROM posted p FULL JOIN {_OWED} o USING (batch_no, booked_on, debit_account, credit_account, currency)
    WHERE coalesce(p.amount, 0) <> coalesce(o.amount, 0)""",
    slice_by="batch",
)

#: Windows and rewinds post forth and back, so what holds is the net of all of them.
ORDERED_POSTED = Rule(
    "what was cleared in order, and stands, is posted, account by account",
    "clearing.ordered_obligation",
    f"""WITH moved AS (
        SELECT booked_on, currency, debit_account AS a, credit_account AS b, amount_minor AS posted, 0::HUGEINT AS owed
        FROM ledger.transfer SEMI JOIN (FROM platform.batch SELECT batch_no WHERE kind = '(in order)') USING (batch_no)
        UNION ALL
        SELECT booked_on, currency, {_ACCOUNT.format(end="debtor")}, {_ACCOUNT.format(end="creditor")}, 0,
            amount_minor::HUGEINT
        FROM (SELECT {_POSTED} FROM {standing("clearing.ordered_obligation")} UNION ALL
            SELECT {_POSTED} FROM {standing("clearing.corrected_obligation")} WHERE sequence_no > 0)),
    net AS (
        SELECT booked_on, currency, least(a, b) AS one, greatest(a, b) AS other,
            sum(CASE WHEN a < b THEN posted ELSE -posted END) AS posted,
            sum(CASE WHEN a < b THEN owed ELSE -owed END) AS owed
        FROM moved WHERE a <> b GROUP BY ALL)
    SELECT {{'o': booked_on, 'a': one, 'b': other, 'u': currency}} AS place,
        format('{{}}: {{}} to {{}}: posted {{}} {{}}, obligations cleared in order add up to {{}}', booked_on, one,
            other, posted, currency, owed) AS message
    FROM net WHERE posted <> owed""",
)

INSTRUCTIONS_POSTED = Rule(
    "each instruction is posted, once",
    "payments.instruction",
    """WITH due AS (
        SELECT instruction_id, as_of, currency, amount_minor,
            CASE direction WHEN 'pay' THEN 'party/' || party_id ELSE 'channel/' || channel END AS debit_account,
            CASE direction WHEN 'pay' THEN 'channel/' || channel ELSE 'party/' || party_id END AS credit_account
        FROM payments.instruction),
    posted AS (SELECT * FROM ledger.transfer WHERE batch_no IS NULL)
    SELECT coalesce(d.instruction_id, p.transfer_id) AS place,
        format('instruction {}: {} {} from {} to {} on {}; posted {} {} from {} to {} on {}',
            coalesce(d.instruction_id, p.transfer_id), coalesce(d.amount_minor, 0), coalesce(d.currency, ''),
            coalesce(d.debit_account, '-'), coalesce(d.credit_account, '-'), coalesce(d.as_of::VARCHAR, '-'),
            coalesce(p.amount_minor, 0), coalesce(p.currency, ''), coalesce(p.debit_account, '-'),
            coalesce(p.credit_account, '-'), coalesce(p.booked_on::VARCHAR, '-')) AS message
    FROM due d FULL JOIN posted p ON p.transfer_id = d.instruction_id
    WHERE (d.amount_minor, d.currency, d.debit_account, d.credit_account, d.as_of)
        IS DISTINCT FROM (p.amount_minor, p.currency, p.debit_account, p.credit_account, p.booked_on)""",
)

ACCOUNT_SUMS = Rule(
    "each account's balance is the sum of its transfers",
    "ledger.account",
    """WITH posted AS (
        SELECT account, currency, sum(debit) AS debits, sum(credit) AS credits FROM (
            SELECT debit_account AS account, currency, amount_minor AS debit, 0 AS credit FROM ledger.transfer
            UNION ALL SELECT credit_account, currency, 0, amount_minor FROM ledger.transfer)
        GROUP BY account, currency)
    SELECT {'a': account, 'c': currency} AS place,
        format('account {} in {}: debits {}, credits {}; its transfers add up to {} and {}', account, currency,
            coalesce(debits_minor, 0), coalesce(credits_minor, 0), coalesce(debits, 0), coalesce(credits, 0)) AS message
    FROM ledger.account FULL JOIN posted USING (account, currency)
    WHERE coalesce(debits_minor, 0) <> coalesce(debits, 0) OR coalesce(credits_minor, 0) <> coalesce(credits, 0)""",
)

TRIAL_BALANCE = Rule(
    "the trial balance is zero in each currency",
    "ledger.account",
    """SELECT currency AS place, format('{}: debits {}, credits {}', currency, sum(debits_minor), sum(credits_minor))
        AS message
    FROM ledger.account GROUP BY currency HAVING sum(debits_minor) <> sum(credits_minor)""",
)

PARTY_BALANCES = Rule(
    "each party's balance is what its statements say and no instruction has moved",
    "ledger.account",
    """WITH said AS (
        SELECT 'party/' || party_id AS account, currency, sum(due) AS due FROM (
            SELECT party_id, currency, payable_minor - receivable_minor AS due FROM settlement.statement
            UNION ALL SELECT party_id, currency, CASE direction WHEN 'pay' THEN -amount_minor ELSE amount_minor END
            FROM payments.instruction) GROUP BY ALL),
    held AS (
        SELECT account, currency, credits_minor - debits_minor AS balance FROM ledger.account
            WHERE account LIKE 'party/%')
    SELECT {'a': account, 'c': currency} AS place,
        format('{} in {}: balance {}, its statements less its instructions {}', account, currency, coalesce(balance, 0),
            coalesce(due, 0)) AS message
    FROM held FULL JOIN said USING (account, currency) WHERE coalesce(balance, 0) <> coalesce(due, 0)""",
)

RULES = (OBLIGATIONS_POSTED, ORDERED_POSTED, INSTRUCTIONS_POSTED, ACCOUNT_SUMS, TRIAL_BALANCE, PARTY_BALANCES)
